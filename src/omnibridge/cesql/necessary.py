"""What must hold of the attributes wherever an expression matches: the conditions a router can index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from omnibridge.cesql.faults import EvaluationFault
from omnibridge.cesql.like import parse_pattern
from omnibridge.cesql.syntax import Attribute, Comparison, In, Like, Literal, Logic, Node
from omnibridge.cesql.values import Kind, Value, convert, text

__all__ = ["Necessary", "necessary_of"]


@dataclass(frozen=True, slots=True)
class Necessary:
    """Conditions without which the expression cannot match; they do not suffice, it must still be evaluated.

    `equals`: attribute to the values it may have. `prefixes`: attribute to the beginnings, one of which it must have.
    An attribute is in one of them at most, and must be present. Values are those of `attribute_text`: an integer or
    boolean attribute counts by its String form. An empty set means that nothing can match.
    """

    equals: Mapping[str, frozenset[str]]
    prefixes: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Equal:
    texts: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Prefix:
    texts: frozenset[str]


_Condition: TypeAlias = _Equal | _Prefix
_Conditions: TypeAlias = Mapping[str, _Condition]
_NOTHING: _Conditions = MappingProxyType({})


def necessary_of(tree: Node) -> Necessary:
    """Read the conditions off a tree. Whatever is not understood is left out, which is always safe."""
    found = _of(tree)
    return Necessary(
        MappingProxyType({name: one.texts for name, one in found.items() if isinstance(one, _Equal)}),
        MappingProxyType({name: one.texts for name, one in found.items() if isinstance(one, _Prefix)}),
    )


def _of(node: Node) -> _Conditions:
    match node:
        case Comparison(operator="=", left=Attribute() as attribute, right=Literal() as literal):
            # The attribute is cast to the literal's type: only as a String does it have a single spelling.
            return {attribute.name: _Equal(frozenset({literal.value}))} if isinstance(literal.value, str) else _NOTHING
        case Comparison(operator="=", left=Literal() as literal, right=Attribute() as attribute):
            return _equals(attribute, (literal,))
        case In(operand=Attribute() as attribute, negated=False):
            return _equals(attribute, node.elements)
        case Like(operand=Attribute() as attribute, negated=False):
            pattern = parse_pattern(node.pattern)
            if pattern.is_exact:
                return {attribute.name: _Equal(frozenset({pattern.prefix}))}
            return {attribute.name: _Prefix(frozenset({pattern.prefix}))} if pattern.prefix else _NOTHING
        case Logic(operator="AND"):
            return _all(node.operands)
        case Logic(operator="OR"):
            return _any(node.operands)
        case _:
            return _NOTHING


def _equals(attribute: Attribute, elements: tuple[Node, ...]) -> _Conditions:
    # Here the literal is cast to the attribute's type, so '05' also finds the integer 5, whose text is '5'. Only
    # literals that no such cast could change are of use.
    texts: set[str] = set()
    for element in elements:
        if not isinstance(element, Literal) or not _is_canonical(element.value):
            return _NOTHING
        texts.add(text(element.value))
    return {attribute.name: _Equal(frozenset(texts))}


def _is_canonical(value: Value) -> bool:
    if not isinstance(value, str):
        return False
    for kind in (Kind.INTEGER, Kind.BOOLEAN):
        try:
            if text(convert(value, kind)) != value:
                return False
        except EvaluationFault:
            continue
    return True


def _all(operands: tuple[Node, ...]) -> _Conditions:
    merged: dict[str, _Condition] = {}
    for operand in operands:
        for name, condition in _of(operand).items():
            merged[name] = _both(merged[name], condition) if name in merged else condition
    return merged


def _any(operands: tuple[Node, ...]) -> _Conditions:
    first, *others = (_of(operand) for operand in operands)
    merged = dict(first)
    for other in others:
        merged = {name: _either(one, other[name]) for name, one in merged.items() if name in other}
    return merged


def _both(one: _Condition, other: _Condition) -> _Condition:
    if isinstance(one, _Equal) and isinstance(other, _Equal):
        return _Equal(one.texts & other.texts)
    if isinstance(one, _Equal):
        return _Equal(frozenset(text for text in one.texts if text.startswith(tuple(other.texts))))
    if isinstance(other, _Equal):
        return _both(other, one)
    # Two prefixes of one text are prefixes of each other: the longer of each such pair remains.
    longer = {text for text in one.texts if text.startswith(tuple(other.texts))}
    longer |= {text for text in other.texts if text.startswith(tuple(one.texts))}
    return _Prefix(frozenset(longer))


def _either(one: _Condition, other: _Condition) -> _Condition:
    texts = one.texts | other.texts
    return _Equal(texts) if isinstance(one, _Equal) and isinstance(other, _Equal) else _Prefix(texts)
