"""What happened to points and gift cards, read off their ledgers: each entry tells once, a ledger's past never."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from told import SHOP, Told

from omnibridge.model import (
    GiftCard,
    GiftCardActivity,
    GiftCardState,
    LoyaltyAccount,
    LoyaltyEntry,
    LoyaltyKind,
    Money,
    Ref,
)

ANN = Ref(kind="customer", external_id="c1")


def account(*entries: tuple[str, str, int], balance: int | None = None, **more: Any) -> LoyaltyAccount:
    ledger = tuple(
        LoyaltyEntry(id=id_, kind=LoyaltyKind(kind), points=Decimal(points)) for id_, kind, points in entries
    )
    total = sum((points for *_, points in entries), 0) if balance is None else balance
    return LoyaltyAccount(balance=Decimal(total), entries=ledger, complete=True, customer=ANN, **more)


EARNED = ("e1", "earned", 10)


def test_an_account_that_is_new_here_tells_nothing_of_its_past():
    told = Told()
    assert told(SHOP, account(EARNED, ("e2", "redeemed", -5))) == ["loyalty.created"]
    assert told.entity("loyalty")["balance"] == "5"


@pytest.mark.parametrize(
    ("kind", "points", "verb"),
    [
        ("earned", 3, "earned"),
        ("redeemed", -3, "spent"),
        ("returned", 3, "returned"),
        ("expired", -3, "expired"),
        ("adjusted", -3, "adjusted"),
        ("other", 3, "adjusted"),
    ],
)
def test_each_kind_of_entry_has_its_verb(kind, points, verb):
    told = Told()
    told(SHOP, account(EARNED), version=1)
    assert told(SHOP, account(EARNED, ("e2", kind, points)), version=2) == [f"loyalty.{verb}"]
    assert told(SHOP, account(EARNED, ("e2", kind, points)), version=2) == []


def test_several_entries_at_once_are_several_events_and_a_mark_without_points_is_an_update():
    told = Told()
    told(SHOP, account(EARNED), version=1)
    more = (EARNED, ("e2", "earned", 5), ("e3", "redeemed", -10), ("e4", "earned", 1))
    assert told(SHOP, account(*more), version=2) == ["loyalty.earned", "loyalty.spent"]
    assert told(SHOP, account(*more, ("e5", "redeemed", 0)), version=3) == ["loyalty.updated"]


def test_a_balance_that_no_entry_explains_was_adjusted_and_is_a_discrepancy():
    told = Told()
    told(SHOP, account(EARNED), version=1)
    assert told(SHOP, account(EARNED, balance=12), version=2) == ["loyalty.adjusted"]
    [wrong] = told.entity("loyalty")["discrepancies"]
    assert wrong == {"rule": "entries = balance", "expected": "10", "actual": "12"}
    told(SHOP, account(EARNED, ("e2", "other", 2)), version=3)
    assert told.entity("loyalty")["discrepancies"] == []


def test_what_else_changed_is_told_beside_it():
    told = Told()
    told(SHOP, account(EARNED), version=1)
    both = account(EARNED, ("e2", "earned", 1), phone="+4533123456")
    assert told(SHOP, both, version=2) == ["loyalty.earned", "loyalty.updated"]
    assert told(SHOP, both, version=3, deleted=True) == ["loyalty.deleted"]


def test_an_account_is_its_customers_and_without_one_its_numbers():
    told = Told()
    told(SHOP, account(EARNED))
    assert told.derived.parties[told.events[-1].id] == told.id(SHOP, "customer", "c1")
    told(SHOP, LoyaltyAccount(balance=Decimal(0), phone="+4533123456"), "2")
    assert told.derived.parties[told.events[-1].id] == "contact:+4533123456"


def dkk(amount: int) -> Money:
    return Money(amount=Decimal(amount), currency="DKK")


def card(state: str, *done: tuple[str, str, int], **more: Any) -> GiftCard:
    acts = tuple(
        GiftCardActivity.model_validate({"id": id_, "kind": kind, "amount": dkk(amount).model_dump()})
        for id_, kind, amount in done
    )
    left = dkk(sum(amount for *_, amount in done))
    return GiftCard(state=GiftCardState(state), balance=left, activities=acts, complete=True, **more)


LOADED = ("a1", "loaded", 100)


def test_the_life_of_a_gift_card():
    told = Told()
    assert told(SHOP, card("pending")) == ["giftcard.created"]
    assert told(SHOP, card("active", LOADED)) == ["giftcard.activated", "giftcard.loaded"]
    paid = (LOADED, ("a2", "redeemed", -30))
    assert told(SHOP, card("active", *paid)) == ["giftcard.redeemed"]
    assert told(SHOP, card("active", *paid)) == []
    back = (*paid, ("a3", "refunded", 30))
    assert told(SHOP, card("active", *back)) == ["giftcard.refunded"]
    assert told(SHOP, card("active", *back, ("a4", "adjusted", 5))) == ["giftcard.updated"]
    assert told(SHOP, card("blocked", *back, ("a4", "adjusted", 5))) == ["giftcard.blocked"]
    assert told(SHOP, card("deactivated", *back, ("a4", "adjusted", 5), ("a5", "cleared", -105))) == [
        "giftcard.deactivated"
    ]


def test_a_card_first_seen_without_its_ledger_tells_nothing_of_its_past_later():
    told = Told()
    assert told(SHOP, GiftCard(state=GiftCardState.ACTIVE, balance=dkk(100))) == ["giftcard.created"]
    assert told(SHOP, card("active", LOADED)) == ["giftcard.updated"]
    # What says nothing of the ledger leaves what was said of it, and what was found wrong in it.
    wrong = card("active", LOADED).model_copy(update={"balance": dkk(90)})
    told(SHOP, GiftCard.model_validate(wrong.model_dump(exclude_unset=True)))
    told(SHOP, GiftCard(state=GiftCardState.BLOCKED, balance=dkk(90)))
    assert [one["rule"] for one in told.entity("giftcard")["discrepancies"]] == ["activities = balance"]
