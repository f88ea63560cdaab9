"""The routes of `bridge.toml`: their filters made into one, and what is wrong or doubtful about each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from omnibridge.config.model import ConfigFile, RouteSection
from omnibridge.errors import ConfigError
from omnibridge.ingress import EVENTS_CHANNEL
from omnibridge.routing import All, Any_, Exact, Filter, Route, doubts, nested, parse_filter, parse_sql, type_filter

__all__ = ["read_routes"]


_Path: TypeAlias = tuple[str | int, ...]


class Report(Protocol):
    """Takes down one problem: the path of a field, what is wrong with it, and what to do."""

    def __call__(
        self, path: Sequence[str | int], what: str, remedy: str | None = None, *, warning: bool = False
    ) -> None: ...


def read_routes(file: ConfigFile, report: Report) -> tuple[Route, ...]:
    """A route for each section, in order; of a filter that is wrong, the rest."""
    names: set[str] = set()
    routes: list[Route] = []
    for place, section in enumerate(file.routes):
        if section.name in names:
            report(("routes", place, "name"), f"two routes are called {section.name!r}", "name each differently")
        names.add(section.name)
        routes.append(_route(file, place, section, report))
    return tuple(routes)


def _route(file: ConfigFile, place: int, section: RouteSection, report: Report) -> Route:
    where = ("routes", place)
    _channels(file, place, section, report)
    found = list(_parts(where, section, report))
    parts = [part for _, part in found]
    if not (section.events or section.source or section.filters or section.when is not None):
        report(where, "matches every event", "say which with events, from, filters or when; events = ['*'] for all")
    whole = parts[0] if len(parts) == 1 else All(tuple(parts))
    for doubt in doubts(whole, {*file.channels, EVENTS_CHANNEL}):
        field = next((field for field, part in found if any(one is doubt.part for one in nested(part))), where)
        if field[-1] == "from":
            continue  # a channel that there is not: an error already
        report(field, f"{doubt.clause}: {doubt.what}", doubt.remedy, warning=True)
    return Route(section.name, whole, tuple(section.to), section.on_poison, section.on_unknown, section.echo)


def _channels(file: ConfigFile, place: int, section: RouteSection, report: Report) -> None:
    for field, channels in (("from", section.source), ("to", section.to)):
        for channel in channels:
            if channel not in file.channels and not (field == "from" and channel == EVENTS_CHANNEL):
                report(
                    ("routes", place, field),
                    f"there is no channel {channel!r}",
                    f"one of {', '.join(sorted(file.channels)) or 'none yet'}",
                )


def _parts(where: _Path, section: RouteSection, report: Report) -> Iterator[tuple[_Path, Filter]]:
    """The filters of a section, each with the field that it stands in."""
    if section.events:
        yield (*where, "events"), Any_(tuple(type_filter(event) for event in section.events))
    if section.source:
        yield (*where, "from"), Any_(tuple(Exact("channel", channel) for channel in section.source))
    for number, item in enumerate(section.filters):
        try:
            yield (*where, "filters", number), parse_filter(item, f"filters[{number}]")
        except ConfigError as error:
            report((*where, "filters", number), f"{error.where}: {error.what}", error.remedy)
    if section.when is not None:
        try:
            yield (*where, "when"), parse_sql(section.when, "when")
        except ConfigError as error:
            report((*where, "when"), error.what, error.remedy)
