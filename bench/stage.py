"""One system under load with its two sinks: the main job's scene, which several benchmarks share."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.orders import SECRET
from bench.processes import Child, http, text, wait_for_port
from omnibridge.testing import free_port

__all__ = ["CONNECTIONS", "ROOT", "Load", "Stage", "Watch"]

CONNECTIONS = 32
ROOT = Path(__file__).parent.parent
SIDES = ("left", "right")
CONFIG = """
[bridge]
journal = "{journal}"
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
_BACKLOG = re.compile(r'^omnibridge_deliveries\{channel="(\w+)",state="(?:ready|queued)"\} (\S+)$', re.MULTILINE)


class Load:
    """A load generator under way."""

    def __init__(self, child: Child, out: Path) -> None:
        self._child = child
        self._out = out

    def wait(self, seconds: float) -> dict[str, Any]:
        """What it measured, order numbers as whole numbers."""
        with self._child:
            if self._child.process.wait(seconds):
                raise RuntimeError(f"the load generator failed:\n{self._child.said()}")
        found = json.loads(self._out.read_text())
        found["sent"] = {int(number): at for number, at in found["sent"].items()}
        return found

    def stop(self) -> None:
        """End it, whatever it has done."""
        with self._child:
            self._child.stop()


class Stage:
    """`with Stage(folder) as stage:` runs two sinks and OmniBridge, or the reference, on free ports of loopback.

    `journal` is kept elsewhere than in `folder` where it is given.
    """

    def __init__(self, folder: Path, system: str = "omnibridge", *, journal: Path | None = None) -> None:
        self.folder = folder
        self.system = system
        self.journal = journal or folder / "bench.db"
        self.port, self.left, self.right = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.acknowledged: set[int] = set()
        self.sent: dict[int, float] = {}
        self.refused_orders = 0
        self._stack = ExitStack()
        self._sinks: dict[str, Child] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for side, port in zip(SIDES, (self.left, self.right), strict=True):
                out = str(self.folder / f"{side}.json")
                sink = Child(["-m", "bench.sink", str(port), out], folder=ROOT)
                self._sinks[side] = stack.enter_context(sink)
                wait_for_port(port, sink)
            self.child = stack.enter_context(self.start())
            wait_for_port(self.port, self.child)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> Child:
        """Start the system."""
        if self.system == "reference":
            sinks = [f"http://127.0.0.1:{port}/" for port in (self.left, self.right)]
            return Child(["-m", "bench.reference", str(self.port), str(self.journal), *sinks], folder=ROOT)
        config = self.folder / "bridge.toml"
        values = {"port": self.port, "left": self.left, "right": self.right, "secret": SECRET.decode()}
        config.write_text(CONFIG.format(journal=self.journal, **values), encoding="utf-8")
        return Child(["-m", "omnibridge.cli", "run", "--config", str(config)], folder=ROOT)

    # -- load ------------------------------------------------------------------------------------------------------

    def start_load(self, count: int, *, rate: float = 0.0, first: int = 1) -> Load:
        """Send orders `first` and following, `rate` a second (0: as fast as they are answered)."""
        out = self.folder / f"load-{first}.json"
        values = [f"{self.url}/in/shop", count, CONNECTIONS, rate, out, first]
        return Load(Child(["-m", "bench.load", *map(str, values)], folder=ROOT), out)

    def ended(self, load: Load, seconds: float = 120.0) -> dict[str, Any]:
        """Wait for a load and note what was acknowledged."""
        found = load.wait(seconds)
        if self.child.process.poll() is not None:
            raise RuntimeError(f"the {self.system} ended under load:\n{self.child.said()}")
        failed = set(found["failed"])
        self.sent.update(found["sent"])
        self.acknowledged.update(number for number in found["sent"] if number not in failed)
        self.refused_orders += len(failed)
        return found

    def load(self, count: int, *, rate: float = 0.0, first: int = 1, seconds: float = 120.0) -> dict[str, Any]:
        """Run a load to its end."""
        return self.ended(self.start_load(count, rate=rate, first=first), seconds)

    # -- sinks -----------------------------------------------------------------------------------------------------

    def counts(self) -> list[dict[str, int]]:
        """What each sink has."""
        found = [http(f"http://127.0.0.1:{port}/count") for port in (self.left, self.right)]
        return [one or {"unique": 0, "doubled": 0, "refused": 0} for one in found]

    def arrived(self, seconds: float = 120.0) -> bool:
        """Wait until both sinks have as many orders as were acknowledged; whether they do."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(found["unique"] >= len(self.acknowledged) for found in self.counts()):
                return True
            time.sleep(0.05)
        return False

    def tell(self, side: str, what: str, **told: float) -> float:
        """Tell a sink to be `down` or to `throttle`; when it heard (monotonic)."""
        http(f"http://127.0.0.1:{getattr(self, side)}/{what}", told)
        return time.monotonic()

    def books(self) -> dict[str, dict[str, Any]]:
        """End both sinks; what each has seen, order numbers as whole numbers."""
        found: dict[str, dict[str, Any]] = {}
        for side, sink in self._sinks.items():
            sink.stop()
            book = json.loads((self.folder / f"{side}.json").read_text())
            book["at"] = {int(number): at for number, at in book["at"].items()}
            found[side] = book
        return found

    def losses(self, books: dict[str, dict[str, Any]]) -> dict[str, int]:
        """What was acknowledged and is in no sink, or came more than once."""
        return {
            "lost": sum(len(self.acknowledged - book["at"].keys()) for book in books.values()),
            "doubled": sum(book["doubled"] + book["strange"] for book in books.values()),
            "not_acknowledged": self.refused_orders,
        }

    def backlog(self) -> dict[str, int]:
        """Deliveries that wait, by channel, as the daemon's own metrics tell."""
        found: dict[str, int] = dict.fromkeys(SIDES, 0)
        for channel, number in _BACKLOG.findall(text(f"{self.url}/metrics")):
            found[channel] = found.get(channel, 0) + int(float(number))
        return found


class Watch:
    """`with Watch(child) as watch:` notes the peak of a process's memory."""

    def __init__(self, child: Child, every: float = 0.25) -> None:
        self.peak = 0.0
        self._child = child
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._look()

    def _look(self) -> None:
        try:
            self.peak = max(self.peak, self._child.pss_mb())
        except OSError:
            self._stop.set()

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
