"""A system is down for nearly three days: every retry of it, in milliseconds, with a clock in the test's hand."""

from __future__ import annotations

import time
from datetime import timedelta

import anyio
from omnibridge_cloudevents.connector import CONNECTOR
from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from omnibridge_cloudevents.settings import CloudEventsSettings

from omnibridge.connector import Fault, Response
from omnibridge.event import Event
from omnibridge.testing import ManualClock, TestBridge

TOML = """
[channels.warehouse]
connector = "cloudevents"
settings = { url = "https://warehouse.example/events" }

[[routes]]
name = "everything to the warehouse"
events = ["*"]
to = ["warehouse"]
"""


async def main() -> None:
    """Publish while the warehouse is down, let nearly three days pass, mend it, and see the event arrive."""
    clock = ManualClock()
    warehouse = CloudEventsSandbox(CloudEventsSettings(url="https://warehouse.example/events"), clock.now)
    down = Fault(Response(503), times=1_000_000)
    warehouse.faults.append(down)
    begun = time.perf_counter()
    hosts = {"warehouse.example": warehouse}
    async with TestBridge(TOML, connectors=[CONNECTOR], sandboxes=hosts, clock=clock, look_every=86_400) as bridge:
        await bridge.publish(Event.make("example.happened", {"number": 1}, id="1", source="/example"))
        await bridge.settle(timedelta(hours=70).total_seconds())
        waiting = (await bridge.journal.deliveries())[0]
        print(f"{clock.now():%d %B}: {waiting.state.value}, {waiting.attempts} attempts, {len(warehouse.log)} requests")
        warehouse.faults.remove(down)
        await bridge.settle(timedelta(hours=2).total_seconds())
        arrived = (await bridge.journal.deliveries())[0]
        print(f"{clock.now():%d %B}: {arrived.state.value}, {len(warehouse.events)} event taken")
    assert time.perf_counter() - begun < 10


if __name__ == "__main__":
    anyio.run(main)
