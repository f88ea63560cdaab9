"""Refunds to the shop: money that is to go back, and goods whose money has gone back elsewhere."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Refund, RefundState, decimal_text
from omnibridge_shopify.documents_after import REFUND_CREATE, REFUNDABLE
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.outbound_lines import order_gid, wanted
from omnibridge_shopify.parts import gid_number, ref
from omnibridge_shopify.settings import Shopify

__all__ = ["create_refund"]

_CAME = ("SALE", "CAPTURE")


async def create_refund(settings: Shopify, refund: Refund, delivery: Delivery, http: Http) -> Receipt:
    """Make a refund with `refundCreate`, protected by `@idempotent`.

    **Only a refund that is pending moves money**, by the payments of the order: it asks for it. One that is completed
    has been paid back by another system, a till say, and would be paid twice; of that the shop is told the goods, and
    the note says that its own books still show the money. Raises Permanent for more money than is left to refund, for
    an order in another currency than the shop's, and for what Shopify refuses.
    """
    if delivery.own is not None:
        return Receipt((Reference("refund", delivery.own),), note="the shop has this refund already")
    if refund.state not in (RefundState.PENDING, RefundState.COMPLETED):
        return Receipt(note="no money goes back")
    id_ = order_gid(refund.order, delivery)
    order: Json | None = (await ask(settings, http, REFUNDABLE, {"id": id_}))["order"]
    if order is None:
        raise Permanent("the shop no longer has the order", code="NOT_FOUND")
    values: dict[str, object] = {"orderId": id_, "notify": False}
    if refund.reason:
        values["note"] = refund.reason[:255]
    if lines := _lines(refund, delivery, order):
        values["refundLineItems"] = lines
    pays = refund.state is RefundState.PENDING and refund.amount is not None and refund.amount.amount > 0
    if pays:
        values["transactions"] = _transactions(refund, delivery, order)
    elif not lines:
        return Receipt(note="the money went back elsewhere, and no goods are named: the shop has nothing to note")
    variables = {"input": values, "key": http.key("refund")}
    payload = await change(settings, http, REFUND_CREATE, variables, step="refund", protection=NativeKey())
    errors = problems(payload)
    if errors or payload["refund"] is None:
        code, field, message = errors[0] if errors else ("", "", "Shopify returned no refund")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    number = gid_number(payload["refund"]["id"])
    told = Refund.model_validate({"order": ref("order", gid_number(id_)), "reason": refund.reason})
    at = datetime.fromisoformat(payload["refund"]["createdAt"])
    note = (
        None if pays else "only the goods are noted: the money went back elsewhere, which the shop's books do not show"
    )
    return Receipt((Reference("refund", number),), (Snapshot(told, number, at),), note)


def _lines(refund: Refund, delivery: Delivery, order: Json) -> list[dict[str, object]]:
    items: list[Json] = order["lineItems"]["nodes"]
    left = dict(wanted(refund.lines, refund.order, delivery, (item["sku"] for item in items)))
    restock = {line.sku: line.restock for line in refund.lines if line.sku}
    rows: list[dict[str, object]] = []
    for item in items:
        sku: str = item["sku"] or ""
        count = min(int(item["refundableQuantity"]), left.get(sku, 0))
        if count:
            left[sku] -= count
            rows.append({"lineItemId": item["id"], "quantity": count, "restockType": _restock(restock.get(sku))})
    if any(left.values()):
        raise Permanent("more goods than are left to refund", code="NOTHING_LEFT")
    return rows


def _restock(restock: bool | None) -> str:
    """Stock is counted by the system whose goods they are; only what is said to go on sale again does so here."""
    return "RETURN" if restock else "NO_RESTOCK"


def _transactions(refund: Refund, delivery: Delivery, order: Json) -> list[dict[str, object]]:
    """The money, by the payments that it came with: the one that is named first, then the others."""
    if refund.amount is None:
        return []
    if not refund.amount.currency == order["currencyCode"] == order["presentmentCurrencyCode"]:
        raise Permanent(
            "the order was paid in another currency than the shop's", code="CURRENCY", remedy="refund it at Shopify"
        )
    named = delivery.external(refund.payment)
    came: list[Json] = [node for node in order["transactions"] if node["kind"] in _CAME and node["status"] == "SUCCESS"]
    came.sort(key=lambda node: gid_number(node["id"]) != named)
    left = refund.amount.amount
    found: list[dict[str, object]] = []
    for node in came:
        most: Json | None = node["maximumRefundableV2"]
        part = min(left, Decimal(str(most["amount"]))) if most is not None else Decimal(0)
        if part > 0:
            left -= part
            found.append(
                {
                    "orderId": order["id"],
                    "parentId": node["id"],
                    "kind": "REFUND",
                    "gateway": node["gateway"] or "manual",
                    "amount": decimal_text(part),
                }
            )
    if left > 0:
        raise Permanent(f"{left} {refund.amount.currency} more than is left to refund", code="TOO_MUCH")
    return found
