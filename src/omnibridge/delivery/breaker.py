"""A breaker: after failures in a row a vendor scope gets no more requests for a while, then one that tries."""

from __future__ import annotations

from omnibridge.clock import Clock

__all__ = ["Breaker"]


class Breaker:
    """Open means that deliveries wait in the journal; nothing is ever discarded by it."""

    def __init__(self, clock: Clock, threshold: int = 5, first: float = 5.0, longest: float = 300.0) -> None:
        self._clock = clock
        self._threshold = threshold
        self._first = first
        self._longest = longest
        self._failures = 0
        self._opened = 0
        self._until = 0.0
        self._probing = False
        self.stopped: str | None = None

    @property
    def open(self) -> bool:
        """Whether it is open, the one probe of a half-open breaker apart."""
        return self._opened > 0

    def wait(self) -> float:
        """Seconds until a request may leave: 0 when closed, or when a probe may go now."""
        if not self._opened:
            return 0.0
        if self._probing:
            return self._first
        return max(0.0, self._until - self._clock.monotonic())

    def probe(self) -> bool:
        """Whether this caller may send now; of a half-open breaker only one may."""
        if not self._opened:
            return True
        if self._probing or self._clock.monotonic() < self._until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The vendor answered sensibly: close."""
        self._failures = 0
        self._opened = 0
        self._probing = False

    def failed(self) -> None:
        """The vendor failed; open at the threshold, and for twice as long each time a probe fails."""
        self._failures += 1
        if self._probing or (not self._opened and self._failures >= self._threshold):
            self._probing = False
            self._opened += 1
            span = min(self._longest, self._first * 2 ** (self._opened - 1))
            self._until = self._clock.monotonic() + span * (0.75 + 0.5 * self._clock.random())

    def stop(self, why: str) -> None:
        """The vendor wants nothing any more; until a restart nothing leaves, not even a probe."""
        self.stopped = why

    def forgo(self) -> None:
        """A probe ended without saying anything about the vendor."""
        self._probing = False
