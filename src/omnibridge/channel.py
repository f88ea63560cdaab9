"""A channel: one configured connector, with everything that the stages need to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from omnibridge.connector import AnyConnector, Deliver, Settings
from omnibridge.event import Event
from omnibridge.model import Command, Entity, lookup

__all__ = ["Channel"]


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

    def describe(self, event: Event) -> str:
        """What would be done with `event` here, in words."""
        slot = self.slot(event)
        if slot is None:
            return f"nothing: {self.connector.name} takes no {event.name}"
        run = slot.run
        return f"{slot.operation} by {run.__module__}.{run.__qualname__}"


def _takes(slot: Deliver[Settings], verb: str) -> bool:
    if slot.verbs is not None:
        return verb in slot.verbs
    return issubclass(slot.accepts, Entity) and verb != "deleted"
