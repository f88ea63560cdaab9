"""Orders to Shopify: made once, found again by the identifier that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Address, Money, Order, OrderLine, PaymentStatus, ShippingLine, TaxLine, decimal_text
from omnibridge_shopify.documents import ORDER_BY_SOURCE, ORDER_CREATE
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.orders import OURS
from omnibridge_shopify.outbound_customers import address_input
from omnibridge_shopify.parts import gid, gid_number, utc
from omnibridge_shopify.settings import Shopify

__all__ = ["create_order", "find_order"]

_PAYMENT = {
    PaymentStatus.UNPAID: "PENDING",
    PaymentStatus.AUTHORIZED: "AUTHORIZED",
    PaymentStatus.PARTIALLY_PAID: "PARTIALLY_PAID",
    PaymentStatus.PAID: "PAID",
    PaymentStatus.PARTIALLY_REFUNDED: "PARTIALLY_REFUNDED",
    PaymentStatus.REFUNDED: "REFUNDED",
    PaymentStatus.VOIDED: "VOIDED",
}


async def create_order(settings: Shopify, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Make the order with `orderCreate`, which has no idempotency key.

    So our id travels as `sourceIdentifier`, and an order that carries it is taken for ours. Stock is left alone and the
    customer gets no receipt: both happened where the order was made. Discounts are one discount code, as the mutation
    takes no other. Raises Permanent for what Shopify refuses.
    """
    if delivery.own is not None:
        return Receipt((Reference("order", delivery.own),), note="the shop has this order already")
    found = await find_order(settings, order, delivery, http)
    if found is not None:
        return found
    variables = {
        "order": _input(order, delivery),
        "options": {"inventoryBehaviour": "BYPASS", "sendReceipt": False, "sendFulfillmentReceipt": False},
    }
    payload = await change(settings, http, ORDER_CREATE, variables, step="order")
    errors = problems(payload)
    if errors or payload["order"] is None:
        code, field, message = errors[0] if errors else ("", "", "Shopify returned no order")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    await http.keep(Reference("order", gid_number(payload["order"]["id"])))
    return _receipt(order, payload["order"])


async def find_order(settings: Shopify, order: Order, delivery: Delivery, http: Http) -> Receipt | None:
    """The order that carries our id, or None. The search index lags by seconds, so ask late rather than early."""
    identifier = _source(order, delivery)
    data = await ask(settings, http, ORDER_BY_SOURCE, {"query": f'source_identifier:"{identifier}"'})
    nodes: list[Json] = data["orders"]["nodes"]
    return next((_receipt(order, node) for node in nodes if node["sourceIdentifier"] == identifier), None)


def _source(order: Order, delivery: Delivery) -> str:
    return OURS + (order.id or delivery.event.subject or delivery.key)


def _receipt(order: Order, node: Json) -> Receipt:
    number = gid_number(node["id"])
    told = Order.model_validate({"currency": order.currency, "totals": order.totals})
    version = utc(datetime.fromisoformat(node["updatedAt"]))
    return Receipt((Reference("order", number),), (Snapshot(told, number, version),))


def _money(amount: Money) -> dict[str, object]:
    return {"shopMoney": {"amount": decimal_text(amount.amount), "currencyCode": amount.currency}}


def _taxes(taxes: Sequence[TaxLine]) -> list[dict[str, object]]:
    return [
        {"title": tax.title or "Tax", "rate": decimal_text(tax.rate or Decimal(0)), "priceSet": _money(tax.amount)}
        for tax in taxes
    ]


def _line(line: OrderLine, delivery: Delivery) -> dict[str, object]:
    if line.quantity != line.quantity.to_integral_value():
        raise Permanent(f"{line.quantity} {line.unit}: Shopify sells in whole numbers", code="INVALID_QUANTITY")
    values: dict[str, object] = {
        "title": line.title or line.sku or "Item",
        "quantity": int(line.quantity),
        "priceSet": _money(line.unit_price),
        "giftCard": line.gift_card,
        "requiresShipping": not line.gift_card,
    }
    if line.sku:
        values["sku"] = line.sku
    if (variant := delivery.external(line.variant)) is not None:
        values["variantId"] = gid("ProductVariant", variant)
    if line.taxes:
        values["taxLines"] = _taxes(line.taxes)
    if line.properties:
        values["properties"] = [{"name": name, "value": value} for name, value in line.properties.items()]
    return values


def _carriage(line: ShippingLine) -> dict[str, object]:
    values: dict[str, object] = {"title": line.title or line.code or "Shipping", "priceSet": _money(line.price)}
    if line.code:
        values["code"] = line.code
    if line.taxes:
        values["taxLines"] = _taxes(line.taxes)
    return values


def _discount(order: Order) -> dict[str, object] | None:
    every = [
        *order.discounts,
        *(discount for line in order.lines for discount in line.discounts),
        *(discount for line in order.shipping for discount in line.discounts),
    ]
    if not every:
        return None
    codes = list(dict.fromkeys(discount.code for discount in every if discount.code))
    total = Money.total((discount.amount for discount in every), order.currency)
    return {"itemFixedDiscountCode": {"code": " + ".join(codes) or "DISCOUNT", "amountSet": _money(total)}}


def _place(address: Address | None) -> dict[str, str] | None:
    return address_input(address) if address is not None else None


def _input(order: Order, delivery: Delivery) -> dict[str, object]:
    if order.totals.total.currency != order.currency:
        raise Permanent("the order's total is in another currency than the order")
    buyer = delivery.external(order.buyer)
    values: dict[str, object | None] = {
        "sourceIdentifier": _source(order, delivery),
        "currency": order.currency,
        "taxesIncluded": order.taxes_included,
        "test": order.test,
        "financialStatus": _PAYMENT.get(order.payment_status),
        "lineItems": [_line(line, delivery) for line in order.lines],
        "shippingLines": [_carriage(line) for line in order.shipping] or None,
        "taxLines": None if any(line.taxes for line in order.lines) else _taxes(order.taxes) or None,
        "discountCode": _discount(order),
        "customer": {"toAssociate": {"id": gid("Customer", buyer)}} if buyer else None,
        "email": order.buyer_email,
        "phone": order.buyer_phone,
        "billingAddress": _place(order.billing_address),
        "shippingAddress": _place(order.shipping_address),
        "note": order.note,
        "tags": list(order.tags) or None,
        "processedAt": order.placed_at.isoformat().replace("+00:00", "Z") if order.placed_at else None,
        "transactions": _transactions(order),
    }
    return {name: value for name, value in values.items() if value is not None}


def _transactions(order: Order) -> list[dict[str, object]] | None:
    """An order that is paid says so with its money, or Shopify would still ask for it."""
    if order.payment_status is not PaymentStatus.PAID:
        return None
    return [{"kind": "SALE", "status": "SUCCESS", "gateway": "manual", "amountSet": _money(order.totals.total)}]
