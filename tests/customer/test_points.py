"""Points and gift cards on a customer's card: from every channel that keeps some, and gone when they are gone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import from_json
from small_shop import ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.model import (
    AdjustPoints,
    Customer,
    GiftCard,
    GiftCardState,
    LoyaltyAccount,
    LoyaltyEntry,
    LoyaltyKind,
    Money,
    Ref,
    canonical_id,
)
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
PHONE = "+4533123456"
ANN = Ref(kind="customer", external_id="c1")


def bridge() -> TestBridge:
    toml = one_shop('\n[channels.till]\nconnector = "shop"\n')
    return TestBridge(toml, connectors=[small_shop()], sandboxes={"shop.example": ShopSandbox()})


async def hears(running: TestBridge, *items: dict[str, Any], channel: str = "shop") -> None:
    assert (await running.receive(webhook(*items, channel=channel))).status == 200
    await running.settle(1)


def account(number: int, **more: Any) -> LoyaltyAccount:
    entries = tuple(LoyaltyEntry(id=f"e{n}", kind=LoyaltyKind.EARNED, points=Decimal(n)) for n in range(1, number + 1))
    return LoyaltyAccount(
        balance=sum((one.points for one in entries), Decimal(0)), entries=entries, complete=True, **more
    )


async def test_points_of_all_channels_with_the_newest_of_what_moved_them():
    async with bridge() as running:
        await hears(running, seen(Customer(given_name="Ann", phone=PHONE), "c1", 1))
        await hears(running, seen(Customer(given_name="Bob"), "c2", 1))
        await hears(running, seen(account(7, customer=ANN, program="gold"), "l1", 1))
        await hears(running, seen(account(2, customer=Ref(kind="customer", external_id="c2")), "l2", 1))
        # The till knows no customer for its account, but the number is Ann's.
        await hears(running, seen(account(1, phone=PHONE), "t1", 1), channel="till")
        card = await running.context("shop:c1")
    assert [(one.channel, one.program, one.balance) for one in card.points] == [
        ("till", None, 1),
        ("shop", "gold", 28),
    ]
    assert [entry.id for entry in card.points[1].entries] == ["e7", "e6", "e5", "e4", "e3"]


async def test_a_gift_card_and_what_is_gone():
    left = Money(amount=Decimal("150.00"), currency="DKK")
    gift = GiftCard(state=GiftCardState.ACTIVE, last_four="4711", balance=left, customer=ANN)
    async with bridge() as running:
        await hears(running, seen(Customer(given_name="Ann"), "c1", 1))
        await hears(running, seen(gift, "g1", 1), seen(account(1, customer=ANN), "l1", 1))
        card = await running.context("shop:c1")
        assert [(one.last_four, one.state, one.balance) for one in card.gift_cards] == [("4711", "active", left)]
        await hears(running, seen(gift, "g1", 2, deleted=True), seen(account(1), "l1", 2, deleted=True))
        card = await running.context("shop:c1")
    assert (card.points, card.gift_cards) == ((), ())


async def test_what_a_channel_takes_from_a_customer_is_theirs_no_more():
    """A gift card that was unlinked is not shown with the old holder, nor erased with them, and may be another's."""
    bob = Ref(kind="customer", external_id="c2")
    gift = GiftCard(state=GiftCardState.ACTIVE, last_four="4711", customer=ANN)
    async with bridge() as running:
        await hears(running, seen(Customer(given_name="Ann"), "c1", 1), seen(Customer(given_name="Bob"), "c2", 1))
        await hears(running, seen(gift, "g1", 1))
        await hears(running, seen(GiftCard(state=GiftCardState.ACTIVE), "g1", 2))  # who does not say takes nothing
        assert [one.last_four for one in (await running.context("shop:c1")).gift_cards] == ["4711"]
        await hears(running, seen(GiftCard(customer=None), "g1", 3))
        ann = await running.context("shop:c1")
        assert ann.gift_cards == ()
        await running.erase("shop:c1")
        await running.settle(1)
        kept = (await running.journal.entities([("giftcard", canonical_id("shop", "giftcard", "g1"))])).values()
        assert [from_json(content)["entity"]["last_four"] for content, _ in kept] == ["4711"]
        await hears(running, seen(GiftCard(customer=bob), "g1", 4))
        assert [one.last_four for one in (await running.context("shop:c2")).gift_cards] == ["4711"]


async def test_a_command_for_points_is_on_the_timeline_of_whose_number_it_names():
    async with bridge() as running:
        await hears(running, seen(Customer(given_name="Ann", phone=PHONE), "c1", 1))
        await running.send(AdjustPoints(phone=PHONE, points=Decimal(5)), "till", id="1")
        await running.settle(1)
        card = await running.context("shop:c1")
    assert card.timeline[0].type == "command.loyalty.adjust"
