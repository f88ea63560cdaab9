"""The regular questions that close the gap a lost notification leaves: what changed since the last time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from omnibridge.connector import Cursor, Http, Observation, Response
from omnibridge_square.classify import code_of, succeeded
from omnibridge_square.entities import count, customer, item, location, payment, refund
from omnibridge_square.orders import order
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, instant, parsed, wire_instant

__all__ = [
    "paged",
    "poll_catalog",
    "poll_customers",
    "poll_inventory",
    "poll_locations",
    "poll_orders",
    "poll_payments",
    "poll_refunds",
    "polled",
]

Ask = Callable[[str, str, list[str], str | None], Awaitable[Response]]
"""Asks for one page: from, until, the locations to ask for, and Square's page cursor."""

_START = datetime(1970, 1, 1, tzinfo=UTC)
_WORN_OUT = frozenset({"INVALID_CURSOR", "INVALID_VALUE"})


async def polled(
    settings: SquareSettings,
    cursor: Cursor | None,
    http: Http,
    ask: Ask,
    read_page: Callable[[Node], Sequence[Observation]],
    *,
    everything: bool,
    places_at_once: int = 0,
) -> None:
    """One round: everything changed since the last one began, minus the overlap; each page with the cursor after it.

    The cursor is {"since": when the last finished round began}; within a round also "until" (when this one began),
    "left" (locations still to ask, where Square must be asked by location) and "page" (Square's own cursor, good for
    minutes only). When Square no longer knows the page, the round's current search begins anew: pages repeat, none
    is lost. The first round reads all (`everything`) or as far back as `settings.history` says.
    """
    stand = dict(cursor or {})
    now = await http.now()
    since = instant(str(stand["since"])) if "since" in stand else (_START if everything else now - settings.history)
    until = instant(str(stand["until"])) if "until" in stand else max(now, since)
    left: list[str] = [str(one) for one in stand.get("left", ())]
    if places_at_once and not left:
        left = await _location_ids(http)
    page: str | None = stand.get("page")
    start = wire_instant(max(_START, since - settings.overlap) if since > _START else since)
    while left or not places_at_once:
        response = await ask(start, wire_instant(until), left[:places_at_once], page)
        if page and code_of(response) in _WORN_OUT:
            page = None
            continue
        body = succeeded("to tell what changed", response)
        seen = parsed("answer", lambda body=body: read_page(body))
        following = body.text("cursor")
        if following and following != page:
            page = following
        else:
            page, left = None, left[places_at_once:]
            if not left:
                await http.emit(seen, {"since": wire_instant(until)})
                return
        after: Json = {"since": wire_instant(since), "until": wire_instant(until)}
        await http.emit(seen, {**after, **({"left": left} if left else {}), **({"page": page} if page else {})})
    await http.emit((), {"since": wire_instant(until)})


def paged(body: Json, page: str | None) -> Json:
    """A question, for the page after the first with Square's cursor."""
    return {**body, "cursor": page} if page else body


async def _location_ids(http: Http) -> list[str]:
    body = succeeded("to list locations", await http.get("/v2/locations"))
    return sorted(one.need("id") for one in body.nodes("locations"))


async def poll_customers(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Profiles by `updated_at`, the first time all of them, 100 to a page."""

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        query = {
            "filter": {"updated_at": {"start_at": start, "end_at": until}},
            "sort": {"field": "CREATED_AT", "order": "ASC"},
        }
        return await http.query("/v2/customers/search", json=paged({"limit": 100, "query": query}, page))

    def people(body: Node) -> list[Observation]:
        return [seen for one in body.nodes("customers") for seen in customer(one, settings.region)]

    await polled(settings, cursor, http, ask, people, everything=True)


async def poll_orders(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Orders of all locations by `updated_at`, at most ten locations a search.

    The sort field must be the field that is filtered (Square, SearchOrders).
    """

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        query = {
            "filter": {"date_time_filter": {"updated_at": {"start_at": start, "end_at": until}}},
            "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
        }
        body = {"location_ids": places, "limit": 200, "query": query}
        return await http.query("/v2/orders/search", json=paged(body, page))

    def orders(body: Node) -> list[Observation]:
        return [seen for one in body.nodes("orders") for seen in order(one, settings.region)]

    await polled(settings, cursor, http, ask, orders, everything=False, places_at_once=10)


async def poll_payments(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Payments by `updated_at`, oldest first; without a location Square would list the main one's only."""

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        return await http.get("/v2/payments", params=paged(_window(start, until) | {"location_id": places[0]}, page))

    def payments(body: Node) -> list[Observation]:
        return [payment(one) for one in body.nodes("payments")]

    await polled(settings, cursor, http, ask, payments, everything=False, places_at_once=1)


async def poll_refunds(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Refunds of all locations by `updated_at`, oldest first."""

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        return await http.get("/v2/refunds", params=paged(_window(start, until), page))

    def refunds(body: Node) -> list[Observation]:
        return [refund(one) for one in body.nodes("refunds")]

    await polled(settings, cursor, http, ask, refunds, everything=False)


def _window(start: str, until: str) -> Json:
    return {
        "updated_at_begin_time": start,
        "updated_at_end_time": until,
        "sort_field": "UPDATED_AT",
        "sort_order": "ASC",
        "limit": "100",
    }


async def poll_inventory(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Sellable stock by the time of its calculation, the first time all of it."""

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        body = {"updated_after": start, "states": ["IN_STOCK"], "limit": 1000}
        return await http.query("/v2/inventory/counts/batch-retrieve", json=paged(body, page))

    def counts(body: Node) -> list[Observation]:
        return [count(one, "poll") for one in body.nodes("counts")]

    await polled(settings, cursor, http, ask, counts, everything=True)


async def poll_catalog(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Catalogue items by the time of their last change, deleted ones included, the first time all of them."""

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        body = {"object_types": ["ITEM"], "include_deleted_objects": True, "begin_time": start, "limit": 100}
        return await http.query("/v2/catalog/search", json=paged(body, page))

    def items(body: Node) -> list[Observation]:
        return [item(one) for one in body.nodes("objects")]

    await polled(settings, cursor, http, ask, items, everything=True)


async def poll_locations(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """All locations; Square lists them on one page."""
    body = succeeded("to list locations", await http.get("/v2/locations"))
    seen = parsed("answer.locations", lambda: [location(one) for one in body.nodes("locations")])
    await http.emit(seen, {"since": wire_instant(await http.now())})
