"""The syntax tree of a CESQL expression: frozen records, each with the span of text it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from omnibridge.cesql.values import Value

__all__ = [
    "Arithmetic",
    "Attribute",
    "Call",
    "Comparison",
    "Exists",
    "In",
    "Like",
    "Literal",
    "Logic",
    "Negate",
    "Node",
    "Not",
    "Span",
    "children",
    "deepest",
    "walk",
]


class Span(NamedTuple):
    """Offsets in characters: `text[start:end]` is the node, without parentheses around it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, integer or boolean written out."""

    span: Span
    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """A context attribute or extension; the name is lower-case."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class Exists:
    """`EXISTS name`."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT operand`."""

    span: Span
    operand: Node


@dataclass(frozen=True, slots=True)
class Negate:
    """`-operand`."""

    span: Span
    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right`; the operator is one of `* / % + -`."""

    span: Span
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; the operator is one of `= != < <= > >=` (`<>` is kept as `!=`)."""

    span: Span
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """Two or more operands joined by one operator: `AND`, `OR` or `XOR`."""

    span: Span
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """`operand [NOT] LIKE 'pattern'`; the pattern still has its wildcards and escapes."""

    span: Span
    operand: Node
    pattern: str
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """`operand [NOT] IN (elements)`."""

    span: Span
    operand: Node
    elements: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    """`NAME(arguments)`; the name is upper-case."""

    span: Span
    name: str
    arguments: tuple[Node, ...]


Node: TypeAlias = Literal | Attribute | Exists | Not | Negate | Arithmetic | Comparison | Logic | Like | In | Call


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node, in the order in which they are evaluated."""
    match node:
        case Literal() | Attribute() | Exists():
            return ()
        case Not() | Negate() | Like():
            return (node.operand,)
        case Arithmetic() | Comparison():
            return (node.left, node.right)
        case Logic():
            return node.operands
        case In():
            return (node.operand, *node.elements)
        case Call():
            return node.arguments


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, each parent before its parts, from left to right."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def deepest(node: Node) -> tuple[int, Node]:
    """The number of levels of a tree and a node on the last one. Works without recursion, on any tree."""
    level, last = 0, node
    row: list[Node] = [node]
    while row:
        level, last = level + 1, row[0]
        row = [part for current in row for part in children(current)]
    return level, last
