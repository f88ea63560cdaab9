"""The conditions that a router indexes by: what is found, and that no match is ever lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibridge import cesql


@pytest.mark.parametrize(
    ("text", "equals", "prefixes"),
    [
        ("type = 'a' AND priority > 3", {"type": {"a"}}, {}),
        ("'a' = type", {"type": {"a"}}, {}),
        ("type IN ('a', 'b')", {"type": {"a", "b"}}, {}),
        ("type LIKE 'order.%'", {}, {"type": {"order."}}),
        ("type LIKE 'order._%'", {}, {"type": {"order."}}),
        ("type LIKE 'a\\%b'", {"type": {"a%b"}}, {}),
        ("type LIKE '%a'", {}, {}),
        ("type = 'a' OR type = 'b'", {"type": {"a", "b"}}, {}),
        ("type = 'a' OR type LIKE 'b%'", {}, {"type": {"a", "b"}}),
        ("type = 'a' OR source = 'b'", {}, {}),
        ("(type = 'a' AND source = 'x') OR (type = 'b' AND id = '1')", {"type": {"a", "b"}}, {}),
        ("type IN ('a', 'b') AND type IN ('b', 'c')", {"type": {"b"}}, {}),
        ("type = 'a' AND type = 'b'", {"type": set()}, {}),
        ("type IN ('ab', 'cd') AND type LIKE 'a%'", {"type": {"ab"}}, {}),
        ("type LIKE 'a%' AND type LIKE 'ab%'", {}, {"type": {"ab"}}),
        ("type LIKE 'a%' AND type LIKE 'b%'", {}, {"type": set()}),
        # The attribute is cast to the literal's type, or the literal to the attribute's: one value, many texts.
        ("n = 5", {}, {}),
        ("flag = TRUE", {}, {}),
        ("'05' = n", {}, {}),
        ("n IN ('05', '6')", {}, {}),
        ("flag IN ('TRUE')", {}, {}),
        ("n IN (5, 6)", {}, {}),
        ("n IN ('5', '-6', 'x', 'true')", {"n": {"5", "-6", "x", "true"}}, {}),
        ("n = '05'", {"n": {"05"}}, {}),
        # What is negated, computed or unknown says nothing.
        ("NOT (type = 'a')", {}, {}),
        ("type != 'a'", {}, {}),
        ("type NOT IN ('a')", {}, {}),
        ("type NOT LIKE 'a%'", {}, {}),
        ("LOWER(type) = 'a'", {}, {}),
        ("type = source", {}, {}),
        ("type IN (source, 'a')", {}, {}),
        ("type = 'a' XOR type = 'b'", {}, {}),
        ("(type = 'a') = FALSE", {}, {}),
        ("TRUE", {}, {}),
    ],
)
def test_what_is_found(text, equals, prefixes):
    found = cesql.compile(text).necessary()
    assert found.equals == {name: frozenset(texts) for name, texts in equals.items()}
    assert found.prefixes == {name: frozenset(texts) for name, texts in prefixes.items()}


NAMES = ["type", "n", "b"]
TEXTS = ["a", "ab", "b", "5", "05", "+5", "0", "1", "true", "TRUE", ""]
VALUES: st.SearchStrategy[object] = st.sampled_from([*TEXTS, 0, 1, 5, True, False, None, "abc", "false", 2**40])
QUOTED = st.sampled_from(TEXTS).map(lambda text: f"'{text}'")
NAME = st.sampled_from(NAMES)
LITERAL = st.one_of(QUOTED, st.sampled_from(["0", "1", "5", "TRUE", "FALSE"]))
LEAF = st.one_of(
    st.builds("{} = {}".format, NAME, LITERAL),
    st.builds("{} = {}".format, LITERAL, NAME),
    st.builds("{} != {}".format, NAME, LITERAL),
    st.builds("{} LIKE '{}'".format, NAME, st.text("ab5%_", max_size=4)),
    st.builds("{} NOT LIKE '{}'".format, NAME, st.text("ab%", max_size=3)),
    st.builds("{} IN ({})".format, NAME, st.lists(LITERAL, min_size=1, max_size=3).map(", ".join)),
    st.builds("{} IN ({})".format, NAME, st.lists(st.one_of(LITERAL, NAME), min_size=1, max_size=3).map(", ".join)),
    st.builds("{} NOT IN ({})".format, NAME, QUOTED),
)
FILTER = st.recursive(
    LEAF.map("({})".format),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR", "XOR", "="]), inner),
        inner.map("(NOT {})".format),
    ),
    max_leaves=5,
)


@given(FILTER, st.dictionaries(NAME, VALUES, min_size=2))
def test_no_match_is_lost(text, event):
    expression = cesql.compile(text)
    if not expression.matches(event):
        return
    needed = expression.necessary()
    for name, allowed in needed.equals.items():
        assert cesql.attribute_text(event[name]) in allowed
    for name, beginnings in needed.prefixes.items():
        assert (cesql.attribute_text(event[name]) or "").startswith(tuple(beginnings))
    assert needed.equals.keys().isdisjoint(needed.prefixes)
