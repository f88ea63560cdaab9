"""Refunds to Square: recorded where Square did not take the money; where it did, given back if the settings allow."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference
from omnibridge.errors import Permanent
from omnibridge.model import Refund, RefundState
from omnibridge_square.classify import succeeded
from omnibridge_square.entities import refund as refund_snapshot
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, parsed, wire_money

__all__ = ["deliver_refund"]

_ELSEWHERE = frozenset({"CASH", "EXTERNAL"})
"""Sources of payments that moved no money at Square; refunding one only records it (Square, RefundPayment)."""
_REASON = 192


async def deliver_refund(settings: SquareSettings, refund: Refund, delivery: Delivery, http: Http) -> Receipt:
    """Refund the payment at Square that a refund elsewhere is for.

    Of an external or cash payment that is a record, made once the money has gone. Money that Square took itself goes
    back to the buyer only with the setting `refund_money`. A refund that is known at Square is left alone. Raises
    Permanent for a refusal, and where it is not clear which payment is meant.
    """
    if delivery.own is not None:
        return Receipt(note="refunds cannot be changed at Square")
    if refund.amount is None or not refund.amount.amount:
        return Receipt(note="no money goes back")
    if refund.state not in (RefundState.PENDING, RefundState.COMPLETED):
        return Receipt(note="the refund did not happen")
    payment = await _payment(refund, delivery, http)
    if payment.text("source_type") in _ELSEWHERE:
        if refund.state is not RefundState.COMPLETED:
            return Receipt(note="the money has not gone back yet")
    elif not settings.refund_money:
        raise Permanent(
            "the money was taken by Square, and this channel may not give it back",
            code="NOT_ALLOWED",
            remedy="refund it at Square, or set refund_money",
        )
    body: Json = {
        "idempotency_key": http.key("refund"),
        "payment_id": payment.need("id"),
        "amount_money": wire_money(refund.amount.rounded()),
    }
    if refund.reason:
        body["reason"] = refund.reason[:_REASON]
    answer = await http.post("/v2/refunds", json=body, step="refund", protection=NativeKey())
    found = succeeded("the refund", answer).node("refund")
    if found is None:
        raise Permanent("Square answered without a refund", code="NO_REFUND")
    reference = Reference("refund", found.need("id"))
    await http.keep(reference)
    return Receipt((reference,), (parsed("answer.refund", lambda: refund_snapshot(found)),))


async def _payment(refund: Refund, delivery: Delivery, http: Http) -> Node:
    """The payment that is meant, else the one that its order has at Square."""
    id_ = delivery.external(refund.payment)
    order = delivery.external(refund.order)
    if id_ is None and order is not None:
        found = succeeded(f"to show the order {order}", await http.get(f"/v2/orders/{order}")).node("order")
        tenders = found.nodes("tenders") if found is not None else []
        paid = [one.text("payment_id") or one.text("id") for one in tenders]
        id_ = paid[0] if len(paid) == 1 else None
    if id_ is None:
        raise Permanent(
            "it is not known which payment at Square is to be refunded",
            code="NO_PAYMENT",
            remedy="route payments to this channel as well",
        )
    answer = await http.get(f"/v2/payments/{id_}")
    payment = succeeded(f"to show the payment {id_}", answer).node("payment")
    if payment is None:
        raise Permanent("Square answered without a payment", code="NO_PAYMENT")
    return payment
