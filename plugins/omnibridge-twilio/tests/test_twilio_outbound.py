"""Commands to requests: golden forms, refusals that teach, no message twice, and lost answers found again."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.inbound import delivery_id, translate
from omnibridge_twilio.outbound import callback_url, find, send
from omnibridge_twilio.sandbox import TwilioSandbox

from omnibridge.connector import Deliver, Emit, Fault, Keep, LostAnswer, Request, Response, Snapshot
from omnibridge.errors import Ambiguous, Permanent, Retryable
from omnibridge.model import ConsentState, Media, Medium, MessageState, SendMessage
from omnibridge.testing import Drive

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TO = "+14155550100"
HELLO = SendMessage(to=TO, body="Your order is ready.")
TEMPLATE = "HX" + "b" * 32
SERVICE = "MG" + "c" * 32


@pytest.fixture
def sent(settings, sandbox, at, deliver):
    def run(command=HELLO, **other):
        return at.run(lambda http: send(settings, command, deliver(command, **other), http))

    return run


@pytest.fixture
def looked(settings, at, deliver):
    def run(command=HELLO, **other):
        return at.run(lambda http: find(settings, command, deliver(command, **other), http)).result

    return run


def form_of(make, deliver, command, **other):
    settings = make(**other)
    drive = Drive(CONNECTOR, settings, TwilioSandbox(settings, lambda: NOW), now=NOW)
    (request,) = drive.run(lambda http: send(settings, command, deliver(command), http)).requests
    assert (request.method, request.path) == ("POST", f"{settings.account_path}/Messages.json")
    assert request.content_type == "application/x-www-form-urlencoded"
    assert (request.step, request.protection, request.reads) == ("send", None, False)
    return parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True)


def test_one_slot_takes_commands(settings):
    slot, *_ = CONNECTOR.delivers
    assert isinstance(slot, Deliver)
    assert (slot.accepts, slot.run, slot.find, slot.collapse) == (SendMessage, send, find, False)


@pytest.mark.parametrize(
    ("command", "other", "expected"),
    [
        (
            HELLO,
            {},
            [
                ("To", TO),
                ("From", "+15558675310"),
                ("Body", "Your order is ready."),
                ("StatusCallback", "https://shop.example.com/in/sms?delivery=key-send"),
            ],
        ),
        (
            SendMessage(
                to="+1 (415) 555-0100", body=" é 👍 & = + ", media=(Media(url="https://a.example.com/1?b=c&d"),)
            ),
            {"messaging_service_sid": SERVICE, "callback_url": None},
            [
                ("To", TO),
                ("From", "+15558675310"),
                ("MessagingServiceSid", SERVICE),
                ("Body", " é 👍 & = + "),
                ("MediaUrl", "https://a.example.com/1?b=c&d"),
            ],
        ),
        (
            SendMessage(to=TO, medium=Medium.SMS, media=(Media(url="https://a.example.com/1"),) * 2),
            {
                "from_number": None,
                "messaging_service_sid": SERVICE,
                "callback_url": "https://a.example.com/in?x=1#rc=2",
            },
            [
                ("To", TO),
                ("MessagingServiceSid", SERVICE),
                ("MediaUrl", "https://a.example.com/1"),
                ("MediaUrl", "https://a.example.com/1"),
                ("StatusCallback", "https://a.example.com/in?x=1&delivery=key-send#rc=2"),
            ],
        ),
        (
            SendMessage(to=f"whatsapp:{TO}", medium=Medium.WHATSAPP, template="ready", variables={"1": "A-17 é"}),
            {"templates": {"ready": TEMPLATE}, "messaging_service_sid": SERVICE, "callback_url": None},
            [
                ("To", f"whatsapp:{TO}"),
                ("From", "whatsapp:+15558675311"),
                ("ContentSid", TEMPLATE),
                ("ContentVariables", '{"1":"A-17 é"}'),
            ],
        ),
        (
            SendMessage(to=TO, medium=Medium.WHATSAPP, template=TEMPLATE, body="left out"),
            {"whatsapp_from": None, "messaging_service_sid": SERVICE, "callback_url": None},
            [("To", f"whatsapp:{TO}"), ("MessagingServiceSid", SERVICE), ("ContentSid", TEMPLATE)],
        ),
        (
            SendMessage(to=TO, medium=Medium.RCS, body="Hi"),
            {"messaging_service_sid": SERVICE, "callback_url": None},
            [("To", f"rcs:{TO}"), ("MessagingServiceSid", SERVICE), ("Body", "Hi")],
        ),
    ],
)
def test_requests(make, deliver, command, other, expected):
    assert form_of(make, deliver, command, **other) == expected


@pytest.mark.parametrize(
    ("command", "other", "where"),
    [
        (SendMessage(to="someone@example.com", body="Hi"), {}, "to"),
        (SendMessage(to="12345", body="Hi"), {}, "to"),
        (SendMessage(to=TO, medium=Medium.EMAIL, body="Hi"), {}, "medium"),
        (SendMessage(to=TO), {}, None),
        (SendMessage(to=TO, body=""), {}, None),
        (SendMessage(to=TO, template="unheard of"), {}, "template"),
        (SendMessage(to=TO, template="MG" + "c" * 32), {}, "template"),
        (SendMessage(to=TO, medium=Medium.RCS, body="Hi"), {}, None),
        (SendMessage(to=TO, medium=Medium.WHATSAPP, body="Hi"), {"whatsapp_from": None}, None),
        (HELLO, {"from_number": None}, None),
    ],
)
def test_what_cannot_be_sent_never_leaves(make, deliver, command, other, where):
    settings = make(**other)
    drive = Drive(CONNECTOR, settings, TwilioSandbox(settings, lambda: NOW), now=NOW)
    with pytest.raises(Permanent) as caught:
        drive.run(lambda http: send(settings, command, deliver(command), http))
    assert caught.value.where == where
    assert caught.value.remedy
    assert not drive.requests


def test_receipt(sent, sandbox):
    done = sent()
    (record,) = sandbox.records()["messages"]
    (kept,) = done.kept
    assert (kept.kind, kept.external_id, kept.id) == ("message", record["sid"], "key-send")
    assert done.result.references == (kept,)
    (snapshot,) = done.result.snapshots
    assert (snapshot.external_id, snapshot.version, snapshot.ours) == (record["sid"], 2, "key-send")
    assert snapshot.entity.model_dump(mode="json", exclude_unset=True) == {
        "direction": "outbound",
        "medium": "sms",
        "recipient": TO,
        "sender": "+15558675310",
        "body": "Your order is ready.",
        "state": "queued",
        "state_raw": "queued",
    }


def test_a_sender_not_chosen_yet_is_unknown_and_a_template_writes_no_text(make, deliver):
    settings = make(from_number=None, messaging_service_sid=SERVICE, templates={"ready": TEMPLATE})
    drive = Drive(CONNECTOR, settings, TwilioSandbox(settings, lambda: NOW), now=NOW)
    command = SendMessage(to=TO, template="ready", variables={"1": "A-17"})
    (snapshot,) = drive.run(lambda http: send(settings, command, deliver(command), http)).result.snapshots
    assert not {"sender", "body"} & snapshot.entity.model_fields_set


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("21211", SendMessage(to="+15005550001", body="Hi")),
        ("21612", SendMessage(to="+15005550002", body="Hi")),
        ("21408", SendMessage(to="+15005550003", body="Hi")),
        ("21614", SendMessage(to="+15005550009", body="Hi")),
        ("21617", SendMessage(to=TO, body="x" * 1601)),
        ("21623", SendMessage(to=TO, media=(Media(url="https://a.example.com/1"),) * 11)),
    ],
)
def test_refusals_teach(sent, sandbox, code, command):
    with pytest.raises(Permanent) as caught:
        sent(command)
    assert caught.value.code == code
    assert caught.value.remedy
    assert command.to[2:] not in str(caught.value), "no number of a person in an error"
    assert not sandbox.records()["messages"]


def test_an_opt_out_is_told_and_then_refused(settings, sandbox, at, deliver, watched):
    sandbox.incoming(TO, "+15558675310", "STOP")
    effects = []
    with pytest.raises(Permanent) as caught:
        at.run(lambda http: watched(send(settings, HELLO, deliver(HELLO), http), effects))
    assert caught.value.code == "21610"
    consent: Any
    ((consent,),) = [effect.observations for effect in effects if isinstance(effect, Emit)]
    assert consent.external_id == f"sms:marketing:{TO}"
    assert (consent.entity.state, consent.version) == (ConsentState.WITHDRAWN, NOW)
    assert consent.entity.basis == "vendor_opt_out"
    assert not sandbox.records()["messages"][1:], "only what the person wrote"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"sid": 1}', b'{"sid":"SM1","status":"queued"}'])
def test_an_unreadable_yes_is_ambiguous(settings, at, deliver, answer):
    at.answers = [Response(201, {}, answer)]
    with pytest.raises(Ambiguous):
        at.run(lambda http: send(settings, HELLO, deliver(HELLO), http))


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_interrupted_anywhere_it_is_sent_once(settings, sandbox, at, deliver, watched, stop):
    """Cut off before an effect, run again with what was kept; a send without an answer is looked up, as in the core."""
    effects = []
    with contextlib.suppress(InterruptedError):
        at.run(lambda http: watched(send(settings, HELLO, deliver(HELLO), http), effects, stop=stop))
    assert len(effects) == stop
    kept = [effect.reference for effect in effects if isinstance(effect, Keep)]
    told = deliver(HELLO, references={(one.kind, one.id): one.external_id for one in kept}, attempt=2)
    result = None
    if effects and not kept:
        result = at.run(lambda http: find(settings, HELLO, told, http)).result
    if result is None:
        result = at.run(lambda http: send(settings, HELLO, told, http)).result
    (record,) = sandbox.records()["messages"]
    assert result.references[0].external_id == record["sid"]
    assert result.snapshots[0].ours == "key-send"


def test_a_kept_message_is_read_and_never_sent_again(sent, sandbox):
    sid = sent().kept[0].external_id
    sandbox.advance(sid, "delivered")
    again = sent(references={("message", "key-send"): sid})
    assert [request.method for request in again.requests] == ["GET"]
    assert again.result.snapshots[0].entity.state is MessageState.DELIVERED
    other = sent(references={("message", "another"): sid, ("conversation", "key-send"): sid})
    assert [request.method for request in other.requests] == ["POST"]


def test_a_kept_message_that_was_deleted_is_done(sent, sandbox, looked):
    references = {("message", "key-send"): "SM" + "f" * 32}
    assert sent(references=references).result.snapshots == ()
    assert looked(references=references).references[0].external_id == "SM" + "f" * 32


def lose(at, sandbox, settings, command, told):
    sandbox.faults.append(Fault(lost=True, method="POST"))
    with pytest.raises(LostAnswer):
        at.run(lambda http: send(settings, command, told, http))


def test_a_lost_answer_is_found(settings, sandbox, at, deliver, looked):
    assert looked() is None
    lose(at, sandbox, settings, HELLO, deliver(HELLO))
    found = looked()
    (record,) = sandbox.records()["messages"]
    assert record["date_sent"] is None, "queued: a list filtered by DateSent would miss it"
    assert found.references[0].external_id == record["sid"]
    assert found.references[0].id == found.snapshots[0].ours == "key-send"
    assert "found" in found.note


@pytest.mark.parametrize(
    "other",
    [
        SendMessage(to="+14155550199", body=HELLO.body),
        SendMessage(to=TO, medium=Medium.WHATSAPP, body=HELLO.body),
        SendMessage(to=TO, body="Your order is late."),
        SendMessage(to=TO, body=HELLO.body, media=(Media(url="https://a.example.com/1"),)),
        SendMessage(to=TO, media=(Media(url="https://a.example.com/1"),)),
    ],
)
def test_other_messages_are_not_mistaken_for_it(sent, looked, other):
    sent(other)
    assert looked() is None
    assert looked(other) is not None


def test_what_the_person_wrote_or_what_is_older_is_not_it(settings, sandbox, at, looked, sent):
    sandbox.incoming(TO, "+15558675310", HELLO.body)
    sandbox.incoming("+15558675310", TO, HELLO.body)  # the other end of a message between two numbers of the account
    sandbox.now = lambda: NOW - timedelta(minutes=6)
    sent()
    assert looked() is None
    sandbox.now = lambda: NOW - timedelta(minutes=4)
    sent()
    assert looked() is not None, "five minutes of clock skew"


def test_a_text_that_twilio_made_plainer_or_longer_is_still_it(sandbox, sent, looked):
    command = SendMessage(to=TO, body="It’s “ready” – come…")
    sent(command)
    record = next(iter(sandbox._messages.values()))
    record["body"] = 'Sent from your Twilio trial account - It\'s "ready" - come...'
    assert looked(command) is not None


def test_of_equal_messages_the_newest_is_taken_and_said(sandbox, sent, looked):
    sent()
    sandbox.now = lambda: NOW + timedelta(seconds=2)
    second = sent().kept[0].external_id
    found = looked()
    assert found.references[0].external_id == second
    assert "2 equal messages" in found.note


def test_what_cannot_be_told_apart_stays_ambiguous(make, deliver):
    settings = make(templates={"ready": TEMPLATE})
    sandbox = TwilioSandbox(settings, lambda: NOW)
    at = Drive(CONNECTOR, settings, sandbox, now=NOW)
    plain = SendMessage(to=TO, template="ready")
    filled = SendMessage(to=TO, template="ready", variables={"1": "A-17"})

    def look(command, **other):
        return at.run(lambda http: find(settings, command, deliver(command, **other), http)).result

    assert look(plain) is None
    assert look(filled) is None
    at.run(lambda http: send(settings, filled, deliver(filled), http))
    assert look(filled) is not None
    assert look(SendMessage(to=TO, template="ready", variables={"1": "B-18"})) is None
    with pytest.raises(Ambiguous):
        look(plain)
    with pytest.raises(Ambiguous, match="1 messages"):
        look(filled, generation=1)


def test_only_messages_of_the_service_count(make, deliver):
    settings = make(from_number=None, messaging_service_sid=SERVICE)
    sandbox = TwilioSandbox(settings, lambda: NOW)
    at = Drive(CONNECTOR, settings, sandbox, now=NOW)
    at.run(lambda http: send(settings, HELLO, deliver(HELLO), http))
    assert at.run(lambda http: find(settings, HELLO, deliver(HELLO), http)).result is not None
    next(iter(sandbox._messages.values()))["messaging_service_sid"] = "MG" + "d" * 32
    assert at.run(lambda http: find(settings, HELLO, deliver(HELLO), http)).result is None


def test_the_look_goes_through_all_pages_and_ends(settings, deliver):
    record = {"sid": "SM" + "0" * 32, "status": "sent", "direction": "outbound-api", "to": TO, "body": "other"}
    asked = []

    def endless(request: Request) -> Response:
        asked.append(dict(request.params))
        uri = f"{settings.account_path}/Messages.json?To=x&Page={len(asked)}&PageToken=PA{len(asked)}"
        return Response(200, {}, json.dumps({"messages": [record], "next_page_uri": uri}).encode())

    at = Drive(CONNECTOR, settings, endless, now=NOW)
    assert at.run(lambda http: find(settings, HELLO, deliver(HELLO), http)).result is None
    assert len(asked) == 10
    assert asked[0] == {"To": TO, "From": "+15558675310", "PageSize": "200"}
    assert asked[9]["PageToken"] == "PA9"


def test_throttling_leaves_nothing_behind(sent, sandbox):
    body = b'{"code":20429,"message":"Too Many Requests","status":429}'
    sandbox.faults.append(Fault(Response(429, {"retry-after": "2"}, body), method="POST"))
    with pytest.raises(Retryable) as caught:
        sent()
    assert caught.value.after == timedelta(seconds=2)
    assert not sandbox.records()["messages"]
    sent()
    assert len(sandbox.records()["messages"]) == 1


def test_callback_address():
    assert callback_url("https://a.example.com", "k") == "https://a.example.com?delivery=k"
    assert callback_url("https://a.example.com/in/x?a=1", "k") == "https://a.example.com/in/x?a=1&delivery=k"


def test_callbacks_out_of_order_and_twice_end_where_the_last_state_is(settings, sandbox, sent, received):
    sid = sent().kept[0].external_id
    sandbox.callbacks(sid, "delivered", "sent", "queued", "delivered", copies=2)
    assert len(sandbox.outbox) == 8
    known, ids = -1, set()
    for out in sandbox.outbox:
        came = received(out)
        (snapshot,) = [one for one in translate(settings, came) if isinstance(one, Snapshot)]
        ids.add(delivery_id(came))
        assert snapshot.ours == "key-send"
        assert isinstance(snapshot.version, int)
        known = max(known, snapshot.version)
    assert known == MessageState.DELIVERED.rank
    assert len(ids) == 3
