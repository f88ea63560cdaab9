"""Twilio's own shapes: addresses with a channel prefix, message resources, pages of them, and error bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from omnibridge.connector import Response
from omnibridge.errors import InvalidMessage
from omnibridge.model import CallState, Medium, MessageState, phone_or_none

__all__ = [
    "CallPage",
    "CallRecord",
    "MediaItem",
    "MediaPage",
    "MessagePage",
    "MessageRecord",
    "Trouble",
    "address",
    "call_state_of",
    "instant",
    "next_page",
    "parse",
    "sid_or_none",
    "state_of",
]

T = TypeVar("T", bound=BaseModel)
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_PREFIXES = {"whatsapp": Medium.WHATSAPP, "rcs": Medium.RCS}

_STATES = {
    "accepted": MessageState.ACCEPTED,
    "scheduled": MessageState.SCHEDULED,
    "queued": MessageState.QUEUED,
    "sending": MessageState.SENDING,
    "sent": MessageState.SENT,
    # Some of several parts or recipients: it has left, and more is still to come.
    "partially_delivered": MessageState.SENT,
    "received": MessageState.RECEIVED,
    "delivered": MessageState.DELIVERED,
    "undelivered": MessageState.UNDELIVERED,
    "failed": MessageState.FAILED,
    "canceled": MessageState.CANCELLED,
    "read": MessageState.READ,
}


def state_of(word: str) -> MessageState:
    """The state for Twilio's word (its API specification, `message_enum_status`); `other` for one not known yet."""
    return _STATES.get(word.lower(), MessageState.OTHER)


_CALL_STATES = {
    "queued": CallState.QUEUED,
    "initiated": CallState.QUEUED,
    "ringing": CallState.RINGING,
    "in-progress": CallState.IN_PROGRESS,
    "completed": CallState.COMPLETED,
    "busy": CallState.BUSY,
    "no-answer": CallState.NO_ANSWER,
    "failed": CallState.FAILED,
    "canceled": CallState.CANCELLED,
}


def call_state_of(word: str) -> CallState:
    """The state for Twilio's word (its API specification, `call_enum_status`; callbacks also say `initiated`)."""
    return _CALL_STATES.get(word.lower(), CallState.OTHER)


def sid_or_none(text: str | None) -> str | None:
    """A SID (two capitals, 32 hexadecimal digits), or None."""
    return text if text and _SID.fullmatch(text) else None


def address(raw: str | None) -> tuple[Medium, str | None]:
    """The medium that an address is of, and the E.164 number in it where there is one, else the address as it is.

    `whatsapp:+14155550100` and `rcs:+14155550100` are numbers; `messenger:...` and other prefixes stay whole, as do
    short codes and alphanumeric senders. An empty address is None.
    """
    prefix, colon, rest = (raw or "").partition(":")
    if not colon:
        return Medium.SMS, phone_or_none(prefix) or prefix or None
    medium = _PREFIXES.get(prefix.lower())
    if medium is None:
        return Medium.CHAT, raw
    return medium, phone_or_none(rest) or rest or None


def instant(raw: str | None) -> datetime | None:
    """An RFC 2822 time of the 2010-04-01 API, in UTC; None where it is absent or unreadable."""
    if not raw:
        return None
    try:
        at = parsedate_to_datetime(raw)
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=False, frozen=True)


class MessageRecord(_Wire):
    """A Message resource (API specification, `api.v2010.account.message`); fields not named here are kept as extra."""

    sid: str = Field(pattern=r"^[A-Z]{2}[0-9a-fA-F]{32}$")
    status: str
    direction: str
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    body: str | None = None
    num_media: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    date_created: str | None = None
    date_sent: str | None = None
    date_updated: str | None = None
    messaging_service_sid: str | None = None

    @property
    def extra(self) -> Mapping[str, JsonValue]:
        """The fields that have no name here."""
        return self.__pydantic_extra__ or {}


class MessagePage(_Wire):
    """One page of Messages; `next_page_uri` is relative to the API root and null on the last page."""

    messages: tuple[MessageRecord, ...]
    next_page_uri: str | None = None


class CallRecord(_Wire):
    """A Call resource (API specification, `api.v2010.account.call`); fields not named here are kept as extra.

    `duration` is in seconds, and empty for a call that nobody answered or that is not over.
    """

    sid: str = Field(pattern=r"^CA[0-9a-fA-F]{32}$")
    status: str
    direction: str
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    duration: str | None = None
    date_created: str | None = None
    date_updated: str | None = None
    start_time: str | None = None
    end_time: str | None = None

    @property
    def extra(self) -> Mapping[str, JsonValue]:
        """The fields that have no name here."""
        return self.__pydantic_extra__ or {}


class CallPage(_Wire):
    """One page of Calls."""

    calls: tuple[CallRecord, ...]
    next_page_uri: str | None = None


class MediaItem(_Wire):
    """A Media resource; `uri` ends in `.json`, the bytes are at the same address without it."""

    uri: str
    content_type: str | None = None


class MediaPage(_Wire):
    """The media of one message (ten at most, so one page)."""

    media_list: tuple[MediaItem, ...]


class Trouble(_Wire):
    """An error body: `code` is Twilio's five-digit error code."""

    code: int | None = None
    message: str = ""


def parse(shape: type[T], response: Response) -> T:
    """The body of an answer as `shape`. Raises InvalidMessage when it has another one."""
    value: Any = response.json()
    try:
        to_json(value, fallback=str)  # what cannot be written again, such as half a surrogate pair, is not text
        return shape.model_validate(value)
    except (ValidationError, PydanticSerializationError, UnicodeError) as error:
        raise InvalidMessage(f"not a {shape.__name__}: {type(error).__name__}", where="body") from None


def next_page(uri: str | None, path: str) -> dict[str, list[str]] | None:
    """The query of the next page, None where there is none. Raises InvalidMessage when it is not a page of `path`."""
    if not uri:
        return None
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise InvalidMessage("next_page_uri is not an address", where="next_page_uri") from None
    if parts.scheme or parts.netloc or parts.path != path:
        raise InvalidMessage("next_page_uri leads elsewhere", where="next_page_uri")
    return query
