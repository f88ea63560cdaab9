"""The document of an entity anew, from what each channel last said of it: what merging and unmerging come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from omnibridge.journal import EntityKey, Showing, opened
from omnibridge.model import entity_class
from omnibridge.reconcile.fields import flat, whole
from omnibridge.reconcile.fold import Owner, Shadow, Source, fold, nobody
from omnibridge.reconcile.links import Json, links_in, resolved
from omnibridge.reconcile.turn import as_bytes

__all__ = ["links_of", "refolded"]

_WHOSE = ("merged_into", "unmerged_from")
"""Say whose a record is, and nothing about whom it is."""


def links_of(showings: Iterable[Showing]) -> set[EntityKey]:
    """What is referred to inside: the keys that `refolded` must have the ids of."""
    return {
        EntityKey(one.channel, link["kind"], link["external_id"])
        for one in showings
        if one.shadow is not None
        for link in links_in(entity_class(one.kind), opened(one.shadow)[0])
        if link.get("external_id") is not None
    }


def refolded(
    kind: str,
    id_: str,
    showings: Iterable[Showing],
    ids: Mapping[EntityKey, str | None],
    owners: Callable[[str, Json], Owner] = lambda kind, entity: nobody,
) -> bytes | None:
    """What the journal keeps of the entity that these references show; None where nobody showed it.

    A field that nobody here claims is taken from whoever has it: its original may have gone with another customer.
    """
    shadows = [_shadow(one, ids) for one in showings if one.shadow is not None]
    if not shadows:
        return None
    copies: dict[str, Source] = {}
    everything = {name: value for shadow in shadows for name, value in shadow.fields.items()}
    entity, sources = fold(kind, shadows, owners(kind, everything))
    fields = {**flat(kind, entity), "id": id_}
    for shadow in shadows:
        for name, value in flat(kind, shadow.fields).items():
            source = Source(shadow.channel, _had(shadow, name))
            if name not in fields or (name in copies and source[::-1] > copies[name][::-1]):
                fields[name], copies[name] = value, source
    named = {name: one for name, one in {**sources, **copies}.items() if name in fields}
    origin = min(shadows, key=lambda shadow: (min(map(_at, (shadow.claims or {}).values()), default=0), shadow.channel))
    return as_bytes({"origin": origin.channel, "sources": named, "entity": whole(kind, fields)})


def _at(claim: int | list[int]) -> int:
    return claim if isinstance(claim, int) else claim[0]


def _had(shadow: Shadow, field: str) -> int:
    """Since when a channel has had what it has in a field."""
    claim = (shadow.claims or {}).get(field)
    return 0 if claim is None else _at(claim)


def _shadow(one: Showing, ids: Mapping[EntityKey, str | None]) -> Shadow:
    fields, claims = opened(one.shadow or b"{}")

    def id_of(kind: str, external_id: str) -> str:
        return ids.get(EntityKey(one.channel, kind, external_id)) or external_id

    for name in _WHOSE:
        fields.pop(name, None)
    return Shadow(one.channel, resolved(entity_class(one.kind), fields, id_of), claims)
