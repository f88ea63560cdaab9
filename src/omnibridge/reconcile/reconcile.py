"""Compares what a channel says with what it said before, and with the canonical entity, and derives what happened."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b

from pydantic_core import from_json, to_json

from omnibridge.connector import Occurrence
from omnibridge.event import JSON, Event
from omnibridge.journal import (
    CLAIMS,
    HEARD,
    Claims,
    EntityKey,
    EntityWrite,
    Known,
    Origin,
    ReferenceWrite,
    ShadowWrite,
    opened,
    stamp,
)
from omnibridge.model import Consent, canonical_id, event_id, full_type, lookup
from omnibridge.reconcile.consent import judge
from omnibridge.reconcile.derive import verbs
from omnibridge.reconcile.fields import flat, whole
from omnibridge.reconcile.fold import OPERATOR, SHARED, Owner, Source, nobody, sources_in
from omnibridge.reconcile.links import Json, resolved
from omnibridge.reconcile.party import party_of
from omnibridge.reconcile.shared import EMPTY, copied, lay_over, overwritten, superseded, take, unheard
from omnibridge.reconcile.turn import ChannelView, Derived, Prepared, Turn, as_bytes, version_text

__all__ = ["Reconciler"]

_MERGED = ("attributes", "vendor")  # dictionaries whose keys belong to different channels
_UNKNOWN = Known()
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
_STAMPS = frozenset({"created_at", "updated_at"})


class Reconciler:
    """Works on one batch: `state` holds what the journal knew, and each snapshot sees what the ones before it changed.

    Pure but for that. `entities` holds the canonical entities by (kind, id). `now` is when the batch is processed.
    `owners` gives the owners of the fields of an entity (kind, JSON). The end of a record in `still_there` is not the
    end of its entity in that channel, which has another record of it.
    """

    def __init__(
        self,
        state: dict[EntityKey, Known],
        entities: dict[tuple[str, str], tuple[bytes, int]],
        *,
        now: datetime = _BEFORE,
        owners: Callable[[str, Json], Owner] = lambda kind, entity: nobody,
        still_there: Set[EntityKey] = frozenset[EntityKey](),
    ) -> None:
        self._still_there = still_there
        self._state = state
        self._entities = entities
        self._now = stamp(now)
        self._owners = owners

    # -- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(
        self,
        channel: ChannelView,
        prepared: Prepared,
        origin: Origin,
        received: datetime,
        derived: Derived,
        made: datetime | None = None,
    ) -> None:
        """Take a snapshot in. One that is older than what is known changes nothing.

        `made` is when the delivery was made that a receipt belongs to.
        """
        seen, key = prepared.snapshot, prepared.key
        known = self._state.get(key, _UNKNOWN)
        version = version_text(seen.version)
        newer = version is not None and version != known.version
        if known.version is not None and version is not None and version < known.version:
            if key.kind in SHARED and origin is not Origin.RECEIPT and not known.deleted and not seen.deleted:
                self._late(channel, prepared, known, version, origin, received, derived)
            return
        id_ = known.id or seen.ours or canonical_id(channel.name, seen.kind, seen.external_id)
        if known.id is None:
            derived.references.append(ReferenceWrite(channel.name, seen.kind, seen.external_id, id_))
        party = party_of(seen.kind, id_, prepared.said, known, partial(self._target, channel.name), channel.name)
        if party is not None:
            derived.about.add(party)
        turn = Turn(channel, prepared, known, id_, version, origin, received, derived, party)
        if seen.deleted:
            if not known.deleted:
                self._deleted(turn)
            elif newer:
                self._shadow(turn, known.shadow or b"{}", version, deleted=True)
            return
        if known.deleted and version is not None and not newer:
            return  # told late: it is from before the deletion
        said = prepared.said
        before, claims = opened(known.shadow) if known.shadow is not None else ({}, {})
        if key.kind in SHARED:
            self._shared(turn, before, claims, made or received, newer=newer)
            return
        changed = {name: value for name, value in said.items() if name not in before or before[name] != value}
        if origin is Origin.WEBHOOK and key.kind == Consent.KIND and self._undecided(id_):
            changed = said  # a poll may have copied this permission already; it is the webhook that attests it
        if changed or newer or known.deleted or known.shadow is None:
            self._shadow(turn, as_bytes({**before, **said} if before else said), version or known.version)
        if origin is not Origin.RECEIPT and (changed or known.deleted):
            if key.kind == Consent.KIND:
                self._permission(turn)
            else:
                self._apply(turn, changed)

    # -- what several channels write ---------------------------------------------------------------------------------

    def _shared(self, turn: Turn, before: Json, claimed: Claims | None, made: datetime, *, newer: bool) -> None:
        """Take in what a channel says of an entity that others write, too: by fields, each with its claim."""
        kind, known, said = turn.prepared.key.kind, turn.known, turn.prepared.said
        had, told = flat(kind, before), flat(kind, said)
        changed = {name: value for name, value in told.items() if name not in had or had[name] != value}
        claims: Claims = claimed if claimed is not None else dict.fromkeys(had, 0)
        document = self._document(kind, turn.id)
        sources = sources_in(document) if document else {}
        if turn.origin is Origin.RECEIPT:
            copied(had, told, claims, stamp(made), (known.version, turn.version))
            lost = overwritten(turn.channel.name, claims, told, sources)
            if lost and document is not None:
                self._restore(turn, document["entity"], sources, lost)
        elif changed or known.deleted:
            superseded(changed, claims)
            self._fold(turn, had, changed, claims, document, sources)
        if changed or newer or known.deleted or known.shadow is None or turn.origin is Origin.RECEIPT:
            content = {**whole(kind, {**had, **told}), CLAIMS: claims}
            self._shadow(turn, as_bytes(content), turn.version or known.version)

    def _late(
        self,
        channel: ChannelView,
        prepared: Prepared,
        known: Known,
        version: str,
        origin: Origin,
        received: datetime,
        derived: Derived,
    ) -> None:
        """Take in an edit that a write of ours has overwritten before it was heard of: it is a claim all the same."""
        kind = prepared.key.kind
        before, claims = opened(known.shadow or b"{}")
        changed = unheard(flat(kind, prepared.said), claims, version) if claims and known.id else {}
        document = self._document(kind, known.id or "")
        if not changed or not claims or document is None:
            return
        turn = Turn(channel, prepared, known, str(known.id), version, origin, received, derived, known.party)
        sources = sources_in(document)
        self._fold(turn, flat(kind, before), changed, claims, document, sources)
        lay_over(changed, changed, claims)
        lost = overwritten(channel.name, claims, changed, sources)
        if lost and (document := self._document(kind, turn.id)):
            self._restore(turn, document["entity"], sources, lost)
        self._shadow(turn, as_bytes({**before, CLAIMS: claims}), known.version)

    def _fold(
        self,
        turn: Turn,
        had: Json,
        changed: Json,
        claims: Claims,
        document: Json | None,
        sources: dict[str, Source],
    ) -> None:
        kind, channel = turn.prepared.key.kind, turn.channel
        before: Json | None = document["entity"] if document else None
        # Which record this one became says whose it is, and nothing about whom it is.
        changed = {name: value for name, value in changed.items() if name != "merged_into"}
        if document is None and not changed:
            return
        if turn.prepared.links:
            model = type(turn.prepared.snapshot.entity)
            links = resolved(
                model, whole(kind, changed), lambda of, ext: self.reference(channel.name, of, ext, turn.derived)
            )
            changed = {**changed, **{name: value for name, value in flat(kind, links).items() if name in changed}}
        fields = flat(kind, before) if before is not None else {"id": turn.id}
        as_kept: list[Json] = []

        def normal() -> Json:
            if not as_kept:
                kept = channel.normal(kind, before) if before is not None else None
                as_kept.append(flat(kind, kept) if kept is not None else {})
            return as_kept[0]

        owner = self._owners(kind, {**(before or {}), **whole(kind, changed)})
        from_before = dict(sources)
        taken = take(channel.name, had, changed, claims, turn.claimed, fields, sources, owner, normal)
        if any(isinstance(claims[name], int) for name in changed):
            claims[HEARD] = self._now
        after = whole(kind, fields)
        named = b',"sources":' + as_bytes({name: sources[name] for name in fields if name in sources})
        origin = document["origin"] if document else channel.name
        self._changed(turn, before, after, origin, named, moved=sources != from_before)
        if taken.lost:
            self._restore(turn, after, sources, taken.lost)
        for field in taken.edits:
            turn.dispute(field, sources[field].channel, sources[field].at)

    def _restore(self, turn: Turn, data: Json, sources: dict[str, Source], fields: list[str]) -> None:
        """Give a channel back what holds in these fields, where it has something else."""
        body, here = as_bytes(data), turn.channel.name
        told = f"restores {blake2b(body + str(self._now).encode(), digest_size=8).hexdigest()}"
        verb = verbs(turn.prepared.key.kind, data, data)[0]
        # As if from whom it got the value that it must lose: nothing goes back where it came from.
        others = [sources[name].channel for name in fields] + [source.channel for source in sources.values()]
        winner = next((channel for channel in others if channel != here), OPERATOR)
        event = turn.event(verb, data, body, told, channel=winner, restores=here)
        turn.derived.parties[event.id] = turn.party
        turn.derived.restores.append((event, here))

    # -- what one channel writes ---------------------------------------------------------------------------------------

    def _undecided(self, id_: str) -> bool:
        document = self._document(Consent.KIND, id_)
        return document is not None and document["entity"].get("state", "unknown") == "unknown"

    def _shadow(self, turn: Turn, content: bytes, version: str | None, *, deleted: bool = False) -> None:
        key, known = turn.prepared.key, turn.known
        turn.derived.shadows.append(
            ShadowWrite(key.channel, key.kind, key.external_id, known.shadow_rev, content, version, deleted, turn.party)
        )
        now: Json = {"id": turn.id, "shadow": content, "shadow_rev": known.shadow_rev + 1, "version": version}
        self._state[key] = known._replace(**now, deleted=deleted, party=turn.party)

    def _deleted(self, turn: Turn) -> None:
        content = turn.known.shadow or as_bytes(turn.prepared.said)
        self._shadow(turn, content, turn.version or turn.known.version, deleted=True)
        if turn.prepared.key in self._still_there:
            return
        document = self._document(turn.prepared.key.kind, turn.id)
        data = document["entity"] if document else {**opened(content)[0], "id": turn.id}
        told = turn.version or turn.received.isoformat()
        self._event(turn, "deleted", data, as_bytes(data), told)

    def _apply(self, turn: Turn, changed: Json) -> None:
        seen, key, channel = turn.prepared.snapshot, turn.prepared.key, turn.channel
        document = self._document(key.kind, turn.id)
        before: Json | None = document["entity"] if document else None
        owner: str = document["origin"] if document else channel.name
        fresh = self._linked(turn, changed)
        after: Json = dict(before) if before is not None else {"id": turn.id}
        first = turn.known.shadow is None
        for name, value in fresh.items():
            if first and before is not None and value in EMPTY and after.get(name) not in EMPTY:
                continue  # a channel that never had a value has not removed the others'
            if name in _MERGED and isinstance(value, dict):
                after[name] = {**after.get(name, {}), **value}
            elif owner == channel.name or key.kind == Consent.KIND or after.get(name) in EMPTY:
                after[name] = value
        found = seen.entity.check() if owner == channel.name else None
        if found is not None and (found or after.get("discrepancies")):
            after["discrepancies"] = [one.model_dump(mode="json") for one in found]
        self._changed(turn, before, after, owner)

    def _changed(
        self, turn: Turn, before: Json | None, after: Json, owner: str, sources: bytes = b"", *, moved: bool = False
    ) -> None:
        """Store the document, and say what happened. `moved`: its sources differ, whatever its fields do."""
        key, channel = turn.prepared.key, turn.channel
        different = {name for name, value in after.items() if before is None or before.get(name) != value}
        revived = turn.known.deleted
        if before is not None and not different and not revived and not moved:
            return
        body = as_bytes(after)
        self._store(turn, b'{"origin":' + as_bytes(owner) + sources + b',"entity":' + body + b"}")
        if before is not None and not different and not revived:
            return
        quiet = _STAMPS if owner == channel.name else _STAMPS | {"vendor"}
        if before is not None and not revived and different <= quiet:
            return  # the dates and private fields that a system adds to what we wrote there: nothing happened
        told = turn.told(body)
        for verb in verbs(key.kind, before, after):
            self._event(turn, verb, after, body, told)

    def _linked(self, turn: Turn, said: Json) -> Json:
        """What was said, with canonical references."""
        if not turn.prepared.links:
            return said
        channel, model = turn.channel.name, type(turn.prepared.snapshot.entity)
        return resolved(model, said, lambda kind, ext: self.reference(channel, kind, ext, turn.derived))

    def _store(self, turn: Turn, content: bytes) -> None:
        kind = turn.prepared.key.kind
        rev = self._entities.get((kind, turn.id), (b"", 0))[1]
        turn.derived.entities.append(EntityWrite(kind, turn.id, rev, content, turn.party))
        self._entities[kind, turn.id] = (content, rev + 1)

    def _permission(self, turn: Turn) -> None:
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
        body = as_bytes(after)
        for verb in found:
            outside = turn.prepared.event
            event = outside.id if outside else self._event(turn, verb, after, body, turn.told(body))
            if ledger:
                ledger[-1] = {"event": event, **ledger[-1]}
        if document is None or after != before or ledger != document.get("ledger"):
            owner: str = document["origin"] if document else channel.name
            self._store(turn, b'{"origin":%b,"entity":%b,"ledger":%b}' % (as_bytes(owner), body, as_bytes(ledger)))

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

    def _event(self, turn: Turn, verb: str, data: Json, body: bytes, stamp: str) -> str:
        """Say that something happened; the event's id."""
        event = turn.event(verb, data, body, stamp)
        turn.derived.parties[event.id] = turn.party
        turn.derived.events.append(event)
        return event.id

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
