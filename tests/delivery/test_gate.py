"""The consent gate, asked at the moment of sending: unknown is not granted, and a withdrawal stops at once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from toy_shop import Shop, ShopSettings, bridge_to, only, toy, webhook

from omnibridge.connector import Delivery, Fault, Http, Inbound, Outgoing, Receipt, Response, Snapshot, Upsert, deliver
from omnibridge.journal import DeliveryState
from omnibridge.model import Consent, ConsentState, Medium, Proof, Purpose, SendMessage, consent_key
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends

NUMBER = "+4520123456"
AT = datetime(2025, 12, 1, tzinfo=UTC)
TILL = '[channels.till]\nconnector = "till"\ncollects_consent = {}'


async def send(settings: ShopSettings, command: SendMessage, delivery: Delivery, http: Http) -> Receipt:
    await http.post("/messages", json={"to": command.to, "body": command.body}, protection=Upsert())
    return Receipt()


def consents(settings: ShopSettings, inbound: Inbound) -> list[Snapshot]:
    said: Any = inbound.json()
    at = AT + timedelta(hours=said["version"])
    seen = Consent(
        contact=said["to"],
        medium=Medium(said["medium"]),
        state=ConsentState(said["state"]),
        proof=Proof(source="till", at=at),
        changed_at=at,
    )
    return [Snapshot(seen, consent_key(said["to"], Medium(said["medium"])), said["version"])]


def connectors() -> tuple[Any, Any]:
    sms = toy(None, deliver(SendMessage, send))
    return sms, dataclasses.replace(toy(webhook=webhook(consents)), name="till")


def bridging(shop: Shop, *, collects: str = "true") -> Any:
    return bridge_to(shop, *connectors(), more=TILL.format(collects))


async def says(bridge: TestBridge, state: str, version: int, to: str = NUMBER, medium: str = "sms") -> None:
    """The till reports a permission."""
    body = f'{{"to": "{to}", "medium": "{medium}", "state": "{state}", "version": {version}}}'
    reply = await bridge.receive(Outgoing("http://b/in/till", {"x-id": f"{to}-{medium}-{version}"}, body.encode()))
    assert reply.status == 200
    await bridge.settle()


async def ask(bridge: TestBridge, id: str, purpose: Purpose = Purpose.MARKETING, to: str = NUMBER) -> None:
    await bridge.send(SendMessage(to=to, medium=Medium.SMS, body=id, purpose=purpose), "shop", id=id)
    await bridge.settle()


def said(shop: Shop) -> list[str]:
    return [body["body"] for body in shop.bodies]


async def test_without_a_known_permission_nothing_leaves():
    shop = Shop()
    async with bridging(shop) as bridge:
        await ask(bridge, "sale")
        row = await only(bridge)
        await bridge.settle(60)
    assert row.state is DeliveryState.REFUSED
    assert row.last is not None
    assert row.last.text == "no granted consent for marketing by sms: it is unknown"
    assert shop.log == []


@pytest.mark.parametrize("purpose", [Purpose.TRANSACTIONAL, Purpose.SERVICE])
async def test_what_answers_a_person_needs_none(purpose):
    shop = Shop()
    async with bridging(shop) as bridge:
        await says(bridge, "withdrawn", 1)
        await ask(bridge, "your parcel", purpose)
    assert said(shop) == ["your parcel"]


@pytest.mark.parametrize("state", list(ConsentState))
async def test_only_granted_is_granted(state):
    shop = Shop()
    async with bridging(shop) as bridge:
        await says(bridge, state, 1)
        await ask(bridge, "sale")
        row = await only(bridge)
    granted = state is ConsentState.GRANTED
    assert said(shop) == (["sale"] if granted else [])
    assert row.state is (DeliveryState.DONE if granted else DeliveryState.REFUSED)


async def test_a_grant_for_another_medium_or_person_is_none():
    shop = Shop()
    async with bridging(shop) as bridge:
        await says(bridge, "granted", 1, medium="whatsapp")
        await says(bridge, "granted", 1, to="+4520999999")
        await ask(bridge, "sale")
    assert said(shop) == []


async def test_a_channel_that_does_not_collect_consent_cannot_grant():
    shop = Shop()
    async with bridging(shop, collects="false") as bridge:
        await says(bridge, "granted", 1)
        await ask(bridge, "sale")
    assert said(shop) == []


async def test_a_withdrawal_stops_at_once_what_waits_already():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "20"})))
    async with bridging(shop) as bridge:
        await says(bridge, "granted", 1)
        await ask(bridge, "sale")
        assert len(shop.log) == 1  # tried, and put off by the vendor
        await says(bridge, "withdrawn", 2)
        await bridge.settle(60)
        row = await only(bridge)
    assert len(shop.log) == 1
    assert row.state is DeliveryState.REFUSED


async def test_an_old_grant_that_comes_late_does_not_undo_a_withdrawal():
    shop = Shop()
    async with bridging(shop) as bridge:
        await says(bridge, "withdrawn", 5)
        await says(bridge, "granted", 3)
        await ask(bridge, "sale")
    assert shop.log == []


async def test_a_refusal_does_not_hold_up_the_lane_and_can_be_replayed_after_a_grant():
    shop = Shop()
    async with bridging(shop) as bridge:
        await ask(bridge, "sale")
        await ask(bridge, "your parcel", Purpose.TRANSACTIONAL)
        assert said(shop) == ["your parcel"]
        await says(bridge, "granted", 1)
        (refused,) = await bridge.journal.deliveries(channel="shop", state="refused")
        assert await bridge.journal.replay([refused.id], bridge.clock.now()) == 1
        bridge.wake()
        await bridge.settle()
    assert said(shop) == ["your parcel", "sale"]
