"""A balance is the sum of its ledger when the ledger is whole; a difference is told, and says by how much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from omnibridge.model import (
    GiftCard,
    GiftCardAct,
    GiftCardActivity,
    LoyaltyAccount,
    LoyaltyEntry,
    LoyaltyKind,
    Money,
)

numbers = st.lists(st.decimals("-1000", "1000", places=1), max_size=8)
differences = st.decimals("-10", "10", places=1)


def entries(points: list[Decimal]) -> tuple[LoyaltyEntry, ...]:
    return tuple(LoyaltyEntry(id=str(place), kind=LoyaltyKind.ADJUSTED, points=one) for place, one in enumerate(points))


@given(numbers, differences, st.booleans())
def test_points(points, difference, complete):
    total = sum(points, Decimal(0))
    account = LoyaltyAccount(balance=total + difference, entries=entries(points), complete=complete)
    found = account.check()
    if not complete or not difference:
        assert found == ()
        return
    assert found is not None
    [wrong] = found
    assert (wrong.rule, wrong.expected, wrong.actual) == ("entries = balance", total, total + difference)


def test_without_a_ledger_nothing_can_be_said():
    assert LoyaltyAccount(balance=Decimal(3), complete=True).check() is None
    assert GiftCard(balance=eur(3)).check() is None
    assert GiftCard(activities=(), complete=True).check() is None


def eur(amount: Any) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


@given(numbers, differences, st.booleans())
def test_money_on_a_card(amounts, difference, complete):
    done = tuple(
        GiftCardActivity(id=str(place), kind=GiftCardAct.ADJUSTED, amount=eur(one)) for place, one in enumerate(amounts)
    )
    left = sum(amounts, Decimal(0))
    card = GiftCard(balance=eur(left + difference), activities=done, complete=complete)
    assert [(one.expected, one.actual) for one in card.check() or ()] == (
        [(eur(left), eur(left + difference))] if complete and difference else []
    )


def test_where_only_the_balance_after_it_is_told_that_counts():
    done = (
        GiftCardActivity(id="1", kind=GiftCardAct.LOADED, amount=eur(50)),
        GiftCardActivity(id="2", kind=GiftCardAct.CLEARED, balance=eur(0)),
        GiftCardActivity(id="3", kind=GiftCardAct.LOADED, amount=eur(20)),
    )
    assert GiftCard(balance=eur(20), activities=done, complete=True).check() == ()
    assert GiftCard(balance=eur(70), activities=done, complete=True).check()


def test_two_currencies_cannot_be_summed_up():
    yen = GiftCardActivity(id="1", kind=GiftCardAct.LOADED, amount=Money(amount=Decimal(50), currency="JPY"))
    assert GiftCard(balance=eur(20), activities=(yen,), complete=True).check() == ()
