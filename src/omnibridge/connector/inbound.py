"""What came in over HTTP, exactly as it came, and what a connector makes of its authenticity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from omnibridge.connector.body import parse_form, parse_json

__all__ = ["DeliveryId", "Derived", "Hint", "Inbound", "Native", "Redelivery", "Reply", "Verdict"]


class Verdict(StrEnum):
    """Whether a delivery is the vendor's. Anything but OK is answered 401 and not stored."""

    OK = "ok"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Inbound:
    """One delivery. `headers` have lower-case names; `body` is the raw bytes that a signature covers.

    `url` is the address the vendor was told (`public_url` + `/in/<channel>` + the query string), not what a proxy made
    of it. `path_secret` is the last path segment of `/in/<channel>/<secret>`, for vendors that sign nothing.
    """

    channel: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received: datetime
    method: str = "POST"
    path_secret: str | None = field(default=None, repr=False)

    def header(self, name: str) -> str | None:
        """A header by its name in any case, or None."""
        return self.headers.get(name.lower())

    def json(self) -> object:
        """The body as JSON with exact numbers (`Decimal` for fractions). Raises InvalidMessage."""
        return parse_json(self.body)

    def form(self) -> list[tuple[str, str]]:
        """The body as form fields in order, empty ones kept. Raises InvalidMessage."""
        return parse_form(self.body)


@dataclass(frozen=True, slots=True)
class Native:
    """The vendor's own delivery id: in a header, or found by a function of the delivery (None: it has none)."""

    of: str | Callable[[Inbound], str | None]


@dataclass(frozen=True, slots=True)
class Derived:
    """No id, but equal content within `window` is the same delivery; `of` builds the text that identifies it."""

    of: Callable[[Inbound], str]
    window: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Hint:
    """Never deduplicated: the delivery only says "look there", and equal pending lookups become one."""


DeliveryId = Native | Derived | Hint


@dataclass(frozen=True, slots=True)
class Redelivery:
    """When and for how long the vendor repeats. Where `on_5xx` is False the connector must have a poll."""

    on_5xx: bool
    lasts: timedelta
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor wants to hear."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
