"""What an operator matched once per channel, as values: records that mean the same, and ids for words of ours."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

__all__ = ["Match", "Word"]


class Match(NamedTuple):
    """Two records of one `kind` mean the same: their roots `a` and `b`. `number` is what `undo` takes."""

    number: int
    kind: str
    a: str
    b: str
    at: datetime


class Word(NamedTuple):
    """A channel's id for a word of ours: of a tax (`0.25`), a price list, a payment method."""

    channel: str
    kind: str
    word: str
    external_id: str
