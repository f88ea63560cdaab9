"""Fulfilments and payments to Square."""

from __future__ import annotations

from pydantic import JsonValue

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import (
    Fulfilment,
    FulfilmentMethod,
    FulfilmentState,
    Payment,
    PaymentMethod,
    PaymentState,
)
from omnibridge_square.classify import stale, succeeded
from omnibridge_square.entities import payment as payment_snapshot
from omnibridge_square.orders import order as order_snapshots
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, parsed, wire_instant, wire_money

__all__ = ["deliver_fulfilment", "deliver_payment"]


_STATES = {
    FulfilmentState.PROPOSED: "PROPOSED",
    FulfilmentState.ACCEPTED: "RESERVED",
    FulfilmentState.READY: "PREPARED",
    FulfilmentState.COMPLETED: "COMPLETED",
    FulfilmentState.DELIVERED: "COMPLETED",
    FulfilmentState.CANCELLED: "CANCELED",
    FulfilmentState.FAILED: "FAILED",
}
_RANK = {"PROPOSED": 0, "RESERVED": 1, "PREPARED": 2, "COMPLETED": 3, "CANCELED": 3, "FAILED": 3}
_TYPES = {FulfilmentMethod.PICKUP: ("PICKUP",), FulfilmentMethod.SHIP: ("SHIPMENT", "DELIVERY")}
_TENDERS = {
    PaymentMethod.CARD: "CARD",
    PaymentMethod.BANK: "BANK_TRANSFER",
    PaymentMethod.GIFT_CARD: "OTHER_GIFT_CARD",
}


# -- fulfilments ----------------------------------------------------------------------------------------------------


async def deliver_fulfilment(
    settings: SquareSettings, fulfilment: Fulfilment, delivery: Delivery, http: Http
) -> Receipt:
    """Move the order's fulfilment to the state that it has elsewhere, and tell time and tracking.

    Fulfilments are part of an order at Square and are written under its version. States only move forward. Raises
    Permanent for an order that Square does not know, Retryable when somebody else keeps changing it.
    """
    order_id, _, uid = (delivery.own or "").partition(":")
    order_id = order_id or delivery.external(fulfilment.order) or ""
    if not order_id:
        raise Permanent(
            "the fulfilment's order is not at Square", code="NO_ORDER", remedy="route orders to this channel as well"
        )
    for turn in ("change", "change-again"):
        answer = await http.get(f"/v2/orders/{order_id}")
        found = succeeded(f"to show the order {order_id}", answer).node("order")
        target = _target(found, uid, fulfilment) if found is not None else None
        if found is None or target is None:
            return Receipt(note="the order at Square has no fulfilment that this one could be")
        version, own = found.whole("version"), f"{order_id}:{target.need('uid')}"
        reference = Reference("fulfilment", own)
        if not uid:
            await http.keep(reference)
        change = _change(target, fulfilment)
        if len(change) == 1:
            return Receipt((reference,))
        if version is None:
            return Receipt((reference,), note="the order was made at the till and cannot be changed")
        told = {"version": version, "location_id": found.text("location_id"), "fulfillments": [change]}
        body = {"idempotency_key": http.key(turn), "order": told}
        answer = await http.put(f"/v2/orders/{order_id}", json=body, step=turn, protection=NativeKey())
        if stale(answer):
            continue
        after = succeeded("the change of a fulfilment", answer).node("order")
        return Receipt((reference,), _told(settings, after, own, change) if after is not None else ())
    raise Retryable(f"the order {order_id} is being changed at Square by somebody else")


def _target(order: Node, uid: str, fulfilment: Fulfilment) -> Node | None:
    """The fulfilment by its uid, or the first of its kind, one that still moves before one that has ended."""
    every = order.nodes("fulfillments")
    if uid:
        return next((one for one in every if one.text("uid") == uid), None)
    kinds = _TYPES.get(fulfilment.method, ())
    fitting = [one for one in every if one.text("type") in kinds]
    moving = [one for one in fitting if _RANK.get(one.text("state") or "", 0) < 3]
    return next(iter(moving or fitting), None)


def _change(target: Node, fulfilment: Fulfilment) -> Json:
    """The sparse fulfilment: its uid, and what differs."""
    out: Json = {"uid": target.need("uid")}
    there, wanted = target.text("state") or "PROPOSED", _STATES.get(fulfilment.state)
    if wanted is not None and "state" in fulfilment.model_fields_set and _RANK[wanted] > _RANK.get(there, 0):
        out["state"] = wanted
    details: Json = {}
    if target.text("type") == "PICKUP":
        name, known = "pickup_details", target.node("pickup_details")
        at = known.instant("pickup_at") if known is not None else None
        if fulfilment.pickup_at is not None and at != fulfilment.pickup_at:
            details = {"schedule_type": "SCHEDULED", "pickup_at": wire_instant(fulfilment.pickup_at)}
    else:
        name, known = "shipment_details", target.node("shipment_details")
        for theirs, value, most in (
            ("carrier", fulfilment.carrier, 50),
            ("tracking_number", next(iter(fulfilment.tracking_numbers), None), 100),
            ("tracking_url", next(iter(fulfilment.tracking_urls), None), 2000),
        ):
            if value and (known is None or known.text(theirs) != value[:most]) and target.text("type") == "SHIPMENT":
                details[theirs] = value[:most]
    if details and _RANK.get(there, 0) < 3:
        out[name] = details
    return out


def _told(settings: SquareSettings, order: Node, own: str, change: Json) -> tuple[Snapshot, ...]:
    fresh = Node(dict(order.raw), "answer.order")
    seen = parsed("answer.order", lambda: order_snapshots(fresh, settings.region))
    names = {"order"} | ({"state", "state_raw"} if "state" in change else set[str]())
    if "pickup_details" in change:
        names |= {"pickup_at"}
    if "shipment_details" in change:
        names |= {"carrier", "tracking_numbers", "tracking_urls"}
    for one in seen:
        if one.external_id == own and isinstance(one.entity, Fulfilment):
            fields = {name: getattr(one.entity, name) for name in names & one.entity.model_fields_set}
            return (Snapshot(Fulfilment(**fields), own, one.version),)
    return ()


# -- payments -------------------------------------------------------------------------------------------------------


async def deliver_payment(settings: SquareSettings, payment: Payment, delivery: Delivery, http: Http) -> Receipt:
    """Record money that came elsewhere against the order, so that the till shows it as paid.

    The payment has the source `EXTERNAL` (or `CASH`) and moves no money (Square, "Take external payments"). Square's
    payments are final, so one that is known is left alone. Raises Permanent for a refusal.
    """
    if delivery.own is not None:
        return Receipt(note="payments cannot be changed at Square")
    if payment.state is not PaymentState.CAPTURED:
        return Receipt(note="only money that has come is recorded at Square")
    order_id = delivery.external(payment.order)
    if order_id is None:
        raise Permanent(
            "the payment's order is not at Square", code="NO_ORDER", remedy="route orders to this channel as well"
        )
    amount = wire_money(payment.amount.rounded())
    body: Json = {
        "idempotency_key": http.key("create"),
        "amount_money": amount,
        "order_id": order_id,
        "autocomplete": True,
        **_source(payment, amount),
    }
    if payment.tip is not None and payment.tip.amount > 0:
        body["tip_money"] = wire_money(payment.tip.rounded())
    place = delivery.external(payment.location)
    id_ = payment.id or delivery.event.subject
    for name, value in (
        ("customer_id", delivery.external(payment.customer)),
        ("location_id", place),
        ("reference_id", id_ if id_ and len(id_) <= 40 else None),
    ):
        if value:
            body[name] = value
    answer = await http.post("/v2/payments", json=body, step="create", protection=NativeKey())
    found = succeeded("the payment", answer).node("payment")
    if found is None:
        raise Permanent("Square answered without a payment", code="NO_PAYMENT")
    reference = Reference("payment", found.need("id"))
    await http.keep(reference)
    return Receipt((reference,), (parsed("answer.payment", lambda: payment_snapshot(found)),))


def _source(payment: Payment, amount: dict[str, JsonValue]) -> Json:
    if payment.method is PaymentMethod.CASH:
        return {"source_id": "CASH", "cash_details": {"buyer_supplied_money": amount}}
    source = payment.gateway or payment.method_raw or "OmniBridge"
    details = {"type": _TENDERS.get(payment.method, "OTHER"), "source": source[:255]}
    return {"source_id": "EXTERNAL", "external_details": details}
