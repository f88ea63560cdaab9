"""From an order's body to an Order, its customer, and what has followed it so far.

This is the busiest road of all, so the whole order is one dictionary and one validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.connector import Snapshot
from omnibridge.model import FulfilmentStatus, Money, Order, OrderStatus, PaymentStatus, decimal_text
from omnibridge_shopify.customers import customer_within_order
from omnibridge_shopify.fulfilments import fulfilment, payment, refund, refunded
from omnibridge_shopify.parts import Values, address, as_text, attributes, bag, money, padded, ref, split_tags, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import (
    DiscountAllocationIn,
    DiscountApplicationIn,
    LineIn,
    OrderIn,
    ShippingLineIn,
    TaxLineIn,
)

__all__ = ["OURS", "carriage", "order", "tax_lines"]

OURS = "omnibridge:"
"""What `source_identifier` begins with when the order is one that we made; our id follows."""

_PAYMENT = {
    "pending": PaymentStatus.UNPAID,
    "authorized": PaymentStatus.AUTHORIZED,
    "partially_paid": PaymentStatus.PARTIALLY_PAID,
    "paid": PaymentStatus.PAID,
    "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
    "voided": PaymentStatus.VOIDED,
}
_FULFILMENT = {
    None: FulfilmentStatus.UNFULFILLED,
    "unfulfilled": FulfilmentStatus.UNFULFILLED,
    "partial": FulfilmentStatus.PARTIAL,
    "fulfilled": FulfilmentStatus.FULFILLED,
}
_PLAIN = {
    "name": "number",
    "phone": "buyer_phone",
    "source_name": "sales_channel",
    "cancel_reason": "cancel_reason",
    "note": "note",
}
_KEPT = (
    "source_identifier",
    "po_number",
    "confirmation_number",
    "payment_gateway_names",
    "customer_locale",
    "presentment_currency",
)
_TOTALS = {
    "subtotal_price": "subtotal",
    "total_discounts": "discount",
    "total_tax": "tax",
    "total_tip_received": "tip",
    "total_outstanding": "outstanding",
}
_PAIRED = {
    "total_shipping_price_set": "shipping",
    "original_total_duties_set": "duties",
    "original_total_additional_fees_set": "fees",
    "total_cash_rounding_payment_adjustment_set": "rounding",
}


def order(settings: Shopify, body: OrderIn) -> list[Snapshot]:
    """The Order first, then a partial Customer, and each fulfilment, refund and payment that the body holds.

    Amounts are in the shop's currency, `currency`; what the customer saw is `totals.presentment`.
    """
    updated = utc(body.get("updated_at"))
    id_ = body["id"]
    currency = body["currency"]
    values = _head(body, currency)
    fulfilments = body.get("fulfillments") or ()
    refunds = body.get("refunds") or ()
    applications = body.get("discount_applications") or ()
    values["lines"] = _lines(body, applications, currency)
    values["shipping"] = [
        carriage(line, applications, currency) for line in body.get("shipping_lines") or () if _there(line)
    ]
    custom = attributes(body.get("note_attributes"))
    origin = body.get("source_identifier") or ""
    found = [
        Snapshot(
            Order.model_validate(values),
            str(id_),
            updated,
            custom={f"note_attributes.{name}": value for name, value in custom.items()} if custom else {},
            ours=origin.removeprefix(OURS) if origin.startswith(OURS) else None,
        )
    ]
    if (buyer := body.get("customer")) is not None:
        found += customer_within_order(settings, buyer, updated)
    found += [fulfilment(item, id_) for item in fulfilments]
    found += [refund(item, id_, currency, updated) for item in refunds]
    for item in body.get("transactions") or ():
        if (paid := payment(item, id_, currency, updated)) is not None:
            found.append(paid)
    return found


def _head(body: OrderIn, currency: str) -> Values:
    values: Values = {ours: body[theirs] or None for theirs, ours in _PLAIN.items() if theirs in body}
    values["currency"] = currency
    values["totals"] = _totals(body, currency)
    if "cancelled_at" in body or "closed_at" in body:
        cancelled, closed = body.get("cancelled_at"), body.get("closed_at")
        values["cancelled_at"], values["closed_at"] = utc(cancelled), utc(closed)
        values["status"] = OrderStatus.CANCELLED if cancelled else OrderStatus.COMPLETED if closed else OrderStatus.OPEN
    if (status := body.get("financial_status")) is not None:
        values["payment_status"] = _PAYMENT.get(status, PaymentStatus.OTHER)
        values["payment_status_raw"] = status
    if "fulfillment_status" in body:
        status = body["fulfillment_status"]
        values["fulfilment_status"] = _FULFILMENT.get(status, FulfilmentStatus.OTHER)
        values["fulfilment_status_raw"] = status
    if "email" in body or "contact_email" in body:
        values["buyer_email"] = body.get("email") or body.get("contact_email") or None
    if "customer" in body:
        values["buyer"] = ref("customer", (body["customer"] or {}).get("id"))
    if "location_id" in body:
        values["location"] = ref("location", body["location_id"])
    if "billing_address" in body:
        values["billing_address"] = address(body["billing_address"])
    if "shipping_address" in body:
        values["shipping_address"] = address(body["shipping_address"])
    if (inclusive := body.get("taxes_included")) is not None:
        values["taxes_included"] = inclusive
    if (test := body.get("test")) is not None:
        values["test"] = test
    if "tags" in body:
        values["tags"] = split_tags(body["tags"])
    if "tax_lines" in body:
        values["taxes"] = tax_lines(body["tax_lines"], currency)
    if (placed := body.get("processed_at") or body.get("created_at")) is not None:
        values["placed_at"] = utc(placed)
    if "updated_at" in body:
        values["updated_at"] = utc(body["updated_at"])
    kept: Values = {name: body.get(name) for name in _KEPT if name in body}
    if (left := body.get("current_total_price")) is not None:
        kept["current_total_price"] = as_text(left)
    if kept:
        values["vendor"] = kept
    return values


def _totals(body: OrderIn, currency: str) -> Values:
    totals: Values = {"total": money(body["total_price"], currency)}
    for theirs, ours in _TOTALS.items():
        if (amount := body.get(theirs)) is not None:
            totals[ours] = money(amount, currency)
    for theirs, ours in _PAIRED.items():
        if (paired := bag(body.get(theirs), currency)) is not None:
            totals[ours] = paired
    if (reduced := _carriage_reduced(body, currency)) is not None:
        totals["shipping"] = reduced
    seen = (body.get("total_price_set") or {}).get("presentment_money")
    if seen is not None:
        totals["presentment"] = money(seen["amount"], seen["currency_code"])
    back = [amount for item in body.get("refunds") or () if (amount := refunded(item)) is not None]
    if back:
        totals["refunded"] = money(sum(back[1:], back[0]), currency)
    return totals


def _carriage_reduced(body: OrderIn, currency: str) -> Money | Values | None:
    """Carriage after its discounts, where there are any: `total_shipping_price_set` is told before them.

    Taken for told before only when it is the sum of the lines' prices, as a free shipping code would count twice else.
    """
    lines = [line for line in body.get("shipping_lines") or () if _there(line)]
    shop = (body.get("total_shipping_price_set") or {}).get("shop_money")
    off = [part["amount"] for line in lines for part in line.get("discount_allocations") or ()]
    if shop is None or shop["currency_code"] != currency or not off:
        return None
    full = sum((Decimal(line["price"]) for line in lines), Decimal(0))
    if Decimal(shop["amount"]) != full:
        return None
    left = full - sum((Decimal(part) for part in off), Decimal(0))
    return money(decimal_text(padded(left, currency)), currency)


def _lines(body: OrderIn, applications: Sequence[DiscountApplicationIn], currency: str) -> list[Values]:
    lines = body.get("line_items") or ()
    fulfilled: dict[int, int] = {}
    for item in body.get("fulfillments") or ():
        if item.get("status") == "success":
            for line in item.get("line_items") or ():
                fulfilled[line["id"]] = fulfilled.get(line["id"], 0) + line["quantity"]
    back: dict[tuple[int | None, str | None], int] = {}
    for item in body.get("refunds") or ():
        for part in item.get("refund_line_items") or ():
            key = (part.get("line_item_id"), part.get("restock_type"))
            back[key] = back.get(key, 0) + part["quantity"]
    found = [_line(line, applications, currency) for line in lines]
    if fulfilled or back or any(line.get("current_quantity") not in (None, line["quantity"]) for line in lines):
        for line, values in zip(lines, found, strict=True):
            _count(line, values, fulfilled, back)
    return found


def _line(line: LineIn, applications: Sequence[DiscountApplicationIn], currency: str) -> Values:
    get = line.get
    values: Values = {
        "external_id": str(line["id"]),
        "title": get("name") or " - ".join(part for part in (get("title"), get("variant_title")) if part) or None,
        "sku": get("sku") or None,
        "product": ref("product", get("product_id")),
        "variant": ref("variant", get("variant_id")),
        "quantity": line["quantity"],
        "unit_price": money(line["price"], currency),
    }
    if get("gift_card"):
        values["gift_card"] = True
    if allocations := get("discount_allocations"):
        values["discounts"] = _discounts(allocations, applications, currency)
    if taxes := get("tax_lines"):
        values["taxes"] = tax_lines(taxes, currency)
    if properties := get("properties"):
        values["properties"] = attributes(properties)
    return values


def _count(
    line: LineIn, values: Values, fulfilled: dict[int, int], back: dict[tuple[int | None, str | None], int]
) -> None:
    """Fill in what became of the goods. Goods that were refunded and neither cancelled nor sent back stay as they are.

    What is missing from `current_quantity` beyond all refunds was taken off by an edit: cancelled too.
    """
    id_ = line["id"]
    ordered, current = line["quantity"], line.get("current_quantity")
    refunds = sum(count for (item, _), count in back.items() if item == id_)
    edited = max(0, ordered - current - refunds) if current is not None else 0
    if cancelled := back.get((id_, "cancel"), 0) + edited:
        values["cancelled"] = cancelled
    if returned := back.get((id_, "return"), 0):
        values["returned"] = returned
    if sent := fulfilled.get(id_, 0):
        values["fulfilled"] = sent


def carriage(line: ShippingLineIn, applications: Sequence[DiscountApplicationIn], currency: str) -> Values:
    """A shipping line."""
    values: Values = {
        "title": line.get("title"),
        "code": line.get("code"),
        "price": money(line["price"], currency),
    }
    if allocations := line.get("discount_allocations"):
        values["discounts"] = _discounts(allocations, applications, currency)
    if taxes := line.get("tax_lines"):
        values["taxes"] = tax_lines(taxes, currency)
    return values


def _there(line: ShippingLineIn) -> bool:
    return not line.get("is_removed")


def tax_lines(taxes: Sequence[TaxLineIn] | None, currency: str) -> list[Values]:
    """Taxes."""
    return [
        {
            "title": tax.get("title"),
            "rate": tax.get("rate"),
            "amount": money(tax["price"], currency),
        }
        for tax in taxes or ()
    ]


def _discounts(
    allocations: Sequence[DiscountAllocationIn], applications: Sequence[DiscountApplicationIn], currency: str
) -> list[Values]:
    found: list[Values] = []
    for allocation in allocations:
        values: Values = {"amount": money(allocation["amount"], currency)}
        index = allocation.get("discount_application_index", -1)
        if 0 <= index < len(applications):
            application = applications[index]
            values["code"] = application.get("code")
            values["title"] = application.get("title") or application.get("description")
        found.append(values)
    return found
