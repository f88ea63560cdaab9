"""Which fields of the canonical model hold what is about a person, why each is kept, and what is left without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from omnibridge.model.base import Entity
from omnibridge.model.call import Call, PlaceCall
from omnibridge.model.cart import Cart
from omnibridge.model.consent import Consent, Proof
from omnibridge.model.contact import Address, ContactPoint
from omnibridge.model.customer import Customer
from omnibridge.model.erasure import EraseCustomer
from omnibridge.model.fulfilment import Fulfilment
from omnibridge.model.gift_card import GiftCard
from omnibridge.model.loyalty import LoyaltyAccount, LoyaltyEntry
from omnibridge.model.message import Media, Message, SendMessage
from omnibridge.model.order import Discount, Order, OrderLine
from omnibridge.model.payment import Payment
from omnibridge.model.points import AdjustPoints
from omnibridge.model.privacy_request import PrivacyRequest
from omnibridge.model.returns import Refund, Return, ReturnLine
from omnibridge.model.touch import Touch

__all__ = ["PERSONAL", "WHOLLY", "without_person"]

Json = dict[str, Any]
"""An entity as JSON."""

_CONTACT = "to reach the person about what they asked for, and to know them again in another channel"
_NAME = "to address the person and their parcels"
_DELIVER = "to bring or send the goods"
_OWN = "a company's or vendor's own field, carried as it is"
_WORDS = "what the person or the staff wrote, carried to the systems that show it"
_WHO = "to tie what belongs together to one customer"
_PROOF = "to show that the permission was given, or taken back"

PERSONAL: Mapping[type[BaseModel], Mapping[str, str]] = {
    Entity: {"attributes": _OWN, "vendor": _OWN},
    Address: dict.fromkeys(
        ("name", "company", "street", "street2", "city", "region", "postal_code", "country", "phone"), _DELIVER
    ),
    ContactPoint: dict.fromkeys(("value", "raw"), _CONTACT),
    Customer: {
        "email": _CONTACT,
        "phone": _CONTACT,
        "given_name": _NAME,
        "family_name": _NAME,
        "company": _NAME,
        "birthday": "for what a person is owed by age: a greeting, a limit",
        "locale": "to speak the person's language",
        "note": _WORDS,
        "tags": "how the company groups its customers",
        "addresses": _DELIVER,
        "contact_points": _CONTACT,
        "loyalty_number": "to know the person again at the till",
        "merged_into": _WHO,
        "unmerged_from": _WHO,
    },
    Consent: {"contact": "whom the permission is about", "proof": _PROOF, "customer": _WHO},
    Proof: dict.fromkeys(("source", "ip", "detail"), _PROOF),
    Message: {
        "sender": _CONTACT,
        "recipient": _CONTACT,
        "body": _WORDS,
        "media": _WORDS,
        "error_text": "a vendor's words, which may repeat an address",
        "conversation": _WHO,
        "customer": _WHO,
    },
    Call: {"caller": _CONTACT, "callee": _CONTACT, "recording_url": "where the words are", "customer": _WHO},
    PlaceCall: {"customer": _WHO, "to": _CONTACT, "say": _WORDS, "connect": _CONTACT},
    Touch: {
        "contact": _CONTACT,
        "customer": _WHO,
        "url": "which link it was; it may be made for the person",
    },
    Media: {"url": "where the attachment is"},
    SendMessage: {
        "customer": _WHO,
        "to": _CONTACT,
        "body": _WORDS,
        "media": _WORDS,
        "variables": _WORDS,
        "conversation": _WHO,
    },
    EraseCustomer: {
        "customer": _WHO,
        "emails": "to find the records to erase",
        "phones": "to find the records to erase",
        "records": "the records to erase",
    },
    AdjustPoints: {"customer": _WHO, "account": _WHO, "phone": _CONTACT, "reason": _WORDS},
    PrivacyRequest: {
        "customer": "whom the request is about",
        "emails": "whom the request is about",
        "phones": "whom the request is about",
        "records": "what the request is about",
        "number": "to answer the system that asks",
    },
    Order: {
        "buyer": _WHO,
        "buyer_email": _CONTACT,
        "buyer_phone": _CONTACT,
        "billing_address": "to write the invoice",
        "shipping_address": _DELIVER,
        "note": _WORDS,
        "tags": "how the company groups its orders",
    },
    Cart: {
        "buyer": _WHO,
        "buyer_email": _CONTACT,
        "buyer_phone": _CONTACT,
        "billing_address": _DELIVER,
        "shipping_address": _DELIVER,
        "codes": "what the person typed; one may be theirs alone",
        "recovery_url": "to bring the person back to their own cart",
        "note": _WORDS,
    },
    OrderLine: {"note": _WORDS, "properties": "what the person chose or had engraved"},
    Discount: {"code": "what the person typed; it may be theirs alone"},
    Fulfilment: {
        "destination": _DELIVER,
        "tracking_numbers": "to follow the parcel",
        "tracking_urls": "to follow the parcel",
    },
    Payment: {"customer": _WHO},
    Return: {"note": _WORDS},
    ReturnLine: {"reason": _WORDS},
    Refund: {"reason": _WORDS},
    LoyaltyAccount: {"customer": _WHO, "phone": "to find the account at the till, and whose it is"},
    LoyaltyEntry: {"reason": _WORDS},
    GiftCard: {"customer": _WHO, "last_four": "to tell the person which of their cards it is"},
}
"""Model → field → what it is kept for. Every field that can hold text is here or is told of as impersonal by a test."""

WHOLLY = frozenset({Customer.KIND, Consent.KIND, Message.KIND, Call.KIND, Touch.KIND})
"""Kinds of entity of which nothing is left without the person."""

_BARE: Mapping[str, tuple[type[Entity], Mapping[str, type[BaseModel]]]] = {
    Cart.KIND: (Cart, {"lines": OrderLine}),
    Order.KIND: (Order, {"lines": OrderLine, "discounts": Discount}),
    Fulfilment.KIND: (Fulfilment, {}),
    Payment.KIND: (Payment, {}),
    Return.KIND: (Return, {"lines": ReturnLine}),
    Refund.KIND: (Refund, {"lines": ReturnLine}),
    LoyaltyAccount.KIND: (LoyaltyAccount, {"entries": LoyaltyEntry}),
    GiftCard.KIND: (GiftCard, {}),
}


def without_person(kind: str, data: Json) -> Json | None:
    """An entity's JSON without what is about a person: goods, money and states. None where nothing would be left."""
    if kind not in _BARE:
        return None
    model, parts = _BARE[kind]
    personal = {**PERSONAL[Entity], **PERSONAL.get(model, {})}
    kept = {name: value for name, value in data.items() if name not in personal}
    for name, part in parts.items():
        if kept.get(name):
            kept[name] = [_without(item, part) for item in kept[name]]
    return kept


def _without(item: Json, model: type[BaseModel]) -> Json:
    kept = {name: value for name, value in item.items() if name not in PERSONAL.get(model, {})}
    if model is OrderLine and kept.get("discounts"):
        kept["discounts"] = [_without(discount, Discount) for discount in kept["discounts"]]
    return kept
