"""What the conformance kit is told of Twilio: one account, its webhooks, what is sent, and what it answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.settings import Twilio
from omnibridge_twilio.signature import FORM, SIGNATURE_HEADER, sign

from omnibridge.connector import Class, Inbound, Request, Response, json_response
from omnibridge.model import EraseCustomer, Medium, PlaceCall, Purpose, Ref, SendMessage
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ACCOUNT = "AC" + "0" * 31 + "1"
PERSON, SHOP = "+14155550100", "+15558675310"


def form(**fields: str) -> bytes:
    """A webhook's body."""
    older = {"SmsSid": fields["MessageSid"]} if "MessageSid" in fields and "EventType" not in fields else {}
    return urlencode({"AccountSid": ACCOUNT, **older, **fields}).encode()


def signed(settings: Twilio, inbound: Inbound) -> Inbound:
    """The delivery as Twilio signs it."""
    signature = sign(settings.signing_tokens[0].get_secret_value(), inbound.url, inbound.form())
    return replace(inbound, headers={**inbound.headers, SIGNATURE_HEADER: signature})


def account(settings: Twilio) -> TwilioSandbox:
    """An account with messages and calls on several pages."""
    sandbox = TwilioSandbox(settings, lambda: NOW)
    sandbox.largest_page = 2
    for number in range(5):
        sandbox.incoming(f"+1415555{number:04}", SHOP, f"Hello {number}")
    sandbox.telephones.largest_page = 2
    for number in range(3):
        sandbox.telephones.ring(f"+1415555{number:04}", SHOP, sandbox.webhook_url)
    sandbox.talks.largest_page = 2
    for number in range(3):
        talk = sandbox.talks.begins()
        for word in ("Hello", "Anybody?", "It is urgent")[: number + 1]:
            sandbox.talks.says(talk, f"+1415555{number:04}", word, media=("image/jpeg",) if number == 2 else ())
    sandbox.outbox.clear()
    return sandbox


def change(settings: Twilio, sandbox: TwilioSandbox) -> list[Arrival]:
    """Somebody writes."""
    sandbox.outbox.clear()
    sandbox.incoming("+14155559999", SHOP, "Are you open?")
    return [Arrival(name="written", body=sent.body, headers={"content-type": FORM}) for sent in sandbox.outbox]


_SEND = Request("POST", "/Messages.json", step="send")


def refusal(status: int, code: int) -> Response:
    """An error of the API."""
    return json_response({"code": code, "message": "refused", "status": status}, status)


CONFORMANCE: Conformance[Twilio] = Conformance(
    connector="twilio",
    settings={
        "account_sid": ACCOUNT,
        "auth_token": "made-up-auth-token-1",
        "webhook_auth_tokens": ("made-up-auth-token-2", "made-up-auth-token-3"),
        "from_number": SHOP,
        "whatsapp_from": "+15558675311",
        "conversations": True,
        "callback_url": "https://bridge.example.com/in/conformance",
    },
    public={"api_key": "the SID of a key, as public as an account's; the secret is api_secret"},
    now=NOW,
    sign=signed,
    sandbox=account,
    arrivals=(
        Arrival(
            name="message",
            body=form(
                MessageSid="SM" + "a" * 32,
                From=PERSON,
                To=SHOP,
                Body="Where is my order? é +1",
                SmsStatus="received",
                NumMedia="0",
            ),
            headers={"content-type": FORM},
        ),
        Arrival(
            name="stop",
            body=form(
                MessageSid="SM" + "b" * 32, From=PERSON, To=SHOP, Body="STOP", SmsStatus="received", OptOutType="STOP"
            ),
            headers={"content-type": FORM},
        ),
        Arrival(
            name="delivered",
            body=form(
                MessageSid="SM" + "c" * 32, From=SHOP, To=PERSON, MessageStatus="delivered", SmsStatus="delivered"
            ),
            headers={"content-type": FORM},
        ),
        Arrival(
            name="call",
            body=form(CallSid="CA" + "a" * 32, From=PERSON, To=SHOP, CallStatus="ringing", Direction="inbound"),
            headers={"content-type": FORM},
            required=("CallSid", "CallStatus"),
        ),
        Arrival(
            name="call-ended",
            body=form(
                CallSid="CA" + "b" * 32,
                From=SHOP,
                To=PERSON,
                CallStatus="completed",
                Direction="outbound-api",
                CallDuration="42",
                SequenceNumber="3",
                CallbackSource="call-progress-events",
            ),
            headers={"content-type": FORM},
            required=("CallSid", "CallStatus"),
        ),
        Arrival(
            name="said",
            body=form(
                EventType="onMessageAdded",
                ConversationSid="CH" + "a" * 32,
                MessageSid="IM" + "a" * 32,
                ParticipantSid="MB" + "a" * 32,
                Author=PERSON,
                Body="Is it here?",
                Attributes="{}",
                DateCreated="2026-11-22T09:59:59.350Z",
                Index="3",
                Source="SMS",
                RetryCount="0",
            ),
            headers={"content-type": FORM},
            required=("EventType", "ConversationSid", "MessageSid"),
        ),
    ),
    writes=(
        Write(
            name="erasure",
            value=EraseCustomer(phones=(PERSON,), records=(Ref(kind="message", external_id="SM" + "a" * 32),)),
        ),
        Write(
            name="sms",
            value=SendMessage(to=PERSON, medium=Medium.SMS, purpose=Purpose.TRANSACTIONAL, body="It is here"),
        ),
        Write(name="call", value=PlaceCall(to=PERSON, purpose=Purpose.SERVICE, say="It is here", connect=SHOP)),
    ),
    change=change,
    answers=(
        Answer(
            name="taken", response=json_response({"sid": "SM1", "status": "queued"}, 201), means=Class.OK, request=_SEND
        ),
        Answer(
            name="too-many",
            response=Response(429, {"retry-after": "2"}, b'{"code": 20429}'),
            means=Class.RETRY,
            after=timedelta(seconds=2),
        ),
        Answer(name="wrong-token", response=refusal(401, 20003), means=Class.RETRY),
        Answer(name="no-number", response=refusal(400, 21211), means=Class.PERMANENT, request=_SEND),
        Answer(name="opted-out", response=refusal(400, 21610), means=Class.PERMANENT, request=_SEND),
        Answer(name="lost", response=Response(500), means=Class.AMBIGUOUS, request=_SEND),
    ),
    without={
        "privacy-told": "Twilio passes no request on: its webhooks are about messages, calls and conversations",
        "typed-strictly": "`make check` of this repository runs it over plugins/*/src",
        "deletions-told": "Twilio tells of no deletion; only a lookup finds that a message is gone",
        "signature-expired": "Twilio's signature covers no time (webhooks security guide)",
        "answers-in-200": "Twilio says every refusal by the status",
    },
)
