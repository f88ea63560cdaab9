"""How the journal's methods reach their connections: over threads for a file, inline in memory; and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import apsw
from anyio.lowlevel import checkpoint

from omnibridge.errors import StorageError, StorageFailed
from omnibridge.journal.sqlite_checkpoint import Checkpointer
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_reading import Reading
from omnibridge.journal.sqlite_writer import Call, Hop, ReadRunner, WorkThread, WriteRunner, read_error

__all__ = ["Calls"]

T = TypeVar("T")


class Calls:
    """The connections of an open journal. Belongs to the event loop that made it."""

    def __init__(self, ledger: Ledger, reading: Reading) -> None:
        self._ledger = ledger
        self._reading = reading
        self._hop = Hop()
        self._failed = anyio.Event()
        self._closed = False
        self._runner = WriteRunner(ledger, self._on_failure)
        self._read_runner = ReadRunner(reading.db)
        self._writer: WorkThread | None = None
        self._reader: WorkThread | None = None
        self._checkpointer: Checkpointer | None = None
        self._another: Callable[[], Connection] | None = None

    def start_threads(self, checkpoints: Connection | None, another: Callable[[], Connection]) -> None:
        """Give each connection its thread; without this every call runs inline. `another` opens one more to read."""
        self._another = another
        if checkpoints is not None:
            self._checkpointer = Checkpointer(checkpoints, self._runner.fail)
            self._checkpointer.watch(self._ledger.db)
            self._runner.between_commits = self._checkpointer.between_commits
        self._writer = WorkThread("writer", self._runner, self._hop)
        self._reader = WorkThread("reader", self._read_runner, self._hop)

    # -- calling ---------------------------------------------------------------------------------------------------

    async def _write(self, work: Callable[[], T], *, guarded: bool = False) -> T:
        """Run this on the writing side; returns after the commit. Refused where another process may be running."""
        if not self._ledger.alone:
            raise StorageError(
                "this journal is attached to, for looking and mending only", remedy="ask the process that runs it"
            )
        return await self._mend(work, guarded=guarded)

    async def _mend(self, work: Callable[[], T], *, guarded: bool = False) -> T:
        """The same for what another process may do beside the one that runs the journal."""
        self._check_open()
        call = Call(work, guarded=guarded)
        if self._writer is not None:
            return await self._writer.run(call)
        self._runner.run((call,))
        # Others must get their turn, as they do while a thread works; a caller cancelled here has been stored.
        await checkpoint()
        return call.value()

    async def _read(self, work: Callable[[], T]) -> T:
        """Run this on the reading side; it sees every commit that has returned."""
        self._check_open()
        if self.failed:
            raise StorageFailed("the journal has failed", remedy="stop the process, and look at its first error")
        call = Call(work)
        if self._reader is not None:
            return await self._reader.run(call)
        self._read_runner.run((call,))
        await checkpoint()
        return call.value()

    def _send(self, work: Callable[[], object]) -> None:
        """Run this on the writing side after what was asked before; nobody waits for it."""
        if self._closed:
            return
        if self._writer is not None:
            self._writer.put(Call(work))
        else:
            self._runner.run((Call(work),))

    async def _beside(self, work: Callable[[Connection], T]) -> T:
        """Run long reading work on a connection and in a thread of its own, so that nothing waits for it."""
        self._check_open()
        if self._another is None:
            return work(self._ledger.db)
        return await anyio.to_thread.run_sync(self._alone, self._another, work)

    @staticmethod
    def _alone(another: Callable[[], Connection], work: Callable[[Connection], T]) -> T:
        try:
            db = another()
            try:
                return work(db)
            finally:
                db.close()
        except apsw.Error as error:
            raise read_error(error) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the journal is closed")

    # -- failing and ending ----------------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether a write or sync has failed: then every call fails, and the process must stop."""
        return self._runner.failure is not None

    async def wait_failed(self) -> StorageFailed:
        """Return the failure once there is one, for whoever must stop the process then."""
        while True:
            await self._failed.wait()
            if self._runner.failure is not None:
                return self._runner.failure

    def _on_failure(self, failure: StorageFailed) -> None:
        self._hop.call(self._failed.set)

    async def close(self) -> None:
        """Finish what waits and close. Later calls raise StorageError; closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            if self._writer is None or self._reader is None:
                self._ledger.db.close()
                return
            if self._checkpointer is not None:
                await anyio.to_thread.run_sync(self._checkpointer.close)
            await self._reader.close()
            # Last, since the last connection to close brings the log into the file.
            await self._writer.close()
