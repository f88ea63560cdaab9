"""A connection to SQLite as the journal uses it, with types that Python 3.11's checkers know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import apsw

from omnibridge.errors import StorageError
from omnibridge.journal.sqlite_values import Row, Value

__all__ = ["BUSY_MS", "Backup", "Connection", "Cursor", "connect", "connect_memory"]

BUSY_MS = 5_000
"""How long a connection waits for another's lock: in one process that is a checkpoint's short moment."""

_STATEMENTS = 256


class Cursor(Protocol):
    """A running statement."""

    def execute(self, statements: str, bindings: Sequence[Value] | None = None, /) -> Cursor: ...
    def executemany(self, statements: str, bindings: Iterable[Sequence[Value]], /) -> Cursor: ...
    def fetchall(self) -> list[Row]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...


class Backup(Protocol):
    """A copy under way."""

    @property
    def done(self) -> bool: ...
    def step(self, npages: int = -1) -> bool: ...
    def finish(self) -> None: ...


class Connection(Protocol):
    """What apsw's own stub says of `apsw.Connection`, which needs Python 3.12 to be read."""

    in_transaction: bool

    def execute(self, statements: str, bindings: Sequence[Value] | None = None, /) -> Cursor: ...
    def cursor(self) -> Cursor: ...
    def changes(self) -> int: ...
    def total_changes(self) -> int: ...
    def pragma(self, name: str, value: Value = None, /) -> Any: ...
    def backup(self, databasename: str, source: Any, sourcename: str, /) -> Backup: ...
    def set_busy_timeout(self, milliseconds: int, /) -> None: ...
    def set_wal_hook(self, callable: Callable[[Any, str, int], int] | None, /) -> None: ...
    def wal_checkpoint(self, dbname: str | None = None, mode: int = 0) -> tuple[int, int]: ...
    def config(self, op: int, value: int, /) -> int: ...
    def close(self, force: bool = False, /) -> None: ...


def connect(path: str, vfs: str | None = None, *, write: bool = True, create: bool = False) -> Connection:
    """A connection with nothing set but its patience. Raises StorageError when the file cannot be opened."""
    flags = apsw.SQLITE_OPEN_READWRITE if write else apsw.SQLITE_OPEN_READONLY
    if create:
        flags |= apsw.SQLITE_OPEN_CREATE
    try:
        db: Connection = apsw.Connection(path, flags=flags, vfs=vfs, statementcachesize=_STATEMENTS)
    except apsw.CantOpenError as error:
        raise StorageError(
            "the journal's file cannot be opened", where=path, remedy="check that it exists and may be read and written"
        ) from error
    db.set_busy_timeout(BUSY_MS)
    # Otherwise SQLite plans a statement again each time it is run with other values, which takes longer than running
    # it: a claim's row cost 20 microseconds instead of 4.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return db


def connect_memory() -> Connection:
    """A database that ends with its connection."""
    return connect(":memory:", create=True)
