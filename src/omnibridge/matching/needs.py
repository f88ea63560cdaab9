"""Which channel must know what of another one's: what the routes may bring to it names locations, variants, taxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from omnibridge.channel import Channel
from omnibridge.routing import Route, possible_channels, possible_types

__all__ = ["Need", "needs_of"]

_NAMES: Mapping[str, tuple[str, ...]] = {
    "order": ("location", "tax", "variant"),
    "inventory": ("location", "variant"),
    "payment": ("location", "payment_method"),
    "product": ("price_list",),
    "fulfilment": ("location",),
    "return": ("location",),
    "refund": ("location",),
}
"""What an entity of a kind names, beside customers and other entities that need no matching."""


class Need(NamedTuple):
    """What `of` has of `kind` may be named in what `to` is told."""

    of: str
    to: str
    kind: str


def needs_of(routes: Iterable[Route], channels: Mapping[str, Channel]) -> frozenset[Need]:
    """What must be matched between which channels."""
    return frozenset(need for route in routes for need in _of(route, channels))


def _of(route: Route, channels: Mapping[str, Channel]) -> Iterator[Need]:
    sources = possible_channels(route.filter, channels)
    names = [entry.name for entry in possible_types(route.filter)]
    for to in (channels[name] for name in route.to if name in channels):
        kinds = {kind for name in names if to.slot_for(name) is not None for kind in _NAMES.get(_kind(name), ())}
        for of in sources:
            if of != to.name:
                yield from (Need(of, to.name, kind) for kind in sorted(kinds))


def _kind(event: str) -> str:
    return event.partition(".")[0]
