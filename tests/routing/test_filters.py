"""The dialects: what each matches, short type names everywhere, and errors that name their place."""

from __future__ import annotations

from typing import Any

import pytest

from omnibridge.errors import ConfigError
from omnibridge.model import full_type
from omnibridge.routing import All, Any_, Exact, Filter, Not, Prefix, Suffix, describe, parse_filter, sql, type_filter

PLACED = {"type": full_type("order.placed"), "source": "/acme/shop", "channel": "shop", "hops": 2, "test": True}
DATA = {"totals": {"total": {"amount": "129.90"}}, "status": "open"}


@pytest.mark.parametrize(
    ("filter_", "matches"),
    [
        ({"exact": {"type": "order.placed"}}, True),
        ({"exact": {"type": "io.omnibridge.order.placed.v1"}}, True),
        ({"exact": {"type": "order.paid"}}, False),
        ({"exact": {"type": "order.placed", "channel": "shop"}}, True),
        ({"exact": {"type": "order.placed", "channel": "till"}}, False),
        ({"exact": {"channel": "Shop"}}, False),
        ({"exact": {"hops": "2", "test": "true"}}, True),
        ({"exact": {"missing": "x"}}, False),
        ({"prefix": {"type": "order."}}, True),
        ({"prefix": {"type": "order"}}, True),
        ({"prefix": {"type": "customer."}}, False),
        ({"prefix": {"source": "/acme/", "channel": "sh"}}, True),
        ({"prefix": {"source": "/acme/", "channel": "til"}}, False),
        ({"prefix": {"channel": "SH"}}, False),
        ({"prefix": {"missing": "x"}}, False),
        ({"suffix": {"source": "/shop"}}, True),
        ({"suffix": {"source": "/SHOP"}}, False),
        ({"suffix": {"source": "/shop", "channel": "x"}}, False),
        ({"suffix": {"type": ".placed"}}, True),
        ({"suffix": {"type": ".placed.v1"}}, True),
        ({"suffix": {"type": ".paid"}}, False),
        ({"all": [{"exact": {"channel": "shop"}}, {"prefix": {"type": "order."}}]}, True),
        ({"all": [{"exact": {"channel": "shop"}}, {"exact": {"type": "order.paid"}}]}, False),
        ({"any": [{"exact": {"channel": "till"}}, {"exact": {"type": "order.placed"}}]}, True),
        ({"any": [{"exact": {"channel": "till"}}]}, False),
        ({"not": {"exact": {"channel": "till"}}}, True),
        ({"not": {"not": {"exact": {"channel": "till"}}}}, False),
        ({"not": {"sql": "missing = 1"}}, True),
        ({"sql": "type = 'order.placed' AND hops < 3"}, True),
        ({"sql": "DATA_GT('/totals/total/amount', '100')"}, True),
        ({"any": [{"sql": "DATA('/status') = 'draft'"}, {"sql": "test"}]}, True),
        ({"any": [{"sql": "DATA('/status') = 'draft'"}, {"sql": "channel"}]}, False),
    ],
)
def test_every_dialect(filter_: dict[str, Any], matches: bool) -> None:
    assert parse_filter(filter_, "filters[0]").matches(PLACED, lambda: DATA) is matches


@pytest.mark.parametrize(
    ("text", "matches", "not_matches"),
    [
        ("type = 'order.placed'", ["order.placed"], ["order.paid"]),
        ("'order.placed' = TYPE", ["order.placed"], ["order.paid"]),
        ("type != 'order.placed'", ["order.paid", "com.example.x"], ["order.placed"]),
        ("type IN ('order.placed', 'order.paid')", ["order.placed", "order.paid"], ["order.deleted"]),
        ("type NOT IN ('order.placed')", ["order.paid"], ["order.placed"]),
        ("type LIKE 'order.%'", ["order.placed", "io.omnibridge.order.archived.v2"], ["customer.created"]),
        ("type LIKE 'order.placed'", ["order.placed"], ["order.paid"]),
        ("type LIKE 'order%'", ["order.placed", "orders.com"], ["customer.created"]),
        ("type LIKE '%.placed'", ["order.placed", "com.example.placed"], ["order.paid"]),
        ("type LIKE '%.created'", ["customer.created", "product.created"], ["order.paid"]),
        ("type NOT LIKE '%.placed'", ["order.paid"], ["order.placed", "com.example.placed"]),
        ("type LIKE '%plac%'", ["order.placed"], ["order.paid"]),
        ("type LIKE 'order.p_i%'", ["order.paid"], ["order.placed"]),
        ("type LIKE 'io.omnibridge.%'", ["order.paid"], ["com.example.order"]),
        ("type = 'com.example.order'", ["com.example.order"], ["order.placed"]),
        ("NOT (type = 'order.placed' OR FALSE)", ["order.paid"], ["order.placed"]),
        ("(type = 'order.placed') = TRUE", ["order.placed"], ["order.paid"]),
        ("LENGTH(subject) > 3 AND type = 'order.paid'", ["order.paid"], ["order.placed"]),
    ],
)
def test_short_type_names_in_cesql(text: str, matches: list[str], not_matches: list[str]) -> None:
    found = {name: sql(text).matches({"type": full_type(name), "subject": "s-100"}) for name in matches + not_matches}
    assert found == {**dict.fromkeys(matches, True), **dict.fromkeys(not_matches, False)}


def test_only_what_type_is_compared_with_is_made_full():
    assert sql("channel = 'order.placed'").matches({"type": "x", "channel": "order.placed"})
    assert sql("subject IN ('order.paid') AND type = 'order.paid'").matches(
        {"type": full_type("order.paid"), "subject": "order.paid"}
    )


def test_short_names_in_code_are_those_of_the_configuration():
    assert Exact("type", "order.placed") == parse_filter({"exact": {"type": "order.placed"}}, "f")
    assert type_filter("order.*") == Prefix("type", "order.") == Prefix("type", "io.omnibridge.order.")
    assert type_filter("*").matches({"type": "anything"})
    assert type_filter("com.example.*").matches({"type": "com.example.thing"})


def test_expressions_that_ask_the_same_are_equal():
    assert sql("a = 'x' AND b > 1") == sql("a='x'   and B > 1")
    assert hash(sql("a = 'x'")) == hash(sql("a = 'x' "))
    assert sql("a = 1") != sql("a = TRUE")
    assert sql("a = 1") != sql("a = '1'")
    assert sql("type = 'order.paid'") == sql("type = 'io.omnibridge.order.paid.v1'")


@pytest.mark.parametrize(
    ("value", "where", "what"),
    [
        ("x", "filters[2]", "a filter is a table with one dialect"),
        ({}, "filters[2]", "a filter has one dialect; this one has none"),
        ({"exact": {"a": "b"}, "prefix": {"a": "b"}}, "filters[2]", "one dialect; this one has exact, prefix"),
        ({"regex": {"a": "b"}}, "filters[2].regex", "unknown filter dialect"),
        ({"cesql": "TRUE"}, "filters[2].cesql", "the dialect is called sql"),
        ({"exact": "type"}, "filters[2].exact", "needs a table of attribute names and values"),
        ({"exact": {}}, "filters[2].exact", "needs a table"),
        ({"exact": {"hops": 2}}, "filters[2].exact.hops", "numbers and booleans in quotes too"),
        ({"exact": {"type": ""}}, "filters[2].exact.type", "not empty"),
        ({"prefix": {"Source_Id": "x"}}, "filters[2].prefix", "'Source_Id' is no attribute name"),
        ({"exact": {"data": "x"}}, "filters[2].exact", "data is not an attribute"),
        ({"all": []}, "filters[2].all", "needs a list of filters"),
        ({"any": {"exact": {"a": "b"}}}, "filters[2].any", "needs a list of filters"),
        ({"not": {"all": [{"exact": {"a": "b"}}, {"x": 1}]}}, "filters[2].not.all[1].x", "unknown filter dialect"),
        ({"sql": 5}, "filters[2].sql", "needs a CESQL text"),
        (
            {"any": [{"sql": "type = 'order.placed' AND AND x"}]},
            "filters[2].any[0].sql",
            "at character 27: …'order.placed' AND >>>AND x",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value: object, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_filter(value, "filters[2]")
    assert caught.value.where == where
    assert what in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("filter_", "text"),
    [
        (All(()), "every event"),
        (Any_(()), "nothing"),
        (
            All((type_filter("order.paid"), Any_((Exact("a", "1"), Exact("b", "2"))))),
            "type = 'order.paid' and (a = '1' or b = '2')",
        ),
        (Not(Suffix("source", "/x")), "not (source ends with '/x')"),
        (Prefix("source", "/x"), "source begins with '/x'"),
        (sql("  DATA_EXISTS('/x') "), "DATA_EXISTS('/x')"),
    ],
)
def test_a_filter_in_words(filter_: Filter, text: str) -> None:
    assert describe(filter_) == text
