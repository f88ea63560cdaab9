"""Filters taken apart for the index: into conjuncts, and conditions on attributes that a match cannot do without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from omnibridge.cesql import Attribute, Comparison, In, Like, Literal, attribute_text
from omnibridge.cesql.like import parse_pattern
from omnibridge.routing.filters import All, Any_, Exact, Filter, Not, Prefix, Sql, Suffix

__all__ = ["STRINGS", "Condition", "Conditions", "condition_alone", "conditions", "conjuncts"]

STRINGS = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"})
"""Attributes that are strings wherever they are set; an extension may be an integer or a boolean."""


@dataclass(frozen=True, slots=True)
class Condition:
    """An attribute's text is one of `texts` (`exact`), or begins with one of them. Of no texts, nothing fits."""

    texts: frozenset[str]
    exact: bool

    def holds(self, value: object) -> bool:
        """Whether an attribute's value fits; None is an attribute that is not set."""
        text = attribute_text(value)
        if text is None:
            return False
        return text in self.texts if self.exact else text.startswith(tuple(self.texts))


Conditions: TypeAlias = Mapping[str, Condition]
_NONE: Conditions = MappingProxyType({})
_NEVER: Conditions = MappingProxyType({"type": Condition(frozenset(), True)})


def conjuncts(whole: Filter) -> tuple[Filter, ...]:
    """Filters that all match exactly where `whole` does, as simple as they can be had."""
    match whole:
        case All():
            return tuple(one for part in whole.parts for one in conjuncts(part))
        case Any_() if len(whole.parts) == 1:
            return conjuncts(whole.parts[0])
        case Not(part=Any_() as inside):
            return tuple(one for part in inside.parts for one in conjuncts(Not(part)))
        case Not(part=Not() as inside):
            return conjuncts(inside.part)
        case Sql():
            parts = whole.expression.conjuncts()
            return (_simple(whole),) if len(parts) == 1 else tuple(_simple(Sql(part)) for part in parts)
        case _:
            return (whole,)


def _simple(part: Sql) -> Filter:
    """The same in another dialect, where there is one that asks exactly this."""
    match part.expression.tree:
        case Comparison(operator="=", left=Attribute(name=name), right=Literal(value=str() as value)):
            return Exact(name, value)
        case Like(operand=Attribute(name=name), negated=False, pattern=pattern):
            parsed = parse_pattern(pattern)
            if parsed.is_exact:
                return Exact(name, parsed.prefix)
            segments = parsed.segments
            if len(segments) == 2 and not segments[1].length and segments[0].expression is None:
                return Prefix(name, parsed.prefix)
            return part
        case _:
            return part


def condition_alone(part: Filter) -> tuple[str, Condition] | None:
    """The attribute and condition that a filter consists of, and of nothing else; None where it asks for more."""
    match part:
        case Exact():
            return part.name, Condition(frozenset({part.value}), True)
        case Prefix():
            return part.name, Condition(frozenset({part.value}), False)
        case Any_():
            found = [condition_alone(one) for one in part.parts]
            known = [one for one in found if one is not None]
            if not known or len(known) < len(found) or len({(name, one.exact) for name, one in known}) > 1:
                return None
            return known[0][0], Condition(_shortest(text for _, one in known for text in one.texts), known[0][1].exact)
        case Sql():
            tree = part.expression.tree
            if isinstance(tree, In) and isinstance(tree.operand, Attribute) and tree.operand.name in STRINGS:
                texts = part.expression.necessary().equals.get(tree.operand.name)
                return None if texts is None else (tree.operand.name, Condition(texts, True))
            return None
        case _:
            return None


def conditions(whole: Filter) -> Conditions:
    """What must hold of the attributes wherever the filter matches; at most one condition for each attribute."""
    match whole:
        case Exact() | Prefix():
            return {whole.name: Condition(frozenset({whole.value}), isinstance(whole, Exact))}
        case All():
            return _all(conditions(part) for part in whole.parts)
        case Any_():
            return _any([conditions(part) for part in whole.parts])
        case Sql():
            found = whole.expression.necessary()
            return {
                **{name: Condition(texts, True) for name, texts in found.equals.items()},
                **{name: Condition(_shortest(texts), False) for name, texts in found.prefixes.items()},
            }
        case Not() | Suffix():
            return _NONE


def _all(parts: Iterable[Conditions]) -> Conditions:
    merged: dict[str, Condition] = {}
    for part in parts:
        for name, condition in part.items():
            merged[name] = _both(merged[name], condition) if name in merged else condition
    return merged


def _any(parts: list[Conditions]) -> Conditions:
    possible = [part for part in parts if all(condition.texts for condition in part.values())]
    if not possible:
        return _NEVER
    merged = dict(possible[0])
    for other in possible[1:]:
        merged = {name: _either(one, other[name]) for name, one in merged.items() if name in other}
    return merged


def _both(one: Condition, other: Condition) -> Condition:
    if one.exact and other.exact:
        return Condition(one.texts & other.texts, True)
    if one.exact:
        return Condition(frozenset(text for text in one.texts if text.startswith(tuple(other.texts))), True)
    if other.exact:
        return _both(other, one)
    # Two beginnings of one text are beginnings of each other: the longer of each such pair remains.
    longer = {text for text in one.texts if text.startswith(tuple(other.texts))}
    longer |= {text for text in other.texts if text.startswith(tuple(one.texts))}
    return Condition(_shortest(longer), False)


def _either(one: Condition, other: Condition) -> Condition:
    if one.exact and other.exact:
        return Condition(one.texts | other.texts, True)
    return Condition(_shortest(one.texts | other.texts), False)


def _shortest(texts: Iterable[str]) -> frozenset[str]:
    """Beginnings without those that a shorter one covers, so that a text has at most one of them."""
    kept: list[str] = []
    for text in sorted(texts):
        if not kept or not text.startswith(kept[-1]):
            kept.append(text)
    return frozenset(kept)
