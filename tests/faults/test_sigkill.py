"""A daemon killed under load: a short run of what `make faults` does two hundred times."""

from __future__ import annotations

from pathlib import Path

import pytest
from sigkill import run, wrong


@pytest.mark.xdist_group("daemon")
def test_nothing_acknowledged_is_lost_or_doubled_over_kills(tmp_path: Path) -> None:
    report = run(6, 7, tmp_path)
    assert not wrong(report), (report, (tmp_path / "daemon.log").read_text()[-3000:])
    assert report["customers_acknowledged"] > 10
