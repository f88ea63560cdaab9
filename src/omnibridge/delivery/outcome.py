"""Turns how an attempt ended into how its delivery is settled: the one place where errors become states."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from omnibridge.clock import Clock
from omnibridge.delivery.retry import backoff
from omnibridge.delivery.throttle import Throttled
from omnibridge.errors import Ambiguous, AuthExpired, InvalidMessage, OmniBridgeError, Permanent, Retryable
from omnibridge.journal import Attempt, Claimed, DeliveryState, NewInbox, ReferenceWrite, Settled, Task

__all__ = ["Done", "failed", "later", "succeeded"]

LOOK_AGAIN = timedelta(seconds=30)
"""How long after an ambiguous attempt it is looked up: vendors' lists lag behind their writes."""
AUTH_PAUSE = timedelta(minutes=5)


class Done(NamedTuple):
    """What a successful attempt caused."""

    text: str | None = None
    references: tuple[ReferenceWrite, ...] = ()
    inbox: tuple[NewInbox, ...] = ()


def succeeded(claimed: Claimed, attempt: Attempt, done: Done, again: datetime | None = None) -> Settled:
    """It worked; a recurring task comes again at `again`."""
    return Settled(
        id=claimed.id,
        state=DeliveryState.READY if again is not None else DeliveryState.DONE,
        attempt=attempt if done.text is None else attempt._replace(text=done.text),
        due=again,
        references=done.references,
        inbox=done.inbox,
        keep_steps=again is None,
        count=False,
    )


def later(claimed: Claimed, attempt: Attempt, due: datetime, state: Any, text: str | None = None) -> Settled:
    """Not yet, and nobody's fault."""
    return Settled(
        id=claimed.id,
        state=DeliveryState.READY,
        attempt=attempt._replace(outcome="later", text=text),
        due=due,
        later=state,
        count=False,
    )


def failed(
    claimed: Claimed,
    attempt: Attempt,
    error: Exception,
    clock: Clock,
    *,
    max_age: float,
    can_look: bool,
    period: timedelta | None = None,
) -> Settled:
    """It did not work: again later, a dead letter, or unknown.

    `can_look`: the vendor can be asked whether an ambiguous attempt took effect. `period`: the task recurs, and comes
    back no later than it would have anyway.
    """
    now = clock.now()
    text = error.what if isinstance(error, OmniBridgeError) else f"{type(error).__name__} in the connector"
    noted = attempt._replace(text=text[:500])
    asking = claimed.task is not Task.DELIVER  # what asks may ask again, whatever became of it
    # A wait for the vendor's limit is no failure at any age: dead letters replayed by the thousand must not die of it.
    mortal = not claimed.recurring and not isinstance(error, Throttled)
    too_old = mortal and (now - claimed.created).total_seconds() > max_age
    if isinstance(error, Ambiguous) and not asking:
        return _ambiguous(claimed, noted._replace(outcome="ambiguous"), now, can_look, too_old)
    if isinstance(error, Retryable | AuthExpired) or asking:
        after = error.after if isinstance(error, Retryable) else None
        outcome = "retry"
        if isinstance(error, AuthExpired):
            after, outcome = AUTH_PAUSE, "expired"
        elif isinstance(error, Throttled):
            outcome = "throttled"
        elif isinstance(error, Ambiguous):
            outcome = "ambiguous"
        elif not isinstance(error, Retryable):
            outcome = "permanent" if isinstance(error, Permanent | InvalidMessage) else "bug"
        if not too_old:
            wait = backoff(claimed.attempts + 1, clock, after)
            if period is not None and after is None:
                wait = min(wait, period)
            return Settled(
                claimed.id,
                DeliveryState.READY,
                noted._replace(outcome=outcome),
                due=now + wait,
                later=claimed.state,
                count=not isinstance(error, Throttled),
            )
        noted = noted._replace(text=f"gave up after {max_age / 3600:g} hours: {noted.text}"[:500])
    if isinstance(error, OmniBridgeError) and error.remedy:  # a dead letter says what would mend it
        noted = noted._replace(text=f"{noted.text} ({error.remedy})"[:500])
    outcome = "permanent" if isinstance(error, OmniBridgeError) else "bug"
    code = error.code if isinstance(error, Permanent) and error.code else noted.code
    parked = claimed.on_poison == "park"
    return Settled(
        id=claimed.id,
        state=DeliveryState.PARKED if parked else DeliveryState.DEAD,
        attempt=noted._replace(outcome=outcome, code=code),
        holds_lane=parked,
    )


def _ambiguous(claimed: Claimed, attempt: Attempt, now: datetime, can_look: bool, too_old: bool) -> Settled:
    if can_look and not too_old:
        return Settled(claimed.id, DeliveryState.READY, attempt, due=now + LOOK_AGAIN, later=claimed.state)
    if claimed.on_unknown == "resend" and not too_old:
        return Settled(
            claimed.id, DeliveryState.READY, attempt, due=now + LOOK_AGAIN, later=claimed.state, keep_steps=False
        )
    return Settled(claimed.id, DeliveryState.UNKNOWN, attempt, holds_lane=claimed.on_unknown == "park")
