"""The index finds what a walk through all routes finds: for any filters and events, in their order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omnibridge.cesql import Expression
from omnibridge.event import Event
from omnibridge.model import full_type
from omnibridge.routing import All, Any_, Exact, Filter, Not, Prefix, Route, Router, Suffix, sql, type_filter

# Few values, so that filters and events meet; among them those on which casts and short names stumble.
VALUES = {
    "type": ["order.placed", "order.paid", "customer.created", "order", "com.example.ping", full_type("order.placed")],
    "channel": ["shop", "shop-2", "till", "5", "true"],
    "source": ["/acme/shop", "/acme/shop/2", "/acme/till"],
    "count": ["5", "05", "+5", "true", "1"],
    "flag": ["true", "TRUE", "1"],
}
NAMES = sorted(VALUES)


def texts(name: str) -> st.SearchStrategy[str]:
    whole = st.sampled_from(VALUES[name])
    return whole | whole.map(lambda text: text[: max(1, len(text) // 2)])


def simple() -> st.SearchStrategy[Filter]:
    def of(name: str) -> st.SearchStrategy[Filter]:
        return st.one_of(
            st.sampled_from(VALUES[name]).map(lambda text: Exact(name, text)),
            texts(name).map(lambda text: Prefix(name, text)),
            texts(name).map(lambda text: Suffix(name, text[-3:])),
        )

    return st.sampled_from(NAMES).flatmap(of)


def conditions() -> st.SearchStrategy[str]:
    def of(name: str) -> st.SearchStrategy[str]:
        text = texts(name)
        return st.one_of(
            text.map(lambda t: f"{name} = '{t}'"),
            text.map(lambda t: f"'{t}' = {name}"),
            text.map(lambda t: f"{name} != '{t}'"),
            st.lists(text, min_size=1, max_size=3).map(lambda ts: f"{name} IN ({', '.join(map(repr, ts))})"),
            text.map(lambda t: f"{name} NOT IN ('{t}', 'x')"),
            text.map(lambda t: f"{name} LIKE '{t}%'"),
            text.map(lambda t: f"{name} LIKE '%{t[-3:]}'"),
            text.map(lambda t: f"{name} LIKE '{t}'"),
            text.map(lambda t: f"{name} LIKE '{t[:2]}%{t[-2:]}'"),
            text.map(lambda t: f"{name} LIKE '{t[:-1]}_'"),
            text.map(lambda t: f"{name} NOT LIKE '{t}%'"),
            st.just(f"EXISTS {name}"),
            st.just(name),
            st.just(f"{name} > 3"),
        )

    data = st.sampled_from(
        ["DATA_GT('/n', '3')", "DATA('/s') = 'x'", "DATA_EXISTS('/n')", "DATA('/b')", "TRUE", "1 / 0 = 1", "5"]
    )
    leaf = st.sampled_from(NAMES).flatmap(of) | data
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["AND", "OR", "XOR"]), st.lists(inner, min_size=2, max_size=3)).map(
                lambda found: f" {found[0]} ".join(f"({one})" for one in found[1])
            ),
            inner.map(lambda one: f"NOT ({one})"),
        ),
        max_leaves=4,
    )


FILTERS: st.SearchStrategy[Filter] = st.recursive(
    simple() | conditions().map(sql),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=4,
)

EVENTS = st.builds(
    lambda type_, source, extensions, content: Event(
        "1", source, full_type(type_), content=content, extensions=extensions
    ),
    st.sampled_from(VALUES["type"]),
    st.sampled_from(VALUES["source"]),
    st.fixed_dictionaries(
        {},
        optional={
            "channel": st.sampled_from(VALUES["channel"]) | st.just(5) | st.booleans(),
            "count": st.sampled_from(VALUES["count"]) | st.integers(0, 6) | st.booleans(),
            "flag": st.sampled_from(VALUES["flag"]) | st.booleans() | st.integers(0, 1),
        },
    ),
    st.sampled_from([None, b'{"n": "4", "s": "x", "b": true}', b'{"n": 2}', b"not JSON"]),
)


def linear(routes: list[Route], event: Event) -> list[str]:
    def data() -> Any:
        return event.data

    return [route.name for route in routes if route.filter.matches(event.attributes(), data)]


def routes_of(filters: list[Filter]) -> list[Route]:
    return [Route(str(number), one, ("x",)) for number, one in enumerate(filters)]


@settings(max_examples=250)
@given(st.lists(FILTERS, max_size=14), st.lists(EVENTS, min_size=1, max_size=4))
@example([sql("count IN ('a', '5')")] * 3, [Event("1", "/s", "t", extensions={"count": 5})])
@example([sql("'05' = count"), sql("flag AND channel = 'shop'")], [Event("1", "/s", "t", extensions={"count": 5})])
@example([Any_((Prefix("source", "/a"), Prefix("source", "/ac")))], [Event("1", "/acme", "t")])
@example([sql("flag AND channel = 'shop'")], [Event("1", "/s", "t", extensions={"flag": "true", "channel": "shop"})])
@example([sql("source LIKE '/a%p'")], [Event("1", "/acme/shop/2", "t"), Event("1", "/acme/shop", "t")])
@example([sql("flag")], [Event("1", "/s", "t", extensions={"flag": "true"})])
def test_the_index_finds_what_a_linear_scan_finds(filters: list[Filter], events: list[Event]) -> None:
    routes = routes_of(filters)
    router = Router(routes)
    for event in events:
        assert [route.name for route in router.match(event)] == linear(routes, event)


@given(conditions(), EVENTS)
def test_an_expression_matches_where_all_its_conjuncts_do(text: str, event: Event) -> None:
    whole = sql(text).expression

    def data() -> Any:
        return event.data

    parts = [part.matches(event.attributes(), data) for part in whole.conjuncts()]
    assert whole.matches(event.attributes(), data) is all(parts)


def made(type_: str, content: Any = None, **extensions: str | int | bool) -> Event:
    body = None if content is None else json.dumps(content).encode()
    return Event("1", "/acme/shop", full_type(type_), content=body, extensions=extensions)


def test_matches_come_in_the_order_of_the_configuration():
    filters = [
        type_filter("*"),
        sql("channel = 'shop'"),
        type_filter("order.placed"),
        Prefix("source", "/acme"),
        type_filter("order.*"),
        sql("type = 'order.placed' AND channel = 'shop'"),
        Exact("channel", "till"),
        Not(Exact("channel", "till")),
    ]
    found = Router(routes_of(filters)).match(made("order.placed", channel="shop"))
    assert [route.name for route in found] == ["0", "1", "2", "3", "4", "5", "7"]


def test_many_routes_on_few_attributes_are_told_apart():
    routes = [
        Route(
            f"{type_} {channel} {region}", sql(f"type = '{type_}' AND channel = '{channel}' AND region = {region}"), ()
        )
        for type_ in ("order.placed", "order.paid")
        for channel in ("a", "b", "c")
        for region in range(20)
    ]
    router = Router(routes)
    assert [route.name for route in router.match(made("order.paid", channel="b", region=7))] == ["order.paid b 7"]


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    matches = Expression.matches

    def counted(self: Expression, attributes: Any, data: Any = None) -> bool:
        start, end = self.tree.span
        seen.append(self.text[start:end])
        return matches(self, attributes, data)

    monkeypatch.setattr(Expression, "matches", counted)
    return seen


def test_equal_predicates_are_evaluated_once_an_event(evaluations):
    large = "LENGTH(channel) > 3"
    routes = [
        Route("1", sql(f"type = 'order.placed' AND {large}"), ("a",)),
        Route("2", sql("type = 'order.placed'   AND channel = 'shop' AND LENGTH( channel )>3"), ("b",)),
        Route("3", All((type_filter("order.*"), sql(large))), ("c",)),
        Route("4", Any_((sql(large), sql("FALSE AND EXISTS x"))), ("d",)),
    ]
    router = Router(routes)
    event = made("order.placed", {"total": "120.50"}, channel="shop")
    assert [route.name for route in router.match(event)] == ["1", "2", "3", "4"]
    assert evaluations == [large]
    assert router.match(event) == list(router.routes), "nothing is remembered from one event to the next"
    assert len(evaluations) == 2


def test_what_the_place_in_the_index_says_is_not_asked_again(evaluations):
    router = Router([Route(str(n), sql(f"type IN ('order.placed', 'order.paid') AND n = '{n}'"), ()) for n in range(9)])
    assert [route.name for route in router.match(made("order.paid", n="4"))] == ["4"]
    assert evaluations == []


def test_the_data_is_parsed_only_when_a_filter_asks(monkeypatch):
    read: list[str] = []
    monkeypatch.setattr(Event, "data", property(lambda self: read.append(self.id) or {"total": "5"}))
    router = Router([Route("1", sql("type = 'order.paid' AND DATA_EXISTS('/total')"), ("a",)), Route("2", All(()), ())])
    assert [route.name for route in router.match(made("order.placed"))] == ["2"]
    assert read == []
    assert [route.name for route in router.match(made("order.paid"))] == ["1", "2"]
    assert read == ["1"]


def test_malformed_data_is_no_match_and_is_read_once(monkeypatch):
    calls: list[int] = []
    data = Event.data.func  # type: ignore[attr-defined]
    monkeypatch.setattr(Event, "data", property(lambda self: calls.append(1) or data(self)))
    routes = [Route(str(n), sql(f"DATA_GT('/total{n}', '1')"), ("a",)) for n in range(5)]
    broken = Event("1", "/s", full_type("order.paid"), content=b"{")
    assert Router([*routes, Route("all", All(()), ("b",))]).match(broken)[0].name == "all"
    assert len(calls) == 1


def test_a_filter_with_many_values_on_many_attributes_is_not_multiplied_without_bound():
    many = ", ".join(f"'{n}'" for n in range(200))
    router = Router([Route(str(n), sql(f"a IN ({many}) AND b IN ({many}) AND c IN ({many})"), ()) for n in range(5)])
    assert len(router.match(made("order.paid", a="1", b="7", c="199"))) == 5
    assert router.match(made("order.paid", a="1", b="7", c="200")) == []


def test_routes_that_nothing_matches_do_no_harm():
    router = Router(routes_of([Any_(()), sql("type = 'a' AND type = 'b'"), Not(All(())), All(())]))
    assert [route.name for route in router.match(made("order.paid"))] == ["3"]
