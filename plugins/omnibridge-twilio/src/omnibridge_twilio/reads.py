"""Reading messages and calls: one by its SID, and lists that close the gaps which missed webhooks leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from omnibridge.connector import Cursor, Http, Lookup, Observation, Response, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Call, Message
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.calls import record_call
from omnibridge_twilio.conversations import read_conversation_message, split_id
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import record_snapshots
from omnibridge_twilio.sweep import Listing, sweep
from omnibridge_twilio.wire import (
    CallPage,
    CallRecord,
    MediaItem,
    MediaPage,
    MessagePage,
    MessageRecord,
    address,
    parse,
    sid_or_none,
)

__all__ = ["poll_calls", "poll_messages", "poll_outcomes", "probe", "read"]

_NEW = timedelta(minutes=30)
_FINAL = timedelta(hours=36)
_TALK = timedelta(hours=25)


async def probe(settings: Twilio, http: Http) -> None:
    """Ask for one message: works with a standard API key too, which may not read the account itself."""
    response = await http.get(f"{settings.account_path}/Messages.json", params={"PageSize": 1})
    if not response.ok:
        raise refusal(response, "Twilio does not answer for this account")
    parse(MessagePage, response)


async def read(settings: Twilio, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """A message with its media, or a call, as it is now; one that Twilio does not have is told as deleted."""
    if lookup.kind == Message.KIND and split_id(lookup.external_id) is not None:
        return await read_conversation_message(settings, lookup.external_id, http)
    sid = sid_or_none(lookup.external_id)
    folder = {Message.KIND: "Messages", Call.KIND: "Calls"}.get(lookup.kind)
    if folder is None or sid is None:
        raise Permanent(
            f"Twilio has no {lookup.kind} {lookup.external_id!r}", remedy="only messages and calls can be read"
        )
    response = await http.get(f"{settings.account_path}/{folder}/{sid}.json")
    if response.status == 404:
        return (Snapshot.gone(lookup.kind, sid),)
    if not response.ok:
        raise refusal(response, f"the {lookup.kind} cannot be read")
    if lookup.kind == Call.KIND:
        return record_call(parse(CallRecord, response))
    record = parse(MessageRecord, response)
    return record_snapshots(settings, record, await _media(settings, record, http), await http.now())


async def poll_messages(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """New messages in both directions, half an hour overlapping: Twilio repeats a webhook only if it cannot connect."""
    await sweep(_MESSAGES, settings, cursor, http, _NEW)


async def poll_outcomes(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """Messages of the last day and a half again: a final state may come late, and its callback is not repeated."""
    await sweep(_MESSAGES, settings, cursor, http, _FINAL)


async def poll_calls(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """Calls of the last day again: a call may last that long, and the callback that ends it is not repeated."""
    await sweep(_CALLS, settings, cursor, http, _TALK)


def _messages(response: Response) -> tuple[Sequence[MessageRecord], str | None]:
    page = parse(MessagePage, response)
    return page.messages, page.next_page_uri


def _calls(response: Response) -> tuple[Sequence[CallRecord], str | None]:
    page = parse(CallPage, response)
    return page.calls, page.next_page_uri


async def _seen_message(settings: Twilio, record: MessageRecord, http: Http, now: datetime) -> Sequence[Observation]:
    if not _ours(settings, record):
        return ()
    media = await _media(settings, record, http) if record.direction == "inbound" else None
    return record_snapshots(settings, record, media, now)


async def _seen_call(settings: Twilio, record: CallRecord, http: Http, now: datetime) -> Sequence[Observation]:
    own = record.from_ if record.direction.startswith("outbound") else record.to
    ours = not settings.own_only or (settings.caller is not None and address(own)[1] == settings.caller)
    return record_call(record) if ours else ()


async def _media(settings: Twilio, record: MessageRecord, http: Http) -> Sequence[MediaItem] | None:
    """The media of a message, None where it has none or they cannot be listed."""
    if record.num_media in (None, "0"):
        return None
    response = await http.get(f"{settings.account_path}/Messages/{record.sid}/Media.json")
    return parse(MediaPage, response).media_list if response.ok else None


def _ours(settings: Twilio, record: MessageRecord) -> bool:
    if not settings.own_only:
        return True
    if settings.messaging_service_sid is not None and record.messaging_service_sid == settings.messaging_service_sid:
        return True
    own = record.to if record.direction == "inbound" else record.from_
    return address(own)[1] in {settings.from_number, settings.whatsapp_from} - {None}


_MESSAGES: Listing[MessageRecord] = Listing(
    "Messages", "DateSent>", _messages, lambda row: row.date_sent, _seen_message
)
_CALLS: Listing[CallRecord] = Listing("Calls", "StartTime>", _calls, lambda row: row.start_time, _seen_call)
