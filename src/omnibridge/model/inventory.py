"""How much of a variant is where."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Ref
from omnibridge.model.money import Quantity

__all__ = ["InventoryLevel"]


class InventoryLevel(Entity):
    """Stock of one variant at one location.

    Vendors define "available" differently, so each count stands for itself and is None where the vendor has none.
    The external id joins the vendor's item and location ids.
    """

    KIND: ClassVar[str] = "inventory"

    variant: Ref
    sku: str | None = None
    location: Ref
    available: Quantity | None = None
    on_hand: Quantity | None = None
    committed: Quantity | None = None
    incoming: Quantity | None = None
    unit: str = "each"
    counted_at: Instant | None = None
