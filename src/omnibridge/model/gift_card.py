"""Gift cards: what is left on one, and what was done with it; never the number, which is as good as the money."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.money import Money
from omnibridge.model.order import Discrepancy

__all__ = ["GiftCard", "GiftCardAct", "GiftCardActivity", "GiftCardState"]


class GiftCardState(OpenEnum):
    """Whether it can be paid with: only an `active` one can."""

    PENDING = "pending"
    ACTIVE = "active"
    BLOCKED = "blocked"
    DEACTIVATED = "deactivated"
    OTHER = "other"


class GiftCardAct(OpenEnum):
    """What was done. `loaded` is every way that bought money comes onto a card, its first amount included."""

    LOADED = "loaded"
    REDEEMED = "redeemed"
    REFUNDED = "refunded"
    ADJUSTED = "adjusted"
    TRANSFERRED = "transferred"
    CLEARED = "cleared"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    DEACTIVATED = "deactivated"
    OTHER = "other"


class GiftCardActivity(Model):
    """One thing done with a card. `amount` is signed, and None where the vendor tells only the `balance` after it."""

    id: str
    kind: GiftCardAct
    kind_raw: str | None = None
    amount: Money | None = None
    balance: Money | None = None
    order: Ref | None = None
    payment: Ref | None = None
    location: Ref | None = None
    at: Instant | None = None


class GiftCard(Entity):
    """A gift card as one system keeps it, without its number: `last_four` is how people tell theirs apart.

    `activities` is all that was done with it, oldest first, and `complete` says that nothing is left out: then the
    balance is what they come to.
    """

    KIND: ClassVar[str] = "giftcard"

    state: GiftCardState = GiftCardState.PENDING
    state_raw: str | None = None
    digital: bool | None = None
    last_four: str | None = None
    balance: Money | None = None
    customer: Ref | None = None
    activities: tuple[GiftCardActivity, ...] = ()
    complete: bool = False
    expires_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    discrepancies: tuple[Discrepancy, ...] = ()

    def check(self) -> tuple[Discrepancy, ...] | None:
        """Whether the balance is what the activities come to; None where they, or the balance, were not told.

        A vendor's card with a difference is kept, and its balance stands.
        """
        if self.balance is None or "activities" not in self.model_fields_set:
            return None
        told = [money for one in self.activities for money in (one.amount, one.balance) if money is not None]
        if not self.complete or any(money.currency != self.balance.currency for money in told):
            return ()
        left = Money.zero(self.balance.currency)
        for one in self.activities:
            if one.amount is not None:
                left += one.amount
            elif one.balance is not None:
                left = one.balance
        if left.amount == self.balance.amount:
            return ()
        return (Discrepancy(rule="activities = balance", expected=left, actual=self.balance),)
