"""From the bodies that follow an order to Fulfilments, Refunds and Payments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from omnibridge.connector import Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import (
    Fulfilment,
    FulfilmentState,
    Payment,
    PaymentMethod,
    PaymentState,
    Ref,
    Refund,
    RefundState,
)
from omnibridge_shopify.parts import Values, address, money, padded, ref, utc
from omnibridge_shopify.wire import FulfillmentIn, RefundIn, RefundLineIn, TransactionIn

__all__ = ["fulfilment", "payment", "refund", "refunded"]

_FULFILMENT = {
    "pending": FulfilmentState.ACCEPTED,
    "open": FulfilmentState.ACCEPTED,
    "success": FulfilmentState.COMPLETED,
    "cancelled": FulfilmentState.CANCELLED,
    "error": FulfilmentState.FAILED,
    "failure": FulfilmentState.FAILED,
}
_SHIPMENT = {"ready_for_pickup": FulfilmentState.READY, "delivered": FulfilmentState.DELIVERED}
_RESTOCK = {"return": True, "cancel": True, "legacy_restock": True, "no_restock": False}
_INCOMING = {
    "sale": PaymentState.CAPTURED,
    "capture": PaymentState.CAPTURED,
    "authorization": PaymentState.AUTHORIZED,
    "emv_authorization": PaymentState.AUTHORIZED,
}
_NOT_DONE = {
    "pending": PaymentState.PENDING,
    "awaiting_response": PaymentState.PENDING,
    "failure": PaymentState.FAILED,
    "error": PaymentState.FAILED,
}
_METHODS = {"gift_card": PaymentMethod.GIFT_CARD, "cash": PaymentMethod.CASH, "shopify_payments": PaymentMethod.CARD}


def _order(body: FulfillmentIn | RefundIn | TransactionIn, order: int | None) -> Ref:
    found = ref("order", order or body.get("order_id"))
    if found is None:
        raise InvalidMessage("no order_id", where="body")
    return found


def fulfilment(body: FulfillmentIn, order: int | None = None) -> Snapshot:
    """One fulfilment; `order` is the order it came in. Raises InvalidMessage where nothing names an order."""
    values: Values = {"order": _order(body, order)}
    status, shipment = body.get("status"), body.get("shipment_status")
    if "status" in body:
        state = _FULFILMENT.get(status or "", FulfilmentState.OTHER)
        if state is FulfilmentState.COMPLETED:
            state = _SHIPMENT.get(shipment or "", state)
        values["state"], values["state_raw"] = state, status
    if "shipment_status" in body:
        values["vendor"] = {"shipment_status": shipment}
    if "tracking_company" in body:
        values["carrier"] = body["tracking_company"]
    for many, one, ours in (
        ("tracking_numbers", "tracking_number", "tracking_numbers"),
        ("tracking_urls", "tracking_url", "tracking_urls"),
    ):
        if many in body or one in body:
            listed: list[str] = body.get(many) or []
            single: str | None = body.get(one)
            values[ours] = listed or ([single] if single else [])
    if "location_id" in body:
        values["location"] = ref("location", body["location_id"])
    if "destination" in body:
        values["destination"] = address(body["destination"])
    if "line_items" in body:
        values["lines"] = [
            {"line_external_id": str(line["id"]), "sku": line.get("sku") or None, "quantity": line["quantity"]}
            for line in body["line_items"] or ()
        ]
    for name in ("created_at", "updated_at"):
        if name in body:
            values[name] = utc(body.get(name))
    return Snapshot(Fulfilment.model_validate(values), str(body["id"]), utc(body.get("updated_at")))


def refunded(body: RefundIn) -> Decimal | None:
    """The money that went back, None where none did."""
    back = [t.get("amount") for t in body.get("transactions") or () if t.get("kind") == "refund" and _done(t)]
    amounts = [Decimal(amount) for amount in back if amount is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _done(transaction: TransactionIn) -> bool:
    return transaction.get("status") not in _NOT_DONE


def refund(
    body: RefundIn, order: int | None = None, currency: str | None = None, at: datetime | None = None
) -> Snapshot:
    """One refund; `order`, its `currency` and its version `at` are those of the order it came in.

    A refund without a transaction moved no money: it has no amount. Raises InvalidMessage where nothing names an order.
    """
    values: Values = {"order": _order(body, order)}
    back = [t for t in body.get("transactions") or () if t.get("kind") == "refund"]
    for transaction in back:
        currency = transaction.get("currency") or currency
    if "transactions" in body:
        values["state"] = _refund_state(back)
        amount = refunded(body)
        values["amount"] = money(amount, currency) if amount is not None and currency else None
        values["payment"] = ref("payment", next((t.get("parent_id") for t in back if t.get("parent_id")), None))
    if "note" in body:
        values["reason"] = body["note"]
    if "return" in body:
        of = (body["return"] or {}).get("id")
        values["vendor"] = {"return": str(of) if of else None}
    if "refund_line_items" in body:
        values["lines"] = [_line(line, currency) for line in body["refund_line_items"] or ()]
    moment = body.get("created_at") or body.get("processed_at")
    if "created_at" in body or "processed_at" in body:
        values["created_at"] = utc(moment)
    return Snapshot(Refund.model_validate(values), str(body["id"]), at or utc(moment))


def _refund_state(back: list[TransactionIn]) -> RefundState:
    states = {_NOT_DONE.get(t.get("status") or "") for t in back}
    if PaymentState.PENDING in states:
        return RefundState.PENDING
    return RefundState.FAILED if states == {PaymentState.FAILED} else RefundState.COMPLETED


def _line(line: RefundLineIn, currency: str | None) -> Values:
    shop = (line.get("subtotal_set") or {}).get("shop_money")
    currency = currency or (shop["currency_code"] if shop else None)
    values: Values = {
        "line_external_id": str(line.get("line_item_id") or "") or None,
        "quantity": line["quantity"],
        "restock": _RESTOCK.get(line.get("restock_type") or ""),
        "location": ref("location", line.get("location_id")),
    }
    if sku := (line.get("line_item") or {}).get("sku"):
        values["sku"] = sku
    if currency is not None:
        for theirs, ours in (("subtotal", "amount"), ("total_tax", "tax")):
            amount = line.get(theirs)
            if amount is not None:
                exact = padded(amount, currency) if isinstance(amount, Decimal) else amount
                values[ours] = money(exact, currency)
    return values


def payment(
    body: TransactionIn, order: int | None = None, currency: str | None = None, at: datetime | None = None
) -> Snapshot | None:
    """Money towards an order, as a Payment; None for what goes back (a Refund tells of it) and for voids and change.

    Raises InvalidMessage where nothing names an order or a currency.
    """
    state = _INCOMING.get(body.get("kind") or "")
    amount = body.get("amount")
    if state is None or amount is None:
        return None
    currency = body.get("currency") or currency
    if currency is None:
        raise InvalidMessage("no currency", where="body")
    gateway, status = body.get("gateway"), body.get("status")
    moment = utc(body.get("processed_at") or body.get("created_at"))
    values: Values = {
        "order": _order(body, order),
        "location": ref("location", body.get("location_id")),
        "amount": money(amount, currency),
        "method": _METHODS.get(gateway or "", PaymentMethod.OTHER),
        "method_raw": gateway,
        "gateway": gateway,
        "state": _NOT_DONE.get(status or "", state),
        "state_raw": f"{body.get('kind')}/{status}",
        "created_at": moment,
    }
    return Snapshot(Payment.model_validate(values), str(body["id"]), at or moment)
