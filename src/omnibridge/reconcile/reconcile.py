"""Compares what a channel says with what it said before, and with the canonical entity, and derives what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from omnibridge.connector import Occurrence, Snapshot, Version, json_bytes
from omnibridge.errors import InvalidMessage
from omnibridge.event import JSON, Event
from omnibridge.journal import EntityKey, EntityWrite, Known, Origin, ReferenceWrite, ShadowWrite
from omnibridge.model import Consent, Order, canonical_id, event_id, full_type, lookup
from omnibridge.reconcile.consent import judge
from omnibridge.reconcile.derive import verbs
from omnibridge.reconcile.links import links_in, resolved
from omnibridge.reconcile.party import party_of, party_of_event

__all__ = ["ChannelView", "Derived", "Prepared", "Reconciler", "prepare"]

Json = dict[str, Any]
"""An entity as JSON."""
_MERGED = ("attributes", "vendor")  # dictionaries whose keys belong to different channels
_UNKNOWN = Known()
_EMPTY: tuple[object, ...] = (None, [], {}, "")
_STAMPS = frozenset({"created_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class ChannelView:
    """What reconciling must know about the channel that speaks.

    `inward` maps the vendor's custom field names to the company's attribute names. `collects_consent`: a permission
    first given here, with the vendor's time and proof, counts; elsewhere a grant is only a copy.
    """

    name: str
    source: str
    inward: Mapping[str, str] = field(default_factory=dict[str, str])
    collects_consent: bool = False


class Derived:
    """What one inbox row came to, before routing; `about` whom, and `parties` by event."""

    __slots__ = ("about", "entities", "events", "parties", "references", "shadows")

    def __init__(self) -> None:
        self.references: list[ReferenceWrite] = []
        self.shadows: list[ShadowWrite] = []
        self.entities: list[EntityWrite] = []
        self.events: list[Event] = []
        self.about: set[str] = set()
        self.parties: dict[str, str | None] = {}

    def party(self, event: Event) -> str | None:
        """Whom an event is about."""
        return self.parties[event.id] if event.id in self.parties else party_of_event(event)


class Prepared(NamedTuple):
    """A snapshot with what it says as JSON (the company's names for custom fields) and the entity keys it needs.

    `event`: the snapshot is what this event from outside tells, which stands for the change.
    """

    snapshot: Snapshot
    said: Json
    key: EntityKey
    links: tuple[EntityKey, ...]
    event: Event | None = None


def prepare(channel: ChannelView, seen: Snapshot) -> Prepared:
    """Everything about a snapshot that needs no state, so that the state can be read for a whole batch at once."""
    said: Json = seen.entity.model_dump(mode="json", exclude_unset=True)
    said.pop("id", None)
    mapped: dict[str, JsonValue] = {
        ours: seen.custom[theirs] for theirs, ours in channel.inward.items() if theirs in seen.custom
    }
    if mapped:
        said["attributes"] = {**said.get("attributes", {}), **mapped}
    for text in (seen.external_id, seen.ours, seen.version):
        if isinstance(text, str) and not text.isascii():
            _check_text(text, seen.kind)
    links = tuple(
        EntityKey(channel.name, link["kind"], link["external_id"])
        for link in links_in(type(seen.entity), said)
        if link.get("external_id") is not None
    )
    return Prepared(seen, said, EntityKey(channel.name, seen.kind, seen.external_id), links)


def _check_text(text: str, kind: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("an id or version holds half a character", where=kind) from None


@dataclass(slots=True)
class _Turn:
    """One snapshot on its way through: who says it, what was known before, and where its results go."""

    channel: ChannelView
    prepared: Prepared
    known: Known
    id: str
    version: str | None
    origin: Origin
    received: datetime
    derived: Derived
    party: str | None

    @property
    def at(self) -> datetime:
        """When it happened, as far as anybody says."""
        version = self.prepared.snapshot.version
        return version if isinstance(version, datetime) else self.received


class Reconciler:
    """Works on one batch: `state` holds what the journal knew, and each snapshot sees what the ones before it changed.

    Pure but for that. `entities` holds the canonical entities by (kind, id).
    """

    def __init__(self, state: dict[EntityKey, Known], entities: dict[tuple[str, str], tuple[bytes, int]]) -> None:
        self._state = state
        self._entities = entities

    # -- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(
        self, channel: ChannelView, prepared: Prepared, origin: Origin, received: datetime, derived: Derived
    ) -> None:
        """Take a snapshot in. One that is older than what is known changes nothing."""
        seen, key = prepared.snapshot, prepared.key
        known = self._state.get(key, _UNKNOWN)
        version = version_text(seen.version)
        newer = version is not None and version != known.version
        if known.version is not None and version is not None and version < known.version:
            return
        id_ = known.id or seen.ours or canonical_id(channel.name, seen.kind, seen.external_id)
        if known.id is None:
            derived.references.append(ReferenceWrite(channel.name, seen.kind, seen.external_id, id_))
        party = party_of(seen.kind, id_, prepared.said, known, partial(self._target, channel.name))
        if party is not None:
            derived.about.add(party)
        turn = _Turn(channel, prepared, known, id_, version, origin, received, derived, party)
        if seen.deleted:
            if not known.deleted:
                self._deleted(turn)
            elif newer:
                self._shadow(turn, known.shadow or b"{}", version, deleted=True)
            return
        if known.deleted and version is not None and not newer:
            return  # told late: it is from before the deletion
        said = prepared.said
        before: Json = from_json(known.shadow) if known.shadow is not None else {}
        changed = {name: value for name, value in said.items() if name not in before or before[name] != value}
        if origin is Origin.WEBHOOK and key.kind == Consent.KIND and self._undecided(id_):
            changed = said  # a poll may have copied this permission already; it is the webhook that attests it
        if changed or newer or known.deleted or known.shadow is None:
            self._shadow(turn, _bytes({**before, **said} if before else said), version or known.version)
        if origin is not Origin.RECEIPT and (changed or known.deleted):
            if key.kind == Consent.KIND:
                self._permission(turn)
            else:
                self._apply(turn, changed)

    def _undecided(self, id_: str) -> bool:
        document = self._document(Consent.KIND, id_)
        return document is not None and document["entity"].get("state", "unknown") == "unknown"

    def _shadow(self, turn: _Turn, content: bytes, version: str | None, *, deleted: bool = False) -> None:
        key, known = turn.prepared.key, turn.known
        turn.derived.shadows.append(
            ShadowWrite(key.channel, key.kind, key.external_id, known.shadow_rev, content, version, deleted, turn.party)
        )
        self._state[key] = Known(
            turn.id, content, known.shadow_rev + 1, version, deleted, known.entity, known.entity_rev, turn.party
        )

    def _deleted(self, turn: _Turn) -> None:
        content = turn.known.shadow or _bytes(turn.prepared.said)
        self._shadow(turn, content, turn.version or turn.known.version, deleted=True)
        document = self._document(turn.prepared.key.kind, turn.id)
        data = document["entity"] if document else {**from_json(content), "id": turn.id}
        self._event(turn, "deleted", data, _bytes(data), turn.version or turn.received.isoformat())

    def _apply(self, turn: _Turn, changed: Json) -> None:
        seen, key, channel = turn.prepared.snapshot, turn.prepared.key, turn.channel
        document = self._document(key.kind, turn.id)
        before: Json | None = document["entity"] if document else None
        owner: str = document["origin"] if document else channel.name
        fresh = self._linked(turn, changed)
        after: Json = dict(before) if before is not None else {"id": turn.id}
        first = turn.known.shadow is None
        for name, value in fresh.items():
            if first and before is not None and value in _EMPTY and after.get(name) not in _EMPTY:
                continue  # a channel that never had a value has not removed the others'
            if name in _MERGED and isinstance(value, dict):
                after[name] = {**after.get(name, {}), **value}
            elif owner == channel.name or key.kind in _SHARED or after.get(name) in _EMPTY:
                after[name] = value
        if isinstance(seen.entity, Order) and owner == channel.name:
            wrong = [d.model_dump(mode="json") for d in seen.entity.check()]
            if wrong or after.get("discrepancies"):
                after["discrepancies"] = wrong
        different = {name for name, value in after.items() if before is None or before.get(name) != value}
        revived = turn.known.deleted
        if before is not None and not different and not revived:
            return
        body = _bytes(after)
        self._store(turn, b'{"origin":' + _bytes(owner) + b',"entity":' + body + b"}")
        quiet = _STAMPS if owner == channel.name else _STAMPS | {"vendor"}
        if before is not None and not revived and different <= quiet:
            return  # the dates and private fields that a system adds to what we wrote there: nothing happened
        stamp = _stamp(turn, body)
        for verb in verbs(key.kind, before, after):
            self._event(turn, verb, after, body, stamp)

    def _linked(self, turn: _Turn, said: Json) -> Json:
        """What was said, with canonical references."""
        if not turn.prepared.links:
            return said
        channel, model = turn.channel.name, type(turn.prepared.snapshot.entity)
        return resolved(model, said, lambda kind, ext: self.reference(channel, kind, ext, turn.derived))

    def _store(self, turn: _Turn, content: bytes) -> None:
        kind = turn.prepared.key.kind
        rev = self._entities.get((kind, turn.id), (b"", 0))[1]
        turn.derived.entities.append(EntityWrite(kind, turn.id, rev, content, turn.party))
        self._entities[kind, turn.id] = (content, rev + 1)

    def _permission(self, turn: _Turn) -> None:
        """A permission is one statement, not fields: a new time for the state that it had is a new decision."""
        key, channel = turn.prepared.key, turn.channel
        document = self._document(key.kind, turn.id)
        before: Json | None = document["entity"] if document else None
        said = self._linked(turn, turn.prepared.said)
        first = turn.known.shadow is None
        after, ledger = judge(
            channel.name, turn.origin, turn.received, document, said, collects=channel.collects_consent, first=first
        )
        after = {"id": turn.id, **after}
        if before is not None and {n for n in after if after[n] != before.get(n)} <= {"vendor"}:
            found: list[str] = []  # a system's private fields are no decision
        else:
            found = verbs(key.kind, before, after)
        body = _bytes(after)
        for verb in found:
            outside = turn.prepared.event
            event = outside.id if outside else self._event(turn, verb, after, body, _stamp(turn, body))
            if ledger:
                ledger[-1] = {"event": event, **ledger[-1]}
        if document is None or after != before or ledger != document.get("ledger"):
            owner: str = document["origin"] if document else channel.name
            self._store(turn, b'{"origin":%b,"entity":%b,"ledger":%b}' % (_bytes(owner), body, _bytes(ledger)))

    def told(
        self, channel: ChannelView, prepared: Prepared, event: Event, origin: Origin, at: datetime, derived: Derived
    ) -> None:
        """Take in what an event from outside says about a permission; the event itself stands for the change."""
        self.snapshot(channel, prepared, origin, at, derived)
        event = event if event.subject else replace(event, subject=self._state[prepared.key].id)
        derived.parties[event.id] = self._state[prepared.key].party
        derived.events.append(event.with_extensions(channel=channel.name))

    def _document(self, kind: str, id_: str) -> Json | None:
        found = self._entities.get((kind, id_))
        return from_json(found[0]) if found is not None else None

    def _target(self, channel: str, link: Json) -> Known:
        """What is known about the target of a reference inside a snapshot, its canonical id at least."""
        external_id: str | None = link.get("external_id")
        if external_id is None:
            return Known(id=link.get("id"))
        found = self._state.get(EntityKey(channel, link["kind"], external_id))
        if found is not None and found.id is not None:
            return found
        return Known(id=canonical_id(channel, link["kind"], external_id))

    def reference(self, channel: str, kind: str, external_id: str, derived: Derived) -> str:
        """The canonical id of what a channel names, made from the name when it was never seen."""
        key = EntityKey(channel, kind, external_id)
        known = self._state.get(key)
        if known is not None and known.id is not None:
            return known.id
        id_ = canonical_id(channel, kind, external_id)
        derived.references.append(ReferenceWrite(channel, kind, external_id, id_))
        self._state[key] = Known(id=id_)
        return id_

    def _event(self, turn: _Turn, verb: str, data: Json, body: bytes, stamp: str) -> str:
        key = turn.prepared.key
        entry = lookup(f"{key.kind}.{verb}")
        type_ = entry.type if entry else f"{key.kind}.{verb}"
        id_ = event_id(key.channel, key.kind, key.external_id, stamp, type_)
        turn.derived.parties[id_] = turn.party
        turn.derived.events.append(
            Event(
                id=id_,
                source=turn.channel.source,
                type=type_,
                subject=turn.id,
                time=turn.at.isoformat().replace("+00:00", "Z"),
                datacontenttype=JSON,
                dataschema=entry.dataschema if entry else None,
                content=body,
                extensions={"channel": turn.channel.name, "partitionkey": _partition(data, turn.id)},
            )
        )
        return id_

    # -- occurrences -----------------------------------------------------------------------------------------------

    def occurrence(self, channel: ChannelView, seen: Occurrence, received: datetime, derived: Derived) -> None:
        """Take an occurrence in: a whole CloudEvent keeps its identity, anything else gets one."""
        if seen.event is not None:
            derived.events.append(seen.event.with_extensions(channel=channel.name))
            return
        type_ = full_type(seen.type)
        subject = None
        if seen.subject is not None:
            subject = seen.subject.id
            if subject is None and seen.subject.external_id is not None:
                subject = self.reference(channel.name, seen.subject.kind, seen.subject.external_id, derived)
        entry = lookup(type_)
        at = seen.at or received
        id_ = event_id(channel.name, "", seen.key, "", type_)
        derived.events.append(
            Event(
                id=id_,
                source=channel.source,
                type=type_,
                subject=subject,
                time=at.isoformat().replace("+00:00", "Z"),
                datacontenttype=JSON,
                dataschema=entry.dataschema if entry else None,
                content=to_json(seen.data),
                extensions={"channel": channel.name, "partitionkey": subject or id_},
            )
        )


_SHARED = frozenset({"customer", "consent", "inventory", "product", "location"})
"""Kinds that several channels write: the newest occurrence wins. Of the rest the channel that made one owns it, and
others only fill in what it left open."""


def version_text(version: Version | None) -> str | None:
    """A version as text that sorts: integers and instants are padded to one width."""
    if version is None or isinstance(version, str):
        return version
    if isinstance(version, datetime):
        return f"{round(version.timestamp() * 1_000_000):020d}"
    return f"{version:020d}"


def _bytes(value: object) -> bytes:
    """JSON as bytes, by the faster writer; it knows no integers above 64 bits, and vendors may."""
    try:
        return json_bytes(value)
    except TypeError:
        return to_json(value)


def _stamp(turn: _Turn, body: bytes) -> str:
    """Vendors stamp to the second: a second change within it must not take the first one's event id."""
    version = turn.version
    if version is None or version == turn.known.version:
        return (version or "") + blake2b(body, digest_size=8).hexdigest()
    return version


def _partition(data: Json, id_: str) -> str:
    """The lane's root: the customer where one is known, so that all about one person leaves in order."""
    for name in ("buyer", "customer"):
        link: Json | None = data.get(name)
        if link and link.get("id"):
            return str(link["id"])
    return id_
