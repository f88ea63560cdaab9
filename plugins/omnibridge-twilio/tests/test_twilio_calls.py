"""Voice: a call that comes in is answered as the settings say, callbacks never step back, and a call is placed once."""

from __future__ import annotations

from typing import Any

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.calls_out import call_form, find_call, place
from omnibridge_twilio.inbound import delivery_id, reply, translate
from omnibridge_twilio.outbound import erase
from omnibridge_twilio.reads import poll_calls, read
from omnibridge_twilio.sandbox import TwilioSandbox
from twilio.twiml.voice_response import VoiceResponse

from omnibridge.connector import Fault, Lookup, LostAnswer, Response, Snapshot, json_response
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.event import Event
from omnibridge.model import Call, CallState, Direction, EraseCustomer, Medium, PlaceCall, Purpose, Ref, full_type
from omnibridge.testing import Drive

PERSON, SHOP, STAFF = "+14155550100", "+15558675310", "+15558675399"
COMMAND = PlaceCall(to=PERSON, say="Your order is <ready> & waits", language="en-GB", connect=STAFF)


@pytest.fixture
def told(settings, received):
    """What the connector makes of what the sandbox sent."""

    def run(sandbox) -> list[Any]:
        waiting = [sandbox.outbox.popleft() for _ in range(len(sandbox.outbox))]
        return [seen for sent in waiting for seen in translate(settings, received(sent))]

    return run


@pytest.fixture
def asked(deliver):
    """A delivery of the command to call."""

    now = deliver.__globals__["NOW"]

    def make(command=COMMAND, **other):
        event = Event.make(full_type("command.call.place"), command, id="e1", source="/t/flow/x", time=now)
        return deliver(command, event=event, **other)

    return make


@pytest.fixture
def placed(settings, at, asked):
    """Runs `place`."""
    return lambda command=COMMAND, **other: at.run(lambda http: place(settings, command, asked(command, **other), http))


def calls(seen):
    return [one for one in seen if one.kind == "call"]


def test_somebody_calls(sandbox, told):
    made = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url, FromCountry="US", CallerCountry="US")
    person, call = told(sandbox)
    assert (person.kind, person.entity.phone, person.entity.phone_verified) == ("customer", PERSON, None)
    assert (call.external_id, call.version, call.ours) == (made["sid"], 1, None)
    assert call.entity.model_dump(exclude_unset=True) == {
        "direction": Direction.INBOUND,
        "caller": PERSON,
        "callee": SHOP,
        "state": CallState.RINGING,
        "state_raw": "ringing",
        "customer": {"kind": "customer", "external_id": PERSON},
        "vendor": {"FromCountry": "US", "direction": "inbound"},
    }


@pytest.mark.parametrize("caller", ["anonymous", "client:anna", "sip:anna@example.com", "+266696687"])
def test_a_caller_without_a_number_is_nobody_known(sandbox, told, caller):
    sandbox.telephones.ring(caller, SHOP, sandbox.webhook_url)
    (call,) = told(sandbox)
    assert (call.kind, call.entity.caller, call.entity.customer) == ("call", caller, None)


@pytest.mark.parametrize(
    ("other", "twiml"),
    [
        (
            {"voice_greeting": "Hej & <tak>", "voice_language": "da-DK"},
            lambda v: v.say("Hej & <tak>", language="da-DK"),
        ),
        ({"voice_forward_to": STAFF}, lambda v: v.dial(STAFF)),
        ({"voice_greeting": "Hi", "voice_forward_to": STAFF}, lambda v: (v.say("Hi"), v.dial(STAFF))),
        ({}, lambda v: v.reject(reason="busy")),
    ],
)
def test_what_becomes_of_a_call_is_the_twiml_that_twilios_own_library_writes(make, received, other, twiml):
    settings, wanted = make(**other), VoiceResponse()
    twiml(wanted)
    sandbox = TwilioSandbox(settings)
    sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    answer = reply(settings, received(sandbox.outbox.popleft()))
    assert (answer.status, answer.content_type) == (200, "text/xml")
    assert answer.body.decode() == str(wanted).replace(" />", "/>")


def test_a_callback_is_answered_with_nothing(settings, sandbox, received):
    made = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url, sandbox.webhook_url)
    sandbox.telephones.advance(made["sid"], "completed", seconds=61)
    assert b"Reject" in reply(settings, received(sandbox.outbox.popleft())).body
    assert reply(settings, received(sandbox.outbox.popleft())).body.endswith(b"<Response/>")


def test_callbacks_in_any_order_never_step_back(sandbox, placed, told):
    key = placed().kept[0].id
    sid = sandbox.records()["calls"][0]["sid"]
    for state in ("ringing", "in-progress", "completed"):
        sandbox.telephones.advance(sid, state, seconds=61)
    sandbox.outbox.rotate(1)
    sandbox.outbox.append(sandbox.outbox[1])
    seen = told(sandbox)
    assert {one.external_id for one in seen} == {sid}
    assert {one.ours for one in seen} == {key}
    assert [(one.version, str(one.entity.state)) for one in seen] == [
        (3, "completed"),
        (1, "ringing"),
        (2, "in_progress"),
        (1, "ringing"),
    ]
    assert [one.entity.duration for one in seen] == [61, None, None, None]


@pytest.mark.parametrize("word", ["busy", "no-answer", "failed", "canceled", "completed", "levitating"])
def test_every_end_is_one(settings, sandbox, placed, told, word):
    placed()
    sid = sandbox.records()["calls"][0]["sid"]
    sandbox.telephones.callbacks(sid, word)
    (call,) = told(sandbox)
    known = {"canceled": "cancelled", "no-answer": "no_answer", "levitating": "other"}
    assert call.entity.state == known.get(word, word)
    assert call.entity.state_raw == word
    assert call.version == (0 if word == "levitating" else 3)


def test_a_recording_comes_with_the_end_or_on_its_own(make, asked, received):
    settings = make(record_calls=True)
    sandbox = TwilioSandbox(settings, lambda: received.__globals__["NOW"])
    at = Drive(CONNECTOR, settings, sandbox, now=sandbox.now())
    at.run(lambda http: place(settings, COMMAND, asked(), http))
    sid = sandbox.records()["calls"][0]["sid"]
    sandbox.telephones.advance(sid, "completed", seconds=5)
    (call,) = translate(settings, received(sandbox.outbox.popleft()))
    assert isinstance(call, Snapshot)
    assert "/Recordings/RE" in str(call.entity.model_dump()["recording_url"])
    own = {"CallSid": sid, "RecordingSid": "RE1", "RecordingStatus": "completed", "RecordingUrl": "https://a.example/1"}
    inbound = received(sandbox.webhook(own))
    recording, lookup = translate(settings, inbound)
    assert (recording, lookup) == (Snapshot(Call(recording_url="https://a.example/1"), sid), Lookup("call", sid))
    assert delivery_id(inbound) == f"{sid}:RE1:completed"


@pytest.mark.parametrize("junk", [{"CallSid": "CA1", "CallStatus": "ringing"}, {"CallSid": "CA" + "0" * 32}])
def test_junk_is_invalid(settings, sandbox, received, junk):
    with pytest.raises(InvalidMessage):
        translate(settings, received(sandbox.webhook(junk)))


def test_a_repeated_webhook_is_one_delivery_and_each_state_another(sandbox, placed, received):
    placed()
    sid = sandbox.records()["calls"][0]["sid"]
    sandbox.telephones.callbacks(sid, "ringing", "completed", copies=2)
    ids = [delivery_id(received(sent)) for sent in sandbox.outbox]
    assert ids == [f"{sid}:ringing:0"] * 2 + [f"{sid}:completed:1"] * 2


def test_a_webhook_and_a_poll_agree(settings, sandbox, at, told):
    sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    person, call = told(sandbox)
    polled = {one.kind: one for one in at.run(lambda http: poll_calls(settings, None, http)).emitted}
    assert polled["customer"] == person
    assert (polled["call"].external_id, polled["call"].version) == (call.external_id, call.version)
    same = call.entity.model_fields_set - {"vendor"}
    assert polled["call"].entity.model_dump(include=same) == call.entity.model_dump(include=same)


def test_the_poll_brings_the_end_that_no_callback_told(settings, sandbox, at):
    made = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    first = at.run(lambda http: poll_calls(settings, None, http))
    sandbox.telephones.advance(made["sid"], "completed", seconds=42)
    (call,) = calls(at.run(lambda http: poll_calls(settings, first.pages[-1][1], http)).emitted)
    assert (call.version, call.entity.duration, call.entity.ended_at) == (3, 42, sandbox.now())


def test_only_the_channels_own_calls_where_the_account_serves_others(make, sandbox, at):
    settings = make(own_only=True)
    sandbox.telephones.ring(PERSON, "+15550001111", sandbox.webhook_url)
    mine = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    seen = at.run(lambda http: poll_calls(settings, None, http)).emitted
    assert [call.external_id for call in calls(seen)] == [mine["sid"]]


def test_a_call_can_be_read_and_one_that_is_gone_is_deleted(settings, sandbox, at):
    made = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    ask = lambda sid: at.run(lambda http: read(settings, Lookup("call", sid), http)).result  # noqa: E731 - short
    assert calls(ask(made["sid"]))[0].entity.started_at == sandbox.now()
    (gone,) = ask("CA" + "f" * 32)
    assert (gone.kind, gone.deleted) == ("call", True)


def test_the_request(settings, make):
    spoken = (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Say language="en-GB">Your order is &lt;ready&gt; &amp; waits'
        f"</Say><Dial>{STAFF}</Dial></Response>"
    )
    callback = [("StatusCallback", "https://shop.example.com/in/sms?delivery=k")]
    events = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
    base = [("To", PERSON), ("From", SHOP), ("Twiml", spoken)]
    assert call_form(settings, COMMAND, "k") == [*base, *callback, *events]
    other = make(voice_from=STAFF, record_calls=True, callback_url=None)
    assert call_form(other, COMMAND, "k") == [base[0], ("From", STAFF), base[2], ("Record", "true")]
    assert COMMAND.gate == (PERSON, Medium.VOICE)


@pytest.mark.parametrize(
    ("command", "other", "where"),
    [
        (PlaceCall(to="nobody", say="Hi"), {}, "to"),
        (PlaceCall(to=PERSON, connect="nobody"), {}, "connect"),
        (PlaceCall(to=PERSON, purpose=Purpose.SERVICE), {}, None),
        (PlaceCall(to=PERSON, say="x" * 4000), {}, "say"),
        (COMMAND, {"from_number": "Shop"}, None),
        (COMMAND, {"from_number": None}, None),
    ],
)
def test_what_cannot_be_placed_never_leaves(make, asked, command, other, where):
    settings = make(**other)
    sandbox = TwilioSandbox(settings)
    with pytest.raises(Permanent) as caught:
        Drive(CONNECTOR, settings, sandbox).run(lambda http: place(settings, command, asked(command), http))
    assert caught.value.where == where
    assert caught.value.remedy
    assert not sandbox.log


def test_a_call_is_placed_and_its_receipt_is_of_the_call(sandbox, placed):
    done = placed()
    (made,) = sandbox.records()["calls"]
    (reference,) = done.kept
    assert (reference.kind, reference.external_id) == ("call", made["sid"])
    (snapshot,) = done.result.snapshots
    assert (snapshot.ours, snapshot.version, str(snapshot.entity.state)) == (reference.id, 0, "queued")


@pytest.mark.parametrize("stop", range(5))
def test_interrupted_anywhere_it_is_placed_once(settings, sandbox, at, asked, watched, stop):
    effects: list[Any] = []
    kept: dict[tuple[str, str], str] = {}
    try:
        done = at.run(lambda http: watched(place(settings, COMMAND, asked(), http), effects, stop=stop))
    except InterruptedError:
        done = None
    if sandbox.records()["calls"]:
        made = sandbox.records()["calls"][0]
        key = at.http().key("place")
        kept = {("call", key): made["sid"]}
    if done is None:
        at.run(lambda http: place(settings, COMMAND, asked(references=kept), http))
    assert len(sandbox.records()["calls"]) == 1


def test_a_lost_answer_is_found_where_it_can_be_no_other_call(settings, sandbox, at, asked):
    look = lambda **other: at.run(lambda http: find_call(settings, COMMAND, asked(**other), http)).result  # noqa: E731
    assert look() is None
    sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    assert look() is None, "the person called us"
    sandbox.faults.append(Fault(method="POST", lost=True))
    with pytest.raises((LostAnswer, Ambiguous)):
        at.run(lambda http: place(settings, COMMAND, asked(), http))
    sid = sandbox.records()["calls"][0]["sid"]
    assert look().references[0].external_id == sid
    with pytest.raises(Ambiguous):
        look(generation=1)
    at.run(lambda http: place(settings, COMMAND, asked(), http))
    with pytest.raises(Ambiguous) as caught:
        look()
    assert caught.value.remedy
    known = look(references={("call", at.http().key("place")): sid})
    assert known.references[0].external_id == sid


def test_a_call_of_before_the_command_is_not_it(settings, sandbox, at, asked, placed):
    now = sandbox.now()
    sandbox.now = lambda: now.replace(hour=now.hour - 1)
    placed()
    sandbox.now = lambda: now
    assert at.run(lambda http: find_call(settings, COMMAND, asked(), http)).result is None


def test_an_unreadable_yes_is_ambiguous(settings, asked):
    class Odd(TwilioSandbox):
        def respond(self, request):
            return json_response({"sid": "?"}, 201)

    with pytest.raises(Ambiguous):
        Drive(CONNECTOR, settings, Odd(settings)).run(lambda http: place(settings, COMMAND, asked(), http))


def test_a_refusal_teaches(sandbox, placed):
    sandbox.faults.append(Fault(Response(400, {}, b'{"code": 21211, "message": "Invalid"}')))
    with pytest.raises(Permanent) as caught:
        placed()
    assert (caught.value.code, bool(caught.value.remedy)) == ("21211", True)


def test_erasing_deletes_calls_too(settings, sandbox, at, asked):
    made = sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
    command = EraseCustomer(phones=(PERSON,), records=(Ref(kind="call", external_id=made["sid"]),))
    at.run(lambda http: erase(settings, command, asked(), http))
    assert not sandbox.records()["calls"]
