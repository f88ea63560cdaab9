"""How benchmarks report: a JSON file in `bench/out/` (`bench/out/quick/` for small runs) and a table for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["QUICK", "out_folder", "percentiles", "show", "write"]

QUICK = "--quick" in sys.argv[1:]
"""A small run: it shows that the tool works, and its times mean nothing."""


def out_folder() -> Path:
    """Where results go: BENCH_OUT, or `bench/out/`."""
    named = os.environ.get("BENCH_OUT")
    folder = Path(named) if named else Path(__file__).parent / "out" / ("quick" if QUICK else "")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(name: str, report: dict[str, Any]) -> None:
    """Keep the figures as `<name>.json`."""
    (out_folder() / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: the first column on the left, figures on the right."""
    lines = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    print(f"\n{title}")
    for line in lines:
        print("  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in
                        enumerate(zip(line, widths, strict=True))).rstrip())  # fmt: skip
    sys.stdout.flush()


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """Median and 99th percentile, in milliseconds; None where nothing was measured."""
    if not seconds:
        return {"p50": None, "p99": None}
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
