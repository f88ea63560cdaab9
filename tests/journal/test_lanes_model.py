"""Lanes against a model of a few lines: whatever is done, order, heads, collapsing and claims are as it says."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from omnibridge.clock import SystemClock
from omnibridge.journal import Attempt, ClearSeal, DeliveryState, NewDelivery, Settled, Task, open_journal

START = datetime(2026, 3, 1, tzinfo=UTC)
FINAL = ("done", "dead", "refused", "unknown", "parked")


@dataclass
class Row:
    id: int
    key: str
    lane: str
    place: int
    priority: int
    due: int
    collapse: str | None
    state: str = "ready"
    holds: bool = False
    claimed: bool = False
    tried: bool = False
    attempts: int = 0
    generation: int = 0

    @property
    def open(self) -> bool:
        return self.state in ("ready", "queued", "parked") or self.holds


class Model:
    """One channel. `rows` by id."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.last = 0

    def lane(self, name: str) -> list[Row]:
        return sorted((row for row in self.rows.values() if row.lane == name and row.open), key=lambda row: row.place)

    def insert(self, key: str, lane: str, priority: int, due: int, collapse: str | None) -> None:
        if any(row.key == key for row in self.rows.values()):
            return
        self.last += 1
        id = self.last
        new = Row(id, key, lane, id, priority, due, collapse)
        others = self.lane(lane)
        new.state = "queued" if others else "ready"
        untouched = [
            row
            for row in others
            if collapse is not None
            and row.collapse == collapse
            and row.state in ("ready", "queued")
            and not (row.claimed or row.tried)
        ]
        if untouched:
            old = untouched[-1]
            new.place, new.state = old.place, old.state
            old.state = "superseded"
        self.rows[id] = new

    def claimable(self, now: int) -> list[Row]:
        ready = (row for row in self.rows.values() if row.state == "ready" and not row.claimed and row.due <= now)
        return sorted(ready, key=lambda row: (row.priority, row.due, row.id))

    def leave(self, row: Row, state: str, holds: bool = False) -> None:
        row.state, row.claimed, row.holds = state, False, holds
        if not row.open:
            for follower in self.lane(row.lane):
                follower.state = "ready"
                break

    def reopen(self, row: Row, now: int) -> None:
        row.state = "ready" if row.open or not self.lane(row.lane) else "queued"
        row.due, row.attempts, row.holds = now, 0, False
        row.priority = max(row.priority, 2)


class Lanes(RuleBasedStateMachine):
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = 0
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        opening = self.stack.enter_async_context(open_journal(None, seal=ClearSeal(), clock=SystemClock()))
        self.journal = self.runner.run(self.enter(opening))

    async def enter(self, opening):
        return await opening

    def do(self, call):
        return self.runner.run(call)

    def at(self, second: int) -> datetime:
        return START + timedelta(seconds=second)

    def teardown(self) -> None:
        assert self.do(self.journal.check_integrity()) == []
        self.do(self.stack.aclose())
        self.runner.close()

    @rule(
        target=ids,
        keys=st.lists(st.integers(0, 12), min_size=1, max_size=4),
        lane=st.sampled_from("AB"),
        priority=st.integers(0, 3),
        wait=st.integers(-2, 3),
        collapse=st.sampled_from([None, "c", "d"]),
    )
    def ensure(self, keys, lane, priority, wait, collapse):
        new = [
            NewDelivery(
                str(key), "erp", Task.DELIVER, "order", lane, self.at(self.now + wait), priority, collapse=collapse
            )
            for key in keys
        ]
        self.do(self.journal.ensure(new))
        before = set(self.model.rows)
        for key in keys:
            self.model.insert(str(key), lane, priority, self.now + wait, collapse)
        return multiple(*(set(self.model.rows) - before))

    @rule(limit=st.integers(1, 3), passed=st.integers(0, 2))
    def claim(self, limit, passed):
        self.now += passed
        expected = self.model.claimable(self.now)[:limit]
        claimed = self.do(self.journal.claim("erp", limit, self.at(self.now)))
        assert [(one.id, one.key, one.attempts, one.generation) for one in claimed] == [
            (row.id, row.key, row.attempts, row.generation) for row in expected
        ]
        for row in expected:
            row.claimed = True

    @rule(id=ids, state=st.sampled_from(FINAL), holds=st.booleans())
    def settle(self, id, state, holds):
        row = self.model.rows[id]
        if not row.claimed:
            return
        attempt = Attempt(self.at(self.now), "x", 0)
        self.do(self.journal.settle(Settled(id, DeliveryState(state), attempt, holds_lane=holds)))
        row.tried = True
        row.attempts += 1
        self.model.leave(row, state, holds and state == "unknown")

    @rule(id=ids, wait=st.integers(0, 3), count=st.booleans())
    def retry(self, id, wait, count):
        row = self.model.rows[id]
        if not row.claimed:
            return
        due = self.now + wait
        attempt = Attempt(self.at(self.now), "x", 0)
        self.do(self.journal.settle(Settled(id, DeliveryState.READY, attempt, due=self.at(due), count=count)))
        row.tried, row.claimed, row.due = True, False, due
        row.priority = 1 if count and row.priority == 0 else row.priority
        row.attempts += count

    @rule(id=ids)
    def release(self, id):
        self.journal.release([id])
        self.model.rows[id].claimed = False

    @rule(id=ids)
    def replay(self, id):
        row = self.model.rows[id]
        mendable = row.state in ("dead", "unknown", "parked", "refused")
        assert self.do(self.journal.replay([id], self.at(self.now))) == mendable
        if mendable:
            self.model.reopen(row, self.now)

    @rule(id=ids)
    def resend(self, id):
        row = self.model.rows[id]
        settled = row.state not in ("ready", "queued")
        assert self.do(self.journal.resend(id, self.at(self.now))) == (row.generation + 1 if settled else None)
        if settled:
            row.generation += 1
            if not row.open:
                self.model.last += 1
                row.place = self.model.last
            self.model.reopen(row, self.now)

    @rule(id=ids)
    def close_unknown(self, id):
        row = self.model.rows[id]
        unknown = row.state == "unknown"
        assert self.do(self.journal.close_unknown(id, self.at(self.now))) == unknown
        if unknown:
            held = row.holds
            row.holds = False
            row.state = "done"
            row.tried = True
            if held:
                self.model.leave(row, "done")

    @rule(id=ids)
    def give_up(self, id):
        row = self.model.rows[id]
        parked = row.state == "parked"
        assert self.do(self.journal.give_up(id, self.at(self.now))) == parked
        if parked:
            row.tried = True
            self.model.leave(row, "dead")

    @invariant()
    def states_are_the_models(self):
        rows = self.do(self.journal.deliveries(limit=100))
        assert {row.id: row.state.value for row in rows} == {row.id: row.state for row in self.model.rows.values()}

    @invariant()
    def each_lane_has_one_head(self):
        for lane in "AB":
            rows = self.model.lane(lane)
            assert len([row for row in rows if row.state != "queued"]) == bool(rows)

    @invariant()
    def the_next_due_is_the_models(self):
        ready = [row.due for row in self.model.rows.values() if row.state == "ready" and not row.claimed]
        expected = self.at(min(ready)) if ready else None
        assert self.do(self.journal.next_due("erp")) == expected


TestLanes = Lanes.TestCase
TestLanes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
