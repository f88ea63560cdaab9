"""Conflicts between channels as values: as they are noted, and as an operator finds them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

__all__ = ["ConflictRow", "ConflictWrite"]


class ConflictWrite(NamedTuple):
    """Of `field` of an entity holds what `winner` claimed at `stamp` (microseconds since 1970), and not the loser's."""

    kind: str
    entity: str
    field: str
    winner: str
    loser: str
    stamp: int
    at: datetime


class ConflictRow(NamedTuple):
    """A conflict that nobody has settled; `side` is what an operator chose and was not taken in yet."""

    id: int
    kind: str
    entity: str
    field: str
    winner: str
    loser: str
    stamp: int
    at: datetime
    side: str | None = None
