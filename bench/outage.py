"""One endpoint is down while orders keep coming: does the other one notice, and how fast is the backlog gone?

`python -m bench.outage [--quick]` prints a table and writes `bench/out/outage.json`. An outage of ten minutes is played
in 15 seconds (1:40): the queue is as deep as the rate makes it, but waits between attempts are the real ones. So the
time to drain has two parts: until the breaker's next probe gets through, and from there on.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.report import QUICK, percentiles, show, write
from bench.stage import Stage

NAME = "outage"
TEN_MINUTES = 600.0


def latencies(stage: Stage, at: dict[int, float], since: float, until: float) -> list[float]:
    """Seconds from sending to arrival, of the orders sent in a span of time that arrived."""
    return [at[number] - sent for number, sent in stage.sent.items() if since <= sent < until and number in at]


def fall(what: str, *, rate: float, before: float, sick: float, after: float, patience: float) -> dict[str, Any]:
    """Orders at `rate` while the left endpoint is `what` (down, throttle) for `sick` seconds; both then drain."""
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage:
        warm = int(rate)
        stage.load(warm)
        stage.arrived()
        load = stage.start_load(int(rate * (before + sick + after)), rate=rate, first=warm + 1)
        while stage.counts()[1]["unique"] <= warm:
            time.sleep(0.02)
        begun = time.monotonic()
        time.sleep(before)
        fell = stage.tell("left", what, seconds=sick, retry_after=1)
        time.sleep(max(0.0, fell + sick - 0.2 - time.monotonic()))
        backlog = stage.backlog()
        rose = fell + sick
        found = stage.ended(load, before + sick + after + 60)
        complete = stage.arrived(patience)
        books = stage.books()
        left, right = books["left"]["at"], books["right"]["at"]
        waiting = [number for number, sent in stage.sent.items() if sent < rose and left.get(number, rose) >= rose]
        arrived = [left[number] for number in waiting if number in left]
        drained = max(arrived, default=rose) if len(arrived) == len(waiting) else None
        first = min(arrived, default=rose)
        return {
            "rate_per_s": rate,
            "outage_s": sick,
            "healthy_ms": {
                "before": percentiles(latencies(stage, right, begun, fell)),
                "during": percentiles(latencies(stage, right, fell, rose)),
                "after": percentiles(latencies(stage, right, rose, float("inf"))),
            },
            "backlog": backlog["left"],
            "healthy_backlog": backlog["right"],
            "refused": len(books["left"]["refused_at"]),
            "first_after_s": round(first - rose, 2),
            "drain_s": None if drained is None else round(drained - rose, 2),
            "drained_per_s": None if drained is None else round(len(waiting) / max(0.01, drained - first), 1),
            "behind_s": round(found["behind_s"], 3),
            **stage.losses(books),
            "complete": complete,
        }


def table(title: str, found: dict[str, Any]) -> None:
    """Print what `fall` found."""
    healthy = found["healthy_ms"]
    show(
        title,
        ["healthy endpoint", "p50 ms", "p99 ms"],
        [[phase, healthy[phase]["p50"], healthy[phase]["p99"]] for phase in healthy],
    )
    show(
        f"sick endpoint, {found['outage_s']:g} s at {found['rate_per_s']:g} orders/s",
        ["backlog", "requests refused", "first after s", "drained after s", "drained/s", "lost", "doubled"],
        [
            [
                *(found[key] for key in ("backlog", "refused", "first_after_s", "drain_s", "drained_per_s")),
                found["lost"],
                found["doubled"],
            ]
        ],
    )


def main() -> dict[str, Any]:
    """Play the outage."""
    if QUICK:
        found = fall("down", rate=40.0, before=0.5, sick=1.0, after=0.5, patience=60.0)
    else:
        found = fall("down", rate=100.0, before=8.0, sick=15.0, after=8.0, patience=120.0)
    found["scale"] = round(TEN_MINUTES / found["outage_s"], 1)
    table(f"An endpoint is down; ten minutes played 1:{found['scale']:g}", found)
    write(NAME, found)
    return found


if __name__ == "__main__":
    main()
