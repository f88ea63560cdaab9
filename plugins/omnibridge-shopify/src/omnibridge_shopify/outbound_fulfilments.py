"""Goods that left elsewhere, told to the shop: made once, followed by their tracking, called off."""

from __future__ import annotations

from datetime import datetime, timedelta

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Fulfilment, FulfilmentState
from omnibridge_shopify.documents_after import (
    FULFILLABLE,
    FULFILLMENT_CANCEL,
    FULFILLMENT_CREATE,
    FULFILLMENT_TRACKING,
)
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.outbound_lines import order_gid, wanted
from omnibridge_shopify.parts import gid, gid_number, ref
from omnibridge_shopify.settings import Shopify

__all__ = ["deliver_fulfilment", "find_fulfilment"]

_GONE = (FulfilmentState.COMPLETED, FulfilmentState.DELIVERED)
_OPEN = ("OPEN", "IN_PROGRESS")
_CLOCKS = timedelta(minutes=1)


async def deliver_fulfilment(settings: Shopify, fulfilment: Fulfilment, delivery: Delivery, http: Http) -> Receipt:
    """Make a fulfilment of what has left, put its tracking right, or cancel it.

    `fulfillmentCreate` has no idempotency key; what is sent twice finds nothing left to fulfil, and `find_fulfilment`
    looks before. The customer is not written to: who ships tells them, or the shop's own settings do. Raises Permanent
    for lines that the order does not have, or has no more, and for what Shopify refuses.
    """
    if delivery.own is not None:
        return await _follow(settings, fulfilment, delivery, delivery.own, http)
    if fulfilment.state not in _GONE:
        return Receipt(note="nothing has left")
    order = await _order(settings, fulfilment, delivery, http)
    if (found := _same(fulfilment, delivery, order)) is not None:
        return _receipt(fulfilment, delivery, found)
    parts = _parts(fulfilment, delivery, order)
    values: dict[str, object] = {"lineItemsByFulfillmentOrder": parts, "notifyCustomer": False}
    if tracking := _tracking(fulfilment):
        values["trackingInfo"] = tracking
    payload = await change(settings, http, FULFILLMENT_CREATE, {"fulfillment": values}, step="fulfil")
    made = _made(payload)
    await http.keep(Reference("fulfilment", gid_number(made["id"])))
    return _receipt(fulfilment, delivery, made)


async def find_fulfilment(settings: Shopify, fulfilment: Fulfilment, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the shop has it or has called it off: by id, else by tracking and goods, not from before the event."""
    if delivery.own is not None:
        order = await _order(settings, fulfilment, delivery, http)
        node = next((each for each in order["fulfillments"] if gid_number(each["id"]) == delivery.own), None)
        off = fulfilment.state is FulfilmentState.CANCELLED and node is not None and node["status"] == "CANCELLED"
        return _receipt(fulfilment, delivery, node) if off and node is not None else None
    if fulfilment.state not in _GONE:
        return None
    found = _same(fulfilment, delivery, await _order(settings, fulfilment, delivery, http))
    return _receipt(fulfilment, delivery, found) if found is not None else None


async def _order(settings: Shopify, fulfilment: Fulfilment, delivery: Delivery, http: Http) -> Json:
    data = await ask(settings, http, FULFILLABLE, {"id": order_gid(fulfilment.order, delivery)})
    order: Json | None = data["order"]
    if order is None:
        raise Permanent("the shop no longer has the order", code="NOT_FOUND")
    return order


def _skus(order: Json) -> set[str | None]:
    orders: list[Json] = order["fulfillmentOrders"]["nodes"]
    return {item["lineItem"]["sku"] for each in orders for item in each["lineItems"]["nodes"]}


def _parts(fulfilment: Fulfilment, delivery: Delivery, order: Json) -> list[dict[str, object]]:
    """The lines of the open fulfilment orders that the goods are of; all that remains when no lines are told."""
    left = dict(wanted(fulfilment.lines, fulfilment.order, delivery, _skus(order)))
    parts: list[dict[str, object]] = []
    for each in order["fulfillmentOrders"]["nodes"]:
        if each["status"] not in _OPEN:
            continue
        rows: list[dict[str, object]] = []
        for item in each["lineItems"]["nodes"]:
            remaining: int = item["remainingQuantity"]
            sku: str = item["lineItem"]["sku"] or ""
            count = min(remaining, left.get(sku, 0)) if fulfilment.lines else remaining
            if count:
                rows.append({"id": item["id"], "quantity": count})
                left[sku] = left.get(sku, 0) - count
        if rows:
            parts.append({"fulfillmentOrderId": each["id"], "fulfillmentOrderLineItems": rows})
    if not parts or (fulfilment.lines and any(count > 0 for count in left.values())):
        raise Permanent("less of this is left to fulfil than has left", code="NOTHING_LEFT")
    return parts


def _same(fulfilment: Fulfilment, delivery: Delivery, order: Json) -> Json | None:
    goods = wanted(fulfilment.lines, fulfilment.order, delivery, _skus(order)) if fulfilment.lines else None
    since = delivery.event.get_time()
    for node in order["fulfillments"]:
        sent: dict[str, int] = {}
        for item in node["fulfillmentLineItems"]["nodes"]:
            sku: str = item["lineItem"]["sku"] or ""
            sent[sku] = sent.get(sku, 0) + (item["quantity"] or 0)
        numbers = tuple(told["number"] for told in node["trackingInfo"] if told["number"])
        late = since is not None and datetime.fromisoformat(node["createdAt"]) >= since - _CLOCKS
        if late and node["status"] == "SUCCESS" and numbers == fulfilment.tracking_numbers and goods in (None, sent):
            return node
    return None


def _tracking(fulfilment: Fulfilment) -> dict[str, object]:
    values: dict[str, object] = {}
    if fulfilment.carrier:
        values["company"] = fulfilment.carrier
    if fulfilment.tracking_numbers:
        values["numbers"] = list(fulfilment.tracking_numbers)
    if fulfilment.tracking_urls:
        values["urls"] = list(fulfilment.tracking_urls)
    return values


async def _follow(settings: Shopify, fulfilment: Fulfilment, delivery: Delivery, own: str, http: Http) -> Receipt:
    known = delivery.known if isinstance(delivery.known, Fulfilment) else None
    id_ = gid("Fulfillment", own)
    if fulfilment.state is FulfilmentState.CANCELLED:
        payload = await change(settings, http, FULFILLMENT_CANCEL, {"id": id_}, step="cancel")
        return _receipt(fulfilment, delivery, _made(payload))
    tracking = _tracking(fulfilment)
    if not tracking or (known is not None and _tracking(known) == tracking):
        return Receipt((Reference("fulfilment", own),), note="the shop has this fulfilment already")
    variables = {"id": id_, "tracking": tracking}
    payload = await change(settings, http, FULFILLMENT_TRACKING, variables, step="tracking", protection=Upsert())
    return _receipt(fulfilment, delivery, _made(payload))


def _made(payload: Json) -> Json:
    errors = problems(payload)
    if errors or payload["fulfillment"] is None:
        code, field, message = errors[0] if errors else ("", "", "Shopify returned no fulfilment")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    return payload["fulfillment"]


def _receipt(fulfilment: Fulfilment, delivery: Delivery, node: Json) -> Receipt:
    number = gid_number(node["id"])
    told = Fulfilment.model_validate(
        {
            "order": ref("order", delivery.external(fulfilment.order)) or fulfilment.order,
            "state": fulfilment.state,
            "carrier": fulfilment.carrier,
            "tracking_numbers": fulfilment.tracking_numbers,
            "tracking_urls": fulfilment.tracking_urls,
        }
    )
    version = datetime.fromisoformat(node["updatedAt"])
    return Receipt((Reference("fulfilment", number),), (Snapshot(told, number, version),))
