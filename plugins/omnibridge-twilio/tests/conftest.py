"""One account, one moment, and the few things that every test of this connector does."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.settings import Twilio

from omnibridge.connector import Delivery, Effect, Inbound, Outgoing
from omnibridge.event import Event
from omnibridge.model import SendMessage, full_type
from omnibridge.testing import Drive

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
KEY = "5f0c3a52-9a0e-5e5b-8c9e-0f6a3c1d2b4e"

Make = Callable[..., Twilio]


@pytest.fixture
def make() -> Make:
    """Settings with something of everything; keyword arguments replace."""

    def settings(**other: Any) -> Twilio:
        base: dict[str, Any] = {
            "account_sid": "AC" + "0" * 31 + "1",
            "auth_token": "12345",
            "from_number": "+15558675310",
            "whatsapp_from": "whatsapp:+15558675311",
            "callback_url": "https://shop.example.com/in/sms",
        }
        return Twilio.model_validate({name: value for name, value in {**base, **other}.items() if value is not None})

    return settings


@pytest.fixture
def settings(make: Make) -> Twilio:
    """The usual settings."""
    return make()


@pytest.fixture
def sandbox(settings: Twilio) -> TwilioSandbox:
    """An account without messages, at NOW."""
    return TwilioSandbox(settings, lambda: NOW)


@pytest.fixture
def at(settings: Twilio, sandbox: TwilioSandbox) -> Drive[Twilio]:
    """Runs coroutines against the sandbox at NOW."""
    return Drive(CONNECTOR, settings, sandbox, now=NOW)


def received(sent: Outgoing, when: datetime = NOW) -> Inbound:
    """What the sandbox sent, as it comes in."""
    return Inbound("sms", sent.url, sent.headers, sent.body, when)


def delivery(command: SendMessage, **other: Any) -> Delivery:
    """A delivery of a command that was given at NOW."""
    event = Event.make(full_type("command.message.send"), command, id="e1", source="/t/flow/x", time=NOW)
    return Delivery(**{"key": KEY, "channel": "sms", "event": event, **other})


@types.coroutine
def watch(coroutine: Coroutine[Any, Any, Any], effects: list[Effect], *, stop: int | None = None) -> Any:
    """The same coroutine, each effect written down; before the effect number `stop` it is cut off."""
    answer, failure = None, None
    while True:
        try:
            effect = coroutine.throw(failure) if failure is not None else coroutine.send(answer)
        except StopIteration as end:
            return end.value
        if len(effects) == stop:
            coroutine.close()
            raise InterruptedError
        effects.append(effect)
        answer, failure = None, None
        try:
            answer = yield effect
        except Exception as error:
            failure = error


@pytest.fixture
def watched() -> Callable[..., Any]:
    """`watch`."""
    return watch


@pytest.fixture(name="received")
def _received() -> Callable[..., Inbound]:
    return received


@pytest.fixture(name="deliver")
def _deliver() -> Callable[..., Delivery]:
    return delivery
