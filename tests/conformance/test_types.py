"""What `omnibridge new` writes is typed strictly, whichever parts it has; a wrong slot and a lax file are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from acme_connector import installed, run, write_acme
from acme_gold import write_gold
from acme_mutant import Change, apply

from omnibridge.testing.conformance import CHECKS, End, Subject, examples, run_check
from omnibridge.testing.conformance.type_checks import complaints

STRICT = tuple(check for check in CHECKS if check.id == "typed-strictly")
PARTS = [("webhook",), ("poll",), ("deliver",), ("webhook", "poll"), ("webhook", "deliver"), ("poll", "deliver")]
SICK = {
    "a slot of another type": ("connector.py", "deliver(Customer, write_customer", "deliver(Order, write_customer"),
    "an effect that nobody awaits": ("outbound.py", "    await http.keep(", "    http.keep("),
    "a setting that does not exist": ("connector.py", "settings.token.", "settings.tokn."),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is found in each package: all of them are read in one go."""
    packages: dict[str, Path] = {}

    def fresh(name: str) -> Path:
        folder = tmp_path_factory.mktemp("types")
        packages[name] = folder / "omnibridge-acme/src/omnibridge_acme"
        return folder

    for parts in PARTS:
        write_acme(fresh("+".join(parts)), parts)
    write_gold(fresh("gold"))
    for name, (file, old, new) in SICK.items():
        folder = write_acme(fresh(name))
        apply(folder, (Change(f"src/omnibridge_acme/{file}", old, new),))
        apply(folder, (Change("src/omnibridge_acme/connector.py", "import Customer\n", "import Customer, Order\n"),))
    seen = complaints([sys.executable, "-m", "pyright"], list(packages.values()))
    return {name: seen[package] for name, package in packages.items()}


@pytest.mark.parametrize("name", [*map("+".join, PARTS), "gold"])
def test_what_is_written_for_an_author_is_typed_strictly(found: dict[str, list[str]], name: str) -> None:
    assert found[name] == []


@pytest.mark.parametrize("name", SICK)
def test_a_mistake_in_types_is_found(found: dict[str, list[str]], name: str) -> None:
    assert [line for line in found[name] if SICK[name][0] in line], found[name]


@pytest.mark.parametrize(
    "comment", ["# pyright: basic", "# pyright: reportMissingParameterType=false", "# type: ignore"]
)
def test_a_file_that_asks_for_less_is_a_miss(tmp_path: Path, comment: str) -> None:
    folder = write_acme(tmp_path)
    file = folder / "src/omnibridge_acme/wire.py"
    file.write_text(f"{comment}\n{file.read_text()}")
    (result,) = run(folder, STRICT)
    assert (result.end, result.told) == (End.MISSED, f"omnibridge_acme/wire.py asks for less: {comment}")


@pytest.mark.parametrize(("server", "end"), [("", End.NOT_APPLICABLE), ("true", End.MISSED)])
def test_without_a_type_checker_it_does_not_apply_and_a_build_server_must_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, end: End
) -> None:
    monkeypatch.setattr("omnibridge.testing.conformance.type_checks.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", server)
    (result,) = run(write_acme(tmp_path), STRICT)
    assert (result.end, result.told.startswith("pyright is not installed")) == (end, True)


def test_one_that_does_not_run_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "omnibridge.testing.conformance.type_checks._program", lambda: [sys.executable, "-c", "raise SystemExit('no')"]
    )
    folder = write_acme(tmp_path)
    with installed(folder):
        file = folder / "tests/conformance.py"
        result = run_check(STRICT[0], Subject("acme", examples(file)[0], file.parent))
    assert (result.end, result.told) == (End.MISSED, "pyright does not run: no")


@pytest.mark.parametrize(
    ("strict", "end"),
    [('["src"]', End.NOT_APPLICABLE), ('["s*/omnibridge_acme"]', End.NOT_APPLICABLE), ('["tests"]', End.MISSED)],
)
def test_where_the_build_runs_it_the_build_must_be_strict_with_the_package(
    tmp_path: Path, strict: str, end: End
) -> None:
    folder = write_acme(tmp_path)
    excuse = (
        Change("tests/conformance.py", "    now=NOW,", '    now=NOW,\n    without={"typed-strictly": "CI does"},'),
    )
    apply(folder, excuse)
    project = folder / "pyproject.toml"
    project.write_text(f"{project.read_text()}\n[tool.pyright]\nstrict = {strict}\n")
    (result,) = run(folder, STRICT)
    assert (result.end, "CI does" in result.told) == (end, True)
