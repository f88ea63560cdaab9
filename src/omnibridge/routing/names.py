"""Short type names in filters: `order.placed` and `order.*` as people write them, made full when they are read."""

from __future__ import annotations

from dataclasses import replace

from omnibridge.cesql import Attribute, Call, Comparison, In, Like, Literal, Logic, Negate, Node, Not
from omnibridge.cesql.like import parse_pattern
from omnibridge.model import PREFIX, catalogue, full_type

__all__ = ["KINDS", "full_names", "type_pattern", "type_prefix"]

KINDS = frozenset(entry.name.split(".", 1)[0] for entry in catalogue())
"""What short names begin with: `order`, `customer`, `command` and so on."""

_NAMES = tuple(entry.name for entry in catalogue())


def type_prefix(text: str) -> str:
    """`order.` → `io.omnibridge.order.`: a beginning of a short type name made full; others stay as they are."""
    return PREFIX + text if text.split(".", 1)[0] in KINDS else text


def type_pattern(pattern: str) -> tuple[str, ...]:
    """LIKE patterns for full types, one of which fits where `pattern` fits the short name (or a foreign type).

    `order.%` → `io.omnibridge.order.%`; `%.placed` → itself and `io.omnibridge.%.placed.v%`.
    """
    parsed = parse_pattern(pattern)
    if pattern.startswith(PREFIX):
        return (pattern,)
    if parsed.is_exact:
        full = full_type(parsed.prefix)
        return (pattern if full == parsed.prefix else full.replace("_", "\\_"),)
    open_ended = pattern.endswith("%") and not pattern.endswith("\\%")
    ours = PREFIX + pattern if open_ended else f"{PREFIX}{pattern}.v%"
    kind, dot, _ = parsed.prefix.partition(".")
    if dot and kind in KINDS:
        return (ours,)
    anywhere = open_ended and pattern.startswith("%")  # fits the full name wherever it fits the short one
    if anywhere or not any(parsed.matches(name) for name in _NAMES):
        return (pattern,)
    return (pattern, ours)


def full_names(node: Node) -> Node:
    """A CESQL tree in which every type that `type` is compared with is full."""
    match node:
        case Comparison(operator="=" | "!="):
            left, right = node.left, node.right
            if _is_type(left):
                return replace(node, right=_full(right))
            return replace(node, left=_full(left)) if _is_type(right) else _parts(node)
        case In() if _is_type(node.operand):
            return replace(node, elements=tuple(_full(element) for element in node.elements))
        case Like() if _is_type(node.operand):
            patterns = [replace(node, pattern=pattern) for pattern in type_pattern(node.pattern)]
            if len(patterns) == 1:
                return patterns[0]
            return Logic(node.span, "AND" if node.negated else "OR", tuple(patterns))
        case _:
            return _parts(node)


def _is_type(node: Node) -> bool:
    return isinstance(node, Attribute) and node.name == "type"


def _full(node: Node) -> Node:
    if isinstance(node, Literal) and isinstance(node.value, str):
        return replace(node, value=full_type(node.value))
    return full_names(node)


def _parts(node: Node) -> Node:
    match node:
        case Not() | Negate() | Like():
            return replace(node, operand=full_names(node.operand))
        case Comparison():
            return replace(node, left=full_names(node.left), right=full_names(node.right))
        case Logic():
            return replace(node, operands=tuple(full_names(operand) for operand in node.operands))
        case In():
            elements = tuple(full_names(element) for element in node.elements)
            return replace(node, operand=full_names(node.operand), elements=elements)
        case Call():
            return replace(node, arguments=tuple(full_names(argument) for argument in node.arguments))
        case _:  # arithmetic has integers only
            return node
