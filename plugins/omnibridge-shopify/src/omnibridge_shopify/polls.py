"""The questions that close the gap which lost webhooks leave: what changed since the last time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from omnibridge.connector import Cursor, Http, Lookup, Observation, Poll
from omnibridge_shopify.documents import CUSTOMERS, ORDERS, Document
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.parts import gid_number
from omnibridge_shopify.reads import observe_customer
from omnibridge_shopify.settings import Shopify

__all__ = ["OVERLAP", "POLLS"]

OVERLAP = timedelta(minutes=2)
"""How far a window reaches back into the last: the search index lags behind writes by seconds."""
_REANCHOR = 20_000
"""Shopify pages through 25,000 records of one search; before that the search starts anew from where it is."""
_REMEMBERED = 500

Observe = Callable[[Shopify, Json], Sequence[Observation]]


async def _follow(
    settings: Shopify, cursor: Cursor | None, http: Http, document: Document, connection: str, size: int, see: Observe
) -> None:
    """Read every record changed since the cursor, oldest first, one commit a page.

    The cursor: `since` is where the search begins; `after` and `count` are set while its pages are read; `high` is the
    newest change seen; `seen` are the records of the overlap with the change at which they were reported, so that a
    quiet shop's last records are not reported again each time. The first run, without a cursor, reads everything.
    """
    state = dict(cursor or {})
    since: str | None = state.get("since")
    after: str | None = state.get("after")
    high: str | None = state.get("high") or since
    count = int(state.get("count") or 0)
    seen: dict[str, str] = dict(state.get("seen") or {})
    while True:
        query = f"updated_at:>='{since}'" if since else None
        data = await ask(settings, http, document, {"first": size, "after": after, "query": query})
        nodes: list[Json] = data[connection]["nodes"]
        page: Json = data[connection]["pageInfo"]
        fresh: list[Observation] = []
        for node in nodes:
            if seen.get(node["id"]) != node["updatedAt"]:
                fresh.extend(see(settings, node))
                seen[node["id"]] = node["updatedAt"]
            high = max(high or node["updatedAt"], node["updatedAt"], key=_instant)
        count += len(nodes)
        seen = _recent(seen, high)
        ended = not page["hasNextPage"] or not page["endCursor"] or page["endCursor"] == after
        if ended:
            since = _back(since, high)
        elif count >= _REANCHOR and high is not None and (since is None or _instant(high) > _instant(since)):
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


def _order_lookup(settings: Shopify, node: Json) -> Sequence[Observation]:
    """An order costs too many points to be read ten at a time, so each is looked up."""
    return (Lookup("order", gid_number(node["id"])),)


async def poll_orders(settings: Shopify, cursor: Cursor | None, http: Http) -> None:
    """Which orders changed; of the last sixty days only, unless the app has the scope `read_all_orders`."""
    await _follow(settings, cursor, http, ORDERS, "orders", 100, _order_lookup)


async def poll_customers(settings: Shopify, cursor: Cursor | None, http: Http) -> None:
    """Which customers changed, with their consents and tags."""
    await _follow(settings, cursor, http, CUSTOMERS, "customers", 40, observe_customer)


POLLS: tuple[Poll[Shopify], ...] = (
    Poll(name="orders", every=timedelta(minutes=5), run=poll_orders),
    Poll(name="customers", every=timedelta(minutes=15), run=poll_customers),
)
