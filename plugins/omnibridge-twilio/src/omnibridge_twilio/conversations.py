"""Twilio Conversations: messages in a conversation, told by webhook or read, by whatever way its people take part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from omnibridge.connector import Http, Inbound, Lookup, Observation, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import Direction, Medium, Message, MessageState, Ref
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import customer, customer_ref
from omnibridge_twilio.wire import address, parse, sid_or_none, state_of

__all__ = [
    "KEY",
    "ConversationMessage",
    "conversation_delivery_id",
    "made_by",
    "message_url",
    "read_conversation_message",
    "record_conversation_message",
    "split_id",
    "translate_conversation",
]

KEY = "omnibridge"
"""The attribute of a message that holds the key of the request that made it."""

_CHANGES = {"onMessageAdded": "DateCreated", "onMessageUpdated": "DateUpdated"}
# Said elsewhere, or about the webhook and not the message.
_LEFT_OUT = frozenset(
    {
        "EventType",
        "AccountSid",
        "ConversationSid",
        "MessageSid",
        "DateCreated",
        "DateUpdated",
        "Author",
        "Body",
        "Attributes",
        "RetryCount",
    }
)


class ConversationMessage(BaseModel):
    """A message of a conversation (twilio-oai, `conversations.v1.conversation.conversation_message`)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    sid: str = Field(pattern=r"^IM[0-9a-fA-F]{32}$")
    conversation_sid: str = Field(pattern=r"^CH[0-9a-fA-F]{32}$")
    author: str | None = None
    body: str | None = None
    attributes: str | None = None
    date_created: str | None = None
    date_updated: str | None = None


class _DeliveryReceipt(BaseModel):
    """What became of a message on its way to one participant; `status` is sent, delivered, read, failed or so."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: str
    error_code: int | None = None


class _Attributes(BaseModel):
    """What of a message's attributes is ours."""

    model_config = ConfigDict(extra="allow", frozen=True)

    omnibridge: str | None = Field(default=None, min_length=1, max_length=64)


class _Receipts(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    delivery_receipts: tuple[_DeliveryReceipt, ...] = ()


def split_id(external_id: str) -> tuple[str, str] | None:
    """Conversation and message of an id such as `CH.../IM...`, as a message is found only below its conversation."""
    conversation, slash, message = external_id.partition("/")
    known = slash and sid_or_none(conversation) and sid_or_none(message)
    return (conversation, message) if known and conversation[:2] == "CH" and message[:2] == "IM" else None


def message_url(settings: Twilio, conversation: str, message: str | None = None) -> str:
    """The address of a conversation's messages, or of one."""
    root = f"{settings.conversations_root}/v1/Conversations/{conversation}/Messages"
    return root if message is None else f"{root}/{message}"


def conversation_delivery_id(fields: Mapping[str, str]) -> str | None:
    """Kind, SIDs and time: signed, and the same in every repetition."""
    names = ("EventType", "ConversationSid", "MessageSid", "DeliveryReceiptSid", "Status", "DateUpdated", "DateCreated")
    told = [fields[name] for name in names if fields.get(name)]
    return ":".join(told) if len(told) > 1 else None


def translate_conversation(settings: Twilio, inbound: Inbound, fields: Mapping[str, str]) -> list[Observation]:
    """A message that was added, edited, removed, or went further; other events of a conversation say nothing here.

    Raises InvalidMessage for what is no message. Source: Twilio, "Conversations webhooks" (the post-action ones).
    """
    event = fields["EventType"]
    if not event.startswith(("onMessage", "onDelivery")):
        return []
    external = f"{fields.get('ConversationSid', '')}/{fields.get('MessageSid', '')}"
    if split_id(external) is None:
        raise InvalidMessage("no ConversationSid and MessageSid", where="body")
    if event == "onMessageRemoved":
        return [Snapshot.gone(Message.KIND, external)]
    if event == "onDeliveryUpdated":
        return [Lookup(Message.KIND, external)]
    if event not in _CHANGES:
        raise InvalidMessage(f"{event[:40]} asks before something happens; send the post-action webhooks", where="body")
    vendor: dict[str, JsonValue] = {name: value for name, value in fields.items() if value and name not in _LEFT_OUT}
    return _message(
        settings,
        external,
        fields.get("Author"),
        {"body": fields.get("Body")} if "Body" in fields else {},
        vendor,
        _instant(fields.get(_CHANGES[event])) or inbound.received.replace(microsecond=0),
        _instant(fields.get("DateCreated")),
        _key(fields.get("Attributes")),
    )


def record_conversation_message(
    settings: Twilio, record: ConversationMessage, receipts: Sequence[_DeliveryReceipt] = ()
) -> list[Observation]:
    """A message as the API tells it, with what became of it on its ways."""
    told: dict[str, object] = {"body": record.body} if "body" in record.model_fields_set else {}
    if receipts:
        best = max(receipts, key=lambda one: (state_of(one.status) in _ARRIVED, state_of(one.status).rank))
        told |= {"state": state_of(best.status), "state_raw": best.status}
        if best.error_code:
            told["error_code"] = str(best.error_code)
    return _message(
        settings,
        f"{record.conversation_sid}/{record.sid}",
        record.author,
        told,
        {},
        _instant(record.date_updated) or _instant(record.date_created),
        _instant(record.date_created),
        _key(record.attributes),
    )


_ARRIVED = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.READ})


def _message(
    settings: Twilio,
    external: str,
    author: str | None,
    told: Mapping[str, object],
    vendor: Mapping[str, JsonValue],
    version: datetime | None,
    sent: datetime | None,
    key: str | None,
) -> list[Observation]:
    """Who writes from a number is a person. An identity is one too where `staff` is given and does not name it."""
    ref = customer_ref(author)
    person = ref is not None or bool(settings.staff and author not in (*settings.staff, "system", None))
    medium, name = address(author) if ref is not None else (Medium.CHAT, author)
    fields: dict[str, object] = {
        "direction": Direction.INBOUND if person else Direction.OUTBOUND,
        "medium": medium,
        "sender": name,
        "conversation": Ref(kind="conversation", external_id=external.partition("/")[0]),
        "state": MessageState.RECEIVED if person else MessageState.SENT,
        **told,
    }
    if sent is not None:
        fields["sent_at"] = sent
    if ref is not None:
        fields["customer"] = ref
    if vendor:
        fields["vendor"] = dict(vendor)
    seen: list[Observation] = [Snapshot(Message.model_validate(fields), external, version=version, ours=key)]
    known = customer(author, {})
    return [known, *seen] if known is not None else seen


async def read_conversation_message(settings: Twilio, external: str, http: Http) -> Sequence[Observation]:
    """A message of a conversation as it is now; one that is gone is told as deleted."""
    ids = split_id(external)
    if ids is None:
        raise InvalidMessage("not the id of a message in a conversation", where="id")
    url = message_url(settings, *ids)
    response = await http.get(url)
    if response.status == 404:
        return (Snapshot.gone(Message.KIND, external),)
    if not response.ok:
        raise refusal(response, "the message cannot be read")
    receipts = await http.get(f"{url}/Receipts")
    found = parse(_Receipts, receipts).delivery_receipts if receipts.ok else ()
    return record_conversation_message(settings, parse(ConversationMessage, response), found)


def made_by(record: ConversationMessage) -> str | None:
    """The key of the request that made a message, None where it was not ours."""
    return _key(record.attributes)


def _instant(raw: str | None) -> datetime | None:
    """A time of the newer APIs, in whole seconds: webhooks tell more of it than the API, and both must agree."""
    if not raw:
        return None
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).astimezone(UTC).replace(microsecond=0)


def _key(attributes: str | None) -> str | None:
    """The key of the request that made the message, from its attributes."""
    try:
        return _Attributes.model_validate_json(attributes or "{}").omnibridge
    except ValidationError:
        return None
