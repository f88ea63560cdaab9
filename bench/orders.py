"""Signed Shopify orders/create webhooks of real shape and about 8 KB, one for each number."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any

__all__ = ["SECRET", "order_webhook"]

SECRET = b"bench-webhook-secret"
_NUMBER = b"7700000001"
_ID = 5_400_000_000_000


def _money(amount: str) -> dict[str, Any]:
    one = {"amount": amount, "currency_code": "DKK"}
    return {"shop_money": one, "presentment_money": one}


def _line(place: int) -> dict[str, Any]:
    return {
        "id": 13_000_000_000_000 + place,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{13_000_000_000_000 + place}",
        "current_quantity": 2,
        "fulfillable_quantity": 2,
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": False,
        "grams": 450,
        "name": f"Coffee beans {place} - 450 g",
        "price": "129.00",
        "price_set": _money("129.00"),
        "product_exists": True,
        "product_id": 8_800_000_000_000 + place,
        "properties": [],
        "quantity": 2,
        "requires_shipping": True,
        "sku": f"BEANS-{place:03d}",
        "taxable": True,
        "title": f"Coffee beans {place}",
        "total_discount": "0.00",
        "total_discount_set": _money("0.00"),
        "variant_id": 45_000_000_000_000 + place,
        "variant_inventory_management": "shopify",
        "variant_title": "450 g",
        "vendor": "Roastery",
        "tax_lines": [
            {"channel_liable": False, "price": "51.60", "price_set": _money("51.60"), "rate": 0.25, "title": "Moms"}
        ],
        "duties": [],
        "discount_allocations": [],
    }


def _address() -> dict[str, Any]:
    return {
        "first_name": "Test",
        "last_name": "Customer",
        "address1": "Examplestreet 1",
        "address2": None,
        "city": "Aarhus",
        "zip": "8000",
        "province": None,
        "country": "Denmark",
        "country_code": "DK",
        "province_code": None,
        "company": None,
        "phone": "+4512345678",
        "name": "Test Customer",
        "latitude": 56.15,
        "longitude": 10.2,
    }


@lru_cache(maxsize=1)
def _template() -> bytes:
    order: dict[str, Any] = {
        "id": _ID,
        "admin_graphql_api_id": "gid://shopify/Order/7700000001",
        "app_id": 580111,
        "browser_ip": "192.0.2.10",
        "buyer_accepts_marketing": False,
        "cancel_reason": None,
        "cancelled_at": None,
        "cart_token": "c1-0123456789abcdef0123456789abcdef",
        "checkout_id": 37_000_000_000_000,
        "checkout_token": "0123456789abcdef0123456789abcdef",
        "client_details": {
            "accept_language": "da-DK",
            "browser_ip": "192.0.2.10",
            "user_agent": "Mozilla/5.0 (example)",
        },
        "closed_at": None,
        "confirmation_number": "EXAMPLE01",
        "confirmed": True,
        "contact_email": "buyer-7700000001@example.com",
        "created_at": "2026-11-20T10:00:00+01:00",
        "currency": "DKK",
        "current_subtotal_price": "774.00",
        "current_subtotal_price_set": _money("774.00"),
        "current_total_discounts": "0.00",
        "current_total_discounts_set": _money("0.00"),
        "current_total_price": "813.00",
        "current_total_price_set": _money("813.00"),
        "current_total_tax": "162.60",
        "current_total_tax_set": _money("162.60"),
        "customer_locale": "da-DK",
        "discount_codes": [],
        "email": "buyer-7700000001@example.com",
        "estimated_taxes": False,
        "financial_status": "paid",
        "fulfillment_status": None,
        "landing_site": "/products/coffee-beans?utm_source=newsletter",
        "location_id": None,
        "merchant_of_record_app_id": None,
        "name": "#7700000001",
        "note": None,
        "note_attributes": [],
        "number": 7700000001,
        "order_number": 7700000001,
        "order_status_url": "https://shop.example.com/orders/0123456789abcdef/authenticate?key=example",
        "payment_gateway_names": ["shopify_payments"],
        "phone": None,
        "presentment_currency": "DKK",
        "processed_at": "2026-11-20T10:00:00+01:00",
        "referring_site": "https://www.example.com/",
        "source_name": "web",
        "subtotal_price": "774.00",
        "subtotal_price_set": _money("774.00"),
        "tags": "",
        "tax_exempt": False,
        "tax_lines": [
            {"price": "162.60", "rate": 0.25, "title": "Moms", "price_set": _money("162.60"), "channel_liable": False}
        ],
        "taxes_included": True,
        "test": False,
        "token": "0123456789abcdef0123456789abcdef",
        "total_discounts": "0.00",
        "total_discounts_set": _money("0.00"),
        "total_line_items_price": "774.00",
        "total_line_items_price_set": _money("774.00"),
        "total_outstanding": "0.00",
        "total_price": "813.00",
        "total_price_set": _money("813.00"),
        "total_shipping_price_set": _money("39.00"),
        "total_tax": "162.60",
        "total_tax_set": _money("162.60"),
        "total_tip_received": "0.00",
        "total_weight": 2700,
        "updated_at": "2026-11-20T10:00:01+01:00",
        "user_id": None,
        "billing_address": _address(),
        "shipping_address": _address(),
        "discount_applications": [],
        "fulfillments": [],
        "line_items": [_line(place) for place in range(1, 4)],
        "payment_terms": None,
        "refunds": [],
        "shipping_lines": [
            {
                "id": 4_600_000_000_000,
                "carrier_identifier": None,
                "code": "Standard",
                "discounted_price": "39.00",
                "discounted_price_set": _money("39.00"),
                "phone": None,
                "price": "39.00",
                "price_set": _money("39.00"),
                "requested_fulfillment_service_id": None,
                "source": "shopify",
                "title": "Standard",
                "tax_lines": [
                    {
                        "price": "7.80",
                        "rate": 0.25,
                        "title": "Moms",
                        "price_set": _money("7.80"),
                        "channel_liable": False,
                    }
                ],
                "discount_allocations": [],
            }
        ],
    }
    return json.dumps(order, separators=(",", ":")).encode()


def order_webhook(number: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the orders/create delivery for one order."""
    body = _template().replace(_NUMBER, str(number).encode()).replace(str(_ID).encode(), str(_ID + number).encode())
    signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
    return body, {
        "content-type": "application/json",
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "bench.myshopify.com",
        "x-shopify-api-version": "2026-10",
        "x-shopify-hmac-sha256": signature,
        "x-shopify-event-id": f"event-{number}",
        "x-shopify-webhook-id": f"webhook-{number}",
        "x-shopify-triggered-at": "2026-11-20T09:00:01Z",
        "user-agent": "Shopify-Captain-Hook",
    }
