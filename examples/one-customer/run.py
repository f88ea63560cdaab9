"""One person, met in the web shop, at the till, by SMS and in the newsletter: one card, one erasure."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import anyio
import structlog
from omnibridge_mailchimp import omnibridge_connectors as mailchimp
from omnibridge_mailchimp.sandbox import MailchimpSandbox
from omnibridge_shopify import omnibridge_connectors as shopify
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_square import omnibridge_connectors as square
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_twilio import omnibridge_connectors as twilio
from omnibridge_twilio.sandbox import TwilioSandbox

from omnibridge.connector import Sandbox, SandboxRequest
from omnibridge.erasure import settle_erasure
from omnibridge.errors import UnknownItem
from omnibridge.journal import ErasureState
from omnibridge.model import Purpose, SendMessage
from omnibridge.testing import TestBridge

ANN, PHONE, OURS = "ann@example.com", "+4533123456", "+4580000001"
TOML = """
[bridge]
public_url = "https://hooks.acme.example"

[identity] # whose word counts about whose address it is
trusted = { webshop = ["email", "phone"], till = ["email", "phone"], newsletter = ["email"], phone = ["phone"] }

[channels.webshop]
connector = "shopify"
collects_consent = true
settings = { shop = "acme.myshopify.com", access_token = "t", webhook_secrets = ["s"], currency = "DKK" }

[channels.till]
connector = "square"
settings = { access_token = "t", signature_keys = ["k"], location_id = "L-MAIN" }

[channels.phone]
connector = "twilio"
collects_consent = true
[channels.phone.settings]
account_sid = "AC00000000000000000000000000000001"
auth_token = "t"
from_number = "+4580000001"
callback_url = "https://hooks.acme.example/in/phone"

[channels.newsletter]
connector = "mailchimp"
collects_consent = true
[channels.newsletter.settings]
api_key = "0123456789abcdef0123456789abcdef-us1"
list_id = "a1b2c3d4e5"
path_secrets = ["a-secret-of-the-newsletter"]
"""
HOUR = 3600.0


def at_the_till(till: SquareSandbox, path: str, body: dict[str, object]) -> dict[str, dict[str, object]]:
    """What the till's own program asks of Square."""
    request = SandboxRequest("POST", path, {"authorization": f"Bearer {till.token}"}, json.dumps(body).encode())
    return till.handle(request).json()


def sandbox(bridge: TestBridge, name: str) -> Sandbox:
    """The imitation of a channel's system, put where the bridge will look for it."""
    channel = bridge.config.channels[name]
    connector = channel.connector
    assert connector.sandbox is not None
    assert connector.base_url is not None
    made = connector.sandbox(channel.settings)
    made.now = bridge.clock.now
    bridge.vendors.sandboxes[urlsplit(connector.base_url(channel.settings)).netloc] = made
    return made


async def offered(bridge: TestBridge, name: str) -> str:
    """Send an advertisement to her telephone; what became of it."""
    await bridge.send(SendMessage(to=PHONE, body="20 % off", purpose=Purpose.MARKETING), "phone", id=name)
    await bridge.settle(HOUR)
    [row] = await bridge.journal.deliveries(event=name)
    return row.state.value


async def main() -> None:
    """Meet Ann four times, and look at her card; then she has enough, and is forgotten."""
    connectors = [connector for found in (shopify, square, twilio, mailchimp) for connector in found()]
    bridge = TestBridge(TOML, connectors=connectors, look_every=HOUR)
    bridge.config.require()
    shop, till, phone, news = (sandbox(bridge, name) for name in ("webshop", "till", "phone", "newsletter"))
    assert isinstance(shop, ShopifySandbox)
    assert isinstance(till, SquareSandbox)
    assert isinstance(phone, TwilioSandbox)
    assert isinstance(news, MailchimpSandbox)

    async with bridge:
        await bridge.settle(60)

        ann = shop.store.add_customer(email=ANN, phone=PHONE, first_name="Ann", subscribed=True)
        number = ann["id"].rpartition("/")[2]
        shop.place_order({"id": number, "email": ANN, "phone": PHONE, "first_name": "Ann", "last_name": ""})
        await bridge.settle(HOUR)

        made = at_the_till(till, "/v2/customers", {"email_address": ANN, "phone_number": PHONE, "given_name": "Ann"})
        line = {"name": "Umbrella", "quantity": "1", "base_price_money": {"amount": 9900, "currency": "EUR"}}
        order = {"location_id": "L-MAIN", "customer_id": made["customer"]["id"], "line_items": [line]}
        at_the_till(till, "/v2/orders", {"order": order})
        await bridge.settle(HOUR)

        phone.incoming(PHONE, OURS, "Is my parcel on its way?")
        await bridge.settle(HOUR)
        await bridge.send(
            SendMessage(to=PHONE, body="It comes tomorrow.", purpose=Purpose.SERVICE), "phone", id="answer"
        )
        await bridge.settle(HOUR)

        phone.incoming(PHONE, OURS, "START")
        news.audience.joins(ANN, {"FNAME": "Ann"})
        await bridge.settle(HOUR)

        card = await bridge.context(ANN)
        print("known by:", ", ".join(sorted({reference.channel for reference in card.references})))
        print("profile:", ", ".join(f"{name} ({fact.channel})" for name, fact in sorted(card.profile.items())))
        print("open orders:", len(card.orders))
        print("conversation:", " / ".join(message.body or "" for message in card.conversation))
        print("consents:", ", ".join(sorted(f"{c.medium} {c.purpose} {c.state}" for c in card.consents)))
        print("timeline:", ", ".join(sorted({f"{one.channel} {one.type}" for one in card.timeline})))

        print("an offer:", await offered(bridge, "spring"))
        phone.incoming(PHONE, OURS, "STOP")
        await bridge.settle(HOUR)
        [sms] = [permission for permission in await bridge.consent(PHONE) if permission.medium == "sms"]
        print("decided:", ", ".join(f"{d.state} ({d.channel})" for d in sms.decisions if d.refused is None))
        print("told that it ended:", ", ".join(f"{notice.channel} {notice.state}" for notice in sms.notices))
        print("an offer:", await offered(bridge, "summer"))

        number = await bridge.erase(ANN)
        await bridge.settle(HOUR)
        [erasure] = await bridge.journal.erasures()
        print("erasure:", ", ".join(f"{channel} {how}" for channel, how in sorted(erasure.report.items())))
        if erasure.state is ErasureState.WAITING:  # what a system cannot do by its API is done by hand, and said
            await settle_erasure(bridge.journal, number)
            bridge.wake()
            await bridge.settle(HOUR)
            [erasure] = await bridge.journal.erasures()
        print("it is", erasure.state.value)
        try:
            await bridge.context(ANN)
        except UnknownItem as nobody:
            print("Ann:", nobody.what)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    anyio.run(main)
