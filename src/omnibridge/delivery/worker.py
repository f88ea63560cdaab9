"""Works off the outbox of one channel: claims heads of lanes, runs them side by side, settles each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import anyio
import structlog

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.connector import Later
from omnibridge.delivery import outcome
from omnibridge.delivery.breaker import Breaker
from omnibridge.delivery.outcome import Done
from omnibridge.delivery.tasks import DAILY, Held, Refused
from omnibridge.delivery.together import Company, Ended, Together
from omnibridge.errors import OmniBridgeError, Retryable, StorageError, trail
from omnibridge.journal import Attempt, Claimed, DeliveryState, Journal, Settled, Task

__all__ = ["Runner", "Worker"]

_log = structlog.get_logger("omnibridge.delivery")
IDLE = 5.0
"""Seconds after which an idle worker looks at the journal unasked: an operator may have replayed something."""


Job = tuple[Claimed, ...]
"""What one hand does at a time: one delivery, or some that leave together."""


class Runner(Protocol):
    """What a claimed delivery is handed to."""

    @property
    def together(self) -> Together | None:
        """How deliveries go many at a time; None where each goes by itself."""
        ...

    async def run(self, claimed: Claimed) -> Done | Later:
        """One attempt."""
        ...

    def can_look(self, claimed: Claimed) -> bool:
        """Whether an ambiguous attempt can be looked up."""
        ...


class Worker:
    """One channel's deliveries. `wake()` it when there may be work; `stop()` lets what is under way finish.

    `settled` is called after each settling that put something into the inbox.
    """

    def __init__(
        self,
        channel: Channel,
        tasks: Runner,
        journal: Journal,
        breaker: Breaker,
        clock: Clock,
        settled: Callable[[], None],
    ) -> None:
        self.channel = channel
        self._tasks = tasks
        self._journal = journal
        self._breaker = breaker
        self._clock = clock
        self._settled = settled
        self._hands = max(1, channel.connector.limits.concurrency)
        self._queue: deque[Job] = deque()
        self._awake = anyio.Event()
        self._work = anyio.Event()
        self._stopping = False
        self._probing = False
        self.running = 0
        self._writing: dict[int, tuple[str, str | None]] = {}
        self._doubtful: set[int] = set()
        self.landed: dict[int, tuple[str, str | None]] = {}
        """What was written by deliveries that are settled, and whose receipts may still wait in the inbox."""
        self._earlier: dict[str, str] = {}
        self.outcomes: dict[str, int] = {}
        self.look_every = IDLE

    @property
    def idle(self) -> bool:
        """Whether nothing is claimed here."""
        return not self.running and not self._queue

    @property
    def held(self) -> bool:
        """Whether an open breaker keeps everything back."""
        return self._breaker.open and self._breaker.wait() > 0

    @property
    def stopped(self) -> str | None:
        """Why nothing is sent any more, until a restart; None while there is."""
        return self._breaker.stopped

    def in_flight(self, kind: str, id: str | None = None) -> bool:
        """Whether this entity is being written now.

        Without an id: whether any of the kind is, or may have been without our hearing of it, also before a restart.
        """
        if id is not None:
            return (kind, id) in self._writing.values() or (kind, id) in self.landed.values()
        under_way = (*self._writing.values(), *self.landed.values())
        return any(kind == of for of, _ in under_way) or kind in self._earlier.values()

    async def recall(self) -> None:
        """Learn what an earlier process may have written without hearing of it; before `run`, and before processing."""
        most = max((slot.most for slot in self.channel.connector.delivers), default=1)
        found = await self._journal.begun(self.channel.name, 2 * self._hands * most, self._clock.now())
        self._earlier = {lane: _kind(operation) for lane, operation in found}

    def wake(self) -> None:
        """There may be work."""
        self._awake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is under way is settled."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Until stopped."""
        async with anyio.create_task_group() as hands:
            for _ in range(self._hands):
                hands.start_soon(self._hand)
            while not self._stopping:
                self._awake = anyio.Event()
                wait = await self._fill()
                if wait is None or wait > 0:
                    await self._clock.wait(self._awake, wait)
            self._give_back()
            self._work.set()

    async def _fill(self) -> float | None:
        """Claim what there is room for; how long to wait for more (0: look again at once)."""
        room = 2 * self._hands - len(self._queue) - self.running
        if self._breaker.open:
            if not self.idle or not self._breaker.probe():
                return self._breaker.wait() or 0.05
            room, self._probing = 1, True
        elif room < self._hands:
            return None  # a hand wakes us when it has made room
        try:
            claimed = await self._journal.claim(self.channel.name, room, self._clock.now())
            if claimed and self._breaker.open and not self._probing:
                self._journal.release([one.id for one in claimed])  # it opened meanwhile
                return self._breaker.wait()
            if claimed:
                self._queue.extend(await self._jobs(claimed))
                self._work.set()
                if len(claimed) >= room:
                    return None
            else:
                self._end_probe()
            due = await self._journal.next_due(self.channel.name)
        except StorageError:
            self._end_probe()
            return 1.0
        if due is None:
            if self.idle:
                self._earlier.clear()  # nothing is left that could have been begun, whatever became of it
            return self.look_every
        return min(self.look_every, max(0.001, (due - self._clock.now()).total_seconds()))

    async def _jobs(self, claimed: Sequence[Claimed]) -> Sequence[Job]:
        """Those that leave together, with more of their kind that are due, and each other one by itself."""
        together = self._tasks.together
        if together is None:
            return [(one,) for one in claimed]
        jobs: list[Job] = []
        groups: dict[Company, list[Claimed]] = {}
        for one in claimed:
            company = together.company(one)
            if company is None:
                jobs.append((one,))
            else:
                groups.setdefault(company, []).append(one)
        for operation, most in {(each.operation, each.most) for each in groups}:
            room = most - sum(len(group) for each, group in groups.items() if each.operation == operation)
            for one in await self._more(operation, room):
                groups.setdefault(together.company(one) or Company(operation, b"", 1, 1), []).append(one)
        for company, group in groups.items():
            for start in range(0, len(group), company.most):
                job = tuple(group[start : start + company.most])
                jobs.extend([job] if len(job) >= company.least else [(one,) for one in job])
        return jobs

    async def _more(self, operation: str, room: int) -> Sequence[Claimed]:
        try:
            if room > 0:
                return await self._journal.claim(self.channel.name, room, self._clock.now(), operation=operation)
        except StorageError:
            pass  # those that are claimed already go without company
        return ()

    def _end_probe(self) -> None:
        """Let another one try, unless the vendor's answer has decided already."""
        if self._probing:
            self._probing = False
            self._breaker.forgo()

    def _give_back(self) -> None:
        """What is claimed and not begun waits in the journal."""
        self._journal.release([claimed.id for job in self._queue for claimed in job])
        self._queue.clear()

    async def _hand(self) -> None:
        while True:
            while not self._queue:
                if self._stopping:
                    return
                if self._work.is_set():
                    self._work = anyio.Event()
                await self._work.wait()
            job = self._queue.popleft()
            self.running += 1
            try:
                await self._do(job)
            finally:
                self.running -= 1
                self._end_probe()
                if self._breaker.open:
                    self._give_back()
                if len(self._queue) + self.running <= self._hands:
                    self._awake.set()

    async def _do(self, job: Job) -> None:
        begun, at = self._clock.monotonic(), self._clock.now()
        for claimed in job:
            self.landed.pop(claimed.id, None)
            self._writing[claimed.id] = _kind(claimed.operation), claimed.event.subject if claimed.event else None
        ended = await self._attempt(job)
        seconds = self._clock.monotonic() - begun
        settled = [self._outcome(one, end, at, seconds) for one, end in zip(job, ended, strict=True)]
        if len(job) > 1:
            _same_time(settled, ended)
        await self._settle(settled)
        for claimed, outcome_ in zip(job, settled, strict=True):
            self._over(claimed, outcome_)
        self._settled()

    def _over(self, claimed: Claimed, settled: Settled) -> None:
        again = settled.state is DeliveryState.READY
        # By lane and not by number: a newer state may have taken the place of one that had left.
        earlier = self._earlier.pop(claimed.lane, None) is not None
        if again and (earlier or settled.attempt.outcome == "ambiguous" or claimed.id in self._doubtful):
            self._doubtful.add(claimed.id)
            self._writing[claimed.id] = _kind(claimed.operation), None
        else:
            self._doubtful.discard(claimed.id)
            self.landed[claimed.id] = self._writing.pop(claimed.id)
        self.outcomes[settled.attempt.outcome] = self.outcomes.get(settled.attempt.outcome, 0) + 1

    async def _attempt(self, job: Job) -> Sequence[Ended]:
        together = self._tasks.together
        try:
            company = together.company(job[0]) if together is not None else None
            if together is not None and company is not None and len(job) >= company.least:
                return await together.run(job)
            return [Ended(await self._tasks.run(job[0]), free=False)]
        except Exception as error:
            return [Ended(error, free=False)] * len(job)

    def _outcome(self, claimed: Claimed, ended: Ended, at: datetime, seconds: float) -> Settled:
        """How an attempt's end is settled."""
        result = ended.result
        if isinstance(result, Refused):
            return Settled(claimed.id, DeliveryState.REFUSED, Attempt(at, "refused", 0.0, text=str(result)))
        if isinstance(result, Held):
            return outcome.later(claimed, Attempt(at, "later", seconds), result.until, claimed.state, str(result))
        if isinstance(result, Later):
            settled = outcome.later(
                claimed, Attempt(at, "later", seconds), self._clock.now() + result.after, result.state
            )
        elif isinstance(result, Exception):
            settled = self._failed(claimed, result, Attempt(at, "failed", seconds))
        else:
            period = self._period(claimed)
            again = self._clock.now() + period if period is not None else None
            settled = outcome.succeeded(claimed, Attempt(at, "ok", seconds), result, again)
        if ended.free:
            settled.keep_steps = False
        return settled

    def _failed(self, claimed: Claimed, error: Exception, attempt: Attempt) -> Settled:
        if isinstance(error, StorageError):
            # Nothing can be said about the attempt; the journal decides after a restart.
            error, attempt = Retryable("the journal could not take part"), attempt._replace(outcome="storage")
        elif not isinstance(error, OmniBridgeError):
            _log.error("connector bug", channel=self.channel.name, delivery=claimed.id, exception=trail(error))
        return outcome.failed(
            claimed,
            attempt,
            error,
            self._clock,
            max_age=self.channel.max_age,
            can_look=self._tasks.can_look(claimed),
            period=self._period(claimed),
        )

    def _period(self, claimed: Claimed) -> timedelta | None:
        """How often a recurring task runs; None for one that does not recur."""
        if not claimed.recurring:
            return None
        if claimed.task is Task.POLL:
            name = claimed.operation.partition(":")[2]
            for poll in self.channel.connector.polls:
                if poll.name == name:
                    return poll.every
        return DAILY

    async def _settle(self, settled: Sequence[Settled]) -> None:
        while True:
            try:
                if len(settled) == 1:
                    await self._journal.settle(settled[0])
                else:
                    await self._journal.settle_all(settled)
                return
            except StorageError:
                # The outcome is known only here: hold on to it until the disk takes it, or the process ends.
                if getattr(self._journal, "failed", False):
                    raise
                await self._clock.sleep(1.0)


def _same_time(settled: Sequence[Settled], ended: Sequence[Ended]) -> None:
    """Let those that failed by one error come back at one time, so that they leave together again."""
    latest: dict[int, datetime] = {}
    for one, end in zip(settled, ended, strict=True):
        if one.due is not None and isinstance(end.result, Exception):
            latest[id(end.result)] = max(one.due, latest.get(id(end.result), one.due))
    for one, end in zip(settled, ended, strict=True):
        if one.due is not None:
            one.due = latest.get(id(end.result), one.due)


def _kind(operation: str) -> str:
    """The entity kind that an operation writes: `customer` of `customer:created+updated`."""
    return operation.partition(":")[0]
