"""The HTTP protocol binding: binary, structured and batch messages to events and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from omnibridge.codec import header
from omnibridge.codec.bounds import BOUNDS, Bounds
from omnibridge.codec.json import holds_json, read_batch, read_event, write_event
from omnibridge.codec.json import write_batch as batch_bytes
from omnibridge.errors import CodecError
from omnibridge.event import JSON, MAX_INTEGER, AttributeValue, Event

__all__ = [
    "BATCH",
    "STRUCTURED",
    "HttpMessage",
    "Mode",
    "mode_of",
    "read_events",
    "write_batch",
    "write_binary",
    "write_structured",
]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_CHARSET = re.compile(r"\s*;\s*charset\s*=\s*(?:\"utf-8\"|utf-8)\s*", re.IGNORECASE)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,9}")
_INTEGERS = frozenset({"hops", "sampledrate"})
"""Extensions whose type is known to be Integer; a header alone does not tell the type of the others."""


class Mode(StrEnum):
    """The content mode of a message."""

    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"


class HttpMessage(NamedTuple):
    """`headers` are the `ce-` headers, without `content_type`."""

    headers: dict[str, str]
    content_type: str | None
    body: bytes


def mode_of(content_type: str | None) -> Mode:
    """The mode that a Content-Type announces, in any case. Raises CodecError for an event format other than JSON."""
    if content_type is None:
        return Mode.BINARY
    media_type, semicolon, _ = content_type.partition(";")
    media_type = media_type.strip().lower()
    if not media_type.startswith("application/cloudevents"):
        return Mode.BINARY
    if media_type not in (STRUCTURED, BATCH):
        raise CodecError(f"no event format is known for {media_type[:64]!r}", where="content-type")
    if semicolon and "charset" in content_type.lower() and not _CHARSET.search(content_type):
        raise CodecError("JSON events are UTF-8", where="content-type")
    return Mode.STRUCTURED if media_type == STRUCTURED else Mode.BATCH


def read_events(
    headers: Mapping[str, str] | list[tuple[str, str]],
    body: bytes,
    *,
    raw: bool = False,
    bounds: Bounds = BOUNDS,
) -> tuple[Event, ...]:
    """The events of one message; the mode is chosen by Content-Type, as the binding says.

    Give headers as pairs where the server keeps repeated ones apart: a repeated attribute is refused. `raw` is for
    peers that do not percent-encode header values. Raises CodecError.
    """
    content_type: str | None = None
    attributes: dict[str, str] = {}
    for name, value in headers if isinstance(headers, list) else headers.items():
        low = name.lower()
        if low[:3] == "ce-":
            if low in attributes:
                raise CodecError("stands twice", where=low[:64])
            attributes[low] = value
        elif low == "content-type":
            if content_type is not None:
                raise CodecError("stands twice", where=low)
            content_type = value.strip() or None
    mode = mode_of(content_type)
    if mode is Mode.STRUCTURED:
        return (read_event(body, bounds),)
    if mode is Mode.BATCH:
        return read_batch(body, bounds)
    return (_binary(attributes, content_type, body, raw, bounds),)


def _binary(headers: dict[str, str], content_type: str | None, body: bytes, raw: bool, bounds: Bounds) -> Event:
    if len(body) > bounds.event:
        raise CodecError(f"larger than {bounds.event} bytes", where="body")
    if not headers:
        raise CodecError(
            "no CloudEvent: no ce- headers, and Content-Type is none of application/cloudevents", where="headers"
        )
    decode = header.decode_raw if raw else header.decode
    found: dict[str, AttributeValue] = {}
    for name, value in headers.items():
        found[name[3:]] = decode(value.strip(" \t"), name[:64])
    version = found.pop("specversion", None)
    if version != "1.0":
        raise CodecError(
            "header is missing" if version is None else "only CloudEvents 1.0 is understood", where="ce-specversion"
        )
    if "datacontenttype" in found:
        raise CodecError("must not appear: Content-Type says it", where="ce-datacontenttype")
    for name in ("id", "source", "type"):
        if name not in found:
            raise CodecError("header is missing", where=f"ce-{name}")
    for name in _INTEGERS & found.keys():
        text = str(found[name])
        if _INTEGER.fullmatch(text) and -MAX_INTEGER - 1 <= int(text) <= MAX_INTEGER:
            found[name] = int(text)
    take = found.pop
    return Event(
        _string(take("id")),
        _string(take("source")),
        _string(take("type")),
        _optional(take("subject", None)),
        _optional(take("time", None)),
        content_type,
        _optional(take("dataschema", None)),
        body or None,
        found,
    )


def _string(value: AttributeValue) -> str:
    return value if type(value) is str else str(value)


def _optional(value: AttributeValue | None) -> str | None:
    return None if value is None else _string(value)


def write_binary(
    event: Event, *, extensions: Mapping[str, AttributeValue] | None = None, raw: bool = False
) -> HttpMessage:
    """An event as a message in binary mode; an empty body where it has no data.

    `extensions` replace the event's own; `raw` is for peers that do not decode header values.
    """
    encode = header.encode_raw if raw else header.encode
    headers = {
        "ce-specversion": "1.0",
        "ce-id": encode(event.id),
        "ce-source": encode(event.source),
        "ce-type": encode(event.type),
    }
    if event.subject is not None:
        headers["ce-subject"] = encode(event.subject)
    if event.time is not None:
        headers["ce-time"] = event.time
    if event.dataschema is not None:
        headers["ce-dataschema"] = encode(event.dataschema)
    for name, value in (event.extensions if extensions is None else extensions).items():
        headers["ce-" + name] = encode(value)
    content_type = event.datacontenttype
    if content_type is None and event.content and holds_json(event.content):
        content_type = JSON  # what its absence means in the JSON format must be said here
    return HttpMessage(headers, content_type, event.content or b"")


def write_structured(event: Event, *, extensions: Mapping[str, AttributeValue] | None = None) -> HttpMessage:
    """An event as a message in structured mode, in JSON. `extensions` replace the event's own."""
    return HttpMessage({}, STRUCTURED, write_event(event, extensions))


def write_batch(events: Iterable[Event]) -> HttpMessage:
    """Events as one message in batch mode, in JSON."""
    return HttpMessage({}, BATCH, batch_bytes(events))
