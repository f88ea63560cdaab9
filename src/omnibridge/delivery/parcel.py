"""What goes over a wire and what comes back, as values, and what may be said when it did not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = [
    "CONNECT_SECONDS",
    "MAX_ANSWER",
    "Answer",
    "BadAddress",
    "Lost",
    "NeverSent",
    "Parcel",
    "Unpacking",
    "packing",
    "too_large",
    "unpacked",
]

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer's body, packed and unpacked; more is an error, not a fuller memory."""
CONNECT_SECONDS = 10.0
_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 256 * 1024


class Parcel(NamedTuple):
    """A request ready to leave: absolute address, headers with Host and Content-Length, seconds for the whole."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float


class Answer(NamedTuple):
    """What came back; header names in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NeverSent(Exception):
    """No connection: the request cannot have arrived."""


class Lost(Exception):
    """It left, and no trustworthy answer came back: it may have arrived."""


class BadAddress(Exception):
    """The address, or a header, cannot be written at all: nothing left."""


def too_large() -> Lost:
    """The error for an answer beyond the cap."""
    return Lost(f"the answer is larger than {MAX_ANSWER} bytes")


def packing(headers: Mapping[str, str]) -> str | None:
    """The content encoding of a body, None for a plain one. Raises Lost for one that nobody asked for."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Lost(f"an encoding nobody asked for: {encoding[:32]}")
    return encoding


def unpacked(content: bytes, headers: Mapping[str, str]) -> bytes:
    """A body without its content encoding. Raises Lost when it is damaged, too large or packed in an unknown way."""
    encoding = packing(headers)
    if encoding is None or not content:
        return content
    unpack = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else _GZIP)
    try:
        made = unpack.decompress(content, MAX_ANSWER)
    except zlib.error as error:
        raise Lost(f"damaged compression: {error}") from None
    if unpack.unconsumed_tail:
        raise too_large()
    if not unpack.eof:
        raise Lost("damaged compression: cut short")
    return made


class Unpacking:
    """A body unpacked as it comes, in pieces of bounded size, however far it grows; gzip of several members too."""

    def __init__(self, encoding: str) -> None:
        self._wbits = zlib.MAX_WBITS if encoding == "deflate" else _GZIP
        self._unpack = zlib.decompressobj(self._wbits)

    @property
    def done(self) -> bool:
        """Whether the end has come."""
        return self._unpack.eof

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What more of it comes to. Raises Lost when it is damaged."""
        try:
            while piece:
                if self._unpack.eof:
                    if not piece.strip(b"\0"):  # padding, as of archives on blocks
                        return
                    self._unpack = zlib.decompressobj(self._wbits)
                made = self._unpack.decompress(piece, _PIECE)
                piece = self._unpack.unconsumed_tail or self._unpack.unused_data
                if made:
                    yield made
            while not self._unpack.eof and (made := self._unpack.decompress(b"", _PIECE)):
                yield made
        except zlib.error as error:
            raise Lost(f"damaged compression: {error}") from None
