"""The daemon's memory while its journal grows: it must stay flat, and its peak under 100 MB.

`python -m bench.memory [--quick]` prints a table and writes `bench/out/memory.json`. Memory is the proportional set
size (PSS): what the process has alone, and its share of what it has together with others.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.processes import Child
from bench.report import QUICK, show, write
from bench.stage import Stage, Watch

NAME = "memory"
MOST_MB = 100.0
FLAT = 1.1
"""The last step may have at most so many times the memory of the first."""
STEPS = (5_000, 10_000, 20_000, 40_000)
LONGEST_S = 240.0


def parts(child: Child) -> dict[str, float]:
    """PSS in MB: what was allocated (without a file behind it), and files by name, largest first."""
    found: dict[str, float] = {}
    name = ""
    for line in Path(f"/proc/{child.pid}/smaps").read_text().splitlines():
        mapping = re.match(r"[0-9a-f]+-[0-9a-f]+ (?:\S+\s+){4}(.*)", line)
        if mapping:
            name = Path(mapping[1]).name if mapping[1].startswith("/") else "allocated"
        elif line.startswith("Pss:"):
            found[name] = found.get(name, 0.0) + int(line.split()[1]) / 1024
    largest = sorted(found.items(), key=lambda item: -item[1])[:6]
    return {name: round(size, 1) for name, size in largest}


def main() -> dict[str, Any]:
    """One daemon, more and more orders."""
    steps = (40, 80) if QUICK else STEPS
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage:
        time.sleep(0.5)
        idle = {"pss_mb": round(stage.child.pss_mb(), 1), "parts": parts(stage.child)}
        begun, sent = time.monotonic(), 0
        for step in steps:
            if time.monotonic() - begun > LONGEST_S:
                print(f"stopped before {step} orders: it takes too long on this machine")
                break
            with Watch(stage.child) as watch:
                stage.load(step - sent, first=sent + 1, seconds=300)
                complete = stage.arrived()
            sent = step
            size = sum(path.stat().st_size for path in Path(folder).glob("bench.db*"))
            pss = {"pss_mb": round(stage.child.pss_mb(), 1), "peak_pss_mb": round(watch.peak, 1)}
            lines.append({"orders": step, "journal_mb": round(size / 2**20, 1), **pss, "complete": complete})
        settled = parts(stage.child)
        losses = stage.losses(stage.books())
    peak = max(line["peak_pss_mb"] for line in lines)
    growth = round(lines[-1]["pss_mb"] / lines[0]["pss_mb"], 3)
    report = {
        "idle": idle,
        "lines": lines,
        "parts": settled,
        "peak_pss_mb": peak,
        "growth": growth,
        "met": peak <= MOST_MB and growth <= FLAT,
        **losses,
    }
    columns = ["orders", "journal MB", "PSS MB", "peak MB"]
    rows = [[line[key] for key in ("orders", "journal_mb", "pss_mb", "peak_pss_mb")] for line in lines]
    show("Memory while the journal grows", columns, [["idle", "", idle["pss_mb"], ""], *rows])
    print(f"peak {peak} MB (at most {MOST_MB:g}), last to first {growth} (at most {FLAT}); now {settled}")
    write(NAME, report)
    return report


if __name__ == "__main__":
    main()
