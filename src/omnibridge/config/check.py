"""What can be wrong with a configuration although its shape is right: routes that bring nothing, or never end."""

from __future__ import annotations

from collections.abc import Iterator

from omnibridge.config.load import Config, Problem
from omnibridge.config.rest import unrest
from omnibridge.routing import possible_types

__all__ = ["check"]


def check(config: Config) -> list[Problem]:
    """Every problem of the configuration, those of its shape first."""
    restless = (
        Problem(f"channels {' and '.join(dict.fromkeys(one.channels))}", one.what, one.remedy)
        for one in unrest(config.routes, config.channels)
    )
    return [*config.problems, *_targets(config), *restless]


def _targets(config: Config) -> Iterator[Problem]:
    for route, section in zip(config.routes, config.file.routes, strict=True):
        named = {event for event in section.events if "*" not in event}
        events = named | {entry.name for entry in possible_types(route.filter)}
        for name in route.to:
            channel = config.channels.get(name)
            if channel is None:
                continue
            taken = {event for event in events if channel.slot_for(event) is not None}
            refused = sorted(named - taken)
            if refused:
                what = f"{name} ({channel.connector.name}) takes no {', '.join(refused)}"
            elif events and not taken:
                what = f"{name} ({channel.connector.name}) takes nothing of what this route matches"
            else:
                continue
            yield Problem(
                f"route {route.name!r}", what, f"it takes {_accepts(channel.connector.delivers) or 'nothing'}"
            )


def _accepts(delivers: tuple[object, ...]) -> str:
    return ", ".join(sorted({getattr(slot, "operation", "?") for slot in delivers}))
