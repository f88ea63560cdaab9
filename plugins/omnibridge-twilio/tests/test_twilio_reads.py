"""Reading: one message, and lists that end, resume, overlap and never step back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omnibridge_twilio import CONNECTOR, sweep
from omnibridge_twilio.reads import poll_messages, poll_outcomes, probe, read
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.wire import next_page

from omnibridge.connector import Emit, Fault, Lookup, Response, dump_observations, load_observations
from omnibridge.errors import InvalidMessage, Permanent, Retryable
from omnibridge.model import ConsentState, MessageState
from omnibridge.testing import Drive

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PERSON, SHOP = "+14155550100", "+15558675310"


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(sweep, "PAGE_SIZE", 2)


@pytest.fixture
def poll(settings, at):
    def run(cursor=None, function=poll_messages, now=NOW) -> Any:
        at.now = now
        return at.run(lambda http: function(settings, cursor, http))

    return run


def messages(done):
    return [one.external_id for one in done.emitted if one.kind == "message"]


def write(sandbox, count, minutes_ago=0):
    sandbox.now = lambda: NOW - timedelta(minutes=minutes_ago)
    made = [sandbox.incoming(PERSON, SHOP, f"text {n}")["sid"] for n in range(count)]
    sandbox.now = lambda: NOW
    return made


def test_a_webhook_and_a_poll_agree(settings, sandbox, poll, received):
    """What both tell of a message is told alike, so the second changes nothing."""
    sandbox.advanced_opt_out = False
    sandbox.incoming(f"whatsapp:{PERSON}", f"whatsapp:{SHOP}", "", media=["image/png", "image/jpeg"])
    sandbox.incoming(PERSON, SHOP, "STOP")
    webhook = CONNECTOR.webhook
    assert webhook is not None
    told: list[Any] = [one for out in sandbox.outbox for one in webhook.translate(settings, received(out))]
    polled: dict[Any, Any] = {(one.kind, one.external_id): one for one in poll().emitted}
    assert {(one.kind, one.external_id) for one in told} == set(polled)
    for one in told:
        other = polled[one.kind, one.external_id]
        ours, theirs = one.entity, other.entity
        assert one.kind == "consent" or one.version == other.version
        for name in (ours.model_fields_set & theirs.model_fields_set) - {"vendor", "proof"}:
            assert getattr(ours, name) == getattr(theirs, name), name
        for name in set(ours.vendor) & set(theirs.vendor):
            assert ours.vendor[name] == theirs.vendor[name]


def test_pages_end_and_move_the_cursor_once(few, sandbox, poll):
    sids = write(sandbox, 5, minutes_ago=10)
    done = poll()
    assert messages(done) == sids[::-1]
    cursors = [cursor for _, cursor in done.pages]
    assert [set(cursor) for cursor in cursors] == [{"since", "high", "next"}, {"since", "high", "next"}, {"since"}]
    assert {cursor["since"] for cursor in cursors[:2]} == {"2026-11-21T10:00:00Z"}
    assert cursors[2] == {"since": "2026-11-22T09:50:00Z"}
    json.dumps(cursors)


@pytest.mark.parametrize("stop", range(7))
def test_it_resumes_wherever_it_was_cut_off(few, settings, sandbox, poll, at, watched, stop):
    sids = write(sandbox, 5, minutes_ago=10)
    effects = []
    with pytest.raises(InterruptedError):
        at.run(lambda http: watched(poll_messages(settings, None, http), effects, stop=stop))
    emits = [effect for effect in effects if isinstance(effect, Emit)]
    assert len(emits) == max(0, (stop - 1) // 2)
    told: list[Any] = [one for effect in emits for one in effect.observations]
    seen = [one.external_id for one in told if one.kind == "message"]
    rest = poll(json.loads(json.dumps(emits[-1].cursor)) if emits else None)
    assert seen + messages(rest) == sids[::-1]
    assert rest.pages[-1][1] == {"since": "2026-11-22T09:50:00Z"}


def test_a_place_that_is_gone_starts_the_list_again(few, sandbox, poll):
    sids = write(sandbox, 3)
    cursor = {"since": "2026-11-21T10:00:00Z", "next": {"PageToken": ["PASM" + "9" * 32], "PageSize": ["2"]}}
    assert messages(poll(cursor)) == sids[::-1]
    sandbox.faults.append(Fault(Response(400, {}, b"{}"), times=2))
    with pytest.raises(Permanent):
        poll(cursor)


def test_windows_overlap_and_never_step_back(sandbox, poll):
    write(sandbox, 1, minutes_ago=20)
    first = poll().pages[-1][1]
    late = write(sandbox, 1, minutes_ago=40)  # came late: older than what was seen already
    second = poll(first)
    assert late[0] in messages(second)
    assert second.pages[-1][1] == first
    asked = sandbox.log[-1].query
    assert asked["DateSent>"] == "2026-11-22T09:10:00Z"
    empty = poll({"since": "2026-11-22T12:00:00Z"})
    assert (empty.emitted, empty.pages) == ([], [((), {"since": "2026-11-22T12:00:00Z"})])


def test_a_clock_ahead_of_ours_does_not_skip(sandbox, poll):
    write(sandbox, 1, minutes_ago=-120)
    assert poll().pages[-1][1] == {"since": "2026-11-22T10:00:00Z"}


def test_an_empty_page_is_not_the_end(settings):
    path = f"{settings.account_path}/Messages.json"
    record = {"sid": "SM" + "a" * 32, "status": "received", "direction": "inbound", "from": PERSON, "to": SHOP}
    pages = [
        {"messages": [], "next_page_uri": f"{path}?PageToken=PA1"},
        {"messages": [record], "next_page_uri": f"{path}?PageToken=PA2"},
        {"messages": [], "next_page_uri": None},
    ]
    answers = [Response(200, {}, json.dumps(page).encode()) for page in pages]
    done = Drive(CONNECTOR, settings, answers, now=NOW).run(lambda http: poll_messages(settings, None, http))
    assert messages(done) == [record["sid"]]
    assert [request.params for request in done.requests][1:] == [(("PageToken", "PA1"),), (("PageToken", "PA2"),)]


def test_a_list_that_leads_in_a_circle_stops(settings):
    path = f"{settings.account_path}/Messages.json"
    asked = []

    def answer(request):
        asked.append(request)
        assert len(asked) < 5
        uri = f"{path}?PageToken=PA{len(asked) % 2}"
        return Response(200, {}, json.dumps({"messages": [], "next_page_uri": uri}).encode())

    with pytest.raises(InvalidMessage, match="circle"):
        Drive(CONNECTOR, settings, answer, now=NOW).run(lambda http: poll_messages(settings, None, http))


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example.com/2010-04-01/x/Messages.json?PageToken=PA2",
        "//elsewhere.example.com/2010-04-01/x/Messages.json?PageToken=PA2",
        "/2010-04-01/Accounts.json?PageToken=PA2",
        "https://[",
    ],
)
def test_a_page_elsewhere_is_never_asked_for(uri):
    assert next_page("/2010-04-01/x/Messages.json?A=&B=1&B=2", "/2010-04-01/x/Messages.json") == {
        "A": [""],
        "B": ["1", "2"],
    }
    with pytest.raises(InvalidMessage):
        next_page(uri, "/2010-04-01/x/Messages.json")


def test_outcomes_come_late(sandbox, poll, at, settings):
    """A final state a day after the sending: the webhook was missed, the ordinary poll looks too shortly back."""
    sandbox.now = lambda: NOW - timedelta(hours=30)
    sid = sandbox._make(SHOP, PERSON, "Hi", "outbound-api", "sent", [])["sid"]
    sandbox._messages[sid]["date_sent"] = sandbox._date()
    sandbox.now = lambda: NOW
    sandbox.advance(sid, "undelivered", error=21610, text="Attempt to send to unsubscribed recipient")
    cursor = {"since": "2026-11-22T09:00:00Z"}
    assert messages(poll(cursor)) == []
    message, consent = poll(cursor, poll_outcomes).emitted
    assert (message.entity.state, message.entity.error_code) == (MessageState.UNDELIVERED, "21610")
    assert (consent.external_id, consent.entity.state) == (f"sms:marketing:{PERSON}", ConsentState.WITHDRAWN)
    assert consent.version == NOW


def test_a_missed_stop_is_made_up_for_and_undoes_nothing_newer(sandbox, poll):
    sandbox.now = lambda: NOW - timedelta(minutes=10)
    sandbox.incoming(PERSON, SHOP, "stop")
    sandbox.now = lambda: NOW
    (consent,) = [one for one in poll().emitted if one.kind == "consent"]
    assert consent.entity.state is ConsentState.WITHDRAWN
    assert consent.version == NOW - timedelta(minutes=10), "a START since then is newer"


def test_only_our_own_where_the_account_serves_others(make):
    own = {"from_number": SHOP, "messaging_service_sid": "MG" + "a" * 32, "own_only": True}
    settings = make(**own)
    sandbox = TwilioSandbox(settings, lambda: NOW)
    ours = [sandbox.incoming(PERSON, SHOP, "Hi")["sid"]]
    ours.append(sandbox.incoming(f"whatsapp:{PERSON}", "whatsapp:+15558675311", "Hi")["sid"])
    ours.append(sandbox._make("+15550009999", PERSON, "Hi", "outbound-api", "sent", [], "MG" + "a" * 32)["sid"])
    sandbox._messages[ours[-1]]["date_sent"] = sandbox._date()
    sandbox.incoming(PERSON, "+15550001111", "Hi")
    drive = Drive(CONNECTOR, settings, sandbox, now=NOW)
    assert set(messages(drive.run(lambda http: poll_messages(settings, None, http)))) == set(ours)
    everything = make(**{**own, "own_only": False})
    assert len(messages(drive.run(lambda http: poll_messages(everything, None, http)))) == 4


def test_read(settings, sandbox, at):
    sid = sandbox.incoming(PERSON, SHOP, "Look", media=["image/png"])["sid"]
    message: Any
    person, message = at.run(lambda http: read(settings, Lookup("message", sid), http)).result
    assert person.external_id == PERSON
    assert message.entity.media[0].content_type == "image/png"
    assert message.entity.sent_at == NOW
    gone = at.run(lambda http: read(settings, Lookup("message", "SM" + "f" * 32), http)).result
    assert [(one.external_id, one.deleted) for one in gone] == [("SM" + "f" * 32, True)]
    assert load_observations(dump_observations(gone)) == gone
    for wrong in (Lookup("order", sid), Lookup("message", "../Keys")):
        with pytest.raises(Permanent):
            at.run(lambda http, wrong=wrong: read(settings, wrong, http))


def test_media_that_cannot_be_listed_are_unknown(settings, sandbox, at):
    sid = sandbox.incoming(PERSON, SHOP, "Look", media=["image/png"])["sid"]
    sandbox.faults.append(Fault(Response(404, {}, b"{}"), path_prefix=f"{settings.account_path}/Messages/{sid}/Media"))
    message: Any = at.run(lambda http: read(settings, Lookup("message", sid), http)).result[-1]
    message = message.entity
    assert "media" not in message.model_fields_set


def test_half_a_character_is_invalid(settings):
    record = b'{"sid":"SM' + b"a" * 32 + b'","status":"sent","direction":"inbound","odd":"\\ud800"}'
    for body in (record, b"{}", b"[]", b"null", b"", b'{"sid":7}', record.replace(b"odd", b"body")):
        with pytest.raises(InvalidMessage):
            Drive(CONNECTOR, settings, [Response(200, {}, body)], now=NOW).run(
                lambda http: read(settings, Lookup("message", "SM" + "a" * 32), http)
            )


def test_unreadable_times_are_kept_as_they_are(settings):
    record = {"sid": "SM" + "a" * 32, "status": "sent", "direction": "outbound-api", "date_sent": "yesterday"}
    answers = [Response(200, {}, json.dumps(record).encode())]
    message: Any
    (message,) = (
        Drive(CONNECTOR, settings, answers, now=NOW)
        .run(lambda http: read(settings, Lookup("message", "SM" + "a" * 32), http))
        .result
    )
    assert message.entity.sent_at is None
    assert message.entity.vendor["date_sent"] == "yesterday"


def test_probe_changes_nothing(settings, sandbox, at, make):
    done = at.run(lambda http: probe(settings, http))
    assert [(request.method, request.reads) for request in done.requests] == [("GET", True)]
    assert not sandbox.records()["messages"]
    wrong = Drive(CONNECTOR, make(auth_token="wrong"), sandbox, now=NOW)
    with pytest.raises(Retryable, match="refused"):
        wrong.run(lambda http: probe(settings, http))
    sandbox.faults.append(Fault(Response(404, {}, b'{"code":20404,"message":"not found"}')))
    with pytest.raises(Permanent) as caught:
        at.run(lambda http: probe(settings, http))
    assert caught.value.code == "20404"


def test_an_api_key_is_enough_for_requests(make):
    settings = make(
        auth_token=None, api_key="SK" + "a" * 32, api_secret="hush", webhook_auth_tokens=("12345",), whatsapp_from=None
    )
    sandbox = TwilioSandbox(settings, lambda: NOW)
    Drive(CONNECTOR, settings, sandbox, now=NOW).run(lambda http: probe(settings, http))
    assert sandbox.log
