"""Why a route matches an event or does not: each clause with what it wants and what the event has."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from omnibridge.event import Event
from omnibridge.model import short_type
from omnibridge.routing.filters import All, Any_, Attributes, Exact, Filter, Not, Prefix, Suffix
from omnibridge.routing.route import MAX_HOPS, Route

__all__ = ["Clause", "Explanation", "describe", "explain"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition: as text, whether it holds, and what the event has for it."""

    text: str
    holds: bool
    value: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`nearly`: it does not match, but for one clause it would. `blocked` says why a match is not delivered."""

    route: str
    to: tuple[str, ...]
    matches: bool
    nearly: bool
    clauses: tuple[Clause, ...]
    blocked: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def explain(route: Route, event: Event) -> Explanation:
    """What a route makes of an event."""
    attributes = event.attributes()
    parts = route.filter.parts if isinstance(route.filter, All) else (route.filter,)
    clauses = tuple(_clause(part, attributes) for part in parts)
    failed = [clause for clause in clauses if not clause.holds]
    hops = event.extensions.get("hops", 0)
    blocked = None
    if not failed and isinstance(hops, int) and hops >= MAX_HOPS:
        blocked = f"it was passed on {hops} times already"
    elif not failed and not route.echo and all(channel == attributes.get("channel") for channel in route.to):
        blocked = "an event never goes back to the channel that it came from"
    return Explanation(route.name, route.to, not failed, len(failed) == 1 and len(clauses) > 1, clauses, blocked)


def _clause(part: Filter, attributes: Attributes) -> Clause:
    name = _attribute(part)
    value = attributes.get(name) if name else None
    shown = short_type(str(value)) if name == "type" else str(value)
    return Clause(describe(part), part.matches(attributes), None if value is None else f"{name} is {shown!r}")


def _attribute(part: Filter) -> str | None:
    """The one attribute that a filter is about, or None."""
    if isinstance(part, Exact | Prefix | Suffix):
        return part.name
    if isinstance(part, Not):
        return _attribute(part.part)
    if isinstance(part, All | Any_):
        names = {_attribute(p) for p in part.parts}
        return names.pop() if len(names) == 1 else None
    return None


def describe(part: Filter) -> str:
    """A filter as a person would say it."""
    if isinstance(part, Exact):
        return f"{part.name} = {short_type(part.value)!r}"
    if isinstance(part, Prefix):
        return f"{part.name} begins with {part.value!r}"
    if isinstance(part, Suffix):
        return f"{part.name} ends with {part.value!r}"
    if isinstance(part, Not):
        return f"not ({describe(part.part)})"
    if isinstance(part, Any_):
        return " or ".join(describe(p) for p in part.parts) or "nothing"
    return " and ".join(describe(p) for p in part.parts) or "every event"
