"""What comes in: proofs of the sender, Standard Webhooks' own library as judge, modes, identities, the handshake."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_cloudevents import CONNECTOR, CloudEventsSettings
from omnibridge_cloudevents.inbound import delivery_id
from omnibridge_cloudevents.sandbox import CloudEventsSandbox, webhook

from omnibridge.connector import Inbound, Occurrence, Verdict
from omnibridge.errors import InvalidMessage
from omnibridge.event import Event

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Mode = Literal["binary", "structured", "batch"]
URL = "https://bridge.example.com/in/partner"
NEW = "whsec_" + base64.b64encode(b"the newer of two made-up secrets").decode()
OLD = "whsec_" + base64.b64encode(b"the older of two made-up secrets").decode()
EVENT = Event.make("com.example.thing.done", {"amount": "12.50", "n": 1}, id="1", source="/things", subject="tæst 1")


def chosen(**values) -> CloudEventsSettings:
    return CloudEventsSettings.model_validate(values)


SETTINGS = chosen(secrets=(NEW, OLD))

assert CONNECTOR.webhook is not None
HOOK = CONNECTOR.webhook


def inbound(outgoing, **changed):
    headers = {**outgoing.headers, **changed.pop("headers", {})}
    values = {"channel": "partner", "url": URL, "headers": headers, "body": outgoing.body, "received": NOW}
    return Inbound(**{**values, **changed})


def signed(*events, now=NOW, settings=SETTINGS, mode: Mode = "structured"):
    return webhook(URL, *events or (EVENT,), keys=settings.inbound_keys[:1], now=now, mode=mode)


def verify(came, settings=SETTINGS, now=NOW):
    return HOOK.verify(settings, came, now)


@pytest.mark.parametrize("mode", ["binary", "structured", "batch"])
def test_each_mode_gives_the_event_back(mode):
    came = inbound(signed(mode=mode))
    assert verify(came) is Verdict.OK
    (seen,) = HOOK.translate(SETTINGS, came)
    assert seen == Occurrence(key="/things\x1f1", event=EVENT)


def test_the_official_library_accepts_what_the_sandbox_signs():
    # The library takes the machine's time, so this is signed at the machine's time.
    now = datetime.now(UTC)
    out = signed(now=now)
    assert standardwebhooks.Webhook(NEW).verify(out.body, dict(out.headers))["id"] == "1"


def test_we_accept_what_the_official_library_signs():
    body = b'{"specversion":"1.0"}'
    sent = standardwebhooks.Webhook(OLD).sign("msg_1", NOW, body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": sent}
    came = Inbound("partner", URL, headers, body, NOW)
    assert verify(came) is Verdict.OK
    both = {**headers, "webhook-signature": f"v1a,bm8= v1,bm8= {sent}"}
    assert verify(Inbound("partner", URL, both, body, NOW)) is Verdict.OK
    assert verify(Inbound("partner", URL, headers, body + b" ", NOW)) is Verdict.FORGED


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(-301, Verdict.EXPIRED), (-300, Verdict.OK), (0, Verdict.OK), (300, Verdict.OK), (301, Verdict.EXPIRED)],
)
def test_five_minutes_either_way(off, verdict):
    assert verify(inbound(signed()), now=NOW + timedelta(seconds=off)) is verdict


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_unsigned(missing):
    assert verify(inbound(signed(), headers={missing: ""})) is Verdict.UNSIGNED


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": "msg_ø"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "١٢٣"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,x v1,ø \ud800"},
    ],
)
def test_whatever_is_changed_is_forged(changed):
    assert verify(inbound(signed(), headers=changed)) is Verdict.FORGED


def test_another_secret_is_forged_and_the_old_one_counts_while_it_is_listed():
    old = chosen(secrets=(OLD,))
    assert verify(inbound(signed(settings=old))) is Verdict.OK
    assert verify(inbound(signed(settings=old)), settings=chosen(secrets=(NEW,))) is Verdict.FORGED


def test_without_any_secret_nothing_comes_in_unless_it_is_allowed():
    came = inbound(webhook(URL, EVENT))
    assert verify(came, settings=chosen()) is Verdict.UNSIGNED
    assert verify(came, settings=chosen(accept_unsigned=True)) is Verdict.OK
    # A secret is asked for even so.
    assert verify(came, settings=chosen(secrets=(NEW,), accept_unsigned=True)) is Verdict.UNSIGNED


@pytest.mark.parametrize(
    ("headers", "query", "verdict"),
    [
        ({"authorization": "Bearer newer"}, "", Verdict.OK),
        ({"authorization": "bearer older"}, "", Verdict.OK),
        ({}, "?access_token=newer", Verdict.OK),
        ({}, "?access_token=other", Verdict.FORGED),
        ({"authorization": "Basic newer"}, "", Verdict.UNSIGNED),
        ({}, "", Verdict.UNSIGNED),
    ],
)
def test_tokens_in_both_places(headers, query, verdict):
    settings = chosen(access_tokens=("newer", "older"))
    assert verify(inbound(webhook(URL, EVENT), headers=headers, url=URL + query), settings) is verdict


def test_a_token_does_not_replace_the_signature():
    settings = chosen(access_tokens=("token",), secrets=(NEW,))
    plain = inbound(webhook(URL, EVENT), headers={"authorization": "Bearer token"})
    assert verify(plain, settings) is Verdict.UNSIGNED
    assert verify(inbound(signed()), settings) is Verdict.UNSIGNED
    assert verify(inbound(signed(), headers={"authorization": "Bearer token"}), settings) is Verdict.OK


def test_the_delivery_id():
    of = delivery_id
    assert of(inbound(signed(), headers={"webhook-id": "msg_7"})) == "msg_7"
    assert of(inbound(webhook(URL, EVENT))) == "/things\x1f1"
    assert of(inbound(webhook(URL, EVENT, mode="binary"))) == "/things\x1f1"
    assert of(inbound(webhook(URL, EVENT, EVENT, mode="batch"))) is None
    assert of(inbound(webhook(URL, EVENT), body=b"{")) is None


def test_a_batch_gives_each_event_in_order():
    other = Event(id="2", source="/things", type="com.example.thing.done")
    seen = HOOK.translate(SETTINGS, inbound(signed(EVENT, other, mode="batch")))
    assert [one.event for one in seen if isinstance(one, Occurrence)] == [EVENT, other]
    assert HOOK.translate(SETTINGS, inbound(signed(mode="batch"), body=b"[]")) == []


def test_raw_headers_are_not_decoded():
    came = inbound(webhook(URL, EVENT, mode="binary"), headers={"ce-subject": "100% t\u00c3\u00a6st"})
    (seen,) = HOOK.translate(chosen(raw_headers=True), came)
    assert isinstance(seen, Occurrence)
    assert seen.event is not None
    assert seen.event.subject == "100% tæst"
    with pytest.raises(InvalidMessage, match="raw headers"):
        HOOK.translate(SETTINGS, came)


@given(
    st.dictionaries(
        st.sampled_from(["content-type", "ce-id", "ce-source", "ce-type", "ce-specversion", "ce-x", "webhook-id"]),
        st.sampled_from(["1.0", "application/cloudevents+json", "application/cloudevents-batch+json"]) | st.text(),
    ),
    st.binary() | st.sampled_from([b"[{}]", b"{}", b'{"specversion":"1.0","id":"1","source":"/","type":"t"}']),
)
def test_any_bytes_give_events_or_invalid_message(headers, body):
    came = Inbound("partner", URL, headers, body, NOW)
    assert verify(came) is not Verdict.OK
    delivery_id(came)
    try:
        seen = HOOK.translate(SETTINGS, came)
    except InvalidMessage:
        return
    assert all(isinstance(one, Occurrence) and one.event is not None for one in seen)


@pytest.mark.parametrize(
    ("origins", "asked", "answered"),
    [
        (("partner.example.com",), "partner.example.com", "partner.example.com"),
        (("partner.example.com",), "Partner.Example.com", "Partner.Example.com"),
        (("*",), "anyone.example.com\r\nx: y", "*"),
        (("partner.example.com",), "other.example.com", None),
        (("*",), "", None),
        ((), "partner.example.com", None),
    ],
)
def test_consent_is_the_presence_of_one_header(origins, asked, answered):
    assert HOOK.greet is not None
    came = Inbound("partner", URL, {"webhook-request-origin": asked}, b"", NOW, method="OPTIONS")
    reply = HOOK.greet(chosen(webhook_origins=origins), came)
    assert reply.status == 200
    assert reply.headers.get("webhook-allowed-origin") == answered
    assert ("webhook-allowed-rate" in reply.headers) is (answered is not None)
    assert HOOK.greet(SETTINGS, Inbound("partner", URL, {}, b"", NOW, method="GET")).status == 405


def test_the_sandbox_sends_what_the_channel_takes():
    sandbox = CloudEventsSandbox(SETTINGS, now=lambda: NOW)
    came = sandbox.inbound(sandbox.emit(URL, EVENT, mode="binary"))
    assert sandbox.outbox[0].url == URL
    assert verify(came) is Verdict.OK
