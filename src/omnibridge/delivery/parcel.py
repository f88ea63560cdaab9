"""What goes over a wire and what comes back, as values, and what may be said when it did not."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

__all__ = [
    "CONNECT_SECONDS",
    "MAX_ANSWER",
    "Answer",
    "BadAddress",
    "Lost",
    "NeverSent",
    "Parcel",
    "too_large",
    "unpacked",
]

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer's body, packed and unpacked; more is an error, not a fuller memory."""
CONNECT_SECONDS = 10.0
_GZIP = 16 + zlib.MAX_WBITS


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


def unpacked(content: bytes, headers: Mapping[str, str]) -> bytes:
    """A body without its content encoding. Raises Lost when it is damaged, too large or packed in an unknown way."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity") or not content:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Lost(f"an encoding nobody asked for: {encoding[:32]}")
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
