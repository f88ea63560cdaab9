"""Erasing somebody whom the real connectors know: nothing of them is left at a vendor that can erase, and who cannot
is named.

What stays is what a vendor keeps by its own rules, and it is told here by name: Twilio's list of who opted out and
Mailchimp's of whom it never takes back are what keep a person from being written to again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import omnibridge_mailchimp
import omnibridge_shopify
import omnibridge_square
import omnibridge_tryton
import omnibridge_twilio
from canary import recovered, traces, write_down
from omnibridge_mailchimp.sandbox import MailchimpSandbox
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_twilio.sandbox import TwilioSandbox

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.connector import Sandbox, SandboxRequest
from omnibridge.erasure import settle_erasure
from omnibridge.journal import ErasureState
from omnibridge.model import Purpose, SendMessage
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport

EMAIL, PHONE, NAME, OURS = "c4n4ry@example.com", "+4533123499", "Kanari", "+4580000001"
CANARIES = (EMAIL, PHONE, NAME)
PLUGINS = (omnibridge_mailchimp, omnibridge_shopify, omnibridge_square, omnibridge_tryton, omnibridge_twilio)
TOML = """
[bridge]
public_url = "https://hooks.acme.example"

[identity]
trusted = { webshop = ["email", "phone"], till = ["email", "phone"], newsletter = ["email"], phone = ["phone"] }

[channels.webshop]
connector = "shopify"
collects_consent = true
settings = { shop = "acme.myshopify.com", access_token = "t", webhook_secrets = ["s"], currency = "EUR" }

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
store_id = "shop"

[channels.books]
connector = "tryton"
settings = { base_url = "https://books.example", database = "omni", username = "admin", password = "p", location = "WH", fallback_product = "MISC" }

[[routes]]
name = "everybody"
events = ["customer.*"]
to = ["till", "newsletter", "books"]

[[routes]]
name = "what they bought"
events = ["order.*"]
from = ["webshop"]
to = ["newsletter"]
"""  # noqa: E501


class World:
    """A bridge on files and the five systems that it speaks with."""

    def __init__(self, bridge: Bridge, boxes: dict[str, Sandbox]) -> None:
        self.bridge, self.boxes = bridge, boxes

    async def settle(self) -> None:
        """Carry webhooks until nobody has one to send, and nothing is left to do."""
        while True:
            await self.bridge.idle()
            sent = [box.outbox.popleft() for box in self.boxes.values() for _ in range(len(box.outbox))]
            if not sent:
                return
            for outgoing in sent:
                path, _, query = outgoing.url.partition("?")
                channel, _, secret = path.partition("/in/")[2].partition("/")
                headers = {name.lower(): value for name, value in outgoing.headers.items()}
                answer = await self.bridge.ingress.webhook(
                    channel, secret or None, "POST", query, headers, outgoing.body
                )
                assert answer.status < 300, (channel, answer)

    async def erasure(self, number: int) -> tuple[ErasureState, dict[str, str]]:
        """How far an erasure is."""
        await self.settle()
        [found] = [one for one in await self.bridge.journal.erasures() if one.number == number]
        return found.state, dict(found.report)


def prepare(home: Path) -> None:
    home.mkdir()
    (home / "bridge.toml").write_text(TOML)


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    prepare(home)
    config = load(home / "bridge.toml", {}, Registry([one for m in PLUGINS for one in m.omnibridge_connectors()]))
    config.require()
    boxes: dict[str, Sandbox] = {}
    hosts: dict[str, Sandbox] = {}
    for name, channel in config.channels.items():
        connector = channel.connector
        assert connector.sandbox is not None
        assert connector.base_url is not None
        boxes[name] = connector.sandbox(channel.settings)
        hosts[urlsplit(connector.base_url(channel.settings)).netloc] = boxes[name]
    async with Bridge(config, transport=SandboxTransport(hosts)) as bridge:
        made = World(bridge, boxes)
        await made.settle()
        yield made


async def met_everywhere(at: World) -> None:
    """They shop on the web, pay at the till, write by SMS, subscribe, and opt out of SMS."""
    shop, till, phone, news = (at.boxes[name] for name in ("webshop", "till", "phone", "newsletter"))
    assert isinstance(shop, ShopifySandbox)
    assert isinstance(till, SquareSandbox)
    assert isinstance(phone, TwilioSandbox)
    assert isinstance(news, MailchimpSandbox)
    person = shop.store.add_customer(email=EMAIL, phone=PHONE, first_name=NAME, subscribed=True)
    number = person["id"].rpartition("/")[2]
    await at.settle()
    shop.place_order({"id": number, "email": EMAIL, "phone": PHONE, "first_name": NAME, "last_name": ""})
    await at.settle()
    [profile] = till.customers.values()
    order = {"location_id": "L-MAIN", "customer_id": profile["id"], "line_items": [
        {"name": "Umbrella", "quantity": "1", "base_price_money": {"amount": 9900, "currency": "EUR"}}]}  # fmt: skip
    body = json.dumps({"order": order}).encode()
    till.handle(SandboxRequest("POST", "/v2/orders", {"authorization": f"Bearer {till.token}"}, body))
    phone.incoming(PHONE, OURS, f"This is {NAME}. Is my parcel on its way?")
    await at.settle()
    said = SendMessage(to=PHONE, body=f"It comes tomorrow, {NAME}.", purpose=Purpose.SERVICE)
    await at.bridge.send(said, "phone", id="answer")
    phone.incoming(PHONE, OURS, "START")
    news.audience.joins(EMAIL, {"FNAME": NAME})
    await at.settle()


KEPT = {
    "phone.opted_out",  # so that Twilio refuses to write to them again
    "newsletter.audience.forgotten",  # so that Mailchimp never takes them back from an import; hashes
    "till._answers",  # what Square remembers of idempotency keys; no call reaches it
}
"""What no call can erase, at systems that can erase."""


def places(folder: Path) -> dict[str, set[str]]:
    """Which canaries stand in which part of which vendor, in whatever form."""
    found: dict[str, set[str]] = {}
    for trace in traces(folder, CANARIES):
        form_of, _, path = trace.partition(" in ")
        part = path.rpartition("/")[2].partition(" at ")[0]
        found.setdefault(part, set()).add(form_of.partition(" of ")[2])
    return found


def vendors(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same by vendor."""
    told: dict[str, set[str]] = {}
    for part, canaries in found.items():
        told.setdefault(part.partition(".")[0], set()).update(canaries)
    return told


async def test_whom_the_real_connectors_erase_is_nowhere_any_more(tmp_path):
    home, shown, everything = tmp_path / "home", tmp_path / "vendors", set(CANARIES)
    async with world(home) as at:
        await met_everywhere(at)
        await at.bridge.journal.backup(str(tmp_path / "before.db"))
        # The control: every vendor has them, the search finds it, and the keys read them in a backup.
        write_down(at.boxes, shown)
        had = vendors(places(shown))
        assert had == dict.fromkeys(("webshop", "till", "newsletter", "books"), everything) | {"phone": {PHONE, NAME}}
        assert recovered(tmp_path / "before.db", home, CANARIES) == everything

        number = await at.bridge.erase(EMAIL)
        state, report = await at.erasure(number)
        # Two of them have no call for it: they are named, and it waits for somebody to do it there by hand.
        assert state is ErasureState.WAITING
        assert {name: word for name, word in report.items() if word != "erased"} == {
            "webshop": "cannot: shopify erases nobody by its API; erase them there by hand",
            "books": "cannot: tryton erases nobody by its API; erase them there by hand",
        }
        assert {name for name, word in report.items() if word == "erased"} == {"till", "newsletter", "phone"}
        shutil.rmtree(shown)
        write_down(at.boxes, shown)
        left = places(shown)
        assert {part for part in left if part.partition(".")[0] not in ("webshop", "books")} <= KEPT
        assert {"webshop", "books"} <= set(vendors(left))  # nobody says of them that they erased
        shutil.rmtree(shown)

        await settle_erasure(at.bridge.journal, number)
        at.bridge.wake()
        assert (await at.erasure(number))[0] is ErasureState.DONE
    for database in (home / "omnibridge.db", tmp_path / "before.db"):
        assert recovered(database, home, CANARIES) == set()
    # Nor by a vendor's id that stands for an address: Mailchimp's is the hash of it, Twilio's the number itself.
    assert traces(tmp_path, CANARIES) == []
