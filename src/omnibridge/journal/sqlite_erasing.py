"""The journal's methods for erasing and exporting a person: the contract is the Journal protocol's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import anyio

from omnibridge.journal import sqlite_shred as shredding
from omnibridge.journal.erasure_rows import Belongings, Erasure, ErasureState, Shredding
from omnibridge.journal.rows import EntityKey, ReferenceWrite
from omnibridge.journal.seal import GENERAL
from omnibridge.journal.sqlite_identities import Identities
from omnibridge.journal.sqlite_values import from_json, micros, moment, to_json

__all__ = ["Erasing"]

T = TypeVar("T")
_GRAVE = "grave"


class Erasing(Identities):
    """What the saga of an erasure asks for. The keys of a person end only after what is kept stands without them."""

    async def ask_erasure(self, content: bytes) -> int:
        """Store that somebody shall be erased: JSON that tells whom. Its number."""
        sealed = self._seal.seal(content, "erasures.content", self._seal.take("party"))
        return await self._mend(partial(shredding.ask, self._ledger, micros(self._now()), sealed))

    async def erasures(self, *, open_only: bool = False) -> Sequence[Erasure]:
        """Erasures, oldest first; `open_only`: those that are not done."""
        rows = await self._read(partial(shredding.erasures, self._reading, open_only=open_only))
        return [
            Erasure(
                number,
                moment(at),
                ErasureState(state),
                self._columns.still(content, "erasures.content"),
                from_json(report),
            )
            for number, at, state, content, report, _ in rows
        ]

    async def note_erasure(self, number: int, state: ErasureState, report: Mapping[str, str]) -> None:
        """Store how far an erasure is."""
        await self._mend(partial(shredding.note, self._ledger, number, state.value, to_json(report).decode()))

    async def belongings(self, parties: Sequence[str]) -> Belongings:
        """Everything about these parties; an address is a party too (`contact:` and the address)."""
        names = [self._columns.parties.name(party) for party in parties]
        read = partial(shredding.belongings, self._reading, names)
        entities, events, references, counts = await self._read(read)
        opened = self._columns.names.opened
        # Of one that cannot be opened the person is gone; they stand in an older file once more.
        called = [
            (channel, kind, external_id, id, shadow)
            for channel, kind, name, id, shadow, named in references
            if (external_id := opened(channel, kind, name, named)) is not None
        ]
        shadows = {EntityKey(*row[:3]): self._columns.still(row[4], "known.shadow") for row in called}
        deliveries: Counter[tuple[str, str]] = Counter()
        for channel, state, n in counts:
            deliveries[channel, state] += n
        return Belongings(
            {(kind, id): self._columns.entity((content, 0))[0] for kind, id, content in entities},
            tuple(self._columns.stored(row) for row in events),
            tuple(ReferenceWrite(*row[:4]) for row in called),
            {key: shadow for key, shadow in shadows.items() if shadow is not None},
            deliveries,
        )

    async def shred(self, number: int, what: Shredding, report: Mapping[str, str]) -> bool:
        """Take parties out of the journal, and then destroy their keys. False while a delivery about them runs.

        What is kept is stored before anything ends. After a crash `finish_shredding` goes on.
        """
        seal = self._columns.seal
        shreds = shredding.Shreds(
            tuple(self._columns.parties.name(party) for party in what.parties),
            [(seal(content, "entities.content"), *key) for key, content in what.entities.items()],
            [
                (seal(content, "known.shadow"), key.channel, key.kind, self._columns.names.filed(*key[1:]))
                for key, content in what.shadows.items()
            ],
            {seq: seal(content, "events.content") for seq, content in what.events.items()},
            what.inbox,
        )
        text = to_json(report).decode()
        keys = await self._write(partial(shredding.shred, self._ledger, number, shreds, text), guarded=True)
        if keys is None:
            return False
        self._columns.forget(shreds.parties)
        await self._end(number, keys)
        return True

    async def _drop(self, inbox: Sequence[int]) -> None:
        """Remove raw rows with their keys."""
        keys = await self._write(partial(shredding.drop, self._ledger, tuple(inbox)))
        await self._beside_loop(partial(self._seal.destroy, tuple(keys)))

    async def finish_shredding(self) -> None:
        """Destroy the keys of erasures that a crash interrupted."""
        for number, _, state, _, _, keys in await self._read(
            partial(shredding.erasures, self._reading, open_only=True)
        ):
            if state == ErasureState.SHREDDING:
                await self._end(number, from_json(keys))

    async def _end(self, number: int, keys: Sequence[int]) -> None:
        await self._beside_loop(partial(self._seal.destroy, tuple(keys)))
        if self._checkpointer is not None:
            self._checkpointer.truncate()
        await self._write(partial(shredding.destroyed, self._ledger, number))

    # -- who must not come back ------------------------------------------------------------------------------------

    async def bury(self, names: Sequence[tuple[str, ...]]) -> None:
        """Remember for ever, outside the journal and its backups, what must not come back. Only digests are kept."""
        marks = [self._mark(*name) for name in names]
        await self._beside_loop(partial(self._seal.bury, marks, micros(self._now())))

    def grave(self, *name: str) -> datetime | None:
        """When something was buried, None when it never was: (channel, kind, external id), or (`contact`, address)."""
        if not self._seal.graves:
            return None
        at = self._seal.buried(self._mark(*name))
        return None if at is None else moment(at)

    def _mark(self, *name: str) -> bytes:
        if len(name) == 3 and name[1] != "customer":  # those were buried before the file had digests of them
            name = (*name[:2], self._columns.names.filed(name[1], name[2]))
        return self._seal.digest(_GRAVE, *name)

    async def returned(self) -> Sequence[str]:
        """Parties that were erased and are here again, as this file is older than their erasure. Asked at a start."""
        if not await self._write(partial(shredding.visit, self._ledger, self._seal.graves)):
            return ()
        parties, customers = await self._read(partial(shredding.dead_ends, self._reading))
        found = {id: None for id, key in parties if key != GENERAL and not self._seal.alive(key)}
        for channel, filed, id, named in customers:
            name = self._columns.names.opened(channel, "customer", filed, named)
            if name is None or self.grave(channel, "customer", name):
                found[id] = None
        return tuple(found)

    async def _beside_loop(self, work: Callable[[], T]) -> T:
        """Run what waits for a disk: in a thread where the journal has a file, inline in memory."""
        if self._another is None:
            return work()
        return await anyio.to_thread.run_sync(work)
