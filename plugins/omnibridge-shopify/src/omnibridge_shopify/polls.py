"""The questions that close the gap which lost webhooks leave: what changed since the last time.

The first answer about customers and products is the whole shop, which Shopify prepares as a file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from omnibridge.connector import Cursor, Http, Later, Lookup, Observation, Poll, Snapshot
from omnibridge.errors import Permanent
from omnibridge_shopify.bulk import GaveUp, see_all
from omnibridge_shopify.carts import observe_cart, whole_cart
from omnibridge_shopify.document import Document
from omnibridge_shopify.documents import CUSTOMERS, ORDERS
from omnibridge_shopify.documents_bulk import ALL_CUSTOMERS, ALL_PRODUCTS, ALL_STOCK, Export
from omnibridge_shopify.documents_carts import CARTS
from omnibridge_shopify.documents_goods import LOCATIONS, PRODUCTS
from omnibridge_shopify.goods import inventory_id
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.parts import gid_number
from omnibridge_shopify.reads import observe_customer
from omnibridge_shopify.reads_goods import observe_level, observe_location, observe_product, whole_product
from omnibridge_shopify.settings import Shopify

__all__ = ["OVERLAP", "POLLS"]

OVERLAP = timedelta(minutes=2)
"""How far a window reaches back into the last: the search index lags behind writes by seconds."""
_REANCHOR = 20_000
"""Shopify pages through 25,000 records of one search; before that the search starts anew from where it is."""
_REMEMBERED = 500

Observe = Callable[[Shopify, Json, Http], Awaitable[Sequence[Observation]]]


async def _follow(
    settings: Shopify,
    cursor: Cursor | None,
    http: Http,
    document: Document,
    connection: str,
    size: int,
    see: Observe,
    *,
    oldest_first: bool = True,
) -> None:
    """Read every record changed since the cursor, oldest first where Shopify can sort so, one commit a page.

    The cursor: `since` is where the search begins; `after` and `count` are set while its pages are read; `high` is the
    newest change seen; `seen` are the records of the overlap with the change at which they were reported, so that a
    quiet shop's last records are not reported again each time. Without `since` it reads everything.
    """
    state = dict(cursor or {})
    since: str | None = state.get("since")
    after: str | None = state.get("after")
    high: str | None = state.get("high") or since
    count = int(state.get("count") or 0)
    known: dict[str, str] = dict(state.get("seen") or {})
    seen = dict(known)
    while True:
        query = f"updated_at:>='{since}'" if since else None
        data = await ask(settings, http, document, {"first": size, "after": after, "query": query})
        nodes: list[Json] = data[connection]["nodes"]
        page: Json = data[connection]["pageInfo"]
        fresh: list[Observation] = []
        for node in nodes:
            at: str = node["updatedAt"]
            if at not in (known.get(node["id"]), seen.get(node["id"])):
                fresh.extend(await see(settings, node, http))
                seen[node["id"]] = at
            high = max(high or at, at, key=_instant)
        count += len(nodes)
        seen = _recent(seen, high)
        ended = not page["hasNextPage"] or not page["endCursor"] or page["endCursor"] == after
        if ended:
            since = _back(since, high)
        elif (
            oldest_first
            and count >= _REANCHOR
            and high is not None
            and (since is None or _instant(high) > _instant(since))
        ):
            since, after, count = high, None, 0
        else:
            after = page["endCursor"]
        position = {"since": since, "high": high, "seen": dict(seen)}
        if not ended:
            position |= {"after": after, "count": count}
        if since or after:
            await http.emit(fresh, position)
        if ended:
            return


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _back(since: str | None, high: str | None) -> str | None:
    """Where the next window begins: before the newest change, and never before this one began."""
    if high is None:
        return since
    start = _instant(high) - OVERLAP
    if since is not None and start <= _instant(since):
        return since
    return start.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _recent(seen: dict[str, str], high: str | None) -> dict[str, str]:
    """What the next window may show again: changes within the overlap, the newest of them when there are many."""
    if high is None:
        return seen
    edge = _instant(high) - OVERLAP
    kept = sorted((item for item in seen.items() if _instant(item[1]) >= edge), key=lambda item: _instant(item[1]))
    return dict(kept[-_REMEMBERED:])


async def _order(settings: Shopify, node: Json, http: Http) -> Sequence[Observation]:
    """An order costs too many points to be read ten at a time, so each is looked up."""
    return (Lookup("order", gid_number(node["id"])),)


async def _customer(settings: Shopify, node: Json, http: Http) -> Sequence[Observation]:
    return observe_customer(settings, node)


async def _product(settings: Shopify, node: Json, http: Http) -> Sequence[Observation]:
    return observe_product(settings, await whole_product(settings, http, node))


async def _exported_product(settings: Shopify, node: Json, http: Http) -> Sequence[Observation]:
    return observe_product(settings, node)


async def _cart(settings: Shopify, node: Json, http: Http) -> Sequence[Observation]:
    return observe_cart(settings, await whole_cart(settings, http, node))


async def poll_orders(settings: Shopify, cursor: Cursor | None, http: Http) -> None:
    """Which orders changed; of the last sixty days only, unless the app has the scope `read_all_orders`."""
    await _follow(settings, cursor, http, ORDERS, "orders", 100, _order)


async def _whole(settings: Shopify, cursor: Cursor | None, http: Http, export: Export, see: Observe) -> Later | None:
    """All that the shop has, as a file; what changed meanwhile is the next window's. Raises GaveUp."""

    async def each(node: Json) -> Sequence[Observation]:
        return await see(settings, node, http)

    return await see_all(settings, cursor, http, export, each, _after)


def _after(began: str) -> Cursor:
    """The cursor when all that was there at `began` has been read."""
    return {"since": _back(None, began)}


def _untouched(cursor: Cursor | None) -> bool:
    """Whether the whole shop is still to be read, and no bulk operation has failed at it too often."""
    return cursor is None or "bulk" in cursor


async def poll_customers(settings: Shopify, cursor: Cursor | None, http: Http) -> Later | None:
    """Which customers changed, with their consents and tags."""
    if _untouched(cursor):
        try:
            return await _whole(settings, cursor, http, ALL_CUSTOMERS, _customer)
        except GaveUp:
            cursor = None  # page by page, then
    await _follow(settings, cursor, http, CUSTOMERS, "customers", 40, _customer)
    return None


async def poll_products(settings: Shopify, cursor: Cursor | None, http: Http) -> Later | None:
    """Which products changed, with their variants and prices."""
    if _untouched(cursor):
        try:
            return await _whole(settings, cursor, http, ALL_PRODUCTS, _exported_product)
        except GaveUp:
            cursor = None  # page by page, then
    await _follow(settings, cursor, http, PRODUCTS, "products", 10, _product)
    return None


async def poll_carts(settings: Shopify, cursor: Cursor | None, http: Http) -> None:
    """Which checkouts changed that did not become an order at once. Shopify cannot sort them by their last change."""
    await _follow(settings, cursor, http, CARTS, "abandonedCheckouts", 10, _cart, oldest_first=False)


async def poll_locations(settings: Shopify, cursor: Cursor | None, http: Http) -> None:
    """Every location, active or not: there are few, and they cannot be asked for by their last change."""
    after: str | None = (cursor or {}).get("after")
    while True:
        data = await ask(settings, http, LOCATIONS, {"first": 50, "after": after})
        page: Json = data["locations"]["pageInfo"]
        seen = [each for node in data["locations"]["nodes"] for each in observe_location(node)]
        ended = not page["hasNextPage"] or page["endCursor"] in (None, after)
        after = page["endCursor"]
        read = (await http.now()).date().isoformat()
        await http.emit(seen, {"read": read} if ended else {"read": read, "after": after})
        if ended:
            return


async def poll_stock(settings: Shopify, cursor: Cursor | None, http: Http) -> Later | None:
    """Which stock levels changed, of every active location; Shopify lists them in no order of change."""
    since: str | None = (cursor or {}).get("since")

    async def see(node: Json) -> Sequence[Observation]:
        if since is not None and _instant(node["updatedAt"]) < _instant(since):
            return ()
        item, place = gid_number(node["item"]["id"]), gid_number(node["location"]["id"])
        if node["isActive"]:
            return observe_level(item, place, node)
        at = _instant(node["updatedAt"]).astimezone(UTC)
        return (Snapshot.gone("inventory", inventory_id(item, place), at),) if since is not None else ()

    try:
        return await see_all(settings, cursor, http, ALL_STOCK, see, _after)
    except GaveUp as why:
        await http.emit((), {"since": since} if since is not None else {})
        remedy = "it is tried again; the app needs the scopes read_inventory and read_locations"
        raise Permanent(f"Shopify's bulk operations about stock fail: {why}", code=str(why), remedy=remedy) from None


POLLS: tuple[Poll[Shopify], ...] = (
    Poll(name="orders", every=timedelta(minutes=5), run=poll_orders),
    Poll(name="customers", every=timedelta(minutes=15), run=poll_customers),
    Poll(name="carts", every=timedelta(minutes=15), run=poll_carts),
    Poll(name="products", every=timedelta(minutes=30), run=poll_products),
    Poll(name="stock", every=timedelta(hours=1), run=poll_stock),
    Poll(name="locations", every=timedelta(days=1), run=poll_locations),
)
