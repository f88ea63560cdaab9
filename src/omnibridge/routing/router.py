"""Finds the routes of an event: immutable, made whole, and swapped whole when the configuration changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge.routing.index import Index
from omnibridge.routing.route import MAX_HOPS, Route

__all__ = ["Payload", "Router", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """One channel that gets the event, by the first route that says so."""

    channel: str
    route: Route


class Payload:
    """An event's data for filters: read when the first of them asks, and not tried again where it is malformed."""

    __slots__ = ("_error", "_event")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._error: CodecError | None = None

    def __call__(self) -> object:
        """The data. Raises CodecError."""
        if self._error is not None:
            raise self._error
        try:
            return self._event.data
        except CodecError as error:
            self._error = error
            raise


class Router:
    """Routes by attributes and data. An event never goes back to where it came from, nor further than MAX_HOPS."""

    __slots__ = ("_index", "_targets", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: tuple[Route, ...] = tuple(routes)
        self._index = Index(route.filter for route in self.routes)
        self._targets = tuple(tuple(Target(channel, route) for channel in route.to) for route in self.routes)

    def match(self, event: Event) -> list[Route]:
        """The routes whose filter holds, in the order of the configuration."""
        routes = self.routes
        return [routes[number] for number in self._index.find(event.attributes(), Payload(event))]

    def targets(self, event: Event) -> list[Target]:
        """The channels that get `event`, each once; not the one in its extension `channel`, unless a route echoes."""
        extensions = event.extensions
        hops = extensions.get("hops", 0)
        if isinstance(hops, int) and hops >= MAX_HOPS:
            return []
        origin = extensions.get("channel")
        found: dict[str, Target] = {}
        for number in self._index.find(event.attributes(), Payload(event)):
            for target in self._targets[number]:
                channel = target.channel
                if channel not in found and (channel != origin or target.route.echo):
                    found[channel] = target
        return list(found.values())
