"""Opens and clicks: what people did with the campaigns that were sent to them, from Mailchimp's reports."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from omnibridge.connector import Cursor, Http, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import Customer, Medium, Ref, Touch, TouchKind
from omnibridge_mailchimp.members import contact_of
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, instant, read_model, subscriber_hash

__all__ = ["OVERLAP", "PAGE", "poll_touches"]

PAGE = 500
"""Rows of a page; Mailchimp allows 1000."""
OVERLAP = timedelta(hours=3)
"""How far a run looks back behind the start of the one before: rows move between pages while people go on reading."""

_EMPTY = 10
"""How many empty pages in a row are believed not to be the end."""
_KINDS = {"open": TouchKind.OPENED, "click": TouchKind.CLICKED, "bounce": TouchKind.BOUNCED}


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class _Campaign(_Wire):
    """A campaign's report, as far as it is asked for."""

    id: str = Field(pattern=r"^[A-Za-z0-9]{1,50}$")
    list_id: str = ""
    campaign_title: str = ""
    send_time: str = ""


class _Campaigns(_Wire):
    reports: tuple[_Campaign, ...]
    total_items: int = 0


class _Act(_Wire):
    """One thing that somebody did: `action` is open, click or bounce, `type` how a bounce was (hard, soft)."""

    action: str
    timestamp: str
    url: str | None = None
    type: str | None = None


class _Person(_Wire):
    email_address: str
    activity: tuple[Json, ...] = ()


class _People(_Wire):
    """One page of recipients; the rows stay raw, so that one broken row does not lose the others."""

    emails: tuple[Json, ...]
    total_items: int = 0


async def poll_touches(settings: MailchimpSettings, cursor: Cursor | None, http: Http) -> None:
    """What people did since the last run with the campaigns of the last `report_days` days.

    Campaign after campaign, page after page: `since` in the cursor is where the last whole run began, and `until`,
    `campaign` and `offset` say where an interrupted run stands. A touch has an id made of all that it is, so one that
    is read again changes nothing. Source: Mailchimp Marketing API, "Reports" and "Email activity".
    """
    now = await http.now()
    if settings.report_days == 0:
        await http.emit((), {"since": _time(now)})
        return
    cursor = cursor or {}
    oldest = now - timedelta(days=settings.report_days)
    since = max(instant(cursor.get("since")) or oldest, oldest)
    until = instant(cursor.get("until")) or now
    reached, offset = str(cursor.get("campaign", "")), int(cursor.get("offset", 0))
    for campaign in await _campaigns(settings, oldest, http):
        if campaign.id < reached:
            continue
        place, empty = offset if campaign.id == reached else 0, 0
        while True:
            page = await _people(campaign, since - OVERLAP, place, http)
            empty = 0 if page.emails else empty + 1  # a page may be empty and not be the last
            place += len(page.emails) or 1
            found = [seen for row in page.emails for seen in _touches(campaign, row)]
            stand = {"since": _time(since), "until": _time(until), "campaign": campaign.id, "offset": place}
            await http.emit(found, stand)
            if place >= page.total_items or empty > _EMPTY:
                break
    await http.emit((), {"since": _time(until)})


async def _campaigns(settings: MailchimpSettings, oldest: datetime, http: Http) -> list[_Campaign]:
    """The audience's campaigns that were sent since then, by id, so that a run that goes on finds its place."""
    found: dict[str, _Campaign] = {}
    offset = 0
    while True:
        params: dict[str, str | int] = {
            "since_send_time": _time(oldest),
            "count": PAGE,
            "offset": offset,
            "fields": "reports.id,reports.list_id,reports.campaign_title,reports.send_time,total_items",
        }
        answer = await http.get("/reports", params=params)
        if not answer.ok:
            raise refusal(answer, "to list the campaigns' reports")
        page = read_model(_Campaigns, answer.json(), "reports")
        found |= {one.id: one for one in page.reports if one.list_id == settings.list_id}
        offset += len(page.reports)
        if not page.reports or offset >= page.total_items:
            return [found[id_] for id_ in sorted(found)]


async def _people(campaign: _Campaign, since: datetime, offset: int, http: Http) -> _People:
    params: dict[str, str | int] = {
        "since": _time(since),
        "count": PAGE,
        "offset": offset,
        "exclude_fields": "_links,emails._links",
    }
    answer = await http.get(f"/reports/{campaign.id}/email-activity", params=params)
    if answer.status == 404:
        return _People(emails=())  # the campaign was deleted since it was listed
    if not answer.ok:
        raise refusal(answer, "to show what became of a campaign")
    return read_model(_People, answer.json(), "email-activity")


def _touches(campaign: _Campaign, row: Json) -> Iterator[Snapshot]:
    """The touches of one recipient; what cannot be read is left out, as there is nothing to look it up by."""
    try:
        person = read_model(_Person, row, "emails")
    except InvalidMessage:
        return
    for raw in person.activity:
        try:
            act = read_model(_Act, raw, "activity")
            at = instant(act.timestamp)
        except InvalidMessage:
            continue
        yield _touch(campaign, person.email_address, act, at)


def _touch(campaign: _Campaign, email: str, act: _Act, at: datetime | None) -> Snapshot:
    member = subscriber_hash(email)
    fields: dict[str, object] = {
        "kind": _KINDS.get(act.action, TouchKind.OTHER),
        "kind_raw": act.action,
        "medium": Medium.EMAIL,
        "contact": contact_of(email),
        "customer": Ref(kind=Customer.KIND, external_id=member),
        "campaign": campaign.id,
        "at": at,
    }
    if campaign.campaign_title:
        fields["campaign_title"] = campaign.campaign_title
    if act.url:
        fields["url"] = act.url
    if act.type:
        fields["vendor"] = {"type": act.type}
    parts = "\n".join((campaign.id, member, act.action, act.timestamp, act.url or ""))
    return Snapshot(
        Touch.model_validate(fields), hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    )


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
