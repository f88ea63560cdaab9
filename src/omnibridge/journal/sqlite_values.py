"""How values lie in SQLite's columns: times as microseconds, keys as bytes, maps as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson

__all__ = ["Row", "Value", "dedupe_hash", "from_json", "key_in", "key_out", "micros", "moment", "to_json"]

Value = None | int | float | str | bytes
"""What one column holds."""

Row = tuple[Any, ...]
"""One row as SQLite gives it; the statement beside it says what stands where."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """An aware datetime as whole microseconds since 1970 in UTC. Raises ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError("the journal takes datetimes with a time zone only")
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(at: int) -> datetime:
    """The datetime in UTC of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def key_in(key: str) -> bytes | str:
    """A UUID as its 16 bytes, which halves its index; any other text stays text."""
    digits = key.replace("-", "")
    if len(key) == 36 and len(digits) == 32:
        try:
            packed = bytes.fromhex(digits)
        except ValueError:
            return key
        if key_out(packed) == key:
            return packed
    return key


def key_out(key: bytes | str) -> str:
    """The text that `key_in` was given."""
    if isinstance(key, str):
        return key
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def dedupe_hash(channel: str, key: str) -> bytes:
    """16 bytes that identify a dedupe key within a channel; the key itself may be personal and is not kept."""
    return hashlib.blake2b(key.encode(), digest_size=16, key=_short(channel)).digest()


def _short(channel: str) -> bytes:
    name = channel.encode()
    # BLAKE2b takes a key of up to 64 bytes; a longer channel name goes in by its own hash.
    return name if len(name) <= 64 else hashlib.blake2b(name).digest()


def to_json(value: object) -> bytes:
    """Any JSON value as bytes. Raises TypeError for what JSON has no word for."""
    return orjson.dumps(value, default=_mapping)


def _mapping(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    raise TypeError(f"JSON has no word for {type(value).__name__}")


def from_json(content: bytes | str) -> Any:
    """The value that `to_json` wrote."""
    return orjson.loads(content)
