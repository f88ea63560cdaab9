"""Polls that close the gap that lost webhooks leave: pages by time, without skipping a row that moves meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from omnibridge.connector import Cursor, Http, Lookup, Observation
from omnibridge.errors import InvalidMessage
from omnibridge.model import Customer
from omnibridge_mailchimp.members import member_snapshots
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, Member, MemberPage, instant, read_model

__all__ = ["OVERLAP", "PAGE", "poll_archived", "poll_members"]

PAGE = 500
"""Rows of a page; Mailchimp allows 1000, and answers slowly then."""
OVERLAP = timedelta(minutes=10)
"""How far a run looks back behind the newest change that was seen: a change may become visible late."""
_SECOND = timedelta(seconds=1)


async def poll_members(settings: MailchimpSettings, cursor: Cursor | None, http: Http) -> None:
    """Every member that changed since the cursor, oldest change first; all of them on the first run."""
    await _run(settings, cursor, http, {})


async def poll_archived(settings: MailchimpSettings, cursor: Cursor | None, http: Http) -> None:
    """Members archived since the cursor, which the plain list leaves out; the first run only sets the mark."""
    if cursor is None:
        await http.emit((), _cursor(await http.now() - OVERLAP, None, 0))
        return
    await _run(settings, cursor, http, {"status": "archived"})


async def _run(settings: MailchimpSettings, cursor: Cursor | None, http: Http, only: dict[str, str]) -> None:
    """Page through the changes up to now.

    A page starts at the time of the last row before it, not behind a number of rows: a row that changes meanwhile
    moves to the end, and counting would skip the one that takes its place. Only where a whole page changed within a
    second it counts, by half pages, for that reason. Nothing later than the start of the run is read, so that it ends
    however busy the audience is. `since` in the cursor is Mailchimp's own time and never goes back; `from` and
    `offset` say where an interrupted run stands.
    """
    now = await http.now()
    mark, start, offset = _stand(cursor)
    if start is None and mark is not None:
        start = mark - OVERLAP
    while True:
        page = await _page(settings, http, only, start, now, offset)
        rows, left = page.members, page.total_items - offset - len(page.members)
        last = max((at for row in rows if (at := _changed(row)) is not None), default=None)
        mark = max((at for at in (mark, last) if at is not None), default=None)
        # Times are whole seconds, and whether "since" includes its own second is not told: ask one second earlier.
        following = last - _SECOND if last is not None else None
        if following is not None and (start is None or following > start):
            start, offset = following, 0
        else:
            offset += max(1, len(rows) // 2)
        found = [seen for row in rows for seen in _seen(settings, row)]
        if len(rows) < PAGE and left <= 0:  # a page may be shorter than asked for, or empty, and not be the last
            await http.emit(found, _cursor(mark or now - OVERLAP, None, 0))
            return
        await http.emit(found, _cursor(mark, start, offset))


def _stand(cursor: Cursor | None) -> tuple[datetime | None, datetime | None, int]:
    cursor = cursor or {}
    return instant(cursor.get("since")), instant(cursor.get("from")), int(cursor.get("offset", 0))


def _cursor(mark: datetime | None, start: datetime | None, offset: int) -> Cursor:
    times = {"since": mark, "from": start}
    stand: dict[str, str | int] = {name: _time(at) for name, at in times.items() if at is not None}
    return {**stand, "offset": offset} if offset or not stand else stand


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


async def _page(
    settings: MailchimpSettings, http: Http, only: dict[str, str], start: datetime | None, end: datetime, offset: int
) -> MemberPage:
    params: dict[str, str | int] = {
        **only,
        "count": PAGE,
        "offset": offset,
        "sort_field": "last_changed",
        "sort_dir": "ASC",
        "before_last_changed": _time(end),
        "exclude_fields": "_links,members._links",
    }
    if start is not None:
        params["since_last_changed"] = _time(start)
    answer = await http.get(f"/lists/{settings.list_id}/members", params=params)
    if not answer.ok:
        raise refusal(answer, "to list members")
    return read_model(MemberPage, answer.json(), "members")


def _changed(row: Json) -> datetime | None:
    try:
        return instant(row.get("last_changed"))
    except (InvalidMessage, TypeError):
        return None


def _seen(settings: MailchimpSettings, row: Json) -> Iterator[Observation]:
    """The snapshots of a row; a lookup where it lists only some of the tags, or cannot be read, which is then seen."""
    try:
        member = read_model(Member, row, "member")
        yield from member_snapshots(settings, member)
    except InvalidMessage:
        yield Lookup(Customer.KIND, str(row.get("id")))
        return
    if member.tags_count is not None and member.tags_count > len(member.tags):
        yield Lookup(Customer.KIND, member.id)
