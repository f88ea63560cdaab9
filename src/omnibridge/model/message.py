"""Messages between a company and a person, and the command that sends one."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.consent import Medium, Purpose

__all__ = ["Command", "Direction", "Media", "Message", "MessageState", "SendMessage"]


class Direction(OpenEnum):
    """Who wrote it: `inbound` came from the person."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    OTHER = "other"


class MessageState(OpenEnum):
    """How far a message is; `rank` orders the states, and a later report of an earlier state changes nothing."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    RECEIVED = "received"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    READ = "read"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """Its place on the way: 0 is accepted; delivered, failed and their like end it; read comes last."""
        return _RANKS[self]


_RANKS: dict[MessageState, int] = {
    MessageState.OTHER: 0,
    MessageState.ACCEPTED: 0,
    MessageState.SCHEDULED: 1,
    MessageState.QUEUED: 2,
    MessageState.SENDING: 3,
    MessageState.SENT: 4,
    MessageState.RECEIVED: 5,
    MessageState.DELIVERED: 5,
    MessageState.UNDELIVERED: 5,
    MessageState.FAILED: 5,
    MessageState.CANCELLED: 5,
    MessageState.READ: 6,
}


class Media(Model):
    """An attachment, by address; `content_type` is a media type such as `image/jpeg`."""

    url: str
    content_type: str | None = None


class Message(Entity):
    """One message. `sender` and `recipient` are E.164 numbers, email addresses or handles."""

    KIND: ClassVar[str] = "message"

    direction: Direction
    medium: Medium
    sender: str | None = None
    recipient: str | None = None
    body: str | None = None
    media: tuple[Media, ...] = ()
    state: MessageState
    state_raw: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    conversation: Ref | None = None
    customer: Ref | None = None
    sent_at: Instant | None = None
    updated_at: Instant | None = None


class Command(Model):
    """Asks one channel to do something. `KIND` is `<entity>.<verb>`, the tail of its event type."""

    KIND: ClassVar[str] = ""

    purpose: Purpose = Purpose.TRANSACTIONAL
    customer: Ref | None = None

    @property
    def gate(self) -> tuple[str, Medium] | None:
        """The contact point and medium whose consent decides, or None where no person is addressed."""
        return None


class SendMessage(Command):
    """Send `body` to `to` (E.164 or email). Marketing goes out only with a granted consent for `to` by `medium`.

    `template` and `variables` name a vendor-approved template where the medium demands one (WhatsApp).
    """

    KIND: ClassVar[str] = "message.send"

    to: str
    medium: Medium = Medium.SMS
    body: str | None = None
    media: tuple[Media, ...] = ()
    template: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    conversation: Ref | None = None

    @property
    def gate(self) -> tuple[str, Medium] | None:
        """The recipient and medium: a message always addresses a person."""
        return self.to, self.medium
