"""One snapshot on its way through: what it says, whose it is, and where its results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from pydantic import JsonValue
from pydantic_core import to_json

from omnibridge.connector import Lookup, Observation, Occurrence, Snapshot, Version, json_bytes
from omnibridge.errors import InvalidMessage
from omnibridge.event import JSON, Event
from omnibridge.journal import ConflictWrite, EntityKey, EntityWrite, Known, Origin, ReferenceWrite, ShadowWrite, stamp
from omnibridge.model import Conflict, Ref, event_id, lookup
from omnibridge.reconcile.consent import told_by
from omnibridge.reconcile.fold import SHARED
from omnibridge.reconcile.links import Json, links_in
from omnibridge.reconcile.party import party_of_event

__all__ = ["ChannelView", "Derived", "Prepared", "Turn", "as_bytes", "prepare", "readied", "version_text"]


@dataclass(frozen=True, slots=True)
class ChannelView:
    """What reconciling must know about the channel that speaks.

    `inward` maps the vendor's custom field names to the company's attribute names. `collects_consent`: a permission
    first given here, with the vendor's time and proof, counts; elsewhere a grant is only a copy. `normal` gives what
    the vendor would keep of an entity (kind, JSON), or None where nobody says.
    """

    name: str
    source: str
    inward: Mapping[str, str] = field(default_factory=dict[str, str])
    collects_consent: bool = False
    normal: Callable[[str, Json], Json | None] = field(default=lambda kind, entity: None, repr=False)


class Derived:
    """What one inbox row came to, before routing; `about` whom, and `parties` by event.

    `restores` are events for one channel each, which has something else than what holds.
    """

    __slots__ = ("about", "conflicts", "entities", "events", "parties", "references", "restores", "shadows")

    def __init__(self) -> None:
        self.references: list[ReferenceWrite] = []
        self.shadows: list[ShadowWrite] = []
        self.entities: list[EntityWrite] = []
        self.events: list[Event] = []
        self.restores: list[tuple[Event, str]] = []
        self.conflicts: list[ConflictWrite] = []
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

    @property
    def deletes(self) -> bool:
        """Whether a record of what several systems may have is gone."""
        return self.snapshot.deleted and self.key.kind in SHARED


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


def readied(view: ChannelView, seen: Observation) -> Prepared | Occurrence | Lookup:
    """What a connector said, made ready to be taken in."""
    if isinstance(seen, Snapshot):
        return prepare(view, seen)
    if isinstance(seen, Occurrence) and seen.event is not None:
        told = told_by(seen.event)  # permissions that come as events count as well
        if told is not None:
            return prepare(view, told)._replace(event=seen.event)
    return seen


def _check_text(text: str, kind: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("an id or version holds half a character", where=kind) from None


@dataclass(slots=True)
class Turn:
    """One snapshot on its way through: who says it, what was known before, and where its results go."""

    channel: ChannelView
    prepared: Prepared
    known: Known
    id: str
    version: str | None
    origin: Origin
    received: datetime
    derived: Derived
    party: str | None = None

    @property
    def at(self) -> datetime:
        """When it happened, as far as anybody says."""
        version = self.prepared.snapshot.version
        return version if isinstance(version, datetime) else self.received

    @property
    def claimed(self) -> int:
        """When the channel came to say so: never later than we heard of it, whatever its clock says."""
        said, version = self.prepared.said, self.prepared.snapshot.version
        told = said.get("updated_at") or said.get("counted_at")
        at = self.received
        if isinstance(version, datetime):
            at = version
        elif isinstance(told, str):
            at = datetime.fromisoformat(told)
        return min(stamp(at), stamp(self.received))

    def event(self, verb: str, data: Json, body: bytes, stamp: str, kind: str = "", **more: str) -> Event:
        """An event of this change, of another `kind` than the entity where given; `stamp` tells it from others."""
        key = self.prepared.key
        name = f"{kind or key.kind}.{verb}"
        entry = lookup(name)
        type_ = entry.type if entry else name
        return Event(
            id=event_id(key.channel, key.kind, key.external_id, stamp, type_),
            source=self.channel.source,
            type=type_,
            subject=self.id,
            time=self.at.isoformat().replace("+00:00", "Z"),
            datacontenttype=JSON,
            dataschema=entry.dataschema if entry else None,
            content=body,
            extensions={"channel": self.channel.name, "partitionkey": _partition(data, self.id), **more},
        )

    def dispute(self, field: str, winner: str, stamp: int) -> None:
        """Note that somebody changed a field in this channel whose value another channel decides."""
        kind, loser, at = self.prepared.key.kind, self.channel.name, self.received
        self.derived.conflicts.append(ConflictWrite(kind, self.id, field, winner, loser, stamp, at))
        found = Conflict(kind=kind, entity=Ref(kind=kind, id=self.id), field=field, winner=winner, loser=loser, at=at)
        data: Json = found.model_dump(mode="json", exclude_unset=True)
        body = as_bytes(data)
        event = self.event("found", data, body, self.told(body) + field, kind="conflict")
        self.derived.parties[event.id] = self.party
        self.derived.events.append(event)

    def told(self, body: bytes) -> str:
        """Vendors stamp to the second: a second change within it must not take the first one's event id."""
        version = self.version
        if version is None or version == self.known.version:
            return (version or "") + blake2b(body, digest_size=8).hexdigest()
        return version


def version_text(version: Version | None) -> str | None:
    """A version as text that sorts: integers and instants are padded to one width."""
    if version is None or isinstance(version, str):
        return version
    if isinstance(version, datetime):
        return f"{round(version.timestamp() * 1_000_000):020d}"
    return f"{version:020d}"


def as_bytes(value: object) -> bytes:
    """JSON as bytes, by the faster writer; it knows no integers above 64 bits, and vendors may."""
    try:
        return json_bytes(value)
    except TypeError:
        return to_json(value)


def _partition(data: Json, id_: str) -> str:
    """The lane's root: the customer where one is known, so that all about one person leaves in order."""
    for name in ("buyer", "customer"):
        link: Json | None = data.get(name)
        if link and link.get("id"):
            return str(link["id"])
    return id_
