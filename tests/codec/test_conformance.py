"""The CloudEvents project's own conformance cases for HTTP, read by a small reader of Gherkin."""

from __future__ import annotations

import json
import textwrap

from omnibridge.codec import read_events


def scenarios(text: str):
    """(title, request, attributes, data) of each scenario, once for each of its examples."""
    for chunk in text.split("Scenario Outline:")[1:]:
        title, _, rest = chunk.partition("\n")
        steps, _, examples = rest.partition("Examples:")
        names, *rows = [cells(line) for line in examples.splitlines() if "|" in line]
        for row in rows:
            filled = steps
            for name, value in zip(names, row, strict=True):
                filled = filled.replace(f"<{name}>", value)
            _, request, table, data, _ = filled.split('"""')
            pairs = [cells(line) for line in table.splitlines() if "|" in line][1:]
            yield title.strip(), textwrap.dedent(request).strip("\n"), dict(pairs), json.loads(data)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def parsed(request: str) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert int(headers["Content-Length"]) > 0
    return headers, body.encode()


def test_every_case_of_the_http_binding(cloudevents_specs):
    text = (cloudevents_specs / "http-conformance" / "http-protocol-binding.feature").read_text()
    cases = list(scenarios(text))
    assert len(cases) == 4
    for title, request, attributes, data in cases:
        headers, body = parsed(request)
        (event,) = read_events(headers, body)
        assert event.attributes() == attributes, title
        assert event.data == data, title
