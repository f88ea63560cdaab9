"""The thread that brings the log into the file, so that no writer waits for it and the log stays short."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import apsw

from omnibridge.errors import StorageFailed
from omnibridge.journal.sqlite_connection import BUSY_MS, Connection
from omnibridge.journal.sqlite_writer import storage_error

__all__ = ["EVERY_PAGES", "LONG_PAGES", "MAX_PAGES", "Checkpointer"]

EVERY_PAGES = 1_000
"""How much the log grows between two checkpoints: about 4 MB."""

LONG_PAGES = 4_000
"""Beyond this (16 MB) the writer finishes a checkpoint between two of its commits, so that the log starts anew."""

MAX_PAGES = 16_384
"""Beyond this (64 MB) it also gives the log's room back to the disk, when nobody reads."""


class Checkpointer:
    """Watches a writing connection's log, and checkpoints it through a connection of its own.

    A passive checkpoint makes nobody wait; after one that got to the log's end, the writer starts the log from its
    beginning. Under steady load it never gets there: the writer is always ahead. Then the writer does the little
    that is left itself, a few milliseconds between two commits, where nothing has to wait for a lock.
    """

    def __init__(
        self,
        db: Connection,
        on_failure: Callable[[StorageFailed], None],
        *,
        every: int = EVERY_PAGES,
        long: int = LONG_PAGES,
        most: int = MAX_PAGES,
    ) -> None:
        self._db = db
        self._on_failure = on_failure
        self._every = every
        self._long = long
        self._most = most
        self._left = 0
        self._next = every
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="omnibridge-journal-checkpoint", daemon=True)
        db.set_busy_timeout(0)
        # A connection that has read nothing does not know yet that there is a log, and would checkpoint nothing.
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        self._thread.start()

    def watch(self, writer: Connection) -> None:
        """Hear of every commit of this connection."""
        writer.set_wal_hook(self._grown)

    def _grown(self, _db: Connection, _name: str, pages: int) -> int:
        if pages + self._every < self._next:  # the log was started anew
            self._next = self._every
        if pages >= self._next:
            self._next = pages + self._every
            self._queue.put(pages)
        return apsw.SQLITE_OK

    def _work(self) -> None:
        while (pages := self._queue.get()) is not None:
            try:
                self.checkpoint(pages)
            except apsw.BusyError:
                continue  # somebody reads; the next commits ask again
            except apsw.Error as error:
                found = storage_error(error)
                if isinstance(found, StorageFailed):
                    self._on_failure(found)
                    break
        self._db.close()

    def checkpoint(self, pages: int) -> None:
        """Bring the log into the file, and ask the writer for the rest when the log has grown long."""
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if pages > self._long:
            self._left = pages

    def between_commits(self, writer: Connection) -> None:
        """On the writing thread: finish what a checkpoint left, if it asked for that."""
        pages, self._left = self._left, 0
        if not pages:
            return
        try:
            writer.set_busy_timeout(0)
            mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if pages > self._most else apsw.SQLITE_CHECKPOINT_PASSIVE
            writer.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            pass  # somebody reads from the log, or checkpoints it
        finally:
            writer.set_busy_timeout(BUSY_MS)

    def truncate(self) -> None:
        """Give all of the log's room back after one of the next commits, when nobody reads."""
        self._left = self._most + 1

    def close(self) -> None:
        """End the thread and close its connection. Blocks while a checkpoint runs."""
        self._queue.put(None)
        self._thread.join()
