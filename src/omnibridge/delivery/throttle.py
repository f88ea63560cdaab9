"""What one vendor scope bears: leaky buckets, requests at the same time, and pauses that an answer asked for."""

from __future__ import annotations

from datetime import timedelta

import anyio

from omnibridge.clock import Clock
from omnibridge.connector import AnyConnector, Learned, Request, Window
from omnibridge.errors import Retryable

__all__ = ["Throttle", "Throttled"]

LONGEST_WAIT = 2.0
"""Seconds to wait in place for room; a longer wait ends the attempt, and the delivery comes back."""
_ROUNDING = 1e-9
"""What a bucket may lack. Without it a wait for the last rounding error may be too short for any clock to move."""


class Throttled(Retryable):
    """There is no room for a request now: nothing left, and it is no failure."""


class _Bucket:
    def __init__(self, window: Window, now: float) -> None:
        self.size = window.amount
        self.rate = window.amount / window.per.total_seconds()
        self.level = window.amount
        self.at = now

    def refill(self, now: float) -> None:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now


class Throttle:
    """Shared by every channel of a scope. `acquire` before a request, `release` after it."""

    def __init__(self, connector: AnyConnector, clock: Clock) -> None:
        limits = connector.limits
        self._clock = clock
        self._cost = limits.cost
        self._buckets = [_Bucket(window, clock.monotonic()) for window in limits.windows]
        self._places = anyio.Semaphore(limits.concurrency, fast_acquire=True)
        self._fixed = len(self._buckets)
        self._granted: Window | None = None
        self._paused_until = 0.0
        self._why = ""

    async def acquire(self, request: Request) -> None:
        """Wait for room. Raises Throttled, with the time, when it would take long."""
        cost = self._cost(request) if self._cost else 1.0
        while (wait := self._take(cost)) > 0:
            if wait > LONGEST_WAIT:
                paused = self._clock.monotonic() < self._paused_until
                why = (paused and self._why) or "the vendor's rate limit is spent"
                raise Throttled(why, after=timedelta(seconds=wait))
            await self._clock.sleep(wait)
        try:
            self._places.acquire_nowait()  # nearly always; half the cost of awaiting it
        except anyio.WouldBlock:
            await self._places.acquire()

    def release(self) -> None:
        """The request is over."""
        self._places.release()

    def learn(self, learned: Learned | None) -> None:
        """Adapt to what an answer told."""
        if learned is None:
            return
        now = self._clock.monotonic()
        if learned.pause is not None:
            self._paused_until = max(self._paused_until, now + learned.pause.total_seconds())
        if learned.remaining is not None and self._buckets:
            bucket = self._buckets[0]
            bucket.refill(now)
            bucket.level = min(bucket.level, learned.remaining)

    def grant(self, window: Window | None) -> None:
        """Keep to a window that a credential brought along, beside the vendor's own."""
        if window != self._granted:
            self._granted = window
            self._buckets[self._fixed :] = [_Bucket(window, self._clock.monotonic())] if window else []

    def pause(self, seconds: float, why: str | None = None) -> None:
        """Send nothing for `seconds`: the vendor said so."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self._why = why or ""

    def _take(self, cost: float) -> float:
        now = self._clock.monotonic()
        if now < self._paused_until:
            return self._paused_until - now
        wait = 0.0
        for bucket in self._buckets:
            bucket.refill(now)
            need = min(cost, bucket.size)
            if bucket.level < need - _ROUNDING:
                wait = max(wait, (need - bucket.level) / bucket.rate)
        if wait <= 0:
            for bucket in self._buckets:
                bucket.level -= min(cost, bucket.size)
        return wait
