"""Finds the routes of an event: an immutable index over all of them, swapped whole when the configuration changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from omnibridge.event import Event
from omnibridge.routing.filters import All, Any_, Attributes, Exact, Filter
from omnibridge.routing.route import MAX_HOPS, Route

__all__ = ["Router", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """One channel that gets the event, by the first route that says so."""

    channel: str
    route: Route


class Router:
    """Routes by attributes. An event never goes back to the channel that it came from, nor further than MAX_HOPS."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: tuple[Route, ...] = tuple(routes)
        self._by_type: dict[str, list[tuple[int, Route]]] = {}
        self._rest: list[tuple[int, Route]] = []
        for place, route in enumerate(self.routes):
            types = _types(route.filter)
            if types is None:
                self._rest.append((place, route))
            else:
                for type_ in types:
                    self._by_type.setdefault(type_, []).append((place, route))

    def match(self, attributes: Attributes) -> list[Route]:
        """The routes whose filter holds, in the order of the configuration."""
        found = [pair for pair in self._candidates(str(attributes.get("type"))) if pair[1].filter.matches(attributes)]
        found.sort(key=lambda pair: pair[0])
        return [route for _, route in found]

    def targets(self, event: Event) -> list[Target]:
        """The channels that get `event`, each once."""
        hops = event.extensions.get("hops", 0)
        if isinstance(hops, int) and hops >= MAX_HOPS:
            return []
        attributes = event.attributes()
        origin = attributes.get("channel")
        found: dict[str, Target] = {}
        for route in self.match(attributes):
            for channel in route.to:
                if channel not in found and (channel != origin or route.echo):
                    found[channel] = Target(channel, route)
        return list(found.values())

    def _candidates(self, type_: str) -> Iterator[tuple[int, Route]]:
        yield from self._by_type.get(type_, ())
        yield from self._rest


def _types(filter_: Filter) -> Sequence[str] | None:
    """The only types that a filter can match, or None when it does not say."""
    if isinstance(filter_, Exact):
        return (filter_.value,) if filter_.name == "type" else None
    if isinstance(filter_, All):
        known = [types for part in filter_.parts if (types := _types(part)) is not None]
        return min(known, key=len) if known else None
    if isinstance(filter_, Any_):
        every = [_types(part) for part in filter_.parts]
        if not every or any(types is None for types in every):
            return None
        return tuple(dict.fromkeys(t for types in every for t in types or ()))
    return None
