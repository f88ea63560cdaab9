"""The card of a customer: everything about them from all channels, each field with its source, nothing of others."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from small_shop import NOW, ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.errors import UnknownItem
from omnibridge.model import (
    Consent,
    ConsentState,
    Customer,
    Direction,
    LoyaltyAccount,
    Medium,
    Message,
    MessageState,
    Money,
    Order,
    OrderStatus,
    OrderTotals,
    Proof,
    Ref,
    consent_key,
)
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
MAIL, PHONE = "ann@example.com", "+4533123456"
TILL = '\n[channels.till]\nconnector = "shop"\n'
ANN = Ref(kind="customer", external_id="c1")


def bridge() -> TestBridge:
    toml = one_shop("collects_consent = true", TILL)
    return TestBridge(toml, connectors=[small_shop()], sandboxes={"shop.example": ShopSandbox()})


def order(number: str, status: str = "open", buyer: Ref = ANN) -> Order:
    total = Money.model_validate({"amount": "99.50", "currency": "DKK"})
    return Order(
        number=number, status=OrderStatus(status), currency="DKK", totals=OrderTotals(total=total), buyer=buyer
    )


def message(body: str, minutes: int, **more: Any) -> Message:
    fields: dict[str, Any] = {
        "direction": Direction.INBOUND,
        "medium": Medium.SMS,
        "sender": PHONE,
        "state": MessageState.RECEIVED,
        "sent_at": NOW + timedelta(minutes=minutes),
    }
    return Message.model_validate({**fields, "body": body, **more})


async def hears(running: TestBridge, *items: dict[str, Any], channel: str = "shop") -> None:
    assert (await running.receive(webhook(*items, channel=channel))).status == 200
    await running.settle(1)


async def met(running: TestBridge) -> None:
    """Ann in the shop with two orders, a message and a permission; somebody else beside her."""
    ann = Customer(given_name="Ann", email=MAIL, phone=PHONE, attributes={"size": "M"})
    await hears(running, seen(ann, "c1", NOW), seen(Customer(given_name="Bob"), "c2", NOW))
    await hears(running, seen(order("1001"), "o1", 1), seen(order("1002", "completed"), "o2", 1))
    await hears(running, seen(order("2001", buyer=Ref(kind="customer", external_id="c2")), "o3", 1))
    await hears(running, seen(message("Where is my parcel?", 5, customer=ANN.model_dump()), "m1", 1))
    at = NOW + timedelta(minutes=7)
    proof = Proof(source="form", at=at)
    yes = Consent(contact=MAIL, medium=Medium.EMAIL, state=ConsentState.GRANTED, proof=proof, changed_at=at)
    await hears(running, seen(yes, consent_key(MAIL, Medium.EMAIL), at))


async def test_everything_about_one_customer_and_nothing_of_another():
    async with bridge() as running:
        await met(running)
        card = await running.context("shop:c1")
    assert {name: fact.value for name, fact in card.profile.items()} == {
        "given_name": "Ann",
        "email": MAIL,
        "phone": PHONE,
        "attributes.size": "M",
    }
    assert [(reference.channel, reference.external_id) for reference in card.references] == [("shop", "c1")]
    assert [o.number for o in card.orders] == ["1001"]  # the other one is done
    assert [m.body for m in card.conversation] == ["Where is my parcel?"]
    assert [(c.contact, c.medium, c.state) for c in card.consents] == [(MAIL, "email", "granted")]
    assert [(one.type, one.what) for one in card.timeline] == [
        ("consent.granted", "email granted"),
        ("message.received", "inbound sms received Where is my parcel?"),
        ("order.placed", "1002 99.50 DKK"),
        ("order.placed", "1001 99.50 DKK"),
        ("customer.created", ""),
    ]
    assert card.more is None


async def test_each_field_says_whose_word_it_is_and_since_when():
    async with bridge() as running:
        await met(running)
        id_ = (await running.context("shop:c1")).id
        later = NOW + timedelta(seconds=2)
        await hears(running, seen(Customer(given_name="Anna"), "t9", later, ours=id_), channel="till")
        profile = (await running.context(id_)).profile
    assert (profile["given_name"].value, profile["given_name"].channel, profile["given_name"].at) == (
        "Anna",
        "till",
        later,
    )
    assert (profile["email"].channel, profile["email"].at) == ("shop", NOW)


async def test_what_was_sent_to_their_address_is_theirs_too():
    async with bridge() as running:
        await met(running)
        await running.publish(
            running.event("command.message.send", {"to": PHONE, "medium": "sms", "body": "Hi"}, id="1", target="till")
        )
        await running.settle(1)
        card = await running.context("shop:c1")
    assert card.timeline[0].type == "command.message.send"


async def test_a_timeline_has_pages_that_neither_miss_nor_repeat():
    async with bridge() as running:
        await met(running)
        for n in range(7):
            await hears(running, seen(order(f"3{n}"), f"p{n}", 1))
        whole = [one.id for one in (await running.context("shop:c1", limit=100)).timeline]
        pages: list[str] = []
        before = None
        while True:
            card = await running.context("shop:c1", before=before, limit=5)
            pages += [one.id for one in card.timeline]
            before = card.more
            if before is None:
                break
    assert len(whole) == 12
    assert pages == whole


async def test_who_is_unknown_is_said_with_what_to_do():
    async with bridge() as running:
        for who in ("shop:nobody", "nobody", "a@example.com"):
            with pytest.raises(UnknownItem, match="nobody is known by that"):
                await running.context(who)


def points_of(customer: str) -> LoyaltyAccount:
    return LoyaltyAccount(balance=Decimal(5), customer=Ref(kind="customer", external_id=customer))


async def test_the_number_of_reads_does_not_grow_with_what_there_is(monkeypatch):
    async with bridge() as running:
        await met(running)
        asked: list[str] = []
        read = running.journal._read  # type: ignore[attr-defined]

        async def counted(call: Any) -> Any:
            asked.append("read")
            return await read(call)

        monkeypatch.setattr(running.journal, "_read", counted)
        await running.context("shop:c1")
        few = len(asked)
        asked.clear()
        for n in range(30):
            await hears(running, seen(order(f"3{n}"), f"p{n}", 1), seen(points_of("c1"), f"l{n}", 1))
        asked.clear()
        card = await running.context("shop:c1")
    assert len(card.points) == 10
    assert few <= len(asked) <= few + 1 <= 8  # one more for all that may be gone again, where there is such
