"""Loyalty points: an account in one program, its balance, and the ledger that the balance is the sum of."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.money import Quantity

__all__ = ["LoyaltyAccount", "LoyaltyEntry", "LoyaltyKind", "PointsDiscrepancy"]


class LoyaltyKind(OpenEnum):
    """Why points came or went. `redeemed` were exchanged for a reward, `returned` came back from one not taken."""

    EARNED = "earned"
    REDEEMED = "redeemed"
    RETURNED = "returned"
    ADJUSTED = "adjusted"
    EXPIRED = "expired"
    OTHER = "other"


class LoyaltyEntry(Model):
    """One entry of the ledger. `points` is signed: what was added is positive, what was taken negative.

    `source` is who made it, in the vendor's word.
    """

    id: str
    kind: LoyaltyKind
    kind_raw: str | None = None
    points: Quantity
    order: Ref | None = None
    location: Ref | None = None
    reason: str | None = None
    source: str | None = None
    at: Instant | None = None


class PointsDiscrepancy(Model):
    """A sum of points that does not come out: `expected` is what the entries give, `actual` what was said."""

    rule: str
    expected: Quantity
    actual: Quantity


class LoyaltyAccount(Entity):
    """A customer's points in one program. A balance can be below nothing.

    `lifetime` is all that was ever earned. `entries` is the ledger, oldest first, and `complete` says that nothing is
    left out of it: then the balance is its sum. `phone` (E.164) is the number that the account goes by, if any.
    """

    KIND: ClassVar[str] = "loyalty"

    customer: Ref | None = None
    phone: str | None = None
    program: str | None = None
    balance: Quantity
    lifetime: Quantity | None = None
    entries: tuple[LoyaltyEntry, ...] = ()
    complete: bool = False
    enrolled_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    discrepancies: tuple[PointsDiscrepancy, ...] = ()

    def check(self) -> tuple[PointsDiscrepancy, ...] | None:
        """Whether the balance is the sum of the ledger; None where no ledger was told.

        A vendor's account with a difference is kept, and its balance stands.
        """
        if "entries" not in self.model_fields_set:
            return None
        total = sum((entry.points for entry in self.entries), Decimal(0))
        if not self.complete or total == self.balance:
            return ()
        return (PointsDiscrepancy(rule="entries = balance", expected=total, actual=self.balance),)
