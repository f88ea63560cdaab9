"""Filters as they stand in configuration: tables of the Subscriptions API, checked and made into the one model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from omnibridge.errors import ConfigError, ExpressionError
from omnibridge.routing.filters import All, Any_, Exact, Filter, Not, Prefix, Suffix, sql

__all__ = ["parse_filter", "parse_sql"]

_NAME = re.compile(r"[a-z0-9]+")
_SIMPLE: Mapping[str, Callable[[str, str], Filter]] = {"exact": Exact, "prefix": Prefix, "suffix": Suffix}
_DIALECTS = ("exact", "prefix", "suffix", "all", "any", "not", "sql")
_AROUND = 20


def parse_filter(value: object, where: str) -> Filter:
    """One filter object of the Subscriptions API: `{"exact": {"type": "order.placed"}}`, nested by all, any and not.

    Raises ConfigError with the place of what is wrong, which begins with `where`.
    """
    if not isinstance(value, Mapping):
        raise ConfigError("a filter is a table with one dialect", where=where, remedy=_one_of())
    table = cast("Mapping[str, object]", value)
    if len(table) != 1:
        found = ", ".join(table) or "none"
        raise ConfigError(
            f"a filter has one dialect; this one has {found}", where=where, remedy="write one table for each dialect"
        )
    dialect, body = next(iter(table.items()))
    place = f"{where}.{dialect}"
    match dialect:
        case "all" | "any":
            if not isinstance(body, list) or not body:
                raise ConfigError(
                    "needs a list of filters", where=place, remedy='write [{exact = {type = "..."}}, ...]'
                )
            parts = tuple(parse_filter(item, f"{place}[{i}]") for i, item in enumerate(cast("list[object]", body)))
            return All(parts) if dialect == "all" else Any_(parts)
        case "not":
            return Not(parse_filter(body, place))
        case "sql":
            if not isinstance(body, str):
                raise ConfigError("needs a CESQL text", where=place, remedy="""write {sql = "type = 'order.placed'"}""")
            return parse_sql(body, place)
        case "exact" | "prefix" | "suffix":
            return _attributes(dialect, body, place)
        case "cesql":
            raise ConfigError("unknown filter dialect", where=place, remedy="the dialect is called sql")
        case _:
            raise ConfigError("unknown filter dialect", where=place, remedy=_one_of())


def parse_sql(text: str, where: str) -> Filter:
    """A CESQL text. Raises ConfigError that names the character and shows what stands there."""
    try:
        return sql(text)
    except ExpressionError as error:
        raise ConfigError(f"{error.what}, {_spot(text, error.position)}", where=where, remedy=error.remedy) from None


def _spot(text: str, position: int) -> str:
    around = text[max(0, position - _AROUND) : position], text[position : position + _AROUND]
    shown = " ".join(">>>".join(around).split())
    before, after = "…" if position > _AROUND else "", "…" if position + _AROUND < len(text) else ""
    return f"at character {position + 1}: {before}{shown}{after}"


def _attributes(dialect: str, body: object, place: str) -> Filter:
    if not isinstance(body, Mapping) or not body:
        raise ConfigError(
            "needs a table of attribute names and values", where=place, remedy=f'write {{{dialect} = {{type = "..."}}}}'
        )
    parts: list[Filter] = []
    for name, text in cast("Mapping[str, object]", body).items():
        if name == "data":
            raise ConfigError(
                "data is not an attribute",
                where=place,
                remedy="""read it in CESQL: {sql = "DATA('/status') = 'open'"}""",
            )
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no attribute name",
                where=place,
                remedy="attribute names are lower-case letters and digits",
            )
        if not isinstance(text, str) or not text:
            raise ConfigError(
                "an attribute is compared with text that is not empty",
                where=f"{place}.{name}",
                remedy="numbers and booleans in quotes too" if text != "" else "leave it out",
            )
        parts.append(_SIMPLE[dialect](name, text))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _one_of() -> str:
    return f"one of {', '.join(_DIALECTS)}"
