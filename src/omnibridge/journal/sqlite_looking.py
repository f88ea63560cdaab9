"""The journal's methods for people: looking at what is there, and mending what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from functools import partial
from typing import TypeVar

from omnibridge.journal import sqlite_conflicts as disputes
from omnibridge.journal import sqlite_intake as intake
from omnibridge.journal import sqlite_lanes as lanes
from omnibridge.journal.conflict_rows import ConflictRow
from omnibridge.journal.protocol import Conflict
from omnibridge.journal.rows import About, Counts, DeliveryRow, InboxRow, ReferenceWrite, StoredEvent
from omnibridge.journal.seal import Seal
from omnibridge.journal.sqlite_calls import Calls
from omnibridge.journal.sqlite_intake import Batch
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_reading import Reading
from omnibridge.journal.sqlite_rows import Columns, counts
from omnibridge.journal.sqlite_values import micros

__all__ = ["Looking"]

T = TypeVar("T")


class Looking(Calls):
    """What `omnibridge journal` and the daemon's pages ask for. The contract is the Journal protocol's."""

    def __init__(self, ledger: Ledger, reading: Reading, seal: Seal) -> None:
        super().__init__(ledger, reading)
        self._columns = Columns(seal)

    async def _store(self, batch: Batch, work: Callable[[], T]) -> T:
        """Write a batch, guarded. Raises Conflict as `work` does; with whom it met by then, the next try succeeds."""
        try:
            done = await self._write(work, guarded=True)
        except Conflict:
            # Perhaps somebody has a key whom nobody had met since the start.
            found = await self._read(partial(self._reading.parties, tuple(batch.parties)))
            self._columns.parties.remember({row[0]: row[1] for row in found})
            raise
        self._columns.parties.remember(batch.parties)
        return done

    async def event(self, id: str) -> StoredEvent | None:
        """An event by its id, or by a beginning of at least 6 characters that no other id has."""
        rows = await self._read(partial(self._reading.event, id))
        return self._columns.stored(rows[0]) if rows else None

    async def events(
        self,
        *,
        type: str | None = None,
        channel: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[StoredEvent]:
        """Stored events, newest first; `before` is a `seq`."""
        rows = await self._read(partial(self._reading.events, type, channel, subject, before, limit))
        return [self._columns.stored(row) for row in rows]

    async def about(
        self, parties: Sequence[str], *, kinds: Mapping[str, int], before: int | None = None, limit: int = 50
    ) -> About:
        """What concerns these parties: the newest events (before a `seq`), and of each kind so many entities."""
        names = tuple(dict.fromkeys(self._columns.parties.name(party) for party in parties))
        events, entities = await self._read(partial(self._reading.about, names, kinds, before, limit))
        return About(
            [self._columns.stored(row) for row in events],
            [(kind, id, self._columns.entity((content, 0))[0]) for kind, id, content in entities],
        )

    async def inbox(
        self, *, channel: str | None = None, state: str | None = None, limit: int = 50
    ) -> Sequence[InboxRow]:
        """Inbox rows, newest first. Raises ValueError for a state that there is not."""
        rows = await self._read(partial(self._reading.inbox, channel, state, limit))
        return [self._columns.inbox(row) for row in rows]

    async def deliveries(
        self, *, channel: str | None = None, state: str | None = None, event: str | None = None, limit: int = 50
    ) -> Sequence[DeliveryRow]:
        """Deliveries, newest first, with their last attempt. Raises ValueError for a state that there is not."""
        rows = await self._read(partial(self._reading.deliveries, channel, state, event, limit))
        return [self._columns.delivery_row(row) for row in rows]

    async def delivery(self, id: int) -> DeliveryRow | None:
        """One delivery with its whole history and its frozen steps."""
        rows, earlier, steps = await self._read(partial(self._reading.delivery, id))
        return self._columns.delivery_row(rows[0], earlier, steps) if rows else None

    async def links(self, kind: str, id: str) -> Sequence[ReferenceWrite]:
        """Every reference of a canonical entity."""
        rows = await self._read(partial(self._reading.links, kind, id))
        opened = self._columns.names.opened
        return sorted(
            ReferenceWrite(channel, kind, external_id, id)
            for channel, kind, name, id, named in rows
            if (external_id := opened(channel, kind, name, named)) is not None
        )

    async def had(self, ids: Sequence[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Those canonical entities (kind, id) that a channel still has."""
        return await self._read(partial(self._reading.had, tuple(ids))) if ids else set()

    async def counts(self) -> Counts:
        """How much is where: exact, from a table that every commit keeps, however much there is."""
        return counts(*await self._read(self._reading.counts))

    async def replay_inbox(self, ids: Sequence[int]) -> int:
        """Make invalid and done inbox rows pending again; how many. They keep their ids."""
        return await self._mend(partial(intake.replay_inbox, self._ledger, tuple(ids)))

    async def replay(self, ids: Sequence[int], now: datetime) -> int:
        """Make dead, unknown, parked or refused deliveries ready again with the same keys; how many.

        Each has all its attempts before it again. One whose lane has gone on waits for the lane's head, and then
        goes before what was queued after it.
        """
        return await self._mend(partial(lanes.replay, self._ledger, tuple(ids), micros(now)))

    async def resend(self, id: int, now: datetime) -> int | None:
        """Send a settled delivery once more under new keys: its new generation; None when it is open or not there.

        One whose lane has gone on goes to the lane's end.
        """
        return await self._mend(partial(lanes.resend, self._ledger, id, micros(now)))

    async def close_unknown(self, id: int, now: datetime) -> bool:
        """Mark an unknown delivery done, which is put on record, and free its lane; False when it is not unknown."""
        return await self._mend(partial(lanes.close_unknown, self._ledger, id, micros(now)))

    async def give_up(self, id: int, now: datetime) -> bool:
        """An operator lets a parked delivery go: it becomes a dead letter and its lane goes on."""
        return await self._mend(partial(lanes.give_up, self._ledger, id, micros(now)))

    async def conflicts(self, *, chosen: bool | None = None, limit: int = 50) -> Sequence[ConflictRow]:
        """Conflicts between channels, newest first; with `chosen`, those for which a side was chosen, or was not."""
        return [disputes.conflict(row) for row in await self._read(partial(self._reading.conflicts, chosen, limit))]

    async def choose(self, conflict: int, side: str) -> bool:
        """An operator chose one of the two channels of a conflict; False when there is none such."""
        return await self._mend(partial(disputes.choose, self._ledger, conflict, side))

    async def forget_conflict(self, conflict: int) -> None:
        """A conflict is settled, or over."""
        await self._mend(partial(disputes.forget_conflict, self._ledger, conflict))
