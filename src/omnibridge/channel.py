"""A channel: one configured connector, with everything that the stages need to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import structlog

from omnibridge.connector import AnyConnector, Deliver, Settings
from omnibridge.event import Event
from omnibridge.model import Command, Entity, entity_class, lookup

__all__ = ["Channel"]

_log = structlog.get_logger("omnibridge.channel")


@dataclass(frozen=True)
class Channel:
    """`name` is its identity. `inward` maps the vendor's custom field names to the company's attribute names.

    `url` is the public address of its webhook, without a path secret; None without a `public_url`.
    """

    name: str
    connector: AnyConnector
    settings: Settings = field(repr=False)
    tenant: str = "default"
    inward: Mapping[str, str] = field(default_factory=dict[str, str])
    collects_consent: bool = False
    url: str | None = field(default=None, repr=False)
    max_age: float = 3 * 86400.0

    @property
    def source(self) -> str:
        """The `source` attribute of this channel's events."""
        return f"/{self.tenant}/{self.connector.name}/{self.name}"

    def slot(self, event: Event) -> Deliver[Settings] | None:
        """The delivering function that takes `event`, the most particular first; None when nothing here does."""
        slots = self._slots
        if event.type not in slots:
            if len(slots) >= 1024:  # foreign types come from outside and may be any number
                slots.clear()
            slots[event.type] = self.slot_for(event.type)
        return slots[event.type]

    @cached_property
    def _slots(self) -> dict[str, Deliver[Settings] | None]:
        return {}

    def slot_for(self, type_: str) -> Deliver[Settings] | None:
        """The delivering function for a full or short event type, or None."""
        entry = lookup(type_)
        whole: Deliver[Settings] | None = None
        for slot in self.connector.delivers:
            if issubclass(slot.accepts, Event):
                whole = whole or slot
            elif entry is not None and entry.model is slot.accepts:
                verb = entry.name.rpartition(".")[2]
                if issubclass(slot.accepts, Command) or _takes(slot, verb):
                    return slot
        return whole

    def kept(self, kind: str, entity: dict[str, object]) -> dict[str, object] | None:
        """What the vendor would keep of an entity (JSON), by its connector's `normal`; None where that says nothing."""
        slot = self._normals.get(kind)
        if slot is None or slot.normal is None:
            return None
        try:
            whole = entity_class(kind).model_validate(entity)
            made: Entity = slot.normal(self.settings, whole)
            return made.model_dump(mode="json", exclude_unset=True)
        except Exception as error:  # an author's bug costs an echo that is taken for an edit, and nothing else
            _log.error("connector bug", channel=self.name, slot=slot.operation, error=type(error).__name__)
            return None

    @cached_property
    def _normals(self) -> dict[str, Deliver[Settings]]:
        slots = [
            slot for slot in self.connector.delivers if slot.normal is not None and issubclass(slot.accepts, Entity)
        ]
        return {slot.accepts.KIND: slot for slot in reversed(slots) if issubclass(slot.accepts, Entity)}

    def describe(self, event: Event) -> str:
        """What would be done with `event` here, in words."""
        slot = self.slot(event)
        if slot is None:
            return f"nothing: {self.connector.name} takes no {event.name}"
        run = slot.run
        return f"{slot.operation} by {run.__module__}.{run.__qualname__}"


_NO_STATES = frozenset({"deleted", "merged", "unmerged"})
"""Verbs that only a slot that names them takes: what they tell of is no state to write."""


def _takes(slot: Deliver[Settings], verb: str) -> bool:
    if slot.verbs is not None:
        return verb in slot.verbs
    return issubclass(slot.accepts, Entity) and verb not in _NO_STATES
