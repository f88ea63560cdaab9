"""The specification's own conformance cases, every one of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnibridge import cesql
from omnibridge.errors import ExpressionError

ROOT = Path(__file__).parents[2]
FACTS = (ROOT / os.environ.get("OMNIBRIDGE_CLOUDEVENTS", "../shared/cloudevents")).resolve()
FOLDER = FACTS / "cesql" / "cesql_tck"
REASON = f"the CESQL conformance cases are not at {FOLDER}: set OMNIBRIDGE_CLOUDEVENTS to the folder that holds cesql/"

EVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed"}

# One upstream case contradicts the cast table of §3.7 (an Integer that is not 0 casts to true, without an error), and
# upstream's own cases of BOOL(100). By the rule its result is false, with no error.
DEFECT = "NOT 10"


class TextLoader(yaml.SafeLoader):
    """YAML in which timestamps stay the strings that they are in a CloudEvent."""


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def cases() -> list[Any]:
    found: list[Any] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        suite, written = yaml.load(text, TextLoader), yaml.load(text, yaml.BaseLoader)
        for case, as_written in zip(suite["tests"], written["tests"], strict=True):
            case["expression"] = as_written["expression"]  # an expression such as -10 or TRUE is a string, too
        # Some names of upstream's repeat, so the number of the case is part of the id.
        found += [pytest.param(case, id=f"{path.stem}-{n}: {case['name']}") for n, case in enumerate(suite["tests"])]
    return found


CASES = cases()
needs_cases = pytest.mark.skipif(not CASES, reason=REASON)


@needs_cases
@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    expected, error = case.get("result"), case.get("error")
    if error == "parse":
        with pytest.raises(ExpressionError):
            cesql.compile(case["expression"])
        return
    if case["expression"] == DEFECT:
        assert (expected, error) == (True, "cast"), "upstream has mended its case: remove the exception here"
        expected, error = False, None
    attributes = {**case.get("event", EVENT), **case.get("eventOverrides", {})}
    expression = cesql.compile(case["expression"])
    result = expression.evaluate(attributes)
    assert result.error == error
    assert (type(result.value), result.value) == (type(expected), expected)
    assert expression.matches(attributes) is (error is None and expected is True)
    explained = expression.explain(attributes)
    assert (explained.value, explained.error) == (result.value, result.error)


@needs_cases
def test_there_are_275_cases() -> None:
    assert len(CASES) == 275
    assert [case.values[0]["expression"] for case in CASES].count(DEFECT) == 1
