"""Performs one request of one channel: base URL, auth, throttle, timeouts, caps; and classes what comes back."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import structlog

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.connector import Class, Credential, Outcome, Request, Response
from omnibridge.delivery.parcel import BadAddress, Lost, NeverSent, Parcel
from omnibridge.delivery.scope import Scope
from omnibridge.delivery.wire import Wire
from omnibridge.errors import Permanent

__all__ = ["Sender", "Sent"]

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

    async def send(self, request: Request, credential: Credential | None, *, auth: bool = True) -> Sent:
        """One attempt.

        Raises Throttled when the throttle has no room soon, Permanent for a host that is not ours and after a stop.
        """
        connector, settings = self.channel.connector, self.channel.settings
        url, host = self._url(request)
        scope, limits = self._scope, connector.limits
        if scope.breaker.stopped is not None:
            raise Permanent(f"not sent: {scope.breaker.stopped}; restart the bridge when that is mended, then replay")
        if limits.granted is not None and credential is not None:
            scope.throttle.grant(limits.granted(settings, credential))
        await scope.throttle.acquire(request)
        try:
            headers = [("Host", host), ("Accept-Encoding", "gzip"), *request.headers.items()]
            if auth and connector.auth is not None:
                headers.extend(connector.auth.headers(settings, credential, request, self._clock.now()).items())
            if request.content_type:
                headers.append(("Content-Type", request.content_type))
            if request.body or request.method not in ("GET", "HEAD"):
                headers.append(("Content-Length", str(len(request.body))))
            seconds = request.timeout or self._seconds
            try:
                answer = await self._wire.send(Parcel(request.method, url, tuple(headers), request.body, seconds))
            except NeverSent as error:
                scope.breaker.failed()
                return Sent(Outcome(Class.RETRY, code="connect", reason=str(error)), None, arrived=False)
            except BadAddress as error:
                raise Permanent(f"the address cannot be used: {error}", where=self.channel.name) from None
            except Lost as error:
                scope.breaker.failed()
                safe = request.reads or request.protection is not None
                kind = Class.RETRY if safe else Class.AMBIGUOUS
                return Sent(Outcome(kind, code="lost", reason=str(error)), None, arrived=True)
            response = Response(answer.status, answer.headers, answer.content)
        finally:
            scope.throttle.release()
        outcome = connector.classify(request, response, self._clock.now())
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
