"""The section `[ownership]`: which channel's word holds for which field, and what is wrong with saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from omnibridge.channel import Channel
from omnibridge.config.model import ConfigFile
from omnibridge.model import canonical_id, entity_class
from omnibridge.reconcile import SHARED, Ownership, Rule, private

__all__ = ["read_ownership"]

_KEYED = ("attributes",)
_BY_LOCATION = "inventory"


class Report(Protocol):
    """Takes down one problem: the path of a field, what is wrong with it, and what to do."""

    def __call__(
        self, path: Sequence[str | int], what: str, remedy: str | None = None, *, warning: bool = False
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Said:
    """One line of the section, taken apart: `kind[.field][@channel/location] = "owner"`."""

    key: str
    kind: str
    field: str | None
    place: str | None
    owner: str


def read_ownership(file: ConfigFile, channels: Mapping[str, Channel], report: Report) -> Ownership:
    """The rules of the section; one that is wrong is reported and left out."""
    known = {*file.channels}
    said: list[_Said] = []
    for key, owners in file.ownership.root.items():
        named = [owners] if isinstance(owners, str) else owners
        if len(named) != 1:
            report(("ownership", key), f"{len(named)} owners of {key}: {', '.join(named)}", "a field has one owner")
            continue
        one = _taken_apart(key, named[0])
        wrong = _wrong(one, known, channels)
        if wrong is not None:
            report(("ownership", key), *wrong)
        else:
            said.append(one)
    for one, other in _doubled(said):
        report(
            ("ownership", one.key),
            f"{one.owner} and, by {other.key!r}, {other.owner} own {other.kind}.{other.field} at {one.place}",
            f'say which: "{other.kind}.{other.field}@{one.place}" = "..."',
        )
    return Ownership(Rule(one.kind, one.field, _location(one.place), one.owner) for one in said)


def _taken_apart(key: str, owner: str) -> _Said:
    name, _, place = key.partition("@")
    kind, _, field = name.partition(".")
    return _Said(key, kind, field or None, place or None, owner)


def _wrong(said: _Said, known: set[str], channels: Mapping[str, Channel]) -> tuple[str, str] | None:
    """What is wrong with a line, and what to do."""
    if said.kind not in SHARED:
        return (
            f"a field of {said.kind!r} has no owner to choose",
            f"one of {', '.join(sorted(SHARED))}; everything else belongs to the channel that made it",
        )
    if said.field is not None:
        fields = _fields(said.kind)
        outer, dot, _ = said.field.partition(".")
        if said.field not in fields and not (dot and outer in _KEYED):
            return f"{said.kind} has no field {said.field!r}", f"one of {', '.join(sorted(fields))}, attributes.NAME"
    if said.place is not None:
        channel, slash, location = said.place.partition("/")
        if said.kind != _BY_LOCATION:
            return f"{said.kind} is not kept by location", "leave out what follows the @"
        if not slash or not location or channel not in known:
            return f"{said.place!r} names no location", "CHANNEL/ID, with the location's id in that channel"
    if said.owner not in known:
        return f"there is no channel {said.owner!r}", f"one of {', '.join(sorted(known)) or 'none yet'}"
    channel = channels.get(said.owner)
    if channel is not None and not {"*", said.kind} & set(channel.connector.emits):
        return (
            f"{said.owner} ({channel.connector.name}) never reports a {said.kind}, so its word is never heard",
            f"it reports {', '.join(channel.connector.emits) or 'nothing'}",
        )
    return None


def _fields(kind: str) -> set[str]:
    names = {name for name in entity_class(kind).model_fields if name not in ("id", *_KEYED) and not private(name)}
    return names | ({"price"} if kind == "product" else set())


def _doubled(said: Sequence[_Said]) -> Iterator[tuple[_Said, _Said]]:
    """A rule for all fields at a place, and one for a field at all places, of which neither says more."""
    exact = {(one.kind, one.field, one.place) for one in said}
    for one in said:
        for other in said:
            crossed = one.kind == other.kind and one.place and not one.field and other.field and not other.place
            if crossed and one.owner != other.owner and (other.kind, other.field, one.place) not in exact:
                yield one, other


def _location(place: str | None) -> str | None:
    if place is None:
        return None
    channel, _, location = place.partition("/")
    return canonical_id(channel, "location", location)
