"""The power goes at any moment: what was acknowledged is there, nothing is there by half, and the file is sound."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid5

import anyio
import anyio.lowlevel
import pytest
from power_cut import NAME, Disk

from omnibridge.clock import SystemClock
from omnibridge.errors import StorageError
from omnibridge.event import Event
from omnibridge.journal import (
    Accepted,
    Attempt,
    ClearSeal,
    DeliveryState,
    EntityWrite,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    Settled,
    ShadowWrite,
    SqliteJournal,
    Step,
    StoredEvent,
    Task,
    open_journal,
    sqlite_calls,
)
from omnibridge.journal import sqlite_intake as intake
from omnibridge.journal.sqlite_checkpoint import Checkpointer

START = datetime(2026, 3, 1, tzinfo=UTC)
RUNS = 25
CUTS = 20  # at least, in a run: 500 in all
CHANCE = 0.018
ORDERS = 24


class Cuts(NamedTuple):
    number: int
    found: list[str]


@dataclass
class Facts:
    """What the journal has acknowledged so far."""

    accepted: list[str] = field(default_factory=list)
    processed: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    cursor: list[int] = field(default_factory=list)

    def copy(self) -> Facts:
        return Facts(self.accepted[:], self.processed[:], self.settled[:], self.cursor[:])


def order(number: str, inbox_id: int) -> Processed:
    return Processed(
        inbox_id,
        references=(ReferenceWrite("shop", "order", number, f"o{number}"),),
        shadows=(ShadowWrite("shop", "order", number, 0, b"shadow" * 20, "1"),),
        entities=(EntityWrite("order", f"o{number}", 0, b"entity" * 20),),
        events=(StoredEvent(Event(id=f"e{number}", source="/s", type="x", content=b"c" * 300), "shop", START),),
        deliveries=tuple(
            NewDelivery(
                str(uuid5(UUID(int=1), channel + number)), channel, Task.DELIVER, number, f"lane{int(number) % 5}",
                START, event=("/s", f"e{number}"),
            )
            for channel in ("erp", "mail")
        ),
    )  # fmt: skip


async def work(journal: SqliteJournal, facts: Facts) -> None:
    """Orders from accepting to settling, with all that the journal writes on the way."""
    numbers = iter(range(ORDERS))

    async def submit() -> None:
        for number in numbers:
            # Bodies of one page and of several.
            body = b"%d " % number + bytes(100 if number % 3 else 9_000)
            await journal.accept(NewInbox("shop", Origin.WEBHOOK, body, START, f"d{number}"))
            facts.accepted.append(str(number))

    async def process() -> None:
        after = 0
        while len(facts.processed) < ORDERS:
            rows = await journal.pending(after, 3)
            mine = [row for row in rows if row.origin is Origin.WEBHOOK]
            if mine:
                names = [row.body.split()[0].decode() for row in mine]
                await journal.process([order(name, row.id) for name, row in zip(names, mine, strict=True)])
                facts.processed.extend(names)
            after = rows[-1].id if rows else after
            if not rows:
                await anyio.lowlevel.checkpoint()

    async def deliver(channel: str) -> None:
        left = ORDERS
        while left:
            claimed = await journal.claim(channel, 4, START)
            for one in claimed:
                await journal.start(one.id, Step("create", 0, "k", b"request" * 30))
                name = channel + one.operation
                await journal.settle(
                    Settled(
                        one.id,
                        DeliveryState.DONE,
                        Attempt(START, "success", 0.1),
                        references=(ReferenceWrite(channel, "order", one.operation, f"o{one.operation}"),),
                        inbox=(NewInbox(channel, Origin.RECEIPT, name.encode(), START),),
                    )
                )
                facts.settled.append(name)
            left -= len(claimed)
            await anyio.lowlevel.checkpoint()

    async def poll() -> None:
        for page in range(8):
            await journal.emit(0, NewInbox("poll", Origin.POLL, b"page%d" % page, START), ("c", b"%d" % page))
            facts.cursor.append(page)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(submit)
        group.start_soon(process)
        group.start_soon(deliver, "erp")
        group.start_soon(deliver, "mail")
        group.start_soon(poll)


async def lost(path: Path, facts: Facts) -> list[str]:
    """What is wrong with the journal that the next start finds, against what was acknowledged."""
    found: list[str] = []
    try:
        async with open_journal(path, seal=ClearSeal(), clock=SystemClock()) as journal:
            found += await journal.check_integrity()
            inbox = await journal.inbox(limit=10_000)
            orders = {row.body.split()[0].decode(): row.state.value for row in inbox if row.origin is Origin.WEBHOOK}
            receipts = {row.body.decode() for row in inbox if row.origin is Origin.RECEIPT}
            pages = sorted(int(row.body[4:]) for row in inbox if row.origin is Origin.POLL)
            deliveries = {row.channel + row.operation: row for row in await journal.deliveries(limit=10_000)}
            events = {stored.event.id[1:] for stored in await journal.events(limit=10_000)}
            names = [("order", f"o{number}") for number in range(ORDERS)]
            entities = {id[1:] for _, id in await journal.entities(names)}
            shadows = {id[1:] for (_, id), (_, shadow) in (await journal.references("shop", names)).items() if shadow}
            written = {
                channel + id[1:] for channel in ("erp", "mail") for _, id in await journal.references(channel, names)
            }
            cursor = await journal.cursor("poll", "c")
    except StorageError as error:
        return [str(error)]
    except Exception as error:  # a page that was never written can hold anything
        return [f"unreadable ({type(error).__name__}): what it held is lost"]
    found += [f"accepted {number} is lost" for number in facts.accepted if number not in orders]
    found += [f"processed {number} is lost" for number in facts.processed if orders.get(number) != "done"]
    found += [f"settled {name} is lost" for name in facts.settled if name not in written]
    for number in map(str, range(ORDERS)):
        parts = {
            orders.get(number) == "done",
            number in events,
            number in entities,
            number in shadows,
            f"erp{number}" in deliveries,
            f"mail{number}" in deliveries,
        }
        if len(parts) > 1:
            found.append(f"{number} is processed by half")
    for name, row in deliveries.items():
        if len({row.state is DeliveryState.DONE, name in written, name in receipts}) > 1:
            found.append(f"{name} is settled by half")
    if facts.cursor and (cursor is None or int(cursor) < facts.cursor[-1]):
        found.append(f"the cursor {facts.cursor[-1]} is lost")
    if pages != list(range(len(pages))) or (cursor is not None and pages[-1:] != [int(cursor)]):
        found.append("a page and its cursor have parted")
    return found


@contextmanager
def cutting(random: Random, chance: float, facts: Facts) -> Iterator[list[tuple[Facts, dict[str, bytes]]]]:
    """A disk on which the power goes at random steps, each time as seen by who starts again after that."""
    taken: list[tuple[Facts, dict[str, bytes]]] = []

    def step(number: int) -> None:
        if random.random() < chance:
            taken.append((facts.copy(), disk.after_cut(random)))

    disk = Disk(step)
    try:
        yield taken
    finally:
        gc.collect()  # files that are still open know the VFS
        disk.unregister()


async def cut(folder: Path, seed: int, plant: Callable[[SqliteJournal], Awaitable[None]] | None = None) -> Cuts:
    """One run with its cuts, and what was found wrong after each."""
    random = Random(seed)
    facts = Facts()
    run = folder / str(seed)
    run.mkdir()
    with cutting(random, CHANCE, facts) as taken:
        async with open_journal(run / "journal.db", seal=ClearSeal(), clock=SystemClock(), vfs=NAME) as journal:
            if plant is not None:
                await plant(journal)
            await work(journal, facts)
    found: list[str] = []
    for number, (then, files) in enumerate(taken):
        place = run / f"cut{number}"
        place.mkdir()
        for name, content in files.items():
            (place / name).write_bytes(content)
        found += [f"seed {seed} cut {number}: {text}" for text in await lost(place / "journal.db", then)]
    return Cuts(len(taken), found)


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and a new start of the log many times in a run."""
    monkeypatch.setattr(sqlite_calls, "Checkpointer", partial(Checkpointer, every=10, long=30, most=60))


@pytest.mark.parametrize("seed", range(RUNS))
async def test_what_was_acknowledged_survives_whole(tmp_path, seed):
    cuts = await cut(tmp_path, seed)
    assert cuts.found == []
    print("CUTS", cuts.number)
    assert cuts.number >= CUTS


# -- and the disk would catch it if it were otherwise --------------------------------------------------------------


async def test_it_notices_a_journal_that_does_not_sync(tmp_path):
    async def plant(journal: SqliteJournal) -> None:
        journal._ledger.db.pragma("synchronous", "off")

    cuts = await cut(tmp_path, 0, plant)
    assert any("is lost" in text for text in cuts.found)


async def test_it_notices_an_acknowledgement_before_the_commit(tmp_path):
    async def plant(journal: SqliteJournal) -> None:
        async def accept(item: NewInbox) -> Accepted:
            journal._send(partial(intake.accept, journal._ledger, journal._columns.intake(item)))
            return Accepted(0, duplicate=False)

        journal.accept = accept  # type: ignore[method-assign]

    # Without waiting all is stored by few commits, and the power must go in one of them.
    for seed in range(10):
        cuts = await cut(tmp_path, seed, plant)
        if any("accepted" in text and "is lost" in text for text in cuts.found):
            return
    pytest.fail("nobody noticed")


async def test_it_notices_processing_in_two_transactions(tmp_path):
    async def plant(journal: SqliteJournal) -> None:
        whole = journal.process

        async def process(batch: Sequence[Processed]) -> None:
            for item in batch:
                await whole([item._replace(deliveries=())])
                await journal.ensure(item.deliveries)

        journal.process = process  # type: ignore[method-assign]

    cuts = await cut(tmp_path, 0, plant)
    assert any("processed by half" in text for text in cuts.found)
