"""What became of one delivery on its way, and the words that the loop and its worker exchange."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, JsonValue

from omnibridge.errors import InvalidMessage, OmniBridgeError
from omnibridge.testing.dev.letters import Letter

__all__ = ["Answer", "Ask", "Began", "Fixture", "Happened", "Problem", "Routed", "Sent", "Trace", "problem_of"]


class Problem(BaseModel, frozen=True):
    """Something that the author has to mend: `where` is file and line, as far as it is known."""

    what: str
    where: str = ""


class Happened(BaseModel, frozen=True):
    """An event."""

    type: str
    subject: str | None
    data: JsonValue


class Routed(BaseModel, frozen=True):
    """A delivery that was made of an event or a lookup, how it stands now, and why."""

    channel: str
    operation: str
    state: str
    told: str | None = None


class Sent(BaseModel, frozen=True):
    """A request that left, without what authenticates it, and the status of the answer (None: it was lost)."""

    to: str
    method: str
    path: str
    body: JsonValue
    status: int | None


class Trace(BaseModel, frozen=True):
    """The way of one delivery: `wire` is the body as data, `seen` what the connector said, `events` what the core made.

    `status` and `answer` are what the sender heard; None where nobody sent it (a poll).
    """

    status: int | None = None
    answer: str = ""
    duplicate: bool = False
    wire: JsonValue = None
    seen: list[JsonValue] = []
    events: list[Happened] = []
    routed: list[Routed] = []
    sent: list[Sent] = []
    problems: list[Problem] = []

    @property
    def entity(self) -> str | None:
        """What it is about, as kind and id in the vendor's system."""
        for one in self.seen:
            if isinstance(one, dict) and (kind := one.get("snapshot") or one.get("lookup")):
                return f"{kind} {one.get('id')}"
        return None

    @property
    def taken(self) -> bool:
        """Whether the sender was told that it arrived."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def empty(self) -> bool:
        """Whether nothing is to be told."""
        return not (self.seen or self.events or self.routed or self.sent or self.problems)


class Fixture(BaseModel, frozen=True):
    """A scrubbed delivery: what goes into the package's tests."""

    body: str
    headers: dict[str, str]
    query: str
    form: bool


class Began(BaseModel, frozen=True):
    """What a worker says when it is ready: the connector, its notes for the author, what its polls found."""

    connector: str
    webhook: bool
    identified: bool
    unsigned: str | None
    signs: bool
    notes: list[str]
    trace: Trace


class Ask(BaseModel, frozen=True):
    """What a worker is to do, at the time `now`; `look` lets whatever is due happen."""

    do: Literal["receive", "look", "sign", "scrub", "example", "examples"]
    now: AwareDatetime
    letter: Letter | None = None
    name: str = ""


class Answer(BaseModel, frozen=True):
    """What came of it. `letters` are webhooks that the sandbox sends. `problem` alone: the worker cannot."""

    began: Began | None = None
    trace: Trace | None = None
    letter: Letter | None = None
    letters: list[Letter] = []
    fixture: Fixture | None = None
    problem: Problem | None = None


def problem_of(error: BaseException, folder: Path) -> Problem:
    """An error of the author's, with the last line of the author's own code that it passed."""
    told = error.what if isinstance(error, OmniBridgeError) else str(error)
    if isinstance(error, SyntaxError):
        told = error.msg
    if isinstance(error, InvalidMessage) and error.where:
        told = f"{error.where}: {told}"
    what = f"{type(error).__name__}: {told}"
    if isinstance(error, SyntaxError) and error.filename:
        return Problem(what=what, where=f"{_shown(error.filename, folder)}:{error.lineno}")
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(folder)]
    if own:
        return Problem(what=what, where=f"{_shown(own[-1].filename, folder)}:{own[-1].lineno}")
    return Problem(what=what, where=(error.where or "") if isinstance(error, OmniBridgeError) else "")


def _shown(name: str, folder: Path) -> str:
    path = Path(name).resolve()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else name
