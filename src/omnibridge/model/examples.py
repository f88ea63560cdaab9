"""One small, plausible example of each event type's data, as it travels: what documents show and tests validate."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from omnibridge.errors import UnknownItem
from omnibridge.model.catalogue import lookup

__all__ = ["example"]

_CUSTOMER = {"kind": "customer", "id": "0b6c1f52-0a8e-5b6b-9d53-7f1f8a0e4c11"}
_ORDER = {"kind": "order", "id": "5d2f4d7e-3c1b-5f0a-8e7d-2b9a6c4f1e22"}
_PAYMENT = {"kind": "payment", "id": "8a1e5c3d-7f2b-5a9c-b6d4-1e0f3a5c7d33"}
_VARIANT = {"kind": "variant", "id": "c4e8a2b6-1d3f-5c7e-9a0b-4d6f8e2a1c44"}
_SHOP = {"kind": "location", "id": "e7d9b1c3-5a2f-5e8d-8c4b-6f0a2d4e8b55"}
_ADDRESS = {"street": "Example Street 1", "postal_code": "1000", "city": "Example Town", "country": "DK"}


def _dkk(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "DKK"}


_EARNED = {"id": "e1", "kind": "earned", "points": "30", "order": _ORDER, "at": "2026-11-21T10:00:00Z"}
_SPENT = {"id": "e2", "kind": "redeemed", "points": "-20", "at": "2026-11-21T11:00:00Z"}
_LOADED = {"id": "a1", "kind": "loaded", "amount": _dkk("200.00"), "at": "2026-11-21T10:00:00Z"}
_PAID_WITH = {"id": "a2", "kind": "redeemed", "amount": _dkk("-50.00"), "payment": _PAYMENT}

_DATA: Mapping[str, Mapping[str, Any]] = {
    "customer": {
        "id": _CUSTOMER["id"],
        "email": "customer@example.com",
        "phone": "+4533123456",
        "locale": "da-DK",
        "tags": ["newsletter"],
        "addresses": [_ADDRESS],
        "updated_at": "2026-11-21T10:00:00+01:00",
    },
    "consent": {
        "contact": "customer@example.com",
        "medium": "email",
        "purpose": "marketing",
        "state": "unknown",
        "customer": _CUSTOMER,
        "proof": {"source": "webshop", "at": "2026-11-21T10:00:00Z", "detail": "checkbox at checkout"},
        "changed_at": "2026-11-21T10:00:00Z",
    },
    "cart": {
        "currency": "DKK",
        "taxes_included": True,
        "buyer": _CUSTOMER,
        "buyer_email": "customer@example.com",
        "lines": [
            {
                "title": "Linen by the metre",
                "sku": "LINEN-BLUE",
                "quantity": "2.5",
                "unit": "m",
                "unit_price": _dkk("100.00"),
            }
        ],
        "totals": {"subtotal": _dkk("250.00"), "total": _dkk("250.00")},
        "recovery_url": "https://shop.example.com/cart/8f3a",
        "created_at": "2026-11-21T10:00:00+01:00",
    },
    "order": {
        "id": _ORDER["id"],
        "number": "#1001",
        "currency": "DKK",
        "taxes_included": True,
        "buyer": _CUSTOMER,
        "lines": [
            {
                "title": "Linen by the metre",
                "sku": "LINEN-BLUE",
                "quantity": "2.5",
                "unit": "m",
                "unit_price": _dkk("100.00"),
                "discounts": [{"amount": _dkk("25.00"), "code": "AUTUMN"}],
                "taxes": [{"title": "VAT", "rate": "0.25", "amount": _dkk("45.00")}],
            }
        ],
        "shipping": [{"title": "Parcel", "price": _dkk("39.00")}],
        "totals": {
            "subtotal": _dkk("225.00"),
            "discount": _dkk("25.00"),
            "shipping": _dkk("39.00"),
            "tax": _dkk("45.00"),
            "total": _dkk("264.00"),
        },
        "placed_at": "2026-11-21T10:00:00+01:00",
    },
    "fulfilment": {
        "order": _ORDER,
        "method": "pickup",
        "state": "accepted",
        "location": _SHOP,
        "lines": [{"sku": "LINEN-BLUE", "quantity": "2.5"}],
        "pickup_at": "2026-11-21T15:00:00+01:00",
    },
    "payment": {"order": _ORDER, "amount": _dkk("264.00"), "method": "card", "state": "pending", "gateway": "example"},
    "return": {
        "order": _ORDER,
        "state": "requested",
        "location": _SHOP,
        "lines": [{"sku": "LINEN-BLUE", "quantity": "1", "restock": True, "reason": "wrong colour"}],
    },
    "refund": {"order": _ORDER, "payment": _PAYMENT, "amount": _dkk("90.00"), "state": "pending"},
    "product": {
        "title": "Linen",
        "status": "active",
        "variants": [{"sku": "LINEN-BLUE", "options": {"colour": "blue"}, "prices": [{"amount": _dkk("100.00")}]}],
    },
    "inventory": {"variant": _VARIANT, "sku": "LINEN-BLUE", "location": _SHOP, "available": "12.5", "unit": "m"},
    "message": {
        "direction": "outbound",
        "medium": "sms",
        "sender": "+4533000000",
        "recipient": "+4533123456",
        "body": "Your order is ready.",
        "state": "queued",
        "customer": _CUSTOMER,
    },
    "loyalty": {
        "customer": _CUSTOMER,
        "phone": "+4533123456",
        "program": "7c2e9a4b",
        "balance": "30",
        "lifetime": "30",
        "entries": [_EARNED],
        "complete": True,
        "updated_at": "2026-11-21T10:00:00Z",
    },
    "giftcard": {
        "state": "active",
        "digital": True,
        "last_four": "4711",
        "balance": _dkk("200.00"),
        "customer": _CUSTOMER,
        "activities": [_LOADED],
        "complete": True,
    },
    "call": {
        "direction": "inbound",
        "caller": "+4533123456",
        "callee": "+4533000000",
        "state": "ringing",
        "customer": _CUSTOMER,
        "started_at": "2026-11-21T10:00:00Z",
    },
    "touch": {
        "kind": "opened",
        "medium": "email",
        "contact": "customer@example.com",
        "customer": _CUSTOMER,
        "campaign": "42694e9e57",
        "campaign_title": "Autumn news",
        "at": "2026-11-21T10:00:00Z",
    },
    "location": {"name": "Example Shop", "address": _ADDRESS, "timezone": "Europe/Copenhagen", "active": True},
    "command.loyalty.adjust": {
        "customer": _CUSTOMER,
        "phone": "+4533123456",
        "points": "30",
        "order": _ORDER,
        "reason": "bought in the web shop",
    },
    "command.customer.erase": {
        "customer": _CUSTOMER,
        "emails": ["ann@example.com"],
        "phones": ["+4533123456"],
        "records": [{"kind": "customer", "external_id": "8123"}],
    },
    "conflict": {
        "kind": "customer",
        "entity": _CUSTOMER,
        "field": "email",
        "winner": "crm",
        "loser": "webshop",
        "at": "2026-11-21T10:00:00+01:00",
    },
    "erasure": {
        "customer": {"kind": "customer", "external_id": "8123"},
        "emails": ["ann@example.com"],
        "records": [{"kind": "order", "external_id": "5001"}],
        "due": "2026-12-21T10:00:00+01:00",
    },
    "export": {
        "customer": {"kind": "customer", "external_id": "8123"},
        "emails": ["ann@example.com"],
        "records": [{"kind": "order", "external_id": "5001"}],
        "due": "2026-12-21T10:00:00+01:00",
        "number": "9999",
    },
    "command.message.send": {
        "to": "+4533123456",
        "medium": "sms",
        "purpose": "transactional",
        "body": "Your order is ready.",
        "customer": _CUSTOMER,
    },
    "command.call.place": {
        "to": "+4533123456",
        "purpose": "service",
        "say": "Your order is ready.",
        "language": "en",
        "connect": "+4533000000",
        "customer": _CUSTOMER,
    },
}

_PAID = {"payment_status": "paid"}
_CHANGED: Mapping[str, Mapping[str, Any]] = {
    "customer.merged": {"merged_into": {"kind": "customer", "id": "f1a3c5e7-9b2d-5f4a-8e6c-0d2b4f6a8c66"}},
    "customer.unmerged": {"unmerged_from": {"kind": "customer", "id": "f1a3c5e7-9b2d-5f4a-8e6c-0d2b4f6a8c66"}},
    "consent.granted": {"state": "granted", "basis": "double_opt_in"},
    "consent.withdrawn": {"state": "withdrawn", "basis": "vendor_opt_out"},
    "consent.denied": {"state": "denied"},
    "consent.pending": {"state": "pending"},
    "consent.updated": {"state": "expired"},
    "cart.completed": {"state": "completed", "completed_at": "2026-11-21T10:30:00+01:00"},
    "order.paid": _PAID,
    "order.fulfilled": {**_PAID, "fulfilment_status": "fulfilled", "status": "completed"},
    "order.cancelled": {
        "status": "cancelled",
        "cancelled_at": "2026-11-21T11:00:00+01:00",
        "cancel_reason": "customer",
    },
    "order.refunded": {"payment_status": "refunded"},
    "fulfilment.ready": {"state": "ready"},
    "fulfilment.completed": {"state": "completed"},
    "fulfilment.cancelled": {"state": "cancelled"},
    "payment.captured": {"state": "captured"},
    "payment.failed": {"state": "failed"},
    "return.received": {"state": "received"},
    "refund.completed": {"state": "completed"},
    "refund.failed": {"state": "failed"},
    "loyalty.created": {"balance": "0", "lifetime": "0", "entries": []},
    "loyalty.spent": {"balance": "10", "entries": [_EARNED, _SPENT]},
    "loyalty.returned": {"entries": [_EARNED, _SPENT, {"id": "e3", "kind": "returned", "points": "20"}]},
    "loyalty.expired": {"balance": "0", "entries": [_EARNED, {"id": "e4", "kind": "expired", "points": "-30"}]},
    "loyalty.adjusted": {"balance": "35", "entries": [_EARNED, {"id": "e5", "kind": "adjusted", "points": "5"}]},
    "giftcard.created": {"state": "pending", "balance": _dkk("0.00"), "activities": []},
    "giftcard.redeemed": {"balance": _dkk("150.00"), "activities": [_LOADED, _PAID_WITH]},
    "giftcard.refunded": {
        "activities": [_LOADED, _PAID_WITH, {"id": "a3", "kind": "refunded", "amount": _dkk("50.00")}],
    },
    "giftcard.blocked": {"state": "blocked"},
    "giftcard.deactivated": {"state": "deactivated"},
    "message.received": {
        "direction": "inbound",
        "sender": "+4533123456",
        "recipient": "+4533000000",
        "body": "When do you close today?",
        "state": "received",
    },
    "message.accepted": {"state": "accepted"},
    "message.sent": {"state": "sent", "sent_at": "2026-11-21T10:00:00Z"},
    "message.delivered": {"state": "delivered"},
    "message.failed": {"state": "failed", "error_code": "30003", "error_text": "unreachable"},
    "message.read": {"state": "read"},
    "call.answered": {"state": "in_progress"},
    "call.ended": {"state": "completed", "duration": 42, "ended_at": "2026-11-21T10:01:00Z"},
    "call.missed": {"state": "no_answer"},
    "touch.clicked": {"kind": "clicked", "url": "https://shop.example.com/linen"},
    "touch.bounced": {"kind": "bounced"},
    "touch.recorded": {"kind": "other", "kind_raw": "forward"},
}


def example(type_: str) -> dict[str, Any]:
    """An example of the data of a short or full type, as JSON values. Raises UnknownItem for a foreign type."""
    entry = lookup(type_)
    if entry is None:
        raise UnknownItem(f"{type_!r} is not in the catalogue")
    kind = entry.name if entry.command else entry.name.partition(".")[0]
    return deepcopy({**_DATA[kind], **_CHANGED.get(entry.name, {})})
