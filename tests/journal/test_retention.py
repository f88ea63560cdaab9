"""Retention: what is settled and old goes, what is not never does."""

from __future__ import annotations

import pytest

from omnibridge.journal import Retention

pytestmark = pytest.mark.both_backends


async def work(journal, make, clock, name, state=None, **more):
    """An inbox row, its event, and a delivery brought to a state; the ids of the row and the delivery."""
    at = clock.now()
    id = (await journal.accept(make.inbox(name.encode() * 50, name, received=at))).id
    await journal.process(
        [
            make.processed(
                id,
                references=(make.reference(name, name),),
                events=(make.event(f"event-{name}", recorded=at),),
                deliveries=(make.delivery(name, due=at, event=("/t/acme/shop", f"event-{name}"), **more),),
            )
        ]
    )
    (one,) = [one for one in await journal.claim("erp", 99, at) if one.key == make.key(name)]
    if state is None:
        journal.release([one.id])
    else:
        await journal.settle(make.settled(one.id, state, attempt=make.attempt(at=at)))
    return id, one.id


async def names(journal, make, candidates):
    keys = {make.key(name): name for name in candidates}
    return [keys[row.key] for row in reversed(await journal.deliveries(limit=1000))]


async def test_only_what_is_settled_and_old_goes(journal, make, clock):
    states = {"done": "done", "refused": "refused", "dead": "dead", "unknown": "unknown", "parked": "parked"}
    for name, state in states.items():
        await work(journal, make, clock, name, state)
    await work(journal, make, clock, "ready")
    invalid = (await journal.accept(make.inbox(b"invalid", received=make.now))).id
    pending = (await journal.accept(make.inbox(b"pending", received=make.now))).id
    await journal.process([make.processed(invalid, invalid="bad")])
    clock.at = make.after(days=10)
    await work(journal, make, clock, "young", "done")
    await work(journal, make, clock, "newest", "done")
    gone = await journal.retain(Retention(make.after(days=5), make.after(days=-99)))
    everyone = [*states, "ready", "young", "newest"]
    kept = ["dead", "unknown", "parked", "ready", "young", "newest"]
    assert await names(journal, make, everyone) == kept
    assert [row.body for row in await journal.inbox(state="pending")] == [b"pending"]
    assert [row.id for row in await journal.inbox(state="invalid")] == [invalid]
    assert pending
    assert {stored.event.id for stored in await journal.events()} == {f"event-{name}" for name in kept}
    assert {row.body[:5] for row in await journal.inbox(state="done")} == {b"young", b"newes"}
    # Six old inbox rows were processed; two deliveries and their events went.
    assert gone == 6 + 2 + 2
    for name in everyone:
        assert await journal.links("order", name)
    counts = await journal.counts()
    assert (counts.events, counts.deliveries.get(("erp", "done"))) == (6, 2)
    assert await journal.retain(Retention(make.after(days=5), make.after(days=-99))) == 0


async def test_dedupe_keys_go_by_their_own_age(journal, make, clock):
    for day in range(40):
        for n in range(10):
            await journal.accept(make.inbox(dedupe=f"{day}-{n}", received=make.after(days=day)))
    assert await journal.retain(Retention(make.now, make.after(days=30))) == 300
    assert not (await journal.accept(make.inbox(dedupe="29-0"))).duplicate
    assert (await journal.accept(make.inbox(dedupe="30-0"))).duplicate


async def test_ids_are_not_given_twice(opened, make, clock):
    async with opened() as journal:
        for name in ("a", "b"):
            await work(journal, make, clock, name, "done")
        clock.at = make.after(days=9)
        await journal.retain(Retention(make.after(days=8), make.now))
        last = (await journal.deliveries())[0].id
    async with opened() as journal:
        inbox, delivery = await work(journal, make, clock, "c", "done")
        assert (inbox, delivery) == (3, last + 1)
        assert [stored.seq for stored in await journal.events()] == [3, 2]


async def test_attempts_are_bounded_for_each_delivery(journal, make):
    await journal.ensure([make.delivery("poll", recurring=True), make.delivery("other")])
    for n in range(9):
        for one in await journal.claim("erp", 9, make.now):
            if one.recurring:
                attempt = make.attempt(f"run-{n}")
                await journal.settle(make.settled(one.id, "ready", due=make.now, attempt=attempt))
            else:
                journal.release([one.id])
    policy = Retention(make.after(days=-9), make.after(days=-9), max_attempts=4)
    assert await journal.retain(policy) == 5
    assert [attempt.outcome for attempt in (await journal.delivery(1)).history] == ["run-5", "run-6", "run-7", "run-8"]
    assert await journal.retain(policy) == 0


async def test_a_file_that_is_too_large_loses_its_oldest_settled_work_and_shrinks(opened, make, clock, tmp_path):
    async with opened() as journal:
        stuck = (await journal.accept(make.inbox(b"s" * 5000))).id
        for _n in range(600):
            id = (await journal.accept(make.inbox(b"x" * 20_000))).id
            await journal.process([make.processed(id)])
        assert (await journal.counts()).bytes > 12_000_000
        gone = await journal.retain(Retention(make.after(days=-1), make.after(days=-1), max_bytes=4_000_000))
        counts = await journal.counts()
        assert 350 < gone < 600
        assert 2_000_000 < counts.bytes <= 4_000_000
        assert [row.id for row in await journal.pending(0, 9)] == [stuck]
        left = [row.id for row in await journal.inbox(state="done", limit=1000)]
        assert left == list(range(601, 601 - len(left), -1))  # the newest
        assert await journal.check_integrity() == []
        await journal.retain(Retention(make.after(days=-1), make.after(days=-1), max_bytes=0))
        assert [row.id for row in await journal.pending(0, 9)] == [stuck]
