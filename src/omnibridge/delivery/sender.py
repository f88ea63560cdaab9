"""Performs one request of one channel: base URL, auth, throttle, timeouts, caps; and classes what comes back."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import structlog

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.connector import Class, Credential, Fetch, Outcome, Request, Response, classify_http
from omnibridge.delivery.line import Line
from omnibridge.delivery.parcel import Answer, BadAddress, Lost, NeverSent, Parcel
from omnibridge.delivery.scope import Scope
from omnibridge.delivery.spool import Spool
from omnibridge.delivery.wire import Wire
from omnibridge.errors import Permanent

__all__ = ["Sender", "Sent"]

REFUSAL = 64 * 1024
"""Bytes of a refusal to give a file that are looked at."""

_log = structlog.get_logger("omnibridge.delivery")


class Sent:
    """What became of a request: its class, the answer where there is one, and whether it can have arrived at all."""

    __slots__ = ("arrived", "outcome", "response")

    def __init__(self, outcome: Outcome, response: Response | None, arrived: bool) -> None:
        self.outcome = outcome
        self.response = response
        self.arrived = arrived


class Sender:
    """Sends for one channel. Nothing secret leaves the channel's own hosts."""

    def __init__(
        self,
        channel: Channel,
        scope: Scope,
        wire: Wire,
        clock: Clock,
    ) -> None:
        connector = channel.connector
        self.channel = channel
        self._scope = scope
        self._wire = wire
        self._clock = clock
        self._base = connector.base_url(channel.settings).rstrip("/") if connector.base_url else ""
        parts = urlsplit(self._base)
        self._base_path = parts.path
        self._scheme = parts.scheme or "https"
        self._hosts = {parts.netloc.lower()} if parts.netloc else set[str]()
        if connector.hosts:
            self._hosts.update(host.lower() for host in connector.hosts(channel.settings))
        self._urls: dict[str, tuple[str, str]] = {}
        self._seconds = connector.limits.timeout.total_seconds()

    async def send(
        self, request: Request, credential: Credential | None, *, auth: bool = True, line: Line | None = None
    ) -> Sent:
        """One attempt, over `line` where the connector has one.

        Raises Throttled when the throttle has no room soon, Permanent for a host that is not ours and after a stop.
        """
        url, host = self._url(request) if line is None else (request.path, "")
        seconds = request.timeout or self._seconds
        await self._admit(request, credential)
        try:
            if line is not None:
                told = await line.send(request, seconds)
                answer = Answer(told.status, told.headers, told.content)
            else:
                headers = self._headers(request, host, credential if auth else None, auth=auth)
                answer = await self._wire.send(Parcel(request.method, url, headers, request.body, seconds))
        except (NeverSent, BadAddress, Lost) as error:
            return self._failed(error, request)
        finally:
            self._scope.throttle.release()
        return self._judged(request, Response(answer.status, answer.headers, answer.content))

    async def fetch(
        self, effect: Fetch, spool: Spool, credential: Credential | None, *, auth: bool = True, line: Line | None = None
    ) -> Sent:
        """One attempt to bring a file into `spool`. Raises as `send`, and Permanent for a file that is too large."""
        request = effect.request
        if effect.signed:
            return await self._fetch_signed(effect, spool)
        url, host = self._url(request) if line is None else (request.path, "")
        seconds = request.timeout or self._seconds
        await self._admit(request, credential)
        try:
            if line is not None:
                told = await line.send(request, seconds)
                await spool.write(told.content)
                answer = Answer(told.status, told.headers, b"")
            else:
                headers = self._headers(request, host, credential, auth=auth)
                answer = await self._wire.stream(Parcel("GET", url, headers, b"", seconds), spool.write, self._seconds)
        except (NeverSent, BadAddress, Lost) as error:
            return self._failed(error, request)
        finally:
            self._scope.throttle.release()
        return self._judged(request, await _told(answer, spool))

    async def _fetch_signed(self, effect: Fetch, spool: Spool) -> Sent:
        """From wherever it lies: with nothing of ours, and saying nothing about how the vendor's own system does."""
        request = effect.request
        parts = urlsplit(request.path)
        if parts.scheme not in ("https", self._scheme) or not parts.hostname or "@" in parts.netloc:
            raise Permanent("not an address that a file can be had from by TLS", where=self.channel.name)
        url = request.path
        if request.params:
            url += ("&" if parts.query else "?") + urlencode(request.params)
        headers = (("Host", parts.netloc), ("Accept-Encoding", "gzip"), *request.headers.items())
        parcel = Parcel("GET", url, headers, b"", request.timeout or self._seconds)
        try:
            answer = await self._wire.stream(parcel, spool.write, self._seconds)
        except BadAddress as error:
            raise Permanent(f"the address cannot be used: {error}", where=self.channel.name) from None
        except (NeverSent, Lost) as error:
            return Sent(Outcome(Class.RETRY, code="lost", reason=str(error)), None, arrived=isinstance(error, Lost))
        response = await _told(answer, spool)
        outcome = classify_http(request, response, self._clock.now())
        if outcome.kind is Class.EXPIRED:  # there is no credential that could be renewed
            outcome = Outcome(Class.PERMANENT, code=outcome.code)
        return Sent(outcome, response, arrived=True)

    async def _admit(self, request: Request, credential: Credential | None) -> None:
        """Wait for room; whoever is let in must `release` the throttle."""
        scope, limits = self._scope, self.channel.connector.limits
        if scope.breaker.stopped is not None:
            raise Permanent(f"not sent: {scope.breaker.stopped}; restart the bridge when that is mended, then replay")
        if limits.granted is not None and credential is not None:
            scope.throttle.grant(limits.granted(self.channel.settings, credential))
        await scope.throttle.acquire(request)

    def _headers(
        self, request: Request, host: str, credential: Credential | None, *, auth: bool
    ) -> tuple[tuple[str, str], ...]:
        headers = [("Host", host), ("Accept-Encoding", "gzip"), *request.headers.items()]
        how = self.channel.connector.auth
        if auth and how is not None:
            headers.extend(how.headers(self.channel.settings, credential, request, self._clock.now()).items())
        if request.content_type:
            headers.append(("Content-Type", request.content_type))
        if request.body or request.method not in ("GET", "HEAD"):
            headers.append(("Content-Length", str(len(request.body))))
        return tuple(headers)

    def _failed(self, error: NeverSent | BadAddress | Lost, request: Request) -> Sent:
        if isinstance(error, BadAddress):
            raise Permanent(f"the address cannot be used: {error}", where=self.channel.name) from None
        self._scope.breaker.failed()
        if isinstance(error, NeverSent):
            return Sent(Outcome(Class.RETRY, code="connect", reason=str(error)), None, arrived=False)
        safe = request.reads or request.protection is not None
        kind = Class.RETRY if safe else Class.AMBIGUOUS
        return Sent(Outcome(kind, code="lost", reason=str(error)), None, arrived=True)

    def _judged(self, request: Request, response: Response) -> Sent:
        outcome = self.channel.connector.classify(request, response, self._clock.now())
        self._observe(outcome, response)
        return Sent(outcome, response, arrived=True)

    def _observe(self, outcome: Outcome, response: Response) -> None:
        scope, limits = self._scope, self.channel.connector.limits
        if limits.learn is not None:
            scope.throttle.learn(limits.learn(response))
        if outcome.kind is Class.RETRY and outcome.after is not None and response.status < 500:
            scope.throttle.pause(outcome.after.total_seconds(), outcome.reason)
        if outcome.stops and scope.breaker.stopped is None:
            scope.breaker.stop(outcome.reason or f"answered {response.status}")
            _log.error("stopped sending", channel=self.channel.name, reason=scope.breaker.stopped)
        if response.status >= 500 and outcome.kind in (Class.RETRY, Class.AMBIGUOUS):
            scope.breaker.failed()
        else:
            scope.breaker.succeeded()

    def _url(self, request: Request) -> tuple[str, str]:
        cached = self._urls.get(request.path) if not request.params else None
        if cached is not None:
            return cached
        absolute = "://" in request.path and not request.path.startswith("/")
        text = request.path if absolute else self._base + request.path
        if request.params:
            text += ("&" if "?" in text else "?") + urlencode(request.params)
        parts = urlsplit(text)
        if parts.netloc.lower() not in self._hosts or parts.scheme != self._scheme:
            raise Permanent(
                f"'{parts.scheme}://{parts.hostname or text[:40]}' is not a host of this channel",
                where=self.channel.name,
                remedy="credentials go to the channel's own hosts only, and never in the clear instead of by TLS",
            )
        made = (text, parts.netloc.rpartition("@")[2])
        if not request.params and len(self._urls) < 64:
            self._urls[request.path] = made
        return made


async def _told(answer: Answer, spool: Spool) -> Response:
    """What an answer says beside the file: a refusal says why in its body."""
    ok = 200 <= answer.status < 300
    if ok:
        await spool.end()
    return Response(answer.status, answer.headers, b"" if ok else await spool.read(0, REFUSAL))
