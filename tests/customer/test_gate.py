"""No message that a person did not allow leaves: the gate is asked at the moment of sending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from small_shop import NOW, ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.connector import Fault, Response
from omnibridge.model import Consent, ConsentState, Medium, Proof, Purpose, SendMessage, consent_key
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
PHONE = "+4533123456"
TOML = one_shop("collects_consent = true")


def bridge() -> tuple[TestBridge, ShopSandbox]:
    box = ShopSandbox()
    return TestBridge(TOML, connectors=[small_shop()], sandboxes={"shop.example": box}), box


def consent(
    state: str, days: int = 0, contact: str = PHONE, medium: Medium = Medium.SMS, purpose: Purpose = Purpose.MARKETING
) -> dict[str, Any]:
    at = NOW + timedelta(days=days)
    entity = Consent(
        contact=contact,
        medium=medium,
        purpose=purpose,
        state=ConsentState(state),
        proof=Proof(source="form", at=at),
        changed_at=at,
    )
    return seen(entity, consent_key(contact, medium, purpose), at)


def message(purpose: str = "marketing", to: str = PHONE, medium: str = "sms") -> SendMessage:
    return SendMessage.model_validate({"to": to, "medium": medium, "body": "Sale!", "purpose": purpose})


async def states(running: TestBridge) -> list[str]:
    return [row.state.value for row in reversed(await running.journal.deliveries())]


@pytest.mark.parametrize("state", [None, "unknown", "pending", "denied", "withdrawn", "expired"])
async def test_marketing_needs_a_granted_permission(state):
    running, box = bridge()
    async with running:
        if state is not None:
            await running.receive(webhook(consent(state)))
        await running.send(message(), "shop", id="m1")
        await running.settle(60)
        assert box.messages == []
        [row] = await running.journal.deliveries()
        assert row.state == "refused"
        assert row.last is not None
        assert row.last.text == f"no granted consent for marketing by sms: it is {state or 'unknown'}"


async def test_with_a_permission_it_leaves():
    running, box = bridge()
    async with running:
        await running.receive(webhook(consent("granted")))
        await running.send(message(), "shop", id="m1")
        await running.settle(5)
        assert len(box.messages) == 1


@pytest.mark.parametrize("purpose", ["transactional", "service"])
async def test_what_answers_a_person_needs_none(purpose):
    running, box = bridge()
    async with running:
        await running.receive(webhook(consent("withdrawn")))
        await running.send(message(purpose), "shop", id="m1")
        await running.settle(5)
        assert len(box.messages) == 1


@pytest.mark.parametrize(
    "other",
    [
        consent("granted", contact="+4533123457"),
        consent("granted", medium=Medium.WHATSAPP),
        consent("granted", contact="anna@example.com", medium=Medium.EMAIL),
        consent("granted", purpose=Purpose.SERVICE),
    ],
    ids=["another number", "another medium", "an email address", "another purpose"],
)
async def test_a_permission_is_for_one_contact_point_medium_and_purpose(other):
    running, box = bridge()
    async with running:
        await running.receive(webhook(other))
        await running.send(message(), "shop", id="m1")
        await running.settle(5)
        assert box.messages == []


async def test_a_withdrawal_stops_what_is_waiting_already():
    running, box = bridge()
    async with running:
        await running.receive(webhook(consent("granted")))
        box.faults.append(Fault(Response(503, {"retry-after": "60"})))
        await running.send(message(), "shop", id="m1")
        await running.settle(10)
        assert await states(running) == ["ready"]
        await running.receive(webhook(consent("withdrawn", days=1)))
        await running.settle(600)
        assert await states(running) == ["refused"]
        assert box.messages == []


async def test_after_a_new_permission_an_operator_may_replay_it():
    running, box = bridge()
    async with running:
        await running.send(message(), "shop", id="m1")
        await running.settle(5)
        [row] = await running.journal.deliveries()
        await running.receive(webhook(consent("granted")))
        await running.settle(5)
        assert box.messages == []  # nothing is sent late by itself
        assert await running.journal.replay([row.id], running.clock.now()) == 1
        running.wake()
        await running.settle(5)
        assert len(box.messages) == 1


async def test_a_refusal_holds_nothing_up():
    running, box = bridge()
    async with running:
        await running.send(message(), "shop", id="m1")
        await running.send(message("transactional"), "shop", id="m2")
        await running.settle(5)
        assert await states(running) == ["refused", "done"]
        assert len(box.messages) == 1
