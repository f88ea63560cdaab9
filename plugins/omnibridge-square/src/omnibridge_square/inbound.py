"""Webhooks: whether Square sent them, what identifies them, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import JsonValue

from omnibridge.connector import (
    Inbound,
    Lookup,
    Observation,
    Occurrence,
    Snapshot,
    Verdict,
    verify_any,
)
from omnibridge.errors import InvalidMessage
from omnibridge.model import GiftCard, LoyaltyAccount, Ref
from omnibridge_square.entities import count, customer, payment, refund
from omnibridge_square.gift_cards import NUMBERS
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Node, instant, parsed

__all__ = ["EVENT_TYPES", "SIGNATURE", "delivery_id", "translate", "verify"]

SIGNATURE = "x-square-hmacsha256-signature"

_ORDERS = {
    "order.created": "order_created",
    "order.updated": "order_updated",
    "order.fulfillment.updated": "order_fulfillment_updated",
}

_LEDGERS = {
    "gift_card.activity.created": (GiftCard.KIND, "gift_card_activity", "gift_card_id"),
    "gift_card.activity.updated": (GiftCard.KIND, "gift_card_activity", "gift_card_id"),
    "gift_card.created": (GiftCard.KIND, "gift_card", "id"),
    "gift_card.customer_linked": (GiftCard.KIND, "gift_card", "id"),
    "gift_card.customer_unlinked": (GiftCard.KIND, "gift_card", "id"),
    "gift_card.updated": (GiftCard.KIND, "gift_card", "id"),
    "loyalty.account.created": (LoyaltyAccount.KIND, "loyalty_account", "id"),
    "loyalty.account.updated": (LoyaltyAccount.KIND, "loyalty_account", "id"),
    "loyalty.event.created": (LoyaltyAccount.KIND, "loyalty_event", "loyalty_account_id"),
}
"""Notifications with half of a ledger: kind, the object that they carry, and its field with the id to look up."""

EVENT_TYPES = (
    "catalog.version.updated",
    "customer.created",
    "customer.deleted",
    "customer.updated",
    "gift_card.activity.created",
    "gift_card.activity.updated",
    "gift_card.created",
    "gift_card.customer_linked",
    "gift_card.customer_unlinked",
    "gift_card.updated",
    "inventory.count.updated",
    "loyalty.account.created",
    "loyalty.account.deleted",
    "loyalty.account.updated",
    "loyalty.event.created",
    "order.created",
    "order.fulfillment.updated",
    "order.updated",
    "payment.created",
    "payment.updated",
    "refund.created",
    "refund.updated",
)
"""What the subscription asks for."""


def verify(settings: SquareSettings, inbound: Inbound, now: datetime) -> Verdict:
    """The base64 HMAC-SHA256 of the configured notification URL followed by the raw body.

    The URL is the one in the subscription, byte for byte. There is no timestamp, so nothing expires (Square,
    "Verify and Validate an Event Notification"; the official client's `verify_signature`).
    """
    return verify_any(settings.signature_keys, inbound.url.encode() + inbound.body, inbound.header(SIGNATURE))


def delivery_id(inbound: Inbound) -> str | None:
    """`event_id`, the same in every attempt at one notification (Square, "Webhooks overview"), or None."""
    try:
        return Node(inbound.json()).text("event_id") or None
    except InvalidMessage:
        return None


def translate(settings: SquareSettings, inbound: Inbound) -> Sequence[Observation]:
    """What a notification says. Raises InvalidMessage for one that does not have the shape of its type.

    Order notifications are stubs and become lookups; so do those of points and gift cards, which tell either the
    balance or what moved it. A type that has no translation is an occurrence named
    `square.` and the type, never an error.
    """
    return parsed("body", lambda: _translate(settings, Node(inbound.json())))


def _translate(settings: SquareSettings, body: Node) -> Sequence[Observation]:
    kind, key = body.need("type"), body.need("event_id")
    data = body.node("data")
    if kind in _ORDERS:
        return [_order(_required(data, _ORDERS[kind]))]
    if kind.startswith("customer.") and kind in EVENT_TYPES:
        thing = _required(data, "customer")
        parent = data.node("object") if data is not None else None
        context = parent.node("event_context") if parent is not None else None
        gone = kind == "customer.deleted" or bool(data is not None and data.truth("deleted"))
        return customer(thing, settings.region, context, deleted=gone)
    ledger = _LEDGERS.get(kind)
    if ledger is not None:
        entity, name, field = ledger
        return [Lookup(entity, _required(data, name).need(field))]
    if kind == "loyalty.account.deleted":
        return [Snapshot.gone(LoyaltyAccount.KIND, _required(data, "loyalty_account").need("id"))]
    simple = _SIMPLE.get(kind)
    if simple is not None:
        name, read = simple
        return [read(_required(data, name))]
    if kind == "inventory.count.updated":
        parent = data.node("object") if data is not None else None
        if parent is None or not parent.has("inventory_counts"):
            raise InvalidMessage("expected counts", where="body.data.object.inventory_counts")
        return [count(one, f"{key}:{index}") for index, one in enumerate(parent.nodes("inventory_counts"))]
    if kind == "catalog.version.updated":
        since = _required(data, "catalog_version").text("updated_at")
        return [Lookup("catalog", "catalog", {"updated_at": since} if since else {})]
    return [_occurrence(kind, key, body)]


_SIMPLE: dict[str, tuple[str, Callable[[Node], Observation]]] = {
    "payment.created": ("payment", payment),
    "payment.updated": ("payment", payment),
    "refund.created": ("refund", refund),
    "refund.updated": ("refund", refund),
}


def _required(data: Node | None, name: str) -> Node:
    parent = data.node("object") if data is not None else None
    found = parent.node(name) if parent is not None else None
    if found is None:
        raise InvalidMessage("expected an object", where=f"body.data.object.{name}")
    return found


def _order(stub: Node) -> Lookup:
    return Lookup("order", stub.need("order_id"))


def _occurrence(kind: str, key: str, body: Node) -> Occurrence:
    rest = _without_numbers(body.rest())
    for told in ("type", "event_id", "merchant_id"):
        rest.pop(told, None)
    raw = rest.get("created_at")
    at: datetime | None = None
    if isinstance(raw, str):
        try:
            at = instant(raw)
        except InvalidMessage:
            pass  # a type that nobody described may write its times as it likes; the text is kept
        else:
            del rest["created_at"]
    return Occurrence(key, f"square.{kind}", rest, _person(rest), at)


def _without_numbers(rest: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Without numbers of gift cards, at any depth: a type that nobody described may carry some."""
    return {name: _plain(value) for name, value in rest.items() if name not in NUMBERS}


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return _without_numbers(value)
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _person(rest: dict[str, JsonValue]) -> Ref | None:
    """The customer that a loyalty account belongs to."""
    found: JsonValue = rest
    for step in ("data", "object", "loyalty_account", "customer_id"):
        found = found.get(step) if isinstance(found, dict) else None
    return Ref(kind="customer", external_id=found) if isinstance(found, str) and found else None
