"""Drives an author's coroutine: performs effects, freezes what it writes, never repeats what may have happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from omnibridge.clock import Clock
from omnibridge.connector import (
    Class,
    Credential,
    Download,
    Effect,
    Emit,
    Fetch,
    Http,
    Keep,
    NativeKey,
    Now,
    Outcome,
    Request,
    Response,
    Send,
    Slice,
    Upsert,
)
from omnibridge.delivery.credentials import Credentials
from omnibridge.delivery.frozen import freeze, freeze_response, thaw, thaw_response
from omnibridge.delivery.keys import step_key
from omnibridge.delivery.line import Line
from omnibridge.delivery.retry import RetryBudget
from omnibridge.delivery.sender import Sender, Sent
from omnibridge.delivery.spool import Spool
from omnibridge.errors import Ambiguous, AuthExpired, InvalidMessage, OmniBridgeError, Permanent, Retryable
from omnibridge.journal import Journal, Step

__all__ = ["Exchange", "Vendor"]

R = TypeVar("R")
Make = Callable[[Http], Coroutine[Any, Any, R]]
SHORT = timedelta(seconds=1)
"""The longest wait in place; only reads and keyed requests wait in place at all."""
IN_PLACE = 2


class Vendor:
    """The means to talk to one channel's system, shared by all its exchanges."""

    def __init__(
        self, sender: Sender, credentials: Credentials, budget: RetryBudget, journal: Journal, clock: Clock
    ) -> None:
        self.sender = sender
        self.credentials = credentials
        self.budget = budget
        self.journal = journal
        self.clock = clock


class Exchange:
    """One run of one delivery. `steps` are the requests frozen by earlier runs, by name.

    `keep` and `emit` store what the author says in between. `cleared` names bare steps that were looked up and found
    not to have happened. Raises Ambiguous, with the step's name as `where`, for a bare request whose fate is unknown.
    """

    def __init__(
        self,
        vendor: Vendor,
        *,
        delivery: int = 0,
        key: str = "",
        generation: int = 0,
        steps: Mapping[str, Step] | None = None,
        keep: Callable[[Keep], Awaitable[None]] | None = None,
        emit: Callable[[Emit], Awaitable[None]] | None = None,
        cleared: frozenset[str] = frozenset(),
        auth: bool = True,
    ) -> None:
        self._vendor = vendor
        self._delivery = delivery
        self._key = key
        self._generation = generation
        self._steps = dict(steps or {})
        self._keep = keep
        self._emit = emit
        self._cleared = cleared
        self._auth = auth
        self._used: set[str] = set()
        self._answered: list[Step] = []
        self._spools: list[Spool] = []
        channel = vendor.sender.channel
        self._line = Line(channel) if channel.connector.line is not None else None
        self.last: Outcome | None = None

    async def run(self, make: Make[R]) -> R:
        """Drive `make(http)` to its end. Errors of effects are thrown into the coroutine where it awaits them."""
        if self._line is None:
            return await self._run(make)
        async with self._line:
            return await self._run(make)

    async def _run(self, make: Make[R]) -> R:
        coroutine = make(Http(self._step_key))
        answer: Any = None
        failure: Exception | None = None
        try:
            while True:
                try:
                    effect = coroutine.throw(failure) if failure is not None else coroutine.send(answer)
                except StopIteration as stop:
                    return stop.value
                answer = failure = None
                try:
                    answer = await self._perform(effect)
                except (Retryable, Ambiguous, AuthExpired):
                    # These are the core's to handle: an author's `except Exception` must not swallow them.
                    coroutine.close()
                    raise
                except (Permanent, InvalidMessage) as error:
                    failure = error
        finally:
            coroutine.close()
            for spool in self._spools:
                spool.close()

    async def flush(self) -> None:
        """Record answers that only the settling would otherwise cover."""
        answered, self._answered = self._answered, []
        for step in answered:
            await self._vendor.journal.finish(self._delivery, step)

    def _step_key(self, step: str) -> str:
        return step_key(self._key, step, self._generation) if self._key else step

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            request = effect.request
            return await (self._read(request) if request.reads else self._write(request))
        if isinstance(effect, Now):
            return self._vendor.clock.now()
        if isinstance(effect, Slice):
            return await self._spools[effect.number].read(effect.start, effect.size)
        if isinstance(effect, Fetch):
            return await self._fetch(effect)
        await self.flush()
        if isinstance(effect, Keep):
            if self._keep is None:
                raise Permanent("this kind of exchange keeps no references")
            return await self._keep(effect)
        if self._emit is None:
            raise Permanent("this kind of exchange emits nothing")
        return await self._emit(effect)

    async def _read(self, request: Request) -> Response:
        sent = await self._send(request)
        return self._answer(sent, request)

    async def _fetch(self, effect: Fetch) -> Download:
        spool: Spool | None = None

        async def attempt(credential: Credential | None) -> Sent:
            nonlocal spool
            if spool is not None:
                spool.close()
            spool = Spool(effect.most, gzip=effect.gzip)
            return await self._vendor.sender.fetch(effect, spool, credential, auth=self._auth, line=self._line)

        try:
            response = self._answer(await self._send(effect.request, attempt), effect.request)
        except BaseException:
            if spool is not None:
                spool.close()
            raise
        assert spool is not None  # noqa: S101 - there was an attempt, or an error
        self._spools.append(spool)
        return Download(len(self._spools) - 1, 0, spool.size, response=response)

    async def _write(self, request: Request) -> Response:
        if request.step in self._used:
            raise Permanent(f"the step {request.step!r} is used twice", remedy="name each writing request differently")
        self._used.add(request.step)
        journal, old = self._vendor.journal, self._steps.get(request.step)
        if old is not None and old.response is not None:
            answered = thaw_response(old.response)
            if answered is not None:
                return answered
            request = thaw(old.request).request  # refused before: it may go again, as it was
        elif old is not None:
            request = self._unfinished(old, request)
        await self.flush()
        step = old
        if step is None and not isinstance(request.protection, Upsert):
            step = Step(
                request.step, self._generation, self._step_key(request.step), freeze(request, self._vendor.clock.now())
            )
            await journal.start(self._delivery, step)
        elif step is not None and step.response is not None:
            # "Not taken" ends here: from now on it may have arrived again.
            step = Step(step.name, step.generation, step.key, step.request)
            await journal.finish(self._delivery, step)
        try:
            sent = await self._send(request)
        except OmniBridgeError:
            # No room, no credential, or a host that is not ours: nothing left.
            if step is not None:
                await self._not_taken(step)
            raise
        if step is not None:
            await self._record(step, sent)
        return self._answer(sent, request)

    def _unfinished(self, old: Step, request: Request) -> Request:
        frozen = thaw(old.request)
        if frozen.doubtful(self._vendor.clock.now()) and request.step not in self._cleared:
            why = "its key is no longer valid" if frozen.request.protection else "it may have taken effect"
            raise Ambiguous(f"an attempt was cut short, and {why}", where=request.step)
        return frozen.request

    async def _record(self, step: Step, sent: Sent) -> None:
        kind = sent.outcome.kind
        if kind in (Class.OK, Class.PERMANENT) and sent.response is not None:
            # A refusal changed nothing at the vendor, so a replay asks again: somebody may have mended the reason.
            kept = freeze_response(sent.response if kind is Class.OK else None)
            self._answered.append(Step(step.name, step.generation, step.key, step.request, kept))
        elif kind in (Class.RETRY, Class.EXPIRED):
            await self._not_taken(step)  # the vendor said no before doing anything, or it never left

    async def _not_taken(self, step: Step) -> None:
        """It may go again. One with a key may anyway, and an earlier sending of it may have been taken."""
        if not isinstance(thaw(step.request).request.protection, NativeKey):
            refused = Step(step.name, step.generation, step.key, step.request, freeze_response(None))
            await self._vendor.journal.finish(self._delivery, refused)

    async def _send(
        self, request: Request, attempt: Callable[[Credential | None], Awaitable[Sent]] | None = None
    ) -> Sent:
        """Send it until there is something to say; `attempt` does so in another way."""
        vendor, tries = self._vendor, 0
        keyed = request.reads or request.protection is not None
        vendor.budget.request()
        credential = await self._credential()
        while True:
            if attempt is not None:
                sent = await attempt(credential)
            else:
                sent = await vendor.sender.send(request, credential, auth=self._auth, line=self._line)
            self.last = sent.outcome
            kind = sent.outcome.kind
            if kind is Class.EXPIRED and self._auth and credential is not None and tries < IN_PLACE:
                tries += 1
                credential = await vendor.credentials.renew(credential, self._obtain)
                continue
            wait = sent.outcome.after or timedelta(seconds=0.2)
            if kind is Class.RETRY and keyed and wait <= SHORT and tries < IN_PLACE and vendor.budget.spend():
                tries += 1
                await vendor.clock.sleep(wait.total_seconds() * (0.5 + vendor.clock.random()))
                continue
            return sent

    async def _credential(self) -> Credential | None:
        if not self._auth:
            return None
        return await self._vendor.credentials.get(self._obtain)

    async def _obtain(self, old: Credential | None) -> Credential:
        channel = self._vendor.sender.channel
        auth = channel.connector.auth
        if auth is None or auth.obtain is None:
            raise AuthExpired("the vendor refuses the credential", where=channel.name, remedy="check the settings")
        obtain = auth.obtain
        try:
            return await Exchange(self._vendor, auth=False).run(lambda http: obtain(channel.settings, old, http))
        except Ambiguous as error:
            # A session that we never heard of does no harm, and says nothing about what it was wanted for.
            raise Retryable(error.what, where=channel.name) from error

    def _answer(self, sent: Sent, request: Request) -> Response:
        outcome = sent.outcome
        if outcome.kind in (Class.OK, Class.PERMANENT) and sent.response is not None:
            return sent.response
        what = outcome.reason or (f"answered {sent.response.status}" if sent.response else "no answer")
        if outcome.kind is Class.EXPIRED:
            raise AuthExpired(what, remedy="check the channel's credentials")
        if outcome.kind is Class.AMBIGUOUS:
            raise Ambiguous(what, where=request.step)
        raise Retryable(what, after=outcome.after)
