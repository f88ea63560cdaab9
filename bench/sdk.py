"""The SDK without HTTP: an event is published, synced, processed, and handed to a handler; beside storing it only.

`python -m bench.sdk [COUNT] [ROUNDS]` prints a table and writes `bench/out/sdk.json`. The journal is a file, sealed as
always; 32 tasks publish orders side by side. The limit is what the journal alone does: the same events accepted by the
same tasks, and nothing else.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from bench.report import QUICK, percentiles, show, write
from omnibridge import Bridge, Event
from omnibridge.clock import SystemClock
from omnibridge.journal import KeyringSeal, NewInbox, Origin, open_journal
from omnibridge.model.examples import example

NAME = "sdk"
PUBLISHERS = 32
TYPE = "order.placed"
CONFIG = '[bridge]\njournal = "sdk.db"\n'


async def side_by_side(count: int, put: Callable[[int], Awaitable[object]]) -> list[float]:
    """Call `put` with each number, from many tasks; the seconds that each call took."""
    numbers = iter(range(count))
    took: list[float] = []

    async def work() -> None:
        for number in numbers:
            at = time.perf_counter()
            await put(number)
            took.append(time.perf_counter() - at)

    async with anyio.create_task_group() as tasks:
        for _ in range(PUBLISHERS):
            tasks.start_soon(work)
    return took


async def handled(folder: Path, count: int) -> dict[str, Any]:
    """Publish `count` orders and wait until the handler has had each."""
    (folder / "bridge.toml").write_text(CONFIG, encoding="utf-8")
    bridge = Bridge(folder / "bridge.toml", env={})
    seen: Counter[str] = Counter()
    published: dict[str, float] = {}
    through: list[float] = []
    done = anyio.Event()
    data = example(TYPE)

    @bridge.handler(TYPE)
    async def take(order: object, event: Event) -> None:
        seen[event.id] += 1
        through.append(time.perf_counter() - published[event.id])
        if len(seen) == count:
            done.set()

    async def publish(number: int) -> None:
        event = bridge.event(TYPE, {**data, "number": str(number)}, id=f"order-{number}", subject=f"order-{number}")
        published[event.id] = time.perf_counter()
        await bridge.publish(event)

    async with bridge:
        cpu, begun = time.process_time(), time.perf_counter()
        took = await side_by_side(count, publish)
        with anyio.move_on_after(120):
            await done.wait()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "handled_per_s": round(len(seen) / seconds, 1),
        "cpu_s_per_1000": round(cpu / count * 1000, 3),
        "publish_ms": percentiles(took),
        "through_ms": percentiles(through),
        "lost": count - len(seen),
        "doubled": sum(times - 1 for times in seen.values()),
    }


async def stored(folder: Path, count: int) -> dict[str, float]:
    """The limit: the journal alone accepts these events."""
    seal = KeyringSeal.load(folder / "keyring", create=True)
    clock, body = SystemClock(), str(example(TYPE)).encode()
    async with open_journal(folder / "limit.db", seal=seal, clock=clock) as journal:

        async def put(number: int) -> None:
            await journal.accept(NewInbox("events", Origin.EVENT, body, clock.now(), dedupe=f"order-{number}"))

        cpu, begun = time.process_time(), time.perf_counter()
        await side_by_side(count, put)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {"limit_per_s": round(count / seconds, 1), "limit_cpu_s_per_1000": round(cpu / count * 1000, 3)}


def main(count: int = 5_000, rounds: int = 3) -> dict[str, Any]:
    """Interleaved rounds; medians."""
    runs: list[dict[str, Any]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            options = {"use_uvloop": True}
            limit = anyio.run(stored, Path(folder), count, backend_options=options)
            run = anyio.run(handled, Path(folder), count, backend_options=options)
            runs.append({**run, **limit, "ratio": round(run["handled_per_s"] / limit["limit_per_s"], 3)})
    middle = sorted(runs, key=lambda run: run["handled_per_s"])[len(runs) // 2]
    report = {
        **middle,
        "ratio": round(statistics.median(run["ratio"] for run in runs), 3),
        "lost": sum(run["lost"] for run in runs),
        "doubled": sum(run["doubled"] for run in runs),
        "events": count,
        "rounds": rounds,
    }
    columns = ["", "events/s", "CPU s/1,000", "publish ms p50 / p99", "to the handler ms", "stored only/s", "its CPU"]
    rows = [
        [
            f"round {turn}",
            run["handled_per_s"],
            run["cpu_s_per_1000"],
            *(f"{run[kind]['p50']} / {run[kind]['p99']}" for kind in ("publish_ms", "through_ms")),
            run["limit_per_s"],
            run["limit_cpu_s_per_1000"],
        ]
        for turn, run in enumerate(runs, 1)
    ]
    show("Publish to handler, without HTTP", columns, rows)
    print(f"lost {report['lost']}, doubled {report['doubled']}")
    write(NAME, report)
    return report


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*(numbers or ([100, 1] if QUICK else [])))
