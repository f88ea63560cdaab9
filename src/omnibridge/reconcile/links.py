"""The references inside an entity: where its model has them, and how external ids in them become canonical ones."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from omnibridge.model import Ref

__all__ = ["Json", "links_in", "resolved"]

Path = tuple[str, ...]
Json = dict[str, Any]
"""An entity as JSON."""
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


def _at(value: Any, path: Path, place: int) -> Iterator[Json]:
    """The reference objects at `path[place:]` of a JSON value."""
    for index in range(place, len(path)):
        if value is None:
            return
        if path[index] == _EACH:
            for item in value:
                yield from _at(item, path, index + 1)
            return
        value = value.get(path[index])
    if value is not None:
        yield value


def links_in(model: type[BaseModel], data: Json) -> list[Json]:
    """The reference objects inside an entity's JSON, the very objects."""
    return [link for path in _paths(model) if path[0] in data for link in _at(data, path, 0)]


def resolved(model: type[BaseModel], data: Json, id_of: Callable[[str, str], str]) -> Json:
    """A copy of an entity's JSON with canonical references: the vendor's ids leave it, no other channel reads them.

    `id_of(kind, external id)` gives the canonical id. Only what holds references is copied; the rest is shared.
    """
    made = dict(data)
    for path in _paths(model):
        if made.get(path[0]) is not None:
            made[path[0]] = _copied(made[path[0]], path, 1, id_of)
    return made


def _copied(value: Any, path: Path, place: int, id_of: Callable[[str, str], str]) -> Any:
    if value is None:
        return None
    if place == len(path):
        external: str | None = value.get("external_id")
        if external is None:
            return value
        return {"kind": value["kind"], "id": id_of(value["kind"], external)}
    if path[place] == _EACH:
        return [_copied(item, path, place + 1, id_of) for item in value]
    name = path[place]
    if value.get(name) is None:
        return value
    return {**value, name: _copied(value[name], path, place + 1, id_of)}
