"""`omnibridge schema`, as it is installed: documents that keep to their standards, and a way to each type's schema."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from omnibridge.model import catalogue
from omnibridge.model.examples import example

ENTRIES = catalogue()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The console script that stands beside this interpreter."""
    script = Path(sys.executable).with_name("omnibridge")
    return subprocess.run([script, "schema", *arguments], capture_output=True, text=True, timeout=60, check=False)


@cache
def document(*arguments: str) -> Any:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def validate(instance: Any, schema: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    validator.validate(instance)


def test_asyncapi_is_valid_and_so_is_every_example_in_it(cloudevents_specs):
    standard = json.loads((cloudevents_specs / "asyncapi" / "asyncapi-3.1.0.json").read_text())
    made = document("--format", "asyncapi")
    jsonschema.Draft7Validator(standard).validate(made)
    messages = made["components"]["messages"]
    assert set(messages) == {entry.name for entry in ENTRIES}
    for name, message in messages.items():
        assert message["examples"], name
        for one in message["examples"]:
            validate(one["headers"], message["headers"])
            validate(one["payload"], {**message["payload"], "components": made["components"]})


def test_xregistry_is_valid_by_both_of_its_schemas(cloudevents_specs):
    made = document("--format", "xregistry")
    for folder in ("cloudevents", "message"):
        standard = cloudevents_specs / "xregistry" / folder / "schemas" / "document-schema.json"
        jsonschema.Draft7Validator(json.loads(standard.read_text())).validate(made)
    assert {name for group in made["messagegroups"].values() for name in group["messages"]} == {
        entry.type for entry in ENTRIES
    }


def test_jsonschema_of_every_type_takes_its_example():
    made = document("--format", "jsonschema")
    assert set(made) == {entry.type for entry in ENTRIES}
    for type_, schema in made.items():
        validate(example(type_), schema)
        for one in schema["examples"]:
            validate(one, schema)


@pytest.mark.parametrize("name", ["order.placed", "io.omnibridge.order.placed.v1"])
def test_one_types_schema_by_either_of_its_names(name):
    assert document(name)["$id"] == next(entry.dataschema for entry in ENTRIES if entry.name == "order.placed")
    assert document(name) == document("--format", "jsonschema")["io.omnibridge.order.placed.v1"]


def test_a_connectors_settings():
    made = document("cloudevents")
    validate({"url": "https://partner.example/", "origin": "bridge.example"}, made)
    with pytest.raises(jsonschema.ValidationError):
        validate({"adress": "https://partner.example/"}, made)


def test_the_table_lists_every_type():
    done = run()
    assert done.returncode == 0
    assert all(entry.name in done.stdout for entry in ENTRIES)


def test_something_unknown_is_said_and_is_an_error():
    done = run("order.plcaed")
    assert (done.returncode, done.stdout) == (1, "")
    assert "order.plcaed" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_takes_the_examples_as_they_are_written_and_refuses_typos(repository):
    made = document("--format", "config")
    files = sorted(repository.glob("examples/**/bridge.toml"))
    assert files
    for path in files:
        validate(tomllib.loads(path.read_text("utf-8")), made)
    validate({"server": {"port": 80, "events_rate": "${RATE}", "allowed_origins": ["*"]}}, made)
    for wrong in ({"server": {"port": "eighty"}}, {"server": {"prot": 80}}, {"channels": {"a": {}}}, {"routes": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong, made)
