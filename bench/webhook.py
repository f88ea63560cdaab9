"""Webhook to two deliveries: signed 8 KB orders in, synced, understood, delivered to two endpoints; beside a reference.

`python -m bench.webhook [COUNT] [ROUNDS]` prints a table and writes `bench/out/webhook-to-two-deliveries.json`.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.orders import SECRET
from bench.processes import Child, free_port, http, wait_for_port

CONNECTIONS = 32
ROOT = Path(__file__).parent.parent
CONFIG = """
[bridge]
journal = "bench.db"
public_url = "http://127.0.0.1:{port}"

[server]
port = {port}

[channels.shop]
connector = "shopify"
[channels.shop.settings]
shop = "bench.myshopify.com"
access_token = "bench"
webhook_secrets = ["{secret}"]
base_url = "http://127.0.0.1:1"

[channels.left]
connector = "cloudevents"
[channels.left.settings]
url = "http://127.0.0.1:{left}/"

[channels.right]
connector = "cloudevents"
[channels.right.settings]
url = "http://127.0.0.1:{right}/"

[[routes]]
name = "orders"
from = ["shop"]
events = ["order.placed"]
to = ["left", "right"]
"""


class Run:
    """One system under load, with its two sinks."""

    def __init__(self, folder: Path, system: str) -> None:
        self.folder = folder
        self.system = system
        self.port, self.left, self.right = free_port(), free_port(), free_port()
        self.peak = 0.0

    def command(self) -> list[str]:
        """How the system is started."""
        if self.system == "reference":
            sinks = [f"http://127.0.0.1:{self.left}/", f"http://127.0.0.1:{self.right}/"]
            return ["-m", "bench.reference", str(self.port), str(self.folder / "reference.db"), *sinks]
        config = self.folder / "bridge.toml"
        config.write_text(
            CONFIG.format(port=self.port, left=self.left, right=self.right, secret=SECRET.decode()), encoding="utf-8"
        )
        return ["-m", "omnibridge.cli", "run", "--config", str(config)]

    def watch(self, child: Child, stop: threading.Event) -> None:
        """Note the peak of memory."""
        while not stop.wait(0.2):
            try:
                self.peak = max(self.peak, child.pss_mb())
            except OSError:
                return

    def measure(self, count: int, rate: float = 0.0, first: int = 1, warm: int = 500) -> dict[str, Any]:
        """Send `count` orders and wait until both sinks have them."""
        outs = [self.folder / f"{self.system}-{side}.json" for side in ("left", "right")]
        with (
            Child(["-m", "bench.sink", str(self.left), str(outs[0])], folder=ROOT) as left,
            Child(["-m", "bench.sink", str(self.right), str(outs[1])], folder=ROOT) as right,
            Child(self.command(), folder=ROOT) as child,
        ):
            for port in (self.left, self.right, self.port):
                wait_for_port(port)
            self.load(warm, 0.0, first + count + 1_000_000)
            self.arrived(warm)
            stop = threading.Event()
            watcher = threading.Thread(target=self.watch, args=(child, stop))
            watcher.start()
            cpu = child.cpu_seconds()
            load = self.load(count, rate, first)
            complete = self.arrived(warm + count)
            cpu = child.cpu_seconds() - cpu
            stop.set()
            watcher.join()
            left.stop()
            right.stop()
        return self.result(load, [json.loads(out.read_text()) for out in outs], count, warm, cpu, complete)

    def load(self, count: int, rate: float, first: int) -> dict[str, Any]:
        """Run the load generator."""
        out = self.folder / "load.json"
        url = f"http://127.0.0.1:{self.port}/in/shop"
        arguments = [url, str(count), str(CONNECTIONS), str(rate), str(out), str(first)]
        with Child(["-m", "bench.load", *arguments], folder=ROOT) as load:
            load.process.wait(300)
        return json.loads(out.read_text())

    def arrived(self, count: int, seconds: float = 120.0) -> bool:
        """Wait until both sinks have `count` events."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            counts = [http(f"http://127.0.0.1:{port}/count") for port in (self.left, self.right)]
            if all(found and found["unique"] >= count for found in counts):
                return True
            time.sleep(0.05)
        return False

    def result(
        self, load: dict[str, Any], sinks: list[dict[str, Any]], count: int, warm: int, cpu: float, complete: bool
    ) -> dict[str, Any]:
        """The figures."""
        last = max(at for sink in sinks for number, at in sink["at"].items() if number in load["sent"])
        e2e = sorted(
            max(sink["at"].get(number, float("inf")) for sink in sinks) - at for number, at in load["sent"].items()
        )
        acks = sorted(load["acks"])
        return {
            "delivered_per_s": round(count / (last - load["begun"]), 1),
            "cpu_s_per_1000": round(cpu / count * 1000, 3),
            "peak_pss_mb": round(self.peak, 1),
            "ack_ms": {"p50": _ms(acks, 0.5), "p99": _ms(acks, 0.99)},
            "e2e_ms": {"p50": _ms(e2e, 0.5), "p99": _ms(e2e, 0.99)},
            "lost": sum(count + warm - sink["unique"] for sink in sinks),
            "doubled": sum(sink["doubled"] for sink in sinks),
            "not_acknowledged": len(load["failed"]),
            "complete": complete,
        }


def _ms(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1000, 2)


def main(count: int = 6000, rounds: int = 3) -> dict[str, Any]:
    """Interleaved rounds; medians by throughput."""
    found: dict[str, list[dict[str, Any]]] = {"omnibridge": [], "reference": []}
    for _ in range(rounds):
        for system, results in found.items():
            with tempfile.TemporaryDirectory() as folder:
                results.append(Run(Path(folder), system).measure(count))
                print(system, json.dumps(results[-1]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        calm = Run(Path(folder), "omnibridge").measure(1000, rate=100.0)
        print("omnibridge at 100/s", json.dumps(calm), flush=True)
    middle = {
        system: sorted(results, key=lambda r: r["delivered_per_s"])[len(results) // 2]
        for system, results in found.items()
    }
    ours, reference = middle["omnibridge"], middle["reference"]
    report = {
        **ours,
        "reference_per_s": reference["delivered_per_s"],
        "reference_cpu_s_per_1000": reference["cpu_s_per_1000"],
        "ratio": round(
            statistics.median(
                a["delivered_per_s"] / b["delivered_per_s"]
                for a, b in zip(found["omnibridge"], found["reference"], strict=True)
            ),
            3,
        ),
        "ack_ms_at_100_per_s": calm["ack_ms"],
        "lost": sum(r["lost"] for r in found["omnibridge"]),
        "doubled": sum(r["doubled"] for r in found["omnibridge"]),
        "orders": count,
        "rounds": rounds,
    }
    out = ROOT / "bench" / "out"
    out.mkdir(exist_ok=True)
    (out / "webhook-to-two-deliveries.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    return report


if __name__ == "__main__":
    main(*[int(argument) for argument in sys.argv[1:]])
