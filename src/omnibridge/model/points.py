"""The command that asks one channel to give a customer points, or to take some."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Ref
from omnibridge.model.message import Command
from omnibridge.model.money import Quantity

__all__ = ["AdjustPoints"]


class AdjustPoints(Command):
    """Give a customer points in one channel's program (`points` above nothing), or take some (below).

    The account is `account`, else that of `customer`, else that of `phone` (E.164); where the person has none, the
    channel opens one if it can. With an `order` the points are earned by that purchase; without `points`, the program
    itself works out what that order, which the channel must know, earns. `reason` is shown to the staff.
    """

    KIND: ClassVar[str] = "loyalty.adjust"

    account: Ref | None = None
    phone: str | None = None
    points: Quantity | None = None
    order: Ref | None = None
    location: Ref | None = None
    reason: str | None = None
