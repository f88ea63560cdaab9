"""Works off the outbox of one channel: claims heads of lanes, runs them side by side, settles each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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
from omnibridge.errors import OmniBridgeError, Retryable, StorageError, trail
from omnibridge.journal import Attempt, Claimed, DeliveryState, Journal, Settled, Task

__all__ = ["Runner", "Worker"]

_log = structlog.get_logger("omnibridge.delivery")
IDLE = 5.0
"""Seconds after which an idle worker looks at the journal unasked: an operator may have replayed something."""


class Runner(Protocol):
    """What a claimed delivery is handed to."""

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
        self._queue: deque[Claimed] = deque()
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
        found = await self._journal.begun(self.channel.name, 2 * self._hands, self._clock.now())
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
                self._queue.extend(claimed)
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

    def _end_probe(self) -> None:
        """Let another one try, unless the vendor's answer has decided already."""
        if self._probing:
            self._probing = False
            self._breaker.forgo()

    def _give_back(self) -> None:
        """What is claimed and not begun waits in the journal."""
        self._journal.release([claimed.id for claimed in self._queue])
        self._queue.clear()

    async def _hand(self) -> None:
        while True:
            while not self._queue:
                if self._stopping:
                    return
                if self._work.is_set():
                    self._work = anyio.Event()
                await self._work.wait()
            claimed = self._queue.popleft()
            self.running += 1
            try:
                await self._one(claimed)
            finally:
                self.running -= 1
                self._end_probe()
                if self._breaker.open:
                    self._give_back()
                if len(self._queue) + self.running <= self._hands:
                    self._awake.set()

    async def _one(self, claimed: Claimed) -> None:
        begun, at = self._clock.monotonic(), self._clock.now()
        self.landed.pop(claimed.id, None)
        self._writing[claimed.id] = _kind(claimed.operation), claimed.event.subject if claimed.event else None
        settled = await self._attempt(claimed, begun, at)
        await self._settle(settled)
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
        self._settled()

    async def _attempt(self, claimed: Claimed, begun: float, at: datetime) -> Settled:
        def attempt(word: str) -> Attempt:
            return Attempt(at, word, self._clock.monotonic() - begun)

        def failed(word: str, error: Exception) -> Settled:
            return outcome.failed(
                claimed,
                attempt(word),
                error,
                self._clock,
                max_age=self.channel.max_age,
                can_look=self._tasks.can_look(claimed),
                period=self._period(claimed),
            )

        try:
            result = await self._tasks.run(claimed)
        except Refused as refusal:
            return Settled(claimed.id, DeliveryState.REFUSED, Attempt(at, "refused", 0.0, text=str(refusal)))
        except Held as held:
            return outcome.later(claimed, attempt("later"), held.until, claimed.state, str(held))
        except StorageError:
            # Nothing can be said about the attempt; the journal decides after a restart.
            return failed("storage", Retryable("the journal could not take part"))
        except Exception as error:
            if not isinstance(error, OmniBridgeError):
                _log.error(
                    "connector bug",
                    channel=self.channel.name,
                    delivery=claimed.id,
                    exception=trail(error),
                )
            return failed("failed", error)
        if isinstance(result, Later):
            return outcome.later(claimed, attempt("later"), self._clock.now() + result.after, result.state)
        period = self._period(claimed)
        again = self._clock.now() + period if period is not None else None
        return outcome.succeeded(claimed, attempt("ok"), result, again)

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

    async def _settle(self, settled: Settled) -> None:
        while True:
            try:
                await self._journal.settle(settled)
                return
            except StorageError:
                # The outcome is known only here: hold on to it until the disk takes it, or the process ends.
                if getattr(self._journal, "failed", False):
                    raise
                await self._clock.sleep(1.0)


def _kind(operation: str) -> str:
    """The entity kind that an operation writes: `customer` of `customer:created+updated`."""
    return operation.partition(":")[0]
