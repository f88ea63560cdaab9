"""Pairs of channels that write to each other and could never come to rest, found before they are run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

from omnibridge.channel import Channel
from omnibridge.model import entity_class
from omnibridge.model.examples import example
from omnibridge.reconcile import SHARED, flat, private
from omnibridge.routing import Route, possible_channels, possible_types

__all__ = ["Unrest", "unrest"]

Json = dict[str, Any]
_ROUNDS = 4
"""So often a value is handed to a channel; by then it must have come to stay."""
_WRITTEN = "  Ærø & Søn's, 2nd  "
"""A text that vendors like to change: blanks around it, letters beyond ASCII, both cases."""
_TEXTS = ("given_name", "family_name", "company", "note", "title", "description", "brand", "name")
_EXAMPLES = {"inventory": "inventory.changed"}


class Unrest(NamedTuple):
    """Why two channels (or one, with itself) cannot come to rest, and what to do."""

    channels: tuple[str, str]
    what: str
    remedy: str


def unrest(routes: Iterable[Route], channels: Mapping[str, Channel]) -> Iterator[Unrest]:
    """Every pair that cannot, with its reason."""
    ways = _ways(routes, channels)
    for one, other in combinations_with_replacement(sorted(channels), 2):
        kinds = sorted(ways[one, other] & ways[other, one])
        if kinds:
            yield from _of(channels[one], channels[other], kinds)


def _ways(routes: Iterable[Route], channels: Mapping[str, Channel]) -> Mapping[tuple[str, str], set[str]]:
    """The kinds of entity that each channel's changes bring to another one (to itself where a route echoes)."""
    ways: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for route in routes:
        names = [entry.name for entry in possible_types(route.filter)]
        for to in (channels[name] for name in route.to if name in channels):
            kinds = {name.partition(".")[0] for name in names if to.slot_for(name) is not None} & SHARED
            for of in possible_channels(route.filter, channels):
                if of != to.name or route.echo:
                    ways[of, to.name] |= kinds
    return ways


def _of(one: Channel, other: Channel, kinds: list[str]) -> Iterator[Unrest]:
    pair = (one.name, other.name)
    if one is not other and one.connector is other.connector and one.settings == other.settings:
        what = f"{one.name} and {other.name} are one and the same system: each would make the other's {kinds[0]}s anew"
        yield Unrest(pair, what, "leave one of the two channels out")
        return
    for channel in (one, other) if one is not other else (one,):
        for kind in kinds:
            fields = sorted({field for given in _examples(kind) for field in _restless(channel, kind, given)})
            if fields:
                back = other if channel is one else one
                what = (
                    f"{channel.name} changes {kind}.{', '.join(fields)} again each time that {back.name} gives it back"
                )
                remedy = f"mend `normal` of {channel.connector.name}: what it makes of a value, it must leave as it is"
                yield Unrest(pair, what, remedy)
        if double := _double(channel.inward):
            ours, theirs = double
            what = f"{channel.name} has {' and '.join(theirs)} for the one field {ours}, and gives back only the last"
            yield Unrest(pair, what, f"leave one of them out of [channels.{channel.name}.map]")


def _examples(kind: str) -> Iterator[Json]:
    given: Json = dict(example(_EXAMPLES.get(kind, f"{kind}.updated")))
    yield given
    yield {**given, **dict.fromkeys({*_TEXTS} & entity_class(kind).model_fields.keys(), _WRITTEN)}


def _restless(channel: Channel, kind: str, given: Json) -> list[str]:
    """The fields of an entity that a channel keeps changing however often it is handed what it made of them."""
    before: Json = given
    after = channel.kept(kind, before)
    for _ in range(_ROUNDS):
        if after is None:
            return []
        before, after = after, channel.kept(kind, {**given, **after})
    old, new = flat(kind, before), flat(kind, after or before)
    return [name for name in new if not private(name) and new[name] != old.get(name)]


def _double(inward: Mapping[str, str]) -> tuple[str, list[str]] | None:
    named: defaultdict[str, list[str]] = defaultdict(list)
    for theirs, ours in inward.items():
        named[ours].append(theirs)
    return next(((ours, theirs) for ours, theirs in named.items() if len(theirs) > 1), None)
