"""Opening a journal's file: whose it is, that nobody else writes to it, and how its connections are set."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from omnibridge.errors import StorageError
from omnibridge.journal.sqlite_schema import check_ours, migrate

__all__ = ["connect", "lock", "open_memory", "open_reader", "open_writer", "prepare"]

# Earlier ones can corrupt a database when its log is reset (https://sqlite.org/wal.html#walresetbug).
_OLDEST = (3, 51, 3)
_BUSY_MS = 5_000
_CACHE_KIB = 65_536


def _check_library() -> None:
    found = apsw.sqlite_lib_version()
    if tuple(map(int, found.split("."))) < _OLDEST:
        raise StorageError(
            f"SQLite {found} can corrupt a journal", remedy="install apsw 3.51.3 or later, which brings its own SQLite"
        )


def connect(path: str, vfs: str | None, *, write: bool = True, create: bool = False) -> apsw.Connection:
    """A connection with nothing set but its patience. Raises StorageError when there is no such file."""
    flags = apsw.SQLITE_OPEN_READWRITE if write else apsw.SQLITE_OPEN_READONLY
    if create:
        flags |= apsw.SQLITE_OPEN_CREATE
    try:
        db = apsw.Connection(path, flags=flags, vfs=vfs, statementcachesize=256)
    except apsw.CantOpenError as error:
        raise StorageError(
            "the journal's file cannot be opened", where=path, remedy="check that it exists and may be read and written"
        ) from error
    db.set_busy_timeout(_BUSY_MS)
    return db


def lock(path: str) -> apsw.Connection:
    """Hold the journal at `path` for this process until the connection is closed.

    The lock is the operating system's, on an empty file beside the journal, so it ends with the process however
    that ends. Raises StorageError when another one holds it.
    """
    holder = connect(f"{path}-lock", None, create=True)
    holder.set_busy_timeout(0)
    try:
        holder.execute("PRAGMA journal_mode = memory; BEGIN EXCLUSIVE")
    except apsw.BusyError:
        holder.close()
        raise StorageError(
            "another process has this journal open",
            where=path,
            remedy="stop the other one, or give this one a journal of its own",
        ) from None
    return holder


def prepare(path: str) -> None:
    """Make an empty file that only its owner can read, where there is none, and sync its name to disk."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(
            f"the journal's file cannot be made: {error.strerror}", where=path, remedy="check its folder"
        ) from error
    if os.name == "posix":
        folder = os.open(Path(path).resolve().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def open_writer(path: str, vfs: str | None) -> apsw.Connection:
    """The writing connection, its tables brought up to date. Raises SchemaError, StorageError.

    Looks at no more than the header and the log, however large the file is.
    """
    _check_library()
    db = connect(path, vfs)
    try:
        version = check_ours(db, path)
        db.execute("PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal")
        _set(db)
        db.execute("PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 0")
        migrate(db, version)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: str, vfs: str | None) -> apsw.Connection:
    """A connection that only reads."""
    db = connect(path, vfs, write=False)
    _set(db)
    return db


def open_memory() -> apsw.Connection:
    """A journal that ends with its connection."""
    _check_library()
    db = connect(":memory:", None, create=True)
    _set(db)
    migrate(db, 0)
    return db


def _set(db: apsw.Connection) -> None:
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA temp_store = memory; PRAGMA trusted_schema = off")
