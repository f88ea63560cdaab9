"""Filters compiled to closures; equal ones become one, which is evaluated once an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from omnibridge.cesql import attribute_text
from omnibridge.routing.filters import All, Any_, Attributes, Data, Exact, Filter, Not, Prefix, Sql, Suffix, nested
from omnibridge.routing.normal import STRINGS
from omnibridge.routing.readings import Check, Memory, reading

__all__ = ["Checks"]


class Checks:
    """Compiles filters. `filters` are all that will be asked for: what is equal among them is shared."""

    def __init__(self, filters: Iterable[Filter]) -> None:
        self._uses = Counter(part for whole in filters for part in nested(whole))
        self._made: dict[Filter, Check] = {}

    def uses(self, part: Filter) -> int:
        """How many filters ask for this one, themselves or inside."""
        return self._uses[part]

    def of(self, part: Filter) -> Check:
        """The compiled filter; the same function for equal filters."""
        made = self._made.get(part)
        if made is None:
            # To compare a text costs no more than to look up what an earlier comparison gave.
            light = isinstance(part, Exact | Prefix)
            made = reading(part.expression.tree) if isinstance(part, Sql) else None
            if made is None:
                made = self._compile(part)
                if self._uses[part] > 1 and not light:
                    made = _remembered(made, len(self._made))
            self._made[part] = made
        return made

    def every(self, parts: Iterable[Filter]) -> Check | None:
        """One function for all of them, the cheap ones first; None of none."""
        ordered = sorted(parts, key=_cost)
        if not ordered:
            return None
        checks = tuple(self.of(part) for part in ordered)
        return checks[0] if len(checks) == 1 else _all(checks)

    def _compile(self, part: Filter) -> Check:
        match part:
            case Exact():
                return _exact(part.name, part.value)
            case Prefix():
                return _prefix(part.name, part.value)
            case Suffix():
                return lambda attributes, data, memory: part.matches(attributes)
            case All():
                return _all(tuple(self.of(one) for one in part.parts))
            case Any_():
                return _any(tuple(self.of(one) for one in part.parts))
            case Not():
                return _not(self.of(part.part))
            case Sql():
                return _sql(part)


def _cost(part: Filter) -> int:
    if isinstance(part, Exact | Prefix | Suffix):
        return 0
    reads_data = any(isinstance(one, Sql) and one.expression.reads_data for one in nested(part))
    return 2 if reads_data else 1


def _exact(name: str, value: str) -> Check:
    if name in STRINGS:
        return lambda attributes, data, memory: attributes.get(name) == value

    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        found = attributes.get(name)
        return found == value if found.__class__ is str else attribute_text(found) == value

    return check


def _prefix(name: str, value: str) -> Check:
    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        text = attribute_text(attributes.get(name))
        return text is not None and text.startswith(value)

    return check


def _sql(part: Sql) -> Check:
    matches = part.expression.matches
    return lambda attributes, data, memory: matches(attributes, data)


def _not(inner: Check) -> Check:
    return lambda attributes, data, memory: not inner(attributes, data, memory)


def _all(checks: tuple[Check, ...]) -> Check:
    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        for one in checks:  # noqa: SIM110 - a generator costs more than the loop
            if not one(attributes, data, memory):
                return False
        return True

    return check


def _any(checks: tuple[Check, ...]) -> Check:
    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        for one in checks:  # noqa: SIM110 - a generator costs more than the loop
            if one(attributes, data, memory):
                return True
        return False

    return check


def _remembered(inner: Check, number: int) -> Check:
    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        found = memory.get(number)
        if found is None:
            found = memory[number] = inner(attributes, data, memory)
        return found is True

    return check
