"""A waiver excuses one miss, for a reason and a time; one that is stale, endless or not needed is a miss itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from acme_connector import installed, write_acme

from omnibridge.errors import ConfigError
from omnibridge.testing.conformance import CHECKS, Check, Conformance, End, Subject, Waiver, examples, run_check

TODAY = date(2026, 6, 1)
TYPED = next(check for check in CHECKS if check.id == "typed")


def tried(folder: Path, waiver: Waiver, check: Check = TYPED) -> tuple[End, str]:
    with installed(folder):
        file = folder / "tests/conformance.py"
        given: Conformance = examples(file)[0]
        result = run_check(check, Subject("acme", replace(given, waivers=(waiver,)), file.parent), TODAY)
    return result.end, result.told


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    folder = write_acme(tmp_path)
    (folder / "src/omnibridge_acme/py.typed").unlink()
    return folder


@pytest.mark.parametrize("until", [TODAY, date(2027, 6, 2)])
def test_a_miss_is_waived_until_its_day(sick: Path, until: date) -> None:
    end, told = tried(sick, Waiver(check="typed", reason="types come next", until=until))
    assert (end, told) == (End.WAIVED, f"until {until}: types come next")


@pytest.mark.parametrize(
    ("waiver", "told"),
    [
        (Waiver(check="typed", reason="types come next", until=date(2026, 5, 31)), "ended on 2026-05-31"),
        (Waiver(check="typed", reason="types come next", until=date(2027, 6, 3)), "lasts longer than 366 days"),
        (Waiver(check="typed", reason=" ", until=TODAY), "has no reason"),
    ],
    ids=["stale", "endless", "without a reason"],
)
def test_a_waiver_that_does_not_count_says_why_and_what_is_missed(sick: Path, waiver: Waiver, told: str) -> None:
    end, said = tried(sick, waiver)
    assert end is End.MISSED
    assert told in said
    assert "has no py.typed" in said


def test_a_waiver_that_is_not_needed_is_a_miss(tmp_path: Path) -> None:
    end, told = tried(write_acme(tmp_path), Waiver(check="typed", reason="types come next", until=TODAY))
    assert (end, told) == (End.MISSED, "its waiver is not needed: remove it")


def test_a_waiver_is_for_its_own_check_only(sick: Path) -> None:
    assert tried(sick, Waiver(check="hook", reason="another", until=TODAY))[0] is End.MISSED


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("waivers=[Waiver(check='tidy', reason='r', until=date(2026, 1, 1))]", "'tidy', which is no check"),
        ("waivers=[Waiver(check='typed', reason='r', until=date(2026, 1, 1))] * 2", "two waivers name 'typed'"),
        ("without={'typed': 'we have no types'}", "'typed', which asks for nothing"),
    ],
)
def test_what_no_check_asks_for_is_refused(tmp_path: Path, given: str, told: str) -> None:
    file = tmp_path / "conformance.py"
    file.write_text(
        "from datetime import date\nfrom omnibridge.testing.conformance import Conformance, Waiver\n"
        f"CONFORMANCE = Conformance(connector='acme', settings={{}}, {given})\n"
    )
    with pytest.raises(ConfigError, match=told):
        examples(file)
