"""Accepts what comes in over HTTP: verifies raw bytes, stores them, and only then says yes."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.codec import bearer_token, consent, read_events, unknown_form, without_token
from omnibridge.connector import (
    Credential,
    Derived,
    Hint,
    Inbound,
    Native,
    Occurrence,
    Reply,
    Verdict,
    Webhook,
    dump_observations,
    same,
)
from omnibridge.errors import CodecError, InvalidMessage, StorageError, trail
from omnibridge.ingress.rate import Rate
from omnibridge.ingress.trouble import Trouble
from omnibridge.journal import Accepted, Journal, NewInbox, Origin

__all__ = ["EVENTS_CHANNEL", "Forgeries", "Ingress"]

_log = structlog.get_logger("omnibridge.ingress")
EVENTS_CHANNEL = "events"
"""The channel that events posted to `/events` and published through the SDK come from."""
_DROPPED_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "host", "content-length", "connection"})


@dataclass(slots=True)
class Forgeries:
    """Refused deliveries of a channel: a burst is more often our wrong secret than an attacker."""

    total: int = 0
    recent: deque[float] = field(default_factory=lambda: deque[float](maxlen=20))

    def red(self, now: float, window: float = 600.0, burst: int = 10) -> bool:
        """Whether `burst` or more came within `window` seconds of monotonic time."""
        return sum(1 for at in self.recent if now - at <= window) >= burst


class Ingress:
    """`stored` is called after each new row, `agreed` with a credential that the other side of a channel gives itself;
    `token` guards `/events` (None: nobody may post there).

    Senders that ask first may post to `/events` when they are among `origins` (`*`: all); `rate` is for each minute.
    `disabled` channels cannot tell what is genuine now: they answer 503, so that their vendors repeat.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        journal: Journal,
        clock: Clock,
        *,
        public_url: str | None,
        token: str | None,
        stored: Callable[[], None],
        agreed: Callable[[str, Credential], Awaitable[None]],
        origins: tuple[str, ...] = (),
        rate: int | None = None,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self._disabled = disabled
        self._channels = channels
        self._journal = journal
        self._clock = clock
        self._public = (public_url or "").rstrip("/")
        self._token = token
        self._stored = stored
        self._agreed = agreed
        self._origins = origins
        self._rate = rate
        self._rates: dict[str, Rate] = {}
        self.forgeries: dict[str, Forgeries] = {}
        self.accepted: dict[tuple[str, str], int] = {}
        self.trouble = Trouble()

    # -- webhooks --------------------------------------------------------------------------------------------------

    async def webhook(
        self, channel_name: str, secret: str | None, method: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """One request to `/in/<channel>[/<secret>]`. `headers` in lower case; the answer is for the vendor."""
        if channel_name in self._disabled:
            return _problem(503, "this channel cannot take anything now; try again", {"retry-after": "60"})
        channel = self._channels.get(channel_name)
        webhook = channel.connector.webhook if channel is not None else None
        if channel is None or webhook is None:
            return _problem(404, "no such channel, or it takes no webhooks")
        address = f"{self._public}/in/{channel_name}"
        inbound = Inbound(
            channel=channel_name,
            url=address + (f"/{secret}" if secret else "") + (f"?{query}" if query else ""),
            headers=headers,
            body=body,
            received=self._clock.now(),
            method=method,
            path_secret=secret,
        )
        auth = channel.connector.auth
        given = auth.agreed(channel.settings, inbound) if auth is not None and auth.agreed is not None else None
        if given is not None:
            return await self._agree(channel_name, given)
        if method != "POST":
            return self._greet(channel, webhook, inbound)
        try:
            verdict = webhook.verify(channel.settings, inbound, inbound.received)
        except InvalidMessage:
            verdict = Verdict.FORGED
        if verdict is not Verdict.OK:
            return self._refuse(channel_name, verdict)
        refused = webhook.refuse(channel.settings, inbound) if webhook.refuse else None
        if refused is None and webhook.rate is not None:
            refused = self._too_many(channel_name, webhook.rate(channel.settings))
        if refused is not None:
            self._count(channel_name, "refused")
            return refused
        shown = address + ("/-" if secret else "") + (f"?{without_token(query)}" if query else "")
        meta = {"method": method, "url": shown, "headers": _kept(headers)}
        item = NewInbox(
            channel_name, Origin.WEBHOOK, body, inbound.received, dedupe=_dedupe(webhook, inbound), meta=meta
        )
        accepted = await self._accept(item)
        if accepted is None:
            return _problem(503, "cannot store anything now; try again", {"retry-after": "5"})
        if not accepted.duplicate:
            self._stored()
        return webhook.reply(channel.settings, inbound) if webhook.reply else Reply(200)

    async def _agree(self, channel: str, given: Credential) -> Reply:
        try:
            await self._agreed(channel, given)
        except StorageError as error:
            self.trouble.met(error, self._clock.monotonic())
            return _problem(503, "cannot store anything now; try again", {"retry-after": "5"})
        self._count(channel, "agreed")
        return _problem(200, "thank you: it is noted")

    def _greet(self, channel: Channel, webhook: Webhook[Any], inbound: Inbound) -> Reply:
        if webhook.greet is None or inbound.method not in ("GET", "HEAD", "OPTIONS"):
            return _problem(405, "deliveries are POSTed", {"allow": "POST"})
        return webhook.greet(channel.settings, inbound)

    def _refuse(self, channel: str, verdict: Verdict) -> Reply:
        seen = self.forgeries.setdefault(channel, Forgeries())
        was_red = seen.red(self._clock.monotonic())
        seen.total += 1
        seen.recent.append(self._clock.monotonic())
        self._count(channel, verdict.value)
        if seen.red(self._clock.monotonic()) and not was_red:
            _log.error("many refused deliveries: probably our webhook secret is wrong", channel=channel)
        return _problem(401, f"the signature is {verdict.value}")

    def _too_many(self, channel: str, per_minute: int | None) -> Reply | None:
        if per_minute is None:
            return None
        rate = self._rates.get(channel)
        if rate is None:
            rate = self._rates[channel] = Rate(per_minute, self._clock)
        wait = rate.take()
        return _problem(429, "too many requests", {"retry-after": str(wait)}) if wait else None

    # -- events ----------------------------------------------------------------------------------------------------

    def greet_events(self, headers: Mapping[str, str]) -> Reply:
        """`OPTIONS /events`: consent for senders that ask first, where there are any that may post."""
        if self._token is None or not self._origins:
            return _problem(405, "events are POSTed", {"allow": "POST"})
        return Reply(200, headers={"allow": "POST, OPTIONS", **consent(self._origins, self._rate, headers)})

    async def events(self, headers: Mapping[str, str], query: str, body: bytes) -> Reply:
        """One request to `/events`: CloudEvents in binary, structured or batch mode, with a bearer token."""
        token = bearer_token(headers, query)
        if self._token is None or token is None or not same(self._token, token):
            return _problem(401, "a bearer token is needed", {"www-authenticate": "Bearer"})
        too_many = self._too_many(EVENTS_CHANNEL, self._rate)
        if too_many is not None:
            return too_many
        unknown = unknown_form(headers)
        if unknown is not None:
            return _problem(415, unknown)
        try:
            events = read_events(headers, body)
        except CodecError as error:
            return _problem(400, str(error))
        now = self._clock.now()
        for event in events:
            seen = Occurrence(key=f"{event.source}\x1f{event.id}", event=event)
            item = NewInbox(EVENTS_CHANNEL, Origin.EVENT, dump_observations([seen]), now, dedupe=_digest(seen.key))
            if await self._accept(item) is None:
                return _problem(503, "cannot store anything now; try again", {"retry-after": "5"})
        self._stored()
        return Reply(202, headers={"cache-control": "private"} if without_token(query) != query else {})

    async def _accept(self, item: NewInbox) -> Accepted | None:
        """What the journal says of it; None where it cannot take anything."""
        try:
            accepted = await self._journal.accept(item)
        except StorageError as error:
            self._count(item.channel, "unstored")
            self.trouble.met(error, self._clock.monotonic())
            return None
        self._count(item.channel, "duplicate" if accepted.duplicate else "stored")
        self.trouble.over()
        return accepted

    def _count(self, channel: str, what: str) -> None:
        self.accepted[channel, what] = self.accepted.get((channel, what), 0) + 1


def _dedupe(webhook: Webhook[Any], inbound: Inbound) -> str | None:
    identity = webhook.delivery_id
    try:
        if isinstance(identity, Native):
            found = inbound.header(identity.of) if isinstance(identity.of, str) else identity.of(inbound)
            return _digest(found) if found else None
        if isinstance(identity, Derived):
            span = int(inbound.received.timestamp() // identity.window.total_seconds())
            return _digest(f"{span}\x1f{identity.of(inbound)}")
    except InvalidMessage:
        return None  # unreadable here is stored, so that the translator can say why
    except Exception as error:  # stored twice is mended by versions; not stored is lost
        _log.error("delivery id bug", channel=inbound.channel, exception=trail(error))
        return None
    if not isinstance(identity, Hint):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"unknown delivery identity {type(identity).__name__}")
    return None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _DROPPED_HEADERS}


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, detail.encode("utf-8", "replace") + b"\n", "text/plain; charset=utf-8", headers or {})
