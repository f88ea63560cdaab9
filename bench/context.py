"""How long a customer's card takes: `python -m bench.context [--quick | --large]`, on the disk of TMPDIR.

100,000 customers and 1,000,000 events (`--large`: ten times that), sealed as in production, and a tenth of it before,
so that the growth shows. Customers are unlike each other: one in two hundred has a thousand events, the rest have six.
Each has an order, an address with a permission and a message. Cards are asked for by a channel's name of the customer,
in turn of one with few events and one with many, after a restart. Bound to be below 20 ms at p99.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio

from bench.report import percentiles, show, write
from omnibridge.clock import SystemClock
from omnibridge.customer import Customers, card
from omnibridge.event import Event
from omnibridge.journal import (
    EntityWrite,
    KeyringSeal,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    SqliteJournal,
    StoredEvent,
    open_journal,
)
from omnibridge.model import Medium, canonical_id, consent_key, full_type

LIMIT_MS = 20.0
MANY, FEW, HEAVY = 1_000, 6, 200
"""Events of one customer in HEAVY, and of each other one."""
ASKED = 1_000
AT = datetime(2026, 1, 1, tzinfo=UTC)
_ORDER = b"""{"origin":"shop","entity":{"id":"%b","number":"%d","currency":"DKK","totals":{"total":{"amount":"129.90",
"currency":"DKK"}},"buyer":{"kind":"customer","id":"%b"},"lines":[{"title":"Article","sku":"A-1","quantity":"1",
"unit_price":{"amount":"129.90","currency":"DKK"}}]}}"""
_CUSTOMER = b"""{"origin":"shop","sources":{"email":["shop",1767225600000000],"given_name":["shop",1767225600000000]},
"entity":{"id":"%b","email":"c%d@example.com","given_name":"Customer","locale":"da-DK"}}"""
_MESSAGE = b"""{"origin":"phone","entity":{"id":"%b","direction":"inbound","medium":"sms","body":"Where is my parcel?",
"state":"received","customer":{"kind":"customer","id":"%b"},"sent_at":"2026-01-01T10:00:00Z"}}"""
_CONSENT = b"""{"origin":"shop","entity":{"contact":"c%d@example.com","medium":"email","purpose":"marketing",
"state":"granted","changed_at":"2026-01-01T10:00:00Z"},"ledger":[]}"""


def customer(number: int, inbox: int) -> Processed:
    """Everything about one customer, as processing would have come to it."""
    id_, order, message = (canonical_id("shop", kind, str(number)) for kind in ("customer", "order", "message"))
    consent = canonical_id("", "consent", consent_key(f"c{number}@example.com", Medium.EMAIL))
    mine, content = id_.encode(), _ORDER % (order.encode(), number, id_.encode())
    data = content.partition(b'"entity":')[2][:-1]
    events = [
        StoredEvent(
            Event.restored(
                id=f"{number:08x}{n:08x}",
                source="/bench/shop/shop",
                type=full_type("order.placed" if not n else "order.updated"),
                subject=order,
                time="2026-01-01T10:00:00Z",
                datacontenttype="application/json",
                dataschema=None,
                content=data,
                extensions={"channel": "shop", "partitionkey": id_},
            ),
            "shop",
            AT,
            inbox_id=inbox,
            party=id_,
        )
        for n in range(MANY if number % HEAVY == 0 else FEW)
    ]
    return Processed(
        inbox,
        references=(ReferenceWrite("shop", "customer", str(number), id_),),
        entities=(
            EntityWrite("customer", id_, 0, _CUSTOMER % (mine, number), id_),
            EntityWrite("order", order, 0, content, id_),
            EntityWrite("message", message, 0, _MESSAGE % (message.encode(), mine), id_),
            EntityWrite("consent", consent, 0, _CONSENT % number, id_),
        ),
        events=tuple(events),
    )


async def fill(journal: SqliteJournal, customers: range) -> int:
    """Write customers, in transactions of a few hundred; how many events."""
    inbox = (await journal.accept(NewInbox("shop", Origin.READ, b"[]", AT))).id
    batch: list[Processed] = []
    events = waiting = 0
    for number in customers:
        batch.append(customer(number, inbox))
        waiting += len(batch[-1].events)
        if waiting > 2_000 or number == customers[-1]:
            await journal.process(batch)
            events, waiting, batch = events + waiting, 0, []
    return events


async def ask(journal: SqliteJournal, customers: int, asked: int) -> list[float]:
    """The seconds of so many cards, asked for one after the other."""
    people, chance = Customers(journal), random.Random(1)
    took: list[float] = []
    for turn in range(asked):
        number = chance.randrange(customers)
        number -= number % HEAVY if turn % 2 else 0
        begun = time.perf_counter()
        found = await card(journal, await people.one(f"shop:{number}"))
        took.append(time.perf_counter() - begun)
        if len(found.orders) != 1 or len(found.consents) != 1 or len(found.timeline) != min(50, _events(number)):
            raise AssertionError("that is no whole card")
    return took


def _events(number: int) -> int:
    return MANY if number % HEAVY == 0 else FEW


async def measure(folder: Path, sizes: list[int], asked: int) -> list[dict[str, object]]:
    """For each number of customers: how many events, and how long a card takes."""
    rows: list[dict[str, object]] = []
    path, seal = folder / "journal.db", KeyringSeal.load(folder / "keyring", create=True)
    there = events = 0
    for size in sizes:
        begun = time.perf_counter()
        async with open_journal(path, seal=seal, clock=SystemClock()) as journal:
            events += await fill(journal, range(there, size))
            there = size
        filled = time.perf_counter() - begun
        seal = KeyringSeal.load(folder / "keyring", create=False)
        async with open_journal(path, seal=seal, clock=SystemClock()) as journal:
            await ask(journal, size, min(50, asked))
            took = await ask(journal, size, asked)
        rows.append(
            {
                "customers": size,
                "events": events,
                "ms": percentiles(took),
                "filled_s": round(filled, 1),
                "file_mb": round(path.stat().st_size / 1e6),
                "load": round(os.getloadavg()[0], 1),
            }
        )
        print(f"  {size:,} customers, {events:,} events: {rows[-1]['ms']}", flush=True)
    return rows


def main(arguments: list[str]) -> int:
    """Measure, and say whether a card is there in time."""
    sizes = [100, 1_000] if "--quick" in arguments else [10_000, 100_000]
    if "--large" in arguments:
        sizes.append(1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        rows = anyio.run(measure, Path(folder), sizes, 100 if "--quick" in arguments else ASKED)
    columns = ["customers", "events", "p50 ms", "p99 ms", "filled in s", "MB", "load"]
    shown: list[list[object]] = []
    for row in rows:
        ms = row["ms"]
        assert isinstance(ms, dict)
        shown.append(
            [row["customers"], row["events"], ms["p50"], ms["p99"], row["filled_s"], row["file_mb"], row["load"]]
        )
    show(f"a customer's card (limit {LIMIT_MS:g} ms at p99)", columns, shown)
    first, last = (row["ms"] for row in (rows[0], rows[-1]))
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    growth = round(last["p99"] / first["p99"], 2)
    name = "context-large" if "--large" in arguments else "context"
    write(name, {"sizes": rows, "card_ms": last, "limit_ms": LIMIT_MS, "growth": growth})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
