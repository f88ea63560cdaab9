"""From checkouts, as webhooks and GraphQL tell of them, to Carts."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import Http, Observation, Snapshot
from omnibridge.model import Cart, CartState
from omnibridge_shopify import wire_carts
from omnibridge_shopify.customers import customer_within_order
from omnibridge_shopify.documents_carts import CART, CART_LINES
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.nodes import address_body, amount, bag_body, number, pairs, person_body, taxes_body
from omnibridge_shopify.orders import carriage, tax_lines
from omnibridge_shopify.pages import rest
from omnibridge_shopify.parts import Values, address, attributes, gid, money, ref, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire_carts import CartIn, CartLineIn

__all__ = ["cart", "observe_cart", "read_cart", "whole_cart"]

_TOTALS = {"subtotal_price": "subtotal", "total_discounts": "discount", "total_tax": "tax"}


def cart(settings: Shopify, body: CartIn) -> list[Snapshot]:
    """The Cart first, then a partial Customer where the body has one."""
    currency, updated = body["currency"], utc(body.get("updated_at"))
    values: Values = {"currency": currency, "totals": _totals(body, currency)}
    for theirs, ours in (
        ("name", "number"),
        ("email", "buyer_email"),
        ("phone", "buyer_phone"),
        ("note", "note"),
        ("abandoned_checkout_url", "recovery_url"),
    ):
        if theirs in body:
            values[ours] = body[theirs] or None
    if "completed_at" in body:
        values["state"] = CartState.COMPLETED if body["completed_at"] else CartState.OPEN
    for name in ("created_at", "updated_at", "completed_at"):
        if name in body:
            values[name] = utc(body.get(name))
    for name in ("billing_address", "shipping_address"):
        if name in body:
            values[name] = address(body.get(name))
    if "customer" in body:
        values["buyer"] = ref("customer", (body["customer"] or {}).get("id"))
    if (inclusive := body.get("taxes_included")) is not None:
        values["taxes_included"] = inclusive
    if "line_items" in body:
        values["lines"] = [_line(line, currency) for line in body["line_items"] or ()]
    if "shipping_lines" in body:
        values["shipping"] = [carriage(line, (), currency) for line in body["shipping_lines"] or ()]
    if "tax_lines" in body:
        values["taxes"] = tax_lines(body["tax_lines"], currency)
    if "discount_codes" in body:
        values["codes"] = [code for item in body["discount_codes"] or () if (code := item.get("code"))]
    custom = attributes(body.get("note_attributes"))
    found = [
        Snapshot(
            Cart.model_validate(values),
            str(body["id"]),
            updated,
            custom={f"note_attributes.{name}": value for name, value in custom.items()},
        )
    ]
    if (buyer := body.get("customer")) is not None:
        found += customer_within_order(settings, buyer, updated)
    return found


def _totals(body: CartIn, currency: str) -> Values:
    totals: Values = {"total": money(body["total_price"], currency)}
    for theirs, ours in _TOTALS.items():
        if (told := body.get(theirs)) is not None:
            totals[ours] = money(told, currency)
    seen = (body.get("total_price_set") or {}).get("presentment_money")
    if seen is not None:
        totals["presentment"] = money(seen["amount"], seen["currency_code"])
    return totals


def _line(line: CartLineIn, currency: str) -> Values:
    get = line.get
    values: Values = {
        "title": " - ".join(part for part in (get("title"), get("variant_title")) if part) or None,
        "sku": get("sku") or None,
        "product": ref("product", get("product_id")),
        "variant": ref("variant", get("variant_id")),
        "quantity": line["quantity"],
        "unit_price": money(line["price"], currency),
    }
    if properties := get("properties"):
        values["properties"] = attributes(properties)
    return values


async def read_cart(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """A checkout with all its lines; GraphQL knows those in which somebody left an address or a number."""
    data = await ask(settings, http, CART, {"id": gid("AbandonedCheckout", id_)})
    node: Json | None = data["node"]
    if node is None:
        return (Snapshot.gone("cart", id_),)
    return observe_cart(settings, await whole_cart(settings, http, node))


async def whole_cart(settings: Shopify, http: Http, node: Json) -> Json:
    """The checkout with the lines that its first page left out."""
    await rest(settings, http, CART_LINES, node["id"], node, "lineItems")
    return node


def observe_cart(settings: Shopify, node: Json) -> list[Snapshot]:
    """A checkout's record as snapshots. It names no address of its own to write to, only the customer's."""
    body: Values = {
        "id": number(node),
        "name": node["name"],
        "currency": node["totalPriceSet"]["shopMoney"]["currencyCode"],
        "taxes_included": node["taxesIncluded"],
        "note": node["note"],
        "note_attributes": pairs(node["customAttributes"]),
        "abandoned_checkout_url": node["abandonedCheckoutUrl"],
        "customer": person_body(node["customer"]) if node["customer"] else None,
        "billing_address": address_body(node["billingAddress"]),
        "shipping_address": address_body(node["shippingAddress"]),
        "line_items": [_line_body(item) for item in node["lineItems"]["nodes"]],
        "tax_lines": taxes_body(node["taxLines"]),
        "discount_codes": [{"code": code} for code in node["discountCodes"]],
        "total_price": amount(node["totalPriceSet"]),
        "total_price_set": bag_body(node["totalPriceSet"]),
        "subtotal_price": amount(node["subtotalPriceSet"]),
        "total_discounts": amount(node["totalDiscountSet"]),
        "total_tax": amount(node["totalTaxSet"]),
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "completed_at": node["completedAt"],
    }
    return cart(settings, wire_carts.CART.validate_python(body))


def _line_body(node: Json) -> Values:
    return {
        "title": node["title"],
        "variant_title": node["variantTitle"],
        "sku": node["sku"],
        "product_id": number(node["product"]),
        "variant_id": number(node["variant"]),
        "quantity": node["quantity"],
        "price": amount(node["originalUnitPriceSet"]),
    }
