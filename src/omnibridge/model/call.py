"""Voice calls between a company and a person, and the command that places one."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, OpenEnum, Ref
from omnibridge.model.consent import Medium
from omnibridge.model.message import Command, Direction

__all__ = ["Call", "CallState", "PlaceCall"]


class CallState(OpenEnum):
    """How far a call is; `rank` orders the states, and a later report of an earlier state changes nothing."""

    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """Its place on the way: 0 waits to be dialled, 1 rings, 2 is spoken in, 3 is over."""
        return _RANKS[self]


_RANKS: dict[CallState, int] = {
    CallState.OTHER: 0,
    CallState.QUEUED: 0,
    CallState.RINGING: 1,
    CallState.IN_PROGRESS: 2,
    CallState.COMPLETED: 3,
    CallState.BUSY: 3,
    CallState.NO_ANSWER: 3,
    CallState.FAILED: 3,
    CallState.CANCELLED: 3,
}


class Call(Entity):
    """One call. `caller` and `callee` are E.164 numbers or addresses; `duration` is in whole seconds of talk."""

    KIND: ClassVar[str] = "call"

    direction: Direction = Direction.OTHER
    caller: str | None = None
    callee: str | None = None
    state: CallState = CallState.OTHER
    state_raw: str | None = None
    duration: int | None = None
    recording_url: str | None = None
    customer: Ref | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    updated_at: Instant | None = None


class PlaceCall(Command):
    """Call `to` (E.164): once somebody answers, `say` is read out, and `connect`, a number, is put through to them.

    At least one of the two is needed. `language` is a BCP 47 tag for the voice that reads. Marketing is called out
    only with a granted consent for `to` by `voice`.
    """

    KIND: ClassVar[str] = "call.place"

    to: str
    say: str | None = None
    language: str | None = None
    connect: str | None = None

    @property
    def gate(self) -> tuple[str, Medium] | None:
        """The recipient, by voice: a call always addresses a person."""
        return self.to, Medium.VOICE
