"""The functions that the specification defines."""

from __future__ import annotations

from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.functions import Function
from omnibridge.cesql.values import INTEGER_MAX, Kind, Value

__all__ = ["STANDARD_FUNCTIONS"]

# Unicode's White_Space property. Python's own strip() also takes the separators U+001C to U+001F.
_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def _itself(value: Value) -> Value:
    return value  # the cast of the argument has done the work


def _absolute(number: int) -> int:
    if abs(number) > INTEGER_MAX:
        raise EvaluationFault(ErrorKind.MATH, f"ABS({number}) does not fit into 32 bits", value=INTEGER_MAX)
    return abs(number)


def _concatenate(*parts: str) -> str:
    return "".join(parts)


def _concatenate_with(separator: str, *parts: str) -> str:
    return separator.join(parts)


def _trim(text: str) -> str:
    return text.strip(_WHITE_SPACE)


def _left(text: str, count: int) -> str:
    if count < 0:
        raise EvaluationFault(ErrorKind.FUNCTION_EVALUATION, f"LEFT got the length {count}", value=text)
    return text[:count]


def _right(text: str, count: int) -> str:
    if count < 0:
        raise EvaluationFault(ErrorKind.FUNCTION_EVALUATION, f"RIGHT got the length {count}", value=text)
    return text[-count:] if count else ""


def _substring(text: str, position: int) -> str:
    return _substring_of(text, position, len(text))


def _substring_of(text: str, position: int, length: int) -> str:
    if abs(position) > len(text) or length < 0:
        raise EvaluationFault(
            ErrorKind.FUNCTION_EVALUATION,
            f"SUBSTRING got position {position} and length {length} of {len(text)} characters",
            value="",
        )
    if position == 0:
        return ""
    start = position - 1 if position > 0 else len(text) + position
    return text[start : start + length]


_S, _I, _B = Kind.STRING, Kind.INTEGER, Kind.BOOLEAN

STANDARD_FUNCTIONS: tuple[Function, ...] = (
    Function("INT", (_I,), _I, _itself),
    Function("BOOL", (_B,), _B, _itself),
    Function("STRING", (_S,), _S, _itself),
    Function("ABS", (_I,), _I, _absolute),
    Function("LENGTH", (_S,), _I, len),
    Function("CONCAT", (), _S, _concatenate, rest=_S),
    Function("CONCAT_WS", (_S,), _S, _concatenate_with, rest=_S),
    Function("LOWER", (_S,), _S, str.lower),
    Function("UPPER", (_S,), _S, str.upper),
    Function("TRIM", (_S,), _S, _trim),
    Function("LEFT", (_S, _I), _S, _left),
    Function("RIGHT", (_S, _I), _S, _right),
    Function("SUBSTRING", (_S, _I), _S, _substring),
    Function("SUBSTRING", (_S, _I, _I), _S, _substring_of),
)
"""Every built-in function of CESQL v1, and the casts INT, BOOL and STRING."""
