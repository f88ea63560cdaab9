"""Webhook bodies as Shopify would write them, for the sandbox, demonstrations and measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TypedDict

from omnibridge.model import minor_digits
from omnibridge_shopify.graphql import Json

__all__ = ["ITEMS", "Item", "Terms", "buyer_body", "local", "make_order", "pair", "tax_in", "tax_line", "text"]

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
    """What a made-up order may be told: further keyword arguments of `make_order`.

    `discount` is a code on the first line, `order_discount` is spread over all lines, `shipping_discount` is a code on
    the carriage. `cash_rounding` is what a till rounds the total by.
    """

    items: Sequence[Item]
    currency: str
    financial_status: str
    discount: Decimal
    order_discount: Decimal
    shipping: Decimal
    shipping_discount: Decimal
    cash_rounding: Decimal
    taxes_included: bool
    source_identifier: str | None


ITEMS: Sequence[Item] = (
    {"sku": "TEA-EG-100", "title": "Earl Grey 100 g - Tin", "price": "89.00", "quantity": 2},
    {"sku": "CUP-WHT-02", "title": "Cup - White", "price": "129.50", "quantity": 1},
)


def local(at: datetime) -> str:
    """An instant as webhook bodies write it: with the shop's offset, to the second."""
    return at.astimezone(_OFFSET).replace(microsecond=0).isoformat()


def text(amount: Decimal, currency: str) -> str:
    """An amount as bodies write it: with the digits of its currency, `23600` in JPY."""
    return f"{amount:.{minor_digits(currency)}f}"


def pair(amount: Decimal, currency: str) -> Json:
    """An amount in both currencies, which are the same here."""
    money = {"amount": text(amount, currency), "currency_code": currency}
    return {"shop_money": money, "presentment_money": dict(money)}


def tax_in(amount: Decimal, *, included: bool = True) -> Decimal:
    """The tax in an amount, or on it; not rounded."""
    return amount * _RATE / (1 + _RATE) if included else amount * _RATE


def tax_line(amount: Decimal, currency: str, *, included: bool = True) -> Json:
    """The tax line of an amount that has it inside, or has not."""
    tax = tax_in(amount, included=included)
    return {
        "channel_liable": False,
        "price": text(tax, currency),
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


def _allocation(amount: Decimal, currency: str, application: int) -> Json:
    return {
        "amount": text(amount, currency),
        "amount_set": pair(amount, currency),
        "discount_application_index": application,
    }


def _line(
    number: int, index: int, item: Item, currency: str, reduced: Sequence[tuple[int, Decimal]], *, included: bool
) -> Json:
    id_ = number * 100 + index
    price = Decimal(item["price"])
    title, _, variant = item["title"].partition(" - ")
    left = price * item["quantity"] - sum((amount for _, amount in reduced), Decimal(0))
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
        "price": text(price, currency),
        "price_set": pair(price, currency),
        "product_exists": True,
        "product_id": 9_100_000_000_000 + index,
        "properties": [],
        "quantity": item["quantity"],
        "requires_shipping": True,
        "sku": item["sku"],
        "taxable": True,
        "title": title,
        "total_discount": text(Decimal(0), currency),
        "total_discount_set": pair(Decimal(0), currency),
        "variant_id": 50_400_000_000_000 + index,
        "variant_inventory_management": "shopify",
        "variant_title": variant or None,
        "vendor": _UNTITLED,
        "tax_lines": [tax_line(left, currency, included=included)],
        "duties": [],
        "discount_allocations": [_allocation(amount, currency, where) for where, amount in reduced],
    }


def buyer_body(customer: Mapping[str, str], at: datetime, currency: str) -> Json:
    """A customer as orders and checkouts have one."""
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


def _application(amount: Decimal, currency: str, target: str, **named: str) -> Json:
    return {
        "target_type": target,
        "type": "discount_code" if "code" in named else "manual",
        "value": text(amount, currency),
        "value_type": "fixed_amount",
        "allocation_method": "across",
        "target_selection": "all",
        **named,
    }


def _discounts(
    gross: Sequence[Decimal], currency: str, first: Decimal, spread: Decimal, carriage: Decimal
) -> tuple[list[list[tuple[int, Decimal]]], list[Json]]:
    """What is taken off each line, by the index of its application, and the applications, that of the carriage last."""
    cuts: list[list[tuple[int, Decimal]]] = [[] for _ in gross]
    applications: list[Json] = []
    if first:
        cuts[0].append((0, first))
        applications.append(_application(first, currency, "line_item", code="WELCOME"))
    if spread:
        left = spread
        for index, amount in enumerate(gross):
            last = index == len(gross) - 1
            share = left if last else Decimal(text(spread * amount / sum(gross, Decimal(0)), currency))
            cuts[index].append((len(applications), share))
            left -= share
        applications.append(_application(spread, currency, "line_item", title="Loyal"))
    if carriage:
        applications.append(_application(carriage, currency, "shipping_line", code="FREESHIP"))
    return cuts, applications


def make_order(
    number: int,
    *,
    at: datetime,
    customer: Mapping[str, str] | None = None,
    items: Sequence[Item] = ITEMS,
    currency: str = "DKK",
    financial_status: str = "paid",
    discount: Decimal = Decimal("10.00"),
    order_discount: Decimal = Decimal(0),
    shipping: Decimal = Decimal("39.00"),
    shipping_discount: Decimal = Decimal(0),
    cash_rounding: Decimal = Decimal(0),
    taxes_included: bool = True,
    source_identifier: str | None = None,
) -> Json:
    """The body of `orders/create`, about 8 kB; `number` makes its ids, the rest is told by `Terms`.

    `customer` has `id` (digits), `email`, `phone`, `first_name`, `last_name`; None is a sale to nobody known.
    """
    gross = [Decimal(item["price"]) * item["quantity"] for item in items]
    cuts, applications = _discounts(gross, currency, discount, order_discount, shipping_discount)
    subtotal = sum(gross, Decimal(0)) - discount - order_discount
    carriage = shipping - shipping_discount
    reduced = discount + order_discount + shipping_discount
    tax = Decimal(text(tax_in(subtotal + carriage, included=taxes_included), currency))
    total = subtotal + carriage + cash_rounding + (0 if taxes_included else tax)
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
        "current_shipping_price_set": pair(carriage, currency),
        "current_subtotal_price": text(subtotal, currency),
        "current_subtotal_price_set": pair(subtotal, currency),
        "current_total_additional_fees_set": None,
        "current_total_discounts": text(reduced, currency),
        "current_total_discounts_set": pair(reduced, currency),
        "current_total_duties_set": None,
        "current_total_price": text(total, currency),
        "current_total_price_set": pair(total, currency),
        "current_total_tax": text(tax, currency),
        "current_total_tax_set": pair(tax, currency),
        "customer_locale": "da-DK",
        "device_id": None,
        "discount_codes": [{"code": "WELCOME", "amount": text(discount, currency), "type": "fixed_amount"}]
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
        "subtotal_price": text(subtotal, currency),
        "subtotal_price_set": pair(subtotal, currency),
        "tags": "",
        "tax_exempt": False,
        "tax_lines": [tax_line(subtotal + carriage, currency, included=taxes_included)],
        "taxes_included": taxes_included,
        "test": False,
        "token": f"{number:032x}",
        "total_cash_rounding_payment_adjustment_set": pair(cash_rounding, currency),
        "total_cash_rounding_refund_adjustment_set": nothing,
        "total_discounts": text(reduced, currency),
        "total_discounts_set": pair(reduced, currency),
        "total_line_items_price": text(sum(gross, Decimal(0)), currency),
        "total_line_items_price_set": pair(sum(gross, Decimal(0)), currency),
        "total_outstanding": text(Decimal(0), currency) if financial_status == "paid" else text(total, currency),
        "total_price": text(total, currency),
        "total_price_set": pair(total, currency),
        "total_shipping_price_set": pair(shipping, currency),
        "total_tax": text(tax, currency),
        "total_tax_set": pair(tax, currency),
        "total_tip_received": text(Decimal(0), currency),
        "total_weight": 1000,
        "updated_at": local(at),
        "user_id": None,
        "billing_address": _address(person) if customer else None,
        "customer": buyer_body(customer, at, currency) if customer else None,
        "discount_applications": applications,
        "fulfillments": [],
        "line_items": [
            _line(number, index, item, currency, cuts[index], included=taxes_included)
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
                "current_discounted_price_set": pair(carriage, currency),
                "discounted_price": text(carriage, currency),
                "discounted_price_set": pair(carriage, currency),
                "is_removed": False,
                "phone": None,
                "price": text(shipping, currency),
                "price_set": pair(shipping, currency),
                "requested_fulfillment_service_id": None,
                "source": "shopify",
                "title": "Standard",
                "tax_lines": [tax_line(carriage, currency, included=taxes_included)],
                "discount_allocations": [_allocation(shipping_discount, currency, len(applications) - 1)]
                if shipping_discount
                else [],
            }
        ],
        "returns": [],
    }
