"""Between the rows of the contract and the columns of SQLite: sealing, opening, encoding; on the event loop's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, overload

from omnibridge.event import Event
from omnibridge.journal.rows import (
    Attempt,
    Claimed,
    Counts,
    DeliveryRow,
    DeliveryState,
    InboxRow,
    InboxState,
    Known,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    Settled,
    ShadowWrite,
    Step,
    StoredEvent,
    Task,
)
from omnibridge.journal.seal import GENERAL, Seal, Shredded, key_of
from omnibridge.journal.sqlite_intake import Batch, Intake, KnownRow
from omnibridge.journal.sqlite_lanes import NewRow, Outcome
from omnibridge.journal.sqlite_names import Names
from omnibridge.journal.sqlite_parties import Parties
from omnibridge.journal.sqlite_references import ReferenceRow
from omnibridge.journal.sqlite_values import (
    Row,
    Value,
    dedupe_hash,
    from_json,
    key_in,
    key_out,
    micros,
    moment,
    to_json,
)

__all__ = ["Columns", "counts"]

_EVENTS, _SMALL = 512, 16 * 1024
"""How many events are remembered as they were stored or read last, and the most bytes of each."""
_OPEN_STATES = frozenset({DeliveryState.READY, DeliveryState.PARKED})


class Columns:
    """Turns values into columns and back with one seal. Raises StorageError for what the seal cannot open.

    What was shredded is read as nothing: somebody is being erased just now, or the file is older than an erasure.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal.seal
        self._open = seal.open
        self._take = seal.take
        self.names = Names(seal)
        self.parties = Parties(seal)
        self._events: dict[tuple[str, str], Event] = {}
        self._exchanges: dict[int, int] = {}
        """The keys of the deliveries that workers run, for what is kept of their exchanges."""

    @overload
    def seal(self, content: bytes, context: str) -> bytes: ...

    @overload
    def seal(self, content: bytes | None, context: str) -> bytes | None: ...

    def seal(self, content: bytes | None, context: str) -> bytes | None:
        """A payload for a column that may be empty."""
        return None if content is None else self._seal(content, context)

    @overload
    def open(self, content: bytes, context: str) -> bytes: ...

    @overload
    def open(self, content: bytes | None, context: str) -> bytes | None: ...

    def open(self, content: bytes | None, context: str) -> bytes | None:
        """The payload of such a column."""
        return None if content is None else self._open(content, context)

    def still(self, content: bytes | None, context: str) -> bytes | None:
        """The payload of a column, or None when it was shredded."""
        try:
            return None if content is None else self._open(content, context)
        except Shredded:
            return None

    # -- in --------------------------------------------------------------------------------------------------------

    def intake(self, item: NewInbox) -> Intake:
        """A new inbox row, under a key of its own."""
        key = self._take("row")
        return Intake(
            None if item.dedupe is None else dedupe_hash(item.channel, item.dedupe),
            item.channel,
            (
                item.origin.value,
                micros(item.received),
                self._seal(to_json(item.meta), "inbox.meta", key),
                self._seal(item.body, "inbox.body", key),
            ),
        )

    def batch(self, items: Sequence[Processed], now: datetime) -> Batch:
        """What processing came to. Raises ValueError for `invalid` or `later` beside anything else."""
        out = Batch([], [], [], [], [], [], [], {}, [], [])
        for item in items:
            empty = not (item.references or item.shadows or item.entities or item.events or item.deliveries)
            if item.invalid is not None or item.later:
                if not empty or (item.invalid is not None and item.later):
                    raise ValueError("a row that is invalid, or waits, has come to nothing else")
                if item.invalid is not None:
                    out.invalid.append((item.inbox_id, item.invalid))
                continue
            # A reference and a shadow of one key are one row, so they are written as one.
            ids = {(one.channel, one.kind, one.external_id): one.id for one in item.references}
            out.known.extend(self._known(shadow, ids, out) for shadow in item.shadows)
            out.references.extend(self.reference(*key, id) for key, id in ids.items())
            for one in item.entities:
                party, key = self._party(one.party, out)
                content = self._seal(one.content, "entities.content", key)
                out.entities.append((one.rev, (content, party, one.kind, one.id)))
            out.events.extend(self._event(event, out) for event in item.events)
            out.links.extend((self.parties.name(party), item.inbox_id) for party in item.parties)
            out.deliveries.extend(self.delivery(one, now) for one in item.deliveries)
            out.conflicts.extend(item.conflicts)
            out.done.append(item.inbox_id)
        return out

    def _party(self, party: str | None, out: Batch) -> tuple[str | None, int]:
        """A party as the file calls it, and its key."""
        name = None if party is None else self.parties.name(party)
        return name, self.parties.key(name, out.parties)

    def _known(self, shadow: ShadowWrite, ids: dict[tuple[str, str, str], str], out: Batch) -> KnownRow:
        channel, kind, name = key = (shadow.channel, shadow.kind, shadow.external_id)
        content = self._seal(shadow.content, "known.shadow", self._party(shadow.party, out)[1])
        filed = self.names.filed(kind, name)
        named = self.names.sealed(channel, kind, name, filed) if shadow.rev == 0 else None
        values = (shadow.version, shadow.deleted, content, ids.pop(key, None), channel, kind, filed)
        return KnownRow(shadow.rev, values, named)

    def _event(self, stored: StoredEvent, out: Batch) -> tuple[Value, ...]:
        event = stored.event
        party, key = self._party(stored.party, out)
        content = None if event.content is None else self._seal(event.content, "events.content", key)
        return (
            event.id, event.source, event.type, event.subject, event.time, event.datacontenttype, event.dataschema,
            to_json(event.extensions) if event.extensions else None, stored.channel, micros(stored.recorded),
            stored.inbox_id, content, party,
        )  # fmt: skip

    def delivery(self, new: NewDelivery, now: datetime) -> NewRow:
        """A new delivery, created now."""
        lane, collapse, key = self.names.asked(new)
        payload = None if new.payload is None else self._seal(new.payload, "deliveries.payload", key)
        return NewRow(
            key_in(new.key), new.channel, new.task.value, new.operation, lane, new.priority, micros(new.due),
            micros(now), new.event, collapse, (new.route, new.on_poison, new.on_unknown, new.recurring, payload),
        )  # fmt: skip

    def outcome(self, settled: Settled) -> Outcome:
        """The outcome of an attempt. Raises ValueError for READY without a due time, and for QUEUED."""
        state = settled.state
        if state is DeliveryState.QUEUED or (state is DeliveryState.READY and settled.due is None):
            raise ValueError("a delivery is settled READY with the time when it is due, or in a final state")
        attempt, key = settled.attempt, self._exchanges.get(settled.id, GENERAL)
        # A vendor's words may repeat what it was sent.
        text = None
        if attempt.text is not None:
            with suppress(Shredded):  # erased meanwhile: how it went is told without words
                text = self._seal(attempt.text.encode(), "attempts.text", key)
        later = None if settled.later is None else self._seal(to_json(settled.later), "deliveries.later")
        return Outcome(
            settled.id,
            state.value,
            state in _OPEN_STATES or (state is DeliveryState.UNKNOWN and settled.holds_lane),
            None if settled.due is None else micros(settled.due),
            settled.count,
            # A retry goes on from where `Later` left it; a new run of a recurring task starts afresh.
            later is not None or not settled.keep_steps,
            later,
            (micros(attempt.at), attempt.outcome, attempt.seconds, attempt.code, text),
            settled.keep_steps,
        )

    def step(self, delivery: int, step: Step) -> tuple[Value, ...]:
        """A frozen request of a delivery, under the key of whom it is about."""
        key = self._exchanges.get(delivery, GENERAL)
        return (
            delivery, step.name, step.generation, step.key, self._seal(step.request, "steps.request", key),
            None if step.response is None else self._seal(step.response, "steps.response", key),
        )  # fmt: skip

    # -- out -------------------------------------------------------------------------------------------------------

    def inbox(self, row: Row) -> InboxRow:
        """An inbox row."""
        id, channel, origin, state, received, meta, body, error = row
        headers, content = self.still(meta, "inbox.meta"), self.still(body, "inbox.body")
        return InboxRow(
            id=id,
            channel=channel,
            origin=Origin(origin),
            state=InboxState(state),
            received=moment(received),
            meta={} if headers is None else from_json(headers),
            body=content or b"",
            error=error,
            shredded=content is None,
        )

    @staticmethod
    def accepted(id: int, item: NewInbox) -> InboxRow:
        """What `inbox` would make of an item that was just stored."""
        received = item.received.astimezone(UTC)
        return InboxRow(id, item.channel, item.origin, InboxState.PENDING, received, item.meta, item.body)

    def known(self, rows: Sequence[Row]) -> Known:
        """What is known about a key, from none or one row."""
        if not rows:
            return Known()
        id, shadow, rev, version, deleted, entity, entity_rev, party, root, *called = rows[0]
        self.names.met(*called)
        return Known(
            id=id,
            shadow=self.still(shadow, "known.shadow"),
            shadow_rev=rev,
            version=version,
            deleted=bool(deleted),
            entity=None if entity is None else self.entity((entity, 0))[0],
            entity_rev=entity_rev or 0,
            party=party,
            root=root,
        )

    def entity(self, row: Row) -> tuple[bytes, int]:
        """An entity's content and revision."""
        content, rev = row
        found = self.still(content, "entities.content")
        # A row that is there must not look as if there were none: it would be made a second time, without end.
        return b'{"origin":"","entity":{}}' if found is None else found, rev

    def event(self, row: Sequence[Any]) -> Event:
        """An event from its columns."""
        id, source, type, subject, time, content_type, schema, extensions, content = row
        return Event.restored(
            id=id,
            source=source,
            type=type,
            subject=subject,
            time=time,
            datacontenttype=content_type,
            dataschema=schema,
            content=self.still(content, "events.content"),
            extensions=from_json(extensions) if extensions else {},
        )

    def routed(self, row: Row) -> Event:
        """An event from its columns, unless it is remembered."""
        known = self._events.get((row[1], row[0]))
        if known is None:
            known = self.event(row)
            self.remember(known)
        return known

    def remember(self, event: Event) -> None:
        """Keep an event that is in the journal: channels will get it one after the other, and it never changes."""
        if event.content is not None and len(event.content) > _SMALL:
            return
        if len(self._events) >= _EVENTS:
            del self._events[next(iter(self._events))]
        self._events[event.source, event.id] = event

    def stored(self, row: Row) -> StoredEvent:
        """An event with its place."""
        channel, recorded, seq, inbox_id, party = row[9:]
        return StoredEvent(self.event(row[:9]), channel, moment(recorded), seq, inbox_id, party)

    def steps(self, rows: Sequence[Row]) -> tuple[Step, ...]:
        """The frozen requests of a delivery."""
        found: list[Step] = []
        for name, generation, key, request, response in rows:
            sent = self.still(request, "steps.request")
            if sent is not None:
                found.append(Step(name, generation, key, sent, self.still(response, "steps.response")))
        return tuple(found)

    def claimed(self, row: Row, steps: Sequence[Row]) -> Claimed:
        """A delivery that a worker has taken."""
        later = self.open(row[14], "deliveries.later")
        key = None if row[25] is None or row[26] is None else key_of(row[25])
        if key is not None:
            self._exchanges[row[0]] = key
        return Claimed(
            id=row[0],
            key=key_out(row[1]),
            generation=row[2],
            channel=row[3],
            task=Task(row[4]),
            operation=row[5],
            lane=row[6],
            attempts=row[7],
            created=moment(row[8]),
            event=None if row[17] is None else self.routed(row[17:26]),
            payload=self.open(row[9], "deliveries.payload"),
            route=row[10],
            on_poison=row[11],
            on_unknown=row[12],
            recurring=bool(row[13]),
            state=None if later is None else from_json(later),
            steps=self.steps(steps),
        )

    def forget(self, parties: Sequence[str]) -> None:
        """These are being erased: nothing of them is remembered."""
        self.parties.forget(parties)
        self.names.forget()
        self._events.clear()

    def reference(self, channel: str, kind: str, external_id: str, id: str) -> ReferenceRow:
        """A reference as columns."""
        name = self.names.filed(kind, external_id)
        return channel, kind, name, id, self.names.sealed(channel, kind, external_id, name)

    def left(self, delivery: int) -> None:
        """No worker runs this delivery any more."""
        self._exchanges.pop(delivery, None)

    def delivery_row(self, row: Row, earlier: Sequence[Row] | None = None, steps: Sequence[Row] = ()) -> DeliveryRow:
        """A delivery as people look at it; with its earlier attempts, its whole history."""
        last = None if row[15] is None else self._attempt(row[15:])
        history = () if earlier is None or last is None else (*map(self._attempt, earlier), last)
        return DeliveryRow(
            id=row[0],
            key=key_out(row[1]),
            generation=row[2],
            channel=row[3],
            task=Task(row[4]),
            operation=row[5],
            lane=row[6],
            state=DeliveryState(row[7]),
            attempts=row[8],
            created=moment(row[9]),
            due=moment(row[10]),
            route=row[11],
            event_id=row[12],
            event_source=row[13],
            event_type=row[14],
            last=last,
            history=history,
            steps=self.steps(steps),
        )

    def _attempt(self, row: Sequence[Any]) -> Attempt:
        at, outcome, seconds, code, text = row
        if isinstance(text, bytes):  # those from before parties are plain
            said = self.still(text, "attempts.text")
            text = None if said is None else said.decode()
        return Attempt(moment(at), outcome, seconds, code, text)


def counts(tally: Sequence[Row], oldest: Mapping[str, int], size: int) -> Counts:
    """The counts from their table."""
    per: dict[str, dict[tuple[str, str], int]] = {"inbox": {}, "delivery": {}, "event": {}}
    for what, channel, state, n in tally:
        per[what][channel, state] = n
    return Counts(
        inbox=per["inbox"],
        deliveries=per["delivery"],
        oldest_ready={channel: moment(due) for channel, due in oldest.items()},
        events=sum(per["event"].values()),
        bytes=size,
    )
