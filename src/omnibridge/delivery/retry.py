"""How long to wait before trying again: capped backoff with full jitter, and a budget for retries in place."""

from __future__ import annotations

from datetime import timedelta

import tenacity

from omnibridge.clock import Clock

__all__ = ["RetryBudget", "backoff"]

_WAIT = tenacity.wait_exponential(multiplier=2, min=2, max=3600)


def backoff(attempts: int, clock: Clock, after: timedelta | None = None) -> timedelta:
    """The wait after `attempts` failed attempts; at least what the vendor asked for, with a little jitter on top of it.

    Full jitter over 2, 4, 8 ... 3,600 seconds.
    """
    state = tenacity.RetryCallState(retry_object=_NO_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = max(1, attempts)
    ceiling = _WAIT(state)
    wait = timedelta(seconds=max(0.25, ceiling * clock.random()))
    if after is None:
        return wait
    return max(after + timedelta(seconds=clock.random()), timedelta(0))


_NO_RETRYING = tenacity.AsyncRetrying()


class RetryBudget:
    """Retries in place are a tenth of requests at most, so that a sick vendor is not loaded further."""

    def __init__(self, ratio: float = 0.1, most: float = 10.0) -> None:
        self._ratio = ratio
        self._most = most
        self._tokens = most

    def request(self) -> None:
        """Count a first request."""
        self._tokens = min(self._most, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Take one retry from the budget; False when it is spent."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
