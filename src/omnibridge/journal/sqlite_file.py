"""Opening a journal's file: whose it is, that nobody else writes to it, and how its connections are set."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from omnibridge.errors import ConfigError, SchemaError, StorageError
from omnibridge.journal.seal import Seal, filed
from omnibridge.journal.sqlite_connection import Connection, connect, connect_memory
from omnibridge.journal.sqlite_names import name_anew
from omnibridge.journal.sqlite_schema import VERSION, check_ours, migrate
from omnibridge.journal.sqlite_values import Row

__all__ = ["check_keys", "lock", "open_memory", "open_reader", "open_writer", "prepare", "sync_folder"]

# Earlier ones can corrupt a database when its log is reset (https://sqlite.org/wal.html#walresetbug).
_OLDEST = (3, 51, 3)
# Of each connection. Eight times as much saves no time even on a journal of a million events, as the system keeps the
# file's pages too: it would only fill, and double the memory of the process.
_CACHE_KIB = 8_192


def sqlite_version() -> str:
    """The version of the SQLite that apsw brings."""
    return apsw.sqlite_lib_version()


def _check_library() -> None:
    found = apsw.sqlite_lib_version()
    if tuple(map(int, found.split("."))) < _OLDEST:
        raise StorageError(
            f"SQLite {found} can corrupt a journal", remedy="install apsw 3.51.3 or later, which brings its own SQLite"
        )


def lock(path: str) -> Connection:
    """Hold the journal at `path` for this process until the connection is closed.

    The lock is the operating system's, on an empty file beside the journal, so it ends with the process however
    that ends. Raises StorageError when another one holds it.
    """
    holder = connect(f"{path}-lock", create=True)
    holder.set_busy_timeout(0)
    try:
        holder.execute("PRAGMA journal_mode = memory; BEGIN EXCLUSIVE").fetchall()
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
    sync_folder(path)


def sync_folder(path: str) -> None:
    """Sync the folder of a file to disk, and so the file's name."""
    if os.name == "posix":
        folder = os.open(Path(path).resolve().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def open_writer(path: str, vfs: str | None, *, attach: bool = False) -> Connection:
    """The writing connection, its tables brought up to date; with `attach` they must be. Raises SchemaError.

    Looks at no more than the header and the log, however large the file is.
    """
    _check_library()
    db = connect(path, vfs)
    try:
        version = check_ours(db, path)
        if attach and version != VERSION:
            raise SchemaError(
                f"the journal is of an older version (schema {version}, this one needs {VERSION})",
                where=path,
                remedy="start the daemon of this version on it once",
            )
        db.execute("PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal").fetchall()
        _set(db)
        db.execute("PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = fast").fetchall()
        migrate(db, version)
    except BaseException:
        db.close()
        raise
    return db


def _file_anew(db: Connection, seal: Seal) -> None:
    """Permissions stood by their addresses before there was a keystore."""
    old: list[Row] = db.execute("SELECT rowid, external_id FROM known WHERE kind = 'consent'").fetchall()
    for rowid, name in old:
        db.execute("UPDATE known SET external_id = ? WHERE rowid = ?", (filed(seal, "consent", name), rowid)).fetchall()


def check_keys(db: Connection, seal: Seal, path: str, *, attach: bool) -> None:
    """See that these are the keys that the journal was written with, and make them for one that has none.

    Raises ConfigError when they are another journal's or gone: nobody may write under keys that cannot read.
    """
    found: list[Row] = db.execute("SELECT mark FROM keystore").fetchall()
    if not found and attach:
        return
    mark = seal.prepare(create=not found)
    if mark is not None and not found:
        _file_anew(db, seal)
        db.execute("INSERT INTO keystore VALUES (?)", (mark,)).fetchall()
    elif mark is not None and mark != found[0][0]:
        raise ConfigError(
            "the folder of keys belongs to another journal",
            where=path,
            remedy="put the folder beside the keyring that was there when this journal was written",
        )
    if not attach:
        name_anew(db, seal)


def open_reader(path: str, vfs: str | None) -> Connection:
    """A connection that only reads."""
    db = connect(path, vfs, write=False)
    _set(db)
    return db


def open_memory() -> Connection:
    """A journal that ends with its connection."""
    _check_library()
    db = connect_memory()
    _set(db)
    migrate(db, 0)
    return db


# Of several statements, those behind one that gives a row run when its rows have been fetched: hence the fetchall()s.


def _set(db: Connection) -> None:
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA temp_store = memory; PRAGMA trusted_schema = off").fetchall()
