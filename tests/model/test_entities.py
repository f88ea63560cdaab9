"""Every entity: three states of a field survive JSON, nothing is a float, and what is made from types comes back."""

from __future__ import annotations

import types
import typing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from omnibridge.event import Event
from omnibridge.model import (
    COMMANDS,
    ENTITIES,
    Command,
    Customer,
    Entity,
    Instant,
    Message,
    MessageState,
    PaymentMethod,
    catalogue,
)
from omnibridge.model.base import rfc3339

MODELS: list[type[Entity] | type[Command]] = [*ENTITIES.values(), *COMMANDS.values()]
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
# Of a zone with summer time some hours are twice there, and Python finds no other time equal to those.
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
values: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
    str: texts,
    bool: st.booleans(),
    int: st.integers(0, 2**31),
    Decimal: st.decimals(-(10**9), 10**9, places=3),
    AwareDatetime: st.datetimes(datetime(1900, 1, 1), timezones=zones),  # noqa: DTZ001 - a bound
    date: st.dates(),
}
FORMS = {
    "email": st.just("a@example.com"),
    "phone": st.just("+4533123456"),
    "currency": st.sampled_from(["EUR", "JPY"]),
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def of(annotation: typing.Any, name: str = "") -> st.SearchStrategy[typing.Any]:
    """Values of a field's type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return of(arguments[0], name)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(of(argument, name) for argument in arguments))
    if annotation is type(None):
        return st.none()
    if origin is tuple:
        return st.lists(of(arguments[0], name), max_size=2).map(tuple)
    if origin is dict:
        inner = json_values if arguments[1] is not str else texts
        return st.dictionaries(texts, inner, max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return instances(annotation)
    if annotation is str and name in FORMS:
        return FORMS[name]
    return values[annotation]


def instances(model: type[BaseModel]) -> st.SearchStrategy[typing.Any]:
    """Instances with any of the optional fields set, to None where that is allowed."""
    fields = {name: of(field.annotation, name) for name, field in model.model_fields.items()}
    required = {name: fields[name] for name, field in model.model_fields.items() if field.is_required()}
    optional = {name: strategy for name, strategy in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: model(**given))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
@settings(max_examples=30)
@given(data=st.data())
def test_every_entity_comes_back_from_json_with_the_same_fields_set(model, data):
    made = data.draw(instances(model))
    back = model.model_validate_json(made.model_dump_json(exclude_unset=True))
    assert back == made
    assert back.model_fields_set == made.model_fields_set
    event = Event.make("t", made, id="1", source="/")
    assert model.model_validate(event.data) == made


def test_absent_null_and_a_value_are_three_things():
    states = [Customer(), Customer(note=None), Customer(note="x")]
    written = [one.model_dump_json(exclude_unset=True) for one in states]
    assert written == ["{}", '{"note":null}', '{"note":"x"}']
    assert ["note" in Customer.model_validate_json(one).model_fields_set for one in written] == [False, True, True]


def types_within(model: type[BaseModel], seen: set[type]) -> typing.Iterator[tuple[str, typing.Any]]:
    """Every type within a model, with its place."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        stack = [field.annotation]
        while stack:
            one = stack.pop()
            yield f"{model.__name__}.{name}", one
            stack.extend(typing.get_args(one))
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from types_within(one, seen)


def test_there_is_no_float_anywhere():
    seen: set[type] = set()
    places = [place for model in MODELS for place, one in types_within(model, seen) if one is float]
    assert not places
    assert len(seen) > 20


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
def test_models_are_frozen_and_refuse_unknown_fields(model):
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert model.__doc__


def test_every_kind_is_in_the_catalogue_once():
    kinds = {entry.model.KIND for entry in catalogue() if issubclass(entry.model, Entity | Command)}
    assert kinds == {*ENTITIES, *COMMANDS}


def test_open_enumerations_know_other():
    assert PaymentMethod.of("CARD") is PaymentMethod.CARD
    assert PaymentMethod.of("barter") is PaymentMethod.OTHER
    assert PaymentMethod.of(None) is PaymentMethod.OTHER
    assert {state.rank for state in MessageState} == set(range(7))


@given(st.datetimes(datetime(1000, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - a bound
def test_instants_are_rfc_3339_and_keep_their_zone_and_microseconds(at):
    adapter = TypeAdapter(Instant)
    text = adapter.dump_python(at, mode="json")
    assert text == rfc3339(at)
    assert adapter.validate_python(text).astimezone(UTC) == at.astimezone(UTC)
    Event(id="1", source="/", type="t", time=text)


@pytest.mark.parametrize("wrong", ["2026-11-21T10:00:00", "soon", None])
def test_an_instant_has_a_zone(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(wrong)
    assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"


def test_a_message_needs_what_it_is_about():
    with pytest.raises(ValidationError):
        Message.model_validate({"medium": "sms"})
