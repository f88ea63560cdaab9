"""An example's body taken apart: every field of it can be left out, replaced, or joined by an unknown one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode

from pydantic import JsonValue

from omnibridge.testing.conformance.given import Arrival

__all__ = ["UNKNOWN", "FormBody", "JsonBody", "field_name", "read_body"]

UNKNOWN = "omnibridgeunknown"
"""A field that no vendor sends."""

_MARK = "\x00omnibridge\x00"
Place = tuple[str | int, ...]


def field_name(place: Place) -> str:
    """A place as people write it: `lines[].sku`."""
    text = ""
    for part in place:
        text += "[]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


class JsonBody:
    """A JSON document."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def _fresh(self) -> JsonValue:
        value: JsonValue = json.loads(self._body)
        return value

    def places(self) -> list[Place]:
        """Every member of every object and every element of every list, outer ones first."""
        return list(_places(self._fresh(), ()))

    def without(self, place: Place) -> bytes:
        """The body without what is at `place`."""
        value = self._fresh()
        _change(value, place, None, drop=True)
        return _bytes(value)

    def replaced(self, place: Place, news: Iterable[JsonValue]) -> Iterator[bytes]:
        """The body with each of several other things at `place`. It is read and written once for all of them."""
        value = self._fresh()
        _change(value, place, _MARK, drop=False)
        before, _, after = json.dumps(value).partition(json.dumps(_MARK))
        for new in news:
            yield f"{before}{json.dumps(new)}{after}".encode()

    def enlarged(self) -> bytes:
        """The body with an unknown member in every object."""
        value = self._fresh()
        for place in [(), *self.places()]:
            found = _at(value, place)
            if isinstance(found, dict):
                found[UNKNOWN] = "1"
        return _bytes(value)


class FormBody:
    """Fields of an HTML form."""

    def __init__(self, body: bytes) -> None:
        self._pairs = parse_qsl(body.decode(), keep_blank_values=True)

    def places(self) -> list[Place]:
        """Every field."""
        return [(name,) for name in dict(self._pairs)]

    def without(self, place: Place) -> bytes:
        """The body without a field."""
        return urlencode([(name, value) for name, value in self._pairs if name != place[0]]).encode()

    def replaced(self, place: Place, news: Iterable[JsonValue]) -> Iterator[bytes]:
        """The body with each of several other values of a field."""
        for new in news:
            text = new if isinstance(new, str) else json.dumps(new)
            changed = [(name, text if name == place[0] else value) for name, value in self._pairs]
            yield urlencode(changed, errors="surrogatepass").encode()

    def enlarged(self) -> bytes:
        """The body with an unknown field."""
        return urlencode([*self._pairs, (UNKNOWN, "1")]).encode()


def read_body(arrival: Arrival) -> JsonBody | FormBody | None:
    """The body by what it is; None for what is neither a JSON object nor a form."""
    kind = next((value for name, value in arrival.headers.items() if name.lower() == "content-type"), "")
    if "x-www-form-urlencoded" in kind.lower():
        return FormBody(arrival.body)
    try:
        json.loads(arrival.body)
    except ValueError:
        return None
    return JsonBody(arrival.body)


def _bytes(value: JsonValue) -> bytes:
    return json.dumps(value).encode()


def _places(value: JsonValue, at: Place) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*at, name)
            yield from _places(member, (*at, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield (*at, index)
            yield from _places(element, (*at, index))


def _at(value: JsonValue, place: Place) -> JsonValue:
    for part in place:
        if isinstance(value, dict):
            value = value[str(part)]
        elif isinstance(value, list):
            value = value[int(part)]
    return value


def _change(value: JsonValue, place: Place, new: JsonValue, *, drop: bool) -> None:
    holder, last = _at(value, place[:-1]), place[-1]
    if isinstance(holder, dict):
        holder[str(last)] = new
        if drop:
            del holder[str(last)]
    elif isinstance(holder, list):
        holder[int(last)] = new
        if drop:
            del holder[int(last)]
