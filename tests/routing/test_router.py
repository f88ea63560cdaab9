"""Who gets an event: each channel once, never where it came from, and not without end."""

from __future__ import annotations

from omnibridge.event import Event
from omnibridge.model import full_type
from omnibridge.routing import MAX_HOPS, All, Exact, Route, Router, sql, type_filter


def event(**extensions: str | int) -> Event:
    return Event("e1", "/acme/shop", full_type("order.placed"), extensions=extensions)


EVERY = All(())


def targets(routes: list[Route], what: Event) -> list[tuple[str, str]]:
    return [(target.channel, target.route.name) for target in Router(routes).targets(what)]


def test_each_channel_once_by_the_first_route_that_names_it():
    routes = [
        Route("no", Exact("channel", "x"), ("erp",)),
        Route("first", EVERY, ("erp", "mail")),
        Route("second", type_filter("order.*"), ("mail", "sms", "erp")),
    ]
    assert targets(routes, event()) == [("erp", "first"), ("mail", "first"), ("sms", "second")]


def test_never_back_to_the_origin_unless_a_route_echoes():
    back = Route("back", EVERY, ("shop", "erp"))
    assert targets([back], event(channel="shop")) == [("erp", "back")]
    echo = Route("echo", EVERY, ("shop",), echo=True)
    assert targets([back, echo], event(channel="shop")) == [("erp", "back"), ("shop", "echo")]


def test_an_event_that_was_passed_on_too_often_stops():
    routes = [Route("all", EVERY, ("erp",))]
    assert targets(routes, event(hops=MAX_HOPS - 1)) == [("erp", "all")]
    assert targets(routes, event(hops=MAX_HOPS)) == []


def test_a_router_keeps_its_routes_and_matches_by_data():
    routes = (Route("large", sql("DATA_GE('/n', '5')"), ("erp",)), Route("all", EVERY, ("mail",)))
    router = Router(iter(routes))
    assert router.routes == routes
    assert router.match(Event("1", "/s", "t", content=b'{"n": 5}')) == list(routes)
    assert router.match(Event("2", "/s", "t", content=b'{"n": 4}')) == [routes[1]]
    assert Router(()).targets(event()) == []
