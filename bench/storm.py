"""One endpoint answers 429 with Retry-After for a while: the throttle must hold back, and nobody else may notice.

`python -m bench.storm [--quick]` prints a table and writes `bench/out/storm.json`. `allowed` is what may reach the
endpoint meanwhile: those that were under way at the first 429, and as many for each Retry-After that ran out.
"""

from __future__ import annotations

from typing import Any

from bench.outage import fall, table
from bench.report import QUICK, write

NAME = "storm"
CONCURRENCY = 32
"""Of the connector `cloudevents`: so many requests can be under way when the first 429 comes."""


def main() -> dict[str, Any]:
    """Play the storm."""
    if QUICK:
        found = fall("throttle", rate=40.0, before=0.5, sick=1.0, after=0.5, patience=60.0)
    else:
        found = fall("throttle", rate=100.0, before=8.0, sick=12.0, after=8.0, patience=120.0)
    found["allowed"] = int(CONCURRENCY * (found["outage_s"] + 1))
    found["held_back"] = found["refused"] <= found["allowed"]
    found["refused_per_s"] = round(found["refused"] / found["outage_s"], 1)
    table("An endpoint answers 429, Retry-After: 1", found)
    print(
        f"{found['refused']} requests met a 429 ({found['refused_per_s']} a second; at most {found['allowed']} allowed)"
    )
    write(NAME, found)
    return found


if __name__ == "__main__":
    main()
