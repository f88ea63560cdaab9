"""A reconciler that is told one snapshot after the other, and remembers what came of it all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from omnibridge.connector import Snapshot
from omnibridge.event import Event
from omnibridge.journal import EntityKey, Known, Origin, opened
from omnibridge.model import Entity
from omnibridge.reconcile import (
    ChannelView,
    Derived,
    Owner,
    Reconciler,
    Shadow,
    Source,
    nobody,
    prepare,
    sources_in,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SHOP = ChannelView("shop", "/acme/shop/shop")
TILL = ChannelView("till", "/acme/till/till")


class Told:
    """`told(SHOP, Customer(...), "1", version=3)` gives the names of the events that it causes.

    With `batches`, each snapshot starts from what was stored, as after a restart; else all are one batch.
    """

    def __init__(self, *, batches: bool = True, owner: Owner = nobody) -> None:
        self._batches = batches
        self._owner = owner
        self.now = NOW
        self._known: dict[EntityKey, Known] = {}
        self._entities: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._reconciler = self._made()
        self.events: list[Event] = []
        self.references: dict[EntityKey, str] = {}
        self.derived = Derived()

    def __call__(
        self,
        channel: ChannelView,
        entity: Entity,
        id_: str = "1",
        version: Any = None,
        *,
        origin: Origin = Origin.WEBHOOK,
        at: datetime = NOW,
        made: datetime | None = None,
        **more: Any,
    ) -> list[str]:
        snapshot = Snapshot(entity, id_, version, **more)
        self.derived = Derived()
        if self._batches:
            self._reload()
        self._reconciler.snapshot(channel, prepare(channel, snapshot), origin, at, self.derived, made)
        for link in self.derived.references:
            self.references[EntityKey(link.channel, link.kind, link.external_id)] = link.id
        self.events += self.derived.events
        return [event.name for event in self.derived.events]

    def _reload(self) -> None:
        """Only what the journal would have kept: shadows with their reference and entity."""
        for key, known in list(self._known.items()):
            found = self._entities.get((key.kind, known.id or ""))
            self._known[key] = Known(
                known.id,
                known.shadow,
                known.shadow_rev,
                known.version,
                known.deleted,
                found[0] if found else None,
                found[1] if found else 0,
                known.party,
            )
        self._reconciler = self._made()

    def _made(self) -> Reconciler:
        return Reconciler(self._known, self._entities, now=self.now, owners=lambda kind, entity: self._owner)

    def shadows(self, kind: str = "customer") -> list[Shadow]:
        """What each channel has of the entities of a kind."""
        known = sorted((key, found) for key, found in self._known.items() if key.kind == kind and found.shadow)
        return [Shadow(key.channel, *opened(found.shadow or b"")) for key, found in known]

    def sources(self, kind: str = "customer") -> dict[str, Source]:
        """Whose claim each field of the one entity of a kind is."""
        [stored] = [content for (of, _), (content, _) in self._entities.items() if of == kind]
        return sources_in(from_json(stored))

    def entity(self, kind: str = "customer") -> dict[str, Any]:
        """The one entity of a kind, as JSON."""
        [stored] = [content for (of, _), (content, _) in self._entities.items() if of == kind]
        return from_json(stored)["entity"]

    def id(self, channel: ChannelView, kind: str = "customer", external_id: str = "1") -> str:
        """The canonical id of what a channel showed."""
        return self.references[EntityKey(channel.name, kind, external_id)]
