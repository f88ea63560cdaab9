"""What the journal keeps and does about erasures, as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from omnibridge.journal.rows import EntityKey, ReferenceWrite, StoredEvent

__all__ = ["Belongings", "Erasure", "ErasureState", "Shredding"]


class ErasureState(StrEnum):
    """`asked`: nothing was done yet; `channels`: the channels are asked; `waiting`: somebody must say that what a
    channel could not do was done by hand; `shredding`: what is here is being shredded; `done`: nothing is left."""

    ASKED = "asked"
    CHANNELS = "channels"
    WAITING = "waiting"
    SHREDDING = "shredding"
    DONE = "done"


class Erasure(NamedTuple):
    """One erasure. `content` is JSON and tells who it is, None once that is shredded.

    `report` says per channel how far it is, in words that name nobody.
    """

    number: int
    at: datetime
    state: ErasureState
    content: bytes | None
    report: Mapping[str, str]


class Belongings(NamedTuple):
    """Everything that the journal has about some parties.

    `entities`: (kind, canonical id) and JSON. `shadows` are JSON by the channel's own id. `deliveries` counts those of
    the events by channel and state.
    """

    entities: Mapping[tuple[str, str], bytes]
    events: tuple[StoredEvent, ...]
    references: tuple[ReferenceWrite, ...]
    shadows: Mapping[EntityKey, bytes]
    deliveries: Mapping[tuple[str, str], int]


class Shredding(NamedTuple):
    """What becomes of the belongings of some parties: what is not kept without the person goes.

    `entities`, `shadows` and `events` (by `seq`) are what is kept, as JSON without the person. `inbox`: rows that go
    beside those that are linked to the parties.
    """

    parties: tuple[str, ...]
    entities: Mapping[tuple[str, str], bytes]
    shadows: Mapping[EntityKey, bytes]
    events: Mapping[int, bytes]
    inbox: tuple[int, ...] = ()
