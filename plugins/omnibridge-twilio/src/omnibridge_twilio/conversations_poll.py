"""Finding what was said in conversations while no webhook arrived: those that were active last, and their newest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from omnibridge.connector import Cursor, Http, Observation
from omnibridge.errors import InvalidMessage
from omnibridge_twilio.answers import refusal
from omnibridge_twilio.conversations import (
    Conversation,
    ConversationMessage,
    conversations_url,
    instant_of,
    message_url,
    read_receipts,
    record_conversation_message,
)
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.sweep import Place, place_of, text_of, time_of
from omnibridge_twilio.wire import next_page, parse

__all__ = ["poll_conversations"]

_OVERLAP = timedelta(hours=1)
# Few, as the last page of a run is read for nothing but to know that it is the last.
_CONVERSATIONS = 20
_MESSAGES = 100


class _Meta(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    next_page_url: str | None = None


class _Page(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    meta: _Meta


class _Conversations(_Page):
    conversations: tuple[Conversation, ...]


class _Messages(_Page):
    messages: tuple[ConversationMessage, ...]


async def poll_conversations(settings: Twilio, cursor: Cursor | None, http: Http) -> None:
    """What was said or edited since the cursor, less an hour, for a channel that has `conversations`.

    Conversations are listed "sorted by recent message activity" (Twilio, Conversation resource), so a page of them in
    which nothing is new is the last one. A conversation that becomes active meanwhile moves to the front, where the
    next run finds it; the cursor stays until the end, while `next` keeps the place, as in the other lists.
    """
    if not settings.conversations:
        return
    now = await http.now()
    since = time_of(cursor, "since") or now - settings.history
    high = time_of(cursor, "high") or since
    place = place_of(cursor)
    resumed = place is not None
    passed: list[Place] = []
    while True:
        response = await http.get(conversations_url(settings), params=place or {"PageSize": [str(_CONVERSATIONS)]})
        if not response.ok and resumed:
            place, resumed = None, False
            continue
        if not response.ok:
            raise refusal(response, "the conversations cannot be listed")
        page = parse(_Conversations, response)
        following = _following(settings, page, conversations_url(settings), passed)
        seen: list[Observation] = []
        for conversation in page.conversations:
            for record in await _newest(settings, conversation.sid, since - _OVERLAP, http):
                receipts = await read_receipts(settings, record, http) if record.delivery is not None else ()
                seen += record_conversation_message(settings, record, receipts, conversation.chat_service_sid)
                high = max(high, min(_last(record) or high, now))
        if following is None or not seen:
            await http.emit(seen, {"since": text_of(max(since, high))})
            return
        await http.emit(seen, {"since": text_of(since), "high": text_of(high), "next": following})
        place, resumed = following, False


async def _newest(settings: Twilio, conversation: str, since: datetime, http: Http) -> Sequence[ConversationMessage]:
    """The messages that were said or edited since then; a page without any ends it. A conversation may be gone."""
    url = message_url(settings, conversation)
    place: Place | None = {"Order": ["desc"], "PageSize": [str(_MESSAGES)]}
    passed: list[Place] = []
    found: list[ConversationMessage] = []
    while place is not None:
        response = await http.get(url, params=place)
        if response.status == 404:
            return ()
        if not response.ok:
            raise refusal(response, "the conversation cannot be listed")
        page = parse(_Messages, response)
        new = [record for record in page.messages if (_last(record) or since) >= since]
        found += new
        place = _following(settings, page, url, passed) if new else None
    return found


def _last(record: ConversationMessage) -> datetime | None:
    times = [instant_of(raw) for raw in (record.date_created, record.date_updated)]
    return max((at for at in times if at is not None), default=None)


def _following(settings: Twilio, page: _Page, url: str, passed: list[Place]) -> Place | None:
    """The query of the next page, None at the end. Its address is told whole, and must be of the same list."""
    root = settings.conversations_root
    following = next_page((page.meta.next_page_url or "").removeprefix(root), url.removeprefix(root))
    if following is not None and following in passed:
        raise InvalidMessage("the list runs in a circle", where="next_page_url")
    if following is not None:
        passed.append(following)
    return following
