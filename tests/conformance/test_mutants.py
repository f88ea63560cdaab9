"""Every check is missed by its mutant, and by nothing else; the healthy connector passes all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_connector import run, write_acme
from acme_gold import write_gold
from acme_mutant import infect
from acme_mutants import MUTANTS
from acme_silver import EXTRAS, write_finished

from omnibridge.testing.conformance import CHECKS, End, Tier, checks_of

# They start a process each time, so they are tried on the healthy one and on their own mutants only.
SLOW = {"import-clean", "typed-strictly"}
# What the finished example says that Acme does not have.
EXCUSED = {"answers-in-200", "deletions-told", "privacy-told"}
IDS = {check.id for check in CHECKS} - SLOW
EXTRA = [None, *EXTRAS, "money"]


@pytest.fixture(autouse=True)
def shorter_pages(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Memory is in proportion on 500 rows as on 10,000; the golden one as it stands is tried on all of them."""
    if request.node.name != "test_the_golden_one_passes_all[None]":
        monkeypatch.setattr("omnibridge.testing.conformance.exactness_checks._ROWS", 500)


def test_every_check_has_its_mutant() -> None:
    assert set(MUTANTS) == {check.id for check in CHECKS}
    assert len(CHECKS) == len({check.id for check in CHECKS})


def test_every_check_explains_itself() -> None:
    for check in CHECKS:
        for text in (check.means, check.why, check.mend):
            assert len(text.split()) > 5, check.id
            assert text.endswith("."), check.id


@pytest.mark.parametrize(
    "parts",
    [
        ("webhook", "poll", "deliver"),
        ("webhook",),
        ("poll",),
        ("deliver",),
        ("webhook", "deliver"),
        ("poll", "deliver"),
    ],
    ids="+".join,
)
def test_the_healthy_one_passes_all(tmp_path: Path, parts: tuple[str, ...]) -> None:
    whole = len(parts) == 3
    bronze = checks_of(Tier.BRONZE)
    slow = {"typed-strictly"} if whole else SLOW  # of that test_types.py tries every combination in one go
    results = run(write_acme(tmp_path, parts), tuple(c for c in bronze if c.id not in slow))
    assert {result.check.id: result.told for result in results if not result.good} == {}
    if whole:
        assert {result.end for result in results} == {End.PASSED}


def test_what_the_tutorial_makes_is_at_silver(tmp_path: Path) -> None:
    results = run(write_finished(tmp_path), tuple(c for c in checks_of(Tier.SILVER) if c.id not in SLOW))
    assert {result.check.id: result.told for result in results if not result.good} == {}


@pytest.mark.parametrize("extra", EXTRA, ids=str)
def test_the_golden_one_passes_all(tmp_path: Path, extra: str | None) -> None:
    results = run(write_gold(tmp_path, extra), tuple(c for c in CHECKS if c.id not in SLOW))
    assert {result.check.id: result.told for result in results if not result.good} == {}
    applicable = {check.id for check in CHECKS if MUTANTS[check.id].extra in (None, extra)}
    assert {r.check.id for r in results if r.end is not End.PASSED} <= {c.id for c in CHECKS} - applicable | EXCUSED


def test_what_is_not_finished_is_at_bronze_only(tmp_path: Path) -> None:
    results = run(write_acme(tmp_path), tuple(c for c in checks_of(Tier.SILVER) if c.id not in SLOW))
    assert {result.check.id for result in results if not result.good} == {
        "one-event",
        "answers-classed",
        "answers-in-200",
        "cursors-known",
    }


@pytest.mark.parametrize(("public", "end"), [({"api_key": "an id"}, End.PASSED), ({"api_key": ""}, End.MISSED)])
def test_what_is_only_called_like_a_secret_needs_a_reason(tmp_path: Path, public: dict[str, str], end: End) -> None:
    folder = write_acme(tmp_path)
    infect(folder, MUTANTS["secrets-typed"])
    for file in (folder / "src/omnibridge_acme/settings.py", folder / "tests/conformance.py"):
        text = file.read_text().replace("password: str", "api_key: str")
        file.write_text(text.replace("    now=NOW,", f"    now=NOW,\n    public={public},"))
    (result,) = run(folder, tuple(check for check in CHECKS if check.id == "secrets-typed"))
    assert result.end is end, result.told


def test_a_reason_that_is_no_longer_needed_is_a_miss(tmp_path: Path) -> None:
    folder = write_acme(tmp_path)
    file = folder / "tests/conformance.py"
    file.write_text(file.read_text().replace("    now=NOW,", "    now=NOW,\n    public={'token': 'none'},"))
    (result,) = run(folder, tuple(check for check in CHECKS if check.id == "secrets-typed"))
    assert result.end is End.MISSED


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_name(tmp_path: Path, name: str) -> None:
    folder = write_gold(tmp_path, MUTANTS[name].extra)
    infect(folder, MUTANTS[name])
    own = next(check for check in CHECKS if check.id == name)  # a later tier may notice the same by its own means
    results = run(folder, tuple(check for check in checks_of(own.tier) if check.id in (name, *IDS)))
    missed = {result.check.id: result.told for result in results if result.end is End.MISSED}
    assert set(missed) == {name}, missed
