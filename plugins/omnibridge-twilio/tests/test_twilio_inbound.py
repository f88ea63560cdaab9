"""Webhooks to observations: golden pairs, consent, late and repeated callbacks, and InvalidMessage for junk."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.inbound import delivery_id, reply, translate
from omnibridge_twilio.signature import FORM

from omnibridge.connector import Inbound, Native, Snapshot, dump_observations, load_observations
from omnibridge.errors import InvalidMessage
from omnibridge.model import ConsentState, Medium, Message

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
URL = "https://shop.example.com/in/sms"
SID = "SM" + "a" * 32
PERSON, SHOP = "+14155550100", "+15558675310"
SMS = {
    "MessageSid": SID,
    "SmsSid": SID,
    "SmsMessageSid": SID,
    "AccountSid": "AC" + "0" * 31 + "1",
    "ApiVersion": "2010-04-01",
    "From": PERSON,
    "To": SHOP,
    "Body": "Where is my order? é 👍 +1",
    "SmsStatus": "received",
    "NumMedia": "0",
    "NumSegments": "1",
    "FromCountry": "US",
}
SENT = {"MessageSid": SID, "MessageStatus": "sent", "SmsStatus": "sent", "From": SHOP, "To": PERSON}


def inbound(fields, url=URL, at=NOW, content_type=FORM):
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return Inbound("sms", url, {"content-type": content_type}, body, at)


def seen_in(settings, came) -> list[Any]:
    return list(translate(settings, came))


def shown(seen):
    return json.loads(dump_observations(seen))


@pytest.fixture
def say(settings):
    return lambda fields, **more: seen_in(settings, inbound(fields, **more))


def test_sms(say):
    person = {"kind": "customer", "external_id": PERSON}
    assert shown(say(SMS)) == [
        {
            "snapshot": "customer",
            "id": PERSON,
            "version": None,
            "deleted": False,
            "custom": {},
            "aliases": [],
            "ours": None,
            "entity": {"phone": PERSON},
        },
        {
            "snapshot": "message",
            "id": SID,
            "version": 5,
            "deleted": False,
            "custom": {},
            "aliases": [],
            "ours": None,
            "entity": {
                "direction": "inbound",
                "medium": "sms",
                "sender": PERSON,
                "recipient": SHOP,
                "body": "Where is my order? é 👍 +1",
                "media": [],
                "state": "received",
                "state_raw": "received",
                "customer": person,
                "vendor": {"num_media": "0", "num_segments": "1", "FromCountry": "US"},
            },
        },
    ]


def test_mms_keeps_empty_text_and_the_order_of_its_media(say):
    media = {f"MediaUrl{n}": f"https://api.example.com/ME{n}" for n in (10, 2, 0)}
    fields = {**SMS, "Body": "", "NumMedia": "3", **media, "MediaContentType2": "image/png", "MediaContentType0": ""}
    message = say(fields)[-1].entity
    assert message.body == ""
    assert [item.url[-3:] for item in message.media] == ["ME0", "ME2", "E10"]
    assert [item.content_type for item in message.media] == [None, "image/png", None]


def test_whatsapp_names_the_person_once_for_all_media(say):
    fields = {**SMS, "From": f"whatsapp:{PERSON}", "To": f"whatsapp:{SHOP}", "ProfileName": "Sam", "WaId": PERSON[1:]}
    person, message = say({**fields, "ButtonPayload": "yes", "Latitude": "1.5"})
    assert person.external_id == PERSON
    assert person.entity.phone_verified is True
    assert person.entity.vendor == {"ProfileName": "Sam", "WaId": PERSON[1:]}
    assert (message.entity.medium, message.entity.sender, message.entity.recipient) == ("whatsapp", PERSON, SHOP)
    assert message.entity.vendor["ButtonPayload"] == "yes"
    assert message.entity.vendor["Latitude"] == "1.5"


@pytest.mark.parametrize(
    ("sender", "medium", "kept"),
    [
        ("rcs:" + PERSON, Medium.RCS, PERSON),
        ("messenger:1234", Medium.CHAT, "messenger:1234"),
        ("12345", Medium.SMS, "12345"),
        ("SHOP", Medium.SMS, "SHOP"),
        ("", Medium.SMS, None),
        ("whatsapp:", Medium.WHATSAPP, None),
    ],
)
def test_other_addresses(say, sender, medium, kept):
    seen = say({**SMS, "From": sender, "To": "+" + "9" * 40, "ProfileName": "Sam"})
    message = seen[-1].entity
    assert (message.medium, message.sender, message.recipient) == (medium, kept, "+" + "9" * 40)
    assert (len(seen) == 2) is (kept == PERSON)
    assert ("ProfileName" in message.vendor) is (kept != PERSON)


def test_only_what_was_told_is_set(say):
    message = say({"MessageSid": SID, "Body": "Hi"})[0].entity
    assert message.model_fields_set == {"direction", "medium", "body", "state", "state_raw"}
    callback = say({"MessageSid": SID, "MessageStatus": "delivered"})[0].entity
    assert callback.model_fields_set == {"direction", "medium", "state", "state_raw"}
    nothing = say({**SENT, "ErrorCode": "", "ErrorMessage": ""})[0].entity
    assert {"error_code", "error_text"} <= nothing.model_fields_set
    assert nothing.error_code is None


@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
@pytest.mark.parametrize(
    ("said", "body", "state"),
    [
        ("STOP", "Stop", ConsentState.WITHDRAWN),
        ("STOP", "no more please", ConsentState.WITHDRAWN),
        ("START", "start", ConsentState.GRANTED),
        ("HELP", "help", None),
        ("HELP", "stop", None),
        ("LATER", "stop", None),
    ],
)
def test_opt_out_type_decides(say, prefix, said, body, state):
    seen = say({**SMS, "From": prefix + PERSON, "Body": body, "OptOutType": said})
    consents = [one for one in seen if one.kind == "consent"]
    if state is None:
        assert not consents
        return
    (one,) = consents
    medium = Medium.WHATSAPP if prefix else Medium.SMS
    assert one.external_id == f"{medium}:marketing:{PERSON}"
    assert (one.entity.state, one.entity.medium, one.entity.contact) == (state, medium, PERSON)
    assert one.version == one.entity.changed_at == one.entity.proof.at == NOW
    assert one.entity.customer.external_id == PERSON
    assert said in one.entity.proof.detail
    assert SID in one.entity.proof.detail
    assert seen[-2].entity.vendor["OptOutType"] == said


@pytest.mark.parametrize(
    ("body", "stopped"), [("STOP", True), ("  sToP\n", True), ("Stop all", True), ("Stop please", False), ("", False)]
)
def test_a_stop_word_counts_without_opt_out_type(make, body, stopped):
    fields = {**SMS, "Body": body}
    assert [one.entity.state for one in seen_in(make(), inbound(fields)) if one.kind == "consent"] == (
        [ConsentState.WITHDRAWN] if stopped else []
    )
    assert not [one for one in seen_in(make(stop_words=()), inbound(fields)) if one.kind == "consent"]
    by_whatsapp = {**fields, "From": f"whatsapp:{PERSON}"}
    assert not [one for one in seen_in(make(), inbound(by_whatsapp)) if one.kind == "consent"]


def test_start_without_opt_out_type_grants_nothing(say):
    assert [one.kind for one in say({**SMS, "Body": "START"})] == ["customer", "message"]


def test_a_failed_webhook_of_ours_is_not_an_error_of_the_message(say):
    """At a fallback address Twilio tells why the first one failed, under the name of a message's error."""
    message = say({**SMS, "ErrorCode": "11200", "ErrorUrl": URL})[-1].entity
    assert "error_code" not in message.model_fields_set
    assert message.vendor["ErrorCode"] == "11200"


def test_versions_never_step_back(say):
    words = ["accepted", "scheduled", "queued", "sending", "sent", "partially_delivered", "delivered", "read"]
    ranks = [say({**SENT, "MessageStatus": word})[0].version for word in words]
    assert ranks == sorted(ranks) == [0, 1, 2, 3, 4, 4, 5, 6]
    ends = {say({**SENT, "MessageStatus": word})[0].version for word in ("undelivered", "failed", "canceled")}
    assert ends == {5}
    odd = say({**SENT, "MessageStatus": "teleported"})[0]
    assert (odd.entity.state, odd.entity.state_raw, odd.version) == ("other", "teleported", 0)
    assert say({**SENT, "MessageStatus": "canceled"})[0].entity.state == "cancelled"
    assert say({**SMS, "SmsStatus": "receiving"})[-1].version == 0


def test_callback_carries_the_key_of_the_send(say):
    key = "5f0c3a52-9a0e-5e5b-8c9e-0f6a3c1d2b4e"
    assert say(SENT, url=f"{URL}?delivery={key}")[0].ours == key
    for query in ("", "?delivery=", "?delivery=a&delivery=b", "?delivery=a%20b", "?delivery=" + "x" * 65):
        assert say(SENT, url=URL + query)[0].ours is None
    assert say(SMS, url=f"{URL}?delivery={key}")[-1].ours is None, "only a message that we sent has it"


def test_failure_tells_why_and_an_opt_out_is_consent_withdrawn(say):
    (failed,) = say({**SENT, "MessageStatus": "undelivered", "ErrorCode": "30003", "ErrorMessage": "Unreachable"})
    assert (failed.entity.state, failed.entity.error_code, failed.entity.error_text) == (
        "undelivered",
        "30003",
        "Unreachable",
    )
    fields = {"MessageSid": SID, "MessageStatus": "failed", "To": f"whatsapp:{PERSON}", "ErrorCode": "21610"}
    message, consent = say(fields)
    assert message.entity.medium is Medium.WHATSAPP
    assert (consent.external_id, consent.entity.state) == (f"whatsapp:marketing:{PERSON}", ConsentState.WITHDRAWN)
    assert consent.entity.basis == "vendor_opt_out"
    assert [one.kind for one in say({**fields, "To": ""})] == ["message"]


def test_delivery_id_is_of_the_signed_body(settings):
    assert CONNECTOR.webhook is not None
    assert CONNECTOR.webhook.delivery_id == Native(delivery_id)
    assert delivery_id(inbound(SMS)) == f"{SID}:received"
    assert delivery_id(inbound(SENT)) == f"{SID}:sent"
    assert delivery_id(inbound({**SENT, "MessageStatus": "delivered"})) == f"{SID}:delivered"
    for nothing in (b"", b"MessageSid=x", b"\xff", b"%ff"):
        assert delivery_id(inbound(nothing)) is None
    assert delivery_id(inbound(b"{}", content_type="application/json")) is None


def test_reply_is_empty_twiml(settings):
    answer = reply(settings, inbound(SMS))
    assert (answer.status, answer.content_type) == (200, "text/xml")
    assert answer.body.endswith(b"<Response/>")


def test_what_twilio_repeats_is_said(settings):
    assert CONNECTOR.webhook is not None
    assert not CONNECTOR.webhook.redelivery.on_5xx
    assert CONNECTOR.polls, "where a 5xx is not repeated, a poll must close the gap"


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"CallSid": "CA" + "1" * 32, "From": PERSON},
        {"MessageSid": "nonsense", "Body": "Hi"},
        {"MessageSid": "", "SmsSid": SID, "Body": "Hi"},
        {"MessageSid": SID},
        {"MessageSid": SID, "SmsStatus": ""},
        b"\xff",
        b"Body=%ff",
    ],
)
def test_junk_is_invalid(say, junk):
    with pytest.raises(InvalidMessage):
        say(junk)
    with pytest.raises(InvalidMessage):
        say(SMS, content_type="application/json")


_NAMES = st.sampled_from(
    [*SMS, "MessageStatus", "OptOutType", "ErrorCode", "MediaUrl0", "MediaUrl\u0661", "ProfileName"]
)
_WORDS = [SID, "sent", "received", "STOP", "21610", PERSON, "whatsapp:"]
_VALUES = st.one_of(st.text(max_size=20), st.sampled_from(_WORDS))


@example({"MessageSid": SID, "From": "whatsapp:+", "Body": "stop", "OptOutType": "START"}, URL)
@given(st.dictionaries(_NAMES, _VALUES), st.sampled_from([URL, "https://[", URL + "?delivery=%ff"]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_any_form_is_observations_or_invalid(settings, fields, url):
    try:
        seen = seen_in(settings, inbound({"MessageSid": SID, **fields}, url))
    except InvalidMessage:
        return
    assert load_observations(dump_observations(seen)) == tuple(seen)
    assert all(isinstance(one, Snapshot) and one.kind in CONNECTOR.emits for one in seen)
    assert any(isinstance(one.entity, Message) for one in seen)


@given(st.binary(max_size=60), st.sampled_from([FORM, "application/json", "", "text/plain"]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_bytes_are_observations_or_invalid(settings, body, content_type):
    with contextlib.suppress(InvalidMessage):
        translate(settings, inbound(body, content_type=content_type))
