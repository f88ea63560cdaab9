"""What an order costs in the journal: `python -m bench.journal`, on the disk of TMPDIR."""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID, uuid5

import anyio

from omnibridge.clock import SystemClock
from omnibridge.event import Event
from omnibridge.journal import (
    Attempt,
    ClearSeal,
    DeliveryState,
    EntityKey,
    EntityWrite,
    KeyringSeal,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    Seal,
    Settled,
    ShadowWrite,
    SqliteJournal,
    StoredEvent,
    Task,
    open_journal,
)

SPACE = UUID(int=7)
BODY = b"x" * 7_900
ENTITY = b'{"name": "' + b"y" * 580 + b'"}'


def order(number: int, inbox_id: int, now: datetime) -> Processed:
    """What an order comes to: an entity, a shadow, a reference, an event and two deliveries."""
    id = str(uuid5(SPACE, f"order{number}"))
    event = Event(
        id=str(uuid5(SPACE, f"event{number}")),
        source="/acme/shopify/webshop-dk",
        type="io.omnibridge.order.placed.v1",
        subject=id,
        content=ENTITY,
        datacontenttype="application/json",
    )
    return Processed(
        inbox_id,
        references=(ReferenceWrite("webshop-dk", "order", str(number), id),),
        shadows=(ShadowWrite("webshop-dk", "order", str(number), 0, ENTITY, "2026-01-01"),),
        entities=(EntityWrite("order", id, 0, ENTITY),),
        events=(StoredEvent(event, "webshop-dk", now, inbox_id=inbox_id),),
        deliveries=tuple(
            NewDelivery(
                key=str(uuid5(SPACE, f"{number}{channel}")),
                channel=channel,
                task=Task.DELIVER,
                operation="order",
                lane=f"customer:{id}",
                due=now,
                event=(event.source, event.id),
                collapse=f"order:{id}",
                route="all-orders",
            )
            for channel in ("erp", "mail")
        ),
    )


class Load:
    """32 submitters, a processor that takes what is pending, and two channels that claim and settle."""

    def __init__(self, journal: SqliteJournal, orders: int) -> None:
        self.journal = journal
        self.orders = orders
        self.numbers: Iterator[int] = iter(range(orders))
        self.processed = count()
        self.settled = 0
        self.now = datetime.now(UTC)
        self.waits: list[float] = []

    async def submit(self) -> None:
        for number in self.numbers:
            started = time.perf_counter()
            await self.journal.accept(
                NewInbox("webshop-dk", Origin.WEBHOOK, BODY, self.now, f"delivery-{number}", {"method": "POST"})
            )
            self.waits.append(time.perf_counter() - started)

    async def process(self) -> None:
        after = done = 0
        while done < self.orders:
            rows = await self.journal.pending(after, 32)
            if rows:
                await self.journal.known([EntityKey("webshop-dk", "order", str(row.id)) for row in rows])
                await self.journal.process([order(next(self.processed), row.id, self.now) for row in rows])
                after = rows[-1].id
                done += len(rows)
            else:
                await anyio.sleep(0.001)

    async def deliver(self, channel: str) -> None:
        left = self.orders
        while left:
            claimed = await self.journal.claim(channel, 16, self.now)
            async with anyio.create_task_group() as group:
                for one in claimed:
                    settled = Settled(one.id, DeliveryState.DONE, Attempt(self.now, "success", 0.01))
                    group.start_soon(self.journal.settle, settled)
            left -= len(claimed)
            if not claimed:
                await anyio.sleep(0.001)

    async def run(self) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(32):
                group.start_soon(self.submit)
            group.start_soon(self.process)
            group.start_soon(self.deliver, "erp")
            group.start_soon(self.deliver, "mail")


def thread_ids() -> dict[str, int]:
    """The journal's threads by what they do."""
    prefix = "omnibridge-journal-"
    return {
        thread.name.removeprefix(prefix): thread.ident
        for thread in threading.enumerate()
        if thread.name.startswith(prefix) and thread.ident is not None
    }


async def measure(name: str, path: Path | None, seal: Seal, orders: int) -> None:
    """Run one load and print its line."""
    async with open_journal(path, seal=seal, clock=SystemClock()) as journal:
        load = Load(journal, orders)
        threads = {key: time.pthread_getcpuclockid(ident) for key, ident in thread_ids().items()}
        before = {key: time.clock_gettime(clock) for key, clock in threads.items()}
        cpu, started = time.process_time(), time.perf_counter()
        await load.run()
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        each = {key: (time.clock_gettime(clock) - before[key]) / orders * 1e6 for key, clock in threads.items()}
        waits = sorted(load.waits)
        print(
            f"{name:<22}{orders / took:>9,.0f}{each.get('writer', 0):>10.0f}{each.get('reader', 0):>9.0f}"
            f"{each.get('checkpoint', 0):>9.0f}{cpu / orders * 1e6:>9.0f}{waits[len(waits) // 2] * 1e3:>9.1f}"
            f"{waits[len(waits) * 99 // 100] * 1e3:>9.1f}"
        )


async def main(orders: int) -> None:
    """Print the table."""
    print(f"{'':<22}{'orders/s':>9}{'writer µs':>10}{'reader':>9}{'checkpt':>9}{'all µs':>9}{'p50 ms':>9}{'p99 ms':>9}")
    with tempfile.TemporaryDirectory() as folder:
        await measure("file", Path(folder, "clear.db"), ClearSeal(), orders)
        await measure("file, sealed", Path(folder, "sealed.db"), KeyringSeal([bytes(32)]), orders)
        await measure("memory, inline", None, ClearSeal(), orders)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--trio", action="store_true")
    options = parser.parse_args()
    anyio.run(main, options.orders, backend="trio" if options.trio else "asyncio")
