"""Conditions on the data, compiled so that each place in it is looked up and read as a number once an event.

They say what the CESQL functions say of the same text; those remain the definition, and a test compares the two.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from omnibridge.cesql import Call, Comparison, Document, EvaluationFault, Literal, Node
from omnibridge.cesql.document import decimal_of
from omnibridge.cesql.values import text
from omnibridge.routing.filters import Attributes, Data

__all__ = ["Check", "Memory", "reading"]

Memory: TypeAlias = dict[object, object]
"""What checks found out about one event, for those after them."""

Check: TypeAlias = Callable[[Attributes, Data, Memory], bool]

_COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "DATA_EQ": operator.eq,
    "DATA_NE": operator.ne,
    "DATA_GT": operator.gt,
    "DATA_GE": operator.ge,
    "DATA_LT": operator.lt,
    "DATA_LE": operator.le,
}
_UNREAD = object()


def reading(tree: Node) -> Check | None:
    """The check for `DATA_GT('/pointer', '100')` and its kin, and for `DATA('/pointer') = 'text'`; else None."""
    match tree:
        case Call(arguments=(Literal(value=str() as pointer), Literal(value=limit))) if tree.name in _COMPARISONS:
            number = decimal_of(text(limit))
            return None if number is None else _compared(pointer, _COMPARISONS[tree.name], number)
        case Comparison(
            operator="=",
            left=Call(name="DATA", arguments=(Literal(value=str() as pointer),)),
            right=Literal(value=str() as wanted),
        ):
            return _equals(pointer, wanted)
        case _:
            return None


def _compared(pointer: str, compare: Callable[[Decimal, Decimal], bool], limit: Decimal) -> Check:
    key = f"number {pointer}"  # a pointer begins with a slash

    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        number = memory.get(key, _UNREAD)
        if number is _UNREAD:
            number = memory[key] = decimal_of(_value(pointer, data, memory))
        return isinstance(number, Decimal) and compare(number, limit)

    return check


def _equals(pointer: str, wanted: str) -> Check:
    def check(attributes: Attributes, data: Data, memory: Memory) -> bool:
        found = _value(pointer, data, memory)
        if found is None or isinstance(found, dict | list):
            return False
        return text(found) == wanted

    return check


def _value(pointer: str, data: Data, memory: Memory) -> object:
    """What stands at a pointer; None where nothing does, or the data is malformed."""
    found = memory.get(pointer, _UNREAD)
    if found is _UNREAD:
        try:
            found = Document(data).find(pointer)
        except EvaluationFault:
            found = None
        memory[pointer] = found
    return found
