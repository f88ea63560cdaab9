"""The record: everything that this connector can do."""

from __future__ import annotations

from omnibridge.connector import Connector, Http, Sandbox
from omnibridge.errors import Permanent
from omnibridge_shopify.auth import AUTH
from omnibridge_shopify.documents import PROBE
from omnibridge_shopify.dropped import DROPPED
from omnibridge_shopify.graphql import LIMITS, ask, classify
from omnibridge_shopify.inbound import COMPLIANCE_TYPES, UNINSTALLED, WEBHOOK
from omnibridge_shopify.outbound import DELIVERS
from omnibridge_shopify.polls import POLLS
from omnibridge_shopify.reads import read
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_shopify.settings import API_VERSION, Shopify
from omnibridge_shopify.subscriptions import SUBSCRIPTIONS

__all__ = ["CONNECTOR"]


def _base_url(settings: Shopify) -> str:
    return settings.root


async def _probe(settings: Shopify, http: Http) -> None:
    """Ask the shop for its name. Raises Permanent when it is another shop than the settings say."""
    data = await ask(settings, http, PROBE, {})
    domain = data["shop"]["myshopifyDomain"]
    if domain != settings.shop:
        raise Permanent(f"the credentials belong to {domain}", where="shop", remedy="use those of this shop")


def _sandbox(settings: Shopify) -> Sandbox:
    return ShopifySandbox.of(settings)


CONNECTOR: Connector[Shopify] = Connector(
    name="shopify",
    title="Shopify",
    settings=Shopify,
    api_version=API_VERSION,
    base_url=_base_url,
    auth=AUTH,
    limits=LIMITS,
    classify=classify,
    probe=_probe,
    webhook=WEBHOOK,
    subscriptions=SUBSCRIPTIONS,
    polls=POLLS,
    read=read,
    delivers=DELIVERS,
    emits=(
        "order",
        "cart",
        "customer",
        "consent",
        "fulfilment",
        "payment",
        "refund",
        "return",
        "product",
        "inventory",
        "location",
        *sorted(set(COMPLIANCE_TYPES.values())),
        UNINSTALLED,
    ),
    sandbox=_sandbox,
    dropped=DROPPED,
)
