"""Functions that reach into the data of an event: JSON pointers and exact decimal comparisons."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeGuard

from omnibridge.cesql.faults import ErrorKind, EvaluationFault
from omnibridge.cesql.functions import Argument, Complaint, Function
from omnibridge.cesql.values import Kind, Value, normal

__all__ = ["DATA_FUNCTIONS", "Document", "decimal_of"]

_NUMBER = re.compile(r"[+-]?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]{1,6})?")
_NUMBER_LENGTH = 1000
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_TILDES = re.compile(r"~(?![01])")
_ABSENT = object()


class Document:
    """The data of one event, loaded at most once, and only when an expression asks for it."""

    __slots__ = ("_source",)

    def __init__(self, source: object) -> None:
        self._source = source

    def find(self, pointer: str) -> object:
        """The JSON value at a pointer, or None where nothing (or null) is. Raises EvaluationFault."""
        if callable(self._source):
            try:
                self._source = self._source()
            except Exception as error:
                detail = f"the data could not be read: {type(error).__name__}"
                raise EvaluationFault(ErrorKind.GENERIC, detail) from error
        value: object = self._source
        for key in _keys(pointer):
            value = _step(value, key)
            if value is _ABSENT:
                return None
        return value

    def value(self, pointer: str) -> object:
        """Like `find`, but where nothing is it raises the missingAttribute fault."""
        found = self.find(pointer)
        if found is None:
            raise EvaluationFault(ErrorKind.MISSING_ATTRIBUTE, f"the data has nothing at {pointer!r}")
        return found


@lru_cache(maxsize=1024)
def _keys(pointer: str) -> tuple[str, ...]:
    complaint = _bad_pointer(pointer)
    if complaint is not None:
        raise EvaluationFault(ErrorKind.FUNCTION_EVALUATION, f"{pointer!r} is no JSON pointer: {complaint}")
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])


def _bad_pointer(pointer: str) -> str | None:
    if pointer and not pointer.startswith("/"):
        return "it must begin with a slash, as in '/totals/amount'"
    if _TILDES.search(pointer):
        return "write ~0 for ~ and ~1 for / inside a key"
    return None


def _step(value: object, key: str) -> object:
    if _is_table(value):
        return value.get(key, _ABSENT)
    if _is_row(value) and _INDEX.fullmatch(key) and int(key) < len(value):
        return value[int(key)]
    return _ABSENT


def _is_table(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, dict | Mapping)  # to ask for an abstract class alone costs ten times as much


def _is_row(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _data(document: Document, pointer: str) -> Value:
    found = document.value(pointer)
    if _is_table(found) or _is_row(found):
        raise EvaluationFault(ErrorKind.CAST, f"the data at {pointer!r} is an object or a list, not one value")
    return normal(found)


def _exists(document: Document, pointer: str) -> bool:
    return document.find(pointer) is not None


def decimal_of(value: object) -> Decimal | None:
    """Numbers, and strings that are numbers, exactly (a float by its shortest form); None for all else."""
    if isinstance(value, str):
        written = value
    elif isinstance(value, bool):
        return None
    elif isinstance(value, int):
        return Decimal(value)
    elif isinstance(value, Decimal):
        return value if value.is_finite() else None
    else:
        written = repr(value) if isinstance(value, float) else ""
    if len(written) > _NUMBER_LENGTH or not _NUMBER.fullmatch(written):
        return None
    try:
        return Decimal(written)
    except InvalidOperation:  # an exponent beyond what the library can hold
        return None


def _comparison(symbol: str, compare: Callable[[Decimal, Decimal], bool]) -> Function:
    def call(document: Document, pointer: str, limit: str) -> bool:
        found = document.value(pointer)
        left, right = decimal_of(found), decimal_of(limit)
        if left is None:
            raise EvaluationFault(ErrorKind.CAST, f"the data at {pointer!r} is not a number")
        if right is None:
            raise EvaluationFault(ErrorKind.CAST, f"{limit[:40]!r} is not a number")
        return compare(left, right)

    name = f"DATA_{symbol}"
    return Function(name, (Kind.STRING, Kind.STRING), Kind.BOOLEAN, call, needs_data=True, check=_check)


def _check(arguments: Sequence[Argument]) -> Complaint | None:
    pointer = arguments[0]
    complaint = None if pointer is None else _bad_pointer(str(pointer))
    if complaint is not None:
        return Complaint(0, f"{pointer!r} is no JSON pointer", complaint)
    limit = arguments[1] if len(arguments) > 1 else None
    if limit is not None and decimal_of(limit) is None:
        return Complaint(
            1,
            f"{limit!r} is not a number, and this function compares numbers",
            f"write a number such as '12.50'; texts are compared by DATA({pointer!r}) = 'text'",
        )
    return None


DATA_FUNCTIONS: tuple[Function, ...] = (
    Function("DATA", (Kind.STRING,), Kind.ANY, _data, needs_data=True, check=_check),
    Function("DATA_EXISTS", (Kind.STRING,), Kind.BOOLEAN, _exists, needs_data=True, check=_check),
    _comparison("EQ", operator.eq),
    _comparison("NE", operator.ne),
    _comparison("GT", operator.gt),
    _comparison("GE", operator.ge),
    _comparison("LT", operator.lt),
    _comparison("LE", operator.le),
)
"""DATA, DATA_EXISTS and the six comparisons, each with a JSON pointer first."""
