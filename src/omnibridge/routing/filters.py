"""The filter dialects of CloudEvents Subscriptions as one small tree of predicates over an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from typing import TypeAlias, cast

from omnibridge.cesql import Expression, attribute_text, compile
from omnibridge.event import AttributeValue
from omnibridge.model import PREFIX, full_type, short_type
from omnibridge.routing.names import full_names, type_prefix

__all__ = [
    "All",
    "Any_",
    "Attributes",
    "Data",
    "Exact",
    "Filter",
    "Not",
    "Prefix",
    "Sql",
    "Suffix",
    "describe",
    "nested",
    "sql",
    "type_filter",
]

Attributes: TypeAlias = Mapping[str, AttributeValue]
"""An event's context attributes by name."""

Data: TypeAlias = Callable[[], object] | None
"""Gives the event's parsed data, and is called only where a CESQL function reads it. None: there is none."""


@dataclass(frozen=True, slots=True)
class Exact:
    """Attribute `name` equals `value`, case-sensitively. `type` takes a short name too."""

    name: str
    value: str

    def __post_init__(self) -> None:
        if self.name == "type":
            object.__setattr__(self, "value", full_type(self.value))

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds."""
        return attribute_text(attributes.get(self.name)) == self.value


@dataclass(frozen=True, slots=True)
class Prefix:
    """Attribute `name` begins with `value`. `type` takes the beginning of a short name too: `order.`."""

    name: str
    value: str

    def __post_init__(self) -> None:
        if self.name == "type":
            object.__setattr__(self, "value", type_prefix(self.value))

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds; a missing attribute begins with nothing."""
        text = attribute_text(attributes.get(self.name))
        return text is not None and text.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Suffix:
    """Attribute `name` ends with `value`. Of `type`, the short name may end with it: `.placed`."""

    name: str
    value: str

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds; a missing attribute ends with nothing."""
        text = attribute_text(attributes.get(self.name))
        if text is None:
            return False
        return text.endswith(self.value) or (self.name == "type" and short_type(text).endswith(self.value))


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; of no parts, it holds."""

    parts: tuple[Filter, ...]

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds."""
        return all(part.matches(attributes, data) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one part holds."""

    parts: tuple[Filter, ...]

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds."""
        return any(part.matches(attributes, data) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds."""
        return not self.part.matches(attributes, data)


@dataclass(frozen=True, slots=True)
class Sql:
    """A CESQL expression; an error, such as a missing attribute, is no match. Made by `sql`.

    Two are equal when they ask the same, however they are spaced.
    """

    expression: Expression = field(compare=False)
    shape: object = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.expression.tree))

    @property
    def text(self) -> str:
        """As it was written: of a part of an expression, that part."""
        start, end = self.expression.tree.span
        return self.expression.text[start:end]

    def matches(self, attributes: Attributes, data: Data = None) -> bool:
        """Whether it holds."""
        return self.expression.matches(attributes, data)


Filter: TypeAlias = Exact | Prefix | Suffix | All | Any_ | Not | Sql


def _shape(value: object) -> object:
    """A syntax tree without the places that it came from, so that it can be compared."""
    if isinstance(value, tuple):
        return tuple(_shape(item) for item in cast("tuple[object, ...]", value))
    if is_dataclass(value):
        parts = (getattr(value, one.name) for one in fields(value) if one.name != "span")
        return (type(value).__name__, *(_shape(part) for part in parts))
    return (type(value).__name__, value)  # 1 and True are equal to Python


@lru_cache(maxsize=4096)
def sql(text: str) -> Sql:
    """A filter from CESQL text, with short type names. Raises ExpressionError with position and remedy."""
    return Sql(compile(text, rewrite=full_names))


def type_filter(name: str) -> Filter:
    """A type as people write it: `order.placed`, or `order.*` for all that begins so."""
    if name == "*":
        return All(())
    if name.endswith("*"):
        return Prefix("type", name[:-1])
    return Exact("type", name)


def nested(part: Filter) -> Iterator[Filter]:
    """The filter and every one inside it, parents first."""
    yield part
    if isinstance(part, All | Any_):
        for one in part.parts:
            yield from nested(one)
    elif isinstance(part, Not):
        yield from nested(part.part)


def describe(part: Filter) -> str:
    """A filter as a person would say it."""
    match part:
        case Exact():
            return f"{part.name} = {short_type(part.value)!r}"
        case Prefix():
            value = part.value.removeprefix(PREFIX) if part.name == "type" else part.value
            return f"{part.name} begins with {(value or part.value)!r}"
        case Suffix():
            return f"{part.name} ends with {part.value!r}"
        case Not():
            return f"not ({describe(part.part)})"
        case Any_():
            return " or ".join(describe(p) for p in part.parts) or "nothing"
        case All():
            return " and ".join(f"({describe(p)})" if isinstance(p, Any_) else describe(p) for p in part.parts) or (
                "every event"
            )
        case Sql():
            return part.text
