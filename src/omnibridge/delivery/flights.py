"""What is being written where, for those who must not take the echo of our own writing for news."""

from __future__ import annotations

from collections.abc import Mapping

from omnibridge.delivery.worker import Worker

__all__ = ["Flights"]

Landed = Mapping[str, frozenset[int]]


class Flights:
    """All channels' deliveries under way. One is over only when its receipt was processed, not when it was stored.

    Who looks at the inbox asks `landed` before, and says `forget` after it has processed everything it found: what had
    landed before had its receipt among that.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self._workers = workers

    def in_flight(self, channel: str, kind: str, id: str | None) -> bool:
        """Whether this entity is being written there; without an id, whether any of the kind is or may have been."""
        worker = self._workers.get(channel)
        return worker is not None and worker.in_flight(kind, id)

    def landed(self) -> Landed:
        """The deliveries that are settled, by channel; their receipts are in the inbox, or have been processed."""
        return {name: frozenset(worker.landed) for name, worker in self._workers.items() if worker.landed}

    def forget(self, landed: Landed) -> None:
        """Their receipts are processed."""
        for channel, deliveries in landed.items():
            for delivery in deliveries:
                self._workers[channel].landed.pop(delivery, None)
