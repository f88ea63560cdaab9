"""In which order a batch of the inbox is understood: as it came, but for the receipts of our own writes."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from datetime import datetime

from omnibridge.journal import EntityKey, InboxRow, Origin

__all__ = ["in_turn"]


def in_turn(batch: Sequence[tuple[InboxRow, Collection[EntityKey]]], waiting: Container[int]) -> list[int]:
    """The places of the rows, each given with the entities that it is about, in the order to understand them.

    A receipt goes before what came in about the same entity since its write began, and before what waited for it
    (`waiting`, by number): the echo of our own write is no news, and what somebody changed meanwhile was changed
    after it.
    """
    turns: list[int] = []
    for place, (row, keys) in enumerate(batch):
        at = len(turns)
        if row.origin is Origin.RECEIPT:
            about = set(keys)
            since = datetime.fromisoformat(row.meta.get("begun") or row.received.isoformat())
            for before, earlier in enumerate(turns):
                other, others = batch[earlier]
                late = other.id in waiting or other.received >= since
                if late and other.origin is not Origin.RECEIPT and not about.isdisjoint(others):
                    at = before
                    break
        turns.insert(at, place)
    return turns
