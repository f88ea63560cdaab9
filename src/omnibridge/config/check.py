"""What can be wrong with a configuration although its shape is right: routes to channels that take nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

from omnibridge.config.load import Config, Problem
from omnibridge.model import catalogue
from omnibridge.routing import Router

__all__ = ["check"]


def check(config: Config) -> list[Problem]:
    """Every problem of the configuration, those of its shape first."""
    return [*config.problems, *_targets(config)]


def _targets(config: Config) -> Iterator[Problem]:
    named = {event for section in config.file.routes for event in section.events}
    router = Router(config.routes)
    matched: dict[str, set[str]] = {route.name: set() for route in config.routes}
    for entry in catalogue():
        for channel in (*config.channels, "events"):
            for route in router.match({"type": entry.type, "channel": channel, "source": "/"}):
                matched[route.name].add(entry.name)
    for route, section in zip(config.routes, config.file.routes, strict=True):
        events = matched[route.name] | {event for event in section.events if "*" not in event}
        for name in route.to:
            channel = config.channels.get(name)
            if channel is None:
                continue
            taken = {event for event in events if channel.slot_for(event) is not None}
            refused = sorted(event for event in section.events if "*" not in event and event not in taken)
            if refused:
                yield Problem(
                    f"route {route.name!r}",
                    f"{name} ({channel.connector.name}) takes no {', '.join(refused)}",
                    f"it takes {_accepts(channel.connector.delivers) or 'nothing'}",
                )
            elif events and not taken:
                yield Problem(
                    f"route {route.name!r}",
                    f"{name} ({channel.connector.name}) takes nothing of what this route matches",
                    f"it takes {_accepts(channel.connector.delivers) or 'nothing'}",
                )
    known = {entry.name for entry in catalogue()}
    for event in sorted(named):
        if "*" not in event and "." in event and event not in known and event.split(".")[0] in _KINDS:
            yield Problem(f"event {event!r}", "is not in the catalogue", "see `omnibridge schema`", warning=True)


def _accepts(delivers: tuple[object, ...]) -> str:
    return ", ".join(sorted({getattr(slot, "operation", "?") for slot in delivers}))


_KINDS = {entry.name.split(".")[0] for entry in catalogue()}
