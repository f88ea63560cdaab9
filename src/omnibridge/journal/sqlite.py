"""The journal on SQLite: in a file with threads of its own, or in memory and inline."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import anyio
import apsw

from omnibridge.clock import Clock
from omnibridge.connector import Reference
from omnibridge.errors import StorageError
from omnibridge.journal import sqlite_care as care
from omnibridge.journal import sqlite_intake as intake
from omnibridge.journal import sqlite_lanes as lanes
from omnibridge.journal import sqlite_sendings as sendings
from omnibridge.journal.identity_rows import Key
from omnibridge.journal.rows import (
    Accepted,
    Claimed,
    EntityKey,
    InboxRow,
    Known,
    NewDelivery,
    NewInbox,
    Processed,
    Retention,
    Settled,
    Step,
)
from omnibridge.journal.seal import Seal
from omnibridge.journal.sqlite_connection import Connection, connect
from omnibridge.journal.sqlite_copy import copy, problems
from omnibridge.journal.sqlite_erasing import Erasing
from omnibridge.journal.sqlite_file import check_keys, lock, open_memory, open_reader, open_writer, prepare
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_reading import Reading
from omnibridge.journal.sqlite_values import micros, moment

__all__ = ["SqliteJournal", "open_journal"]

_AT_HAND, _SMALL = 256, 16 * 1024
"""How many inbox rows are kept at hand until they are processed, and the most bytes of each."""


class SqliteJournal(Erasing):
    """The Journal protocol on SQLite. Made by `open_journal`; belongs to the event loop that opened it.

    Payloads are sealed and opened on the event loop; the writing thread runs prepared SQL only. A call that is
    cancelled while it waits may or may not have been stored; its batch goes on without it.
    """

    def __init__(self, ledger: Ledger, reading: Reading, seal: Seal, clock: Clock) -> None:
        super().__init__(ledger, reading, seal)
        self._clock = clock
        ledger.destroy = seal.destroy
        # What was accepted last and waits for its processing, which is next: so it need not be read and opened again.
        self._accepted: dict[int, InboxRow] = {}

    def _now(self) -> datetime:
        return self._clock.now()

    # -- accept and process ----------------------------------------------------------------------------------------

    async def accept(self, item: NewInbox) -> Accepted:
        """Store one incoming thing unless its dedupe key is known."""
        id = await self._write(partial(intake.accept, self._ledger, self._columns.intake(item)))
        if id and len(item.body) <= _SMALL:
            if len(self._accepted) >= _AT_HAND:
                del self._accepted[next(iter(self._accepted))]
            self._accepted[id] = self._columns.accepted(id, item)
        return Accepted(id, duplicate=not id)

    async def pending(self, after: int, limit: int) -> Sequence[InboxRow]:
        """Pending inbox rows with an id above `after`, in order."""
        at_hand = self._accepted.copy()
        rows = await self._read(partial(self._reading.pending, after, limit, at_hand))
        return [at_hand[id] if row is None else self._columns.inbox(row) for id, row in rows]

    async def known(self, keys: Sequence[EntityKey]) -> Mapping[EntityKey, Known]:
        """What is known about each key; every key has an entry."""
        columns = [(key.channel, key.kind, self._columns.names.filed(key.kind, key.external_id)) for key in keys]
        found = await self._read(partial(self._reading.known, columns))
        for (channel, _, name), rows in zip(columns, found, strict=True):
            if not rows:
                self._columns.names.missed(channel, name)
        return {key: self._columns.known(rows) for key, rows in zip(keys, found, strict=True)}

    async def entities(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[bytes, int]]:
        """Canonical entities by (kind, id): JSON and revision. Those that do not exist are absent."""
        found = await self._read(partial(self._reading.entities, tuple(ids)))
        return {key: self._columns.entity(rows[0]) for key, rows in zip(ids, found, strict=True) if rows}

    async def process(self, batch: Sequence[Processed]) -> None:
        """Store what processing came to, all or nothing. Raises Conflict when a revision has moved."""
        rows = self._columns.batch(batch, self._clock.now())
        new = await self._store(rows, partial(intake.process, self._ledger, rows))
        named = [item.inbox_id for item in batch if item.shred]
        if named:
            await self._drop(named)
        for item in batch:
            self._accepted.pop(item.inbox_id, None)
            routed = {delivery.event for delivery in item.deliveries}
            for event in (stored.event for stored in item.events):
                key = (event.source, event.id)
                if key in new and key in routed:
                    self._columns.remember(event)
                new.discard(key)  # of two in a batch only the first was stored

    # -- deliver ---------------------------------------------------------------------------------------------------

    async def ensure(self, deliveries: Sequence[NewDelivery]) -> None:
        """Insert deliveries whose keys do not exist yet."""
        now = self._clock.now()
        rows = [self._columns.delivery(new, now) for new in deliveries]
        await self._write(partial(intake.ensure, self._ledger, rows))

    async def claim(
        self, channel: str, limit: int, now: datetime, *, operation: str | None = None
    ) -> Sequence[Claimed]:
        """Take up to `limit` ready, due deliveries of a channel, heads of different lanes, smallest priority first."""
        taken = await self._write(partial(lanes.claim, self._ledger, channel, limit, micros(now), operation))
        return [self._columns.claimed(row, steps) for row, steps in taken]

    async def next_due(self, channel: str) -> datetime | None:
        """When the earliest ready, unclaimed delivery of a channel is due; None when there is none."""
        due = await self._write(partial(lanes.next_due, self._ledger, channel))
        return None if due is None else moment(due)

    async def begun(self, channel: str, limit: int, now: datetime) -> Sequence[tuple[str, str]]:
        """Lane and operation of the heads that an earlier process may have begun and did not settle."""
        return [
            (lane, operation)
            for lane, operation in await self._read(partial(self._reading.begun, channel, limit, micros(now)))
        ]

    def release(self, ids: Sequence[int]) -> None:
        """Give claims back without an attempt. A claim asked for after this may have them."""
        self._send(partial(lanes.release, self._ledger, tuple(ids)))
        for id in ids:
            self._columns.left(id)

    async def references(
        self, channel: str, ids: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], tuple[str, bytes | None]]:
        """External id and shadow in `channel` of canonical entities by (kind, id). Unseen ones are absent.

        Where one has several ids in the channel, the newest that is not deleted there is given.
        """
        found = await self._read(partial(self._reading.references, channel, tuple(ids)))
        return {
            key: (name, self._columns.open(rows[0][1], "known.shadow"))
            for key, rows in zip(ids, found, strict=True)
            if rows and (name := self._columns.names.opened(channel, key[0], rows[0][0], rows[0][2])) is not None
        }

    async def start(self, delivery: int, step: Step) -> None:
        """Freeze a writing request before its first byte leaves. An existing (name, generation) stays as it is."""
        await self._write(partial(intake.start, self._ledger, self._columns.step(delivery, step)))

    async def finish(self, delivery: int, step: Step) -> None:
        """Record the response of a step."""
        await self._write(partial(intake.finish, self._ledger, self._columns.step(delivery, step)))

    async def finish_all(self, steps: Sequence[tuple[int, Step]]) -> None:
        """Record the responses of steps of several deliveries."""
        rows = [self._columns.step(delivery, step) for delivery, step in steps]
        await self._write(partial(intake.finish_all, self._ledger, rows))

    async def send_to(
        self, who: Key, delivery: int, at: datetime, limits: Sequence[tuple[datetime, int]]
    ) -> int | None:
        """Note that a delivery is being sent to somebody, unless that is one too many: the limit that is reached."""
        spans = [(micros(since), most) for since, most in limits]
        return await self._write(partial(sendings.send_to, self._ledger, who.value, delivery, micros(at), spans))

    async def keep(self, delivery: int, channel: str, reference: Reference, id: str) -> None:
        """Store a reference in the middle of an exchange."""
        row = self._columns.reference(channel, reference.kind, reference.external_id, id)
        await self._write(partial(intake.keep, self._ledger, row))

    async def emit(self, delivery: int, item: NewInbox, cursor: tuple[str, bytes] | None) -> None:
        """Store a page of observations together with the cursor (name, JSON) that comes after it."""
        after = None
        if cursor is not None:
            after = (item.channel, cursor[0], self._columns.seal(cursor[1], "cursors.content"))
        await self._write(partial(intake.emit, self._ledger, self._columns.intake(item), after))

    async def settle(self, settled: Settled) -> None:
        """Store the outcome of one attempt with everything it caused, and free the lane as its state demands.

        Raises UnknownItem when nobody has claimed the delivery, ValueError for READY without a due time.
        """
        await self.settle_all((settled,))

    async def settle_all(self, settled: Sequence[Settled]) -> None:
        """Store the outcomes of several deliveries in one transaction."""
        rows = [
            (
                self._columns.outcome(one),
                [self._columns.reference(*reference) for reference in one.references],
                [self._columns.intake(item) for item in one.inbox],
            )
            for one in settled
        ]
        await self._write(partial(intake.settle_all, self._ledger, rows))
        for one in settled:
            self._columns.left(one.id)

    # -- small state -----------------------------------------------------------------------------------------------

    async def cursor(self, channel: str, name: str) -> bytes | None:
        """Where a poll stands, as JSON."""
        rows = await self._read(partial(self._reading.cursor, channel, name))
        return self._columns.open(rows[0][0], "cursors.content") if rows else None

    async def credential(self, channel: str) -> bytes | None:
        """The channel's stored credential, opened."""
        rows = await self._read(partial(self._reading.credential, channel))
        return self._columns.open(rows[0][0], "credentials.content") if rows else None

    async def save_credential(self, channel: str, content: bytes) -> None:
        """Store a credential, sealed."""
        sealed = self._columns.seal(content, "credentials.content")
        await self._mend(partial(intake.save_credential, self._ledger, channel, sealed))

    # -- care ------------------------------------------------------------------------------------------------------

    async def retain(self, policy: Retention) -> int:
        """Remove what may go, in short transactions; how many rows went.

        Settled work goes by the time when it came to rest. Where the file is still above `max_bytes`, the oldest
        settled work goes until it is not, or nothing is left that may go.
        """
        gone = 0
        settled, raw = micros(policy.settled_before), micros(policy.raw_before or policy.settled_before)
        for sweep in care.SWEEPS:
            after: int | None = 0
            before = raw if sweep is care.sweep_inbox else settled
            while after is not None:
                swept = await self._mend(partial(sweep, self._ledger, after, before))
                gone, after = gone + swept.gone, swept.after
        for low, high in care.dedupe_ranges():
            gone += await self._mend(partial(care.sweep_dedupe, self._ledger, low, high, micros(policy.dedupe_before)))
        for (delivery,) in await self._read(partial(self._reading.many_attempts, policy.max_attempts)):
            gone += await self._mend(partial(care.sweep_attempts, self._ledger, delivery, policy.max_attempts))
        old = micros(self._clock.now() - timedelta(days=sendings.KEPT_DAYS))
        while swept_sendings := await self._mend(partial(sendings.forget_sendings, self._ledger, old)):
            gone += swept_sendings
        if policy.max_bytes is not None:
            gone += await self._shrink(policy.max_bytes)
        while await self._mend(partial(care.vacuum, self._ledger, policy.max_bytes)):
            pass
        return gone

    async def _shrink(self, most: int) -> int:
        """Sweep regardless of age, a piece of each table in turn, until the size is right."""
        gone = 0
        places: dict[care.Sweep, int] = dict.fromkeys(care.SWEEPS, 0)
        while places and await self._mend(partial(care.over_size, self._ledger, most)):
            for sweep, after in list(places.items()):
                swept = await self._mend(partial(sweep, self._ledger, after, care.NEVER))
                gone += swept.gone
                if swept.after is None:
                    del places[sweep]
                else:
                    places[sweep] = swept.after
        return gone

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while running. Raises StorageError when the file exists.

        It appears under its name when it is whole. While it is written, the log cannot start anew.
        """
        await self._beside(partial(copy, path=path))

    async def check_integrity(self) -> Sequence[str]:
        """Problems of pages, indexes, counts and lanes in words; empty when the file is sound. Reads all of it."""
        return await self._beside(problems)


@asynccontextmanager
async def open_journal(
    path: str | os.PathLike[str] | None, *, seal: Seal, clock: Clock, vfs: str | None = None, attach: bool = False
) -> AsyncGenerator[SqliteJournal]:
    """Open the journal in a file, made where there is none; in memory and without threads for None.

    `attach` looks at and mends a journal that a daemon may be running on: it takes no lock, makes no file, and what
    only one process may do (taking in, processing, delivering) raises StorageError. `vfs` names a registered SQLite
    VFS, for tests that cut the power. Raises StorageError when another process has the journal open or the file
    cannot be used, SchemaError when it is no journal, or of another version than may be opened so.
    """
    if path is None:
        db = open_memory()
        journal = SqliteJournal(Ledger(db), Reading(db), seal, clock)
        try:
            yield journal
        finally:
            await journal.close()
        return
    place = os.fspath(path)
    with ExitStack() as held:
        # In a thread: recovering a long log takes a while, and the event loop may be serving already.
        ledger, reader, checkpoints = await anyio.to_thread.run_sync(_open_file, place, seal, vfs, attach, held)
        journal = SqliteJournal(ledger, Reading(reader), seal, clock)
        journal.start_threads(checkpoints, partial(open_reader, place, vfs))
        try:
            yield journal
        finally:
            await journal.close()


def _open_file(
    path: str, seal: Seal, vfs: str | None, attach: bool, held: ExitStack
) -> tuple[Ledger, Connection, Connection | None]:
    """The writing side, and connections for reading and for checkpoints; blocks. What `held` holds is the lock."""
    with ExitStack() as opened:
        if not attach:
            held.callback(lock(path).close)
            prepare(path)
        try:
            writer = open_writer(path, vfs, attach=attach)
            opened.callback(writer.close)
            reader = open_reader(path, vfs)
            opened.callback(reader.close)
            checkpoints = None if attach else connect(path, vfs)
            if checkpoints is not None:
                opened.callback(checkpoints.close)
            ledger = Ledger(writer, alone=not attach)
            check_keys(writer, seal, path, attach=attach)
        except apsw.Error as error:
            raise StorageError(
                f"the journal cannot be opened: {error}", where=path, remedy="check its disk, or restore a backup"
            ) from error
        opened.pop_all()
    return ledger, reader, checkpoints
