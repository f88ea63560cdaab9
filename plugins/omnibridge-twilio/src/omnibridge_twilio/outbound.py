"""Sending a message, and finding out whether one was sent whose answer was lost."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta

from omnibridge.connector import Delivery, Http, Receipt, Reference, Response, Snapshot, Upsert, json_bytes
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.model import Basis, ConsentState, Direction, EraseCustomer, Medium, SendMessage, phone_or_none
from omnibridge_twilio.answers import refusal, trouble
from omnibridge_twilio.conversations import message_url, read_conversation_message, split_id
from omnibridge_twilio.conversations_out import conversation_of, find_said, say
from omnibridge_twilio.inbound import callback_url
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import OPTED_OUT, consent, message
from omnibridge_twilio.wire import MessagePage, MessageRecord, address, instant, next_page, parse, sid_or_none

__all__ = ["erase", "find", "form", "send"]

_PREFIXES = {Medium.SMS: "", Medium.WHATSAPP: "whatsapp:", Medium.RCS: "rcs:"}
_STEP = "send"
_SKEW = timedelta(minutes=5)
_PAGES = 10
# What Twilio's smart encoding replaces to save segments.
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def _recipient(command: SendMessage) -> str:
    if command.medium not in _PREFIXES:
        raise Permanent(
            f"Twilio messaging does not carry {command.medium}", where="medium", remedy="send by sms, whatsapp or rcs"
        )
    _, _, rest = command.to.rpartition(":")
    phone = phone_or_none(rest)
    if phone is None:
        raise Permanent("the recipient is no phone number", where="to", remedy="give it in E.164, such as +14155550100")
    return _PREFIXES[command.medium] + phone


def _sender(settings: Twilio, medium: Medium) -> list[tuple[str, str]]:
    """Who sends. A number beside a Messaging Service picks one of the service's senders."""
    service = settings.messaging_service_sid
    fields: list[tuple[str, str]] = []
    if medium is Medium.WHATSAPP and settings.whatsapp_from is not None:
        return [("From", f"whatsapp:{settings.whatsapp_from}")]
    if medium is Medium.SMS and settings.from_number is not None:
        fields.append(("From", settings.from_number))
    if service is not None:
        fields.append(("MessagingServiceSid", service))
    if not fields:
        raise Permanent(
            f"the channel has no sender for {medium}",
            remedy="set from_number, whatsapp_from or messaging_service_sid in the channel's settings",
        )
    return fields


def _template(settings: Twilio, name: str) -> str:
    sid = settings.templates.get(name) or sid_or_none(name)
    if sid is None or not sid.startswith("HX"):
        raise Permanent(
            f"there is no template {name!r}", where="template", remedy="name it in the channel's setting `templates`"
        )
    return sid


def form(settings: Twilio, command: SendMessage, key: str) -> list[tuple[str, str]]:
    """The fields of the request that sends. Raises Permanent when the message cannot be sent as it is.

    A template (`ContentSid`) takes the place of text and media.
    """
    fields = [("To", _recipient(command)), *_sender(settings, command.medium)]
    if command.template is not None:
        fields.append(("ContentSid", _template(settings, command.template)))
        if command.variables:
            fields.append(("ContentVariables", json_bytes(command.variables).decode()))
    elif command.body or command.media:
        if command.body:
            fields.append(("Body", command.body))
        fields += [("MediaUrl", item.url) for item in command.media]
    else:
        raise Permanent("there is nothing to send", remedy="give a body, media or a template")
    if settings.callback_url is not None:
        fields.append(("StatusCallback", callback_url(settings.callback_url, key)))
    return fields


def _receipt(command: SendMessage, key: str, record: MessageRecord, note: str | None = None) -> Receipt:
    """What Twilio has, restricted to what was written; the sender only once one is chosen."""
    fields: dict[str, object] = {"direction": Direction.OUTBOUND, "medium": command.medium}
    fields["recipient"] = address(record.to)[1] if record.to else phone_or_none(command.to)
    if record.from_:
        fields["sender"] = address(record.from_)[1]
    if command.template is None and "body" in record.model_fields_set:
        fields["body"] = record.body
    if record.error_code is not None:
        fields |= {"error_code": str(record.error_code), "error_text": record.error_message}
    snapshot = message(record.sid, fields, record.status, key=key)
    return Receipt((Reference("message", record.sid, key),), (snapshot,), note)


def _made(delivery: Delivery, key: str) -> str | None:
    """The message that an earlier attempt made and kept."""
    return delivery.references.get(("message", key))


async def _again(settings: Twilio, command: SendMessage, key: str, sid: str, http: Http) -> Receipt:
    if split_id(sid) is not None:
        seen = [one for one in await read_conversation_message(settings, sid, http) if isinstance(one, Snapshot)]
        there = tuple(one for one in seen if one.kind == "message" and not one.deleted)
        return Receipt((Reference("message", sid, key),), there, None if there else "sent, and since deleted at Twilio")
    response = await http.get(f"{settings.account_path}/Messages/{sid}.json")
    if response.status == 404:
        return Receipt((Reference("message", sid, key),), note="sent, and since deleted at Twilio")
    if not response.ok:
        raise refusal(response, "the message was sent and cannot be read")
    return _receipt(command, key, parse(MessageRecord, response))


async def send(settings: Twilio, command: SendMessage, delivery: Delivery, http: Http) -> Receipt:
    """Send it once. Twilio has no idempotency key, so the request is unprotected and `find` follows a lost answer.

    The request's own key goes into the status callback's address and is the canonical id of the message.
    A recipient who opted out (21610) is told as consent withdrawn before the refusal is raised.
    """
    key = http.key(_STEP)
    sid = _made(delivery, key)
    if sid is not None:
        return await _again(settings, command, key, sid, http)
    if (conversation := conversation_of(command, delivery)) is not None:
        template = _template(settings, command.template) if command.template is not None else None
        return await say(settings, command, conversation, template, key, http)
    fields = form(settings, command, key)
    response = await http.post(f"{settings.account_path}/Messages.json", form=fields, step=_STEP)
    if not response.ok:
        if str(trouble(response).code) == OPTED_OUT:
            detail = f"error {OPTED_OUT} in answer to the delivery {delivery.key}"
            to, at = dict(fields)["To"], await http.now()
            await http.emit(consent(to, ConsentState.WITHDRAWN, Basis.VENDOR_OPT_OUT, at, detail))
        raise refusal(response, "Twilio refuses the message")
    record = _answer(response)
    await http.keep(Reference("message", record.sid, key))
    return _receipt(command, key, record)


def _answer(response: Response) -> MessageRecord:
    try:
        return parse(MessageRecord, response)
    except InvalidMessage as error:
        raise Ambiguous(f"Twilio took the message, and its answer is unreadable: {error.what}") from error


async def find(settings: Twilio, command: SendMessage, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether a send whose answer was lost took effect: an equal message to the person since the command was given.

    The list does not tell the StatusCallback, and so not our key: text, recipient, sender and time must do. It is asked
    for without DateSent, which queued messages do not have yet. Where that cannot decide, Ambiguous is raised: for a
    template without variables, and for a repetition on purpose (a later generation), whose predecessor looks the same.
    A status callback, which carries the key, decides it better; so it is worth waiting before asking.
    """
    key = http.key(_STEP)
    sid = _made(delivery, key)
    if sid is not None:
        return await _again(settings, command, key, sid, http)
    if (conversation := conversation_of(command, delivery)) is not None:
        return await find_said(settings, conversation, key, http)
    fields = dict(form(settings, command, key))
    begin = _begin(delivery, await http.now())
    found = [item for item in await _outgoing(settings, fields, http) if _fits(item, begin, command, settings)]
    if not found:
        return None
    certain = command.template is None or any(command.variables.values())
    if delivery.generation > 0 or not certain:
        raise Ambiguous(
            f"{len(found)} messages since {begin:%Y-%m-%d %H:%M} may be this one, and nothing tells which",
            remedy="look at the account's message log, then settle or resend by hand",
        )
    newest = max(found, key=_created)
    note = f"found among {len(found)} equal messages" if len(found) > 1 else "found by its text, recipient and time"
    return _receipt(command, key, newest, note)


async def erase(settings: Twilio, command: EraseCustomer, delivery: Delivery, http: Http) -> Receipt:
    """Delete their messages, bodies and media with them, and their calls. What is gone is done.

    The list of opt-outs of a Messaging Service is Twilio's own and stays: it is what keeps them from being written to.
    """
    root = settings.account_path
    paths = [
        message_url(settings, *ids) if (ids := split_id(sid)) is not None else f"{root}/Messages/{sid}.json"
        for sid in command.ids("message")
    ]
    paths += [f"{root}/Calls/{sid}.json" for sid in command.ids("call")]
    for number, path in enumerate(paths):
        response = await http.delete(path, step=f"erase-{number}", protection=Upsert())
        if not response.ok and response.status != 404:
            raise refusal(response, "a message or call cannot be deleted")
    return Receipt()


def _begin(delivery: Delivery, now: datetime) -> datetime:
    return (delivery.event.get_time() or now - timedelta(days=1)) - _SKEW


def _created(record: MessageRecord) -> float:
    at = instant(record.date_created) or instant(record.date_sent)
    return at.timestamp() if at is not None else 0.0


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_PLAIN)).strip()


def _fits(record: MessageRecord, begin: datetime, command: SendMessage, settings: Twilio) -> bool:
    """Whether a listed message may be what the command asked for. A trial account puts words before the text."""
    if not record.direction.startswith("outbound") or _created(record) < begin.timestamp():
        return False
    service = dict(_sender(settings, command.medium)).get("MessagingServiceSid")
    if service is not None and record.messaging_service_sid not in (None, service):
        return False
    text = _plain(record.body or "")
    if command.template is not None:
        return all(_plain(value) in text for value in command.variables.values())
    ours = _plain(command.body or "")
    media = record.num_media in (None, str(len(command.media)))
    return media and (text.endswith(ours) if ours else not text)


async def _outgoing(settings: Twilio, fields: Mapping[str, str], http: Http) -> list[MessageRecord]:
    """Messages to the recipient, from the sender where it is known, newest first; ten pages are years of one person."""
    path = f"{settings.account_path}/Messages.json"
    params: dict[str, list[str]] = {"To": [fields["To"]], "PageSize": ["200"]}
    if "From" in fields:
        params["From"] = [fields["From"]]
    found: list[MessageRecord] = []
    for _ in range(_PAGES):
        response = await http.get(path, params=params)
        if not response.ok:
            raise refusal(response, "the messages cannot be listed")
        page = parse(MessagePage, response)
        found += page.messages
        following = next_page(page.next_page_uri, path)
        if following is None:
            break
        params = following
    return found
