"""What the tests of this connector share: a shop's settings, a moment, a buyer, and how a delivery looks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import graphql
import pytest
from omnibridge_shopify import CONNECTOR
from omnibridge_shopify.inbound import translate, verify
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


class Interrupted(BaseException):
    """The process dies."""


class Mortal(Drive):
    """Dies right after its nth effect, answer lost; `kept` is what was committed until then."""

    def _perform(self, effect, done):
        answer = super()._perform(effect, done)
        self.kept = done.kept
        self.lives -= 1
        if self.lives == 0:
            raise Interrupted
        return answer


def run_mortal(answers, make, lives):
    """Run until the `lives`th effect; (whether it came to its end, what was kept)."""
    drive = Mortal(CONNECTOR, SETTINGS, answers, NOW)
    drive.lives, drive.kept = lives, []
    try:
        drive.run(make)
    except Interrupted:
        return False, drive.kept
    return True, drive.kept


@pytest.fixture(scope="session")
def kit():
    """The names above, as test modules cannot import one another."""
    return SimpleNamespace(
        CONNECTOR=CONNECTOR,
        ShopifySandbox=ShopifySandbox,
        NOW=NOW,
        MINUTE=timedelta(minutes=1),
        SETTINGS=SETTINGS,
        BUYER=BUYER,
        inbound=inbound,
        delivery=delivery,
        sandbox=sandbox,
        run=run,
        translate=translate,
        verify=verify,
        run_mortal=run_mortal,
    )


@pytest.fixture(scope="session")
def judge(vendor_specs):
    """Shopify's own schema, applied to every request and every answer of a sandbox."""
    text = (vendor_specs / "shopify" / "graphql" / "admin_2026-10.commerce.graphql").read_text("utf-8")
    return Judge(graphql.build_schema(text))


@pytest.fixture
def shop(judge):
    """A fresh sandbox, whose every exchange is judged at the end of the test."""
    made = sandbox()
    answered = []
    handle = made.handle

    def listening(request):
        response = handle(request)
        answered.append((request, response))
        return response

    made.handle = listening
    yield made
    for request, response in answered:
        judge(request, response)


class Judge:
    """A request's document and variables fit the schema, and so does every field of the answer that was asked for."""

    def __init__(self, schema):
        self.schema = schema
        self.documents = {}

    def __call__(self, request, response):
        if "graphql" not in request.path or not request.body:
            return
        sent = json.loads(request.body)
        document = self.document(sent["query"])
        self.fits(document, sent.get("variables") or {})
        answer = json.loads(response.content) if response.ok else {}
        if answer.get("data") is not None:
            result = graphql.execute_sync(
                self.schema,
                document,
                root_value=answer["data"],
                variable_values=sent.get("variables"),
                field_resolver=lambda source, info, **_: source[info.field_name],
            )
            assert result.errors is None, (sent["operationName"], result.errors)

    def document(self, text):
        if text not in self.documents:
            document = graphql.parse(text)
            assert graphql.validate(self.schema, document) == []
            self.documents[text] = document
        return self.documents[text]

    def fits(self, document, variables):
        definition = document.definitions[0]
        values = graphql.execution.values.get_variable_values(
            self.schema, definition.variable_definitions or (), variables
        )
        assert isinstance(values, dict), values
        names = {each.variable.name.value for each in definition.variable_definitions or ()}
        assert variables.keys() <= names
