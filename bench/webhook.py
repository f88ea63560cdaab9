"""Webhook to two deliveries: signed 8 KB orders in, synced, understood, delivered to two endpoints; beside a reference.

`python -m bench.webhook [COUNT] [ROUNDS]` prints a table and writes `bench/out/webhook-to-two-deliveries.json`: medians
of interleaved rounds, and what was lost or doubled in all of them together. Absolute figures vary with the machine by a
factor of two; the ratio is taken within each round.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.report import QUICK, percentiles, show, write
from bench.stage import Stage, Watch

NAME = "webhook-to-two-deliveries"
SYSTEMS = ("omnibridge", "reference")


def measure(system: str, count: int, *, rate: float = 0.0, warm: int = 500) -> dict[str, Any]:
    """One run: a warm-up, then `count` orders, until both sinks have them all."""
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), system) as stage:
        stage.load(warm, first=1)
        stage.arrived()
        with Watch(stage.child) as watch:
            cpu = stage.child.cpu_seconds()
            load = stage.load(count, rate=rate, first=warm + 1)
            complete = stage.arrived()
            cpu = stage.child.cpu_seconds() - cpu
        books = stage.books()
        arrivals = [book["at"] for book in books.values()]
        done = [number for number in load["sent"] if all(number in at for at in arrivals)]
        last = max((at[number] for number in done for at in arrivals), default=float("inf"))
        return {
            "delivered_per_s": round(len(done) / (last - load["begun"]), 1),
            "cpu_s_per_1000": round(cpu / count * 1000, 3),
            "peak_pss_mb": round(watch.peak, 1),
            "ack_ms": percentiles(load["acks"]),
            "e2e_ms": percentiles([max(at[number] for at in arrivals) - load["sent"][number] for number in done]),
            **stage.losses(books),
            "complete": complete,
        }


def _median(runs: list[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> float:
    return round(statistics.median(map(figure, runs)), 3)


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Each figure's median over the rounds; losses are summed, as one is too many."""
    found: dict[str, Any] = {
        name: _median(runs, lambda run, name=name: run[name])
        for name in ("delivered_per_s", "cpu_s_per_1000", "peak_pss_mb")
    }
    for name in ("ack_ms", "e2e_ms"):
        found[name] = {
            share: _median(runs, lambda run, name=name, share=share: run[name][share] or 0.0)
            for share in ("p50", "p99")
        }
    for name in ("lost", "doubled", "not_acknowledged"):
        found[name] = sum(run[name] for run in runs)
    found["complete"] = all(run["complete"] for run in runs)
    return found


def _row(name: str, run: dict[str, Any]) -> list[object]:
    figures = (run["delivered_per_s"], run["cpu_s_per_1000"], run["peak_pss_mb"])
    times = [f"{run[kind]['p50']} / {run[kind]['p99']}" for kind in ("ack_ms", "e2e_ms")]
    return [name, *figures, *times, run["lost"], run["doubled"]]


def main(count: int = 6000, rounds: int = 3) -> dict[str, Any]:
    """Interleaved rounds, each starting with the other system, then a calm run at 100 a second."""
    runs: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
    rows: list[list[object]] = []
    for turn in range(rounds):
        for system in SYSTEMS if turn % 2 == 0 else SYSTEMS[::-1]:
            runs[system].append(measure(system, count, warm=20 if QUICK else 500))
            rows.append(_row(f"{system}, round {turn + 1}", runs[system][-1]))
    calm = measure("omnibridge", min(count, 1000), rate=100.0, warm=20 if QUICK else 200)
    rows.append(_row("omnibridge at 100 a second", calm))
    ours, reference = (medians(runs[system]) for system in SYSTEMS)
    rows += [_row("omnibridge, median", ours), _row("reference, median", reference)]
    report = {
        **ours,
        "reference_per_s": reference["delivered_per_s"],
        "ratio": _median(
            [{"ours": a, "theirs": b} for a, b in zip(*runs.values(), strict=True)],
            lambda pair: pair["ours"]["delivered_per_s"] / pair["theirs"]["delivered_per_s"],
        ),
        "reference": reference,
        "ack_ms_at_100_per_s": calm["ack_ms"],
        "at_100_per_s": calm,
        "orders": count,
        "rounds": rounds,
    }
    columns = ["", "orders/s", "CPU s/1,000", "PSS MB", "ack ms p50 / p99", "end to end ms", "lost", "doubled"]
    show("Webhook to two deliveries", columns, rows)
    print(f"ratio to the reference: {report['ratio']}")
    write(NAME, report)
    return report


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*(numbers or ([60, 1] if QUICK else [])))
