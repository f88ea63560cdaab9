"""A conversation keeps its thread from chat to SMS to the shop, and after a long silence a new one begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import NOW, ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.customer import Speaker, Threads
from omnibridge.model import Customer, Direction, Medium, Message, MessageState
from omnibridge.testing import TestBridge

PHONE, MAIL = "+4533123456", "ann@example.com"
TOML = one_shop('[channels.chat]\nconnector = "shop"\n[channels.phone]\nconnector = "shop"\n')
ANN = {"kind": "customer", "external_id": "c1"}


def bridge() -> TestBridge:
    return TestBridge(TOML, connectors=[small_shop()], sandboxes={"shop.example": ShopSandbox()})


class Story:
    """Messages come in one after the other; `threads` are their conversations in the order in which they came."""

    def __init__(self, running: TestBridge) -> None:
        self.running = running
        self.ids: list[str] = []

    async def says(self, minutes: float, channel: str = "shop", medium: Medium = Medium.SMS, **more: Any) -> None:
        number = f"m{len(self.ids)}"
        fields: dict[str, Any] = {
            "direction": Direction.INBOUND,
            "medium": medium,
            "state": MessageState.RECEIVED,
            "sent_at": NOW + timedelta(minutes=minutes),
            "body": number,
        }
        said = Message.model_validate({**fields, **more})
        await self.running.receive(webhook(seen(said, number, 1), channel=channel))
        await self.running.settle(0.1)
        self.ids.append(number)

    async def threads(self) -> list[str]:
        events = await self.running.journal.events(type="io.omnibridge.message.received.v1", limit=1000)
        found = {stored.event.data["body"]: stored.event.data["conversation"]["id"] for stored in events}
        return [found[number] for number in self.ids]


def shape(threads: list[str]) -> str:
    """`aab` for two of one conversation and one of another."""
    letters: dict[str, str] = {}
    return "".join(letters.setdefault(thread, "abcdefgh"[len(letters)]) for thread in threads)


async def meet(running: TestBridge) -> str:
    """Ann in the shop, known by the chat too; her canonical id."""
    await running.receive(webhook(seen(Customer(given_name="Ann", phone=PHONE, email=MAIL), "c1", 1)))
    await running.settle(0.1)
    return (await running.context("shop:c1")).id


@pytest.mark.both_backends
async def test_it_moves_from_chat_to_sms_to_the_shop():
    async with bridge() as running:
        ann = await meet(running)
        await running.receive(webhook(seen(Customer(given_name="Ann"), "k9", 1, ours=ann), channel="chat"))
        await running.settle(0.1)
        story = Story(running)
        await story.says(0, "chat", Medium.CHAT, customer={"kind": "customer", "external_id": "k9"})
        await story.says(20, "phone", customer={"kind": "customer", "id": ann}, sender=PHONE)
        await story.says(45, "shop", Medium.EMAIL, customer=ANN, sender=MAIL)
        assert shape(await story.threads()) == "aaa"
        card = await running.context("shop:c1")
    assert [message.body for message in card.conversation] == ["m0", "m1", "m2"]
    assert [message.medium for message in card.conversation] == ["chat", "sms", "email"]


async def test_after_a_long_silence_another_one_begins():
    async with bridge() as running:
        await meet(running)
        story = Story(running)
        for minutes in (0, 24 * 60, 49 * 60, 50 * 60):
            await story.says(minutes, customer=ANN)
        assert shape(await story.threads()) == "aabb"
        card = await running.context("shop:c1")
    assert [message.body for message in card.conversation] == ["m2", "m3"]


async def test_nobody_joins_somebody_elses():
    async with bridge() as running:
        story = Story(running)
        await story.says(0, sender=PHONE)
        await story.says(1, sender="+4533999999")
        await story.says(2, sender=PHONE)
        await story.says(3)  # nobody knows from whom
        await story.says(4)
        assert shape(await story.threads())[:3] == "aba"


async def test_what_goes_to_an_address_is_about_its_customer():
    async with bridge() as running:
        await meet(running)
        story = Story(running)
        await story.says(0, customer=ANN)
        sent = {"direction": Direction.OUTBOUND, "recipient": PHONE, "state": MessageState.SENT}
        item = seen(Message.model_validate({**sent, "medium": "sms", "sent_at": NOW + timedelta(minutes=5)}), "out", 1)
        await running.receive(webhook(item, channel="phone"))
        await running.settle(0.1)
        await story.says(9, customer=ANN)
        [out] = await running.journal.events(type="io.omnibridge.message.sent.v1")
        threads = await story.threads()
    assert shape([*threads, out.event.data["conversation"]["id"]]) == "aaa"


async def test_a_conversation_that_the_vendor_names_is_linked_and_keeps_its_messages():
    async with bridge() as running:
        await meet(running)
        story = Story(running)
        named = {"kind": "conversation", "external_id": "CH1"}
        await story.says(0, customer=ANN)
        await story.says(5, "chat", Medium.CHAT, customer=ANN | {"external_id": "k1"}, conversation=named)
        await story.says(10 * 24 * 60, "chat", Medium.CHAT, customer=ANN | {"external_id": "k1"}, conversation=named)
        first, second, third = await story.threads()
    assert second == third
    assert first != second  # k1 is not known to be Ann


async def test_a_vendors_conversation_joins_the_thread_that_is_there():
    async with bridge() as running:
        await meet(running)
        story = Story(running)
        await story.says(0, customer=ANN)
        await story.says(5, customer=ANN, conversation={"kind": "conversation", "external_id": "CH1"})
        await story.says(9 * 24 * 60, customer=ANN, conversation={"kind": "conversation", "external_id": "CH1"})
        assert shape(await story.threads()) == "aaa"


async def test_a_later_state_of_a_message_leaves_it_where_it_is():
    async with bridge() as running:
        story = Story(running)
        await story.says(0, sender=PHONE)
        item = seen(Message(direction=Direction.INBOUND, medium=Medium.SMS, state=MessageState.READ), "m0", 2)
        await running.receive(webhook(item))
        await running.settle(1)
        [event] = [stored.event for stored in await running.journal.events(type="io.omnibridge.message.updated.v1")]
        assert [event.data["conversation"]["id"]] == await story.threads()


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["chat", "phone", "shop"])), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_messages_told_in_order_belong_together_exactly_while_the_gaps_are_short(told):
    """Whatever the medium and the channel, and also when several come in one batch."""

    async def story() -> tuple[list[int], list[str]]:
        async with bridge() as running:
            await meet(running)
            at, items = 0, []
            times: list[int] = []
            for number, (pause, channel) in enumerate(told):
                at += pause
                times.append(at)
                fields = {"direction": "inbound", "state": "received", "sender": PHONE, "body": str(number)}
                medium = {"chat": "chat", "phone": "sms", "shop": "email"}[channel]
                said = {**fields, "medium": medium, "sent_at": NOW + timedelta(minutes=at)}
                items.append((channel, seen(Message.model_validate(said), f"m{number}", 1)))
            for channel, item in items:
                await running.receive(webhook(item, channel=channel))
            await running.settle(0.1)
            events = await running.journal.events(type="io.omnibridge.message.received.v1", limit=100)
            found = {int(one.event.data["body"]): one.event.data["conversation"]["id"] for one in events}
            return times, [found[number] for number in range(len(told))]

    times, threads = anyio.run(story)
    for (before, one), (after, other) in pairwise(zip(times, threads, strict=True)):
        assert (one == other) == (after - before <= 24 * 60)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20), st.integers(1, 2000))
def test_each_message_joins_the_nearest_whatever_the_order_of_arrival(minutes, gap):
    threads = Threads(timedelta(minutes=gap), {Speaker("ann"): "ann"}, {"ann": []})
    placed: list[tuple[int, str]] = []
    for number, minute in enumerate(minutes):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
        found = threads.place(Speaker("ann"), at, f"m{number}")
        near = [(abs(minute - then), thread) for then, thread in placed if abs(minute - then) <= gap]
        assert (
            found in {thread for distance, thread in near if distance == min(near)[0]}
            if near
            else found not in {thread for _, thread in placed}
        )
        placed.append((minute, found))
