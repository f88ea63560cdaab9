"""Opens and clicks: each is told once, however often it is read, and no run loses one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from omnibridge_mailchimp import touches
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Response, Snapshot, json_response
from omnibridge.errors import Permanent
from omnibridge.model import Medium, Ref, Touch, TouchKind

ANNA, BEN = "Anna@example.com", "ben@example.com"
LINK = "https://shop.example.com/tee?x=1"


@pytest.fixture
def reports(channel):
    """A campaign that went out to ten people."""
    channel.answers.reports.sends("c1", "News", (ANNA, BEN, *(f"p{n}@example.com" for n in range(8))))
    channel.clock.tick()
    return channel.answers.reports


def told(done):
    return [(seen.entity.campaign, str(seen.entity.kind), seen.entity.contact) for seen in done.emitted]


def last(done):
    return done.pages[-1][1]


def test_what_somebody_did_is_a_touch(channel, reports):
    reports.clicks("c1", ANNA, LINK)
    (seen,) = channel.poll("touches").emitted
    assert isinstance(seen, Snapshot)
    assert seen.entity == Touch(
        kind=TouchKind.CLICKED,
        kind_raw="click",
        medium=Medium.EMAIL,
        contact="anna@example.com",
        customer=Ref(kind="customer", external_id=subscriber_hash(ANNA)),
        campaign="c1",
        campaign_title="News",
        url=LINK,
        at=channel.clock(),
    )


def test_every_kind_is_told_and_an_unknown_one_kept(channel, reports):
    reports.opens("c1", ANNA)
    reports.returns("c1", BEN, "soft")
    reports._add("c1", BEN, {"action": "forward"})
    done = channel.poll("touches")
    assert [kind for _, kind, _ in told(done)] == ["opened", "bounced", "other"]
    assert [seen.entity.vendor for seen in done.emitted] == [{}, {"type": "soft"}, {}]
    assert done.emitted[-1].entity.kind_raw == "forward"


def test_read_again_it_is_the_same_and_two_are_two(channel, reports):
    for _ in range(2):
        reports.opens("c1", ANNA)
        channel.clock.tick()
    first = channel.poll("touches")
    again = channel.poll("touches", last(first))
    ids = [seen.external_id for seen in first.emitted]
    assert len(set(ids)) == 2
    assert [seen.external_id for seen in again.emitted] == ids, "the overlap reads them again"
    channel.clock.tick(2 * touches.OVERLAP.total_seconds())
    third = channel.poll("touches", last(again))
    assert told(third), "the run before began shortly after"
    assert told(channel.poll("touches", last(third))) == []


def test_a_run_resumes_in_the_middle_of_a_campaign_and_loses_nothing(channel, reports):
    reports.largest_page = 3
    reports.sends("c2", "More", (ANNA, BEN))
    for campaign in ("c1", "c2"):
        for email in reports.activity[campaign]:
            reports.opens(campaign, email)
    whole = told(channel.poll("touches"))
    assert len(whole) == 12
    pages = channel.poll("touches").pages
    assert len(pages) > 4
    for stop in range(1, len(pages)):
        before = [seen for page, _ in pages[:stop] for seen in page]
        channel.clock.tick()
        rest = channel.poll("touches", pages[stop - 1][1])
        assert told(rest) == whole[len(before) :] or stop == len(pages)
        assert last(rest)["since"] == pages[-1][1]["since"], "what came since that run began is left for the next one"


def test_only_the_campaigns_of_the_audience_and_of_the_last_days(channel, reports):
    reports.sends("c2", "Other", (ANNA,), list_id="ffffffffff")
    reports.opens("c2", ANNA)
    reports.opens("c1", ANNA)
    assert {campaign for campaign, _, _ in told(channel.poll("touches"))} == {"c1"}
    channel.clock.tick(timedelta(days=15).total_seconds())
    assert told(channel.poll("touches")) == []


def test_nothing_is_asked_where_nobody_wants_it(fresh):
    channel = fresh(report_days=0)
    done = channel.poll("touches")
    assert (done.requests, list(done.pages[-1][1])) == ([], ["since"])


def test_a_campaign_that_was_deleted_meanwhile_is_no_trouble(channel, reports):
    whole = channel.answers.respond

    def respond(request):
        return Response(404) if "email-activity" in request.path else whole(request)

    channel.answers.respond = respond
    assert told(channel.poll("touches")) == []


def test_rows_that_cannot_be_read_do_not_lose_the_others(channel, reports):
    reports.opens("c1", ANNA)
    whole = channel.answers.respond

    def respond(request):
        response = whole(request)
        if "email-activity" not in request.path:
            return response
        body = response.json()
        broken = [
            {"activity": 1},
            {"email_address": BEN, "activity": [{"action": "open", "timestamp": "yesterday"}, {}]},
        ]
        return json_response({**body, "emails": [*broken, *body["emails"]]})

    channel.answers.respond = respond
    assert [contact for _, _, contact in told(channel.poll("touches"))] == ["anna@example.com"]


@pytest.mark.parametrize("path", ["/3.0/reports", "/3.0/reports/c1/email-activity"])
def test_a_refusal_is_told(channel, reports, path):
    whole = channel.answers.respond
    refused = json_response({"title": "Forbidden", "status": 403, "detail": "No."}, 403)
    channel.answers.respond = lambda request: refused if request.path == path else whole(request)
    with pytest.raises(Permanent, match="Forbidden"):
        channel.poll("touches")
