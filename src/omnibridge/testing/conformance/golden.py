"""Golden files: what was right once, compared with what is now."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from pydantic import JsonValue

from omnibridge.connector import Observation, Request, dump_observations
from omnibridge.testing.conformance.subject import Missed, Subject

__all__ = ["compare", "observations_text", "requests_text"]

_WRITE = "run pytest with --write-golden, read what it wrote, and keep it"


def compare(subject: Subject, folder: str, name: str, now: str) -> None:
    """Hold `now` against the golden file `folder/name.json`, or write it. Raises Missed with the differences."""
    file = subject.golden / folder / f"{name}.json"
    if subject.write_golden:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, "utf-8")
        return
    shown = f"{file.parent.parent.name}/{folder}/{file.name}"
    if not file.is_file():
        raise Missed(f"there is no golden file {shown}: {_WRITE}")
    then = file.read_text("utf-8")
    if now != then:
        lines = difflib.unified_diff(then.splitlines(), now.splitlines(), f"{shown} (golden)", "now", lineterm="")
        raise Missed("\n".join(lines))


def observations_text(observations: Sequence[Observation]) -> str:
    """What a connector says it saw, as JSON for people."""
    return _text(json.loads(dump_observations(observations)))


def requests_text(requests: Sequence[Request]) -> str:
    """The requests of an exchange, as JSON for people; without what the core adds."""
    return _text(
        [
            {
                "method": request.method,
                "path": request.path,
                "params": [list(pair) for pair in request.params],
                "headers": dict(request.headers),
                "body": _body(request),
                "step": request.step,
                "protection": type(request.protection).__name__ if request.protection else None,
            }
            for request in requests
        ]
    )


def _body(request: Request) -> JsonValue:
    text = request.body.decode("utf-8", "backslashreplace")
    if request.content_type and "json" in request.content_type and text:
        body: JsonValue = json.loads(text)
        return body
    if "form" in (request.content_type or ""):
        return [*text.split("&")]
    return text


def _text(value: JsonValue) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
