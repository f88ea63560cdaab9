"""A place: a shop, a warehouse, a web shop's notional stockroom."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant
from omnibridge.model.contact import Address

__all__ = ["Location"]


class Location(Entity):
    """A place that sells or stores. `timezone` is an IANA name."""

    KIND: ClassVar[str] = "location"

    name: str
    active: bool = True
    address: Address | None = None
    timezone: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
