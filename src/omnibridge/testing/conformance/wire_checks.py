"""What the models of the vendor's shapes take: they drop nothing (bronze), and no less than in the last release (gold).

They are the pydantic models and typed dictionaries of the package's modules whose names begin with `wire`, and what
derives from those elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TypeGuard

from pydantic import BaseModel, JsonValue, PydanticUserError, TypeAdapter

from omnibridge.testing.conformance.check import bronze, gold
from omnibridge.testing.conformance.golden import compare
from omnibridge.testing.conformance.narrowing import narrowed
from omnibridge.testing.conformance.subject import Missed, NotApplicable, Subject

__all__ = ["RELEASE_CHECKS", "WIRE_CHECKS", "wire_models"]

_FOLDER, _NAME = "wire", "models"
_NONE = "no module of it that begins with `wire` has a model"


def wire_models(subject: Subject) -> dict[str, type]:
    """The models of the vendor's shapes, by their names; those that begin with `_` are parts of the others."""
    _ = subject.connector  # what cannot be imported is told of there
    things = [thing for name in _modules(subject.package) for thing in _made_in(name)]
    wire = [thing for thing in things if _is_wire(thing)]
    bases = tuple(thing for thing in wire if issubclass(thing, BaseModel))
    found: dict[str, type] = {}
    for thing in things:
        if (thing in wire or issubclass(thing, bases)) and not thing.__name__.startswith("_"):
            twice = thing.__name__ in found
            found[f"{thing.__module__}.{thing.__name__}" if twice else thing.__name__] = thing
    return dict(sorted(found.items()))


def _modules(package: Path) -> Iterator[str]:
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _made_in(module: str) -> list[type]:
    """The models that a module defines."""
    things: dict[str, object] = vars(import_module(module))
    return [thing for thing in things.values() if _is_model(thing) and thing.__module__ == module]


def _is_model(thing: object) -> TypeGuard[type]:
    typed_dict = hasattr(thing, "__total__")  # whichever of the two modules it is of
    return typed_dict or (isinstance(thing, type) and issubclass(thing, BaseModel))


def _is_wire(thing: type) -> bool:
    return any(part.startswith("wire") for part in thing.__module__.split(".")[1:])


@bronze(
    why="What the vendor adds is often what a company asks for next: `[channel.map]` and a later release can only use "
    "what was not thrown away.",
    mend='Let the models of the vendor\'s shapes have `ConfigDict(extra="allow")`: pydantic drops unknown fields '
    "otherwise, without a word. The delivery itself is kept by the core.",
)
def unknown_kept(subject: Subject) -> None:
    """No model of the vendor's shapes drops a field that it does not know."""
    models = wire_models(subject)
    if not models:
        raise NotApplicable(_NONE)
    drops = [
        name
        for name, model in models.items()
        if issubclass(model, BaseModel) and model.model_config.get("extra", "ignore") == "ignore"
    ]
    if drops:
        raise Missed(f"{', '.join(drops)} drops what it does not know")


@gold(
    why="What waits in the journal, and what older versions of the vendor's API send, was taken by the last release; a "
    "model that takes less refuses it after the update, and a field that is gone is read by nobody.",
    mend="Keep each field, make no more of them required, and widen types only. Write golden/wire/models.json with "
    "--write-golden, and copy `golden/` to the folder that `Conformance.released` names when you release.",
)
def wire_as_released(subject: Subject) -> None:
    """The models of the vendor's shapes take all that they took in the last release, and still read each field."""
    models = wire_models(subject)
    if not models:
        raise NotApplicable(_NONE)
    now = _schemas(models)
    released, place = subject.given.released, f"{_FOLDER}/{_NAME}.json"
    if released is not None or subject.write_golden or (subject.golden / place).is_file():
        compare(subject, _FOLDER, _NAME, json.dumps(now, indent=2, sort_keys=True) + "\n")
    if released is None:
        raise NotApplicable("conformance.py names no earlier release")
    file = released / place
    if not file.is_file():
        raise Missed(f"there is no {released.name}/{place}: copy golden/ there when you release")
    then: dict[str, dict[str, JsonValue]] = json.loads(file.read_text("utf-8"))
    for name, schema in then["models"].items():
        if name not in now["models"]:
            raise Missed(f"the model {name} of the last release is gone")
        less = narrowed(schema, now["models"][name], then["$defs"], now["$defs"])
        if less is not None:
            raise Missed(f"{name}{less}")


def _schemas(models: Mapping[str, type]) -> dict[str, dict[str, JsonValue]]:
    """The JSON Schemas of all of them, with what they share."""
    try:
        several, whole = TypeAdapter.json_schemas(
            [(name, "validation", TypeAdapter[object](model)) for name, model in models.items()]
        )
    except PydanticUserError as error:
        raise Missed(f"no JSON Schema can be made of a model: {error}") from error
    made: dict[str, JsonValue] = {name: _bare(schema) for (name, _), schema in several.items()}
    shared: dict[str, JsonValue] = whole.get("$defs", {})
    return {"models": made, "$defs": {name: _bare(schema) for name, schema in shared.items()}}


def _bare(schema: JsonValue, named: bool = False) -> JsonValue:
    """A schema without what is for people; `named` where its keys are names of fields."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    for_people = () if named else ("title", "description", "examples", "default")
    return {
        name: _bare(value, named=name in ("properties", "$defs") and not named)
        for name, value in schema.items()
        if name not in for_people
    }


WIRE_CHECKS = (unknown_kept,)
RELEASE_CHECKS = (wire_as_released,)
