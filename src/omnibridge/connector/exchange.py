"""Requests as data: what an author's coroutine asks for, what comes back, and how an answer is classed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from omnibridge.connector.body import Json, parse_json

__all__ = [
    "Class",
    "NativeKey",
    "Outcome",
    "Protection",
    "Request",
    "Response",
    "Upsert",
    "classify_http",
    "retry_after",
]


@dataclass(frozen=True, slots=True)
class NativeKey:
    """The vendor drops a second request with the same key for `valid_for`; `http.key(step)` is the key to send.

    The bytes are stored before they leave and sent again identically.
    """

    valid_for: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Upsert:
    """Sending it twice leaves the vendor as sending it once: a PUT of the whole, a set to a value."""


Protection = NativeKey | Upsert


# Named tuples, as one of each is made for every request, and a frozen dataclass sets field by field.
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """One request. `path` is relative to the channel's base URL, or absolute on one of the channel's own hosts.

    `reads` says that it changes nothing at the vendor. `step` names a writing request within its exchange.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = _NOTHING
    body: bytes = b""
    content_type: str | None = None
    reads: bool = False
    step: str = ""
    protection: Protection | None = None
    timeout: float | None = None


class Response(NamedTuple):
    """One answer; header names in lower case, `content` decoded and capped."""

    status: int
    headers: Mapping[str, str] = _NOTHING
    content: bytes = b""

    def header(self, name: str) -> str | None:
        """A header by its name in any case, or None."""
        return self.headers.get(name.lower())

    def json(self) -> Json:
        """The body as JSON with exact numbers. Raises InvalidMessage."""
        return parse_json(self.content)

    @property
    def text(self) -> str:
        """The body as text, undecodable bytes replaced."""
        return self.content.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class Class(StrEnum):
    """What happens next."""

    OK = "ok"
    RETRY = "retry"
    PERMANENT = "permanent"
    EXPIRED = "expired"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer classed. `after` is the vendor's own wish; `code` and `reason` are shown to people.

    OK and PERMANENT answers go back to the author's function. The others never reach it: RETRY comes back later,
    EXPIRED renews the credential and repeats, AMBIGUOUS is looked up or decided by the route. `stops` goes with
    PERMANENT: this system wants nothing any more, so until a restart everything for it is a dead letter, unsent.
    """

    kind: Class
    after: timedelta | None = None
    code: str | None = None
    reason: str | None = None
    stops: bool = False


_OK = Outcome(Class.OK)


def retry_after(response: Response, now: datetime) -> timedelta | None:
    """The `Retry-After` header in seconds or as a date; None where it is absent or unreadable; never negative."""
    raw = (response.header("retry-after") or "").strip()
    if not raw:
        return None
    try:
        return timedelta(seconds=max(0.0, min(float(raw), 7 * 86400.0)))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(raw)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(timedelta(0), min(at - now, timedelta(days=7)))


def classify_http(request: Request, response: Response, now: datetime) -> Outcome:
    """HTTP's own meaning, for vendors that keep to it.

    2xx OK · 401 expired · 408, 425, 429, 503 retry · other 5xx ambiguous for a write that nothing protects, else
    retry · 3xx and other 4xx permanent.
    """
    status = response.status
    if response.ok:
        return _OK
    code = str(status)
    if status == 401:
        return Outcome(Class.EXPIRED, code=code)
    if status in (408, 425, 429, 503):
        return Outcome(Class.RETRY, after=retry_after(response, now), code=code)
    if status >= 500:
        harmless = request.reads or request.protection is not None
        return Outcome(Class.RETRY if harmless else Class.AMBIGUOUS, after=retry_after(response, now), code=code)
    return Outcome(Class.PERMANENT, code=code)
