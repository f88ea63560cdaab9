"""The statements that take things in, store what processing came to, and keep an exchange's own state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from omnibridge.errors import UnknownItem
from omnibridge.journal.conflict_rows import ConflictWrite
from omnibridge.journal.protocol import Conflict
from omnibridge.journal.sqlite_conflicts import note
from omnibridge.journal.sqlite_lanes import NewRow, Outcome, insert, settle
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_references import ReferenceRow, refer
from omnibridge.journal.sqlite_values import Value

__all__ = [
    "Batch",
    "Intake",
    "KnownRow",
    "accept",
    "emit",
    "ensure",
    "finish",
    "finish_all",
    "keep",
    "process",
    "replay_inbox",
    "save_credential",
    "settle_all",
    "start",
    "write_entities",
    "write_events",
    "write_parties",
]

_DEDUPE = "INSERT OR IGNORE INTO dedupe VALUES (?, ?)"
_INBOX = "INSERT INTO inbox (id, channel, origin, received, meta, body) VALUES (?, ?, ?, ?, ?, ?)"
_OPEN = "INSERT INTO inbox_open (id, channel, state) VALUES (?, ?, 'pending')"

_SHADOW = """UPDATE known SET version = ?, deleted = ?, shadow = ?, id = coalesce(?, id), rev = rev + 1
    WHERE channel = ? AND kind = ? AND external_id = ? AND rev = ?"""
_FIRST_SHADOW = """INSERT INTO known (version, deleted, shadow, id, channel, kind, external_id, named, rev)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (channel, kind, external_id) DO UPDATE
    SET version = excluded.version, deleted = excluded.deleted, shadow = excluded.shadow,
    id = coalesce(excluded.id, id), named = coalesce(named, excluded.named), rev = 1 WHERE rev = 0"""
_ENTITY = "UPDATE entities SET content = ?, party = ?, rev = rev + 1 WHERE kind = ? AND id = ? AND rev = ?"
_FIRST_ENTITY = """INSERT INTO entities (content, party, kind, id, rev) VALUES (?, ?, ?, ?, 1)
    ON CONFLICT (id, kind) DO NOTHING"""
_EVENT = """INSERT INTO events (seq, id, source, type, subject, time, datacontenttype, dataschema, extensions, channel,
    recorded, inbox_id, content, party) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id, source) DO NOTHING"""
_EVENT_SEQ = "SELECT seq FROM events WHERE id = ? AND source = ?"
_CLOSE = "DELETE FROM inbox_open WHERE id = ? RETURNING channel, state"
_PARTY = "INSERT OR IGNORE INTO parties VALUES (?, ?)"
_LINK = "INSERT OR IGNORE INTO inbox_party VALUES (?, ?)"
_INVALID = "SELECT channel, state FROM inbox_open WHERE id = ?"

_STEP = """INSERT INTO steps (delivery, name, generation, key, request, response) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (delivery, name, generation) DO """
_CURSOR = "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)"


class Intake(NamedTuple):
    """A new inbox row as columns; `dedupe` is the hash of its key."""

    dedupe: bytes | None
    channel: str
    rest: tuple[str, int, bytes, bytes]
    """Origin, received, meta, body."""


class KnownRow(NamedTuple):
    """A shadow with the reference that was found with it; `values` in the order of the statement."""

    rev: int
    values: tuple[Value, ...]
    named: bytes | None


class Batch(NamedTuple):
    """What processing came to, as columns."""

    references: list[ReferenceRow]
    known: list[KnownRow]
    entities: list[tuple[int, tuple[bytes, str | None, str, str]]]
    events: list[tuple[Value, ...]]
    deliveries: list[NewRow]
    done: list[int]
    invalid: list[tuple[int, str]]
    parties: dict[str, int]
    """Those not known to have a key, and the key that was taken for each."""
    links: list[tuple[str, int]]
    """Whom inbox rows are about."""
    conflicts: list[ConflictWrite]


def accept(ledger: Ledger, item: Intake) -> int:
    """The id of the stored row, 0 for a duplicate."""
    if item.dedupe is not None:
        ledger.execute(_DEDUPE, (item.dedupe, item.rest[1]))
        if not ledger.db.changes():
            return 0
    ledger.inbox_id += 1
    ledger.execute(_INBOX, (ledger.inbox_id, item.channel, *item.rest))
    ledger.execute(_OPEN, (ledger.inbox_id, item.channel))
    ledger.count("inbox", item.channel, "pending")
    return ledger.inbox_id


def process(ledger: Ledger, batch: Batch) -> set[tuple[Value, Value]]:
    """Store a batch; (source, id) of the events that are new.

    Raises Conflict before anything is counted; the caller must then roll back to where it was.
    """
    execute, changes = ledger.execute, ledger.db.changes
    write_parties(ledger, batch)
    for rev, values, named in batch.known:
        if rev:
            execute(_SHADOW, (*values, rev))
        else:
            execute(_FIRST_SHADOW, (*values, named))
        if not changes():
            raise Conflict("the shadow of a {5} of {4} has moved".format(*values))
    write_entities(ledger, batch.entities)
    for reference in batch.references:
        refer(ledger, reference)
    new = write_events(ledger, batch)
    for link in batch.links:
        execute(_LINK, link)
    note(ledger, batch.conflicts)
    for id in batch.done:
        for channel, state in ledger.rows(_CLOSE, (id,)):
            ledger.move("inbox", channel, state, "done")
    for id, error in batch.invalid:
        for channel, state in ledger.rows(_INVALID, (id,)):
            execute("UPDATE inbox_open SET state = 'invalid', error = ? WHERE id = ?", (error, id))
            ledger.move("inbox", channel, state, "invalid")
    return new


def write_parties(ledger: Ledger, batch: Batch) -> None:
    """Give keys to whom has none. Raises Conflict when somebody has one after all."""
    for party in batch.parties.items():
        ledger.execute(_PARTY, party)
        if not ledger.db.changes():
            raise Conflict("somebody has a key already")


def write_entities(ledger: Ledger, entities: Sequence[tuple[int, tuple[bytes, str | None, str, str]]]) -> None:
    """Write entities. Raises Conflict when the revision of one has moved."""
    for rev, content in entities:
        if rev:
            ledger.execute(_ENTITY, (*content, rev))
        else:
            ledger.execute(_FIRST_ENTITY, content)
        if not ledger.db.changes():
            raise Conflict("the entity {2}/{3} has moved".format(*content))


def write_events(ledger: Ledger, batch: Batch) -> set[tuple[Value, Value]]:
    """Store the events and deliveries of a batch; (source, id) of the events that are new."""
    numbers: dict[tuple[Value, Value], int] = {}
    for event in batch.events:
        seq = ledger.event_seq + 1
        ledger.execute(_EVENT, (seq, *event))
        if ledger.db.changes():
            ledger.event_seq = numbers[event[1], event[0]] = seq
    if numbers:
        ledger.count("event", "", "", len(numbers))
    new = set(numbers)
    _insert_all(ledger, batch.deliveries, numbers)
    return new


def _insert_all(ledger: Ledger, deliveries: Sequence[NewRow], numbers: dict[tuple[Value, Value], int]) -> None:
    for new in deliveries:
        seq = None
        if new.event is not None:
            seq = numbers.get(new.event)
            if seq is None:
                source, id = new.event
                found = ledger.rows(_EVENT_SEQ, (id, source))
                if not found:
                    raise UnknownItem("a delivery names an event that the journal does not have", where=f"event {id}")
                seq = numbers[new.event] = int(found[0][0])
        insert(ledger, new, seq)


def ensure(ledger: Ledger, deliveries: Sequence[NewRow]) -> None:
    """Insert deliveries whose keys do not exist."""
    _insert_all(ledger, deliveries, {})


def settle_all(ledger: Ledger, settled: Sequence[tuple[Outcome, Sequence[ReferenceRow], Sequence[Intake]]]) -> None:
    """Settle deliveries, each with what its exchange found."""
    for outcome, references, inbox in settled:
        settle(ledger, outcome)
        for reference in references:
            refer(ledger, reference)
        for item in inbox:
            accept(ledger, item)


def start(ledger: Ledger, step: tuple[Value, ...]) -> None:
    """Freeze a request; one that is frozen stays."""
    ledger.execute(_STEP + "NOTHING", step)


def finish(ledger: Ledger, step: tuple[Value, ...]) -> None:
    """Record the response of a request."""
    ledger.execute(_STEP + "UPDATE SET response = excluded.response", step)


def finish_all(ledger: Ledger, steps: Sequence[tuple[Value, ...]]) -> None:
    """Record the responses of requests."""
    for step in steps:
        finish(ledger, step)


def keep(ledger: Ledger, reference: ReferenceRow) -> None:
    """Store a reference."""
    refer(ledger, reference)


def emit(ledger: Ledger, item: Intake, cursor: tuple[str, str, bytes] | None) -> None:
    """Store a page and the cursor after it."""
    accept(ledger, item)
    if cursor is not None:
        ledger.execute(_CURSOR, cursor)


def save_credential(ledger: Ledger, channel: str, content: bytes) -> None:
    """Store a sealed credential."""
    ledger.execute("INSERT OR REPLACE INTO credentials VALUES (?, ?)", (channel, content))


def replay_inbox(ledger: Ledger, ids: Sequence[int]) -> int:
    """Open invalid and done rows again; how many."""
    n = 0
    for id in ids:
        for channel, state in ledger.rows(
            "SELECT i.channel, coalesce(o.state, 'done') FROM inbox i LEFT JOIN inbox_open o ON o.id = i.id"
            " WHERE i.id = ?",
            (id,),
        ):
            if state != "pending":
                ledger.execute(
                    "INSERT OR REPLACE INTO inbox_open (id, channel, state) VALUES (?, ?, 'pending')", (id, channel)
                )
                ledger.move("inbox", channel, state, "pending")
                n += 1
    return n
