"""LIKE against a plain definition, and proof that no pattern can run away."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnibridge import cesql
from omnibridge.cesql import like
from omnibridge.cesql.like import parse_pattern


def by_definition(pattern: str, text: str) -> bool:
    """The textbook table: row by row, which beginnings of the pattern fit this much of the text."""
    parts: list[tuple[str, bool]] = []
    position = 0
    while position < len(pattern):
        if pattern[position : position + 2] in ("\\%", "\\_"):
            parts.append((pattern[position + 1], False))
            position += 2
        else:
            parts.append((pattern[position], pattern[position] in "%_"))
            position += 1
    row = [True]
    for part in parts:
        row.append(row[-1] and part == ("%", True))
    for character in text:
        below = [False]
        for index, (sign, wild) in enumerate(parts):
            if wild and sign == "%":
                below.append(row[index + 1] or below[index])
            else:
                below.append(row[index] and (wild or sign == character))
        row = below
    return row[-1]


@given(st.text("ab%_\\\n", max_size=12), st.text("ab%_\\\n", max_size=12))
@example("%a_%b%", "xaab")
@example("a%a", "a")
@example("a%b%b", "ab")
@example("_", "\n")
@example("%_b%", "a\nb")
@example("%%", "")
def test_like_is_what_the_definition_says(pattern, text):
    assert parse_pattern(pattern).matches(text) is by_definition(pattern, text)


@given(st.text("ab%_'", max_size=8), st.text("ab%_'", max_size=8))
def test_the_language_matches_as_the_pattern_does(pattern, text):
    """The short forms that are compiled without a pattern (equal, starts, ends) agree with it."""
    written = "'" + pattern.replace("'", "\\'") + "'"
    expected = by_definition(pattern, text)
    assert cesql.compile(f"x LIKE {written}").evaluate({"x": text}).value is expected
    assert cesql.compile(f"x NOT LIKE {written}").evaluate({"x": text}).value is not expected


class Counting(str):
    """A text that counts how often it is looked at."""

    looks = 0

    def find(self, *arguments):
        Counting.looks += 1
        return str.find(self, *arguments)


@pytest.mark.parametrize("wildcards", [1, 13, 200])
def test_each_segment_is_looked_for_once(wildcards):
    """The classic attack: many wildcards that almost match. The work grows with the pattern, never exponentially."""
    pattern = parse_pattern("%a" * wildcards + "%b")
    Counting.looks = 0
    assert not pattern.matches(Counting("a" * 100_000 + "c"))
    assert Counting.looks <= wildcards
    Counting.looks = 0
    assert not parse_pattern("%a" * wildcards + "%c%b").matches(Counting("a" * 100_000 + "b"))
    assert Counting.looks <= wildcards + 1


def test_no_regular_expression_has_a_quantifier():
    """So each of them takes one step a character at each place, and the walk above never goes back."""
    hostile = "%a_b" * 13 + "%(a+)+$_%[a-z]*_%.*_%{9}_|_"
    expressions = [s.expression for s in parse_pattern(hostile).segments if s.expression is not None]
    assert len(expressions) == 17
    for expression in expressions:
        bare = re.sub(r"\\.", "", expression.pattern)
        assert set("*+?{}|()[]^$").isdisjoint(bare), expression.pattern


def test_thirteen_wildcards_on_a_long_text():
    expression = cesql.compile("x LIKE '" + "%a" * 13 + "%b_b'")
    assert not expression.matches({"x": "a" * 60_000})
    assert expression.matches({"x": "a" * 60_000 + "bab"})


def test_the_module_has_no_other_expressions():
    assert not [name for name, value in vars(like).items() if isinstance(value, re.Pattern)]
