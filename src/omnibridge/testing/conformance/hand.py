"""Between a connector's coroutine and whoever answers: counts effects, cuts it off, remembers as the core remembers."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from omnibridge.connector import Cursor, Emit, Fetch, Keep, Now, Observation, Reference, Request, Response, Send, Upsert

__all__ = ["Endless", "Hand", "Memory", "Stopped", "through"]

R = TypeVar("R")
LIMIT = 5000
"""Effects after which an exchange over an example counts as endless."""


class Stopped(BaseException):
    """The process ended here."""


class Endless(Exception):
    """It does not come to an end."""


@dataclass
class Memory:
    """What the journal would hold after a process ended: requests that were begun, their answers, references."""

    begun: dict[str, Request] = field(default_factory=dict[str, Request])
    answered: dict[str, Response] = field(default_factory=dict[str, Response])
    kept: list[Reference] = field(default_factory=list[Reference])

    @property
    def doubtful(self) -> list[str]:
        """Requests that nothing protects, of which nobody knows whether they took effect."""
        return [step for step, request in self.begun.items() if step not in self.answered and not request.protection]


@dataclass
class Hand:
    """Counts what the coroutine asks for. `stop` is the number of the effect where the process ends.

    `lost`: it ends after that effect was performed and before anybody heard of it, else just before it leaves.
    """

    memory: Memory = field(default_factory=Memory)
    stop: int | None = None
    lost: bool = True
    count: int = 0
    asked_time: bool = False
    fetched: bool = False
    writes: list[int] = field(default_factory=list[int])
    pages: list[tuple[tuple[Observation, ...], Cursor | None]] = field(
        default_factory=list[tuple[tuple[Observation, ...], Cursor | None]]
    )
    _heard: dict[str, Response] = field(default_factory=dict[str, Response])

    def before(self, effect: object) -> object:
        """What is to be performed in its place: a Response is an answer that was heard before. Raises Stopped."""
        self.count += 1
        if self.count > LIMIT:
            raise Endless
        if isinstance(effect, Send) and not effect.request.reads:
            self.writes.append(self.count)
            step = effect.request.step
            known = self.memory.answered.get(step)
            if known is not None:
                return known
            self._flush()
            request = self.memory.begun.get(step, effect.request)
            if not isinstance(request.protection, Upsert):
                self.memory.begun[step] = request
            effect = Send(request)
        elif isinstance(effect, Keep | Emit):
            self._flush()
        elif isinstance(effect, Now):
            self.asked_time = True
        elif isinstance(effect, Fetch):
            self.fetched = True
        if self.count == self.stop and not self.lost:
            raise Stopped
        return effect

    def after(self, effect: object, answer: object) -> object:
        """What the coroutine hears of an effect that was performed. Raises Stopped."""
        if isinstance(effect, Keep):
            self.memory.kept.append(effect.reference)
        elif isinstance(effect, Emit):
            self.pages.append((effect.observations, effect.cursor))
        if self.count == self.stop:
            raise Stopped
        if isinstance(effect, Send) and isinstance(answer, Response) and effect.request.step in self.memory.begun:
            self._heard[effect.request.step] = answer
        return answer

    def _flush(self) -> None:
        """Answers are stored with what comes next, as the core does it."""
        self.memory.answered |= {step: answer for step, answer in self._heard.items() if answer.ok}
        self._heard.clear()

    @property
    def cursor(self) -> Cursor | None:
        """Where a poll stands after its pages."""
        return next((cursor for _, cursor in reversed(self.pages) if cursor is not None), None)


async def through(coroutine: Coroutine[object, object, R], hand: Hand) -> R:
    """The same coroutine with a hand in between."""
    return await _through(coroutine, hand)


@types.coroutine
def _through(coroutine: Coroutine[object, object, R], hand: Hand) -> Generator[object, object, R]:
    answer: object = None
    failure: Exception | None = None
    try:
        while True:
            try:
                effect = coroutine.throw(failure) if failure is not None else coroutine.send(answer)
            except StopIteration as stop:
                result: R = stop.value
                return result
            failure = None
            wanted = hand.before(effect)
            if isinstance(wanted, Response):
                answer = wanted
                continue
            try:
                answer = yield wanted
            except Exception as error:
                failure = error
                continue
            answer = hand.after(wanted, answer)
    finally:
        coroutine.close()
