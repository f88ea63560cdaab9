"""What keeps the journal from taking anything in, as the last deliveries met it: for health checks and the log."""

from __future__ import annotations

import structlog

from omnibridge.errors import StorageError

__all__ = ["Trouble"]

_log = structlog.get_logger("omnibridge.ingress")


class Trouble:
    """Said once when it begins and once when it is over, however many deliveries meet it."""

    FRESH = 30.0
    """Seconds for which it counts. Whoever takes us out of rotation for it sends nothing that could show its end."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._at = 0.0

    def met(self, error: StorageError, now: float) -> None:
        """A delivery could not be stored, at `now` of monotonic time."""
        if self._what is None:
            _log.error("deliveries cannot be stored; they are answered 503", reason=error.what, remedy=error.remedy)
        self._what, self._at = error.what, now

    def over(self) -> None:
        """A delivery was stored."""
        if self._what is not None:
            self._what = None
            _log.info("deliveries are stored again")

    def seen(self, now: float) -> str | None:
        """What it is, where it was met lately and nothing was stored since."""
        return self._what if self._what is not None and now - self._at <= self.FRESH else None
