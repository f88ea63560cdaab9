"""A disk that loses what was not synced: a VFS over SQLite's own that knows what would be left after a power cut."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import apsw

NAME = "power-cut"


class Image:
    """What one file holds for sure, and what was done to it since its last sync."""

    def __init__(self, content: bytes) -> None:
        self.safe = bytearray(content)
        self.unsafe: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        for change in self.unsafe:
            _apply(self.safe, change)
        self.unsafe.clear()

    def after_cut(self, random: Random) -> bytes:
        """What a disk may hold after a cut: nothing unsynced, a torn beginning of it, or any part of it."""
        left = bytearray(self.safe)
        kind = random.randrange(3)
        if kind == 1:
            some = self.unsafe[: random.randint(0, len(self.unsafe))]
            for change in some[:-1]:
                _apply(left, change)
            for offset, data in some[-1:]:
                _apply(left, (offset, data if data is None else data[: random.randint(0, len(data))]))
        elif kind == 2:
            for change in self.unsafe:
                if random.random() < 0.5:
                    _apply(left, change)
        return bytes(left)


def _apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class File(apsw.VFSFile):
    """A file that tells the disk what happens to it."""

    def __init__(self, disk: Disk, name, flags) -> None:
        self.disk = disk
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name
        before = Path(self.path).read_bytes() if self.path and Path(self.path).exists() else b""
        super().__init__("", name, flags)
        if self.path:
            disk.images.setdefault(Path(self.path).name, Image(before))

    def _change(self, change: tuple[int, bytes | None]) -> None:
        if self.path:
            with self.disk.lock:
                self.disk.images[Path(self.path).name].unsafe.append(change)
                self.disk.step()

    def xWrite(self, data, offset) -> None:
        super().xWrite(data, offset)
        self._change((offset, bytes(data)))

    def xTruncate(self, newsize) -> None:
        super().xTruncate(newsize)
        self._change((newsize, None))

    def xSync(self, flags) -> None:
        super().xSync(flags)
        if self.path:
            with self.disk.lock:
                # The power may go just before the sync comes to its end, or just after.
                self.disk.step()
                self.disk.images[Path(self.path).name].sync()
                self.disk.step()


class Disk(apsw.VFS):
    """The VFS. It counts what is done to its files, and calls `on_step` at each with the number."""

    def __init__(self, on_step: Callable[[int], None]) -> None:
        super().__init__(NAME, "")
        self.lock = threading.RLock()
        self.images: dict[str, Image] = {}
        self.steps = 0
        self.on_step = on_step

    def xOpen(self, name, flags):
        return File(self, name, flags)

    def xDelete(self, filename, syncdir) -> None:
        super().xDelete(filename, syncdir)
        with self.lock:
            self.images.pop(Path(filename).name, None)
            self.step()

    def step(self) -> None:
        self.steps += 1
        self.on_step(self.steps)

    def after_cut(self, random: Random) -> dict[str, bytes]:
        """The files as the next start finds them."""
        return {name: image.after_cut(random) for name, image in sorted(self.images.items())}
