"""Copies of a journal: backups of a running one, restoring one, and whether a file is sound."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import apsw

from omnibridge.errors import SchemaError, StorageError
from omnibridge.journal.sqlite_connection import Connection, connect
from omnibridge.journal.sqlite_file import lock, prepare, sync_folder
from omnibridge.journal.sqlite_schema import check_ours
from omnibridge.journal.sqlite_writer import storage_error

__all__ = ["copy", "problems", "restore"]

_PAGES = 2_000
_MOST_PROBLEMS = 50


def copy(source: Connection, path: str) -> None:
    """Copy a database as it is now to a new file, which appears under its name when it is whole and on disk.

    Blocks. Raises StorageError when the file exists or cannot be written.
    """
    if os.path.lexists(path):
        raise StorageError("the file exists", where=path, remedy="name a new file; nothing is overwritten")
    partial = f"{path}.partial"
    Path(partial).unlink(missing_ok=True)
    prepare(partial)
    try:
        target = connect(partial)
        try:
            # In one read transaction, or every commit in between would start the copy again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            backup = target.backup("main", source, "main")
            try:
                while not backup.done:
                    backup.step(_PAGES)
            finally:
                backup.finish()
            # One plain file, that also opens where nothing may be written beside it.
            target.execute("PRAGMA journal_mode = delete").fetchall()
        finally:
            if source.in_transaction:
                source.execute("COMMIT")
            target.close()
        os.rename(partial, path)
        sync_folder(path)
    except apsw.Error as error:
        # That this file cannot be written says nothing about the journal.
        raise StorageError(f"the copy failed: {error}", where=path, remedy="check the disk that it goes to") from error
    except OSError as error:
        raise StorageError(f"the copy failed: {error.strerror}", where=path) from error
    finally:
        Path(partial).unlink(missing_ok=True)


def restore(backup: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Make a new journal at `target` from a backup, after checking the backup. Blocks.

    Raises StorageError when there is a journal at `target`, running or not, or the backup is damaged; SchemaError
    when it is no journal or a newer version's.
    """
    source, place = os.fspath(backup), os.fspath(target)
    if not Path(source).is_file():
        raise StorageError("there is no such backup", where=source)
    held = lock(place)
    try:
        # The log of a journal that is gone would be taken for the new one's.
        for left in (place, f"{place}-wal", f"{place}-journal"):
            if os.path.lexists(left):
                raise StorageError("the file exists", where=left, remedy="move it away first; nothing is overwritten")
        db = connect(source, write=False)
        try:
            if not check_ours(db, source):
                raise SchemaError("the backup is empty", where=source)
            found = problems(db)
            if found:
                raise StorageError(
                    f"the backup is damaged: {found[0]}", where=source, remedy="restore an earlier backup"
                )
            copy(db, place)
        except apsw.Error as error:
            raise StorageError(f"the backup cannot be read: {error}", where=source) from error
        finally:
            db.close()
    finally:
        held.close()


def problems(db: Connection) -> Sequence[str]:
    """What is wrong with a journal, in words. Reads all of it; blocks."""
    found: list[str] = []
    db.execute("BEGIN")
    try:
        found.extend(
            f"SQLite: {text}" for (text,) in db.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})") if text != "ok"
        )
        if not found:
            found.extend(_miscounts(db))
            found.extend(
                f"lane {lane!r} of {channel} has {heads} heads instead of one"
                for channel, lane, heads in db.execute(
                    "SELECT channel, lane, sum(state != 'queued') AS heads FROM deliveries WHERE open = 1"
                    " GROUP BY channel, lane HAVING heads != 1 LIMIT ?",
                    (_MOST_PROBLEMS,),
                )
            )
    except apsw.Error as error:
        found.append(f"SQLite: {storage_error(error).what}")
    finally:
        if db.in_transaction:
            db.execute("COMMIT")
    return found


def _miscounts(db: Connection) -> Sequence[str]:
    kept = {row[:3]: row[3] for row in db.execute("SELECT what, channel, state, n FROM tally WHERE n != 0")}
    real = {
        row[:3]: row[3]
        for row in db.execute(
            """SELECT 'delivery', channel, state, count(*) FROM deliveries GROUP BY 2, 3
            UNION ALL SELECT 'inbox', i.channel, coalesce(o.state, 'done'), count(*) FROM inbox i
                LEFT JOIN inbox_open o ON o.id = i.id GROUP BY 2, 3
            UNION ALL SELECT 'event', '', '', count(*) FROM events HAVING count(*) > 0"""
        )
    }
    return [
        f"the count of {' '.join(filter(None, key))} rows is {kept.get(key, 0)}, but there are {real.get(key, 0)}"
        for key in sorted(kept.keys() | real.keys())
        if kept.get(key, 0) != real.get(key, 0)
    ]
