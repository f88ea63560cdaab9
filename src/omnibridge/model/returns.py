"""Goods that come back (`Return`) and money that goes back (`Refund`): two things, as either happens alone."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.money import Money, Quantity

__all__ = ["Refund", "RefundState", "Return", "ReturnLine", "ReturnState"]


class ReturnState(OpenEnum):
    """How far the goods are."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    RECEIVED = "received"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    OTHER = "other"


class RefundState(OpenEnum):
    """How far the money is."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    OTHER = "other"


class ReturnLine(Model):
    """How much of which order line came back; `restock` says whether it goes on sale again."""

    line_external_id: str | None = None
    sku: str | None = None
    quantity: Quantity
    amount: Money | None = None
    tax: Money | None = None
    restock: bool | None = None
    reason: str | None = None
    location: Ref | None = None


class Return(Entity):
    """Goods of one order on their way back."""

    KIND: ClassVar[str] = "return"

    order: Ref
    state: ReturnState = ReturnState.REQUESTED
    state_raw: str | None = None
    location: Ref | None = None
    lines: tuple[ReturnLine, ...] = ()
    note: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None


class Refund(Entity):
    """Money of one order on its way back; `lines` say for what, when it is for goods at all.

    `amount` is None where a vendor tells of a refund without moving money (Shopify's `refunds/create`).
    """

    KIND: ClassVar[str] = "refund"

    order: Ref | None = None
    payment: Ref | None = None
    amount: Money | None = None
    state: RefundState = RefundState.COMPLETED
    state_raw: str | None = None
    location: Ref | None = None
    lines: tuple[ReturnLine, ...] = ()
    reason: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
