"""A delivery once more: as it was, twice, with one byte changed or signed anew, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from omnibridge.clock import Clock
from omnibridge.errors import ConfigError, UnknownItem
from omnibridge.testing.dev.letters import Letter, Letters
from omnibridge.testing.dev.loop import Told, earlier
from omnibridge.testing.dev.trace import Ask, Began, Fixture, Problem, Trace
from omnibridge.testing.dev.worker import Worker, WorkerArguments

__all__ = ["How", "Judged", "record", "replay"]


class How(StrEnum):
    """What is done with it."""

    AS_IT_WAS = "as it was"
    TWICE = "duplicate"
    CHANGED = "tamper"


@dataclass(frozen=True)
class Judged:
    """What came of it, whether that is what must come of it, and why. `told` is None where nothing was received."""

    told: Told | None
    trace: Trace
    good: bool
    verdict: str


class _Workers:
    """One after the other; each ends with the block."""

    def __init__(self, arguments: WorkerArguments) -> None:
        self._arguments = arguments

    def start(self, letter: Letter) -> tuple[Worker, Began]:
        """One that begins at a letter's time. Raises ConfigError when the package cannot be used."""
        self._arguments.inbox = letter.inbox
        worker = Worker(self._arguments, letter.received)
        if worker.began.began is None:
            worker.end()
            problem = worker.began.problem or Problem(what="it does not start")
            raise ConfigError(problem.what, where=problem.where or None)
        return worker, worker.began.began


def replay(which: str, arguments: WorkerArguments, clock: Clock, *, how: How, resign: bool) -> Judged:
    """Make a delivery again in a bridge of its own, after what came in before it.

    `which` is `last`, a number, a file with a body, or the name of an example of the package. An example that is
    written (`Write`) is delivered to the sandbox. Raises UnknownItem and ConfigError.
    """
    found = _find(which, arguments, clock)
    if isinstance(found, Trace):
        return Judged(None, found, not found.problems, "delivered to the sandbox")
    letter, workers = found, _Workers(arguments)
    if resign:
        letter = letter.model_copy(update={"received": clock.now()})
    before = Letters(arguments.folder).before(letter)
    worker, began = workers.start(before[0].model_copy(update={"inbox": letter.inbox}) if before else letter)
    try:
        if resign:
            signed = worker.ask(Ask(do="sign", now=letter.received, letter=letter))
            if signed.letter is None:
                problem = signed.problem or Problem(what="it cannot be signed")
                raise ConfigError(problem.what, where=problem.where or None)
            letter = signed.letter
        known: list[Told] = []
        for one in before:
            known.append(_made(worker, one, known))
        if how is How.CHANGED:
            letter = letter.model_copy(update={"body": _changed(letter.body)})
        told = _made(worker, letter, known)
        if how is How.TWICE and told.trace.taken:
            told = replace(_made(worker, letter, known), before=None)
        good, verdict = _judged(told.trace, began, how)
        return Judged(told, told.trace, good, verdict)
    finally:
        worker.end()


def record(which: str, arguments: WorkerArguments) -> tuple[Letter, Fixture]:
    """A delivery of the inbox, and the same as a scrubbed fixture. Raises UnknownItem and ConfigError."""
    letter = Letters(arguments.folder).find(which)
    worker, _ = _Workers(arguments).start(letter)
    try:
        answer = worker.ask(Ask(do="scrub", now=letter.received, letter=letter))
    finally:
        worker.end()
    if answer.fixture is None:
        problem = answer.problem or Problem(what="it cannot be scrubbed")
        raise ConfigError(problem.what, where=f"delivery {letter.id}", remedy="nothing was written")
    return letter, answer.fixture


def _find(which: str, arguments: WorkerArguments, clock: Clock) -> Letter | Trace:
    if which == "last" or which.isdecimal():
        return Letters(arguments.folder).find(which)
    file, now = Path(which), clock.now()
    body = file.read_bytes() if file.is_file() else None
    probe = Letter(received=now, target="/", headers={}, body=body or b"", inbox=arguments.inbox)
    worker, began = _Workers(arguments).start(probe)
    try:
        given = probe if body is not None else None
        answer = worker.ask(Ask(do="example", now=now, name=which, letter=given))
    finally:
        worker.end()
    if answer.letter is not None:
        return answer.letter.model_copy(update={"inbox": arguments.inbox})
    if answer.trace is not None:
        return answer.trace
    if body is None:
        raise UnknownItem(
            f"{which!r} is no delivery, no file, and no example of tests/conformance.py",
            remedy="last, a number, a file with a body, or the name of an Arrival or a Write",
        )
    kind = "application/json" if body.lstrip()[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"
    return probe.model_copy(update={"target": f"/in/{began.connector}", "headers": {"content-type": kind}})


def _made(worker: Worker, letter: Letter, known: list[Told]) -> Told:
    worker.ask(Ask(do="look", now=letter.received))
    answer = worker.ask(Ask(do="receive", now=letter.received, letter=letter))
    problems = [answer.problem] if answer.problem is not None else []
    trace = answer.trace or Trace(status=503, answer="the connector is broken", problems=problems)
    return Told(letter, trace, earlier(trace, known))


def _changed(body: bytes) -> bytes:
    """The body with its last letter or digit exchanged."""
    for place in range(len(body) - 1, -1, -1):
        if chr(body[place]).isascii() and chr(body[place]).isalnum():
            return body[:place] + (b"1" if body[place] != ord("1") else b"2") + body[place + 1 :]
    raise UnknownItem("its body has no letter or digit that could be changed")


def _judged(trace: Trace, began: Began, how: How) -> tuple[bool, str]:
    if how is How.CHANGED:
        if trace.status == 401 and trace.answer.endswith("forged"):
            return True, "refused, as it must be: one byte was changed"
        if trace.status == 401:
            return False, f"{trace.answer}, so the changed byte was not looked at: add --resign"
        if trace.taken and began.unsigned is not None:
            return True, f"taken, as no signature covers the body: {began.unsigned}"
        if trace.taken:
            return False, "TAKEN although one byte was changed: verify() must cover the raw body"
        return False, f"answered {trace.status}: nothing can be said about the signature"
    if not trace.taken:
        hint = ": --resign signs it anew" if trace.status == 401 and began.signs else ""
        return False, f"refused with {trace.status}: {trace.answer}{hint}"
    if how is How.TWICE:
        if trace.duplicate:
            return True, "deduplicated, as it must be: the same delivery came before"
        if trace.events:
            return False, "NOT deduplicated: the same delivery made events twice; look at delivery_id"
        why = "no delivery id was found in it" if began.identified else "its connector gives Hint()"
        return not trace.problems, f"not deduplicated ({why}), but the second one made no event"
    if trace.problems:
        return False, "kept, but not understood"
    return True, "taken"
