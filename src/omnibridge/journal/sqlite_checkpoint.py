"""The thread that brings the log into the file, so that no writer waits for it and the log stays short."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import apsw

from omnibridge.errors import StorageFailed
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_writer import storage_error

__all__ = ["EVERY_PAGES", "MAX_PAGES", "Checkpointer"]

EVERY_PAGES = 1_000
"""How much the log grows between two checkpoints: about 4 MB."""

MAX_PAGES = 16_384
"""Beyond this (64 MB) the log is emptied at the next moment when nobody reads, though the writer waits for it."""

_TRUNCATE_MS = 100


class Checkpointer:
    """Watches a writing connection's log, and checkpoints it through a connection of its own.

    A passive checkpoint never makes anyone wait; after one that got to the log's end, the writer starts the log
    from its beginning. Under steady load it may not get there, and then the log is emptied by force.
    """

    def __init__(
        self,
        db: Connection,
        on_failure: Callable[[StorageFailed], None],
        *,
        every: int = EVERY_PAGES,
        most: int = MAX_PAGES,
    ) -> None:
        self._db = db
        self._on_failure = on_failure
        self._every = every
        self._most = most
        self._next = every
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="omnibridge-journal-checkpoint", daemon=True)
        db.set_busy_timeout(_TRUNCATE_MS)
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
        """Bring the log into the file; empty it when it has more than the most pages."""
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if pages > self._most:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        """End the thread and close its connection. Blocks while a checkpoint runs."""
        self._queue.put(None)
        self._thread.join()
