"""A delivery without whoever it is about: values replaced one for one, structure and types as they were.

What is not known to be harmless is replaced: a field that nobody thought of may hold a name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import string
from collections.abc import Iterable
from typing import TypeGuard
from urllib.parse import parse_qsl, urlencode, urlsplit

from omnibridge.errors import InvalidMessage

__all__ = ["Scrubber"]

_WORDS = re.compile(
    r"(?:^|[_\-. ])(?:type|types|topic|event|events|kind|status|state|action|object|currency|currencies|country|locale|"
    r"language|unit|timezone|reason|mode|method|api|version|scope|source|channel|direction|role)s?(?:_?(?:code|type))?$"
)
"""The names of fields whose values are words of the vendor and not of a person."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]{0,39}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,6})?")
_EMAIL = re.compile(r"[^@\s<>\"']+@[^@\s<>\"']+")
_PHONE = re.compile(r"(?:[a-z]+:)?\+\d[\d ()./-]{5,}\d")
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_FIELD = re.compile(r"[\w.\-\[\]:]{1,80}")
_NAME = re.compile(r"[A-Za-z_$@][\w$:.\-\[\]/]{0,79}")
_PRIVATE = re.compile(
    r"birth|dob|latitude|longitude|(?:^|_)(?:lat|lng|lon|ip)(?:$|_)|age$|gender|pin$|cvv|cvc|last_?4|phone|zip|postal|name"
)
"""Fields whose value is a person's also where it looks like a time or a number."""


class _Number(str):
    """A number as it was written: `12.50` stays `12.50`."""

    __slots__ = ()


class Scrubber:
    """`key` decides what a value is replaced by, the same each time; without it nobody finds the value again.

    `secrets` are replaced wherever they stand, also inside of something else.
    """

    def __init__(self, key: bytes, secrets: Iterable[str] = ()) -> None:
        self._key = key
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def body(self, body: bytes) -> tuple[str, bool]:
        """A JSON document or a form, and whether it is a form. Raises InvalidMessage for anything else."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InvalidMessage("the body is no text, so nobody can say what in it is personal") from None
        try:
            value = json.loads(text, parse_float=_Number, parse_int=_Number)
        except ValueError:
            pairs = parse_qsl(text, keep_blank_values=True)
            if not pairs or "=" not in text or not all(_FIELD.fullmatch(name) for name, _ in pairs):
                raise InvalidMessage("the body is neither JSON nor a form, so it cannot be scrubbed") from None
            return urlencode([(self.name(name), self.text(name, value)) for name, value in pairs]), True
        return _written(self._value("", value), 0) + "\n", False

    def query(self, query: str) -> str:
        """A query string."""
        pairs = parse_qsl(query, keep_blank_values=True)
        return urlencode([(self.name(name), self.text(name, value)) for name, value in pairs])

    def name(self, name: str) -> str:
        """The name of a field; kept where it looks like one. A key may also be an address, a number, a secret."""
        holds = any(secret in name for secret in self._secrets) or re.search(r"\d{6}", name)
        return name if _NAME.fullmatch(name) and not holds else self._any(name)

    def text(self, name: str, value: str) -> str:
        """The value of a field that is called `name`."""
        if not value or any(secret in value for secret in self._secrets):
            return self._any(value)
        inner = self._inner(value)
        if inner is not None:
            return inner
        last = name.rpartition("[")[2].rstrip("]") if name.endswith("]") else name
        low = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).lower()
        if _PRIVATE.search(low):
            return self._date(value) if _TIME.fullmatch(value) else self._any(value)
        if value in ("true", "false") or _TIME.fullmatch(value) or _NUMBER.fullmatch(value):
            return value
        return value if _WORDS.search(low) and _WORD.fullmatch(value) else self._any(value)

    def _inner(self, value: str) -> str | None:
        """JSON inside of a text."""
        if value[0] not in "{[":
            return None
        try:
            found = json.loads(value, parse_float=_Number, parse_int=_Number)
        except ValueError:
            return None
        return _written(self._value("", found), None)

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, _Number):
            low = name.lower()
            harmless = _NUMBER.fullmatch(value) and not _PRIVATE.search(low)
            return value if harmless else _Number(self._digits(value))
        if isinstance(value, str):
            return self.text(name, value)
        if _is_table(value):
            return {self.name(key): self._value(key, member) for key, member in value.items()}
        if _is_list(value):
            return [self._value(name, element) for element in value]
        return value

    # -- replacements ----------------------------------------------------------------------------------------------

    def _draw(self, value: str) -> bytes:
        return hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha512)

    def _any(self, value: str) -> str:
        if _EMAIL.fullmatch(value):
            return f"somebody-{self._draw(value.lower()).hex()[:8]}@example.com"
        if _PHONE.fullmatch(value):
            head = value[: value.index("+")]
            return f"{head}+1202555{100 + self._draw(value)[0] % 100:04}"
        if _IP.fullmatch(value):
            return f"192.0.2.{self._draw(value)[0]}"
        if value.startswith(("http://", "https://")):
            parts = urlsplit(value)
            return f"{parts.scheme}://example.com{self._letters(parts.path)}" + (
                f"?{self.query(parts.query)}" if parts.query else ""
            )
        return self._letters(value)

    def _letters(self, value: str) -> str:
        """Letters for letters and digits for digits; what stands between them stays."""
        draw = self._stream(value, len(value))
        made: list[str] = []
        for sign, chance in zip(value, draw, strict=True):
            if sign.isdigit():
                made.append(str(chance % 10))
            elif sign.isalpha():
                letter = string.ascii_lowercase[chance % 26]
                made.append(letter.upper() if sign.isupper() else letter)
            else:
                made.append(sign if ord(sign) < 128 else "x")
        return "".join(made)

    def _digits(self, value: str) -> str:
        """Digits for digits; a number of several begins with no zero, which JSON does not know."""
        made = "".join(
            str(chance % 10) if sign.isdigit() else sign
            for sign, chance in zip(value, self._stream(value, len(value)), strict=True)
        )
        return re.sub(r"^(-?)0(?=\d)", r"\g<1>7", made)

    def _date(self, value: str) -> str:
        draw = self._draw(value)
        return f"19{50 + draw[0] % 50}-{1 + draw[1] % 12:02}-{1 + draw[2] % 28:02}{value[10:]}"

    def _stream(self, value: str, length: int) -> bytes:
        draw = b""
        while len(draw) < length:
            draw += self._draw(f"{len(draw)}\x1f{value}")
        return draw[:length]


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _written(value: object, depth: int | None) -> str:
    """JSON for people, with numbers as they were; on one line without a depth."""
    if isinstance(value, _Number):
        return str(value)
    if _is_table(value):
        parts = [f"{json.dumps(key)}: {_written(member, _deeper(depth))}" for key, member in value.items()]
        return _around("{", parts, "}", depth)
    if _is_list(value):
        return _around("[", [_written(element, _deeper(depth)) for element in value], "]", depth)
    return json.dumps(value, ensure_ascii=False)


def _deeper(depth: int | None) -> int | None:
    return None if depth is None else depth + 1


def _around(start: str, parts: list[str], end: str, depth: int | None) -> str:
    if not parts:
        return start + end
    if depth is None:
        return start + ", ".join(parts) + end
    inner = "  " * (depth + 1)
    return f"{start}\n" + ",\n".join(inner + part for part in parts) + f"\n{'  ' * depth}{end}"
