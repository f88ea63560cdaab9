"""How many requests a minute are taken: a bucket that refills evenly, and how long to stay away when it is empty."""

from __future__ import annotations

import math

from omnibridge.clock import Clock

__all__ = ["Rate"]


class Rate:
    """A minute's worth may come at once; who keeps to the rate is never refused."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left = self._most
        self._at = clock.monotonic()

    def take(self) -> int:
        """0 when a request is taken; else the whole seconds after which one will be."""
        now = self._clock.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._most / 60)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return math.ceil((1 - self._left) * 60 / self._most)
