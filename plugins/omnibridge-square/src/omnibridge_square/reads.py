"""Looking up one record at Square, where a notification was thin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from omnibridge.connector import Http, Lookup, Observation, Snapshot
from omnibridge.model import Customer, GiftCard, LoyaltyAccount, Order, Payment, Product, Refund
from omnibridge_square.classify import missing, succeeded
from omnibridge_square.entities import count, customer, item, payment, refund
from omnibridge_square.gift_cards import read_card
from omnibridge_square.loyalty import read_account
from omnibridge_square.orders import order
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, instant, parsed, wire_instant

__all__ = ["read"]

_START = datetime(1970, 1, 1, tzinfo=UTC)


async def read(settings: SquareSettings, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """The record that a thin notification pointed to; an order comes with its customer's profile.

    A record that is gone is told as deleted. Raises Permanent when Square refuses to show it.
    """
    if lookup.kind == "order":
        return await _read_order(settings, lookup.external_id, http)
    if lookup.kind == "catalog":
        since = lookup.hint.get("updated_at")
        return await _read_catalog(settings, instant(since) if since else _START, http)
    if lookup.kind == "inventory":
        return await _read_count(lookup.external_id, http)
    ledger = _LEDGERS.get(lookup.kind)
    if ledger is not None:
        return await ledger(settings, lookup.external_id, http)
    one = _READABLE.get(lookup.kind)
    if one is None:
        return ()
    path, field, kind, translate = one
    response = await http.get(f"{path}/{lookup.external_id}")
    if missing(response):
        return [Snapshot.gone(kind, lookup.external_id)]
    body = succeeded(f"to show the {lookup.kind} {lookup.external_id}", response)
    return parsed("answer", lambda: _translated(settings, lookup, body.node(field), translate))


def _translated(
    settings: SquareSettings,
    lookup: Lookup,
    found: Node | None,
    translate: Callable[[SquareSettings, Node], Sequence[Observation]],
) -> Sequence[Observation]:
    if found is None:
        return ()
    actual = found.text("id")
    seen = list(translate(settings, found))
    if lookup.kind == Customer.KIND and actual and actual != lookup.external_id:
        # Square answers for a profile that was merged with the one that it became.
        into = Customer.model_validate({"merged_into": {"kind": "customer", "external_id": actual}})
        seen.append(Snapshot(into, lookup.external_id))
    return seen


def _customer(settings: SquareSettings, node: Node) -> Sequence[Observation]:
    return customer(node, settings.region)


def _payment(settings: SquareSettings, node: Node) -> Sequence[Observation]:
    return [payment(node)]


def _item(settings: SquareSettings, node: Node) -> Sequence[Observation]:
    return [item(node)]


def _refund(settings: SquareSettings, node: Node) -> Sequence[Observation]:
    return [refund(node)]


_READABLE: Mapping[str, tuple[str, str, str, Callable[[SquareSettings, Node], Sequence[Observation]]]] = {
    "customer": ("/v2/customers", "customer", Customer.KIND, _customer),
    "product": ("/v2/catalog/object", "object", Product.KIND, _item),
    "payment": ("/v2/payments", "payment", Payment.KIND, _payment),
    "refund": ("/v2/refunds", "refund", Refund.KIND, _refund),
}


_LEDGERS: Mapping[str, Callable[[SquareSettings, str, Http], Awaitable[Sequence[Observation]]]] = {
    LoyaltyAccount.KIND: read_account,
    GiftCard.KIND: read_card,
}


async def _read_order(settings: SquareSettings, id_: str, http: Http) -> Sequence[Observation]:
    response = await http.get(f"/v2/orders/{id_}")
    if missing(response):
        return [Snapshot.gone(Order.KIND, id_)]
    found = succeeded(f"to show the order {id_}", response).node("order")
    if found is None:
        return ()
    seen = parsed("answer.order", lambda: order(found, settings.region))
    buyer = seen[0].entity.buyer if isinstance(seen[0].entity, Order) else None
    if buyer is None or buyer.external_id is None:
        return seen
    asked = await http.get(f"/v2/customers/{buyer.external_id}")
    if not asked.ok:
        return seen  # a deleted profile, or no permission to read any: the order is told all the same
    person = succeeded("to show a customer", asked).node("customer")
    if person is None:
        return seen
    return [*parsed("answer.customer", lambda: customer(person, settings.region)), *seen]


async def _read_catalog(settings: SquareSettings, since: datetime, http: Http) -> Sequence[Observation]:
    """The items changed since shortly before `since`; the answer's pages are read to their end."""
    seen: list[Observation] = []
    page: str | None = None
    while True:
        body = await _catalog_page(since - settings.overlap if since > _START else since, page, http)
        seen += parsed("answer.objects", lambda body=body: [item(one) for one in body.nodes("objects")])
        following = body.text("cursor")
        if not following or following == page:
            return seen
        page = following


async def _catalog_page(since: datetime, page: str | None, http: Http) -> Node:
    ask: Json = {
        "object_types": ["ITEM"],
        "include_deleted_objects": True,
        "begin_time": wire_instant(since),
        "limit": 100,
    }
    if page:
        ask["cursor"] = page
    return succeeded("to search the catalogue", await http.query("/v2/catalog/search", json=ask))


async def _read_count(id_: str, http: Http) -> Sequence[Observation]:
    variation, _, place = id_.partition(":")
    ask = {"catalog_object_ids": [variation], "location_ids": [place], "states": ["IN_STOCK"]}
    body = succeeded("to show a stock count", await http.query("/v2/inventory/counts/batch-retrieve", json=ask))
    return parsed("answer.counts", lambda: [count(one, f"read:{id_}") for one in body.nodes("counts")])
