"""The vendor's own judges: its API specification for what we send and the sandbox answers, and its SDK as a client."""

from __future__ import annotations

import contextlib
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.calls_out import find_call, place
from omnibridge_twilio.outbound import find, send
from omnibridge_twilio.reads import poll_calls, poll_messages, probe, read
from omnibridge_twilio.sandbox import TwilioSandbox
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from omnibridge.connector import Lookup, SandboxRequest
from omnibridge.errors import Permanent
from omnibridge.model import Media, Medium, PlaceCall, SendMessage
from omnibridge.testing import Drive

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PERSON, SHOP = "+14155550100", "+15558675310"


@pytest.fixture(scope="module")
def specification(vendor_specs):
    path = vendor_specs / "twilio" / "openapi" / "twilio_api_v2010.messages_calls.json"
    return OpenAPI.from_dict(json.loads(path.read_text()))


class Judged(TwilioSandbox):
    """Every request and every answer goes before the specification."""

    judged = 0

    def __init__(self, settings, specification, now):
        super().__init__(settings, now)
        self.specification = specification

    def respond(self, request):
        response = super().respond(request)
        asked = MockRequest(
            "https://api.twilio.com",
            request.method.lower(),
            request.path,
            args=dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True)),
            headers=dict(request.headers),
            data=request.body or None,
            content_type=request.headers.get("content-type", ""),
        )
        self.specification.validate_request(asked)
        if response.ok:
            told = MockResponse(response.content, response.status, content_type="application/json")
            self.specification.validate_response(asked, told)
        self.judged += 1
        return response


@pytest.fixture
def judged(make, specification):
    return Judged(
        make(messaging_service_sid="MG" + "a" * 32, templates={"ready": "HX" + "b" * 32}), specification, lambda: NOW
    )


def test_all_our_requests_and_all_its_answers_keep_to_the_specification(judged, deliver):
    settings = judged.settings
    at = Drive(CONNECTOR, settings, judged, now=NOW)
    commands = [
        SendMessage(to=PERSON, body="Hi é 👍"),
        SendMessage(to=PERSON, body="Look", media=(Media(url="https://a.example.com/1"),)),
        SendMessage(to=PERSON, media=(Media(url="https://a.example.com/1"), Media(url="https://a.example.com/2"))),
        SendMessage(to=PERSON, medium=Medium.WHATSAPP, template="ready", variables={"1": "A"}),
        SendMessage(to=PERSON, medium=Medium.RCS, body="Hi"),
    ]
    for command in commands:
        sid = at.run(lambda http, c=command: send(settings, c, deliver(c), http)).kept[0].external_id
        assert at.run(lambda http, c=command: find(settings, c, deliver(c), http)).result is not None
        judged.advance(sid, "undelivered", error=30003, text="Unreachable destination handset")
    refused = SendMessage(to="+15005550001", body="Hi")
    with pytest.raises(Permanent):
        at.run(lambda http: send(settings, refused, deliver(refused), http))
    sid = judged.incoming(PERSON, SHOP, "Look", media=["image/png"])["sid"]
    at.run(lambda http: read(settings, Lookup("message", sid), http))
    at.run(lambda http: probe(settings, http))
    at.run(lambda http: poll_messages(settings, None, http))
    call = PlaceCall(to=PERSON, say="Hi é 👍", connect=SHOP)
    made = at.run(lambda http: place(settings, call, deliver(call), http)).kept[0].external_id
    assert at.run(lambda http: find_call(settings, call, deliver(call), http)).result is not None
    judged.telephones.advance(made, "completed", seconds=42)
    judged.telephones.ring(PERSON, SHOP, judged.webhook_url)
    at.run(lambda http: read(settings, Lookup("call", made), http))
    at.run(lambda http: poll_calls(settings, None, http))
    ends = (("GET", ".json"), ("DELETE", f"/Messages/{sid}.json"), ("DELETE", f"/Calls/{made}.json"))
    for method, path in ends:
        headers = CONNECTOR.auth.headers(settings, None, at.requests[0], NOW) if CONNECTOR.auth else {}
        assert judged.handle(SandboxRequest(method, settings.account_path + path, headers)).ok
    assert judged.judged > 20


def test_the_judge_judges(judged, deliver):
    """A field that the specification does not allow is refused, so the other test means something."""
    settings = judged.settings
    bad = settings.model_copy(update={"messaging_service_sid": "MG1"})
    command = SendMessage(to=PERSON, body="Hi")
    at = Drive(CONNECTOR, settings, judged, now=NOW)
    with pytest.raises(Exception, match=r"(?i)invalid|validat"):
        at.run(lambda http: send(bad, command, deliver(command), http))
    judged._messages["SM" + "0" * 32] = {"sid": "SM1", "status": "gone", "direction": "inbound", "date_sent": None}
    judged._messages["SM" + "0" * 32] |= {"to": PERSON, "from": SHOP}
    with pytest.raises(Exception, match=r"(?i)invalid|validat"):
        at.run(lambda http: probe(settings, http))


@contextlib.contextmanager
def served(sandbox):
    """The sandbox on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = sandbox.handle(SandboxRequest(self.command, self.path, headers, body))
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Elsewhere(TwilioHttpClient):
    """The SDK's client, with its host replaced."""

    def __init__(self, base):
        super().__init__(pool_connections=False)
        self.base = base

    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)


def test_the_vendors_sdk_works_with_the_sandbox(settings, sandbox):
    sandbox.incoming(PERSON, SHOP, "first", media=["image/png"])
    with served(sandbox) as base:
        client = Client(settings.account_sid, "12345", http_client=Elsewhere(base))
        made: Any = client.messages.create(
            to=PERSON,
            from_=SHOP,
            body="Hi é 👍",
            media_url=["https://a.example.com/1"],
            status_callback="https://a.example.com",
        )
        assert (made.status, made.body, made.num_media, made.direction) == ("queued", "Hi é 👍", "1", "outbound-api")
        assert made.date_created == NOW
        sandbox.advance(made.sid, "delivered")
        assert client.messages(made.sid).fetch().status == "delivered"
        listed = client.messages.list(to=PERSON, date_sent_after=NOW, page_size=1)
        assert [one.sid for one in listed] == [made.sid]
        assert len(client.messages.list(page_size=1)) == 2, "the SDK follows our pages"
        first = sandbox.records()["messages"][-1]["sid"]
        assert [item.content_type for item in client.messages(first).media.list()] == ["image/png"]
        assert client.messages(made.sid).update(body="").body == ""
        assert client.messages(made.sid).delete()
        for code, ask in (
            (20404, lambda: client.messages(made.sid).fetch()),
            (21211, lambda: client.messages.create(to="nobody", from_=SHOP, body="Hi")),
            (21603, lambda: client.messages.create(to=PERSON, body="Hi")),
            (21602, lambda: client.messages.create(to=PERSON, from_=SHOP)),
            (21610, lambda: client.messages.create(to="+15005550004", from_=SHOP, body="Hi")),
            (30409, lambda: client.messages(sandbox.records()["messages"][0]["sid"]).update(status="canceled")),
        ):
            with pytest.raises(TwilioRestException) as caught:
                ask()
            assert caught.value.code == code
        stranger = Client(settings.account_sid, "wrong", http_client=Elsewhere(base))
        with pytest.raises(TwilioRestException) as caught:
            stranger.messages(first).fetch()
        assert caught.value.code == 20003


def test_the_vendors_sdk_calls_somebody_in_the_sandbox(settings, sandbox):
    with served(sandbox) as base:
        client = Client(settings.account_sid, "12345", http_client=Elsewhere(base))
        words = "<Response><Say>Hi</Say></Response>"
        made: Any = client.calls.create(
            to=PERSON,
            from_=SHOP,
            twiml=words,
            status_callback="https://a.example.com",
            status_callback_event=["ringing"],
        )
        assert (made.status, made.direction, made.start_time) == ("queued", "outbound-api", NOW)
        sandbox.telephones.advance(made.sid, "ringing")
        assert client.calls(made.sid).fetch().status == "ringing"
        sandbox.telephones.ring(PERSON, SHOP, sandbox.webhook_url)
        assert len(client.calls.list(page_size=1)) == 2, "the SDK follows our pages"
        assert [one.sid for one in client.calls.list(to=PERSON, start_time_after=NOW, status="ringing")] == [made.sid]
        assert client.calls(made.sid).update(status="completed").status == "completed"
        assert client.calls(made.sid).delete()
        for code, ask in (
            (20404, lambda: client.calls(made.sid).fetch()),
            (21211, lambda: client.calls.create(to="nobody", from_=SHOP, twiml=words)),
            (21205, lambda: client.calls.create(to=PERSON, from_=SHOP)),
        ):
            with pytest.raises(TwilioRestException) as caught:
                ask()
            assert caught.value.code == code


def test_the_sandbox_sends_the_fields_that_twilio_sends(make, vendor_specs, deliver):
    """What a network or the number's place adds is left out; nothing is made up."""

    def sample(name):
        return {name for name, _ in parse_qsl((vendor_specs / "twilio" / "webhooks" / name).read_text(), True)}

    def sent(sandbox):
        return {name for name, _ in parse_qsl(sandbox.outbox.popleft().body.decode(), True)}

    settings = make(messaging_service_sid="MG" + "a" * 32)
    sandbox = TwilioSandbox(settings, lambda: NOW)
    command = SendMessage(to=PERSON, body="Hi")
    at = Drive(CONNECTOR, settings, sandbox, now=NOW)
    sid = at.run(lambda http: send(settings, command, deliver(command), http)).kept[0].external_id
    sandbox.advance(sid, "delivered")
    assert sent(sandbox) == sample("status_delivered.form") - {"RawDlrDoneDate"}
    sandbox.advance(sid, "undelivered", error=30003, text="Unreachable destination handset")
    assert sent(sandbox) == sample("status_undelivered.form") | {"MessagingServiceSid"}
    place = {f"{end}{part}" for end in ("From", "To") for part in ("City", "State", "Zip", "Country")}
    sandbox.incoming(PERSON, SHOP, "STOP")
    assert sent(sandbox) == sample("sms_inbound_stop.form") - place - {"MessagingServiceSid"}
    sandbox.incoming(PERSON, SHOP, media=["image/jpeg", "image/png"])
    assert sent(sandbox) == sample("mms_inbound.form") - place - {"MessagingServiceSid"}
