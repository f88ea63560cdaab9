"""The schema of `bridge.toml` for editors: it says what the program says, about what is right and what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from omnibridge.config import ConfigFile, parse
from omnibridge.registry import Registry

SCHEMA: dict[str, Any] = ConfigFile.model_json_schema()


def judge(text: str) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(tomllib.loads(text))


def ours(text: str) -> bool:
    config = parse(text, {}, Registry(), name="bridge.toml", folder=Path())
    return not [problem for problem in config.problems if not problem.warning]


def test_it_is_a_schema_and_describes_every_field():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for name, section in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        for field, told in section.get("properties", {}).items():
            assert told.get("description") or "$ref" in told or "default" in told or not name, f"{name}.{field}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[bridge]\ntenant = "acme"\njournal = "j.db"\npublic_url = "https://b.example"\n',
        '[channels.a]\nconnector = "cloudevents"\n[channels.a.settings]\naccept_unsigned = true\n'
        '[[routes]]\nname = "r"\nevents = ["order.placed"]\nfrom = ["events"]\nto = ["a"]\n',
    ],
)  # fmt: skip
def test_what_is_right_is_right_for_both(text):
    assert judge(text)
    assert ours(text)


@pytest.mark.parametrize(
    "text",
    [
        "[brige]\n",
        '[bridge]\ntenant = "No"\n',
        "[server]\nport = 70000\n",
        "[retention]\ndedupe_days = 1\n",
        "[channels.a]\n",
        '[[routes]]\nname = "r"\n',
        '[[routes]]\nname = "r"\nevents = ["*"]\nto = []\n',
        '[[routes]]\nname = "r"\nevents = ["*"]\nto = ["a"]\non_unknown = "guess"\n',
    ],
)
def test_what_is_wrong_is_wrong_for_both(text):
    assert not judge(text)
    assert not ours(text)


def test_secrets_are_marked_so_that_editors_hide_them():
    assert SCHEMA["$defs"]["ServerSection"]["properties"]["token"]["anyOf"][0]["writeOnly"] is True
