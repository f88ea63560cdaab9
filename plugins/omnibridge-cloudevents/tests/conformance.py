"""What the conformance kit is told of a CloudEvents endpoint: two secrets, each form in and out, and the answers."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from omnibridge_cloudevents import signature
from omnibridge_cloudevents.sandbox import CloudEventsSandbox, webhook
from omnibridge_cloudevents.settings import CloudEventsSettings

from omnibridge.connector import Class, Inbound, Request, Response, Upsert
from omnibridge.event import Event
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REQUIRED = [f"{place}{name}" for place in ("", "[].") for name in ("specversion", "id", "source", "type")]
URL = "https://bridge.example.com/in/conformance"


def secret(name: str) -> str:
    """A made-up secret."""
    return "whsec_" + base64.b64encode(f"made-up secret of the {name}".encode()).decode()


def event(number: int) -> Event:
    """Something that happened elsewhere."""
    data = {"amount": "12.50", "n": number}
    return Event.make("com.example.thing.done", data, id=str(number), source="/things", subject="a thing", time=NOW)


def arrival(name: str, id_: str, *events: Event, mode: str = "structured") -> Arrival:
    """A webhook with these events."""
    made = webhook(URL, *events, mode=mode)  # pyright: ignore[reportArgumentType]
    return Arrival(name=name, body=made.body, headers={**made.headers, signature.ID: id_}, required=REQUIRED)


def signed(settings: CloudEventsSettings, inbound: Inbound) -> Inbound:
    """The delivery as Standard Webhooks signs it."""
    seconds = str(int(inbound.received.timestamp()))
    made = signature.sign(settings.inbound_keys[:1], inbound.headers[signature.ID], seconds, inbound.body)
    headers = {**inbound.headers, signature.TIMESTAMP: seconds, signature.SIGNATURE: made}
    return replace(inbound, headers=headers)


CONFORMANCE: Conformance[CloudEventsSettings] = Conformance(
    connector="cloudevents",
    settings={
        "url": "https://receiver.example.com/events",
        "target_secret": secret("target"),
        "bearer_token": "made-up-bearer-token",
        "secrets": (secret("sender"), secret("sender before")),
        "origin": "bridge.example.com",
    },
    now=NOW,
    sign=signed,
    sandbox=lambda settings: CloudEventsSandbox(settings, lambda: NOW),
    arrivals=(
        arrival("structured", "msg_1", event(1)),
        arrival("binary", "msg_2", event(2), mode="binary"),
        arrival("batch", "msg_3", event(3), event(4), mode="batch"),
    ),
    writes=(Write(name="event", value=event(5)),),
    answers=(
        Answer(name="taken", response=Response(204), means=Class.OK),
        Answer(
            name="busy",
            response=Response(429, {"retry-after": "120"}),
            means=Class.RETRY,
            after=timedelta(seconds=120),
        ),
        Answer(name="wrong-token", response=Response(401), means=Class.EXPIRED),
        Answer(name="another-form", response=Response(415), means=Class.PERMANENT),
        Answer(name="gone", response=Response(410), means=Class.PERMANENT),
        Answer(
            name="no-consent",
            response=Response(200),
            means=Class.RETRY,
            request=Request(
                "OPTIONS",
                "/",
                headers={"webhook-request-origin": "bridge.example.com"},
                step="ask",
                protection=Upsert(),
            ),
        ),
    ),
    without={
        "privacy-told": "events are passed on as they are; what one means is its sender's",
        "deletions-told": "events are passed on as they are; what one means is its sender's",
        "credential-renewed": "the receiver's consent is kept as a credential, and sent to nobody",
    },
)
