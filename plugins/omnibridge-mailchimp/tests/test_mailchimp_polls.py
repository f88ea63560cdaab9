"""Reading an audience: nothing is skipped while it moves, runs end, resume and never go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from omnibridge_mailchimp import MailchimpSettings, omnibridge_connectors, polls
from omnibridge_mailchimp.sandbox import MailchimpSandbox
from omnibridge_mailchimp.wire import instant, subscriber_hash

from omnibridge.connector import Lookup
from omnibridge.errors import Permanent
from omnibridge.model import ConsentState
from omnibridge.testing import Drive

CONNECTOR: Any = omnibridge_connectors()[0]
BARE: Any = {"api_key": "key-us1", "list_id": "a1b2c3d4e5", "path_secrets": ("0123456789abcdef",)}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(polls, "PAGE", 4)


def people(channel, count, seconds=60):
    for n in range(count):
        channel.answers.audience.joins(f"p{n}@example.com", {"FNAME": f"P{n}"})
        channel.clock.tick(seconds)


def emails(done: Any) -> list[Any]:
    found: list[Any] = list(done.emitted)
    return [
        seen.entity.email for seen in found if getattr(seen, "kind", "") == "customer" and not isinstance(seen, Lookup)
    ]


def last_cursor(done):
    return done.pages[-1][1]


def test_a_first_run_reads_everybody_oldest_change_first(channel):
    people(channel, 11)
    done = channel.poll("members")
    assert list(dict.fromkeys(emails(done))) == [f"p{n}@example.com" for n in range(11)]
    granted = [seen for seen in done.emitted if seen.kind == "consent"]
    assert {seen.entity.state for seen in granted} == {ConsentState.GRANTED}
    assert last_cursor(done) == {"since": "2026-03-01T12:10:00+00:00"}
    assert all(cursor for _, cursor in done.pages)


def test_the_next_run_reads_what_changed_with_an_overlap(channel):
    people(channel, 30)
    cursor = last_cursor(channel.poll("members"))
    channel.answers.audience.changes("p3@example.com", {"FNAME": "Again"})
    channel.clock.tick()
    done = channel.poll("members", cursor)
    assert emails(done)[-1] == "p3@example.com"
    assert set(emails(done)) == {f"p{n}@example.com" for n in [3, *range(20, 30)]}  # ten minutes back


def test_an_empty_audience_is_no_trouble(channel):
    done = channel.poll("members")
    assert [page for page, _ in done.pages] == [()]
    cursor = last_cursor(done)
    channel.clock.tick()
    people(channel, 1)
    assert emails(channel.poll("members", cursor)) == ["p0@example.com"]
    quiet = channel.poll("members", {"since": "2030-01-01T00:00:00+00:00"})
    assert quiet.pages == [((), {"since": "2030-01-01T00:00:00+00:00"})]


def test_many_changes_within_one_second_are_counted_through(channel):
    people(channel, 23, seconds=0)
    channel.clock.tick()
    done = channel.poll("members")
    assert set(emails(done)) == {f"p{n}@example.com" for n in range(23)}


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_rows_that_move_during_a_run_push_nobody_out(channel, seconds):
    people(channel, 24, seconds)
    channel.clock.tick()
    respond, moved = channel.answers.respond, iter(range(24))

    def moving(request):
        answer = respond(request)
        channel.clock.tick()
        channel.answers.audience.changes(f"p{next(moved)}@example.com", {"FNAME": "Moved"})
        return answer

    channel.answers.respond = moving
    done = channel.poll("members")
    assert set(emails(done)) == {f"p{n}@example.com" for n in range(24)}
    channel.answers.respond = respond
    channel.clock.tick()
    again = channel.poll("members", last_cursor(done))
    moved_ones = {m["email_address"] for m in channel.answers.audience.members.values() if m["full_name"] == "Moved"}
    assert moved_ones <= set(emails(again))


def test_a_run_resumes_where_it_stopped_and_its_cursor_never_goes_back(channel):
    people(channel, 9)
    people(channel, 9, seconds=0)
    channel.clock.tick()
    whole = channel.poll("members")
    marks: list[Any] = [instant(cursor["since"]) for _, cursor in whole.pages]
    assert marks == sorted(marks)
    assert len(marks) > 4
    for stopped in range(len(whole.pages) - 1):
        rest = channel.poll("members", whole.pages[stopped][1])
        before = {seen.external_id for page, _ in whole.pages[: stopped + 1] for seen in page}
        assert before | {seen.external_id for seen in rest.emitted} == {seen.external_id for seen in whole.emitted}
        assert last_cursor(rest) == last_cursor(whole)


def test_our_clock_is_not_trusted_with_the_mark(channel):
    people(channel, 2)
    channel.clock.at = channel.clock.at.replace(year=2027)  # an hour ahead would do
    assert last_cursor(channel.poll("members")) == {"since": "2026-03-01T12:01:00+00:00"}


@checked(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), st.randoms(use_true_random=False))
def test_no_change_is_ever_missed(gaps, page, chance):
    """People join and change with gaps of 0 to 3 seconds while pages are read; in the end all is known as it is."""
    settings = MailchimpSettings.model_validate(BARE)
    at = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    sandbox = MailchimpSandbox(settings, lambda: at[0])
    waiting, known, respond = list(gaps), {}, sandbox.respond

    def happen():
        if waiting:
            at[0] += timedelta(seconds=waiting.pop())
            sandbox.audience.joins(f"p{chance.randrange(12)}@example.com", {"FNAME": f"n{len(waiting)}"})

    def moving(request):
        answer = respond(request)
        for _ in range(chance.randrange(4)):
            happen()
        return answer

    sandbox.respond = moving
    polls.PAGE, cursor = page, None
    while True:
        over = not waiting
        if over:
            at[0] += timedelta(seconds=1)
        run: Any = Drive(CONNECTOR, settings, sandbox, at[0]).run(partial(polls.poll_members, settings, cursor))
        for seen in run.emitted:
            if seen.kind == "customer" and (
                seen.external_id not in known or known[seen.external_id][0] <= seen.version
            ):
                known[seen.external_id] = (seen.version, seen.entity.given_name)
        assert run.pages[-1][1]["since"] >= (cursor or run.pages[-1][1])["since"]  # text that sorts
        cursor = run.pages[-1][1]
        if over:
            break
        happen()
    wanted = {key: m["merge_fields"]["FNAME"] for key, m in sandbox.audience.members.items()}
    assert {key: name for key, (_, name) in known.items()} == wanted


def test_archived_members_are_gone(channel):
    people(channel, 2)
    first = channel.poll("archived")
    assert first.pages == [((), {"since": "2026-03-01T11:52:00+00:00"})]
    assert not first.requests
    channel.answers.audience.leaves("p1@example.com", action="delete")
    channel.clock.tick()
    done = channel.poll("archived", last_cursor(first))
    (gone,) = done.emitted
    assert gone.deleted
    assert gone.external_id == subscriber_hash("p1@example.com")
    assert emails(channel.poll("members")) == ["p0@example.com"]


def test_a_row_that_cannot_be_read_is_looked_up_and_the_others_are_told(channel):
    people(channel, 3)
    channel.answers.audience.find("p1@example.com")["merge_fields"] = "broken"
    channel.answers.judge.api = None  # it would say so too
    done = channel.poll("members")
    assert Lookup("customer", subscriber_hash("p1@example.com")) in done.emitted
    assert emails(done) == ["p0@example.com", "p2@example.com"]


def test_a_member_with_more_tags_than_are_shown_is_looked_up_and_read_whole(channel):
    people(channel, 1)
    member = channel.answers.audience.find("p0@example.com")
    member["tags"] = [{"id": n, "name": f"t{n:04}"} for n in range(1203)]
    channel.clock.tick()
    done = channel.poll("members")
    (lookup,) = [seen for seen in done.emitted if isinstance(seen, Lookup)]
    customer, _ = channel.read(lookup)
    assert len(customer.entity.tags) == 1203


def test_a_read_gives_the_member_at_the_webhooks_time(channel):
    people(channel, 1)
    hashed = subscriber_hash("p0@example.com")
    customer, consent = channel.read(Lookup("customer", hashed, {"at": "2026-03-01T12:00:02+00:00"}))
    assert customer.version == consent.version == instant("2026-03-01T12:00:02+00:00")
    assert channel.read(Lookup("customer", "0" * 32)) == ()
    with pytest.raises(Permanent):
        channel.read(Lookup("order", "1"))


def test_the_probe_changes_nothing(channel, sandbox, kit):
    probe = channel.drive(lambda http: CONNECTOR.probe(channel.settings, http))
    assert all(request.reads for request in probe.requests)
    other = kit.make_settings(list_id="ffffffffff")
    with pytest.raises(Permanent, match="Resource Not Found"):
        channel.drive(lambda http: CONNECTOR.probe(other, http))
    sandbox.store.audience = type("Other", (), {"list_id": "eeeeeeeeee"})()
    with pytest.raises(Permanent, match="another audience"):
        channel.drive(lambda http: CONNECTOR.probe(channel.settings, http))
