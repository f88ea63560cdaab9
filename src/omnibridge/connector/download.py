"""A file that was fetched: read by lines, by the members of an archive, or whole, a piece in memory at a time."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import NamedTuple

from omnibridge.connector.body import Json, parse_json
from omnibridge.connector.effects import Await, Slice
from omnibridge.connector.exchange import Response
from omnibridge.errors import InvalidMessage, Permanent

__all__ = ["MAX_DOWNLOAD", "MAX_WHOLE", "Archive", "Download", "Line", "Lines", "Part"]

MAX_DOWNLOAD = 256 * 1024 * 1024
"""Bytes of a file, where the author names no other bound."""
MAX_WHOLE = 16 * 1024 * 1024
"""The most bytes of a file, a member or a line that are ever given in one piece."""
_PIECE = 256 * 1024
_BLOCK = tarfile.BLOCKSIZE
_LONG_NAME, _EXTENDED = (tarfile.GNUTYPE_LONGNAME,), (tarfile.XHDTYPE, tarfile.XGLTYPE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


class Line(NamedTuple):
    """A line without its end. `end` is the place of the next one: what `lines(start=...)` goes on from."""

    content: bytes
    end: int

    def json(self) -> Json:
        """The line as JSON with exact numbers. Raises InvalidMessage."""
        return parse_json(self.content)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a fetched file: all of it, or one member of an archive; `name` is the member's."""

    number: int
    start: int
    size: int
    name: str = ""

    async def content(self) -> bytes:
        """All of it. Raises Permanent above 16 MiB: read such a file by its lines."""
        if self.size > MAX_WHOLE:
            raise Permanent(f"{self.size} bytes are too many to be given in one piece", remedy="read it line by line")
        return await self.piece(0, self.size)

    async def json(self) -> Json:
        """All of it as JSON with exact numbers. Raises InvalidMessage, and Permanent above 16 MiB."""
        return parse_json(await self.content())

    def lines(self, start: int = 0) -> Lines:
        """Its lines, to go through with `async for`; from the place `start`, which is a `Line.end` of before."""
        return Lines(self, start)

    async def piece(self, start: int, size: int) -> bytes:
        """At most `size` bytes from the place `start` on, fewer only at the end."""
        size = min(size, self.size - start, MAX_WHOLE)
        if size <= 0:
            return b""
        given: Await[bytes] = Await(Slice(self.number, self.start + start, size))
        return await given


class Lines:
    """The lines of a file, a piece in memory at a time. Both `\\n` and `\\r\\n` end one; the last needs no end."""

    def __init__(self, part: Part, start: int) -> None:
        self._part = part
        self._place = self._read = start
        self._buffer: bytes = b""
        self._at = 0

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> Line:
        searched = self._at
        while (end := self._buffer.find(b"\n", searched)) < 0:
            more = await self._part.piece(self._read, _PIECE)
            if not more:
                if self._at >= len(self._buffer):
                    raise StopAsyncIteration
                end = len(self._buffer)
                break
            self._read += len(more)
            self._buffer, self._at = self._buffer[self._at :] + more, 0
            searched = len(self._buffer) - len(more)
            if searched > MAX_WHOLE:
                raise InvalidMessage(f"a line of more than {MAX_WHOLE} bytes", where=f"byte {self._place}")
        line = self._buffer[self._at : end]
        after = min(end + 1, len(self._buffer))
        self._place += after - self._at
        self._at = after
        return Line(line.removesuffix(b"\r"), self._place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Part):
    """A file that was fetched, or the vendor's refusal to give it: look at `ok` first.

    `response` has the status and the headers, and of a refusal the beginning of its body.
    """

    response: Response

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.response.ok

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.response.status

    def tar(self) -> Archive:
        """The files in it, if it is a tar archive, to go through with `async for`."""
        return Archive(self)


class Archive:
    """The files of a tar archive in their order. Folders and links are passed over. Raises InvalidMessage."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._place = 0

    def __aiter__(self) -> Archive:
        return self

    async def __anext__(self) -> Part:
        long_name: str | None = None
        while True:
            block = await self._part.piece(self._place, _BLOCK)
            if not block.strip(b"\0"):
                raise StopAsyncIteration
            try:
                head = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
            except tarfile.HeaderError:
                raise InvalidMessage("no tar archive, or a damaged one", where=f"byte {self._place}") from None
            start = self._place + _BLOCK
            if head.size < 0 or start + head.size > self._part.size:
                raise InvalidMessage("the archive is cut short", where=f"byte {self._place}")
            self._place = start + -(-head.size // _BLOCK) * _BLOCK
            member = Part(self._part.number, self._part.start + start, head.size, long_name or head.name)
            if head.type in _LONG_NAME:
                long_name = (await member.content()).rstrip(b"\0").decode("utf-8", "replace")
            elif head.type in _EXTENDED:
                long_name = _path(await member.content()) or long_name
            elif head.type in _FILES and not member.name.endswith("/"):
                return member
            else:
                long_name = None


def _path(records: bytes) -> str | None:
    """The path among the records of a pax header: each is its length, a blank, `name=value` and a line's end."""
    for record in records.split(b"\n"):
        name, _, value = record.partition(b" ")[2].partition(b"=")
        if name == b"path":
            return value.decode("utf-8", "replace")
    return None
