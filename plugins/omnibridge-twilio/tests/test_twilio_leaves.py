"""Every field of every vendor sample is mapped, kept, or named in `dropped` with a reason."""

from __future__ import annotations

import copy
import json
import re
from urllib.parse import parse_qsl, urlencode

import pytest
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.calls import record_call
from omnibridge_twilio.inbound import translate
from omnibridge_twilio.signature import FORM
from omnibridge_twilio.snapshots import record_snapshots
from omnibridge_twilio.wire import CallRecord, MessageRecord
from pydantic import ValidationError

from omnibridge.connector import Inbound, dump_observations
from omnibridge.errors import InvalidMessage

OTHER = {
    "MessageSid": "SM" + "9" * 32,
    "SmsStatus": "receiving",
    "MessageStatus": "sending",
    "sid": "SM" + "9" * 32,
    "status": "sending",
    "direction": "outbound-call",
    "error_code": 30099,
    "date_sent": "Thu, 24 Aug 2023 05:01:46 +0000",
    "date_updated": "Thu, 24 Aug 2023 05:01:46 +0000",
    "num_media": "7",
    "CallStatus": "in-progress",
    "Direction": "outbound-dial",
    "start_time": "Thu, 24 Aug 2023 05:01:46 +0000",
    "end_time": "Thu, 24 Aug 2023 05:01:46 +0000",
}


# The names of a voice webhook and of a status callback as public captures show them (a caller's notes on calls of 2018
# and 2022, and Twilio's documentation of the two requests); the values are made up.
PLACE = {
    f"{end}{part}": "DK" for end in ("From", "To", "Caller", "Called") for part in ("City", "State", "Zip", "Country")
}
CALL = {
    "CallSid": "CA" + "a" * 32,
    "AccountSid": "AC" + "0" * 31 + "1",
    "ApiVersion": "2010-04-01",
    "From": "+14155550100",
    "Caller": "+14155550100",
    "To": "+15558675310",
    "Called": "+15558675310",
    "CallStatus": "ringing",
    "Direction": "inbound",
    "ForwardedFrom": "+15558675311",
    "CallerName": "ANN EXAMPLE",
    "CallToken": "made-up",
    **PLACE,
}
CALLBACK = {
    **CALL,
    "Direction": "outbound-api",
    "CallStatus": "completed",
    "Timestamp": "Sun, 25 Mar 2018 09:53:19 +0000",
    "CallbackSource": "call-progress-events",
    "SequenceNumber": "3",
    "Duration": "1",
    "CallDuration": "49",
    "AnsweredBy": "human",
    "SipResponseCode": "200",
    "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
    "RecordingSid": "RE" + "a" * 32,
    "RecordingDuration": "48",
}


@pytest.fixture
def now(received):
    return received.__globals__["NOW"]


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    else:
        yield path, value


def changed(document, path, value):
    copied = copy.deepcopy(document)
    target = copied
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return copied


def pattern_of(path, dropped):
    text = ".".join(str(part) for part in path)
    return next((p for p in dropped if re.fullmatch(re.escape(p).replace(r"\*", ".*"), text)), None)


def _examples(answer):
    return answer["content"]["application/json"]["examples"].items()


def test_every_leaf_is_accounted_for(settings, vendor_specs, now):
    def webhook(fields):
        body = urlencode(fields).encode()
        inbound = Inbound("sms", "https://shop.example.com/in/sms", {"content-type": FORM}, body, now)
        return dump_observations(translate(settings, inbound))

    def record(document):
        return dump_observations(record_snapshots(settings, MessageRecord.model_validate(document), None, now))

    def call(document):
        return dump_observations(record_call(CallRecord.model_validate(document)))

    samples = []
    for path in sorted((vendor_specs / "twilio" / "webhooks").glob("*.form")):
        samples.append((path.name, dict(parse_qsl(path.read_text().strip(), keep_blank_values=True)), webhook))
    spec = json.loads((vendor_specs / "twilio/openapi/twilio_api_v2010.messages_calls.json").read_text())
    posts = spec["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]["responses"]["201"]
    for name, item in posts["content"]["application/json"]["examples"].items():
        samples.append((name, item["value"], record))
    reads = spec["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"]["get"]["responses"]["200"]
    for name, item in reads["content"]["application/json"]["examples"].items():
        samples.append((name, item["value"], record))
    samples += [("voice webhook", CALL, webhook), ("voice callback", CALLBACK, webhook)]
    placed = spec["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["responses"]["201"]
    called = spec["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json"]["get"]["responses"]["200"]
    for name, item in (*_examples(placed), *_examples(called)):
        samples.append((name, item["value"], call))
    assert len(samples) >= 19

    used, missing = set(), []
    for name, document, see in samples:
        before = see(document)
        for path, value in leaves(document):
            other = OTHER.get(path[-1], f"{value or ''}9")
            try:
                differs = see(changed(document, path, other)) != before
            except (InvalidMessage, ValidationError):
                differs = True
            reason = pattern_of(path, CONNECTOR.dropped)
            if differs:
                continue
            if reason is None:
                missing.append((name, path))
            else:
                used.add(reason)
    assert not missing
    assert used == set(CONNECTOR.dropped), "dropped, and yet mapped or never seen"
    assert all(CONNECTOR.dropped.values())
