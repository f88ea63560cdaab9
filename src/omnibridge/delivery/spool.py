"""A fetched file: small ones in memory, larger ones in a file without a name, which ends with the exchange."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TypeVar

import anyio

from omnibridge.delivery.parcel import Lost, Unpacking
from omnibridge.errors import InvalidMessage, Permanent, Retryable

__all__ = ["IN_MEMORY", "Spool"]

IN_MEMORY = 1024 * 1024
"""Bytes up to which a file is not worth the disk."""
_MAGIC = b"\x1f\x8b"

T = TypeVar("T")


class Spool:
    """Takes a file in, piece by piece, and gives any stretch of it back. The disk is asked in a thread.

    With `gzip`, what is packed is kept unpacked; what comes unpacked, as servers do that say so in Content-Encoding,
    is kept as it comes. Raises Permanent above `most` bytes, Retryable where the disk takes no more.
    """

    def __init__(self, most: int, *, gzip: bool = False) -> None:
        self._most = most
        # Its owner closes it; a `with` here would end it too early.
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._gzip = gzip
        self._unpacking: Unpacking | None = None
        self._head = b""
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Add a piece at the end. Raises InvalidMessage for damaged gzip."""
        if self._gzip:
            self._head += piece
            if len(self._head) < len(_MAGIC):
                return
            self._gzip, piece = False, self._head
            self._unpacking = Unpacking("gzip") if piece.startswith(_MAGIC) else None
        if self._unpacking is None:
            await self._add(piece)
            return
        try:
            for part in self._unpacking.feed(piece):
                await self._add(part)
        except Lost as error:
            raise InvalidMessage(f"the file: {error}") from None

    async def end(self) -> None:
        """All of it is there. Raises InvalidMessage where gzip is cut short."""
        if self._gzip:
            await self._add(self._head)
        if self._unpacking is not None and not self._unpacking.done:
            raise InvalidMessage("the file: damaged compression: cut short")

    async def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on."""
        return await self._do(lambda: self._read(start, size))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    async def _add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._most:
            raise Permanent(f"the file is larger than {self._most} bytes", remedy="let the connector allow for more")
        await self._do(lambda: self._file.write(piece))

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            if self.size <= IN_MEMORY:
                return work()
            return await anyio.to_thread.run_sync(work)
        except OSError as error:
            raise Retryable(
                f"a fetched file finds no place on this machine's disk: {error.strerror}",
                remedy="make room where temporary files are kept (TMPDIR)",
            ) from error
