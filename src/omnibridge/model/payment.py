"""A payment: one movement of money towards an order."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, OpenEnum, Ref
from omnibridge.model.money import Money

__all__ = ["Payment", "PaymentMethod", "PaymentState"]


class PaymentMethod(OpenEnum):
    """The tender."""

    CARD = "card"
    CASH = "cash"
    BANK = "bank"
    WALLET = "wallet"
    GIFT_CARD = "gift_card"
    OTHER = "other"


class PaymentState(OpenEnum):
    """How far the money is."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OTHER = "other"


class Payment(Entity):
    """Money for one order. `amount` is without the tip; card numbers never come here."""

    KIND: ClassVar[str] = "payment"

    order: Ref | None = None
    customer: Ref | None = None
    location: Ref | None = None
    amount: Money
    tip: Money | None = None
    method: PaymentMethod = PaymentMethod.OTHER
    method_raw: str | None = None
    state: PaymentState = PaymentState.PENDING
    state_raw: str | None = None
    gateway: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
