"""`omnibridge new` and `omnibridge check-connector`: a package that holds before its author edits a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from acme_connector import STANDINS, announce, installed
from typer.testing import CliRunner

from omnibridge.cli import app
from omnibridge.cli.new import write_package
from omnibridge.errors import ConfigError
from omnibridge.testing.conformance import Subject, Tier, checks_of, examples, run_check


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def types_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the type checker finds in these packages is tried beside the kit."""
    monkeypatch.setenv("PYTHONPATH", str(STANDINS))


def test_a_stranger_gets_a_package_that_passes_its_own_tests(tmp_path: Path) -> None:
    """Outside of this repository, by the console's own commands, in processes that know nothing of this one."""
    path = f"{tmp_path / 'omnibridge-acme' / 'src'}{os.pathsep}{STANDINS}"
    env = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120
        )

    made = command("omnibridge.cli", "new", "acme", "--webhook", "--deliver", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "omnibridge-acme"
    announce(folder)
    plugin = ("-p", "omnibridge.testing.conformance.plugin", "--conformance-report", "report.json")
    tested = command("pytest", "-q", *plugin, folder=folder)
    assert tested.returncode == 0, tested.stdout
    results = json.loads((folder / "report.json").read_text())
    assert [result["check"] for result in results] == [check.id for check in checks_of(Tier.BRONZE)]
    assert {result["end"] for result in results} <= {"passed", "not applicable"}
    checked = command("omnibridge.cli", "check-connector", "acme", folder=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "acme holds bronze." in checked.stdout


def test_a_name_of_two_words_is_written_as_each_place_wants_it(tmp_path: Path) -> None:
    code, said = run("new", "acme_tills", "--webhook", "--into", str(tmp_path))
    folder = tmp_path / "omnibridge-acme-tills"
    assert code == 0
    assert str(folder) in said
    assert 'name = "omnibridge-acme-tills"' in (folder / "pyproject.toml").read_text()
    assert "class AcmeTillsSettings(Settings)" in (folder / "src/omnibridge_acme_tills/settings.py").read_text()
    assert "x-acme-tills-signature" in (folder / "src/omnibridge_acme_tills/inbound.py").read_text()
    for file in folder.rglob("*"):
        assert not file.is_file() or "%%" not in file.read_text(), file


def test_only_what_was_asked_for_is_written(tmp_path: Path) -> None:
    folder = write_package(tmp_path, "acme", ("poll",))
    names = {file.name for file in folder.rglob("*") if file.is_file()}
    assert {"polls.py", "customers.json", "test.yml", "py.typed", "README.md"} <= names
    assert not {"inbound.py", "outbound.py", "customer-updated.json", "create.json"} & names


@pytest.mark.parametrize("name", ["Acme", "1acme", "acme-tills", "acme_", "", "../acme", "acmé"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a connector"):
        write_package(tmp_path, name, ("poll",))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write_package(tmp_path, "acme", ("poll",))
    with pytest.raises(ConfigError, match="there already"):
        write_package(tmp_path, "acme", ("poll",))


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """A package without py.typed."""
    folder = write_package(tmp_path, "acme", ("poll",))
    announce(folder)
    (folder / "src/omnibridge_acme/py.typed").unlink()
    return folder


def test_a_miss_is_explained(sick: Path) -> None:
    check = next(check for check in checks_of(Tier.BRONZE) if check.id == "typed")
    with installed(sick):
        code, said = run("check-connector", "acme", "--examples", str(sick / "tests/conformance.py"))
    assert code == 1
    assert "acme reaches no tier yet." in said
    for text in ("bronze typed: missed", "omnibridge_acme has no py.typed", check.means, check.why, check.mend):
        assert text in said


def test_programs_get_json(sick: Path) -> None:
    with installed(sick):
        code, said = run("check-connector", "acme", "--json", "--examples", str(sick / "tests/conformance.py"))
    found = json.loads(said)
    assert (code, found["asked"], found["reached"]) == (1, "bronze", None)
    assert {one["check"]: one["end"] for one in found["checks"]}.items() >= {
        "typed": "missed",
        "entry-point": "passed",
        "malformed": "not applicable",
    }.items()
    assert [one["check"] for one in found["checks"]] == [check.id for check in checks_of(Tier.BRONZE)]


def test_examples_that_are_not_there_are_said(tmp_path: Path, sick: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        run("check-connector", "acme", "--examples", str(tmp_path / "nowhere.py"))
    with installed(sick), pytest.raises(ConfigError, match="one Conformance with connector='other', not 0"):
        run("check-connector", "other", "--examples", str(sick / "tests/conformance.py"))


def test_a_connector_that_is_not_installed_misses_the_first_check_which_blocks_the_rest(tmp_path: Path) -> None:
    folder = write_package(tmp_path, "acme", ("poll",))
    (folder / "tests/conformance.py").write_text(
        "from omnibridge.testing.conformance import Conformance\n"
        "CONFORMANCE = Conformance(connector='nobody', settings={})\n"
    )
    (given,) = examples(folder / "tests/conformance.py")
    first, *rest = [run_check(check, Subject("nobody", given, folder)) for check in checks_of(Tier.BRONZE)]
    assert (first.check.id, first.end) == ("entry-point", "missed")
    assert {result.check.id for result in rest if result.end != "blocked"} == {"readme-removal"}


def test_the_project_says_up_to_which_tier(tmp_path: Path) -> None:
    folder = write_package(tmp_path, "acme", ("poll",))
    announce(folder)
    project, file = folder / "pyproject.toml", str(folder / "tests/conformance.py")
    project.write_text(project.read_text() + 'omnibridge_tier = "silver"\n')
    with installed(folder):
        code, said = run("check-connector", "acme", "--examples", file)
        assert (code, "It was to reach silver." in said) == (1, True)
        code, said = run("check-connector", "acme", "--tier", "bronze", "--examples", file)
        assert (code, "acme holds bronze." in said, "Silver was not tried" in said) == (0, True, True)
        project.write_text(project.read_text().replace('"silver"', '"platinum"'))
        with pytest.raises(ConfigError, match="`omnibridge_tier` is no tier"):
            run("check-connector", "acme", "--examples", file)


def test_what_waits_for_another_check_is_told_in_a_line_and_the_root_at_the_end(tmp_path: Path) -> None:
    folder = write_package(tmp_path, "acme", ("poll",))
    announce(folder)
    settings = folder / "tests/conformance.py"
    settings.write_text(settings.read_text().replace('"token"', '"tokn"'))
    with installed(folder):
        code, said = run("check-connector", "acme", "--examples", str(settings))
    assert code == 1
    assert "bronze golden-inbound: not tried, as settings-example must pass first\n" in said
    assert said.count("What must hold:") == 1
    assert "could not be tried. Mend first: settings-example.\n" in said


def test_the_version_is_an_option_too() -> None:
    code, said = run("--version")
    assert (code, said.startswith("omnibridge ")) == (0, True)
