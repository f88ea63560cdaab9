"""Bodies to and from Python: JSON with exact numbers, and HTML forms, each with its bounds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode

import orjson

from omnibridge.errors import InvalidMessage

__all__ = ["Json", "form_bytes", "json_bytes", "parse_form", "parse_json"]

Json = Any
"""What JSON becomes: nothing is known of it before it was looked at."""
_MAX_DIGITS = 400
_MAX_FIELDS = 2000
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # one, or one of the two halves of a whole character


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidMessage(f"{text} is not JSON", where="body")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise InvalidMessage("a number has too many digits", where="body")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise InvalidMessage("a number has too many digits", where="body")
    return Decimal(text)


def parse_json(body: bytes) -> Json:
    """JSON with exact numbers: integers of any ordinary size, fractions as `Decimal`.

    Raises InvalidMessage for anything that is not strict JSON in UTF-8, NaN and Infinity included, and for an escaped
    half of a character (`"\\ud800"`), which no text can hold.
    """
    try:
        value = json.loads(body, parse_float=_fraction, parse_int=_integer, parse_constant=_refuse_constant)
        if _HALF.search(body):
            json.dumps(value, ensure_ascii=False, default=str).encode()
        return value
    except InvalidMessage:
        raise
    except RecursionError:
        raise InvalidMessage("JSON nested too deeply", where="body") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8"
        if isinstance(error, UnicodeEncodeError):
            reason = "half a character"
        raise InvalidMessage(f"not valid JSON: {reason}", where="body") from None


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def json_bytes(value: Any) -> bytes:
    """Compact JSON; a `Decimal` becomes an exact JSON number with its scale kept (`12.50`)."""
    return orjson.dumps(value, default=_default)


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """`application/x-www-form-urlencoded` fields in order, empty ones kept. Raises InvalidMessage."""
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=False,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise InvalidMessage("not a URL-encoded form in UTF-8", where="body") from None


def form_bytes(fields: Iterable[tuple[str, str]]) -> bytes:
    """URL-encoded form fields, in order."""
    return urlencode(list(fields)).encode()
