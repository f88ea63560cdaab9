"""A worker that does not answer is ended, and says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omnibridge.cli.new import write_package
from omnibridge.testing.dev import WorkerArguments, worker

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "told"), [("while True: pass", "an endless loop?"), ("import os; os._exit(3)", "your code ended")]
)
def test_code_that_never_comes_back_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    folder = write_package(tmp_path, "acme", ("poll",))
    (folder / "src/omnibridge_acme/__init__.py").write_text(code)
    if "while" in code:
        monkeypatch.setattr(worker, "_PATIENCE", 2.0)
    made = worker.Worker(WorkerArguments(folder, None, "http://127.0.0.1:8765", None), NOW)
    try:
        assert made.began.problem is not None
        assert told in made.began.problem.what
        assert not made.alive
    finally:
        made.end()
