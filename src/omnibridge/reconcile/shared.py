"""One step of the fold: what a channel's news changes about an entity that several systems write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from omnibridge.journal import BASE, HEARD, Claims, Written
from omnibridge.reconcile.fields import private
from omnibridge.reconcile.fold import Claim, Owner, Source, rank
from omnibridge.reconcile.links import Json

__all__ = ["EMPTY", "Taken", "copied", "lay_over", "overwritten", "superseded", "take", "unheard"]

_WRITES = 3
"""How many writes before the last one are remembered, for what is told late."""
EMPTY: tuple[object, ...] = (None, [], {}, "")


class Taken(NamedTuple):
    """What news came to. `lost` are fields in which another's claim holds against the channel's; `edits` of them were
    known there before, so that somebody changed them."""

    lost: list[str]
    edits: list[str]


def take(
    channel: str,
    before: Json,
    changed: Json,
    claims: Claims,
    at: int,
    document: Json,
    sources: dict[str, Source],
    owner: Owner,
    normal: Callable[[], Json],
) -> Taken:
    """Take the fields that a channel changed into `document`, `sources` and the channel's `claims`, which all change.

    `before` is what the channel had. `at` is when it changed them, as far as anybody says. `normal()` is the document
    as this channel would keep it.
    """
    taken = Taken([], [])
    for field, value in changed.items():
        had = claims.get(field)
        source = sources.get(field)
        whose = owner(field)
        if had is None:
            # The first sight of nothing is the weakest claim: who never had a value has not removed the others'.
            when = 0 if field not in before and value in EMPTY else at
        else:
            when = max(at, _known(had) + 1)  # whoever changes something knew it
        if (
            source is not None
            and source.channel != channel
            and whose != channel
            and _agrees(field, value, document, normal)
        ):
            claims[field] = [max(source.at, _made(had) if had is not None else 0)]
            continue
        claims[field] = when
        claim = Claim(field, Source(channel, when), value)
        if source is not None and field in document:
            held = Claim(field, source, document[field])
            if rank(claim, whose) < rank(held, whose):
                if document[field] != value and not private(field):
                    taken.lost.append(field)
                    if field in before:
                        taken.edits.append(field)
                continue
        document[field] = value
        sources[field] = claim.source
    return taken


def _agrees(field: str, value: object, document: Json, normal: Callable[[], Json]) -> bool:
    """Whether a channel says what the document says, as far as it can: then it has a copy, and states nothing."""
    if field not in document:
        return False
    return document[field] == value or (private(field) is False and normal().get(field, document[field]) == value)


def unheard(said: Json, claims: Claims, version: str) -> Json:
    """The fields that somebody had changed in a version that a write of ours has made an old one, unheard.

    Takes the channel's claims back to what the write was upon, as far as these fields go.
    """
    changed: Json = {}
    base = claims.get(BASE)
    for write in base[1] if isinstance(base, list) else ():
        before, own, upon = write
        if before < version < own:
            for field, (made, old) in list(upon.items()):
                if field in said and said[field] != old and not private(field):
                    changed[field] = said[field]
                    claims[field] = [made]
                    upon[field][1] = said[field]
            write[0] = version
    return changed


def superseded(changed: Iterable[str], claims: Claims) -> None:
    """Forget what a write was upon in fields that were changed after it."""
    base = claims.get(BASE)
    if isinstance(base, list):
        for field in changed:
            for _, _, upon in base[1]:
                upon.pop(field, None)


def lay_over(fields: Iterable[str], changed: Json, claims: Claims) -> None:
    """Note that a write of ours stands over claims that it did not know."""
    base = claims[BASE]
    for field in fields:
        if isinstance(claims[field], int) and isinstance(base, list):
            claims[field] = [base[0], claims[field], changed[field], True]


def _made(claim: int | Written) -> int:
    """When what a channel has came to be there."""
    return claim if isinstance(claim, int) else claim[0]


def _known(claim: int | Written) -> int:
    """The time of the newest that a channel has known: what is there, or its own word that we wrote over."""
    return claim if isinstance(claim, int) else max(claim[0], claim[1] if len(claim) > 1 else 0)


def copied(before: Json, said: Json, claims: Claims, made: int, versions: tuple[str | None, str | None]) -> None:
    """Note in a channel's claims what a delivery wrote there, which was made at `made`.

    `versions` are the one before the write and its own, where they are known: what is told of one between them was
    changed before the write, which did not know it.
    """
    heard = _made(claims.get(HEARD, 0))
    if None not in versions:
        earlier = claims.get(BASE)
        writes: Written = earlier[1][-_WRITES:] if isinstance(earlier, list) else []
        upon = {field: [_made(claims.get(field, 0)), before.get(field)] for field in said}
        claims[BASE] = [made, [*writes, [*versions, upon]]]
    for field, value in said.items():
        had = claims.get(field)
        own: Written = had[1:] if isinstance(had, list) else []
        if isinstance(had, int):
            if before.get(field) == value:
                continue  # the channel's own word, written back to it
            own = [had, before.get(field), *([True] if made <= heard else [])]
        if own and own[1] == value:
            claims[field] = own[0]  # what we wrote over is there again
        else:
            claims[field] = [made, *own]


def overwritten(channel: str, claims: Claims, fields: Iterable[str], sources: dict[str, Source]) -> list[str]:
    """The fields in which a delivery wrote over a claim of this channel that it did not know, and that holds."""
    lost: list[str] = []
    for field in fields:
        claim = claims.get(field)
        if isinstance(claim, list) and len(claim) > 3 and sources.get(field) == Source(channel, claim[1]):
            lost.append(field)
    return lost
