"""What goes out: the bytes, the signature, refusals in words, repeats that the receiver knows, and settings' rules."""

from __future__ import annotations

import base64
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import standardwebhooks
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from omnibridge_cloudevents import CONNECTOR, CloudEventsSettings, omnibridge_connectors
from omnibridge_cloudevents.outbound import classify, message, probe, send
from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from pydantic import ValidationError

from omnibridge.connector import Class, Delivery, Fault, Request, Response, SandboxRequest, Upsert, read_events
from omnibridge.errors import AuthExpired, OmniBridgeError, Permanent, Retryable
from omnibridge.event import Event
from omnibridge.testing import Drive, drive

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEW = "whsec_" + base64.b64encode(b"the newer of two made-up secrets").decode()
OLD = "whsec_" + base64.b64encode(b"the older of two made-up secrets").decode()
EVENT = Event.make(
    "com.example.thing.done",
    {"amount": "12.50"},
    id="1",
    source="/things",
    subject="tæst 1",
    time=NOW,
    extensions={"channel": "webshop", "hops": 2, "partitionkey": "p", "flag": True},
)
DELIVERY = Delivery(key="k", channel="partner", event=EVENT)
URL = "https://partner.example.com/events/?code=a%20b"


def settings(**changed):
    return CloudEventsSettings.model_validate({"url": URL, "target_secret": NEW, **changed})


def run(chosen, answers, event=EVENT):
    return drive(CONNECTOR, chosen, answers, lambda http: send(chosen, event, DELIVERY, http), now=NOW)


def test_the_request_in_binary_mode():
    (request,) = run(settings(), [Response(202)]).requests
    assert request == Request(
        "POST",
        "/events/?code=a%20b",
        headers={
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-source": "/things",
            "ce-type": "com.example.thing.done",
            "ce-subject": "t%C3%A6st%201",
            "ce-time": "2026-11-21T12:00:00Z",
            "ce-hops": "3",
            "ce-partitionkey": "p",
            "ce-flag": "true",
            "webhook-id": "key-send",
        },
        body=b'{"amount":"12.50"}',
        content_type="application/json",
        step="send",
        protection=Upsert(),
    )


def test_the_request_in_structured_mode():
    (request,) = run(settings(mode="structured", target_secret=None), [Response(200)]).requests
    assert request.headers == {}
    assert request.content_type == "application/cloudevents+json"
    assert request.body == (
        b'{"specversion":"1.0","id":"1","source":"/things","type":"com.example.thing.done","subject":"t\xc3\xa6st 1",'
        b'"time":"2026-11-21T12:00:00Z","datacontenttype":"application/json","hops":3,"partitionkey":"p","flag":true,'
        b'"data":{"amount":"12.50"}}'
    )


def test_raw_headers_are_not_encoded():
    (request,) = run(settings(raw_headers=True), [Response(200)]).requests
    assert request.headers["ce-subject"] == "t\u00c3\u00a6st 1"  # UTF-8, byte by byte


@pytest.mark.parametrize(("before", "after"), [(None, 1), (0, 1), (31, 32), (-5, 1), ("x", 1), (2**31 - 1, 2**31 - 1)])
def test_hops_count_up(before, after):
    event = Event.make("t", {}, id="1", source="/", extensions={} if before is None else {"hops": before})
    assert message(settings(), event).headers["ce-hops"] == str(after)


@pytest.mark.parametrize(
    "event",
    [
        Event(id="1", source="/", type="t"),
        Event(id="1", source="/", type="t", datacontenttype="application/json"),
        Event(id="1", source="/", type="t", content=b"\xff not JSON"),
    ],
    ids=["no data", "no data of a known type", "data of no known type"],
)
def test_a_webhook_always_has_a_payload_and_says_what_it_is(event):
    (request,) = run(settings(), [Response(202)], event=event).requests
    assert request.content_type == "application/cloudevents+json"
    (read,) = read_events({"content-type": request.content_type}, request.body)
    assert read == event.with_extensions(hops=1)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_official_sdk_reads_what_is_sent(mode):
    made = message(settings(mode=mode), EVENT)
    headers = {**made.headers, "content-type": made.content_type or ""}
    theirs = from_http_event(HTTPMessage(headers=headers, body=made.body))
    assert (theirs.get_id(), theirs.get_source(), theirs.get_subject()) == ("1", "/things", "tæst 1")
    assert theirs.get_data() == {"amount": "12.50"}
    assert theirs.get_extension("channel") is None


def test_the_official_library_accepts_the_signature_of_both_secrets():
    chosen = settings(previous_target_secret=OLD)
    now = datetime.now(UTC)  # the library takes the machine's time
    (request,) = run(chosen, [Response(200)]).requests
    assert CONNECTOR.auth is not None
    headers = {**request.headers, **CONNECTOR.auth.headers(chosen, None, request, now)}
    for secret in (NEW, OLD):
        assert standardwebhooks.Webhook(secret).verify(request.body, headers) == {"amount": "12.50"}


def test_the_token_goes_along_and_nothing_is_signed_without_a_secret():
    chosen = settings(target_secret=None, bearer_token="token")
    (request,) = run(chosen, [Response(200)]).requests
    assert CONNECTOR.auth is not None
    assert CONNECTOR.auth.headers(chosen, None, request, NOW) == {"authorization": "Bearer token"}
    assert "webhook-id" not in request.headers


def test_a_repeat_is_the_same_and_the_receiver_keeps_one():
    chosen = settings(bearer_token="token")
    sandbox = CloudEventsSandbox(chosen, now=lambda: NOW)
    first, again = run(chosen, sandbox), run(chosen, sandbox)
    assert first.requests == again.requests
    assert (sandbox.requests, sandbox.duplicates, len(sandbox.events)) == (2, 1, 1)
    assert sandbox.records()["events"][0]["hops"] == 3


def test_the_sandbox_judges_signature_token_and_form():
    chosen = settings(bearer_token="token")
    sandbox = CloudEventsSandbox(chosen, now=lambda: NOW + timedelta(minutes=6))
    with pytest.raises(AuthExpired):
        run(chosen, sandbox)
    open_one = settings(target_secret=None)
    sandbox = CloudEventsSandbox(open_one, now=lambda: NOW)
    assert sandbox.handle(SandboxRequest("POST", "/", {}, b"x")).status == 400
    assert sandbox.handle(SandboxRequest("POST", "/", {"content-type": "application/cloudevents+xml"})).status == 415
    assert sandbox.handle(SandboxRequest("GET", "/")).status == 405


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (301, "redirects"),
        (400, "refuses"),
        (404, "nothing at the address"),
        (410, "wants no more events"),
        (413, "too large"),
        (415, "does not understand"),
    ],
)
def test_refusals_are_permanent_and_in_words(status, words):
    with pytest.raises(Permanent, match=words) as caught:
        run(settings(), [Response(status, content=b"no\x1b[31m")])
    assert caught.value.code == str(status)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_trouble_is_retried_as_a_repeat_does_no_harm(status):
    with pytest.raises(Retryable) as caught:
        run(settings(), [Response(status, {"retry-after": "7"})])
    assert caught.value.after == timedelta(seconds=7)


def test_gone_is_said_by_the_class_too_and_ends_it():
    outcome = classify(Request("POST", "/"), Response(410), NOW)
    assert outcome.kind is Class.PERMANENT
    assert outcome.stops
    assert not classify(Request("POST", "/"), Response(404), NOW).stops
    assert outcome.reason == "the receiver wants no more events at this address"


def test_a_lost_answer_is_safe_to_repeat():
    chosen = settings()
    sandbox = CloudEventsSandbox(chosen, now=lambda: NOW)
    sandbox.faults.append(Fault(response=Response(502), lost=False))
    driven = Drive(CONNECTOR, chosen, sandbox, NOW)
    with pytest.raises(Retryable):
        driven.run(lambda http: send(chosen, EVENT, DELIVERY, http))
    driven.run(lambda http: send(chosen, EVENT, DELIVERY, http))
    assert len(sandbox.events) == 1


def test_without_an_address_it_says_so():
    with pytest.raises(Permanent, match="no address"):
        run(settings(url=None), [])


def test_the_probe_delivers_nothing():
    chosen = settings(origin="bridge.example.com")
    sandbox = CloudEventsSandbox(chosen, now=lambda: NOW)
    drive(CONNECTOR, chosen, sandbox, lambda http: probe(chosen, http))
    assert sandbox.requests == 0
    assert {(r.method, r.headers["webhook-request-origin"]) for r in sandbox.log} == {("OPTIONS", "bridge.example.com")}


@pytest.mark.parametrize(
    ("origin", "response", "words"),
    [
        (None, Response(410), "no more events"),
        (None, Response(404), "nothing at"),
        ("bridge.example.com", Response(410), "no more events"),
        ("bridge.example.com", Response(200), "has not agreed"),
    ],
)
def test_the_probe_says_what_is_wrong(origin, response, words):
    chosen = settings(origin=origin)
    with pytest.raises(OmniBridgeError, match=words):
        drive(CONNECTOR, chosen, [response, response], lambda http: probe(chosen, http))


def test_a_receiver_that_knows_no_question_is_there():
    chosen = settings()
    drive(CONNECTOR, chosen, [Response(405)], lambda http: probe(chosen, http))
    drive(CONNECTOR, settings(url=None), [], lambda http: probe(settings(url=None), http))


def test_the_sandbox_over_real_http():
    chosen = settings(target_secret=None)
    sandbox = CloudEventsSandbox(chosen, now=lambda: NOW)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = sandbox.handle(SandboxRequest("POST", self.path, headers, body))
            self.send_response(answer.status)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        made = message(chosen, EVENT)
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}/",
            made.body,
            {**made.headers, "Content-Type": made.content_type or ""},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 204
        thread.join()
    (event,) = sandbox.events.values()
    assert event == EVENT.with_extensions(channel=None, hops=3, flag="true")  # a header does not tell types


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:1/", "https://a.b"])
def test_addresses_that_are_taken(url):
    chosen = CloudEventsSettings(url=url)
    assert (chosen.root + chosen.path).rstrip("/") == url.rstrip("/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://partner.example.com/"},
        {"url": "ftp://localhost/"},
        {"url": "https://"},
        {"url": "https://name:word@partner.example.com/"},
        {"url": "https://partner.example.com/#part"},
        {"url": "https://partner.example.com/æ"},
        {"target_secret": "whsec_"},
        {"target_secret": "whsec_not base64"},
        {"secrets": ("whsec_*",)},
        {"bearer_token": "two words"},
        {"origin": "two words"},
        {"origin": "bridge.example.com\r\nx: y"},
        {"rate": 0},
        {"webhook_rate": 0},
        {"access_tokens": ("",)},
        {"unknown": 1},
    ],
)
def test_settings_that_are_refused_without_an_echo(wrong):
    with pytest.raises(ValidationError) as caught:
        CloudEventsSettings.model_validate(wrong)
    assert "not base64" not in str(caught.value)
    assert "name:word" not in str(caught.value)


def test_secrets_without_the_prefix_or_padding_are_read_as_the_library_reads_them():
    bare = NEW.removeprefix("whsec_").rstrip("=")
    assert settings(secrets=(bare,)).inbound_keys == settings(secrets=(NEW,)).inbound_keys


def test_every_setting_is_described_and_the_hook_gives_the_record():
    assert all(field.description for field in CloudEventsSettings.model_fields.values())
    assert omnibridge_connectors() == [CONNECTOR]
    assert NEW not in repr(settings())
