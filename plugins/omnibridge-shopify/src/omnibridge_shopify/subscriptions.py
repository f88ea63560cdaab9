"""Webhook subscriptions: which topics we want, and how they are listed, made and deleted."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import Http, Subscription, Subscriptions, Upsert
from omnibridge.errors import Permanent
from omnibridge_shopify.documents import WEBHOOK_CREATE, WEBHOOK_DELETE, WEBHOOKS
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.settings import Shopify

__all__ = ["SUBSCRIPTIONS", "TOPICS"]

TOPICS = (
    "APP_UNINSTALLED",
    "CHECKOUTS_CREATE",
    "CHECKOUTS_DELETE",
    "CHECKOUTS_UPDATE",
    "CUSTOMERS_CREATE",
    "CUSTOMERS_DELETE",
    "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
    "CUSTOMERS_MARKETING_CONSENT_UPDATE",
    "CUSTOMERS_UPDATE",
    "CUSTOMER_TAGS_ADDED",
    "CUSTOMER_TAGS_REMOVED",
    "FULFILLMENTS_CREATE",
    "FULFILLMENTS_UPDATE",
    "INVENTORY_LEVELS_CONNECT",
    "INVENTORY_LEVELS_DISCONNECT",
    "INVENTORY_LEVELS_UPDATE",
    "LOCATIONS_ACTIVATE",
    "LOCATIONS_CREATE",
    "LOCATIONS_DEACTIVATE",
    "LOCATIONS_DELETE",
    "LOCATIONS_UPDATE",
    "ORDERS_CREATE",
    "ORDERS_DELETE",
    "ORDERS_UPDATED",
    "ORDER_TRANSACTIONS_CREATE",
    "PRODUCTS_CREATE",
    "PRODUCTS_DELETE",
    "PRODUCTS_UPDATE",
    "REFUNDS_CREATE",
    "RETURNS_APPROVE",
    "RETURNS_CANCEL",
    "RETURNS_CLOSE",
    "RETURNS_DECLINE",
    "RETURNS_PROCESS",
    "RETURNS_REOPEN",
    "RETURNS_REQUEST",
    "RETURNS_UPDATE",
)
"""Of the order topics `ORDERS_UPDATED` tells of payment, cancellation and fulfilment too, so those are not asked for.

The three compliance topics cannot be subscribed to by the API; they are set in the app's own configuration.
"""


def _desired(settings: Shopify, url: str) -> Sequence[Subscription]:
    return [Subscription(topic, url) for topic in TOPICS]


async def _list(settings: Shopify, http: Http) -> Sequence[Subscription]:
    found: list[Subscription] = []
    after: str | None = None
    while True:
        data = await ask(settings, http, WEBHOOKS, {"first": 100, "after": after})
        connection: Json = data["webhookSubscriptions"]
        found += [Subscription(node["topic"], node["uri"], node["id"]) for node in connection["nodes"]]
        page: Json = connection["pageInfo"]
        if not page["hasNextPage"] or page["endCursor"] in (None, after):
            return found
        after = page["endCursor"]


async def _create(settings: Shopify, subscription: Subscription, http: Http) -> None:
    """Shopify refuses a second subscription of one topic and address, which is as good as having made it."""
    payload = await change(
        settings,
        http,
        WEBHOOK_CREATE,
        {"topic": subscription.topic, "webhookSubscription": {"uri": subscription.url, "format": "JSON"}},
        step=f"subscribe-{subscription.topic}",
        protection=Upsert(),
    )
    wrong = [message for _, _, message in problems(payload) if "already been taken" not in message]
    if wrong:
        raise Permanent(
            f"{subscription.topic}: {wrong[0]}", remedy="the app needs the access scope that the topic belongs to"
        )


async def _delete(settings: Shopify, subscription: Subscription, http: Http) -> None:
    if subscription.id is None:
        return
    payload = await change(
        settings,
        http,
        WEBHOOK_DELETE,
        {"id": subscription.id},
        step=f"unsubscribe-{subscription.id}",
        protection=Upsert(),
    )
    wrong = [message for _, _, message in problems(payload) if "not exist" not in message]
    if wrong:
        raise Permanent(f"{subscription.topic}: {wrong[0]}")


SUBSCRIPTIONS: Subscriptions[Shopify] = Subscriptions(desired=_desired, list=_list, create=_create, delete=_delete)
