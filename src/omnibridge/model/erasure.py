"""The command that asks one channel to forget a customer."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Ref
from omnibridge.model.message import Command

__all__ = ["EraseCustomer"]


class EraseCustomer(Command):
    """Ask one system to erase a customer, as far as the law lets it. The core sends it; a route cannot.

    `records` are what is known of the customer in the channel that gets this, each with the channel's own id as its
    `external_id`: the customer, and messages, consents and orders of theirs. `emails` and `phones` are theirs.
    """

    KIND: ClassVar[str] = "customer.erase"

    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    records: tuple[Ref, ...] = ()

    def ids(self, kind: str) -> tuple[str, ...]:
        """The channel's own ids of the records of a kind."""
        return tuple(ref.external_id for ref in self.records if ref.kind == kind and ref.external_id is not None)
