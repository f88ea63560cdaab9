"""The three types of CESQL, how attributes become values of them, and the casts between them."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from omnibridge.cesql.faults import ErrorKind, EvaluationFault

__all__ = [
    "INTEGER_MAX",
    "INTEGER_MIN",
    "Kind",
    "Value",
    "attribute_text",
    "boolean",
    "convert",
    "equal",
    "integer",
    "is_one_of",
    "kind_of",
    "normal",
    "same",
    "text",
    "zero",
]

Value: TypeAlias = str | int | bool

INTEGER_MIN = -(2**31)
INTEGER_MAX = 2**31 - 1

_INTEGER_TEXT = re.compile(r"([+-]?)0*([0-9]{1,10})")
_SHOWN = 40


class Kind(StrEnum):
    """The type of a subexpression; ANY is known only when it is evaluated."""

    ANY = "Any"
    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"


def zero(kind: Kind) -> Value:
    """The value of an expression of this type that failed."""
    if kind is Kind.STRING:
        return ""
    if kind is Kind.INTEGER:
        return 0
    return False


def kind_of(value: Value) -> Kind:
    """The type of a value."""
    if isinstance(value, str):
        return Kind.STRING
    return Kind.BOOLEAN if isinstance(value, bool) else Kind.INTEGER


def normal(raw: object) -> Value:
    """An attribute as it came in, as one of the three types.

    Strings, booleans and 32-bit integers stay. Wider integers become their digits, timestamps RFC 3339, bytes base64,
    anything else (URLs, UUIDs) its `str`. None is an unset attribute: missingAttribute.
    """
    if isinstance(raw, str):
        return str.__str__(raw)
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        return int(raw) if INTEGER_MIN <= raw <= INTEGER_MAX else str(int(raw))
    if raw is None:
        raise EvaluationFault(ErrorKind.MISSING_ATTRIBUTE, "the event has no such attribute: it is null")
    if isinstance(raw, datetime):
        return raw.isoformat().replace("+00:00", "Z")
    if isinstance(raw, bytes):
        return base64.b64encode(raw).decode("ascii")
    return str.__str__(str(raw))


def text(raw: object) -> str:
    """Cast to String; never a cast error."""
    value = normal(raw)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def integer(raw: object) -> int:
    """Cast to Integer. A string is decimal digits with an optional sign, within 32 bits; else a cast error."""
    value = normal(raw)
    if isinstance(value, str):
        found = _INTEGER_TEXT.fullmatch(value)
        if found:
            number = int(found[1] + found[2])
            if INTEGER_MIN <= number <= INTEGER_MAX:
                return number
        raise EvaluationFault(ErrorKind.CAST, f"{_short(value)} is not a 32-bit integer")
    return int(value)


def boolean(raw: object) -> bool:
    """Cast to Boolean. A string is `true` or `false` in any case; an integer is true unless it is 0."""
    value = normal(raw)
    if isinstance(value, str):
        word = value.lower() if len(value) <= len("false") else ""
        if word == "true":
            return True
        if word == "false":
            return False
        raise EvaluationFault(ErrorKind.CAST, f"{_short(value)} is neither true nor false")
    return bool(value)


def convert(raw: object, kind: Kind) -> Value:
    """Cast to the given type; ANY keeps the type."""
    if kind is Kind.STRING:
        return text(raw)
    if kind is Kind.INTEGER:
        return integer(raw)
    if kind is Kind.BOOLEAN:
        return boolean(raw)
    return normal(raw)


def equal(left: Value, right: Value) -> bool:
    """`left = right`: the left side is cast to the type of the right side."""
    return convert(left, kind_of(right)) == right


def same(left: Value, element: Value) -> bool:
    """One comparison of `left IN (...)`: the element is cast to the type of the left side."""
    return left == convert(element, kind_of(left))


def is_one_of(raw: object, elements: tuple[Value, ...]) -> bool:
    """`raw IN elements`, compared in order; a cast that fails before a hit is an error."""
    left = normal(raw)
    return any(same(left, element) for element in elements)


def attribute_text(raw: object) -> str | None:
    """An attribute as `Necessary` speaks of it: its String form, or None where it is unset."""
    return None if raw is None else text(raw)


def _short(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
