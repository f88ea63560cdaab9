"""A fulfilment: goods on their way to the customer, by parcel, at a counter, or as a download."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.contact import Address
from omnibridge.model.money import Quantity

__all__ = ["Fulfilment", "FulfilmentLine", "FulfilmentMethod", "FulfilmentState"]


class FulfilmentMethod(OpenEnum):
    """How the goods reach the customer."""

    SHIP = "ship"
    PICKUP = "pickup"
    DIGITAL = "digital"
    OTHER = "other"


class FulfilmentState(OpenEnum):
    """`proposed` and `accepted` come before work, `ready` awaits pick-up, `completed` is shipped or handed over."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    READY = "ready"
    COMPLETED = "completed"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OTHER = "other"


class FulfilmentLine(Model):
    """How much of which order line; `line_external_id` is the order line's id in the same channel."""

    line_external_id: str | None = None
    sku: str | None = None
    quantity: Quantity


class Fulfilment(Entity):
    """Some or all of one order's goods, moving together."""

    KIND: ClassVar[str] = "fulfilment"

    order: Ref
    method: FulfilmentMethod = FulfilmentMethod.SHIP
    state: FulfilmentState = FulfilmentState.PROPOSED
    state_raw: str | None = None
    location: Ref | None = None
    destination: Address | None = None
    lines: tuple[FulfilmentLine, ...] = ()
    carrier: str | None = None
    tracking_numbers: tuple[str, ...] = ()
    tracking_urls: tuple[str, ...] = ()
    pickup_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
