"""The index over many filters: a tree that an event's attributes walk down, to the few filters left to evaluate.

A filter is placed by the conditions that it cannot match without: first by its type or the beginning of it, below that
by whichever other condition the fewest of its neighbours share. What its place already says is not asked again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from omnibridge.cesql import attribute_text
from omnibridge.routing.checks import Checks
from omnibridge.routing.filters import Attributes, Data, Filter
from omnibridge.routing.normal import Condition, condition_alone, conditions, conjuncts
from omnibridge.routing.readings import Check, Memory

__all__ = ["Index"]

_LEVELS = 3
_FEW = 2
_COPIES = 256
"""A filter that allows many values stands in many places; beyond this it is placed by fewer attributes."""


class _Leaf(NamedTuple):
    """A filter in its place: its number, and what is left to ask."""

    number: int
    check: Check | None


class _Group(NamedTuple):
    """Filters that all need `guard`, which is asked once for all of them."""

    guard: Check | None
    leaves: tuple[_Leaf, ...]


class _Branch(NamedTuple):
    """The ways on from an attribute: by its whole text, and by its first characters, for each length of them."""

    name: str
    exact: Mapping[str, _Node]
    prefixes: tuple[tuple[int, Mapping[str, _Node]], ...]


class _Node(NamedTuple):
    groups: tuple[_Group, ...]
    branches: tuple[_Branch, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A filter on its way to its place. `free` are the conditions that no level has used yet."""

    number: int
    free: Mapping[str, Condition]
    parts: tuple[Filter, ...]
    copies: int = 1

    def placed(self, name: str) -> _Entry:
        """Below a branch on `name`: what consists of a condition on it holds there."""
        left = tuple(part for part in self.parts if (alone := condition_alone(part)) is None or alone[0] != name)
        free = {key: condition for key, condition in self.free.items() if key != name}
        return _Entry(self.number, free, left, self.copies * len(self.free[name].texts))


class Index:
    """Finds which of `filters` match. Built once, never changed, and safe to use from several threads."""

    __slots__ = ("_root",)

    def __init__(self, filters: Iterable[Filter]) -> None:
        wholes = list(filters)
        taken_apart = [tuple(dict.fromkeys(conjuncts(whole))) for whole in wholes]
        checks = Checks(part for parts in taken_apart for part in parts)
        entries = [
            _Entry(number, conditions(whole), parts)
            for number, (whole, parts) in enumerate(zip(wholes, taken_apart, strict=True))
        ]
        possible = [entry for entry in entries if all(condition.texts for condition in entry.free.values())]
        self._root = _node(possible, 0, checks)

    def find(self, attributes: Attributes, data: Data = None) -> list[int]:
        """The numbers of the filters that match, in their order."""
        found: list[int] = []
        memory: Memory = {}
        waiting = [self._root]
        while waiting:
            groups, branches = waiting.pop()
            for guard, leaves in groups:
                if guard is None or guard(attributes, data, memory):
                    for number, check in leaves:
                        if check is None or check(attributes, data, memory):
                            found.append(number)
            for name, exact, prefixes in branches:
                value = attributes.get(name)
                text = value if isinstance(value, str) else attribute_text(value)
                if text is None:
                    continue
                node = exact.get(text)
                if node is not None:
                    waiting.append(node)
                for length, table in prefixes:
                    node = table.get(text[:length])
                    if node is not None:
                        waiting.append(node)
        found.sort()
        return found


def _node(entries: Sequence[_Entry], level: int, checks: Checks) -> _Node:
    if level == _LEVELS or (level and len(entries) <= _FEW):
        return _Node(_groups(entries, checks), ())
    chosen = _choose(entries, level)
    branches: list[_Branch] = []
    for name, members in chosen.items():
        exact: defaultdict[str, list[_Entry]] = defaultdict(list)
        prefixes: defaultdict[int, defaultdict[str, list[_Entry]]] = defaultdict(lambda: defaultdict(list))
        for entry in members:
            below, condition = entry.placed(name), entry.free[name]
            for text in condition.texts:
                (exact if condition.exact else prefixes[len(text)])[text].append(below)
        branches.append(
            _Branch(
                name,
                {text: _node(found, level + 1, checks) for text, found in exact.items()},
                tuple(
                    (length, {text: _node(found, level + 1, checks) for text, found in table.items()})
                    for length, table in sorted(prefixes.items())
                ),
            )
        )
    placed = {entry.number for members in chosen.values() for entry in members}
    return _Node(_groups([entry for entry in entries if entry.number not in placed], checks), tuple(branches))


def _choose(entries: Sequence[_Entry], level: int) -> dict[str, list[_Entry]]:
    """The attribute by which each entry goes on, where it has one: the type, then its rarest condition."""
    shared: Counter[tuple[str, bool, str]] = Counter()
    asked: Counter[str] = Counter()
    for entry in entries:
        for name, condition in entry.free.items():
            asked[name] += 1
            shared.update((name, condition.exact, text) for text in condition.texts)
    chosen: dict[str, list[_Entry]] = {}
    for entry in entries:
        ways = {
            name: condition for name, condition in entry.free.items() if entry.copies * len(condition.texts) <= _COPIES
        }
        if not ways:
            continue

        def crowd(name: str, ways: Mapping[str, Condition] = ways) -> tuple[int, int, str]:
            condition = ways[name]
            return max(shared[name, condition.exact, text] for text in condition.texts), -asked[name], name

        best = "type" if level == 0 and "type" in ways else min(ways, key=crowd)
        chosen.setdefault(best, []).append(entry)
    return chosen


def _groups(entries: Sequence[_Entry], checks: Checks) -> tuple[_Group, ...]:
    common = Counter(part for entry in entries for part in entry.parts)
    guarded: dict[Filter | None, list[_Leaf]] = {}
    for entry in entries:
        guard = max(entry.parts, key=lambda part: common[part], default=None)
        if guard is not None and common[guard] < _FEW:
            guard = None
        rest = [part for part in entry.parts if part != guard]
        guarded.setdefault(guard, []).append(_Leaf(entry.number, checks.every(rest)))
    return tuple(
        _Group(None if guard is None else checks.of(guard), tuple(leaves)) for guard, leaves in guarded.items()
    )
