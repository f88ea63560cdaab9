"""Why a route matches or not: the clause, the value, what nearly matched, and what kept a match back."""

from __future__ import annotations

import json

import pytest

from omnibridge.event import Event
from omnibridge.model import full_type
from omnibridge.routing import (
    MAX_HOPS,
    All,
    Any_,
    Clause,
    Exact,
    Explanation,
    Filter,
    Not,
    Route,
    explain,
    history,
    sql,
    type_filter,
)

DATA = {"totals": {"total": {"amount": "12.50"}}, "status": "open", "long": "x" * 200}


def event(type_: str = "order.paid", id_: str = "e1", **extensions: str | int | bool) -> Event:
    return Event(id_, "/acme/till", full_type(type_), content=json.dumps(DATA).encode(), extensions=extensions)


def of(whole: Filter, what: Event | None = None) -> Explanation:
    return explain(Route("r", whole, ("erp",)), what or event(channel="till"))


@pytest.mark.parametrize(
    ("whole", "clauses"),
    [
        (type_filter("order.placed"), [("type = 'order.placed'", False, "type is 'order.paid'")]),
        (Exact("region", "dk"), [("region = 'dk'", False, "region is not set")]),
        (
            Any_((type_filter("order.placed"), Exact("channel", "shop"))),
            [("type = 'order.placed' or channel = 'shop'", False, "type is 'order.paid', channel is 'till'")],
        ),
        (Not(Exact("channel", "till")), [("not (channel = 'till')", False, "channel is 'till'")]),
        (
            sql("type = 'order.paid' AND DATA_GT('/totals/total/amount', '100') AND channel IN ('a', 'b')"),
            [
                ("type = 'order.paid'", True, "type is 'order.paid'"),
                ("DATA_GT('/totals/total/amount', '100')", False, "/totals/total/amount is '12.50'"),
                ("channel IN ('a', 'b')", False, "channel is 'till'"),
            ],
        ),
        (
            sql("channel = 'shop' OR (channel = 'till' AND DATA('/status') = 'draft')"),
            [
                (
                    "channel = 'shop' OR (channel = 'till' AND DATA('/status') = 'draft')",
                    False,
                    "channel is 'till', /status is 'open'",
                )
            ],
        ),
        (sql("DATA_GT('/nowhere', '1')"), [("DATA_GT('/nowhere', '1')", False, "the data has nothing at '/nowhere'")]),
        (
            sql("DATA_GT('/status', '1')"),
            [("DATA_GT('/status', '1')", False, "/status is 'open', cast: the data at '/status' is not a number")],
        ),
        (
            sql("channel > 5"),
            [("channel > 5", False, "channel is 'till', cast: 'till' is not a 32-bit integer")],
        ),
        (sql("region = 'dk'"), [("region = 'dk'", False, "region is not set")]),
        (All(()), []),
    ],
)
def test_each_clause_says_what_the_event_has(whole: Filter, clauses: list[tuple[str, bool, str]]) -> None:
    assert of(whole).clauses == tuple(Clause(*clause) for clause in clauses)


def test_what_nearly_matched_lacks_one_clause():
    near = of(sql("type = 'order.paid' AND channel = 'shop' AND EXISTS source"))
    assert (near.matches, near.nearly) == (False, True)
    assert [clause.text for clause in near.failed] == ["channel = 'shop'"]
    far = of(sql("type = 'order.placed' AND channel = 'shop'"))
    assert (far.matches, far.nearly) == (False, False)
    assert not of(Exact("channel", "shop")).nearly, "a single clause is no near miss"


def test_a_match_that_is_kept_back_says_why():
    home = explain(Route("r", All(()), ("till",)), event(channel="till"))
    assert home.matches
    assert home.blocked == "an event never goes back to the channel that it came from"
    assert explain(Route("r", All(()), ("till", "erp")), event(channel="till")).blocked is None
    assert explain(Route("r", All(()), ("till",), echo=True), event(channel="till")).blocked is None
    assert of(All(()), event(hops=MAX_HOPS)).blocked == f"it was passed on {MAX_HOPS} times already"
    assert of(Exact("a", "b"), event(hops=MAX_HOPS)).blocked is None


def test_long_values_and_broken_data_are_told_shortly():
    (clause,) = of(sql("DATA('/long') = 'y'")).clauses
    assert clause.value is not None
    assert len(clause.value) < 100
    broken = Event("1", "/s", "t", content=b"{")
    (clause,) = of(sql("DATA('/a') = 'y'"), broken).clauses
    assert clause == Clause("DATA('/a') = 'y'", False, "the data could not be read: CodecError")


def test_the_explanation_agrees_with_the_match_and_goes_into_json():
    found = of(sql("type = 'order.paid' AND channel = 'till'"))
    assert found.matches
    assert json.loads(json.dumps(found.as_dict()))["clauses"][1]["holds"] is True


def test_history_ranks_the_clauses_that_kept_events_away():
    route = Route(
        "large", sql("type = 'order.placed' AND channel = 'shop' AND DATA_GT('/totals/total/amount', '100')"), ("a",)
    )
    seen = [
        *(event("order.placed", f"a{n}", channel="shop") for n in range(3)),
        *(event("order.placed", f"b{n}", channel="till") for n in range(2)),
        *(event("customer.created", f"c{n}", channel="till") for n in range(4)),
    ]
    found = history(route, seen)
    assert (found.events, found.matched, found.blocked) == (9, 0, 0)
    amount, channel, type_ = found.failures
    assert (amount.text, amount.count, amount.alone) == ("DATA_GT('/totals/total/amount', '100')", 9, 3)
    assert (amount.example, amount.event) == ("/totals/total/amount is '12.50'", "a0")
    assert (channel.text, channel.count, channel.alone, channel.example) == (
        "channel = 'shop'",
        6,
        0,
        "channel is 'till'",
    )
    assert (type_.text, type_.count, type_.example) == ("type = 'order.placed'", 4, "type is 'customer.created'")


def test_what_kept_events_away_alone_comes_before_what_failed_more_often():
    route = Route("r", All((Exact("a", "1"), Exact("b", "1"), Exact("c", "1"))), ("x",))
    seen = [*(event(id_=f"n{n}", a="1") for n in range(5)), event(a="2", b="1", c="1")]
    assert [(one.text, one.count, one.alone) for one in history(route, seen).failures] == [
        ("a = '1'", 1, 1),
        ("b = '1'", 5, 0),
        ("c = '1'", 5, 0),
    ]


def test_history_counts_matches_and_what_was_kept_back():
    found = history(Route("all", All(()), ("till",)), [event(channel="till"), event(channel="shop")])
    assert (found.events, found.matched, found.blocked, found.failures) == (2, 2, 1, ())
    assert history(Route("all", All(()), ("till",)), []).events == 0
