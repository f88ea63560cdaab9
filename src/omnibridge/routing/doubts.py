"""What a filter says that can hardly be meant: conditions that no event can meet, and the reason for each."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from omnibridge.cesql import Attribute, Call, Comparison, Expression, In, Kind, Like, Literal, Node, walk
from omnibridge.cesql.like import parse_pattern
from omnibridge.model import PREFIX, EventType, catalogue, lookup, short_type
from omnibridge.routing.filters import Exact, Filter, Prefix, Sql, describe, nested
from omnibridge.routing.names import KINDS
from omnibridge.routing.normal import STRINGS, conditions, conjuncts
from omnibridge.routing.possible import can_match, pointer_of
from omnibridge.routing.shapes import Shape, near, shape_at

__all__ = ["Doubt", "doubts"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is hardly meant. `clause` is the condition it is about, in `part` of the filter."""

    clause: str
    what: str
    remedy: str
    part: Filter = field(repr=False)

    def __str__(self) -> str:
        return f"{self.clause}: {self.what} ({self.remedy})"


def doubts(whole: Filter, channels: Collection[str] | None = None) -> tuple[Doubt, ...]:
    """Everything doubtful about a filter. `channels` are the names that exist; None: they are not known.

    An empty answer is no proof that the filter ever matches; what is in it, though, no event of the catalogue can meet,
    or not as it seems to be meant.
    """
    return tuple(dict.fromkeys(_doubts(whole, channels)))


def _doubts(whole: Filter, channels: Collection[str] | None) -> Iterator[Doubt]:
    said = False
    for part in nested(whole):
        yield from _cautions(part)
        for clause, name, value in _compared(part):
            found = _unknown(part, clause, name, value, channels)
            if found is not None:
                said = True
                yield found
        yield from _beginnings(part)
    needed = conditions(whole)
    for name, condition in needed.items():
        if not condition.texts:
            what = f"no event can match: these conditions on {name} exclude each other"
            yield Doubt(describe(whole), what, "join alternatives with OR, IN or any", whole)
            return
    by_type = needed.get("type")
    if by_type is None or (by_type.exact and any(lookup(text) is None for text in by_type.texts)):
        return  # it may match types that the catalogue does not know
    entries = tuple(entry for entry in catalogue() if by_type.holds(entry.type))
    if not by_type.exact and not entries:
        return
    for part in nested(whole):
        if isinstance(part, Sql):
            for found in _data_doubts(part, entries):
                said = True
                yield found
    if not said and not any(can_match(whole, entry) for entry in entries):
        parts = [part for part in conjuncts(whole) if not any(can_match(part, entry) for entry in entries)]
        for part in parts or [whole]:
            yield Doubt(describe(part), f"is never true of {_names(entries)}", "correct it, or remove the route", part)


def _names(entries: Collection[EventType]) -> str:
    names = [entry.name for entry in entries]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more types" if len(names) > _SHOWN else "")


def _text(expression: Expression, node: Node) -> str:
    return expression.text[node.span.start : node.span.end]


def _cautions(part: Filter) -> Iterator[Doubt]:
    if not isinstance(part, Sql):
        return
    for caution in part.expression.cautions:
        yield Doubt(f"{part.text!r} at character {caution.position + 1}", caution.what, caution.remedy, part)
    tree, kind = part.expression.tree, part.expression.kind
    if kind in (Kind.STRING, Kind.INTEGER) or (isinstance(tree, Attribute) and tree.name in STRINGS):
        what = "is no condition: its value is never true or false, so it matches nothing"
        yield Doubt(part.text, what, "compare it with something, such as subject = '...'", part)
    for node in walk(part.expression.tree):
        if isinstance(node, Call) and any(isinstance(one, Attribute) and one.name == "type" for one in node.arguments):
            what = f"a function sees the full type, such as {PREFIX}order.placed.v1"
            yield Doubt(_text(part.expression, node), what, "compare type itself: type LIKE 'order.%'", part)


def _compared(part: Filter) -> Iterator[tuple[str, str, str]]:
    """Every text that a filter compares a whole attribute with: the clause, the attribute and the text."""
    if isinstance(part, Exact):
        yield describe(part), part.name, part.value
    if not isinstance(part, Sql):
        return
    for node in walk(part.expression.tree):
        pairs: list[tuple[Node, Node]] = []
        if isinstance(node, Comparison) and node.operator in ("=", "!="):
            pairs = [(node.left, node.right), (node.right, node.left)]
        elif isinstance(node, In):
            pairs = [(node.operand, element) for element in node.elements]
        for attribute, literal in pairs:
            if isinstance(attribute, Attribute) and isinstance(literal, Literal) and isinstance(literal.value, str):
                yield _text(part.expression, node), attribute.name, literal.value


def _beginnings(part: Filter) -> Iterator[Doubt]:
    """Beginnings of types that no type of ours has, and that look as if they were meant to be one of ours."""
    if isinstance(part, Prefix) and part.name == "type":
        yield from _no_such_beginning(part, describe(part), part.value)
    elif isinstance(part, Sql):
        for node in walk(part.expression.tree):
            if isinstance(node, Like) and isinstance(node.operand, Attribute) and node.operand.name == "type":
                yield from _no_such_beginning(part, _text(part.expression, node), parse_pattern(node.pattern).prefix)


def _no_such_beginning(part: Filter, clause: str, begin: str) -> Iterator[Doubt]:
    if any(entry.type.startswith(begin) or begin.startswith(entry.type) for entry in catalogue()):
        return
    short = begin.removeprefix(PREFIX)
    kind, dot, rest = short.partition(".")
    what = f"no event type begins with {short!r}"
    if kind in KINDS:
        names = [entry.name for entry in catalogue() if entry.name.startswith(f"{kind}.")]
        close = difflib.get_close_matches(short, names, 1, 0.6)
        yield Doubt(clause, what, f"did you mean {close[0]}?" if close else "`omnibridge schema` lists the types", part)
    elif begin.startswith(PREFIX) or dot:
        close = difflib.get_close_matches(kind, sorted(KINDS), 1, 0.75)
        if close or begin.startswith(PREFIX):
            remedy = f"did you mean {close[0]}.{rest}?" if close else "`omnibridge schema` lists the types"
            yield Doubt(clause, what, remedy, part)


def _unknown(part: Filter, clause: str, name: str, value: str, channels: Collection[str] | None) -> Doubt | None:
    if name == "type":
        return _unknown_type(part, clause, value)
    return _unknown_channel(part, clause, value, channels) if name == "channel" and channels is not None else None


def _unknown_type(part: Filter, clause: str, value: str) -> Doubt | None:
    if lookup(value) is not None:
        return None
    short = short_type(value).removeprefix(PREFIX)
    close = difflib.get_close_matches(short.removesuffix(".v1"), [entry.name for entry in catalogue()], 1, 0.8)
    if not close and not value.startswith(PREFIX) and value.split(".", 1)[0] not in KINDS:
        return None  # a foreign type
    remedy = f"did you mean {close[0]}?" if close else "`omnibridge schema` lists the types"
    return Doubt(clause, f"there is no event type {short_type(value)!r}", remedy, part)


def _unknown_channel(part: Filter, clause: str, value: str, channels: Collection[str]) -> Doubt | None:
    if value in channels:
        return None
    close = difflib.get_close_matches(value, channels, 1)
    remedy = f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(channels)) or 'none yet'}"
    return Doubt(clause, f"there is no channel {value!r}", remedy, part)


# -- the data --------------------------------------------------------------------------------------------------------


def _data_doubts(part: Sql, entries: tuple[EventType, ...]) -> Iterator[Doubt]:
    expression = part.expression
    compared: set[int] = set()
    for node in walk(expression.tree):
        if isinstance(node, Comparison | In):
            left = node.left if isinstance(node, Comparison) else node.operand
            right = (node.right,) if isinstance(node, Comparison) else node.elements
            pointer = pointer_of(left)
            if pointer is None or not isinstance(left, Call) or left.name != "DATA":
                continue
            compared.add(id(left))
            operator = node.operator if isinstance(node, Comparison) else "="
            values = [one.value for one in right if isinstance(one, Literal)]
            reason = _reason(pointer, entries, operator, values)
        elif isinstance(node, Call) and id(node) not in compared:
            pointer = pointer_of(node)
            reason = None if pointer is None else _reason(pointer, entries, node.name, [])
        else:
            continue
        if reason is not None:
            yield Doubt(_text(expression, node), *reason, part)


def _reason(
    pointer: str, entries: tuple[EventType, ...], operator: str, values: list[str | int | bool]
) -> tuple[str, str] | None:
    """What is wrong with reading the data of these types at a pointer, and the remedy."""
    shapes = [shape_at(entry.model, pointer) for entry in entries]
    known = [shape for shape in shapes if shape is not None]
    if not known:
        meant = next((found for entry in entries if (found := near(entry.model, pointer)) is not None), None)
        model = ", ".join(sorted({entry.model.__name__ for entry in entries}))
        remedy = f"did you mean {meant}?" if meant else f"see `omnibridge schema` for {model}"
        return f"the data of {_names(entries)} has nothing at {pointer!r}", remedy
    if operator == "DATA_EXISTS" or any(shape != known[0] for shape in known):
        return None
    return _mismatch(known[0], pointer, operator, values)


def _mismatch(shape: Shape, pointer: str, operator: str, values: list[str | int | bool]) -> tuple[str, str] | None:
    """What is wrong with this use of what stands there, and the remedy."""
    at = f"{pointer!r} is {shape}"
    ordering = operator in _FUNCTIONS and operator not in ("=", "!=")
    if shape.kind in ("object", "list"):
        below = f"{pointer}/0" if shape.kind == "list" else f"{pointer}/..."
        return f"{at}, which has no single value", f"name a place in it, such as {below!r}, or use DATA_EXISTS"
    if shape.kind == "decimal" and operator in _FUNCTIONS:
        limit = str(values[0]) if values else "100"
        if ordering or any(isinstance(value, int) for value in values):
            return f"{at}; as an integer, 129.90 is an error", f"write {_FUNCTIONS[operator]}({pointer!r}, '{limit}')"
        return f"{at}; as text, 129.9 is not 129.90", f"write {_FUNCTIONS[operator]}({pointer!r}, '{limit}')"
    if shape.kind in ("word", "boolean", "moment") and (ordering or operator.startswith("DATA_")):
        if shape.kind == "moment":
            return f"{at}, which CESQL cannot order", "compare attributes, or decide in a handler"
        if shape.kind == "boolean":
            return None if ordering else (f"{at}, not a number", f"write DATA({pointer!r}) = TRUE")
        return f"{at}, not a number", f"write DATA({pointer!r}) = {shape.words[0]!r}"
    if shape.kind == "word" and values and not any(value in shape.words for value in values):
        close = difflib.get_close_matches(str(values[0]), shape.words, 1)
        return f"{values[0]!r} is never there: {at}", f"did you mean {close[0]!r}?" if close else "write one of them"
    return None


_FUNCTIONS = {
    "=": "DATA_EQ",
    "!=": "DATA_NE",
    ">": "DATA_GT",
    ">=": "DATA_GE",
    "<": "DATA_LT",
    "<=": "DATA_LE",
}
