"""Webhook bodies as Shopify would write them, for the sandbox, demonstrations and measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TypedDict

from omnibridge_shopify.graphql import Json

__all__ = ["Item", "Terms", "local", "make_order", "make_refund", "pair"]

_OFFSET = timezone(timedelta(hours=1))
_RATE = Decimal("0.25")
_UNTITLED = "Sandbox"


class Item(TypedDict):
    """One order line of a made-up order: `price` is the unit price with tax."""

    sku: str
    title: str
    price: str
    quantity: int


class Terms(TypedDict, total=False):
    """What a made-up order may be told: further keyword arguments of `make_order`."""

    items: Sequence[Item]
    currency: str
    financial_status: str
    discount: Decimal
    source_identifier: str | None


ITEMS: Sequence[Item] = (
    {"sku": "TEA-EG-100", "title": "Earl Grey 100 g - Tin", "price": "89.00", "quantity": 2},
    {"sku": "CUP-WHT-02", "title": "Cup - White", "price": "129.50", "quantity": 1},
)


def local(at: datetime) -> str:
    """An instant as webhook bodies write it: with the shop's offset, to the second."""
    return at.astimezone(_OFFSET).replace(microsecond=0).isoformat()


def pair(amount: Decimal, currency: str) -> Json:
    """An amount in both currencies, which are the same here."""
    money = {"amount": f"{amount:.2f}", "currency_code": currency}
    return {"shop_money": money, "presentment_money": dict(money)}


def _tax(amount: Decimal, currency: str) -> Json:
    tax = amount * _RATE / (1 + _RATE)
    return {
        "channel_liable": False,
        "price": f"{tax:.2f}",
        "price_set": pair(tax, currency),
        "rate": 0.25,
        "title": "VAT",
    }


def _address(customer: Mapping[str, str]) -> Json:
    return {
        "first_name": customer.get("first_name"),
        "last_name": customer.get("last_name"),
        "name": f"{customer.get('first_name', '')} {customer.get('last_name', '')}".strip() or None,
        "company": None,
        "address1": "Example Street 1",
        "address2": None,
        "city": "Copenhagen",
        "province": None,
        "province_code": None,
        "zip": "1050",
        "country": "Denmark",
        "country_code": "DK",
        "phone": customer.get("phone"),
        "latitude": 55.6795,
        "longitude": 12.5795,
    }


def _line(number: int, index: int, item: Item, currency: str, reduced: Decimal) -> Json:
    id_ = number * 100 + index
    price = Decimal(item["price"])
    title, _, variant = item["title"].partition(" - ")
    left = price * item["quantity"] - reduced
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{id_}",
        "attributed_staffs": [],
        "current_quantity": item["quantity"],
        "fulfillable_quantity": item["quantity"],
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": False,
        "grams": 250,
        "name": item["title"],
        "price": f"{price:.2f}",
        "price_set": pair(price, currency),
        "product_exists": True,
        "product_id": 9_100_000_000_000 + index,
        "properties": [],
        "quantity": item["quantity"],
        "requires_shipping": True,
        "sku": item["sku"],
        "taxable": True,
        "title": title,
        "total_discount": "0.00",
        "total_discount_set": pair(Decimal(0), currency),
        "variant_id": 50_400_000_000_000 + index,
        "variant_inventory_management": "shopify",
        "variant_title": variant or None,
        "vendor": _UNTITLED,
        "tax_lines": [_tax(left, currency)],
        "duties": [],
        "discount_allocations": [
            {"amount": f"{reduced:.2f}", "amount_set": pair(reduced, currency), "discount_application_index": 0}
        ]
        if reduced
        else [],
    }


def _buyer(customer: Mapping[str, str], at: datetime, currency: str) -> Json:
    id_ = int(customer["id"])
    return {
        "id": id_,
        "created_at": local(at - timedelta(days=30)),
        "updated_at": local(at),
        "first_name": customer.get("first_name"),
        "last_name": customer.get("last_name"),
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": customer.get("email"),
        "phone": customer.get("phone"),
        "currency": currency,
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{id_}",
        "default_address": {"id": id_ + 1, "customer_id": id_, **_address(customer), "default": True},
    }


def make_order(
    number: int,
    *,
    at: datetime,
    customer: Mapping[str, str] | None = None,
    items: Sequence[Item] = ITEMS,
    currency: str = "DKK",
    financial_status: str = "paid",
    discount: Decimal = Decimal("10.00"),
    source_identifier: str | None = None,
) -> Json:
    """The body of `orders/create`, about 8 kB, of an order with tax inside its prices; `number` makes its ids.

    `customer` has `id` (digits), `email`, `phone`, `first_name`, `last_name`; None is a sale to nobody known. The
    `discount` is one code on the first line.
    """
    shipping = Decimal("39.00")
    gross = sum((Decimal(item["price"]) * item["quantity"] for item in items), Decimal(0))
    subtotal = gross - discount
    total = subtotal + shipping
    tax = total * _RATE / (1 + _RATE)
    id_ = 6_200_000_000_000 + number
    nothing = pair(Decimal(0), currency)
    person = customer or {}
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/Order/{id_}",
        "app_id": 580_111,
        "browser_ip": "192.0.2.1",
        "buyer_accepts_marketing": False,
        "cancel_reason": None,
        "cancelled_at": None,
        "cart_token": f"c1-{number:032x}",
        "checkout_id": 38_500_000_000_000 + number,
        "checkout_token": f"{number:032x}",
        "client_details": {
            "accept_language": "da-DK",
            "browser_height": None,
            "browser_ip": "192.0.2.1",
            "browser_width": None,
            "session_hash": None,
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
        },
        "closed_at": None,
        "company": None,
        "confirmation_number": f"OB{number:07d}",
        "confirmed": True,
        "contact_email": person.get("email"),
        "created_at": local(at),
        "currency": currency,
        "current_shipping_price_set": pair(shipping, currency),
        "current_subtotal_price": f"{subtotal:.2f}",
        "current_subtotal_price_set": pair(subtotal, currency),
        "current_total_additional_fees_set": None,
        "current_total_discounts": f"{discount:.2f}",
        "current_total_discounts_set": pair(discount, currency),
        "current_total_duties_set": None,
        "current_total_price": f"{total:.2f}",
        "current_total_price_set": pair(total, currency),
        "current_total_tax": f"{tax:.2f}",
        "current_total_tax_set": pair(tax, currency),
        "customer_locale": "da-DK",
        "device_id": None,
        "discount_codes": [{"code": "WELCOME", "amount": f"{discount:.2f}", "type": "fixed_amount"}]
        if discount
        else [],
        "duties_included": False,
        "email": person.get("email") or "",
        "estimated_taxes": False,
        "financial_status": financial_status,
        "fulfillment_status": None,
        "landing_site": "/",
        "landing_site_ref": None,
        "location_id": None,
        "merchant_business_entity_id": "MTIzNDU2Nzg5",
        "merchant_of_record_app_id": None,
        "name": f"#{1000 + number}",
        "note": None,
        "note_attributes": [],
        "number": number,
        "order_number": 1000 + number,
        "order_status_url": f"https://acme.myshopify.com/1/orders/{number:032x}/authenticate?key={number:032x}",
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        "payment_gateway_names": ["shopify_payments"],
        "phone": person.get("phone"),
        "po_number": None,
        "presentment_currency": currency,
        "processed_at": local(at),
        "reference": None,
        "referring_site": "https://www.example.com/",
        "source_identifier": source_identifier,
        "source_name": "web",
        "source_url": None,
        "subtotal_price": f"{subtotal:.2f}",
        "subtotal_price_set": pair(subtotal, currency),
        "tags": "",
        "tax_exempt": False,
        "tax_lines": [_tax(total, currency)],
        "taxes_included": True,
        "test": False,
        "token": f"{number:032x}",
        "total_cash_rounding_payment_adjustment_set": nothing,
        "total_cash_rounding_refund_adjustment_set": nothing,
        "total_discounts": f"{discount:.2f}",
        "total_discounts_set": pair(discount, currency),
        "total_line_items_price": f"{gross:.2f}",
        "total_line_items_price_set": pair(gross, currency),
        "total_outstanding": "0.00" if financial_status == "paid" else f"{total:.2f}",
        "total_price": f"{total:.2f}",
        "total_price_set": pair(total, currency),
        "total_shipping_price_set": pair(shipping, currency),
        "total_tax": f"{tax:.2f}",
        "total_tax_set": pair(tax, currency),
        "total_tip_received": "0.00",
        "total_weight": 1000,
        "updated_at": local(at),
        "user_id": None,
        "billing_address": _address(person) if customer else None,
        "customer": _buyer(customer, at, currency) if customer else None,
        "discount_applications": [
            {
                "target_type": "line_item",
                "type": "discount_code",
                "value": f"{discount:.2f}",
                "value_type": "fixed_amount",
                "allocation_method": "across",
                "target_selection": "all",
                "code": "WELCOME",
            }
        ]
        if discount
        else [],
        "fulfillments": [],
        "line_items": [
            _line(number, index, item, currency, discount if index == 0 else Decimal(0))
            for index, item in enumerate(items)
        ],
        "payment_terms": None,
        "refunds": [],
        "shipping_address": _address(person) if customer else None,
        "shipping_lines": [
            {
                "id": 4_900_000_000_000 + number,
                "carrier_identifier": None,
                "code": "standard",
                "current_discounted_price_set": pair(shipping, currency),
                "discounted_price": f"{shipping:.2f}",
                "discounted_price_set": pair(shipping, currency),
                "is_removed": False,
                "phone": None,
                "price": f"{shipping:.2f}",
                "price_set": pair(shipping, currency),
                "requested_fulfillment_service_id": None,
                "source": "shopify",
                "title": "Standard",
                "tax_lines": [_tax(shipping, currency)],
                "discount_allocations": [],
            }
        ],
        "returns": [],
    }


def make_refund(order: Json, line: int, quantity: int, *, at: datetime, restock_type: str = "return") -> Json:
    """The body of `refunds/create` for some of one line of `order` (an order's body), with its money."""
    item: Json = order["line_items"][line]
    currency: str = order["currency"]
    subtotal = Decimal(item["price"]) * quantity
    tax = subtotal * _RATE / (1 + _RATE)
    id_ = order["id"] * 10 + line + len(order["refunds"])
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/Refund/{id_}",
        "order_id": order["id"],
        "created_at": local(at),
        "processed_at": local(at),
        "note": "sent back",
        "user_id": None,
        "restock": restock_type != "no_restock",
        "duties": [],
        "order_adjustments": [],
        "refund_shipping_lines": [],
        "return": None,
        "total_duties_set": pair(Decimal(0), currency),
        "refund_line_items": [
            {
                "id": id_ + 1,
                "line_item_id": item["id"],
                "line_item": item,
                "location_id": None,
                "quantity": quantity,
                "restock_type": restock_type,
                "subtotal": float(subtotal),
                "subtotal_set": pair(subtotal, currency),
                "total_tax": float(round(tax, 2)),
                "total_tax_set": pair(tax, currency),
            }
        ],
        "transactions": [
            {
                "id": id_ + 2,
                "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{id_ + 2}",
                "amount": f"{subtotal:.2f}",
                "created_at": local(at),
                "currency": currency,
                "gateway": "shopify_payments",
                "kind": "refund",
                "order_id": order["id"],
                "parent_id": order["id"] * 10 + 9,
                "processed_at": local(at),
                "status": "success",
                "test": False,
            }
        ],
    }
