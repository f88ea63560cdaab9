"""What a filter says that can hardly be meant: found, explained, with a remedy; and nothing said of what is fine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibridge.model import Order, catalogue
from omnibridge.routing import All, Any_, Exact, Filter, Not, doubts, possible_types, sql, type_filter
from omnibridge.routing.shapes import near, shape_at

CHANNELS = {"shop", "till", "events"}
PLACED = "type = 'order.placed' AND "


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("type = 'order.plcaed'", "there is no event type 'order.plcaed'", "did you mean order.placed?"),
        ("type IN ('order.placed', 'oder.paid')", "there is no event type 'oder.paid'", "did you mean order.paid?"),
        ("type = 'io.omnibridge.order.placed.v7'", "no event type", "did you mean order.placed?"),
        ("type = 'order.zzzzzzz'", "no event type", "`omnibridge schema` lists the types"),
        ("type LIKE 'ordre.%'", "no event type begins with 'ordre.'", "did you mean order.?"),
        ("type LIKE 'order.plcd%'", "no event type begins with 'order.plcd'", "did you mean order.placed?"),
        ("type LIKE 'io.omnibridge.qqq.%'", "no event type begins with 'qqq.'", "`omnibridge schema` lists the types"),
        ("1 + 1", "is no condition", "compare it with something"),
        ("'order.placed'", "is no condition", "compare it with something"),
        ("subject", "is no condition", "compare it with something"),
        (PLACED + "'x'", "this always fails", "Boolean"),
        ("channel = 'shpo'", "there is no channel 'shpo'", "did you mean shop?"),
        ("channel != 'nowhere'", "there is no channel 'nowhere'", "one of events, shop, till"),
        ("channel = 'shop' AND channel = 'till'", "these conditions on channel exclude each other", "OR, IN or any"),
        (PLACED + "type LIKE 'customer.%'", "these conditions on type exclude each other", "OR, IN or any"),
        (PLACED + "DATA('/totals/total/amount') > 100", "129.90 is an error", "DATA_GT('/totals/total/amount', '100')"),
        (PLACED + "DATA('/totals/total/amount') = 100", "129.90 is an error", "DATA_EQ('/totals/total/amount', '100')"),
        (PLACED + "DATA('/totals/total/amount') = '129.9'", "129.9 is not 129.90", "DATA_EQ("),
        (PLACED + "DATA_GT('/totals/totl', '1')", "order.placed has nothing at '/totals/totl'", "mean /totals/total?"),
        (PLACED + "DATA_EXISTS('/lines/sku')", "nothing at '/lines/sku'", "did you mean /lines/0/sku?"),
        (PLACED + "DATA('/qqqqqq') = 'x'", "nothing at '/qqqqqq'", "`omnibridge schema` for Order"),
        (PLACED + "DATA('/totals') = 'x'", "is an object, which has no single value", "'/totals/...'"),
        (PLACED + "DATA('/lines') = 'x'", "is a list, which has no single value", "'/lines/0'"),
        (PLACED + "DATA('/status') = 'opne'", "'opne' is never there", "did you mean 'open'?"),
        (PLACED + "DATA_GT('/status', '1')", "not a number", "DATA('/status') = 'draft'"),
        (PLACED + "DATA('/placed_at') > 5", "which CESQL cannot order", "handler"),
        (PLACED + "DATA_GT('/test', '0')", "not a number", "DATA('/test') = TRUE"),
        (PLACED + "DATA('/test') = 'yes'", "is never true of order.placed", "remove the route"),
        (PLACED + "FALSE", "is never true of order.placed", "remove the route"),
        ("LEFT(type, 5) = 'order'", "a function sees the full type", "type LIKE 'order.%'"),
        ("LOWR(channel) = 'shop'", "there is no function LOWR", "did you mean LOWER?"),
        ("NOT channel = 'shop'", "NOT binds tighter", "NOT (...)"),
        ("data = 'x'", "data is not an attribute", "DATA('/pointer')"),
    ],
)
def test_a_doubt_and_its_remedy(text: str, what: str, remedy: str) -> None:
    found = doubts(sql(text), CHANNELS)
    assert any(what in doubt.what and remedy in doubt.remedy for doubt in found), found


@pytest.mark.parametrize(
    "text",
    [
        "type = 'order.placed'",
        "type = 'com.example.thing' AND DATA('/whatever') = 'x'",
        "type LIKE 'com.example.%' AND DATA_GT('/n', '1')",
        "type LIKE 'sorter.%'",
        "type LIKE 'io.omnibridge.%'",
        "type LIKE 'order.placed%'",
        "testrun",
        "DATA_EXISTS('/anything')",
        "type LIKE '%.placed' AND channel = 'shop'",
        PLACED + "DATA_GT('/totals/total/amount', '100')",
        PLACED + "DATA('/status') IN ('open', 'typo')",
        PLACED + "DATA('/attributes/vip') = TRUE AND DATA('/vendor/a/0/b') = 'x'",
        PLACED + "DATA('/lines/0/sku') = 'A-1'",
        PLACED + "DATA_GT('/number', '1000')",
        PLACED + "DATA('/test') = FALSE",
        PLACED + "(channel = 'shop' OR DATA('/currency') = 'DKK')",
        "type IN ('order.placed', 'customer.created') AND DATA_EXISTS('/email')",
        "(type = 'order.placed' AND DATA_EXISTS('/lines/0')) OR (type = 'customer.created' AND DATA_EXISTS('/email'))",
        "type = 'command.message.send' AND DATA('/purpose') = 'marketing'",
    ],
)
def test_what_is_fine_raises_no_doubt(text: str) -> None:
    assert doubts(sql(text), CHANNELS) == ()


def test_parts_are_judged_together_and_each_doubt_names_its_part():
    when = sql("DATA_GT('/totals/totl/amount', '5')")
    (found,) = doubts(All((Any_((type_filter("order.placed"),)), Exact("channel", "shop"), when)), CHANNELS)
    assert found.part is when
    assert found.clause == when.text
    assert doubts(when, CHANNELS) == (), "without a type nobody knows what its data is"


def test_beginnings_in_other_dialects_are_doubted_too():
    assert [doubt.what for doubt in doubts(type_filter("ordre.*"))] == ["no event type begins with 'ordre.'"]
    assert doubts(type_filter("order.*")) == doubts(type_filter("com.example.*")) == doubts(type_filter("or*")) == ()


def test_other_dialects_are_doubted_too():
    assert [doubt.what for doubt in doubts(Exact("type", "order.plcaed"))] == ["there is no event type 'order.plcaed'"]
    assert [doubt.part for doubt in doubts(Not(Exact("channel", "x")), CHANNELS)] == [Exact("channel", "x")]
    assert doubts(Exact("channel", "x")) == (), "no channels are known"


@pytest.mark.parametrize(
    ("whole", "names"),
    [
        (type_filter("order.placed"), "order.placed"),
        (
            sql("type LIKE 'return.%' AND NOT (type = 'return.deleted')"),
            "return.received return.requested return.updated",
        ),
        (sql("type LIKE '%.placed'"), "order.placed"),
        (All((type_filter("product.*"), Not(type_filter("product.d*")))), "product.created product.updated"),
        (sql("type IN ('order.placed', 'customer.created') AND DATA_EXISTS('/lines')"), "order.placed"),
        (sql("type = 'order.placed' AND 1 / 0 = 1"), "order.placed"),
        (sql("type = 'order.paid' AND NOT DATA_EXISTS('/nowhere')"), "order.paid"),
        (sql("type = 'order.paid' AND DATA_EXISTS('/nowhere')"), ""),
        (Any_(()), ""),
    ],
)
def test_types_that_a_filter_can_match(whole: Filter, names: str) -> None:
    assert " ".join(entry.name for entry in possible_types(whole)) == names


TEXTS = st.recursive(
    st.sampled_from(
        [
            "type = 'order.placed'",
            "type LIKE 'order.%'",
            "type != 'order.paid'",
            "'order.paid' = type",
            "type NOT IN ('order.placed')",
            "DATA('/status') = 'open'",
            "DATA('/status') != 'opne'",
            "DATA('/status') IN ('paid', 'open')",
            "DATA_EXISTS('/status')",
            "DATA_GT('/status', '1')",
            "DATA('/test') = TRUE",
            "DATA('/test') = 'true'",
            "DATA('/nowhere') = 'x'",
            "DATA_EXISTS('/nowhere')",
            "DATA_LT('/totals/total/amount', '200')",
            "DATA('/totals') = 'x'",
            "channel = 'shop'",
            "EXISTS channel",
            "TRUE",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([" AND ", " OR ", " XOR "]), inner, inner).map(lambda t: f"({t[1]}){t[0]}({t[2]})"),
        inner.map(lambda one: f"NOT ({one})"),
    ),
    max_leaves=5,
)
ORDER = {
    "status": "open",
    "currency": "DKK",
    "totals": {"total": {"amount": "129.90", "currency": "DKK"}},
    "test": True,
}


@given(TEXTS, st.booleans(), st.sampled_from([{}, {"channel": "shop"}]))
def test_what_is_called_impossible_never_happens(text: str, negate: bool, more: dict[str, str]) -> None:
    whole: Filter = Not(sql(text)) if negate else sql(text)
    possible = {entry.name for entry in possible_types(whole)}
    for entry in catalogue():
        if entry.model is Order and whole.matches({"type": entry.type, "source": "/s", **more}, lambda: ORDER):
            assert entry.name in possible


def test_shapes_of_the_models():
    kinds = {
        "": "object",
        "/lines": "list",
        "/lines/0": "object",
        "/lines/12/quantity": "decimal",
        "/totals/total/currency": "text",
        "/status": "word",
        "/test": "boolean",
        "/placed_at": "moment",
        "/attributes/anything/at/all": "anything",
        "/lines/0/properties/colour": "text",
    }
    assert {pointer: str(getattr(shape_at(Order, pointer), "kind", None)) for pointer in kinds} == kinds
    assert all(shape_at(Order, pointer) is None for pointer in ("/nowhere", "/lines/x", "/status/0", "/totals/total/x"))
    assert near(Order, "/total/total/amount") == "/totals/total/amount"
