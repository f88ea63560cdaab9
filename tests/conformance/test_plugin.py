"""The kit as a pytest plugin: asleep until it is named, and never content with less than all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from acme_connector import STANDINS, write_acme

from omnibridge.testing.conformance import CHECKS, Tier, checks_of

BRONZE = checks_of(Tier.BRONZE)


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    return write_acme(tmp_path)


def kit(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run pytest in the project as its author would; the exit code and what it said."""
    env = {
        **os.environ,
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{STANDINS}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **(environment or {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "omnibridge.testing.conformance.plugin", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_miss_says_what_why_and_how(acme: Path) -> None:
    (acme / "src/omnibridge_acme/py.typed").unlink()
    check = next(check for check in CHECKS if check.id == "typed")
    code, said = kit(acme, "-q", "-k", "typed")
    assert code == 1
    assert "acme misses `typed` (bronze): omnibridge_acme has no py.typed" in said
    for text in (check.means, check.why, check.mend):
        assert text in said


def test_it_sleeps_where_no_connector_is_named(acme: Path) -> None:
    project = acme / "pyproject.toml"
    project.write_text(project.read_text().replace("omnibridge_connectors", "# omnibridge_connectors"))
    code, said = kit(acme, "-q")
    assert code == 5, "no tests at all: " + said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('omnibridge_connectors = ["acme"]', "omnibridge_connectors = []"), "names no connector"),
        (('testpaths = ["tests"]', 'testpaths = ["src"]'), f"checks that were not tried: {len(BRONZE)}"),
        (
            ('omnibridge_connectors = ["acme"]', 'omnibridge_connectors = ["acme", "other"]'),
            "no Conformance with connector='other'",
        ),
    ],
    ids=["no connector", "no tests", "no examples"],
)
def test_it_fails_on_nothing_to_check(acme: Path, change: tuple[str, str], told: str) -> None:
    project = acme / "pyproject.toml"
    assert change[0] in project.read_text()
    project.write_text(project.read_text().replace(*change))
    code, said = kit(acme, "-q")
    assert code != 0
    assert told in said


def test_it_fails_when_a_check_is_taken_away(acme: Path) -> None:
    (acme / "tests/conftest.py").write_text("def pytest_collection_modifyitems(items):\n    del items[2:]\n")
    code, said = kit(acme, "-q")
    assert code == 1
    assert f"checks that were not tried: {len(BRONZE) - 2}" in said


def test_golden_files_are_written_on_demand(acme: Path) -> None:
    golden = acme / "tests/golden/inbound/customer-updated.json"
    right = golden.read_text()
    golden.unlink()
    code, said = kit(acme, "-q", "-k", "golden")
    assert code == 1
    assert "--write-golden" in said
    assert kit(acme, "-q", "-k", "golden", "--write-golden")[0] == 0
    assert golden.read_text() == right


def test_what_waits_for_another_check_fails_in_one_line(acme: Path) -> None:
    file = acme / "tests/conformance.py"
    file.write_text(file.read_text().replace('"token"', '"tokn"'))
    code, said = kit(acme, "-q", "-k", "golden-inbound")
    assert code == 1
    assert "acme was not tried on `golden-inbound` (bronze): settings-example must pass first" in said
    assert "What must hold:" not in said
