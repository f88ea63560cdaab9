"""The catalogue: each type has a model, meaning, schema and example, and the documents keep to their standards."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from omnibridge.codec.catalogue import asyncapi, json_schema, xregistry
from omnibridge.errors import InvalidMessage, UnknownItem
from omnibridge.event import Event
from omnibridge.model import (
    PREFIX,
    Command,
    Entity,
    Message,
    Order,
    catalogue,
    entity_class,
    full_type,
    lookup,
    short_type,
)
from omnibridge.model.catalogue import NOTICES
from omnibridge.model.examples import example

ENTRIES = catalogue()


def validate(instance, schema) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    validator.validate(instance)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_type_is_complete(entry):
    assert re.fullmatch(r"io\.omnibridge(\.[a-z]+){2,3}\.v[1-9]", entry.type)
    assert entry.meaning.endswith(".")
    notice = entry.name in NOTICES
    assert notice or issubclass(entry.model, Command if entry.command else Entity)
    assert full_type(entry.name) == entry.type == full_type(entry.type)
    assert short_type(entry.type) == entry.name
    assert lookup(entry.name) is lookup(entry.type) is entry
    data = example(entry.type)
    validate(data, json_schema(entry.type))
    event = Event.make(entry.type, data, id="1", source="/default/example/webshop", dataschema=entry.dataschema)
    parsed = event.parse()
    assert type(parsed) is entry.model
    assert parsed.model_dump(mode="json", exclude_unset=True) == data  # the example is already as we would write it
    if isinstance(parsed, Order):
        assert parsed.check() == ()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_schemas_refuse_what_the_model_refuses_but_for_members_to_come(entry):
    schema = json_schema(entry.name)
    assert schema["$id"] == entry.dataschema
    assert '"additionalProperties": false' not in json.dumps(schema)
    validate({**example(entry.name), "member_to_come": 1}, schema)
    required = [name for name, field in entry.model.model_fields.items() if field.is_required()]
    assert schema.get("required", []) == required
    with pytest.raises(jsonschema.ValidationError):
        validate([], schema)


def test_amounts_are_text_in_schemas():
    data = example("order.placed")
    data["totals"]["total"]["amount"] = 264.0
    with pytest.raises(jsonschema.ValidationError):
        validate(data, json_schema("order.placed"))


def test_examples_are_copies():
    example("order.placed")["lines"].clear()
    assert example("order.placed")["lines"]


def test_foreign_names_stay_as_they_are():
    assert full_type("com.example.done") == short_type("com.example.done") == "com.example.done"
    assert lookup("com.example.done") is None
    for call in (json_schema, example, entity_class):
        with pytest.raises(UnknownItem):
            call("com.example.done")


def test_names_are_sorted_and_unique():
    names = [entry.name for entry in ENTRIES]
    assert names == sorted(set(names))
    assert len({entry.type for entry in ENTRIES}) == len(names) > 40
    assert all(entry.type.startswith(PREFIX) for entry in ENTRIES)


# -- a superseded type ---------------------------------------------------------------------------------------------

OLD = "io.omnibridge.message.received.v0"


def old(data) -> Event:
    return Event.make(OLD, data, id="1", source="/s")


def test_a_superseded_type_is_read_as_the_one_that_replaced_it():
    event = old({"from": "+4533123456", "to": "+4533000000", "text": "Hi", "at": "2026-11-21T10:00:00Z"})
    assert event.name == "message.received"
    assert event.parse() == Message.model_validate(
        {
            "direction": "inbound",
            "medium": "sms",
            "sender": "+4533123456",
            "recipient": "+4533000000",
            "body": "Hi",
            "state": "received",
            "sent_at": "2026-11-21T10:00:00Z",
        }
    )


def test_absent_and_null_stay_apart_through_it():
    assert "body" not in old({"from": "+45"}).parse().model_fields_set
    assert old({"from": "+45", "text": None}).parse().model_fields_set >= {"body"}


@pytest.mark.parametrize("data", [None, [], 1, "x", {}, {"text": "x"}, {"from": 1}, {"from": "+45", "sms": "x"}])
def test_what_never_had_the_old_shape_is_invalid(data):
    with pytest.raises(InvalidMessage):
        old(data).parse()


def test_superseded_types_are_read_and_never_written():
    entry = lookup(OLD)
    assert entry is lookup("message.received")
    assert entry is not None
    assert full_type("message.received") == entry.type != OLD
    assert OLD not in {one.type for one in ENTRIES}
    data = {"from": "+45"}
    entry.replaces[OLD](data)
    assert data == {"from": "+45"}  # pure
    assert hash(entry)


# -- documents -----------------------------------------------------------------------------------------------------


def test_the_asyncapi_document_is_valid(cloudevents_specs):
    schema = json.loads((cloudevents_specs / "asyncapi" / "asyncapi-3.1.0.json").read_text())
    document = json.loads(json.dumps(asyncapi("acme")))
    jsonschema.Draft7Validator(schema).validate(document)
    assert set(document["components"]["messages"]) == {entry.name for entry in ENTRIES}
    for message in document["components"]["messages"].values():
        for one in message["examples"]:
            validate(one["headers"], message["headers"])
            validate(one["payload"], {**message["payload"], "components": document["components"]})


def test_every_reference_of_the_asyncapi_document_points_somewhere():
    document = asyncapi()
    refs = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    for ref in refs:
        place = document
        for part in ref.split("/"):
            place = place[part]
    listed = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert listed == {entry.name for entry in ENTRIES}
    assert {one["action"] for one in document["operations"].values()} == {"send", "receive"}


def test_the_xregistry_document_is_valid(cloudevents_specs):
    document = json.loads(json.dumps(xregistry()))
    for folder in ("cloudevents", "message"):
        path = cloudevents_specs / "xregistry" / folder / "schemas" / "document-schema.json"
        jsonschema.Draft7Validator(json.loads(path.read_text())).validate(document)
    (messages,) = (group["messages"] for group in document["messagegroups"].values())
    assert set(messages) == {entry.type for entry in ENTRIES}
    for message in messages.values():
        place = document
        for part in message["dataschemaxid"].strip("/").split("/"):
            place = place[part]
        for version in place["versions"].values():
            jsonschema.Draft202012Validator.check_schema(version["schema"])
