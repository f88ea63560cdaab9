"""Which types a filter can match at all: judged without an event, from the type alone and the model of its data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Flag, auto

from omnibridge.cesql import (
    Attribute,
    Call,
    Comparison,
    EvaluationFault,
    Exists,
    In,
    Like,
    Literal,
    Logic,
    Node,
    Not,
    Value,
)
from omnibridge.cesql.like import parse_pattern
from omnibridge.cesql.values import convert, kind_of
from omnibridge.model import EventType, catalogue
from omnibridge.routing.filters import All, Any_, Exact, Filter, Prefix, Sql, Suffix
from omnibridge.routing.filters import Not as NotFilter
from omnibridge.routing.normal import conditions
from omnibridge.routing.shapes import Shape, shape_at

__all__ = ["can_match", "pointer_of", "possible_channels", "possible_types"]

_ALWAYS_SET = frozenset({"specversion", "id", "source", "type"})


class Outcome(Flag):
    """What an evaluation may come to."""

    TRUE = auto()
    FALSE = auto()
    ERROR = auto()
    OPEN = TRUE | FALSE | ERROR


_TRUE, _FALSE, _ERROR, _OPEN = Outcome.TRUE, Outcome.FALSE, Outcome.ERROR, Outcome.OPEN
_NOTHING = Outcome(0)


def possible_types(whole: Filter) -> tuple[EventType, ...]:
    """The types of the catalogue that the filter may match. Those left out it surely never matches."""
    needed = conditions(whole)
    if any(not condition.texts for condition in needed.values()):
        return ()
    by_type = needed.get("type")
    return tuple(
        entry for entry in catalogue() if (by_type is None or by_type.holds(entry.type)) and can_match(whole, entry)
    )


def possible_channels(whole: Filter, names: Iterable[str]) -> tuple[str, ...]:
    """Those of these channels whose events the filter may match."""
    told = conditions(whole).get("channel")
    return tuple(name for name in names if told is None or told.holds(name))


def can_match(part: Filter, entry: EventType) -> bool:
    """Whether the filter may match an event of this type; false means: never."""
    return _TRUE in _judge(part, entry)


def _judge(part: Filter, entry: EventType) -> Outcome:
    match part:
        case Exact() | Prefix() | Suffix():
            if part.name == "type":
                return _either(part.matches({"type": entry.type}))
            return _TRUE | _FALSE
        case All():
            return _and([_judge(one, entry) for one in part.parts])
        case Any_():
            return _or([_judge(one, entry) for one in part.parts])
        case NotFilter():
            return _not(_judge(part.part, entry))
        case Sql():
            found = _of(part.expression.tree, entry)
            return (found & ~_ERROR) | _FALSE if _ERROR in found else found  # an error is no match


def _of(node: Node, entry: EventType) -> Outcome:
    match node:
        case Literal(value=bool() as value):
            return _either(value)
        case Exists():
            return _TRUE if node.name in _ALWAYS_SET else _TRUE | _FALSE
        case Not():
            return _not(_of(node.operand, entry))
        case Logic(operator="AND"):
            return _and([_of(operand, entry) for operand in node.operands])
        case Logic(operator="OR"):
            return _or([_of(operand, entry) for operand in node.operands])
        case Comparison(right=Literal(value=value)):
            found = _compare(node.left, node.operator, (value,), entry)
            return _not(found) if node.operator == "!=" else found
        case Comparison(operator="=" | "!=", left=Literal(value=value), right=Attribute(name="type")):
            found = _either(value == entry.type)
            return _not(found) if node.operator == "!=" else found
        case In() if all(isinstance(element, Literal) for element in node.elements):
            texts = tuple(element.value for element in node.elements if isinstance(element, Literal))
            found = _compare(node.operand, "IN", texts, entry)
            return _not(found) if node.negated else found
        case Like(operand=Attribute(name="type")):
            return _either(parse_pattern(node.pattern).matches(entry.type) is not node.negated)
        case Call():
            return _call(node, entry)
        case _:
            return _OPEN


def pointer_of(node: Node) -> str | None:
    """The JSON pointer that a call reads the data at, where it is written out."""
    if isinstance(node, Call) and node.name.startswith("DATA") and node.arguments:
        first = node.arguments[0]
        if isinstance(first, Literal) and isinstance(first.value, str):
            return first.value
    return None


def _call(node: Call, entry: EventType) -> Outcome:
    pointer = pointer_of(node)
    if pointer is None:
        return _OPEN
    shape = shape_at(entry.model, pointer)
    if node.name == "DATA_EXISTS":
        return _FALSE if shape is None else _TRUE | _FALSE
    if shape is None or shape.kind in ("object", "list"):
        return _ERROR
    if node.name != "DATA" and shape.kind in ("word", "boolean", "moment"):
        return _ERROR  # these functions compare numbers
    return _OPEN


def _compare(left: Node, operator: str, values: tuple[Value, ...], entry: EventType) -> Outcome:
    """`left = value`, `left IN values`, or one of `< <= > >=`."""
    if isinstance(left, Attribute) and left.name == "type":
        return _either(entry.type in values) if operator in ("=", "!=", "IN") else _OPEN
    pointer = pointer_of(left)
    if pointer is None or not isinstance(left, Call) or left.name != "DATA":
        return _OPEN
    shape = shape_at(entry.model, pointer)
    if shape is None or shape.kind in ("object", "list"):
        return _ERROR
    if operator in ("=", "!=", "IN"):
        return _OPEN if any(_may_equal(shape, value) for value in values) else _FALSE | _ERROR
    return _ERROR if shape.kind in ("word", "moment") else _OPEN


def _may_equal(shape: Shape, value: Value) -> bool:
    if shape.kind == "word":
        return isinstance(value, str) and value in shape.words
    if shape.kind == "boolean":
        return any(_cast(one, value) for one in (True, False))
    if shape.kind == "moment":
        return isinstance(value, str)
    return True


def _cast(one: Value, value: Value) -> bool:
    try:
        return convert(one, kind_of(value)) == value
    except EvaluationFault:
        return False


def _either(holds: bool) -> Outcome:
    return _TRUE if holds else _FALSE


def _not(found: Outcome) -> Outcome:
    swapped = found & _ERROR
    if _TRUE in found:
        swapped |= _FALSE
    if _FALSE in found:
        swapped |= _TRUE
    return swapped


def _and(parts: list[Outcome]) -> Outcome:
    found = _TRUE if all(_TRUE in part for part in parts) else _NOTHING
    for part in parts:
        found |= part & (_FALSE | _ERROR)
    return found


def _or(parts: list[Outcome]) -> Outcome:
    found = _FALSE if all(_FALSE in part for part in parts) else _NOTHING
    for part in parts:
        found |= part & (_TRUE | _ERROR)
    return found
