"""The references inside an entity: where its model has them, and how external ids in them become canonical ones."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from omnibridge.model import Ref

__all__ = ["links_in", "resolve"]

Path = tuple[str, ...]
_EACH = "*"


@lru_cache(maxsize=256)
def _paths(model: type[BaseModel]) -> tuple[Path, ...]:
    return tuple(_walk(model, ()))


def _walk(model: type[BaseModel], seen: tuple[type[BaseModel], ...]) -> Iterator[Path]:
    for name, field in model.model_fields.items():
        for path in _annotated(field.annotation, (*seen, model)):
            yield (name, *path)


def _annotated(annotation: Any, seen: tuple[type[BaseModel], ...]) -> Iterator[Path]:
    if annotation is Ref:
        yield ()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        yield from _walk(annotation, seen)
    else:
        origin = typing.get_origin(annotation)
        if origin is tuple:
            for path in _annotated(typing.get_args(annotation)[0], seen):
                yield (_EACH, *path)
        elif origin in (typing.Union, types.UnionType):
            for member in typing.get_args(annotation):
                yield from _annotated(member, seen)


def _at(value: Any, path: Path) -> Iterator[dict[str, Any]]:
    if not path:
        if isinstance(value, dict):
            yield typing.cast("dict[str, Any]", value)
        return
    if path[0] == _EACH:
        for item in value or ():
            yield from _at(item, path[1:])
    elif isinstance(value, dict):
        found = typing.cast("dict[str, Any]", value).get(path[0])
        if found is not None:
            yield from _at(found, path[1:])


def links_in(model: type[BaseModel], data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reference objects inside an entity's JSON, the very objects, so that a caller may fill them in."""
    return [link for path in _paths(model) for link in _at(data, path)]


def resolve(link: dict[str, Any], id: str) -> None:
    """Make a reference canonical: the vendor's id leaves it, as no other channel may read it."""
    link.pop("external_id", None)
    link["id"] = id
