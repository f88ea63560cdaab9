"""A clock whose hands a test moves: days pass in milliseconds, and nothing ever really sleeps."""

from __future__ import annotations

import heapq
import itertools
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

__all__ = ["ManualClock"]


class ManualClock:
    """Starts at `start` and stands still until `advance`. `chance` is what `random` gives each time."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), chance: float = 0.5) -> None:
        self._start = start
        self._passed = 0.0
        self._chance = chance
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Where the hands stand."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed

    def random(self) -> float:
        """`chance`."""
        return self._chance

    async def sleep(self, seconds: float) -> None:
        """Return when the hands have been moved far enough."""
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        await self._until(self._passed + seconds)

    async def wait(self, event: anyio.Event, seconds: float | None) -> bool:
        """Wait for `event`, at most until the hands have moved by `seconds`."""
        if seconds is None:
            await event.wait()
            return True
        if event.is_set():
            return True

        async with anyio.create_task_group() as race:

            async def timer() -> None:
                await self._until(self._passed + seconds)
                race.cancel_scope.cancel()

            race.start_soon(timer)
            await event.wait()
            race.cancel_scope.cancel()
        return event.is_set()

    async def _until(self, deadline: float) -> None:
        ring = anyio.Event()
        entry = (deadline, next(self._order), ring)
        heapq.heappush(self._sleepers, entry)
        try:
            await ring.wait()
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    @property
    def sleeping(self) -> int:
        """How many sleep on this clock."""
        return len(self._sleepers)

    def next_alarm(self) -> float | None:
        """Seconds until somebody who sleeps wakes up; None when nobody sleeps."""
        return max(0.0, self._sleepers[0][0] - self._passed) if self._sleepers else None

    async def advance(self, seconds: float) -> None:
        """Move the hands, waking sleepers in order and letting each run."""
        target = self._passed + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, ring = heapq.heappop(self._sleepers)
            self._passed = max(self._passed, deadline)
            ring.set()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
        self._passed = target
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
