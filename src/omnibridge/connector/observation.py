"""What a connector says it saw: a snapshot of an entity, an occurrence, or that something must be looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json, to_json

from omnibridge.errors import InvalidMessage
from omnibridge.event import Event
from omnibridge.model import Entity, Ref, entity_class

__all__ = [
    "Lookup",
    "Observation",
    "Occurrence",
    "Snapshot",
    "Version",
    "dump_observations",
    "load_observations",
]

Version = int | datetime | str
"""Grows with every change of an entity in its system: a counter, a vendor's timestamp, or text that sorts.

Versions of one entity in one channel are always of one type."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """ "This entity looked so, at this version."

    `entity` sets exactly the fields that the vendor told; unset fields are unknown and change nothing, a field set
    to None is known to be empty. `version` orders snapshots of one entity within the channel; None means "now" and
    is taken as newest. `deleted` says that it is gone there. `custom` are the vendor's custom fields by the vendor's
    own names, for `[channels.NAME.map]`. `external_id` is the id in the vendor's system, as text; `aliases` are further
    ids of the same entity there (merged records). `ours` is the canonical id, where the vendor keeps it in a field.
    `patch` says that the vendor told only what changed: of an entity that was never seen, that makes none. It waits a
    minute for the whole, and then `read` is called for it.
    """

    entity: Entity
    external_id: str
    version: Version | None = None
    deleted: bool = False
    custom: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    aliases: Sequence[str] = ()
    ours: str | None = None
    patch: bool = False

    @property
    def kind(self) -> str:
        """The entity's kind: `order`."""
        return self.entity.KIND

    @classmethod
    def gone(cls, kind: str, external_id: str, version: Version | None = None) -> Snapshot:
        """ "It is no longer there", told by its id alone: an entity with no field set, not even a required one.

        Raises UnknownItem for a kind that does not exist.
        """
        return cls(entity_class(kind).model_construct(), external_id, version, deleted=True)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """ "This happened": an event of its own that is no state of an entity (a link clicked, a foreign CloudEvent).

    Give `event` when a whole CloudEvent came in; else `type` (a catalogue name or a type of the connector's own),
    `key` (what identifies it within the channel, for deduplication), `data` and `at`.
    """

    key: str
    type: str = ""
    data: JsonValue = None
    subject: Ref | None = None
    at: datetime | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """ "Something changed here; ask": the delivery was thin. `read` is called for it; equal pending ones are one."""

    kind: str
    external_id: str
    hint: Mapping[str, str] = field(default_factory=dict[str, str])


Observation = Snapshot | Occurrence | Lookup


def _version_out(version: Version | None) -> Any:
    return {"t": version.isoformat()} if isinstance(version, datetime) else version


def _version_in(version: dict[str, str] | int | str | None) -> Version | None:
    return datetime.fromisoformat(version["t"]) if isinstance(version, dict) else version


def dump_observations(observations: Sequence[Observation]) -> bytes:
    """Observations as JSON, for the inbox: what polls, reads and the SDK put there instead of vendor bytes."""
    out: list[dict[str, Any]] = []
    for seen in observations:
        if isinstance(seen, Snapshot):
            out.append(
                {
                    "snapshot": seen.kind,
                    "id": seen.external_id,
                    "version": _version_out(seen.version),
                    "deleted": seen.deleted,
                    "custom": dict(seen.custom),
                    "aliases": list(seen.aliases),
                    "ours": seen.ours,
                    **({"patch": True} if seen.patch else {}),
                    "entity": seen.entity.model_dump(mode="json", exclude_unset=True),
                }
            )
        elif isinstance(seen, Lookup):
            out.append({"lookup": seen.kind, "id": seen.external_id, "hint": dict(seen.hint)})
        else:
            event = None
            if seen.event is not None:
                event = [
                    seen.event.attributes(),
                    seen.event.content.hex() if seen.event.content is not None else None,
                ]
            out.append(
                {
                    "occurrence": seen.key,
                    "type": seen.type,
                    "data": seen.data,
                    "subject": seen.subject.model_dump(exclude_none=True) if seen.subject else None,
                    "at": seen.at.isoformat() if seen.at else None,
                    "event": event,
                }
            )
    return to_json(out)


def load_observations(body: bytes) -> tuple[Observation, ...]:
    """What `dump_observations` wrote. Raises InvalidMessage when it is something else."""
    try:
        return tuple(_load(item) for item in from_json(body))
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise InvalidMessage(f"not a stored observation: {type(error).__name__}") from error


def _load(item: dict[str, Any]) -> Observation:
    if "snapshot" in item:
        model = entity_class(item["snapshot"])
        bare = item["deleted"] and not item["entity"]
        return Snapshot(
            entity=model.model_construct() if bare else model.model_validate(item["entity"]),
            external_id=item["id"],
            version=_version_in(item["version"]),
            deleted=item["deleted"],
            custom=item["custom"],
            aliases=tuple(item["aliases"]),
            ours=item["ours"],
            patch=item.get("patch", False),
        )
    if "lookup" in item:
        return Lookup(kind=item["lookup"], external_id=item["id"], hint=item["hint"])
    event = item["event"]
    return Occurrence(
        key=item["occurrence"],
        type=item["type"],
        data=item["data"],
        subject=Ref(**item["subject"]) if item["subject"] else None,
        at=datetime.fromisoformat(item["at"]) if item["at"] else None,
        event=Event.from_attributes(event[0], bytes.fromhex(event[1]) if event[1] is not None else None)
        if event
        else None,
    )
