"""`python -m bench [NAME...] [--quick]` runs every benchmark, or those named, one after the other, and sums them up.

Figures go to `bench/out/`, those of `--quick` to `bench/out/quick/`: they show that the tools work, and mean nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import QUICK, out_folder

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Benchmark:
    """A module of this folder. `quick` makes it small; `headline` says its JSON in a line; it ends in `seconds`."""

    name: str
    what: str
    result: str = ""
    headline: Callable[[dict[str, Any]], str] = lambda _: ""
    quick: Sequence[str] = ("--quick",)
    seconds: float = 300.0


BENCHMARKS = (
    Benchmark(
        "webhook",
        "webhook to two deliveries",
        "webhook-to-two-deliveries",
        lambda r: (
            f"{r['delivered_per_s']}/s ({r['ratio']} of the reference), {r['cpu_s_per_1000']} CPU s/1,000, ack at 100/s"
            f" {r['ack_ms_at_100_per_s']['p99']} ms p99, {r['lost']} lost, {r['doubled']} doubled"
        ),
        seconds=400,
    ),
    Benchmark(
        "outage",
        "an endpoint is down",
        "outage",
        lambda r: (
            f"healthy p99 {r['healthy_ms']['before']['p99']} -> {r['healthy_ms']['during']['p99']} ms,"
            f" {r['backlog']} drained in {r['drain_s']} s, {r['lost']} lost, {r['doubled']} doubled"
        ),
    ),
    Benchmark(
        "storm",
        "an endpoint says 429",
        "storm",
        lambda r: (
            f"{r['refused']} of at most {r['allowed']} requests, healthy p99 {r['healthy_ms']['during']['p99']} ms,"
            f" drained in {r['drain_s']} s, {r['lost']} lost, {r['doubled']} doubled"
        ),
    ),
    Benchmark(
        "restart",
        "start on a full journal",
        "restart",
        lambda r: f"ready in {r['ready_s']} s on {r['events']} events, {r['peak_pss_mb']} MB",
        seconds=600,
    ),
    Benchmark(
        "memory",
        "memory as the journal grows",
        "memory",
        lambda r: f"peak {r['peak_pss_mb']} MB, last to first {r['growth']}",
        seconds=400,
    ),
    Benchmark(
        "sdk",
        "publish to handler",
        "sdk",
        lambda r: (
            f"{r['handled_per_s']}/s ({r['ratio']} of storing only), {r['cpu_s_per_1000']} CPU s/1,000,"
            f" {r['lost']} lost, {r['doubled']} doubled"
        ),
    ),
    Benchmark(
        "context",
        "a customer's card",
        "context",
        lambda r: (
            f"p50 {r['card_ms']['p50']}, p99 {r['card_ms']['p99']} of {r['limit_ms']:g} ms with"
            f" {r['sizes'][-1]['events']:,} events, {r['growth']} times a tenth's"
        ),
        seconds=900,
    ),
    Benchmark("routing", "events to routes", "routing", lambda r: f"{r['growth']:.2f} times from 100 to 10,000 routes"),
    Benchmark("cesql", "filters", quick=()),
    Benchmark("journal", "orders in the journal", quick=("--orders", "300")),
)


def run(benchmark: Benchmark) -> list[object]:
    """Run one, its tables on our output; its line of the summary."""
    print(f"\n==== {benchmark.name}: {benchmark.what}", flush=True)
    arguments = benchmark.quick if QUICK else ()
    begun = time.monotonic()
    try:
        code = subprocess.run(
            [sys.executable, "-m", f"bench.{benchmark.name}", *arguments], cwd=ROOT, timeout=benchmark.seconds
        ).returncode
        ended = "ran" if code == 0 else f"ended with {code}"
    except subprocess.TimeoutExpired:
        ended = f"took longer than {benchmark.seconds:g} s"
    line = ""
    if ended == "ran" and benchmark.result:
        line = benchmark.headline(json.loads((out_folder() / f"{benchmark.result}.json").read_text()))
    return [benchmark.name, ended, f"{time.monotonic() - begun:.0f}", line]


def main(names: Sequence[str]) -> int:
    """Run those named, or all; 1 when one did not run to its end, 2 for a name that does not exist."""
    known = [one.name for one in BENCHMARKS]
    strange = [name for name in names if name not in known]
    if strange:
        print(f"no benchmark is called {strange[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [one for one in BENCHMARKS if not names or one.name in names]
    lines = [run(one) for one in chosen if (ROOT / "bench" / f"{one.name}.py").exists()]
    print("\n==== summary")
    for name, ended, seconds, line in lines:
        print(f"{name!s:10}{seconds!s:>5} s  {line or ended}")
    return 0 if all(line[1] == "ran" for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main([argument for argument in sys.argv[1:] if not argument.startswith("-")]))
