"""An order in Mailchimp's words and back: money with the currency's digits, states, addresses, lines."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from omnibridge.connector import Delivery, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import (
    Address,
    FulfilmentStatus,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    PaymentStatus,
)
from omnibridge_mailchimp.products import item_of, safe_id
from omnibridge_mailchimp.wire import Json, instant

__all__ = ["line_bodies", "normal_order", "order_body", "order_snapshot"]

_FINANCIAL = {
    PaymentStatus.PAID: "paid",
    PaymentStatus.PARTIALLY_REFUNDED: "partially_refunded",
    PaymentStatus.REFUNDED: "refunded",
    PaymentStatus.VOIDED: "cancelled",
}
_PAYMENT = {word: status for status, word in _FINANCIAL.items()}
_REFUNDS = frozenset({PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})
_TOTALS = {"total": "order_total", "tax": "tax_total", "shipping": "shipping_total", "discount": "discount_total"}
_ADDRESS = {
    "name": "name",
    "company": "company",
    "street": "address1",
    "street2": "address2",
    "city": "city",
    "region": "province",
    "postal_code": "postal_code",
    "country": "country_code",
    "phone": "phone",
}


# ── What Mailchimp would keep ─────────────────────────────────────────────────────────────────────────────────


def _payment(order: Order) -> PaymentStatus:
    """Mailchimp's four words: money that went back outweighs the cancellation, which outweighs the payment."""
    if order.payment_status in _REFUNDS:
        return order.payment_status
    if order.status is OrderStatus.CANCELLED:
        return PaymentStatus.VOIDED
    return order.payment_status if order.payment_status in _FINANCIAL else PaymentStatus.UNPAID


def _line(line: OrderLine, index: int) -> OrderLine:
    """Mailchimp counts whole pieces: 1.5 m of cloth is one piece at the price of the whole line."""
    whole = line.quantity == line.quantity.to_integral_value() and line.quantity >= 1
    price = line.unit_price if whole else line.gross
    fields: dict[str, object] = {
        "external_id": safe_id(line.external_id or str(index)),
        "quantity": Decimal(int(line.quantity)) if whole else Decimal(1),
        "unit_price": price.rounded(),
    }
    return OrderLine.model_validate(fields)


def _totals(totals: OrderTotals) -> OrderTotals:
    amounts = {name: getattr(totals, name) for name in _TOTALS}
    return OrderTotals.model_validate({name: m.rounded() for name, m in amounts.items() if m is not None})


def _second(at: datetime | None) -> datetime | None:
    return at.replace(microsecond=0) if at is not None else None


def normal_order(settings: object, order: Order) -> Order:
    """What the store can hold of an order: totals, states, times to the second, lines by number, price and pieces.

    Idempotent; what is not set stays unset.
    """
    told = order.model_fields_set
    kept: dict[str, object] = {"currency": order.currency, "totals": _totals(order.totals)}
    if order.id is not None:
        kept["id"] = order.id
    if "status" in told:
        cancelled = order.status is OrderStatus.CANCELLED
        kept["status"] = OrderStatus.CANCELLED if cancelled else OrderStatus.OPEN
    if told & {"status", "payment_status"}:
        kept["payment_status"] = _payment(order)
    if "fulfilment_status" in told:
        shipped = order.fulfilment_status is FulfilmentStatus.FULFILLED
        kept["fulfilment_status"] = FulfilmentStatus.FULFILLED if shipped else FulfilmentStatus.UNFULFILLED
    for name in ("placed_at", "cancelled_at"):
        if name in told:
            kept[name] = _second(getattr(order, name))
    if "lines" in told:
        kept["lines"] = tuple(_line(line, index) for index, line in enumerate(order.lines, 1))
    return Order.model_validate(kept)


# ── Out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def order_body(order: Order, cancelled_at: datetime | None) -> Json:
    """The order without its lines, customer and id: what a PATCH sends and a POST shares. Amounts are JSON numbers."""
    kept = normal_order(None, order)
    body: Json = {"currency_code": kept.currency}
    for name, theirs in _TOTALS.items():
        money: Money | None = getattr(kept.totals, name)
        if money is not None:
            body[theirs] = money.amount
    body["financial_status"] = _FINANCIAL.get(_payment(order), "pending")
    if kept.fulfilment_status is FulfilmentStatus.FULFILLED:
        body["fulfillment_status"] = "shipped"
    times = {"processed_at_foreign": order.placed_at, "updated_at_foreign": order.updated_at}
    if order.status is OrderStatus.CANCELLED:
        times["cancelled_at_foreign"] = order.cancelled_at or cancelled_at
    body |= {name: at.isoformat(timespec="seconds") for name, at in times.items() if at is not None}
    for name in ("billing_address", "shipping_address"):
        address: Address | None = getattr(order, name)
        if address is not None and (parts := _address(address)):
            body[name] = parts
    codes = [discount for discount in order.discounts if discount.code]
    if codes:
        body["promos"] = [
            {"code": discount.code, "amount_discounted": discount.amount.rounded().amount, "type": "fixed"}
            for discount in codes
        ]
    return body


def _address(address: Address) -> Json:
    return {theirs: text for ours, theirs in _ADDRESS.items() if (text := (getattr(address, ours) or "").strip())}


def line_bodies(order: Order, delivery: Delivery) -> dict[str, Json]:
    """The order's lines in Mailchimp's words, by their id."""
    bodies: dict[str, Json] = {}
    for index, line in enumerate(order.lines, 1):
        kept, item = _line(line, index), item_of(line, delivery)
        discount = Money.total(
            (d.amount for d in line.discounts if d.amount.currency == order.currency), order.currency
        )
        bodies[str(kept.external_id)] = {
            "id": kept.external_id,
            "product_id": item.product,
            "product_variant_id": item.variant,
            "quantity": int(kept.quantity),
            "price": kept.unit_price.amount,
            "discount": discount.rounded().amount,
        }
    return bodies


# ── Back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def order_snapshot(answer: Json, lines: dict[str, Json]) -> Snapshot:
    """Mailchimp's answer to a write, with the lines as they are now. Raises InvalidMessage when it is no order."""
    try:
        currency = str(answer["currency_code"])
        amounts = {
            name: Money(amount=answer[theirs], currency=currency).rounded()
            for name, theirs in _TOTALS.items()
            if answer.get(theirs) is not None
        }
        cancelled_at = instant(answer.get("cancelled_at_foreign"))
        fields: dict[str, object] = {
            "currency": currency,
            "totals": OrderTotals.model_validate(amounts),
            "status": OrderStatus.CANCELLED if cancelled_at else OrderStatus.OPEN,
            "payment_status": _PAYMENT.get(answer.get("financial_status", ""), PaymentStatus.UNPAID),
            "fulfilment_status": FulfilmentStatus.FULFILLED
            if answer.get("fulfillment_status") == "shipped"
            else FulfilmentStatus.UNFULFILLED,
            "placed_at": instant(answer.get("processed_at_foreign")),
            "cancelled_at": cancelled_at,
            "lines": tuple(
                OrderLine(
                    external_id=line["id"],
                    quantity=Decimal(line["quantity"]),
                    unit_price=Money(amount=line["price"], currency=currency).rounded(),
                )
                for line in lines.values()
            ),
        }
        entity = Order.model_validate(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessage(f"not a Mailchimp order: {type(error).__name__}", where="order") from None
    return Snapshot(entity, str(answer["id"]))
