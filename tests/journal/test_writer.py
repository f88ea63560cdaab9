"""Group commit: many calls, one sync; a bad call fails alone; a disk that fails ends it all."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import apsw
import pytest

from omnibridge.errors import StorageError, StorageFailed
from omnibridge.journal import Conflict, open_journal

pytestmark = pytest.mark.both_backends


class Held:
    """Holds the writer in its first call until every other has been queued behind it."""

    def __init__(self, journal) -> None:
        self.gate = threading.Event()
        self.ledger = journal._ledger
        self.commits: list[int] = []
        self.real_commit, self.real_begin = self.ledger.commit, self.ledger.begin
        self.ledger.commit = self.commit
        running = threading.Event()
        journal._send(lambda: (running.set(), self.gate.wait(5)))
        assert running.wait(5)

    def commit(self) -> None:
        self.real_commit()
        self.commits.append(1)

    def open(self) -> None:
        self.gate.set()


async def together(calls, held=None):
    """Run calls at once; what each returned or raised."""
    results: list[Any] = [None] * len(calls)

    async def one(index, call):
        try:
            results[index] = await call
        except Exception as error:
            results[index] = error

    async with anyio.create_task_group() as group:
        for index, call in enumerate(calls):
            group.start_soon(one, index, call)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        if held is not None:
            held.open()
    return results


async def test_what_waits_shares_commits(opened, make):
    async with opened() as journal:
        held = Held(journal)
        await together([journal.accept(make.inbox(b"%d" % n, str(n))) for n in range(100)], held)
        assert len(held.commits) == 3  # the gate's own, then 64, then 36
        assert len(await journal.pending(0, 1000)) == 100


async def test_a_call_that_fails_alone_fails_alone(opened, make):
    async with opened() as journal:
        held = Held(journal)
        bad = make.processed(1, deliveries=(make.delivery("x", event=("/no", "such")),))
        results = await together(
            [
                journal.accept(make.inbox(b"1", "a")),
                journal.process([bad]),
                journal.accept(make.inbox(b"2", "b")),
                journal.accept(make.inbox(b"3", "a")),
                journal.settle(make.settled(77)),
            ],
            held,
        )
        assert [type(result).__name__ for result in results] == [
            "Accepted", "UnknownItem", "Accepted", "Accepted", "UnknownItem",
        ]  # fmt: skip
        bodies = {row.body for row in await journal.pending(0, 10)}
        assert b"2" in bodies
        assert len(bodies) == 2  # of those with one key, whichever came first: trio starts tasks in any order
        assert sorted(results[n].duplicate for n in (0, 3)) == [False, True]
        assert await journal.check_integrity() == []


async def test_a_conflict_does_not_cost_the_others_their_batch(opened, make):
    async with opened() as journal:
        await journal.process([make.processed(0, shadows=(make.shadow(),))])
        held = Held(journal)
        stale = make.processed(1, events=(make.event(),), shadows=(make.shadow(),), deliveries=(make.delivery("x"),))
        results = await together(
            [
                journal.accept(make.inbox(b"1")),
                journal.process([stale]),
                journal.process([make.processed(2, deliveries=(make.delivery("y"),))]),
            ],
            held,
        )
        assert isinstance(results[1], Conflict)
        assert results[2] is None
        assert len(held.commits) == 2  # the gate's own, then one for all
        assert [row.key for row in await journal.deliveries()] == [make.key("y")]
        assert await journal.events() == []
        assert await journal.check_integrity() == []


async def test_claims_of_a_batch_that_is_rolled_back_are_taken_again(opened, make):
    async with opened() as journal:
        await journal.ensure([make.delivery("a"), make.delivery("b")])
        (one,) = await journal.claim("erp", 1, make.now)
        held = Held(journal)
        results = await together(
            [
                journal.claim("erp", 1, make.now),
                journal.settle(make.settled(one.id)),
                journal.settle(make.settled(99)),
            ],
            held,
        )
        assert [claimed.key for claimed in results[0]] == [make.key("b")]
        assert results[1] is None
        assert await journal.claim("erp", 9, make.now) == []


async def test_a_cancelled_caller_does_not_break_its_batch(opened, make):
    async with opened() as journal:
        held = Held(journal)
        scope = anyio.CancelScope()

        async def cancelled():
            with scope:
                await journal.accept(make.inbox(b"mine", "a"))

        async with anyio.create_task_group() as group:
            group.start_soon(journal.accept, make.inbox(b"other"))
            group.start_soon(cancelled)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            held.open()
        assert scope.cancelled_caught
        # What was asked later meets what the cancelled call had stored.
        assert (await journal.accept(make.inbox(b"mine", "a"))).duplicate
        assert {row.body for row in await journal.pending(0, 10)} == {b"other", b"mine"}


async def test_closing_finishes_what_waits(opened, make):
    async with opened() as journal:
        held = Held(journal)
        async with anyio.create_task_group() as group:
            group.start_soon(journal.accept, make.inbox(b"waits"))
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            group.start_soon(journal.close)
            await anyio.lowlevel.checkpoint()
            held.open()
    async with opened() as journal:
        assert [row.body for row in await journal.pending(0, 10)] == [b"waits"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omnibridge-journal")]


async def test_a_full_disk_refuses_and_recovers(opened, make):
    async with opened() as journal:
        await journal.accept(make.inbox(b"first", "a"))
        db = journal._ledger.db
        pages = db.pragma("page_count")
        db.pragma("max_page_count", pages + 4)
        results = await together([journal.accept(make.inbox(b"x" * 100_000, "b")), journal.accept(make.inbox(b"2"))])
        assert isinstance(results[0], StorageError)
        assert not isinstance(results[0], StorageFailed)
        assert "room" in str(results[0])
        assert not isinstance(results[1], Exception)
        assert not journal.failed
        db.pragma("max_page_count", 1_000_000)
        assert not (await journal.accept(make.inbox(b"x" * 100_000, "b"))).duplicate
        assert await journal.check_integrity() == []


async def test_a_failed_sync_ends_the_journal(opened, make):
    async with opened() as journal:
        await journal.accept(make.inbox(b"safe"))
        ledger = journal._ledger
        calls = []

        def commit():
            calls.append(1)
            raise apsw.IOError("disk I/O error")

        ledger.commit = commit
        held = Held(journal)
        results = await together([journal.accept(make.inbox()), journal.accept(make.inbox())], held)
        assert {type(result) for result in results} == {StorageFailed}
        assert results[0] is not results[1]
        failure = await journal.wait_failed()
        assert journal.failed
        assert "disk I/O error" in str(failure)
        tried = len(calls)
        for call in (journal.accept(make.inbox()), journal.pending(0, 1), journal.claim("erp", 1, make.now)):
            with pytest.raises(StorageFailed):
                await call
        assert len(calls) == tried  # never again


async def test_a_journal_in_memory_starts_no_thread(clock, seal, make):
    before = threading.active_count()
    async with open_journal(None, seal=seal, clock=clock) as journal:
        await journal.accept(make.inbox())
        assert len(await journal.pending(0, 1)) == 1
        assert threading.active_count() == before
