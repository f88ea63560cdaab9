"""The tier that `omnibridge connectors` shows is one that was reached, by this version and with this content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from acme_connector import installed, write_acme
from typer.testing import CliRunner

from omnibridge.cli import app
from omnibridge.testing.conformance import Tier, known_tier


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """At bronze, and written down so."""
    folder = write_acme(tmp_path_factory.mktemp("recorded"))
    with installed(folder):
        assert known_tier("acme").why == "nothing is recorded"
        code, said = run("check-connector", "acme", "--record", "--examples", str(folder / "tests/conformance.py"))
        assert code == 0, said
    return folder


@pytest.fixture
def acme(recorded: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it to spoil."""
    folder = tmp_path / "acme"
    shutil.copytree(recorded, folder)
    with installed(folder):
        yield folder


def shown() -> str:
    code, said = run("connectors", "--json")
    assert code == 0
    return next(str(row["tier"]) for row in json.loads(said) if row["name"] == "acme")


def test_what_was_reached_is_shown(acme: Path) -> None:
    assert known_tier("acme").tier is Tier.BRONZE
    assert shown() == "bronze"


def test_a_package_that_has_changed_is_unknown(acme: Path) -> None:
    file = acme / "src/omnibridge_acme/wire.py"
    file.write_text(file.read_text() + "\n# one more line\n")
    assert shown() == "unknown (changed since it reached bronze)"


def test_another_version_is_unknown(acme: Path) -> None:
    info = acme / "src/omnibridge_acme-0.1.0.dist-info/METADATA"
    info.write_text(info.read_text().replace("Version: 0.1.0", "Version: 0.2.0"))
    assert shown() == "unknown (version 0.1.0 reached bronze)"


def test_a_record_that_cannot_be_read_is_unknown(acme: Path) -> None:
    (acme / "src/omnibridge_acme/conformance.json").write_text("gold, honestly")
    assert shown() == "unknown (conformance.json is not readable)"


def test_what_python_leaves_behind_does_not_count(acme: Path) -> None:
    cache = acme / "src/omnibridge_acme/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "wire.cpython-311.pyc").write_bytes(b"other")
    assert shown() == "bronze"


def test_a_tier_that_is_not_reached_is_not_written(tmp_path: Path) -> None:
    folder = write_acme(tmp_path)
    (folder / "src/omnibridge_acme/py.typed").unlink()
    with installed(folder):
        code, _ = run("check-connector", "acme", "--record", "--examples", str(folder / "tests/conformance.py"))
        assert code == 1
        assert known_tier("acme").tier is None


def test_one_that_does_not_import_is_shown_with_the_reason(tmp_path: Path) -> None:
    folder = write_acme(tmp_path)
    (folder / "src/omnibridge_acme/__init__.py").write_text("import a_library_that_is_gone\n")
    with installed(folder):
        _, said = run("connectors", "--json")
    rows = {row["name"]: row for row in json.loads(said)}
    assert "a_library_that_is_gone" in rows["acme"]["problem"]
    assert rows["acme"]["tier"] == "unknown (nothing is recorded)"
    assert rows["square"]["problem"] is None
