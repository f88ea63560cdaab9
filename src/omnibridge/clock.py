"""Time and chance as parts that can be handed in: monotonic time for intervals, wall time for people and signatures."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol

import anyio

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What the core asks of time. Tests give one whose hands they move."""

    def now(self) -> datetime:
        """Wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...

    async def wait(self, event: anyio.Event, seconds: float | None) -> bool:
        """Return True when `event` is set, or False when `seconds` have passed first (None: however long it takes)."""
        ...

    def random(self) -> float:
        """A number in [0, 1), for jitter."""
        ...


class SystemClock:
    """The machine's own time and chance."""

    def now(self) -> datetime:
        """Wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """The machine's monotonic clock, in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await anyio.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float | None) -> bool:
        """Wait on the running event loop."""
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()

    def random(self) -> float:
        """A number in [0, 1) from the process's generator; jitter needs no secrecy."""
        return random.random()  # noqa: S311
