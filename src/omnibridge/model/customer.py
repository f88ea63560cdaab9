"""A customer: whom the company sells to, a person or a person at a company."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Ref
from omnibridge.model.contact import Address, ContactPoint, Email, Phone

__all__ = ["Customer"]


class Customer(Entity):
    """One customer as one system knows it.

    `email` and `phone` are the primary contact points; further ones are in `contact_points`. `verified` means that
    the system checked that the person controls it. Marketing permission is not here: it is a `Consent`.
    `merged_into` is the record that this one became, in a connector's snapshot; the survivor, in `customer.merged`.
    `unmerged_from` is whom it belonged to until `customer.unmerged`.
    """

    KIND: ClassVar[str] = "customer"

    email: Email | None = None
    email_verified: bool | None = None
    phone: Phone | None = None
    phone_verified: bool | None = None
    given_name: str | None = None
    family_name: str | None = None
    company: str | None = None
    birthday: date | None = None
    locale: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    contact_points: tuple[ContactPoint, ...] = ()
    loyalty_number: str | None = None
    merged_into: Ref | None = None
    unmerged_from: Ref | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    @property
    def name(self) -> str | None:
        """Given and family name together, or None."""
        return " ".join(part for part in (self.given_name, self.family_name) if part) or None
