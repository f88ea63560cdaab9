"""A model that takes less than in the last release is found, and where; one that takes more is none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from acme_connector import run
from acme_gold import write_gold
from acme_mutant import SRC, Change, apply
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from omnibridge.testing.conformance import CHECKS, End
from omnibridge.testing.conformance.narrowing import narrowed

WIRE = tuple(check for check in CHECKS if check.id == "wire-as-released")


class Then(BaseModel):
    id: str
    note: str | None = None
    parts: list[Then] = []


class More(BaseModel):
    id: str | int
    note: str | None = None
    parts: list[More] | None = None
    fresh: str = ""


class Renamed(BaseModel):
    id: str
    remark: str | None = None
    parts: list[Renamed] = []


class Needy(BaseModel):
    id: str
    note: str | None
    parts: list[Needy] = []


class Deep(BaseModel):
    id: str
    note: str | None = None
    parts: list[Part] = []


class Part(BaseModel):
    id: str
    note: str | None = None
    parts: list[int] = []


class Closed(Then):
    model_config = ConfigDict(extra="forbid")


def less(then: Any, now: Any) -> str | None:
    def schema(model: Any) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        made = TypeAdapter(model).json_schema(mode="validation")
        return made, made.get("$defs", {})

    (old, old_shared), (new, new_shared) = schema(then), schema(now)
    return narrowed(old, new, old_shared, new_shared)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (Then, Then),
        (Then, More),
        (int, float),
        (int, int | str),
        (Literal["a"], Literal["a", "b"]),
        (Literal["a"], str),
        (datetime, str),
        (Annotated[str, Field(max_length=5)], Annotated[str, Field(max_length=9)]),
        (Annotated[int, Field(ge=5)], Annotated[int, Field(ge=1)]),
        (list[int], list[Any]),
        (dict[str, int], dict[str, int | None]),
        (str, Any),
        (Closed, Then),
    ],
)
def test_what_takes_as_much_is_no_miss(then: Any, now: Any) -> None:
    assert less(then, now) is None


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (Then, Renamed, ".note is gone"),
        (Then, Needy, ".note is required"),
        (Then, Deep, ".parts[].parts[] no longer takes object"),
        (Then, Closed, ".* is refused"),
        (float, int, " no longer takes number"),
        (int | None, int, " no longer takes null"),
        (Literal["a", "b"], Literal["a", "c"], " no longer takes 'b'"),
        (str, Literal["a"], " no longer takes 'anything'"),
        (str, datetime, " is bound by format date-time"),
        (str, Annotated[str, Field(max_length=5)], " is bound by maxLength 5"),
        (Annotated[int, Field(ge=1)], Annotated[int, Field(ge=5)], " is bound by minimum 5"),
        (list[Any], list[int], "[] no longer takes anything"),
        (dict[str, int | None], dict[str, int], ".* no longer takes null"),
        (Any, str, " no longer takes anything"),
    ],
)
def test_what_takes_less_says_where(then: Any, now: Any, told: str) -> None:
    assert less(then, now) == told


def test_a_change_is_shown_as_a_difference_first(tmp_path: Path) -> None:
    folder = write_gold(tmp_path)
    apply(folder, (Change(SRC + "wire.py", "    first_name: str | None = None", "    first_name: str"),))
    (result,) = run(folder, WIRE)
    assert (result.end, "wire/models.json (golden)" in result.told) == (End.MISSED, True), result.told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("class Page(_Wire)", "class List(_Wire)", "the model Page of the last release is gone"),
        ("    last_name: str | None = None\n", "", "CustomerRow.last_name is gone"),
        ("    id: str\n", "    id: int\n", "CustomerRow.id no longer takes string"),
    ],
    ids=["another name", "gone", "another type"],
)
def test_what_was_released_stays(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = write_gold(tmp_path)
    file = folder / SRC / "wire.py"
    assert old in file.read_text()
    text = file.read_text().replace(old, new).replace('["Page"', '["List"')
    file.write_text(text.replace('    "Page",', '    "List",'))
    package = folder / "src/omnibridge_acme"
    for other in (package / "polls.py", package / "outbound.py", package / "inbound.py"):
        other.write_text(other.read_text().replace("Page", "List") if "List" in new else other.read_text())
    run(folder, WIRE, write_golden=True)
    (result,) = run(folder, WIRE)
    assert (result.end, result.told) == (End.MISSED, told)
