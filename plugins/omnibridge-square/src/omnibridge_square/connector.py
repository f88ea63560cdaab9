"""The record: what Square needs, in the named slots of a connector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from omnibridge.connector import (
    Auth,
    Connector,
    Credential,
    Http,
    Limits,
    Native,
    Poll,
    Redelivery,
    Request,
    Subscriptions,
    Webhook,
    Window,
    deliver,
)
from omnibridge.errors import Permanent
from omnibridge.model import (
    AdjustPoints,
    Customer,
    EraseCustomer,
    Fulfilment,
    InventoryLevel,
    Order,
    Payment,
    Product,
    Refund,
)
from omnibridge_square.classify import classify, succeeded
from omnibridge_square.customers_out import erase_customer, normal_customer, upsert_customer
from omnibridge_square.inbound import EVENT_TYPES, delivery_id, translate, verify
from omnibridge_square.orders_out import deliver_order
from omnibridge_square.outbound import deliver_fulfilment, deliver_payment
from omnibridge_square.points_out import adjust_points
from omnibridge_square.polls import (
    poll_catalog,
    poll_customers,
    poll_inventory,
    poll_locations,
    poll_orders,
    poll_payments,
    poll_refunds,
)
from omnibridge_square.polls_ledgers import (
    poll_gift_card_activities,
    poll_gift_cards,
    poll_loyalty_accounts,
    poll_loyalty_events,
)
from omnibridge_square.products_out import deliver_product, normal_product
from omnibridge_square.reads import read
from omnibridge_square.refunds_out import deliver_refund
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_square.settings import API_VERSION, SquareSettings, base_url, scope
from omnibridge_square.stock_out import deliver_level, normal_level
from omnibridge_square.subscriptions import create, delete, desired, existing

__all__ = ["CONNECTOR", "DROPPED"]

_CARD = "payment.card_details.card"
_NUMBER = "part of a card number or its owner's; such never leaves Square"
_LOOKED_UP = "half of a ledger; the whole is looked up and says it"
_STUB = "the notification is a stub; the order is looked up and says it"

DROPPED: Mapping[str, str] = {
    "event_id": "identifies the delivery, and is no part of what it tells",
    "merchant_id": "a channel is one seller's account",
    "created_at": "the record has its own time; occurrences keep this one",
    "data.deleted": "repeats what the type says: customer.deleted",
    "data.id": "repeats the record's id, or is a fresh id that names nothing",
    "data.type": "repeats the event's type",
    "data.object.order_created.created_at": _STUB,
    "data.object.order_created.location_id": _STUB,
    "data.object.order_created.state": _STUB,
    "data.object.order_created.version": _STUB,
    "data.object.order_updated.created_at": _STUB,
    "data.object.order_updated.location_id": _STUB,
    "data.object.order_updated.state": _STUB,
    "data.object.order_updated.updated_at": _STUB,
    "data.object.order_updated.version": _STUB,
    "data.object.order_fulfillment_updated.created_at": _STUB,
    "data.object.order_fulfillment_updated.fulfillment_update[].fulfillment_uid": _STUB,
    "data.object.order_fulfillment_updated.fulfillment_update[].new_state": _STUB,
    "data.object.order_fulfillment_updated.fulfillment_update[].old_state": _STUB,
    "data.object.order_fulfillment_updated.location_id": _STUB,
    "data.object.order_fulfillment_updated.state": _STUB,
    "data.object.order_fulfillment_updated.updated_at": _STUB,
    "data.object.order_fulfillment_updated.version": _STUB,
    "data.object.gift_card": _LOOKED_UP,
    "data.object.gift_card_activity": _LOOKED_UP,
    "data.object.linked_customer_id": _LOOKED_UP,
    "data.object.unlinked_customer_id": _LOOKED_UP,
    "data.object.loyalty_account": _LOOKED_UP,
    "data.object.loyalty_event": _LOOKED_UP,
    f"data.object.{_CARD}.bin": _NUMBER,
    f"data.object.{_CARD}.exp_month": _NUMBER,
    f"data.object.{_CARD}.exp_year": _NUMBER,
    f"data.object.{_CARD}.fingerprint": _NUMBER,
    f"data.object.{_CARD}.last_4": _NUMBER,
    "data.object.payment.version_token": "opaque, and another one after every write; updated_at is the version",
    "data.object.refund.version": "in webhooks only; updated_at, which reads have too, is the version",
}
"""Fields of Square's notifications that no observation shows, alone or with all below them, and why."""


def _headers(
    settings: SquareSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    return {
        "authorization": f"Bearer {settings.access_token.get_secret_value()}",
        "square-version": settings.api_version,
    }


async def probe(settings: SquareSettings, http: Http) -> None:
    """List the locations: proves the token, and that the configured location is one of them. Raises Permanent."""
    body = succeeded("to list locations", await http.get("/v2/locations"))
    places = {one.text("id"): one.text("name") for one in body.nodes("locations")}
    if settings.location_id is not None and settings.location_id not in places:
        known = ", ".join(f"{id_} ({name})" for id_, name in sorted(places.items(), key=str))
        raise Permanent(f"there is no location {settings.location_id}", remedy=f"set location_id to one of {known}")


def sandbox(settings: SquareSettings) -> SquareSandbox:
    """A Square of our own for these settings."""
    keys = settings.signature_keys
    return SquareSandbox(
        token=settings.access_token.get_secret_value(),
        signature_key=keys[0].get_secret_value() if keys else "sandbox-signature-key",
        main_location=settings.location_id or "L-MAIN",
    )


CONNECTOR: Connector[SquareSettings] = Connector(
    name="square",
    title="Square",
    settings=SquareSettings,
    api_version=API_VERSION,
    base_url=base_url,
    auth=Auth(headers=_headers),
    limits=Limits(
        concurrency=4,
        windows=(Window(10, timedelta(seconds=1)),),
        scope=scope,
        source="Square publishes no numbers, only RATE_LIMITED answers; these are our own caution",
    ),
    classify=classify,
    probe=probe,
    webhook=Webhook(
        delivery_id=Native(delivery_id),
        verify=verify,
        translate=translate,
        redelivery=Redelivery(
            on_5xx=True,
            lasts=timedelta(hours=24),
            source="Square, Troubleshoot Webhooks: retried with growing gaps for up to 24 hours",
        ),
    ),
    subscriptions=Subscriptions(desired=desired, list=existing, create=create, delete=delete),
    polls=(
        Poll(name="locations", every=timedelta(days=1), run=poll_locations),
        Poll(name="catalog", every=timedelta(hours=1), run=poll_catalog),
        Poll(name="customers", every=timedelta(minutes=15), run=poll_customers),
        Poll(name="orders", every=timedelta(minutes=15), run=poll_orders),
        Poll(name="payments", every=timedelta(minutes=30), run=poll_payments),
        Poll(name="refunds", every=timedelta(minutes=30), run=poll_refunds),
        Poll(name="inventory", every=timedelta(minutes=30), run=poll_inventory),
        Poll(name="loyalty", every=timedelta(hours=6), run=poll_loyalty_accounts),
        Poll(name="loyalty-events", every=timedelta(minutes=30), run=poll_loyalty_events),
        Poll(name="gift-cards", every=timedelta(days=1), run=poll_gift_cards),
        Poll(name="gift-card-activities", every=timedelta(minutes=30), run=poll_gift_card_activities),
    ),
    read=read,
    delivers=(
        deliver(Customer, upsert_customer, normal=normal_customer),
        deliver(Order, deliver_order),
        deliver(Fulfilment, deliver_fulfilment),
        deliver(Payment, deliver_payment),
        deliver(Refund, deliver_refund),
        deliver(Product, deliver_product, normal=normal_product),
        deliver(InventoryLevel, deliver_level, normal=normal_level),
        deliver(AdjustPoints, adjust_points),
        deliver(EraseCustomer, erase_customer),
    ),
    emits=(
        "consent",
        "customer",
        "fulfilment",
        "giftcard",
        "inventory",
        "location",
        "loyalty",
        "order",
        "payment",
        "product",
        "refund",
        "return",
        *(f"square.{one}" for one in EVENT_TYPES if one.startswith("inventory.")),
    ),
    sandbox=sandbox,
    dropped=DROPPED,
)
