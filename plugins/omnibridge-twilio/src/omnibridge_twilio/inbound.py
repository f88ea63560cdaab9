"""Twilio's webhooks: messages that came in, callbacks about messages that went out, and, handed on, calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from pydantic import JsonValue, ValidationError

from omnibridge.connector import Inbound, Observation, Reply, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import Basis, ConsentState, Direction, Media
from omnibridge_twilio import twiml
from omnibridge_twilio.calls import call_delivery_id, call_reply, translate_call
from omnibridge_twilio.conversations import conversation_delivery_id, translate_conversation
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.signature import is_form
from omnibridge_twilio.snapshots import (
    OPTED_OUT,
    consent,
    customer,
    customer_ref,
    is_stop_word,
    medium_of,
    message,
)
from omnibridge_twilio.wire import address, sid_or_none

__all__ = ["SEND_KEY", "callback_url", "delivery_id", "reply", "send_key", "translate"]

SEND_KEY = "delivery"
"""The query parameter of a status callback's address that holds the key of the request that sent the message."""

_KEY = re.compile(r"[0-9A-Za-z-]{1,64}")
_MEDIA = re.compile(r"MediaUrl(0|[1-9][0-9]?)")
_INBOUND_WORDS = frozenset({"received", "receiving"})

# Older names of MessageSid, and what is the same for every message of the channel.
_LEFT_OUT = frozenset({"MessageSid", "SmsSid", "SmsMessageSid", "AccountSid", "ApiVersion"})
# The API's name for the same fact, so that a webhook and a poll agree.
_API_NAMES = {"NumMedia": "num_media", "NumSegments": "num_segments", "MessagingServiceSid": "messaging_service_sid"}
# What WhatsApp says about the person and not about the message.
_PERSON = ("ProfileName", "WaId")


def _sid(fields: Mapping[str, str]) -> str | None:
    for name in ("MessageSid", "SmsMessageSid", "SmsSid"):
        if name in fields:
            return sid_or_none(fields[name])
    return None


def _is_call(fields: Mapping[str, str]) -> bool:
    return "CallSid" in fields and _sid(fields) is None


def _is_conversation(fields: Mapping[str, str]) -> bool:
    """Whether something happened in a conversation. WhatsApp's status callbacks have an EventType too, such as READ."""
    return fields.get("EventType", "").startswith("on")


def _word(fields: Mapping[str, str]) -> str | None:
    return fields.get("MessageStatus") or fields.get("SmsStatus")


def _came_in(fields: Mapping[str, str]) -> bool:
    """Whether it is a message to us: it has a state that only those have, or, without any state, a text or media."""
    word = _word(fields)
    return word in _INBOUND_WORDS if word else "Body" in fields or "NumMedia" in fields


def delivery_id(inbound: Inbound) -> str | None:
    """SID and state: signed, and the same in every repetition (the header I-Twilio-Idempotency-Token is unsigned)."""
    try:
        fields = dict(inbound.form()) if is_form(inbound) else {}
    except InvalidMessage:
        return None
    if _is_call(fields):
        return call_delivery_id(fields)
    if _is_conversation(fields):
        return conversation_delivery_id(fields)
    sid = _sid(fields)
    return f"{sid}:{_word(fields) or 'received'}" if sid else None


def callback_url(base: str, key: str) -> str:
    """The channel's address with the send's key in its query, before any connection overrides in the fragment."""
    parts = urlsplit(base)
    query = "&".join(text for text in (parts.query, urlencode({SEND_KEY: key})) if text)
    return urlunsplit(parts._replace(query=query))


def send_key(url: str) -> str | None:
    """The key of the request that sent the message, from the (signed) address of its status callback, or None."""
    try:
        found = parse_qs(urlsplit(url).query, max_num_fields=50).get(SEND_KEY, [])
    except ValueError:
        return None
    return found[0] if len(found) == 1 and _KEY.fullmatch(found[0]) else None


def reply(settings: Twilio, inbound: Inbound) -> Reply:
    """TwiML: what becomes of a call, else nothing.

    Other text would be sent to the person, or be the error 12300 in Twilio's debugger.
    """
    fields = dict(inbound.form()) if is_form(inbound) else {}
    if _is_call(fields):
        return call_reply(settings, fields)
    return Reply(200, twiml.EMPTY.encode(), twiml.TYPE)


def translate(settings: Twilio, inbound: Inbound) -> Sequence[Observation]:
    """The message, who wrote it, and a change of consent; or the call; or what was said in a conversation.

    Raises InvalidMessage for any other webhook.

    Source: Twilio, "Twilio's request to your incoming message webhook URL" and "Track outbound message status".
    """
    if not is_form(inbound):
        raise InvalidMessage("messaging webhooks are forms", where="content-type")
    fields = dict(inbound.form())
    sid = _sid(fields)
    try:
        if _is_call(fields):
            return translate_call(fields, send_key(inbound.url))
        if _is_conversation(fields):
            return translate_conversation(settings, inbound, fields)
        if sid is None:
            raise InvalidMessage("not a messaging webhook: no MessageSid", where="body")
        if _came_in(fields):
            return _incoming(settings, inbound, sid, fields)
        word = _word(fields)
        if not word:
            raise InvalidMessage("not a messaging webhook: no MessageStatus, no Body", where="body")
        return _callback(inbound, sid, word, fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidMessage(f"not a message: {first['msg']}", where=place) from None


def _common(fields: Mapping[str, str], used: frozenset[str]) -> dict[str, object]:
    told: dict[str, object] = {"medium": medium_of(fields.get("From"), fields.get("To"))}
    for name, field in (("From", "sender"), ("To", "recipient")):
        if name in fields:
            told[field] = address(fields[name])[1]
    vendor: dict[str, JsonValue] = {
        _API_NAMES.get(name, name): value
        for name, value in fields.items()
        if name not in _LEFT_OUT and name not in used and name not in ("From", "To")
    }
    if vendor:
        told["vendor"] = vendor
    return told


def _media(fields: Mapping[str, str]) -> dict[int, Media]:
    places = sorted(int(match[1]) for name in fields if (match := _MEDIA.fullmatch(name)))
    return {
        place: Media(url=fields[f"MediaUrl{place}"], content_type=fields.get(f"MediaContentType{place}") or None)
        for place in places
    }


def _incoming(settings: Twilio, inbound: Inbound, sid: str, fields: Mapping[str, str]) -> list[Snapshot]:
    sender = fields.get("From")
    ref = customer_ref(sender)
    media = _media(fields)
    of_media = [f"{name}{place}" for place in media for name in ("MediaUrl", "MediaContentType")]
    of_person = _PERSON if ref is not None else ()
    told = _common(fields, frozenset({"Body", "SmsStatus", "MessageStatus", *of_person, *of_media}))
    told["direction"] = Direction.INBOUND
    if "Body" in fields:
        told["body"] = fields["Body"]
    if "NumMedia" in fields or media:
        told["media"] = tuple(media.values())
    if ref is not None:
        told["customer"] = ref
    person = customer(sender, {name: fields[name] for name in _PERSON if name in fields})
    seen = [person] if person is not None else []
    seen.append(message(sid, told, _word(fields) or "received"))
    return [*seen, *_decision(settings, inbound, sid, fields)]


def _decision(settings: Twilio, inbound: Inbound, sid: str, fields: Mapping[str, str]) -> Sequence[Snapshot]:
    """A change of consent: Twilio's OptOutType where it is told, else a stop word, which can only take consent back.

    Webhooks carry no time, so the time of receipt stands for it.
    """
    sender, body = fields.get("From"), fields.get("Body", "")
    said = fields.get("OptOutType")
    if said == "START":
        state, basis = ConsentState.GRANTED, Basis.SINGLE_OPT_IN
    elif said == "STOP" or (not said and is_stop_word(settings, medium_of(sender, fields.get("To")), body)):
        state, basis = ConsentState.WITHDRAWN, Basis.VENDOR_OPT_OUT
    else:
        return ()
    detail = f"{f'OptOutType {said}' if said else 'keyword'}: the message {sid} says {body[:160]!r}"
    return consent(sender, state, basis, inbound.received, detail, person=customer_ref(sender))


def _callback(inbound: Inbound, sid: str, word: str, fields: Mapping[str, str]) -> list[Snapshot]:
    told = _common(fields, frozenset({"MessageStatus", "SmsStatus", "ErrorCode", "ErrorMessage"}))
    told["direction"] = Direction.OUTBOUND
    code = fields.get("ErrorCode")
    if code is not None:
        told["error_code"] = code or None
    if "ErrorMessage" in fields:
        told["error_text"] = fields["ErrorMessage"] or None
    seen = [message(sid, told, word, key=send_key(inbound.url))]
    if code == OPTED_OUT:
        detail = f"error {OPTED_OUT} for the message {sid}"
        seen += consent(fields.get("To"), ConsentState.WITHDRAWN, Basis.VENDOR_OPT_OUT, inbound.received, detail)
    return seen
