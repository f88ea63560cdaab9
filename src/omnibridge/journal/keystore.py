"""Numbered data keys in a folder outside the journal and its backups: what a destroyed key sealed stays unread."""

from __future__ import annotations

import mmap
import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from omnibridge.errors import StorageError, StorageFailed

__all__ = ["KEYS", "Keystore"]

KEYS = 512
"""How many keys stand in one file: a sync for so many rows, and at most so many unused after a restart."""

_SIZE = 32
_DESTROYED = bytes(_SIZE)
_MAPPED = 32


class Keystore:
    """Files of random keys, `000000001.keys` with the keys 512 to 1023 and so on; key 0 to 511 do not exist.

    A file is written and synced whole before one of its keys is given out, so taking a key costs no sync, and a key
    that was given out is never lost. Each process begins a file of its own: so several may take keys of one folder,
    and no number is given out twice, whatever was restored or killed. Destroying a key overwrites it, in place and
    synced. A file without a living key is removed, but for the newest, whose number must not come again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: dict[int, mmap.mmap] = {}
        self._left: dict[str, list[int]] = {}
        self._ahead: dict[str, _Making] = {}
        self._lock = threading.Lock()

    def take(self, series: str) -> int:
        """The number of a key that nobody has. Keys that end together belong in one series, so that files end too.

        Raises StorageFailed when a file of keys cannot be made.
        """
        left = self._left.get(series)
        if not left:
            making = self._ahead.pop(series, None) or _Making(self)
            first = making.first()
            left = self._left[series] = list(range(first + KEYS - 1, first - 1, -1))
        elif len(left) == KEYS // 2 and series not in self._ahead:
            self._ahead[series] = _Making(self)
        return left.pop()

    def key(self, number: int) -> bytes | None:
        """A key of 32 bytes; None for one that was destroyed. Raises StorageError when the folder cannot be read."""
        file, place = divmod(number, KEYS)
        try:
            keys = self._maps.get(file) or self._map(file)
        except (FileNotFoundError, ValueError):  # an empty file cannot be mapped
            return None
        except OSError as error:
            raise self._unusable(error) from None
        found = keys[place * _SIZE : (place + 1) * _SIZE]
        return found if len(found) == _SIZE and found != _DESTROYED else None

    def _map(self, file: int) -> mmap.mmap:
        """A file of keys, mapped: what any process destroys in it is seen at once, and a look costs no system call."""
        handle = os.open(self._file(file), os.O_RDONLY)
        try:
            keys = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)
        if len(self._maps) >= _MAPPED:
            self._maps.pop(next(iter(self._maps)), None)
        self._maps[file] = keys
        return keys

    def destroy(self, numbers: Iterable[int]) -> None:
        """Overwrite keys; returns when the disk has it. Raises StorageFailed when it may not have."""
        files: defaultdict[int, set[int]] = defaultdict(set)
        for number in numbers:
            files[number // KEYS].add(number % KEYS)
        emptied: list[int] = []
        try:
            for file, places in files.items():
                if self._overwrite(file, places):
                    emptied.append(file)
            if emptied and (known := self._known()):
                newest = max(known)
                for file in emptied:
                    if file != newest:
                        self._maps.pop(file, None)
                        self._file(file).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(
                f"keys may not have been destroyed: {error.strerror}", where=str(self.folder), remedy="check its disk"
            ) from error

    def _overwrite(self, file: int, places: set[int]) -> bool:
        """Destroy keys of one file; whether none is left in it."""
        try:
            handle = os.open(self._file(file), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            for place in places:
                os.pwrite(handle, _DESTROYED, place * _SIZE)
            os.fsync(handle)
            return not any(os.pread(handle, KEYS * _SIZE, 0))
        finally:
            os.close(handle)

    # -- the files -------------------------------------------------------------------------------------------------

    def make(self) -> int:
        """Write a file of new keys; the number of its first. Raises StorageFailed. Blocks."""
        with self._lock:  # two series of one process
            try:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                number = max(self._known(), default=0) + 1
                while True:
                    partial = self.folder / f"{os.urandom(8).hex()}.partial"
                    write_synced(partial, os.urandom(KEYS * _SIZE))
                    try:
                        os.link(partial, self._file(number))  # fails where another process was quicker
                        break
                    except FileExistsError:
                        number += 1
                    finally:
                        partial.unlink()
                sync(self.folder)
            except OSError as error:
                raise StorageFailed(
                    f"no new keys can be made: {error.strerror}",
                    where=str(self.folder),
                    remedy="make room there, and let the bridge write to it",
                ) from error
        return number * KEYS

    def _known(self) -> list[int]:
        return [int(name[:-5]) for name in os.listdir(self.folder) if name.endswith(".keys") and name[:-5].isdigit()]

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:09d}.keys"

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(f"the keys cannot be read: {error.strerror}", where=str(self.folder))


class _Making:
    """A file of keys that is being made beside everything else."""

    def __init__(self, store: Keystore) -> None:
        self._store = store
        self._first: int | None = None
        self._error: StorageFailed | None = None
        self._thread = threading.Thread(target=self._make, name="omnibridge-keys", daemon=True)
        self._thread.start()

    def _make(self) -> None:
        try:
            self._first = self._store.make()
        except StorageFailed as error:
            self._error = error

    def first(self) -> int:
        """The number of its first key, once it is on disk."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._first is not None  # noqa: S101 - one of the two is set when the thread has ended
        return self._first


def write_synced(path: Path, content: bytes) -> None:
    """A file that only its owner can read, whole and on disk. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Sync the names in a folder to disk."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
