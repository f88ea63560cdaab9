"""The author's loop: letters in, traces out, and with every change of a file all of them once more in a new process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from omnibridge.clock import Clock
from omnibridge.testing.dev.letters import KEPT, Letter, Letters
from omnibridge.testing.dev.trace import Ask, Began, Problem, Trace
from omnibridge.testing.dev.worker import Worker, WorkerArguments

__all__ = ["Again", "Loop", "Screen", "Told", "earlier"]


@dataclass(frozen=True)
class Told:
    """A letter and what it came to; `before` is what came to the one before it about the same entity."""

    letter: Letter
    trace: Trace
    before: Told | None = None


@dataclass(frozen=True)
class Again:
    """What was made once more by changed code, then and now; without a letter it is what the start found."""

    letter: Letter | None
    then: Trace
    now: Trace


class Screen(Protocol):
    """Whoever shows it. Called by one thread at a time."""

    def began(self, began: Began, changed: Sequence[str], again: Sequence[Again]) -> None:
        """Code is at work: the first (nothing `changed`), or changed one."""
        ...

    def broken(self, problem: Problem, changed: Sequence[str]) -> None:
        """The code cannot be used; the loop waits for the next change."""
        ...

    def told(self, told: Told) -> None:
        """A letter went its way."""
        ...

    def moved(self, trace: Trace) -> None:
        """Something happened that no letter caused: a poll, a retry."""
        ...


class Loop:
    """One package at work, with its own `examples` as first deliveries.

    Every method may be called by any thread; `close` ends it.
    """

    def __init__(self, arguments: WorkerArguments, clock: Clock, screen: Screen, *, examples: bool = True) -> None:
        self.letters = Letters(arguments.folder)
        self._arguments, self._clock, self._screen = arguments, clock, screen
        self._examples = examples
        self._begun = clock.now().isoformat()
        self._lock = threading.RLock()
        self._told: list[Told] = []
        self._start: Trace | None = None
        self._worker: Worker | None = None

    def load(self, changed: Sequence[str] = ()) -> None:
        """Start with the code as it is on the disk now; what came in before is made once more, at its own time."""
        with self._lock:
            self.close()
            now = self._told[0].letter.received if self._told else self._clock.now()
            worker = self._worker = Worker(self._arguments, now)
            if worker.began.began is None:
                self._break(worker.began.problem, changed)
                return
            began = worker.began.began
            first = self._start is None
            again = [Again(None, self._start, began.trace)] if self._start is not None else []
            self._start = began.trace
            for place, told in enumerate(self._told):
                worker.ask(Ask(do="look", now=told.letter.received))
                answer = worker.ask(Ask(do="receive", now=told.letter.received, letter=told.letter))
                if answer.trace is None:
                    self._break(answer.problem, changed)
                    return
                again.append(Again(told.letter, told.trace, answer.trace))
                self._told[place] = Told(told.letter, answer.trace, earlier(answer.trace, self._told[:place]))
            self._screen.began(began, changed, again)
            if first:  # later they are among what came in before
                self._deliver(worker.began.letters)
            if self._examples:
                known = {told.letter.body for told in self._told}
                found = worker.ask(Ask(do="examples", now=self._clock.now())).letters
                self._deliver([letter for letter in found if letter.body not in known])

    def receive(self, letter: Letter) -> Told:
        """Take a letter in. Where the code is broken it is kept, and made when it is mended."""
        with self._lock:
            letter = letter.model_copy(update={"inbox": self._arguments.inbox, "loop": self._begun})
            kept = self.letters.keep(letter) if letter.method == "POST" else letter
            later: list[Letter] = []
            trace = Trace(status=503, answer="the connector is broken; this is kept, and made when it is mended")
            if self._worker is not None and self._worker.alive:
                self._look(kept.received)
                answer = self._worker.ask(Ask(do="receive", now=kept.received, letter=kept))
                later = answer.letters
                if answer.trace is not None:
                    trace = answer.trace
                elif answer.problem is not None:
                    trace = trace.model_copy(update={"problems": [answer.problem]})
            told = Told(kept, trace, earlier(trace, self._told))
            self._told.append(told)
            del self._told[:-KEPT]
            self._screen.told(told)
            self._deliver(later)
            return told

    def look(self) -> None:
        """Let happen what is due by now."""
        with self._lock:
            self._look(self._clock.now())

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            if self._worker is not None:
                self._worker.end()
            self._worker = None

    def _look(self, now: datetime) -> None:
        worker = self._worker
        if worker is None or not worker.alive:
            return
        answer = worker.ask(Ask(do="look", now=now))
        if answer.trace is not None and not answer.trace.empty:
            self._screen.moved(answer.trace)
        if answer.problem is not None:
            self._break(answer.problem, ())
        self._deliver(answer.letters)

    def _deliver(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            self.receive(letter)

    def _break(self, problem: Problem | None, changed: Sequence[str]) -> None:
        self._screen.broken(problem or Problem(what="the connector cannot be used now"), changed)


def earlier(trace: Trace, told: Sequence[Told]) -> Told | None:
    """The last one before it about the same entity."""
    if trace.entity is None:
        return None
    return next((one for one in reversed(told) if one.trace.entity == trace.entity), None)
