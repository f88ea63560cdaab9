"""What a delivering function is told beside the entity, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import JsonValue

from omnibridge.connector.observation import Snapshot
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.model import Entity, Ref

__all__ = ["Alone", "Delivery", "Later", "Receipt", "Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """`external_id` in this channel is the canonical entity `id`.

    `id` None means the entity being delivered; for a command, the new thing that it made (a message), which gets its
    canonical id from this reference.

    `kind` is the entity kind, or a connector's own word for a helper record it must find again (`shopify.metafield`).
    """

    kind: str
    external_id: str
    id: str | None = None


class Delivery(NamedTuple):
    """One delivery. `key` is a UUID as text, the same for every attempt.

    `references` maps (kind, canonical id) to the external id in this channel, for everything that the event refers
    to, and (kind, word) for what it names by a word; `own` is the external id of the entity itself, None when this
    channel has not seen it. `custom` holds the company's mapped fields by the vendor's names. `known` is the entity as
    this channel last had it. `related` are canonical entities the event refers to, by (kind, canonical id). `state` is
    what `Later` left.
    """

    key: str
    channel: str
    event: Event
    attempt: int = 1
    generation: int = 0
    own: str | None = None
    references: Mapping[tuple[str, str], str] = MappingProxyType({})
    custom: Mapping[str, JsonValue] = MappingProxyType({})
    known: Entity | None = None
    related: Mapping[tuple[str, str], Entity] = MappingProxyType({})
    state: Any = None

    @property
    def verb(self) -> str:
        """The past participle of the event's name: `placed` of `order.placed`."""
        return self.event.name.rpartition(".")[2]

    def external(self, ref: Ref | None, kind: str | None = None) -> str | None:
        """The external id in this channel of what `ref` points to, or None when this channel has not seen it.

        A variant's stock may have an id of its own: `kind` says which of the two is asked for, `variant` or
        `inventory_item` (default: the reference's own kind, else `variant`).
        """
        if ref is None or ref.id is None:
            return None
        found = self.references.get((kind or ref.kind, ref.id))
        if found is None and kind is None and ref.kind == "inventory_item":
            return self.references.get(("variant", ref.id))
        return found

    def matched(self, kind: str, word: str) -> str | None:
        """The external id that was matched with a word of ours (`tax`, `0.25`), or None."""
        return self.references.get((kind, word))

    def unmatched(self, kind: str, what: str, *, remedy: str | None = None) -> Permanent:
        """The error for something that this channel needs and that is not matched with anything there.

        `what` names it as people know it, a SKU or the name of a shop. `remedy`: what else would help.
        """
        ways = f"match it: omnibridge match --channel {self.channel} --kind {kind}; then replay"
        return Permanent(
            f"{what} is not matched with anything in {self.channel}",
            code="unmatched",
            remedy=f"{ways}; or {remedy}" if remedy else ways,
        )

    def entity(self, ref: Ref | None) -> Entity | None:
        """The canonical entity that `ref` points to, as last known, or None."""
        if ref is None or ref.id is None:
            return None
        return self.related.get((ref.kind, ref.id))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the vendor has now.

    `references`: what was created or found. `snapshots`: the vendor's answer, restricted to the fields that were
    written; they update the shadow, so that the echo gives no event. `note` is shown to people.
    """

    references: tuple[Reference, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not done yet: run again after `after`, with `state` (JSON) in the delivery. It is no failure."""

    after: timedelta
    state: Any = None


@dataclass(frozen=True, slots=True)
class Alone:
    """Of one item of many: nothing was done about it, and after `after` it goes by itself, by `one`."""

    after: timedelta = timedelta(0)
