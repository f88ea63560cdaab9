"""Each installed connector that takes webhooks: its settings, a genuine delivery, and any body signed as genuine."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from omnibridge_cloudevents import signature
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.settings import Twilio

from omnibridge.connector import Outgoing, hmac_base64, json_bytes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the hands of a ManualClock stand at first."""

PUBLIC = "https://bridge.example"
PATH_SECRET = "path-secret-0123456789"
_KEY = b"a made-up secret of 24 b"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Vendor:
    """`sign(body, number, topic)` is the delivery with that body; `samples` are genuine bodies by topic."""

    name: str
    settings: str
    sign: Callable[[bytes, int, str], Outgoing]
    samples: Mapping[str, bytes]
    form: bool = False
    id: bytes = b""
    """What identifies a delivery, where that stands in the body: a pattern."""
    taken: int = 200
    """The answer to a delivery that was stored."""

    @property
    def toml(self) -> str:
        """A configuration with one channel of this connector, called `vendor`."""
        head = f'[bridge]\npublic_url = "{PUBLIC}"\n[channels.vendor]\nconnector = "{self.name}"\n'
        return f"{head}collects_consent = true\n[channels.vendor.settings]\n{self.settings}\n"

    def genuine(self, number: int = 1) -> Outgoing:
        """The first sample, signed."""
        topic, body = next(iter(self.samples.items()))
        return self.sign(body, number, topic)


# -- Shopify ---------------------------------------------------------------------------------------------------------


def _shopify(body: bytes, number: int, topic: str) -> Outgoing:
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": "acme.myshopify.com",
        "x-shopify-event-id": f"event-{number}",
        "x-shopify-hmac-sha256": hmac_base64("hush", body),
    }
    return Outgoing(f"{PUBLIC}/in/vendor", headers, body)


def _shopify_samples() -> dict[str, bytes]:
    shop = ShopifySandbox(secret="hush", webhook_url=f"{PUBLIC}/in/vendor", now=lambda: NOW)
    shop.place_order({"id": "207119551", "email": "kim@example.com", "first_name": "Kim"})
    return {sent.headers["x-shopify-topic"]: sent.body for sent in shop.outbox}


# -- Square ----------------------------------------------------------------------------------------------------------

_SQUARE_CUSTOMER = {
    "id": "JDKYHBWT1D4F8MFH63DBMEN8Y4",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "given_name": "Kim",
    "email_address": "kim@example.com",
    "version": 1,
    "preferences": {"email_unsubscribed": False},
    "address": {"locality": "Aarhus", "country": "DK"},
}


def _square(body: bytes, number: int, topic: str) -> Outgoing:
    url = f"{PUBLIC}/in/vendor"
    headers = {
        "content-type": "application/json",
        "x-square-hmacsha256-signature": hmac_base64("hush", url.encode() + body),
    }
    return Outgoing(url, headers, body)


def _square_samples() -> dict[str, bytes]:
    square = SquareSandbox(signature_key="hush")
    square.now = lambda: NOW
    bodies = {
        "customer.created": {"type": "customer", "id": "JDK", "object": {"customer": _SQUARE_CUSTOMER}},
        "payment.created": {
            "type": "payment",
            "id": "P1",
            "object": {
                "payment": {
                    "id": "P1",
                    "created_at": "2026-01-01T00:00:00Z",
                    "updated_at": "2026-01-01T00:00:00Z",
                    "amount_money": {"amount": 1250, "currency": "EUR"},
                    "status": "COMPLETED",
                    "order_id": "O1",
                }
            },
        },
        "inventory.count.updated": {
            "type": "inventory_counts",
            "id": "84e4ac73-d605-4dbd-a9e5-ffff794ddb9d",
            "object": {
                "inventory_counts": [
                    {
                        "calculated_at": "2026-01-01T00:00:00Z",
                        "catalog_object_id": "V1",
                        "catalog_object_type": "ITEM_VARIATION",
                        "location_id": "L-MAIN",
                        "quantity": "10",
                        "state": "IN_STOCK",
                    }
                ]
            },
        },
    }
    return {topic: square.webhook(topic, data, f"{PUBLIC}/in/vendor").body for topic, data in bodies.items()}


# -- Twilio ----------------------------------------------------------------------------------------------------------

_TWILIO = Twilio.model_validate(
    {
        "account_sid": "AC" + "0" * 31 + "1",
        "auth_token": "hush",
        "from_number": "+15558675310",
        "callback_url": f"{PUBLIC}/in/vendor",
    }
)


def _twilio(body: bytes, number: int, topic: str) -> Outgoing:
    sandbox = TwilioSandbox(_TWILIO, lambda: NOW)
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    return Outgoing(f"{PUBLIC}/in/vendor", sandbox.webhook(pairs).headers, body)


def _twilio_samples() -> dict[str, bytes]:
    sandbox = TwilioSandbox(_TWILIO, lambda: NOW)
    sandbox.incoming("+15558675309", "+15558675310", "Do you have it in blue?")
    return {"incoming": sandbox.outbox[0].body}


# -- Mailchimp -------------------------------------------------------------------------------------------------------

_MAILCHIMP = MailchimpSettings.model_validate(
    {"api_key": "hush-us21", "list_id": "a1b2c3d4e5", "path_secrets": [PATH_SECRET]}
)


def _mailchimp(body: bytes, number: int, topic: str) -> Outgoing:
    return Outgoing(f"{PUBLIC}/in/vendor/{PATH_SECRET}", {"content-type": _FORM, "user-agent": "MailChimp"}, body)


def _mailchimp_samples() -> dict[str, bytes]:
    fields = {
        "type": "subscribe",
        "fired_at": "2026-01-01 00:00:00",
        "data[id]": "8a25ff1d98",
        "data[list_id]": "a1b2c3d4e5",
        "data[email]": "kim@example.com",
        "data[email_type]": "html",
        "data[ip_opt]": "192.0.2.1",
        "data[merges][EMAIL]": "kim@example.com",
        "data[merges][FNAME]": "Kim",
    }
    return {"subscribe": urlencode(fields).encode()}


# -- CloudEvents -----------------------------------------------------------------------------------------------------


def _cloudevents(body: bytes, number: int, topic: str) -> Outgoing:
    at, id_ = str(int(NOW.timestamp())), f"msg_{number}"
    headers = {
        "content-type": topic,
        signature.ID: id_,
        signature.TIMESTAMP: at,
        signature.SIGNATURE: signature.sign((_KEY,), id_, at, body),
    }
    return Outgoing(f"{PUBLIC}/in/vendor", headers, body)


_EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/things",
    "type": "com.example.done",
    "subject": "a thing",
    "time": "2026-01-01T00:00:00Z",
    "datacontenttype": "application/json",
    "partitionkey": "k",
    "data": {"n": 1, "of": ["a", "b"]},
}

VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            "shopify",
            'shop = "acme.myshopify.com"\naccess_token = "t"\nwebhook_secrets = ["hush"]\ncurrency = "DKK"\n'
            'phone_region = "DK"',
            _shopify,
            _shopify_samples(),
        ),
        Vendor(
            "square",
            'access_token = "t"\nsignature_keys = ["hush"]\nlocation_id = "L-MAIN"',
            _square,
            _square_samples(),
            id=rb'(?<="event_id": ")[^"]+|(?<="event_id":")[^"]+',
        ),
        Vendor(
            "twilio",
            f'account_sid = "{_TWILIO.account_sid}"\nauth_token = "hush"\nfrom_number = "+15558675310"\n'
            f'callback_url = "{PUBLIC}/in/vendor"',
            _twilio,
            _twilio_samples(),
            form=True,
            id=rb"(?<=MessageSid=..)[0-9a-f]{32}",
        ),
        Vendor(
            "mailchimp",
            f'api_key = "hush-us21"\nlist_id = "a1b2c3d4e5"\npath_secrets = ["{PATH_SECRET}"]',
            _mailchimp,
            _mailchimp_samples(),
            form=True,
        ),
        Vendor(
            "cloudevents",
            f'secrets = ["whsec_{base64.b64encode(_KEY).decode()}"]',
            _cloudevents,
            {
                "application/cloudevents+json": json_bytes(_EVENT),
                "application/cloudevents-batch+json": json_bytes([_EVENT, {**_EVENT, "id": "2"}]),
            },
            taken=202,
        ),
    )
}
