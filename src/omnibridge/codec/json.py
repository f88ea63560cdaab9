"""The JSON event format, strict both ways: one event or a batch, data kept as the very bytes that stood in the body."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import orjson

from omnibridge.codec.bounds import BOUNDS, Bounds
from omnibridge.errors import CodecError
from omnibridge.event import AttributeValue, Event, is_json

__all__ = ["holds_json", "read_batch", "read_event", "write_batch", "write_event"]

_DATA_MEMBER = re.compile(rb'"data"[ \t\n\r]*:[ \t\n\r]*')
_WHITE = b" \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
"""Finds where a value ends. Numbers stay text: a long one costs nothing, and orjson judges each value afterwards."""
_TEXT_TYPE = re.compile(
    r"(?:text/[^;]+|[^/\s;]+/(?:xml|[^/\s;]+\+xml))\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE
)
_MISSING: Final = object()


# -- reading -------------------------------------------------------------------------------------------------------


def read_event(body: bytes, bounds: Bounds = BOUNDS) -> Event:
    """One event of `application/cloudevents+json`. Numbers in its data keep every digit.

    Raises CodecError for anything else, and `where` says in which attribute.
    """
    if len(body) > bounds.event:
        raise CodecError(f"larger than {bounds.event} bytes", where="body")
    at = body.find(b'"data"')
    if at < 0:
        members = _object(body)
        if members is None or not _unrepeated(body, members):
            return _slowly(body, bounds)
        return _event(members, _MISSING, None)
    # What stands around the data is a flat object once the data is cut out; whatever does not fit this is read member
    # by member. The data goes on as the bytes that it is.
    found = _DATA_MEMBER.match(body, at)
    before = body[:at].rstrip(_WHITE)
    after = body[found.end() :].rstrip(_WHITE) if found else b""
    if before[-1:] not in (b",", b"{") or after[-1:] != b"}":
        return _slowly(body, bounds)
    content = after[:-1].rstrip(_WHITE)
    flat = (before[:-1] if before[-1:] == b"," else before) + b"}"
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:  # it is not the last member
        parted = _part(before, after)
        if parted is None:
            return _slowly(body, bounds)
        flat, content, data = parted
    members = _object(flat)
    if members is None or "data" in members or not _unrepeated(flat, members):
        return _slowly(body, bounds)
    _check_depth(content, data, bounds)
    return _event(members, data, content)


def _part(before: bytes, after: bytes) -> tuple[bytes, bytes, Any] | None:
    """The envelope without its data, the data as bytes and as a value; None where that is not certain."""
    if before.count(b'"') % 2:  # within a string
        return None
    try:
        text = after.decode()
        end = _DECODER.raw_decode(text)[1]
        content = text[:end].encode()
        rest = text[end:].encode().lstrip(_WHITE)
        data = orjson.loads(content)
    except (ValueError, RecursionError):
        return None
    return (before + rest[1:], content, data) if rest[:1] == b"," else None


def read_batch(body: bytes, bounds: Bounds = BOUNDS) -> tuple[Event, ...]:
    """The events of `application/cloudevents-batch+json`, in order; none is a batch too.

    One event that is wrong makes the batch wrong: raises CodecError, and `where` begins with its place (`[3].id`).
    """
    if len(body) > bounds.batch:
        raise CodecError(f"larger than {bounds.batch} bytes", where="body")
    text = _decoded(body)
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        raise CodecError("a batch is a JSON array", where="body")
    events: list[Event] = []
    place = _skip(text, place + 1)
    closed = text[place : place + 1] == "]"
    while not closed:
        if len(events) == bounds.count:
            raise CodecError(f"more than {bounds.count} events in one batch", where="body")
        if text[place : place + 1] != "{":
            raise CodecError("a batch holds JSON objects", where=f"[{len(events)}]")
        end = _end(text, place, f"[{len(events)}]")
        try:
            events.append(read_event(text[place:end].encode(), bounds))
        except CodecError as error:
            where = f"[{len(events)}]" + (f".{error.where}" if error.where else "")
            raise CodecError(error.what, where=where, remedy=error.remedy) from None
        place = _skip(text, end)
        sign = text[place : place + 1]
        if sign not in (",", "]"):
            raise CodecError(f"not valid JSON at character {place}", where="body")
        closed = sign == "]"
        if not closed:
            place = _skip(text, place + 1)
    if _skip(text, place + 1) != len(text):
        raise CodecError("something follows the end of the array", where="body")
    return tuple(events)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        members: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return cast(dict[str, Any], members) if isinstance(members, dict) else None


def _unrepeated(content: bytes, members: Mapping[str, Any]) -> bool:
    """Whether a flat object names each member once: without escapes, its quotes are two for each name and string."""
    if b"\\" in content:
        return False
    texts = 0
    for value in members.values():
        if isinstance(value, str):
            texts += 1
        elif isinstance(value, (dict, list)):
            return False
    return content.count(b'"') == 2 * (len(members) + texts)


def _slowly(body: bytes, bounds: Bounds) -> Event:
    """Any order, escapes, and a message for what is wrong."""
    text = _decoded(body)
    members: dict[str, Any] = {}
    data: Any = _MISSING
    content: bytes | None = None
    for name, start, end in _members(text):
        if name in members or (name == "data" and content is not None):
            raise CodecError("stands twice", where=name[:64])
        raw = text[start:end].encode()
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise CodecError(f"not valid JSON: {error.msg}", where=name[:64]) from None
        if name == "data":
            _check_depth(raw, value, bounds)
            data, content = value, raw
        else:
            members[name] = value
    return _event(members, data, content)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise CodecError("not UTF-8", where="body") from None


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """The names of an object's members, with the span of each value."""
    place = _skip(text, 0)
    if text[place : place + 1] != "{":
        raise CodecError("an event is a JSON object", where="body")
    place = _skip(text, place + 1)
    closed = text[place : place + 1] == "}"
    while not closed:
        if text[place : place + 1] != '"':
            raise CodecError(f"not valid JSON at character {place}", where="body")
        end = _end(text, place, "body")
        try:
            name: str = orjson.loads(text[place:end])
        except orjson.JSONDecodeError:
            raise CodecError(f"not valid JSON at character {place}", where="body") from None
        place = _skip(text, end)
        if text[place : place + 1] != ":":
            raise CodecError(f"not valid JSON at character {place}", where="body")
        start = _skip(text, place + 1)
        end = _end(text, start, name[:64])
        yield name, start, end
        place = _skip(text, end)
        sign = text[place : place + 1]
        if sign not in (",", "}"):
            raise CodecError(f"not valid JSON at character {place}", where="body")
        closed = sign == "}"
        if not closed:
            place = _skip(text, place + 1)
    if _skip(text, place + 1) != len(text):
        raise CodecError("something follows the end of the object", where="body")


def _skip(text: str, place: int) -> int:
    """The place after any white space."""
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _end(text: str, start: int, where: str) -> int:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except RecursionError:
        raise CodecError("JSON nested too deeply", where=where) from None
    except ValueError:
        raise CodecError(f"not valid JSON after character {start}", where=where) from None


def _check_depth(content: bytes, data: Any, bounds: Bounds) -> None:
    if content.count(b"{") + content.count(b"[") <= bounds.depth:
        return
    level: list[Any] = [data]
    for _ in range(bounds.depth + 1):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    raise CodecError(f"JSON nested more than {bounds.depth} levels deep", where="data")


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast(dict[str, Any], value).values()
    return cast(list[Any], value) if isinstance(value, list) else ()


def _event(members: dict[str, Any], data: Any, content: bytes | None) -> Event:
    version = members.pop("specversion", None)
    if version != "1.0":
        raise CodecError(
            "attribute 'specversion' is missing" if version is None else "only CloudEvents 1.0 is understood",
            where="specversion",
        )
    if None in members.values():
        members = {name: value for name, value in members.items() if value is not None}
    take = members.pop
    media_type = take("datacontenttype", None)
    encoded = take("data_base64", None)
    if encoded is not None:
        if content is not None:
            raise CodecError("'data' and 'data_base64' exclude each other", where="data_base64")
        content = _from_base64(encoded)
    elif content is not None and media_type is not None and isinstance(media_type, str) and not is_json(media_type):
        if not isinstance(data, str):
            raise CodecError(f"data of {media_type[:64]!r} must be a JSON string", where="data")
        content = data.encode()
    for name in ("id", "source", "type"):
        if name not in members:
            raise CodecError(f"attribute {name!r} is missing", where=name)
    return Event(
        take("id"),
        take("source"),
        take("type"),
        take("subject", None),
        take("time", None),
        media_type,
        take("dataschema", None),
        content,
        members,
    )


def _from_base64(encoded: Any) -> bytes:
    if not isinstance(encoded, str):
        raise CodecError("must be a string", where="data_base64")
    try:
        return a2b_base64(encoded, strict_mode=True)
    except (Base64Error, ValueError):
        raise CodecError("not base64", where="data_base64") from None


# -- writing -------------------------------------------------------------------------------------------------------


def write_event(event: Event, extensions: Mapping[str, AttributeValue] | None = None) -> bytes:
    """An event as `application/cloudevents+json`: the same bytes whenever it is the same event.

    JSON data stands in it as it is; data that claims to be JSON and is not, and binary data, in base64.
    `extensions` replace the event's own.
    """
    members: dict[str, Any] = {"specversion": "1.0", "id": event.id, "source": event.source, "type": event.type}
    if event.subject is not None:
        members["subject"] = event.subject
    if event.time is not None:
        members["time"] = event.time
    if event.datacontenttype is not None:
        members["datacontenttype"] = event.datacontenttype
    if event.dataschema is not None:
        members["dataschema"] = event.dataschema
    members.update(event.extensions if extensions is None else extensions)
    content = event.content
    if content is not None:
        name, value = _data(event.datacontenttype, content)
        members[name] = value
    return orjson.dumps(members)


def write_batch(events: Iterable[Event]) -> bytes:
    """Events as `application/cloudevents-batch+json`, in order."""
    return b"[" + b",".join(write_event(event) for event in events) + b"]"


def holds_json(content: bytes) -> bool:
    """Whether bytes are one JSON value."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def _data(media_type: str | None, content: bytes) -> tuple[str, Any]:
    if is_json(media_type):
        if holds_json(content):
            return "data", orjson.Fragment(content)
    elif media_type is not None and _TEXT_TYPE.fullmatch(media_type):
        try:
            return "data", content.decode()
        except UnicodeDecodeError:
            pass
    return "data_base64", b64encode(content).decode()
