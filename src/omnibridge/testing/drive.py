"""Runs an author's coroutine without a network or an event loop, against a sandbox or a script of answers."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

from omnibridge.connector import (
    Class,
    Connector,
    Credential,
    Cursor,
    Download,
    Emit,
    Fetch,
    Http,
    Keep,
    Now,
    Observation,
    Outcome,
    Reference,
    Request,
    Response,
    Sandbox,
    SandboxRequest,
    Send,
    Settings,
    Slice,
    classify_http,
)
from omnibridge.errors import Ambiguous, AuthExpired, InvalidMessage, Permanent, Retryable

__all__ = ["Drive", "Driven", "drive"]

R = TypeVar("R")
S = TypeVar("S", bound=Settings)
_FORGOTTEN = "was never awaited"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Driven(Generic[R]):
    """What happened: the coroutine's `result`, the requests it made, the references it kept, the pages it emitted."""

    result: R
    requests: list[Request]
    kept: list[Reference]
    pages: list[tuple[tuple[Observation, ...], Cursor | None]]

    @property
    def emitted(self) -> list[Observation]:
        """All observations of all pages, in order."""
        return [seen for page, _ in self.pages for seen in page]


@dataclass(slots=True)
class Drive(Generic[S]):
    """A connector, its settings and who answers: a `Sandbox`, a function, or a list of responses in order.

    Answers are classed as in production: retryable ones raise Retryable, ambiguous ones Ambiguous; an expired
    credential is renewed once and the request repeated. `renewing`: requests carry no auth, as while one is obtained.
    `files` are the contents of what was downloaded. `change` makes another answer of each that comes, but of those to
    a login.
    """

    connector: Connector[S]
    settings: S
    answers: Sandbox | Callable[[Request], Response] | Iterable[Response]
    now: datetime = _EPOCH
    credential: Credential | None = None
    requests: list[Request] = field(default_factory=list[Request])
    key: Callable[[str], str] = "key-{}".format
    renewing: bool = False
    files: list[bytes] = field(default_factory=list[bytes])
    change: Callable[[Response], Response] | None = None

    def http(self) -> Http:
        """A handle whose keys are made of the step names, for readable tests."""
        return Http(self.key)

    def run(self, make: Callable[[Http], Coroutine[object, object, R]]) -> Driven[R]:
        """Drive `make(http)` to its end. Raises TypeError where it made an effect and did not await it."""
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            done = self._driven(make(self.http()))
        for one in heard:
            if _FORGOTTEN in str(one.message):
                raise TypeError(f"{one.message}: it did nothing, as `await` is missing")
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return done

    def _driven(self, coroutine: Coroutine[object, object, R]) -> Driven[R]:
        done: Driven[Any] = Driven(None, [], [], [])
        answer: Any = None
        failure: Exception | None = None
        while True:
            try:
                effect = coroutine.throw(failure) if failure is not None else coroutine.send(answer)
            except StopIteration as stop:
                done.result = stop.value
                return done
            failure = None
            try:
                answer = self._perform(effect, done)
            except Exception as error:
                failure = error

    def _perform(self, effect: object, done: Driven[Any]) -> Any:
        if isinstance(effect, Now):
            return self.now
        if isinstance(effect, Keep):
            done.kept.append(effect.reference)
            return None
        if isinstance(effect, Emit):
            done.pages.append((effect.observations, effect.cursor))
            return None
        if isinstance(effect, Slice):
            return self.files[effect.number][effect.start : effect.start + effect.size]
        if not isinstance(effect, Send | Fetch):
            raise TypeError("a connector awaits only what its handle gives")
        signed = isinstance(effect, Fetch) and effect.signed
        done.requests.append(effect.request)
        response, outcome = self._exchange(effect.request, signed=signed)
        if outcome.kind is Class.EXPIRED and not signed and self._renew():
            response, outcome = self._exchange(effect.request)
        if outcome.kind in (Class.OK, Class.PERMANENT):
            return response if isinstance(effect, Send) else self._file(effect, response)
        what = outcome.reason or f"answered {response.status}"
        if outcome.kind is Class.RETRY:
            raise Retryable(what, after=outcome.after)
        if outcome.kind is Class.AMBIGUOUS:
            raise Ambiguous(what)
        raise AuthExpired(what)

    def _file(self, effect: Fetch, response: Response) -> Download:
        content = response.content
        if response.ok and effect.gzip and content.startswith(b"\x1f\x8b"):
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error) as error:
                raise InvalidMessage(f"the file: damaged compression: {error}") from None
        if len(content) > effect.most:
            raise Permanent(f"the file is larger than {effect.most} bytes")
        self.files.append(content)
        told = response._replace(content=b"") if response.ok else response
        return Download(len(self.files) - 1, 0, len(content), response=told)

    def _renew(self) -> bool:
        auth = self.connector.auth
        if auth is None or auth.obtain is None or self.renewing:
            return False
        obtain, old = auth.obtain, self.credential
        plain: Drive[S] = Drive(self.connector, self.settings, self.answers, self.now, None)
        plain.renewing = True
        self.credential = plain.run(lambda http: obtain(self.settings, old, http)).result
        return True

    def _exchange(self, request: Request, *, signed: bool = False) -> tuple[Response, Outcome]:
        auth = None if signed else self.connector.auth
        if auth is not None and auth.obtain is not None and self.credential is None and not self.renewing:
            self._renew()
        headers: Mapping[str, str] = {}
        if auth is not None and not self.renewing:
            headers = auth.headers(self.settings, self.credential, request, self.now)
        self.requests.append(request)
        response = self._answer(request, headers)
        if self.change is not None:
            response = self.change(response)
        if signed:
            outcome = classify_http(request, response, self.now)
            return response, Outcome(Class.PERMANENT) if outcome.kind is Class.EXPIRED else outcome
        return response, self.connector.classify(request, response, self.now)

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        if isinstance(self.answers, Sandbox):
            base = self.connector.base_url(self.settings) if self.connector.base_url else ""
            path = request.path if "://" in request.path else base.rstrip("/") + request.path
            parts = urlsplit(path)
            query = "&".join(part for part in (parts.query, urlencode(request.params)) if part)
            every = {k.lower(): v for k, v in {**request.headers, **headers}.items()}
            if request.content_type:
                every["content-type"] = request.content_type
            return self.answers.handle(
                SandboxRequest(request.method, parts.path + (f"?{query}" if query else ""), every, request.body)
            )
        if callable(self.answers):
            return self.answers(request)
        if not hasattr(self.answers, "__next__"):
            self.answers = iter(self.answers)
        try:
            return next(self.answers)  # type: ignore[call-overload]
        except StopIteration:
            raise Permanent(f"the script has no answer for {request.method} {request.path}") from None


def drive(
    connector: Connector[S],
    settings: S,
    answers: Sandbox | Callable[[Request], Response] | Iterable[Response],
    make: Callable[[Http], Coroutine[object, object, R]],
    *,
    now: datetime = _EPOCH,
    credential: Credential | None = None,
) -> Driven[R]:
    """`Drive(...).run(make)`: one exchange from its beginning to its end."""
    return Drive(connector, settings, answers, now, credential).run(make)
