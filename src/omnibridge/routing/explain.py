"""Why a route matches an event or does not: each clause with what it wants and what the event has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from omnibridge.cesql import Attribute, Call, Document, EvaluationFault, Exists
from omnibridge.cesql import Clause as SqlClause
from omnibridge.event import Event
from omnibridge.model import short_type
from omnibridge.routing.filters import Attributes, Exact, Filter, Prefix, Sql, Suffix, describe, nested
from omnibridge.routing.normal import conjuncts
from omnibridge.routing.possible import pointer_of
from omnibridge.routing.route import MAX_HOPS, Route
from omnibridge.routing.router import Payload

__all__ = ["Clause", "Explanation", "Failure", "History", "explain", "history"]

_SHOWN = 60


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

    @property
    def failed(self) -> tuple[Clause, ...]:
        """The clauses that do not hold."""
        return tuple(clause for clause in self.clauses if not clause.holds)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Failure:
    """A clause that did not hold: of how many events, of how many as the only one, and what one of them had."""

    text: str
    count: int
    alone: int
    example: str | None
    event: str


@dataclass(frozen=True, slots=True)
class History:
    """What a route made of many events; `failures` are in the order in which they are worth looking at."""

    route: str
    events: int
    matched: int
    blocked: int
    failures: tuple[Failure, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def explain(route: Route, event: Event) -> Explanation:
    """What a route makes of an event. `event` should be newly read: its data is parsed here."""
    attributes, data = event.attributes(), Payload(event)
    clauses = tuple(_clause(part, attributes, data) for part in conjuncts(route.filter))
    failed = [clause for clause in clauses if not clause.holds]
    blocked = None if failed else _blocked(route, event)
    return Explanation(route.name, route.to, not failed, len(failed) == 1 and len(clauses) > 1, clauses, blocked)


def history(route: Route, events: Iterable[Event]) -> History:
    """Why a route did not match many events: the clauses to blame, first those that alone kept most events away."""
    counts: dict[str, list[int]] = {}
    examples: dict[str, tuple[str | None, str]] = {}
    seen = matched = blocked = 0
    for event in events:
        seen += 1
        found = explain(route, event)
        matched += found.matches
        blocked += found.blocked is not None
        alone = len(found.failed) == 1
        for clause in found.failed:
            count = counts.setdefault(clause.text, [0, 0])
            count[0] += 1
            count[1] += alone
            if clause.text not in examples or (alone and count[1] == 1):
                examples[clause.text] = (clause.value, event.id)
    failures = [Failure(text, count, alone, *examples[text]) for text, (count, alone) in counts.items()]
    failures.sort(key=lambda failure: (-failure.alone, -failure.count, failure.text))
    return History(route.name, seen, matched, blocked, tuple(failures))


def _blocked(route: Route, event: Event) -> str | None:
    hops = event.extensions.get("hops", 0)
    if isinstance(hops, int) and hops >= MAX_HOPS:
        return f"it was passed on {hops} times already"
    origin = event.extensions.get("channel")
    if not route.echo and all(channel == origin for channel in route.to):
        return "an event never goes back to the channel that it came from"
    return None


def _clause(part: Filter, attributes: Attributes, data: Payload) -> Clause:
    holds = part.matches(attributes, data)
    shown = dict.fromkeys(_values(part, attributes, data))
    return Clause(describe(part), holds, ", ".join(shown) or None)


def _values(part: Filter, attributes: Attributes, data: Payload) -> Iterator[str]:
    for one in nested(part):
        if isinstance(one, Exact | Prefix | Suffix):
            yield _attribute(one.name, attributes)
        elif isinstance(one, Sql):
            clause = one.expression.explain(attributes, data)
            for culprit in clause.culprits() or (clause,):
                yield from _of_sql(culprit, attributes, data)


def _of_sql(clause: SqlClause, attributes: Attributes, data: Payload) -> Iterator[str]:
    told = False
    for part in clause.walk():
        if isinstance(part.node, Attribute | Exists):
            yield _attribute(part.node.name, attributes)
            told = told or part.node.name not in attributes
        elif isinstance(part.node, Call) and (pointer := pointer_of(part.node)) is not None:
            text, there = _at(pointer, data)
            told = told or not there
            yield text
    if clause.error is not None and not told:
        yield f"{clause.error}: {clause.detail}"


def _attribute(name: str, attributes: Attributes) -> str:
    value = attributes.get(name)
    if value is None:
        return f"{name} is not set"
    return f"{name} is {_short(short_type(value) if name == 'type' and isinstance(value, str) else value)}"


def _at(pointer: str, data: Payload) -> tuple[str, bool]:
    """What the data has at a pointer, in words, and whether it has anything there."""
    try:
        found = Document(data).find(pointer)
    except EvaluationFault as fault:
        return fault.detail, False
    if found is None:
        return f"the data has nothing at {pointer!r}", False
    return f"{pointer} is {_short(found)}", True


def _short(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
