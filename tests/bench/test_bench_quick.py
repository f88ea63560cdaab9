"""The benchmarks run, small, and report what they promise; how fast anything is, no test may ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOSSES = {"lost", "doubled"}
REPORTS = {
    "webhook": (
        "webhook-to-two-deliveries",
        LOSSES
        | {"delivered_per_s", "reference_per_s", "cpu_s_per_1000", "peak_pss_mb", "ack_ms", "e2e_ms"}
        | {"ratio", "ack_ms_at_100_per_s"},
    ),
    "outage": ("outage", LOSSES | {"healthy_ms", "backlog", "drain_s", "scale"}),
    "storm": ("storm", LOSSES | {"healthy_ms", "refused", "allowed", "held_back", "drain_s"}),
    "restart": ("restart", {"events", "starts", "ready_s", "peak_pss_mb"}),
    "memory": ("memory", LOSSES | {"idle", "lines", "parts", "peak_pss_mb", "growth"}),
    "context": ("context", {"sizes", "card_ms", "limit_ms", "growth"}),
    "sdk": ("sdk", LOSSES | {"handled_per_s", "limit_per_s", "ratio", "cpu_s_per_1000"}),
}


def bench(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "BENCH_OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory and CPU are read from Linux's /proc")
@pytest.mark.may_skip("benchmarks are for Linux")
@pytest.mark.parametrize("name", REPORTS)
def test_a_benchmark_runs_and_reports(name: str, tmp_path: Path) -> None:
    ran = bench(tmp_path, name, "--quick")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    file, keys = REPORTS[name]
    found: dict[str, Any] = json.loads((tmp_path / f"{file}.json").read_text())
    assert keys <= found.keys()
    assert not any(found[key] for key in LOSSES & found.keys()), found
    assert f"\n{name}" in ran.stdout.partition("==== summary")[2]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    ran = bench(tmp_path, "wibhook")
    assert ran.returncode == 2
    assert "wibhook" in ran.stderr
    assert "webhook" in ran.stderr
