"""Twilio Conversations: messages in a conversation, told by webhook or read, by whatever way its people take part.

Sources: Twilio, "Conversations Webhooks", the resources Conversation, Conversation Message and Delivery Receipt, and
"Conversations Media Resource". None of them knows `OptOutType`, so a stop word is what takes consent back here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from omnibridge.connector import Http, Inbound, Lookup, Observation, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import Basis, ConsentState, Direction, Media, Medium, Message, MessageState, Ref
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import consent, customer, customer_ref, is_stop_word
from omnibridge_twilio.wire import address, parse, sid_or_none, state_of

__all__ = [
    "KEY",
    "Conversation",
    "ConversationMessage",
    "conversation_delivery_id",
    "conversations_url",
    "instant_of",
    "made_by",
    "message_url",
    "read_conversation_message",
    "read_receipts",
    "record_conversation_message",
    "split_id",
    "translate_conversation",
]

KEY = "omnibridge"
"""The attribute of a message that holds the key of the request that made it."""

_MEDIA_ROOT = "https://mcs.us1.twilio.com/v1"
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


class _MediaItem(BaseModel):
    """A file of a message; webhooks write the same names as `Sid` and `ContentType`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    sid: str = Field(validation_alias=AliasChoices("sid", "Sid"), pattern=r"^ME[0-9a-fA-F]{32}$")
    content_type: str | None = Field(default=None, validation_alias=AliasChoices("content_type", "ContentType"))


_MEDIA_ITEMS = TypeAdapter(tuple[_MediaItem, ...])


class Conversation(BaseModel):
    """A conversation (twilio-oai, `conversations.v1.conversation`); its media are below its service."""

    model_config = ConfigDict(extra="allow", frozen=True)

    sid: str = Field(pattern=r"^CH[0-9a-fA-F]{32}$")
    chat_service_sid: str | None = None


class ConversationMessage(BaseModel):
    """A message of a conversation (twilio-oai, `conversations.v1.conversation.conversation_message`).

    `delivery` sums up the receipts, and is null for a message that went to no number.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    sid: str = Field(pattern=r"^IM[0-9a-fA-F]{32}$")
    conversation_sid: str = Field(pattern=r"^CH[0-9a-fA-F]{32}$")
    author: str | None = None
    body: str | None = None
    attributes: str | None = None
    media: tuple[_MediaItem, ...] | None = None
    delivery: JsonValue = None
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


def conversations_url(settings: Twilio) -> str:
    """The address of the conversations of the account's default service."""
    return f"{settings.conversations_root}/v1/Conversations"


def message_url(settings: Twilio, conversation: str, message: str | None = None) -> str:
    """The address of a conversation's messages, or of one."""
    root = f"{conversations_url(settings)}/{conversation}/Messages"
    return root if message is None else f"{root}/{message}"


def conversation_delivery_id(fields: Mapping[str, str]) -> str | None:
    """Kind, SIDs and time: signed, and the same in every repetition."""
    names = ("EventType", "ConversationSid", "MessageSid", "DeliveryReceiptSid", "Status", "DateUpdated", "DateCreated")
    told = [fields[name] for name in names if fields.get(name)]
    return ":".join(told) if len(told) > 1 else None


def translate_conversation(settings: Twilio, inbound: Inbound, fields: Mapping[str, str]) -> list[Observation]:
    """A message that was added, edited, removed, or went further; other events of a conversation say nothing here.

    What was edited is read, as its webhook does not tell how far the message is on its ways. Raises InvalidMessage
    for what is no message, and for the webhooks that ask before something happens.
    """
    event = fields["EventType"]
    if not event.startswith(("onMessage", "onDelivery")):
        return []
    external = f"{fields.get('ConversationSid', '')}/{fields.get('MessageSid', '')}"
    if split_id(external) is None:
        raise InvalidMessage("no ConversationSid and MessageSid", where="body")
    if event == "onMessageRemoved":
        return [Snapshot.gone(Message.KIND, external)]
    if event in ("onDeliveryUpdated", "onMessageUpdated"):
        return [Lookup(Message.KIND, external)]
    if event != "onMessageAdded":
        raise InvalidMessage(f"{event[:40]} asks before something happens; send the post-action webhooks", where="body")
    vendor: dict[str, JsonValue] = {name: value for name, value in fields.items() if value and name not in _LEFT_OUT}
    told: dict[str, object] = {"body": fields["Body"]} if "Body" in fields else {}
    if fields.get("Media") and fields.get("ChatServiceSid"):
        told["media"] = _media(fields["ChatServiceSid"], _MEDIA_ITEMS.validate_json(fields["Media"]))
        del vendor["Media"]
    return _message(
        settings,
        external,
        fields.get("Author"),
        told,
        vendor,
        instant_of(fields.get("DateCreated")) or inbound.received.replace(microsecond=0),
        instant_of(fields.get("DateCreated")),
        _key(fields.get("Attributes")),
    )


def record_conversation_message(
    settings: Twilio,
    record: ConversationMessage,
    receipts: Sequence[_DeliveryReceipt] = (),
    service: str | None = None,
) -> list[Observation]:
    """A message as the API tells it, with what became of it on its ways. `service` is the conversation's, for media."""
    told: dict[str, object] = {"body": record.body} if "body" in record.model_fields_set else {}
    if not record.media and "media" in record.model_fields_set:
        told["media"] = ()
    elif record.media and service is not None:
        told["media"] = _media(service, record.media)
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
        instant_of(record.date_updated) or instant_of(record.date_created),
        instant_of(record.date_created),
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
    at, body = sent or version, told.get("body")
    if at is not None and isinstance(body, str) and person and is_stop_word(settings, medium, body):
        detail = f"keyword: the message {external} says {body[:160]!r}"
        seen += consent(author, ConsentState.WITHDRAWN, Basis.VENDOR_OPT_OUT, at, detail, person=ref)
    return [known, *seen] if known is not None else seen


def _media(service: str, items: Sequence[_MediaItem]) -> tuple[Media, ...]:
    """The Media resources of the files: they need the account's credentials, and their `links` lead to the bytes."""
    root = f"{_MEDIA_ROOT}/Services/{service}/Media"
    return tuple(Media(url=f"{root}/{item.sid}", content_type=item.content_type) for item in items)


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
    record = parse(ConversationMessage, response)
    service = await _service(settings, ids[0], http) if record.media else None
    return record_conversation_message(settings, record, await read_receipts(settings, record, http), service)


async def read_receipts(settings: Twilio, record: ConversationMessage, http: Http) -> Sequence[_DeliveryReceipt]:
    """What became of a message on its ways to numbers; who takes part by SDK has no receipt."""
    response = await http.get(f"{message_url(settings, record.conversation_sid, record.sid)}/Receipts")
    return parse(_Receipts, response).delivery_receipts if response.ok else ()


async def _service(settings: Twilio, conversation: str, http: Http) -> str | None:
    response = await http.get(f"{conversations_url(settings)}/{conversation}")
    return parse(Conversation, response).chat_service_sid if response.ok else None


def made_by(record: ConversationMessage) -> str | None:
    """The key of the request that made a message, None where it was not ours."""
    return _key(record.attributes)


def instant_of(raw: str | None) -> datetime | None:
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
