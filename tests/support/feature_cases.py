"""The CloudEvents project's own conformance cases for HTTP, read by a small reader of Gherkin."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A request as it stands in the feature file, and what must be read from it."""

    title: str
    headers: dict[str, str]
    body: bytes
    attributes: dict[str, str]
    data: Any


def http_cases(cloudevents_specs: Path) -> list[Case]:
    """Each scenario of the HTTP feature, once for each of its examples."""
    text = (cloudevents_specs / "http-conformance" / "http-protocol-binding.feature").read_text()
    return list(_cases(text))


def _cases(text: str) -> Iterator[Case]:
    for chunk in text.split("Scenario Outline:")[1:]:
        title, _, rest = chunk.partition("\n")
        steps, _, examples = rest.partition("Examples:")
        names, *rows = [_cells(line) for line in examples.splitlines() if "|" in line]
        for row in rows:
            filled = steps
            for name, value in zip(names, row, strict=True):
                filled = filled.replace(f"<{name}>", value)
            _, request, table, data, _ = filled.split('"""')
            pairs = [_cells(line) for line in table.splitlines() if "|" in line][1:]
            headers, body = _request(textwrap.dedent(request).strip("\n"))
            yield Case(title.strip(), headers, body, dict(pairs), json.loads(data))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _request(text: str) -> tuple[dict[str, str], bytes]:
    head, _, body = text.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert int(headers["Content-Length"]) > 0
    return headers, body.encode()
