"""The envelope: a CloudEvent as an immutable value whose data stays the bytes it came as until somebody reads it."""

from __future__ import annotations

import re
from base64 import b64encode
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, cast

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json, to_json

from omnibridge.errors import CodecError, InvalidMessage
from omnibridge.model.base import rfc3339
from omnibridge.model.catalogue import lookup, short_type

__all__ = ["JSON", "MAX_INTEGER", "AttributeValue", "Event", "is_json"]

JSON = "application/json"
MAX_INTEGER = 2**31 - 1

AttributeValue = str | int | bool
"""What a context attribute may be once decoded; timestamps, URIs and binary travel as their text."""

_CORE = frozenset(
    {
        "id",
        "source",
        "type",
        "specversion",
        "datacontenttype",
        "dataschema",
        "subject",
        "time",
        "data",
        "data_base64",
    }
)
_NAME = re.compile(r"[a-z0-9]+")
# The specification's String type: no control characters, no noncharacters, no lone surrogates.
_BAD = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_RFC3339 = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]"
    r"((?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60))(\.[0-9]+)?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+[ \t]*(?:;[\t -~]*)?")
_JSON_TYPE = re.compile(r"[^/\s;]+/(?:json|[^/\s;]+\+json)\s*(?:;.*)?", re.IGNORECASE)
_NO_EXTENSIONS: Mapping[str, AttributeValue] = MappingProxyType({})


def is_json(content_type: str | None) -> bool:
    """Whether a media type carries JSON: `*/json`, `*/*+json`, and nothing at all (the specification's default)."""
    return content_type is None or content_type == JSON or _JSON_TYPE.fullmatch(content_type) is not None


def _is_text(content_type: str | None) -> bool:
    return content_type is not None and content_type[:5].lower() == "text/" and not is_json(content_type)


def _text(name: str, value: object, *, required: bool = False) -> None:
    if type(value) is str and value.isascii() and value.isprintable() and value:
        return  # nearly all, without another call
    if value is None and not required:
        return
    if not isinstance(value, str) or not value:
        raise CodecError(f"attribute {name!r} must be a non-empty string", where=name)
    if not _is_string(value):
        raise CodecError(f"attribute {name!r} holds a character that CloudEvents strings may not have", where=name)


def _is_string(value: str) -> bool:
    if value.isascii():
        return value.isprintable()
    return _BAD.search(value) is None


def _is_name(name: str) -> bool:
    return name not in _CORE and _NAME.fullmatch(name) is not None


def _is_media_type(value: str) -> bool:
    return _MEDIA_TYPE.fullmatch(value) is not None


# Few are in use and they come with every event; long ones are not remembered, so that nobody can fill the memory.
_known_name = lru_cache(maxsize=1024)(_is_name)
_known_media_type = lru_cache(maxsize=256)(_is_media_type)
_SHORT = 128


def _check_time(value: object) -> None:
    found = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise CodecError("attribute 'time' is not an RFC 3339 timestamp", where="time")
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if year == 0 or (day > 28 and day > monthrange(year, month)[1]):
        raise CodecError("attribute 'time' names a day that does not exist", where="time")


def _check_extension(name: str, value: object) -> None:
    if not (_known_name if len(name) <= _SHORT else _is_name)(name):
        raise CodecError(
            "extension names are lower-case letters and digits, and none of the core names", where=name[:64]
        )
    if isinstance(value, str):
        if not _is_string(value):
            raise CodecError("holds a character that CloudEvents strings may not have", where=name[:64])
    elif not isinstance(value, int):  # a bool is one
        raise CodecError("an extension is a string, an integer or a boolean", where=name[:64])
    elif not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        raise CodecError("integers are signed 32-bit", where=name[:64])


def _canonical(value: Any) -> Any:
    """An attribute's canonical text where the SDK has an object: Timestamp as RFC 3339, Binary as base64."""
    if isinstance(value, datetime):
        return rfc3339(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value


def _json(data: object) -> bytes:
    try:
        if isinstance(data, BaseModel):
            content = data.__pydantic_serializer__.to_json(data, exclude_unset=True)
        else:
            content = to_json(data)
        if b"NaN" in content or b"Infinity" in content:
            from_json(content, allow_inf_nan=False)
    except ValueError as error:  # pydantic's serialization error is one
        raise CodecError(f"has no JSON form: {error}", where="data") from None
    return content


@dataclass(frozen=True, eq=False)
class Event:
    """One CloudEvent 1.0.

    `content` is the data as bytes, None where there is none (an explicit JSON null is `b"null"`). `time` is RFC 3339
    text, kept as it was written, so nanoseconds survive. It has every getter of the `cloudevents` SDK's
    `BaseCloudEvent`, so every binding of the SDK takes it; `from_attributes` is the factory for the way back. Raises
    CodecError when an attribute breaks a rule of the specification.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    content: bytes | None = None
    extensions: Mapping[str, AttributeValue] = field(default_factory=lambda: _NO_EXTENSIONS)

    def __post_init__(self) -> None:
        _text("id", self.id, required=True)
        _text("source", self.source, required=True)
        _text("type", self.type, required=True)
        _text("subject", self.subject)
        _text("dataschema", self.dataschema)
        if self.datacontenttype is not None:
            _text("datacontenttype", self.datacontenttype)
            known = _known_media_type if len(self.datacontenttype) <= _SHORT else _is_media_type
            if not known(self.datacontenttype):
                raise CodecError("attribute 'datacontenttype' is not a media type", where="datacontenttype")
        if self.time is not None:
            _check_time(self.time)
        for name, value in self.extensions.items():
            _check_extension(name, value)

    # -- making ----------------------------------------------------------------------------------------------------

    @classmethod
    def make(
        cls,
        type: str,
        data: BaseModel | JsonValue,
        *,
        id: str,
        source: str,
        subject: str | None = None,
        time: datetime | None = None,
        dataschema: str | None = None,
        extensions: Mapping[str, AttributeValue] | None = None,
    ) -> Event:
        """An event with JSON data, from a canonical model or any JSON value."""
        content = _json(data)
        return cls(
            id=id,
            source=source,
            type=type,
            subject=subject,
            time=rfc3339(time) if time else None,
            datacontenttype=JSON,
            dataschema=dataschema,
            content=content,
            extensions=extensions or _NO_EXTENSIONS,
        )

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], data: Any = None) -> Event:
        """The SDK's event factory: attributes as strings, integers, booleans, datetimes or bytes, and the data.

        Data is any JSON value where `datacontenttype` is JSON; text or bytes otherwise. Raises CodecError.
        """
        values = {name: _canonical(value) for name, value in attributes.items() if value is not None}
        if values.pop("specversion", "1.0") != "1.0":
            raise CodecError("only CloudEvents 1.0 is understood", where="specversion")
        known = {
            name: values.pop(name, None)
            for name in ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
        }
        media_type = known["datacontenttype"]
        if data is None or isinstance(data, bytes):
            content = data
        elif media_type is None or (isinstance(media_type, str) and is_json(media_type)):
            content = _json(data)
        elif isinstance(data, str):
            try:
                content = data.encode()
            except UnicodeEncodeError:
                raise CodecError("text holds half a character", where="data") from None
        else:
            raise CodecError("data that is not JSON must be text or bytes", where="data")
        return cls(**known, content=content, extensions=values)

    @classmethod
    def restored(cls, **attributes: object) -> Event:
        """An event of all its fields as the journal has kept them: checked when it was made, and not again."""
        event = object.__new__(cls)
        event.__dict__.update(attributes)
        return event

    def with_extensions(self, **extensions: AttributeValue | None) -> Event:
        """The same event with extensions set, or removed where the value is None."""
        merged = {**self.extensions, **extensions}
        return Event(
            id=self.id,
            source=self.source,
            type=self.type,
            subject=self.subject,
            time=self.time,
            datacontenttype=self.datacontenttype,
            dataschema=self.dataschema,
            content=self.content,
            extensions={name: value for name, value in merged.items() if value is not None},
        )

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The type as people write it: `order.placed`; a foreign type as it is."""
        return short_type(self.type)

    @cached_property
    def data(self) -> Any:
        """The data: parsed JSON, text for `text/*`, else bytes; None where there is none.

        Raises CodecError when the content is not what `datacontenttype` says.
        """
        if self.content is None:
            return None
        if is_json(self.datacontenttype):
            try:
                return from_json(self.content, allow_inf_nan=False)
            except ValueError as error:
                raise CodecError(f"data is not valid JSON: {error}", where="data") from None
        if _is_text(self.datacontenttype):
            try:
                return self.content.decode()
            except UnicodeDecodeError:
                raise CodecError("data is not UTF-8 text", where="data") from None
        return self.content

    def parse(self) -> BaseModel:
        """The data as its canonical model, that of a superseded type as the model of the type which replaced it.

        Raises InvalidMessage for a foreign type or data of another shape.
        """
        entry = lookup(self.type)
        if entry is None:
            raise InvalidMessage(f"{self.type!r} is not in the catalogue", where="type")
        content = self.content or b"null"
        upcast = entry.replaces.get(self.type)
        try:
            if upcast is not None:
                content = to_json(upcast(from_json(content, allow_inf_nan=False)))
            return entry.model.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InvalidMessage(f"data of {entry.name} is malformed: {first['msg']}", where=f"data.{place}") from None
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InvalidMessage(f"data of {self.type} is malformed: {error!r}", where="data") from None

    def attributes(self) -> dict[str, AttributeValue]:
        """Every context attribute that is set, `specversion` included."""
        found: dict[str, AttributeValue] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
        }
        for name in ("subject", "time", "datacontenttype", "dataschema"):
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        found.update(self.extensions)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.attributes() == other.attributes() and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.source, self.id))

    # -- the SDK's BaseCloudEvent ----------------------------------------------------------------------------------

    def get_id(self) -> str:
        """The `id` attribute."""
        return self.id

    def get_source(self) -> str:
        """The `source` attribute."""
        return self.source

    def get_type(self) -> str:
        """The `type` attribute."""
        return self.type

    def get_specversion(self) -> str:
        """Always `1.0`."""
        return "1.0"

    def get_datacontenttype(self) -> str | None:
        """The `datacontenttype` attribute."""
        return self.datacontenttype

    def get_dataschema(self) -> str | None:
        """The `dataschema` attribute."""
        return self.dataschema

    def get_subject(self) -> str | None:
        """The `subject` attribute."""
        return self.subject

    def get_time(self) -> datetime | None:
        """The `time` attribute, to the microsecond; a leap second as the end of the second before it."""
        match = _RFC3339.fullmatch(self.time) if self.time is not None else None
        if match is None:  # the constructor refuses any other time
            return None
        year, month, day, clock, fraction, zone = match.groups()
        if clock.endswith("60"):
            clock, fraction = f"{clock[:-2]}59", ".999999"
        # Padded, as Python 3.11 reads a fraction of some lengths only.
        fraction = (fraction or ".0")[:7].ljust(7, "0")
        return datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{fraction}{'+00:00' if zone in 'Zz' else zone}")

    def get_extension(self, extension_name: str) -> Any:
        """An extension attribute, or None."""
        return self.extensions.get(extension_name)

    def get_data(self) -> dict[str, Any] | str | bytes | None:
        """The data as the SDK's formats write it rightly: a JSON object, text, or the bytes of anything else.

        The SDK leaves the quotes of a JSON string out and writes lists as Python does; bytes it writes as they are.
        """
        if self.content is None or not (is_json(self.datacontenttype) or _is_text(self.datacontenttype)):
            return self.content
        data = self.data
        if isinstance(data, dict):
            return cast(dict[str, Any], data)
        return data if _is_text(self.datacontenttype) else self.content

    def get_attributes(self) -> dict[str, Any]:
        """Every attribute that is set, with `time` as a datetime."""
        found: dict[str, Any] = dict(self.attributes())
        if self.time is not None:
            found["time"] = self.get_time()
        return found
