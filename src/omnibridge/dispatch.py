"""Which deliveries an event makes: where routes send it, what is done with it there, and by which lane it leaves."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime

from omnibridge.channel import Channel
from omnibridge.delivery.keys import delivery_key
from omnibridge.errors import InvalidMessage
from omnibridge.event import Event
from omnibridge.journal import NewDelivery, Priority, Task
from omnibridge.model import Command, Consent, Entity, Purpose, lookup
from omnibridge.reconcile import ends_permission
from omnibridge.routing import All, Route, Router, Target

__all__ = ["Dispatcher"]

_DIRECT = Route("direct", All(()), ())
"""Stands where a command names its channel itself, by the extension `target`."""
_WITHDRAWAL = Route("every withdrawal", All(()), ())
"""Stands where no route does: a permission that ended goes to every channel that can take it."""


class Dispatcher:
    """Knows the routes in force; `disabled` channels get what is for them all the same."""

    def __init__(
        self, channels: Mapping[str, Channel], router: Callable[[], Router], disabled: Container[str] = ()
    ) -> None:
        self._channels = channels
        self._router = router
        self._disabled = disabled

    def _targets(self, event: Event) -> list[Target]:
        named = event.extensions.get("target")
        if isinstance(named, str):
            return [Target(named, _DIRECT)]
        targets = self._router().targets(event)
        if not event.name.startswith("consent.") or not ends_permission(event):
            return targets
        routed = {target.channel for target in targets} | {str(event.extensions.get("channel"))}
        return targets + [Target(name, _WITHDRAWAL) for name in self._consenting(event) if name not in routed]

    def _consenting(self, event: Event) -> Iterator[str]:
        """The channels that keep permissions; a disabled one may, so its copy waits for it."""
        for name, channel in self._channels.items():
            slot = channel.slot(event)
            if name in self._disabled or (slot is not None and slot.accepts is Consent):
                yield name

    def route(self, event: Event, now: datetime, priority: int = Priority.FRESH) -> list[NewDelivery]:
        """The deliveries of an event: one for each channel that a route names."""
        found: list[NewDelivery] = []
        for target in self._targets(event):
            channel = self._channels.get(target.channel)
            if channel is None:
                continue
            slot = channel.slot(event)
            operation = slot.operation if slot is not None else "none"
            entry = lookup(event.type)
            state = slot is not None and slot.collapse and entry is not None and issubclass(entry.model, Entity)
            # What may have to wait for a morning holds up nobody's receipt.
            marketing = entry is not None and entry.command and _is_marketing(event)
            lane = str(event.extensions.get("partitionkey") or event.subject or event.id)
            consent = event.name.startswith("consent.")
            found.append(
                NewDelivery(
                    key=delivery_key(event.source, event.id, channel.name, operation),
                    channel=channel.name,
                    task=Task.DELIVER,
                    operation=operation,
                    lane=f"consent:{event.subject}" if consent else f"marketing:{lane}" if marketing else lane,
                    due=now,
                    priority=Priority.CONSENT if consent else priority,
                    event=(event.source, event.id),
                    collapse=f"{operation}:{event.subject}" if state else None,
                    route=target.route.name,
                    # Nothing may hold up a withdrawal: the lane of a consent is never parked.
                    on_poison="skip" if consent else target.route.on_poison,
                    on_unknown="hold" if consent and target.route.on_unknown == "park" else target.route.on_unknown,
                )
            )
        return found


def _is_marketing(event: Event) -> bool:
    try:
        command = event.parse()
    except InvalidMessage:
        return False  # it will say so where it is delivered
    return isinstance(command, Command) and command.purpose is Purpose.MARKETING
