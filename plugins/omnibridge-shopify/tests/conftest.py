"""What the tests of this connector share: a shop's settings, a moment, a buyer, and how a delivery looks."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from omnibridge_shopify import CONNECTOR
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_shopify.settings import Shopify

from omnibridge.connector import Delivery, Inbound, hmac_base64, json_bytes
from omnibridge.event import Event
from omnibridge.testing import Drive

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SETTINGS = Shopify.model_validate(
    {
        "shop": "acme.myshopify.com",
        "access_token": "token",
        "webhook_secrets": ["hush"],
        "currency": "DKK",
        "phone_region": "DK",
    }
)
BUYER = {
    "id": "207119551",
    "email": "kim@example.com",
    "phone": "+4533123456",
    "first_name": "Kim",
    "last_name": "Example",
}


def inbound(topic, body, *, secret="hush", shop="acme.myshopify.com", **headers):
    """A delivery as the core hands it over; `body` is bytes or something to write as JSON."""
    content = body if isinstance(body, bytes) else json_bytes(body)
    every = {
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": shop,
        "x-shopify-hmac-sha256": hmac_base64(secret, content),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Inbound("shop", "https://bridge.example.com/in/shop", every, content, NOW)


def delivery(type_="customer.updated", subject="canonical-1", **options):
    """A delivery of an event about `subject`."""
    return Delivery(
        key="5f0c1d1e-0000-5000-8000-000000000001",
        channel="shop",
        event=Event.make(type_, {}, id="event-1", source="/acme/erp/erp", subject=subject),
        **options,
    )


class Clock:
    """A time that moves when it is told to."""

    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at


def sandbox(**options):
    """The shop, at a moment that stands still."""
    clock = Clock()
    settings = SETTINGS.model_copy(update=options)
    made = ShopifySandbox.of(settings, now=clock)
    made.webhook_url = "https://bridge.example.com/in/shop"
    return made


def run(answers, make, *, settings=SETTINGS, credential=None):
    """Drive one exchange against a sandbox, a function or a script of answers."""
    return Drive(CONNECTOR, settings, answers, NOW, credential).run(make)


@pytest.fixture(scope="session")
def kit():
    """The names above, as test modules cannot import one another."""
    return SimpleNamespace(
        NOW=NOW, SETTINGS=SETTINGS, BUYER=BUYER, inbound=inbound, delivery=delivery, sandbox=sandbox, run=run
    )


@pytest.fixture
def shop():
    """A fresh sandbox."""
    return sandbox()
