"""Reading messages: one by its SID, and lists that close the gaps which missed webhooks leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from omnibridge.connector import Cursor, Http, Lookup, Observation, Response, Snapshot
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.snapshots import record_snapshots
from omnibridge_twilio.wire import (
    MediaItem,
    MediaPage,
    MessagePage,
    MessageRecord,
    address,
    instant,
    next_page,
    parse,
    sid_or_none,
)

__all__ = ["PAGE_SIZE", "poll_messages", "poll_outcomes", "probe", "read"]

PAGE_SIZE = 200
_NEW = timedelta(minutes=30)
_FINAL = timedelta(hours=36)


async def probe(settings: Twilio, http: Http) -> None:
    """Ask for one message: works with a standard API key too, which may not read the account itself."""
    response = await http.get(f"{settings.account_path}/Messages.json", params={"PageSize": 1})
    if not response.ok:
        raise refusal(response, "Twilio does not answer for this account")
    parse(MessagePage, response)


async def read(settings: Twilio, lookup: Lookup, http: Http) -> Sequence[Snapshot]:
    """A message as it is now, with its media; one that Twilio does not have is told as deleted."""
    sid = sid_or_none(lookup.external_id)
    if lookup.kind != "message" or sid is None:
        raise Permanent(f"Twilio has no {lookup.kind} {lookup.external_id!r}", remedy="only messages can be read")
    response = await http.get(f"{settings.account_path}/Messages/{sid}.json")
    if response.status == 404:
        return (Snapshot.gone("message", sid),)
    if not response.ok:
        raise refusal(response, "the message cannot be read")
    record = parse(MessageRecord, response)
    return record_snapshots(settings, record, await _media(settings, record, http), await http.now())


async def poll_messages(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """New messages in both directions, half an hour overlapping: Twilio repeats a webhook only if it cannot connect."""
    await _sweep(settings, cursor, http, _NEW)


async def poll_outcomes(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """Messages of the last day and a half again: a final state may come late, and its callback is not repeated."""
    await _sweep(settings, cursor, http, _FINAL)


async def _sweep(settings: Twilio, cursor: Cursor | None, http: Http, overlap: timedelta) -> None:
    """Every page of messages sent since the cursor, less `overlap`.

    The list comes newest first, so the cursor stays until the last page, while `next` keeps the place within the list:
    `{"since": time, "high": newest time seen, "next": query}`. A place that Twilio no longer knows starts the list
    again. Filtering by time of day is what the API specification's examples of `DateSent>` show.
    """
    path = f"{settings.account_path}/Messages.json"
    now = await http.now()
    since = _time(cursor, "since") or now - settings.history
    high = _time(cursor, "high") or since
    place = _place(cursor)
    resumed = place is not None
    first = {"DateSent>": _text(since - overlap), "PageSize": [str(PAGE_SIZE)]}
    passed: list[dict[str, list[str]]] = []
    while True:
        response = await http.get(path, params=place or first)
        if not response.ok and resumed:
            place, resumed = None, False
            continue
        page, following = _page(response, path)
        if following is not None and (following in passed or following == place):
            raise InvalidMessage("the list of messages runs in a circle", where="next_page_uri")
        seen: list[Observation] = []
        for record in page.messages:
            if not _ours(settings, record):
                continue
            media = await _media(settings, record, http) if record.direction == "inbound" else None
            seen += record_snapshots(settings, record, media, now)
            high = max(high, min(instant(record.date_sent) or high, now))
        if following is None:
            await http.emit(seen, {"since": _text(max(since, high))})
            return
        await http.emit(seen, {"since": _text(since), "high": _text(high), "next": following})
        passed.append(following)
        place, resumed = following, False


def _page(response: Response, path: str) -> tuple[MessagePage, dict[str, list[str]] | None]:
    if not response.ok:
        raise refusal(response, "the messages cannot be listed")
    page = parse(MessagePage, response)
    return page, next_page(page.next_page_uri, path)


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


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(cursor: Cursor | None, name: str) -> datetime | None:
    text = (cursor or {}).get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _place(cursor: Cursor | None) -> dict[str, list[str]] | None:
    place = (cursor or {}).get("next")
    return {str(name): [str(value) for value in values] for name, values in place.items()} if place else None
