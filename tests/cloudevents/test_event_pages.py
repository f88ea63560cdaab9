"""The pages about events: one readable section an event type, with an example that is valid and would be understood."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from omnibridge.codec.catalogue import json_schema
from omnibridge.event import Event
from omnibridge.model import catalogue

ENTRIES = {entry.name: entry for entry in catalogue()}


@pytest.fixture(scope="module")
def sections(repository) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for page in sorted((repository / "docs" / "reference" / "events").glob("*.md")):
        for section in re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            found.setdefault(section.partition("\n")[0].strip("`"), []).append(section)
    return found


def test_every_type_has_one_section_and_nothing_else_has(sections):
    assert set(sections) == set(ENTRIES)
    assert all(len(found) == 1 for found in sections.values())


@pytest.mark.parametrize("name", ENTRIES)
def test_a_section_says_what_happened_and_shows_it(sections, name):
    entry, (section,) = ENTRIES[name], sections[name]
    assert entry.meaning in section
    (shown,) = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    data = json.loads(shown)
    jsonschema.Draft202012Validator(json_schema(name), format_checker=jsonschema.FormatChecker()).validate(data)
    assert type(Event.make(entry.type, data, id="1", source="/s").parse()) is entry.model


def test_the_list_of_types_leads_to_each_section(repository, sections):
    text = (repository / "docs" / "reference" / "events.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| \[`([^`]+)`\]\(([^)#]+)", text, re.MULTILINE))
    assert set(listed) == set(ENTRIES)
    for name, target in listed.items():
        page = repository / "docs" / "reference" / target
        assert f"## `{name}`" in page.read_text("utf-8"), name
