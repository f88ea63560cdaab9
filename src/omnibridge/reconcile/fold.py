"""The document of an entity that several systems write: a fold over what each of them claims, field by field.

A claim is a value that a channel stated by itself, and when. What we wrote there is a copy, and no claim. The document
has, per field, the claim of the field's owner, else the newest one. So it depends on the claims and not on the order in
which they came: merging, unmerging and late news need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydantic_core import to_json

from omnibridge.journal import BASE, HEARD, Claims
from omnibridge.reconcile.fields import flat, whole
from omnibridge.reconcile.links import Json

__all__ = ["OPERATOR", "SHARED", "Claim", "Owner", "Shadow", "Source", "fold", "nobody", "rank", "sources_in"]

SHARED = frozenset({"customer", "inventory", "product", "location"})
"""Kinds that several channels write. A consent is none of them: who attests it, decides. All others belong to the
channel that made one."""
OPERATOR = "operator"
"""Stands where a channel stands in a claim that a person made here, who settled a conflict."""
Owner = Callable[[str], str | None]
"""The channel that owns a field of an entity, or None."""


class Source(NamedTuple):
    """Whose claim a field of a document is, and when it was made (microseconds since 1970)."""

    channel: str
    at: int


class Claim(NamedTuple):
    """What a channel states about one field. `stands`: it was not given up for another's value since."""

    field: str
    source: Source
    value: object
    stands: bool = True


class Shadow(NamedTuple):
    """What one channel shows of an entity: fields as JSON with canonical references, and its claims.

    Without claims (None: it was stored before there were any) everything in it counts as claimed before all others.
    """

    channel: str
    fields: Json
    claims: Claims | None = None

    def stated(self, kind: str) -> Iterator[Claim]:
        """Its claims."""
        fields = flat(kind, self.fields)
        if self.claims is None:
            yield from (Claim(field, Source(self.channel, 0), value) for field, value in fields.items())
            return
        for field, claim in self.claims.items():
            if field in (HEARD, BASE):
                continue
            if isinstance(claim, int):
                if field in fields:
                    yield Claim(field, Source(self.channel, claim), fields[field])
            elif len(claim) > 1:
                yield Claim(field, Source(self.channel, claim[1]), claim[2], stands=len(claim) > 3)


def nobody(field: str) -> str | None:
    """The owner of fields that nobody owns."""
    return None


def rank(claim: Claim, owner: str | None) -> tuple[bool, int, str, bytes]:
    """Claims of one field in order; the last of them holds.

    The owner before others, an operator beside the owner, then the newest; the channel's name and the value only
    break ties.
    """
    source = claim.source
    owns = owner is not None and claim.stands and source.channel in (owner, OPERATOR)
    return owns, source.at, source.channel, to_json(claim.value)


def fold(kind: str, shadows: Iterable[Shadow], owner: Owner = nobody) -> tuple[Json, dict[str, Source]]:
    """The fields of the entity that these shadows are of (without `id`), and the source of each.

    The sources are by the names of `fields.flat`. A field that nobody claims is not there.
    """
    best: dict[str, Claim] = {}
    for shadow in shadows:
        for claim in shadow.stated(kind):
            held = best.get(claim.field)
            whose = owner(claim.field)
            if held is None or rank(claim, whose) > rank(held, whose):
                best[claim.field] = claim
    fields = {name: claim.value for name, claim in sorted(best.items())}
    return whole(kind, fields), {name: best[name].source for name in fields}


def sources_in(document: Json) -> dict[str, Source]:
    """Whose claims the fields of a stored document are; of one from before there were any, its origin's."""
    sources = document.get("sources")
    if sources is None:
        return dict.fromkeys(flat("", document["entity"]), Source(document["origin"], 0))
    return {name: Source(channel, at) for name, (channel, at) in sources.items()}
