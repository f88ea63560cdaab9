"""What a JSON pointer finds in the data of a catalogue type: read off the models, without an event."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

__all__ = ["Shape", "ShapeKind", "near", "shape_at"]

ShapeKind: TypeAlias = Literal["object", "list", "decimal", "text", "word", "integer", "boolean", "moment", "anything"]

_LEVELS = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """What stands at a pointer. `decimal` is an exact number in a text, `word` one of `words`."""

    kind: ShapeKind
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        article = "an" if self.kind in ("object", "integer", "anything") else "a"
        return {
            "decimal": "a decimal number in a text",
            "word": f"one of {', '.join(self.words)}",
            "moment": "a point in time",
            "text": "a text",
            "boolean": "true or false",
        }.get(self.kind, f"{article} {self.kind}")


_ANYTHING = Shape("anything")


@lru_cache(maxsize=1024)
def shape_at(model: type[BaseModel], pointer: str) -> Shape | None:
    """What a valid JSON pointer finds in a model's JSON; None where the model has no such place."""
    found: list[object] = [model]
    for key in pointer.split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        found = [below for one in found for below in _step(one, name)]
    shapes = [_shape(one) for one in found]
    if not shapes:
        return None
    return shapes[0] if all(shape == shapes[0] for shape in shapes) else _ANYTHING


@lru_cache(maxsize=1024)
def near(model: type[BaseModel], pointer: str) -> str | None:
    """The place of a model that somebody most likely meant by a pointer that finds nothing."""
    found = difflib.get_close_matches(pointer, _pointers(model), 1, 0.75)
    return found[0] if found else None


@lru_cache(maxsize=64)
def _pointers(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(_below(model, "", _LEVELS))


def _below(annotation: object, at: str, levels: int) -> Iterator[str]:
    for one in _alternatives(annotation):
        if not levels:
            continue
        for key, below in _children(one).items():
            yield f"{at}/{key}"
            yield from _below(below, f"{at}/{key}", levels - 1)


def _alternatives(annotation: object) -> list[object]:
    """The annotation without what surrounds it: Annotated, and None in a union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for one in get_args(annotation) if one is not type(None) for inner in _alternatives(one)]
    return [annotation]


def _children(annotation: object) -> Mapping[str, object]:
    if _is_list(annotation):
        return {"0": get_args(annotation)[0]}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: field.annotation for name, field in annotation.model_fields.items()}
    return {}


def _step(annotation: object, key: str) -> list[object]:
    found: list[object] = []
    for one in _alternatives(annotation):
        shape = _shape(one)
        if shape.kind == "object" and get_origin(one) is dict:
            found += _alternatives(get_args(one)[1])
        elif shape.kind == "anything":
            found.append(Any)
        elif _is_list(one) and key.isdigit():
            found += _alternatives(get_args(one)[0])
        elif not _is_list(one):
            children = _children(one)
            found += _alternatives(children[key]) if key in children else []
    return found


def _is_list(annotation: object) -> bool:
    origin: object = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _shape(annotation: object) -> Shape:
    if _is_list(annotation):
        return Shape("list")
    if get_origin(annotation) is dict:
        return Shape("object")
    if annotation is AwareDatetime:  # which is no datetime to a type checker
        return Shape("moment")
    if not isinstance(annotation, type):
        return _ANYTHING
    if issubclass(annotation, Enum):
        return Shape("word", tuple(str(member.value) for member in annotation))
    for kinds, kind in _KINDS:
        if issubclass(annotation, kinds):
            return Shape(kind)
    return _ANYTHING


_KINDS: tuple[tuple[type | tuple[type, ...], ShapeKind], ...] = (
    (BaseModel, "object"),
    (Decimal, "decimal"),
    (str, "text"),
    (bool, "boolean"),
    (int, "integer"),
    ((datetime, date), "moment"),
)
