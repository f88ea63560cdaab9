"""A withdrawal counts from anywhere, reaches every channel that can take it, and stays on record with its proof."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from small_shop import NOW, ShopSandbox, seen, small_shop, webhook

from omnibridge.connector import AnyConnector, Delivery, Http, Receipt, Upsert, deliver
from omnibridge.customer import Permission
from omnibridge.errors import Permanent, UnknownItem
from omnibridge.model import Basis, Consent, ConsentState, Medium, Proof, Purpose, SendMessage, consent_key
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
MAIL = "ann@example.com"
TOML = """
[channels.shop]
connector = "shop"
collects_consent = true
[channels.till]
connector = "shop"
[channels.news]
connector = "news"
settings.url = "https://news.example"
[channels.list]
connector = "news"
settings.url = "https://list.example"
"""


async def write(settings: Any, consent: Consent, delivery: Delivery, http: Http) -> Receipt:
    answer = await http.put(f"/consents/{consent.contact}", json={"state": consent.state}, protection=Upsert())
    if not answer.ok:
        raise Permanent("refused there")
    return Receipt(note=f"now {consent.state}")


def news() -> AnyConnector:
    return dataclasses.replace(small_shop(), name="news", delivers=(deliver(Consent, write),))


class Boxes:
    def __init__(self) -> None:
        self.shop, self.news, self.list = ShopSandbox(), ShopSandbox(), ShopSandbox()

    def bridge(self, more: str = "") -> TestBridge:
        hosts = {"shop.example": self.shop, "news.example": self.news, "list.example": self.list}
        return TestBridge(TOML + more, connectors=[small_shop(), news()], sandboxes=hosts)


def consent(state: str, days: float = 0, **more: Any) -> Consent:
    at = NOW + timedelta(days=days)
    fields: dict[str, Any] = {"contact": MAIL, "medium": Medium.EMAIL, "state": ConsentState(state), "changed_at": at}
    return Consent.model_validate({**fields, "proof": Proof(source="form", at=at, detail="Send me offers"), **more})


async def says(bridge: TestBridge, state: str, days: float = 0, channel: str = "shop", **more: Any) -> None:
    said = consent(state, days, **more)
    item = seen(said, consent_key(said.contact, said.medium, said.purpose), NOW + timedelta(days=days))
    assert (await bridge.receive(webhook(item, channel=channel))).status == 200
    await bridge.settle(1)


async def advertise(bridge: TestBridge, id: str, to: str = MAIL) -> str:
    message = SendMessage(to=to, medium=Medium.EMAIL, body="Sale!", purpose=Purpose.MARKETING)
    await bridge.send(message, "shop", id=id)
    await bridge.settle(1)
    [row] = await bridge.journal.deliveries(event=id)
    return row.state.value


async def one(bridge: TestBridge) -> Permission:
    [permission] = await bridge.consent(MAIL)
    return permission


# -- the ledger ------------------------------------------------------------------------------------------------------


async def test_every_decision_stays_with_its_proof():
    async with Boxes().bridge() as bridge:
        await says(bridge, "granted", 1, basis=Basis.SINGLE_OPT_IN)
        await says(bridge, "withdrawn", 2, "till", proof=Proof(source="till", detail="told the clerk"))
        await says(bridge, "granted", 3)
        permission = await one(bridge)
    assert (permission.state, permission.since) == ("granted", NOW + timedelta(days=3))
    assert [(d.state.value, d.channel, d.at, d.refused) for d in permission.decisions] == [
        ("granted", "shop", NOW + timedelta(days=1), None),
        ("withdrawn", "till", NOW + timedelta(days=2), None),
        ("granted", "shop", NOW + timedelta(days=3), None),
    ]
    assert [d.proof.detail for d in permission.decisions if d.proof] == [
        "Send me offers",
        "told the clerk",
        "Send me offers",
    ]
    assert permission.decisions[0].basis is Basis.SINGLE_OPT_IN


async def test_the_proof_of_a_grant_does_not_become_that_of_a_withdrawal():
    async with Boxes().bridge() as bridge:
        await says(bridge, "granted", 1, basis=Basis.DOUBLE_OPT_IN)
        item = seen(Consent(contact=MAIL, medium=Medium.EMAIL, state=ConsentState.WITHDRAWN), f"email:marketing:{MAIL}")
        await bridge.receive(webhook(item, channel="till"))
        await bridge.settle(1)
        [event] = [stored.event for stored in await bridge.journal.events(type="io.omnibridge.consent.withdrawn.v1")]
    withdrawn = event.parse()
    assert isinstance(withdrawn, Consent)
    assert (withdrawn.basis, withdrawn.proof) == (None, None)
    assert withdrawn.changed_at == NOW + timedelta(seconds=1)  # when we heard of it


async def test_a_copy_is_on_record_as_what_it_is():
    async with Boxes().bridge() as bridge:
        for days in range(3):
            await says(bridge, "granted", days, "till")
        permission = await one(bridge)
    assert permission.state == "unknown"
    [copy] = permission.decisions
    assert (copy.at, copy.refused) == (
        NOW + timedelta(days=2),
        "this channel does not collect consent, so it is a copy",
    )


async def test_a_repetition_is_no_further_decision():
    async with Boxes().bridge() as bridge:
        await says(bridge, "withdrawn", 1)
        await says(bridge, "granted", 2)
        await says(bridge, "withdrawn", 1)  # the vendor tells it once more
        permission = await one(bridge)
    assert [d.state.value for d in permission.decisions] == ["withdrawn", "granted"]
    assert permission.state == "granted"


async def test_a_channel_that_says_back_what_it_was_told_decides_nothing():
    async with Boxes().bridge() as bridge:
        await says(bridge, "granted", 0)
        await says(bridge, "withdrawn", 1)
        await says(bridge, "withdrawn", 1, "news", proof=Proof(source="news"))
        await says(bridge, "withdrawn", 2, "till")
        permission = await one(bridge)
    assert [(d.state.value, d.channel) for d in permission.decisions] == [
        ("granted", "shop"),
        ("withdrawn", "shop"),
        ("withdrawn", "till"),
    ]


async def test_the_ledger_outlives_what_retention_removes():
    async with Boxes().bridge("\n[retention]\nsettled_days = 0.0001\n") as bridge:
        await says(bridge, "granted", 0)
        await says(bridge, "withdrawn", 1)
        await bridge.settle(30)
        await bridge.retain()
        assert len(await bridge.journal.events()) == 1  # the newest row always stays
        permission = await one(bridge)
    assert [d.state.value for d in permission.decisions] == ["granted", "withdrawn"]


async def test_whoever_is_no_contact_point_is_told_so():
    async with Boxes().bridge() as bridge:
        assert await bridge.consent("nobody@example.com") == []
        with pytest.raises(UnknownItem, match="no email address"):
            await bridge.consent("Ann")


# -- from anywhere ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [{}, {"state": "withdrawn"}, {"state": "granted"}], ids=["bare", "said", "at odds"])
async def test_a_withdrawal_that_a_program_publishes_counts(data):
    boxes = Boxes()
    async with boxes.bridge() as bridge:
        await says(bridge, "granted", 0)
        assert await advertise(bridge, "a") == "done"
        said = {"contact": "Ann@Example.com", "medium": "email", **data}
        assert await bridge.publish(bridge.event("consent.withdrawn", said, id="w1"))
        await bridge.settle(1)
        assert await advertise(bridge, "b") == "refused"
        permission = await one(bridge)
        [event] = [stored.event for stored in await bridge.journal.events(type="io.omnibridge.consent.withdrawn.v1")]
    assert permission.state == "withdrawn"
    assert permission.decisions[-1].channel == "events"
    assert permission.decisions[-1].event == event.id == "w1"  # it is that event, and no second one beside it
    assert [request.path for request in boxes.news.log] == ["/consents/Ann@Example.com"]


async def test_a_grant_that_a_program_publishes_changes_nothing():
    async with Boxes().bridge() as bridge:
        said = {"contact": MAIL, "medium": "email", "state": "granted", "changed_at": "2026-01-05T10:00:00Z"}
        await bridge.publish(bridge.event("consent.granted", said, id="g1"))
        await bridge.settle(1)
        assert await advertise(bridge, "a") == "refused"
        permission = await one(bridge)
    assert permission.state == "unknown"
    assert permission.decisions[0].refused == "this channel does not collect consent, so it is a copy"


async def test_a_withdrawal_that_cannot_be_read_is_shown_and_not_lost():
    async with Boxes().bridge() as bridge:
        await bridge.publish(bridge.event("consent.withdrawn", {"contact": MAIL, "medium": "pigeon"}, id="w1"))
        await bridge.settle(1)
        [row] = await bridge.journal.inbox(state="invalid")
    assert row.error is not None
    assert "medium" in row.error
    assert MAIL not in row.error


async def test_who_never_knew_takes_nothing_back_and_who_forgets_does():
    async with Boxes().bridge() as bridge:
        await says(bridge, "granted", 0)
        await says(bridge, "unknown", 1, "till")
        assert (await one(bridge)).state == "granted"
        await says(bridge, "unknown", 2, "shop")
        assert (await one(bridge)).state == "unknown"


# -- to everywhere ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["withdrawn", "denied", "expired"])
async def test_what_ends_reaches_every_channel_that_can_take_it_without_a_route(state):
    boxes = Boxes()
    async with boxes.bridge() as bridge:
        await says(bridge, "granted", 0)
        assert boxes.news.log == []  # a grant goes only where a route says
        await says(bridge, state, 1, "till")
        permission = await one(bridge)
    assert [len(box.log) for box in (boxes.news, boxes.list, boxes.shop)] == [1, 1, 0]
    assert [(notice.channel, notice.state, notice.text) for notice in permission.notices] == [
        ("list", "done", f"now {state}"),
        ("news", "done", f"now {state}"),
        ("shop", "cannot", None),
        ("till", "source", None),
    ]


async def test_a_route_that_names_a_channel_too_does_not_double_it():
    boxes = Boxes()
    more = '\n[[routes]]\nname = "news"\nevents = ["consent.*"]\nto = ["news"]\n'
    async with boxes.bridge(more) as bridge:
        await says(bridge, "withdrawn", 1)
        rows = await bridge.journal.deliveries()
    assert {(row.channel, row.route) for row in rows} == {("news", "news"), ("list", "every withdrawal")}
    assert len(boxes.news.log) == len(boxes.list.log) == 1


async def test_the_channel_that_told_of_it_is_not_told():
    boxes = Boxes()
    async with boxes.bridge() as bridge:
        await says(bridge, "withdrawn", 1, "news")
    assert boxes.news.log == []
    assert len(boxes.list.log) == 1


async def test_two_customers_who_become_one_keep_the_strictest_word_about_each_contact():
    """A withdrawal is about the contact point: whoever it turns out to belong to, it stays."""
    async with Boxes().bridge() as bridge:
        await says(bridge, "granted", 0, customer={"kind": "customer", "external_id": "c1"})
        await says(bridge, "withdrawn", 1, "till", customer={"kind": "customer", "external_id": "t9"})
        assert await advertise(bridge, "a", to="ANN@example.com") == "refused"
        assert (await one(bridge)).state == "withdrawn"
