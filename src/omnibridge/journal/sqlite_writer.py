"""Calls from the event loop onto one thread a connection, gathered into batches, and their results back in one hop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import anyio
import apsw
from anyio.lowlevel import current_token

from omnibridge.errors import StorageError, StorageFailed
from omnibridge.journal.protocol import Conflict
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_ledger import Ledger

__all__ = ["BATCH", "Call", "Hop", "ReadRunner", "Runner", "WorkThread", "WriteRunner", "read_error", "storage_error"]

BATCH = 64
"""How many waiting calls share a transaction at most."""

T = TypeVar("T")


class _Waiter(Protocol):
    """An asyncio future; its loop makes it, so that nothing here imports asyncio."""

    def done(self) -> bool: ...
    def set_result(self, result: None, /) -> None: ...
    def __await__(self) -> Generator[Any, None, None]: ...


class Hop:
    """The way back to the event loop that opened the journal: asyncio's or trio's own, which are the fastest."""

    def __init__(self) -> None:
        token: Any = current_token().native_token
        asyncio = hasattr(token, "call_soon_threadsafe")
        self._soon: Callable[..., object] = token.call_soon_threadsafe if asyncio else token.run_sync_soon
        self.waiter: Callable[[], _Waiter | anyio.Event] = token.create_future if asyncio else anyio.Event
        """Makes something to wait on."""

    def release(self, calls: Sequence[Call[Any]]) -> None:
        """From a thread: let everyone go on who waits for these."""
        self.call(self._release, calls)

    def call(self, callback: Callable[..., object], *args: object) -> None:
        """From a thread: have the event loop call this soon."""
        # It says so when the event loop has ended, and then everyone who waited has ended with it.
        with suppress(RuntimeError):
            self._soon(callback, *args)

    @staticmethod
    def _release(calls: Sequence[Call[Any]]) -> None:
        for call in calls:
            waiter = call.waiter
            if isinstance(waiter, anyio.Event):
                waiter.set()
            elif waiter is not None and not waiter.done():  # a cancelled caller's is done
                waiter.set_result(None)


class Call(Generic[T]):
    """One call on its way. `guarded`: it may answer Conflict, which must not cost the others their batch."""

    __slots__ = ("error", "guarded", "result", "waiter", "work")

    def __init__(self, work: Callable[[], T], *, guarded: bool = False) -> None:
        self.work = work
        self.guarded = guarded
        self.waiter: _Waiter | anyio.Event | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    async def wait(self) -> None:
        """Until it was run."""
        if isinstance(self.waiter, anyio.Event):
            await self.waiter.wait()
        elif self.waiter is not None:
            await self.waiter

    def value(self) -> T:
        """What came of it. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Runner(Protocol):
    """Runs a batch of calls to their ends: each has a result or an error afterwards."""

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Run them."""
        ...

    def rest(self) -> None:
        """What can wait until the callers have their results."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def storage_error(error: apsw.Error) -> StorageError:
    """What an error of SQLite means for the caller."""
    if isinstance(error, (apsw.IOError, apsw.CorruptError, apsw.NotADBError)):
        return StorageFailed(
            f"the disk failed the journal: {error}", remedy="stop; check the disk, then start again or restore a backup"
        )
    if isinstance(error, apsw.FullError):
        return StorageError(f"no room for the journal: {error}", remedy="free space on its disk")
    return StorageError(f"the journal cannot take work now: {error}")


def read_error(error: apsw.Error) -> StorageError:
    """What a read that fails means: nothing about what was synced, so it is not the journal's end."""
    return StorageError(f"the journal cannot be read: {error}", remedy="check the disk, and the journal's integrity")


class WriteRunner:
    """Runs calls in one transaction and commits once for all.

    When one fails, all are rolled back and run again, each in a transaction of its own, so that the bad one fails
    alone. After a failed write or sync nothing is run any more: what the disk has is not known.
    """

    def __init__(self, ledger: Ledger, on_failure: Callable[[StorageFailed], None]) -> None:
        self._ledger = ledger
        self._on_failure = on_failure
        self.failure: StorageFailed | None = None
        self.between_commits: Callable[[Connection], None] = lambda _: None
        """What to do with the connection between two batches."""

    def fail(self, failure: StorageFailed) -> None:
        """From now on everything fails. Any thread may call it."""
        if self.failure is None:
            self.failure = failure
            self._on_failure(failure)

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Run a batch."""
        error = self._together(calls)
        if error is None:
            return
        if len(calls) > 1 and self.failure is None:
            for call in calls:
                self.run((call,))
            return
        for call in calls:
            # Each its own, since a raised exception carries its raiser's traceback.
            call.error = error if self.failure is None else StorageFailed(self.failure.what, remedy=self.failure.remedy)

    def _together(self, calls: Sequence[Call[Any]]) -> BaseException | None:
        ledger = self._ledger
        if self.failure is not None:
            return self.failure
        try:
            ledger.begin()
            for call in calls:
                if call.guarded:
                    self._guarded(call)
                else:
                    call.result = call.work()
            ledger.commit()
        except Exception as error:
            found: Exception = storage_error(error) if isinstance(error, apsw.Error) else error
            try:
                ledger.rollback()
            except apsw.Error as second:
                found = StorageFailed(f"the journal cannot roll back: {second}", remedy="stop and start again")
            if isinstance(found, StorageFailed):
                self.fail(found)
            return found
        return None

    def _guarded(self, call: Call[Any]) -> None:
        self._ledger.save()
        try:
            call.error = None
            call.result = call.work()
        except Conflict as conflict:
            self._ledger.back()
            call.error = conflict
        else:
            self._ledger.execute("RELEASE guarded")

    def rest(self) -> None:
        """Do what is to be done between two commits."""
        if self.failure is None:
            try:
                self.between_commits(self._ledger.db)
            except apsw.Error as error:
                found = storage_error(error)
                if isinstance(found, StorageFailed):
                    self.fail(found)

    def close(self) -> None:
        """Close the connection."""
        self._ledger.db.close()


class ReadRunner:
    """Runs reads within one short transaction, so that each sees one state of the journal."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Run a batch."""
        try:
            self._db.execute("BEGIN")
            for call in calls:
                try:
                    call.result = call.work()
                except Exception as error:
                    call.error = read_error(error) if isinstance(error, apsw.Error) else error
        except apsw.Error as error:
            for call in calls:
                call.error = read_error(error)
        finally:
            self._end()

    def _end(self) -> None:
        # On a damaged page ending fails too. What was read stays read; a connection that stays within its transaction
        # fails the reads that follow, one by one and said to their callers.
        for end in ("COMMIT", "ROLLBACK"):
            if self._db.in_transaction:
                with suppress(apsw.Error):
                    self._db.execute(end)

    def rest(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


class WorkThread:
    """The thread of one connection. It takes what waits, runs it, and releases all who waited with one hop."""

    def __init__(self, name: str, runner: Runner, hop: Hop) -> None:
        self._queue: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._runner = runner
        self._hop = hop
        self._thread = threading.Thread(target=self._work, name=f"omnibridge-journal-{name}", daemon=True)
        self._thread.start()

    def put(self, call: Call[Any]) -> None:
        """Queue a call."""
        self._queue.put(call)

    async def run(self, call: Call[T]) -> T:
        """Queue a call and wait for it. A caller that is cancelled leaves it to be run."""
        call.waiter = self._hop.waiter()
        self._queue.put(call)
        await call.wait()
        return call.value()

    def _work(self) -> None:
        queue, runner = self._queue, self._runner
        last = False
        while not last:
            call = queue.get()
            calls: list[Call[Any]] = []
            while call is not None:
                calls.append(call)
                if len(calls) >= BATCH:
                    break
                try:
                    call = queue.get_nowait()
                except Empty:
                    break
            else:
                last = True
            if calls:
                try:
                    runner.run(calls)
                except Exception as error:  # a bug; but nobody may wait for ever for a thread that has ended
                    for call in calls:
                        call.error = error
                self._hop.release(calls)
                runner.rest()
        runner.close()

    async def close(self) -> None:
        """Run what waits, close the connection, end the thread."""
        self._queue.put(None)
        await anyio.to_thread.run_sync(self._thread.join)
