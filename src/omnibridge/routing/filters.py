"""The filter dialects of CloudEvents Subscriptions as one small tree of predicates over an event's attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from omnibridge.errors import ConfigError
from omnibridge.event import AttributeValue
from omnibridge.model import PREFIX, catalogue, full_type

__all__ = [
    "All",
    "Any_",
    "Attributes",
    "Exact",
    "Filter",
    "Not",
    "Prefix",
    "Suffix",
    "parse_filter",
    "type_filter",
    "type_prefix",
]

Attributes = Mapping[str, AttributeValue]


def _text(value: AttributeValue | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True, slots=True)
class Exact:
    """Attribute `name` equals `value`, case-sensitively. Short type names were made full when it was parsed."""

    name: str
    value: str

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds."""
        return _text(attributes.get(self.name)) == self.value


@dataclass(frozen=True, slots=True)
class Prefix:
    """Attribute `name` begins with `value`."""

    name: str
    value: str

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds; a missing attribute begins with nothing."""
        text = _text(attributes.get(self.name))
        return text is not None and text.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Suffix:
    """Attribute `name` ends with `value`."""

    name: str
    value: str

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds; a missing attribute ends with nothing."""
        text = _text(attributes.get(self.name))
        return text is not None and text.endswith(self.value)


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; of no parts, it holds."""

    parts: tuple[Filter, ...]

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds."""
        return all(part.matches(attributes) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one part holds."""

    parts: tuple[Filter, ...]

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds."""
        return any(part.matches(attributes) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter

    def matches(self, attributes: Attributes) -> bool:
        """Whether it holds."""
        return not self.part.matches(attributes)


Filter = Exact | Prefix | Suffix | All | Any_ | Not

_KINDS = frozenset(name.split(".", 1)[0] for name in (entry.name for entry in catalogue()))


def type_prefix(text: str) -> str:
    """`order.` → `io.omnibridge.order.`: a beginning of a short type name made full; others stay as they are."""
    return PREFIX + text if text.split(".", 1)[0] in _KINDS and "." in text else text


def type_filter(name: str) -> Filter:
    """A type as people write it: `order.placed`, or `order.*` for all that begins so."""
    if name == "*":
        return All(())
    if name.endswith("*"):
        return Prefix("type", type_prefix(name[:-1]))
    return Exact("type", full_type(name))


def parse_filter(value: object, where: str) -> Filter:
    """One filter object of the Subscriptions API: `{"exact": {"type": "order.placed"}}`, nested by all, any and not.

    Raises ConfigError with the place of what is wrong.
    """
    table: Any = value
    if not isinstance(table, Mapping) or len(table) != 1:  # pyright: ignore[reportUnknownArgumentType]
        raise ConfigError("a filter is a table with one dialect", where=where, remedy=f"one of {', '.join(_DIALECTS)}")
    dialect, body = next(iter(cast("Mapping[str, Any]", table).items()))
    place = f"{where}.{dialect}"
    if dialect in ("all", "any"):
        if not isinstance(body, list) or not body:
            raise ConfigError("needs a list of filters", where=place)
        nested = tuple(parse_filter(item, f"{place}[{i}]") for i, item in enumerate(cast("list[Any]", body)))
        return All(nested) if dialect == "all" else Any_(nested)
    if dialect == "not":
        return Not(parse_filter(body, place))
    if dialect not in ("exact", "prefix", "suffix"):
        raise ConfigError("unknown filter dialect", where=place, remedy=f"one of {', '.join(_DIALECTS)}")
    if not isinstance(body, Mapping) or not body:
        raise ConfigError("needs a table of attribute names and values", where=place)
    parts: list[Filter] = []
    for name, text in cast("Mapping[str, Any]", body).items():
        if not isinstance(text, str) or not text:
            raise ConfigError("attribute names and values are non-empty text", where=place)
        parts.append(_simple(dialect, name, text))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _simple(dialect: str, name: str, text: str) -> Filter:
    if dialect == "exact":
        return Exact(name, full_type(text) if name == "type" else text)
    if dialect == "prefix":
        return Prefix(name, type_prefix(text) if name == "type" else text)
    return Suffix(name, text)


_DIALECTS = ("exact", "prefix", "suffix", "all", "any", "not")
