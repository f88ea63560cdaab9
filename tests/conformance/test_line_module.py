"""Only the module that holds a connector's line may import what does I/O."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from omnibridge.testing.conformance.check import Missed
from omnibridge.testing.conformance.package_checks import own_io

LINE = """
import smtplib
from contextlib import asynccontextmanager

@asynccontextmanager
async def line(settings):
    yield smtplib
"""


def subject(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, *, used: bool, more: str = "") -> Any:
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "line.py").write_text(LINE)
    (package / "outbound.py").write_text(more)
    monkeypatch.syspath_prepend(str(folder))
    module = __import__(f"{name}.line").line
    for loaded in (name, f"{name}.line"):
        monkeypatch.delitem(sys.modules, loaded)
    return SimpleNamespace(package=package, connector=SimpleNamespace(line=module.line if used else None))


def test_a_line_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_io.run(subject(tmp_path, "lined", monkeypatch, used=True))


def test_others_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Missed, match=r"outbound\.py:1 imports smtplib"):
        own_io.run(subject(tmp_path, "beside", monkeypatch, used=True, more="import smtplib"))


def test_a_module_of_that_name_may_not_where_the_record_has_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Missed, match=r"line\.py:2 imports smtplib"):
        own_io.run(subject(tmp_path, "lineless", monkeypatch, used=False))
