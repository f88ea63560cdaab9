"""What Shopify sends: whether a delivery is genuine, which one it is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from omnibridge.connector import (
    Inbound,
    Lookup,
    Native,
    Observation,
    Occurrence,
    Redelivery,
    Snapshot,
    Verdict,
    Webhook,
    parse_json,
    same,
    verify_any,
)
from omnibridge.errors import InvalidMessage
from omnibridge.model import PrivacyRequest, Ref
from omnibridge_shopify import wire, wire_carts, wire_goods, wire_notices
from omnibridge_shopify.carts import cart
from omnibridge_shopify.customers import consent, customer
from omnibridge_shopify.fulfilments import fulfilment, payment, refund
from omnibridge_shopify.goods import inventory, inventory_id, location, product
from omnibridge_shopify.orders import order
from omnibridge_shopify.parts import gid_number, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import Inexact

__all__ = ["COMPLIANCE_TYPES", "UNINSTALLED", "WEBHOOK", "read_body", "translate", "verify"]

T = TypeVar("T")
Handler = Callable[[Shopify, Inbound], Sequence[Observation]]

UNINSTALLED = "shopify.app_uninstalled"
COMPLIANCE_TYPES = {
    "customers/data_request": "export.requested",
    "customers/redact": "erasure.requested",
    "shop/redact": "erasure.requested",
}
RETURN_TOPICS = ("request", "approve", "decline", "process", "update", "cancel", "close", "reopen")
_ANSWER_WITHIN = timedelta(days=30)
"""Shopify documentation, "Privacy law compliance": the action is to be completed within 30 days."""


def verify(settings: Shopify, inbound: Inbound, now: datetime) -> Verdict:
    """Whether the body was signed with one of the secrets, and is for this shop.

    `X-Shopify-Hmac-Sha256` is the base64 HMAC-SHA256 of the raw body alone. Shopify signs no header and no time
    (documentation, "Verify webhook deliveries"): whoever can repeat a delivery can change its topic, its shop and its
    id, and there is no window to check. So the shop is compared to keep two shops of one app apart, which share a
    secret, and what stands behind are the deduplication and the versions in the body.
    """
    verdict = verify_any(settings.signing_secrets, inbound.body, inbound.header("x-shopify-hmac-sha256"))
    if verdict is not Verdict.OK:
        return verdict
    shop = (inbound.header("x-shopify-shop-domain") or "").strip().lower()
    return Verdict.OK if same(settings.shop, shop) else Verdict.FORGED


def _delivery_id(inbound: Inbound) -> str | None:
    """Topic and event id: one event goes to several topics, each a delivery of its own. Else the webhook's id."""
    id_ = inbound.header("x-shopify-event-id") or inbound.header("x-shopify-webhook-id")
    return f"{_topic(inbound)} {id_}" if id_ else None


def _topic(inbound: Inbound) -> str:
    """The topic as `orders/create`; the customer events of the newer sort come as `customer.tags_added`."""
    return (inbound.header("x-shopify-topic") or "").strip().lower().replace(".", "/", 1)


def read_body(adapter: TypeAdapter[T], body: bytes) -> T:
    """A body in its wire form, amounts exact. Raises ValidationError (a ValueError) or InvalidMessage."""
    try:
        return adapter.validate_json(body)
    except Inexact:
        return adapter.validate_python(parse_json(body))


def translate(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    """What a delivery says. Raises InvalidMessage for a body of another shape and for an unknown topic."""
    topic = _topic(inbound)
    handler = _HANDLERS.get(topic)
    if handler is None:
        raise InvalidMessage(
            f"no reader for the topic {topic[:80]!r}" if topic else "no topic",
            where="x-shopify-topic",
            remedy="remove the subscription, or install a version of the connector that knows it",
        )
    try:
        return handler(settings, inbound)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidMessage(f"{topic}: {first['msg']}", where=where[:200]) from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidMessage(f"{topic}: {type(error).__name__}", where="body") from None


def _order(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return order(settings, read_body(wire.ORDER, inbound.body))


def _customer(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return customer(settings, read_body(wire.CUSTOMER, inbound.body))


def _consent(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return consent(settings, read_body(wire_notices.CONSENT, inbound.body))


def _tags(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    body = read_body(wire_notices.TAGS, inbound.body)
    return (Lookup("customer", gid_number(str(body["customerId"]))),)


def _fulfilment(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return (fulfilment(read_body(wire.FULFILLMENT, inbound.body)),)


def _refund(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return (refund(read_body(wire.REFUND, inbound.body)),)


def _transaction(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    seen = payment(read_body(wire.TRANSACTION, inbound.body))
    return (seen,) if seen is not None else ()


def _product(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return product(settings, read_body(wire_goods.PRODUCT, inbound.body))


def _inventory(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return inventory(read_body(wire_goods.INVENTORY, inbound.body))


def _disconnected(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    body = read_body(wire_goods.INVENTORY, inbound.body)
    return (Snapshot.gone("inventory", inventory_id(body["inventory_item_id"], body["location_id"])),)


def _location(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return location(read_body(wire_goods.LOCATION, inbound.body))


def _cart(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return cart(settings, read_body(wire_carts.CART, inbound.body))


def _return(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    """A return's topics tell what became different, by ids of GraphQL, and not what it is: it is asked for."""
    body = read_body(wire_notices.RETURN, inbound.body)
    id_ = str(body.get("id") or "") or gid_number(body.get("admin_graphql_api_id") or "")
    if not id_:
        raise InvalidMessage("no id of the return", where="admin_graphql_api_id")
    return (Lookup("return", id_),)


def _gone(kind: str) -> Handler:
    def handler(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
        return (Snapshot.gone(kind, str(read_body(wire_notices.GONE, inbound.body)["id"])),)

    return handler


def _edited(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    return (Lookup("order", str(read_body(wire_notices.ORDER_EDIT, inbound.body)["order_edit"]["order_id"])),)


def _triggered(inbound: Inbound) -> datetime | None:
    try:
        at = datetime.fromisoformat(inbound.header("x-shopify-triggered-at") or "")
    except ValueError:
        return None
    return utc(at) if at.tzinfo is not None else None


def _signed_key(topic: str, inbound: Inbound) -> str:
    """What identifies an occurrence: of the signed body, as the delivery's id stands in a header that nobody signed."""
    return f"{topic}:{sha256(inbound.body).hexdigest()}"


def _compliance(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    """A request about personal data, which the bridge answers. `shop/redact` is about all that the shop ever told."""
    body = read_body(wire_notices.COMPLIANCE, inbound.body)
    shop = body.get("shop_domain")
    if shop is not None and shop.lower() != settings.shop:
        raise InvalidMessage("a request about another shop", where="shop_domain")
    topic, at = _topic(inbound), _triggered(inbound)
    whom = body.get("customer") or {}
    person = whom.get("id")
    subject = Ref(kind="customer", external_id=str(person)) if person else None
    number = (body.get("data_request") or {}).get("id")
    request = PrivacyRequest(
        customer=subject,
        emails=tuple(filter(None, (whom.get("email"),))),
        phones=tuple(filter(None, (whom.get("phone"),))),
        records=tuple(
            Ref(kind="order", external_id=str(id_))
            for id_ in body.get("orders_requested") or body.get("orders_to_redact") or ()
        ),
        everything=topic == "shop/redact",
        due=(at or inbound.received) + _ANSWER_WITHIN,
        number=str(number) if number is not None else None,
    )
    data: JsonValue = request.model_dump(mode="json", exclude_defaults=True)
    return (
        Occurrence(key=_signed_key(topic, inbound), type=COMPLIANCE_TYPES[topic], data=data, subject=subject, at=at),
    )


def _uninstalled(settings: Shopify, inbound: Inbound) -> Sequence[Observation]:
    read_body(wire_notices.GONE, inbound.body)
    key = _signed_key("app/uninstalled", inbound)
    return (Occurrence(key=key, type=UNINSTALLED, data={"shop_domain": settings.shop}, at=_triggered(inbound)),)


_HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled"),
        _order,
    ),
    "orders/partially_fulfilled": _order,
    "orders/edited": _edited,
    "orders/delete": _gone("order"),
    **dict.fromkeys(("customers/create", "customers/update", "customers/enable", "customers/disable"), _customer),
    "customers/delete": _gone("customer"),
    "customers_email_marketing_consent/update": _consent,
    "customers_marketing_consent/update": _consent,
    "customer/tags_added": _tags,
    "customer/tags_removed": _tags,
    "order_transactions/create": _transaction,
    "refunds/create": _refund,
    "fulfillments/create": _fulfilment,
    "fulfillments/update": _fulfilment,
    "products/create": _product,
    "products/update": _product,
    "products/delete": _gone("product"),
    "inventory_levels/connect": _inventory,
    "inventory_levels/update": _inventory,
    "inventory_levels/disconnect": _disconnected,
    **dict.fromkeys(
        ("locations/create", "locations/update", "locations/activate", "locations/deactivate"),
        _location,
    ),
    "locations/delete": _gone("location"),
    "checkouts/create": _cart,
    "checkouts/update": _cart,
    "checkouts/delete": _gone("cart"),
    **dict.fromkeys((f"returns/{verb}" for verb in RETURN_TOPICS), _return),
    **dict.fromkeys(COMPLIANCE_TYPES, _compliance),
    "app/uninstalled": _uninstalled,
}

WEBHOOK: Webhook[Shopify] = Webhook(
    delivery_id=Native(_delivery_id),
    verify=verify,
    translate=translate,
    redelivery=Redelivery(
        on_5xx=True,
        lasts=timedelta(hours=4),
        source='Shopify documentation, "Deliver webhooks through HTTPS": eight retries within four hours, for every'
        " answer but a 2xx within five seconds; a subscription made through the API that keeps failing is deleted",
    ),
)
