"""Who owns a field: the channel whose word holds whatever others say, for a kind, a field and a location."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omnibridge.reconcile.fold import Owner, nobody
from omnibridge.reconcile.links import Json

__all__ = ["Ownership", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`channel` owns a field (None: all of them) of a kind, at a location (its canonical id; None: everywhere)."""

    kind: str
    field: str | None
    location: str | None
    channel: str

    @property
    def narrow(self) -> tuple[bool, bool]:
        """Of two rules that both apply, the one that says more decides; that at a location before that of a field."""
        return self.location is not None, self.field is not None

    def covers(self, field: str) -> bool:
        """Whether it says anything about a field; a rule about `price` is one about `price.SKU`."""
        return self.field is None or field == self.field or field.startswith(f"{self.field}.")


class Ownership:
    """Every rule, and the owners of the fields of one entity."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._same: Mapping[str, str] = {}
        for rule in sorted(rules, key=lambda rule: rule.narrow, reverse=True):
            self._rules.setdefault(rule.kind, []).append(rule)

    @property
    def places(self) -> frozenset[str]:
        """The locations that rules are about, by the ids that these got when they were first shown."""
        return frozenset(rule.location for rules in self._rules.values() for rule in rules if rule.location is not None)

    def same(self, ids: Mapping[str, str]) -> None:
        """Which locations were matched with others since: every id that one has or had, and the one in force."""
        self._same = ids

    def of(self, kind: str, entity: Json) -> Owner:
        """The owners of the fields of an entity, whose references are canonical."""
        rules = self._rules.get(kind)
        if not rules:
            return nobody
        place: Json = entity.get("location") or {}
        location = place.get("id")
        same = self._same
        here = [
            rule
            for rule in rules
            if rule.location is None
            or (location is not None and same.get(rule.location, rule.location) == same.get(location, location))
        ]

        def owner(field: str) -> str | None:
            return next((rule.channel for rule in here if rule.covers(field)), None)

        return owner
