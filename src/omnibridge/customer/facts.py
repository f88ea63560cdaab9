"""What a snapshot of a customer says about whose it is: its keys, and what its vendor merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json

from omnibridge.connector import Snapshot
from omnibridge.journal import EntityKey, FactsWrite, Known, Shown
from omnibridge.model import canonical_id, email_or_none, phone_or_none

__all__ = ["Json", "Seen", "introduced"]

Json = Mapping[str, Any]
"""An entity as JSON."""


class Seen(NamedTuple):
    """A snapshot of a customer as it came in: `said` is its entity as JSON, `version` as it sorts."""

    key: EntityKey
    snapshot: Snapshot
    said: Json
    version: str | None
    receipt: bool


_FLAGS = {"email": "email_verified", "phone": "phone_verified"}
_FIELDS = frozenset({"email", "phone", "loyalty_number", "contact_points"})
_MEDIA = {"email": "email", "phone": "phone", "mobile": "phone", "sms": "phone", "whatsapp": "phone"}


def introduced(seen: Iterable[Seen], known: Mapping[EntityKey, Known]) -> Iterator[FactsWrite | None]:
    """For each snapshot the news in it about whose its record is, or None; a late one tells none.

    `known` has what the journal knows of each record and of each of its aliases.
    """
    shown: dict[EntityKey, Json] = {}
    versions: dict[EntityKey, str] = {}
    for one in seen:
        key, now = one.key, known[one.key]
        version = versions.get(key, now.version)
        if version is not None and one.version is not None and one.version < version:
            yield None
            continue
        before = shown.get(key)
        if before is None and now.shadow is not None:
            before = from_json(now.shadow)
        aliases = {alias: known[EntityKey(key.channel, key.kind, alias)] for alias in one.snapshot.aliases}
        if one.receipt:
            news = _forgotten(key, one.said, before, now)
        else:
            news = _facts(key, one.snapshot, one.said, before, now, aliases)
        yield news
        shown[key] = {**(before or {}), **one.said}
        if one.version is not None:
            versions[key] = one.version


def _facts(
    key: EntityKey, seen: Snapshot, said: Json, before: Json | None, known: Known, aliases: Mapping[str, Known]
) -> FactsWrite | None:
    """The news about whose this is, or None where there is none.

    `before` is what the channel said so far. A field that says what is there already is no news, whoever wrote it
    there: so what we copied somewhere never identifies anybody. `known` and `aliases` are what the journal has.
    """
    root = known.id or canonical_id(key.channel, key.kind, key.external_id)
    ours = seen.ours is not None and seen.ours != known.id
    further = tuple(one for one in seen.aliases if one != key.external_id and aliases[one].id != (known.id or ""))
    if seen.deleted:
        return FactsWrite(*key, root, counts=False) if before is not None and not known.deleted else None
    had = before or {}
    changed = {name for name, value in said.items() if name not in had or had[name] != value}
    fields = {name: tuple(_keys(name, said)) for name in sorted(_FIELDS & changed)}
    confirmed = {
        name: said[flag] is True
        for name, flag in _FLAGS.items()
        if flag in changed and name not in changed and flag in had
    }
    links: tuple[str, ...] | None = None
    if "merged_into" in changed:
        into: Json = said["merged_into"] or {}
        links = (into["external_id"],) if into.get("external_id") else ()
    telling = any(fields.values()) or (before is not None and (fields or confirmed))
    if not (telling or links or ours or further or (links == () and before is not None)):
        return None
    return FactsWrite(*key, seen.ours or root, fields, confirmed, further, links, counts=not said.get("merged_into"))


def _forgotten(key: EntityKey, said: Json, before: Json | None, known: Known) -> FactsWrite | None:
    """What a receipt takes back: the fields that we wrote there are no word of the channel any more."""
    if before is None or known.id is None:
        return None
    changed = {name for name in _FIELDS & said.keys() if before.get(name) not in (None, said[name], [], ())}
    return FactsWrite(*key, known.id, dict.fromkeys(sorted(changed), ())) if changed else None


def _keys(field: str, said: Json) -> Iterator[Shown]:
    value = said.get(field)
    if field == "contact_points":
        points: Iterable[Json] = value or ()
        yield from (shown for point in points for shown in _point(point))
    elif field == "loyalty_number":
        if value:
            yield Shown("loyalty", str(value).strip(), True)  # a number that the company itself gave out
    elif value:
        yield Shown(field, str(value), said.get(_FLAGS[field]) is True)


def _point(point: Json) -> Iterator[Shown]:
    kind, value = _MEDIA.get(str(point.get("medium"))), point.get("value")
    normal = email_or_none(value) if kind == "email" else phone_or_none(value)
    if kind is not None and normal is not None:
        yield Shown(kind, normal, point.get("verified") is True)
