"""Each kind of answer is classed as what happens next, and no error shows a person's number."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_twilio import CONNECTOR
from omnibridge_twilio.answers import classify, refusal

from omnibridge.connector import Class, NativeKey, Request, Response

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
READ = Request("GET", "/x", reads=True)
SEND = Request("POST", "/x", step="send")
KEYED = Request("POST", "/x", step="send", protection=NativeKey())


def answer(status, code=None, message="", headers=None):
    body = json.dumps({"code": code, "message": message, "more_info": "x", "status": status}).encode()
    return Response(status, headers or {}, body if code is not None else b"")


@pytest.mark.parametrize(
    ("request_", "response", "kind"),
    [
        (SEND, answer(201), Class.OK),
        (READ, answer(200), Class.OK),
        (SEND, answer(429, 20429), Class.RETRY),
        (SEND, answer(429), Class.RETRY),
        (SEND, answer(400, 30001), Class.RETRY),
        (SEND, answer(400, 21611), Class.RETRY),
        (SEND, answer(400, 14107), Class.RETRY),
        (SEND, answer(401, 20003), Class.RETRY),
        (READ, answer(401), Class.RETRY),
        (SEND, answer(403, 20005), Class.RETRY),
        (SEND, answer(400, 30002), Class.RETRY),
        (SEND, answer(503, 20503), Class.RETRY),
        (SEND, answer(503), Class.AMBIGUOUS),
        (READ, answer(503), Class.RETRY),
        (KEYED, answer(503), Class.RETRY),
        (SEND, answer(500, 20500), Class.AMBIGUOUS),
        (SEND, answer(502), Class.AMBIGUOUS),
        (SEND, answer(504), Class.AMBIGUOUS),
        (READ, answer(500), Class.RETRY),
        (SEND, answer(400, 21211), Class.PERMANENT),
        (SEND, answer(400, 21408), Class.PERMANENT),
        (SEND, answer(400, 21610), Class.PERMANENT),
        (SEND, answer(400, 21617), Class.PERMANENT),
        (READ, answer(404, 20404), Class.PERMANENT),
        (SEND, answer(403), Class.PERMANENT),
        (SEND, answer(302), Class.PERMANENT),
        (SEND, Response(400, {}, b'{"code":"21211"'), Class.PERMANENT),
        (SEND, Response(400, {}, b'{"code":[]}'), Class.PERMANENT),
    ],
)
def test_classes(request_, response, kind):
    outcome = classify(request_, response, NOW)
    assert outcome.kind is kind
    if kind is not Class.OK:
        assert outcome.code


def test_the_vendors_wish_wins():
    assert classify(SEND, answer(429, 20429, headers={"retry-after": "7"}), NOW).after == timedelta(seconds=7)
    assert classify(SEND, answer(401, 20003, headers={"retry-after": "7"}), NOW).after == timedelta(seconds=7)
    assert classify(SEND, answer(429, 20429), NOW).after is None
    assert classify(SEND, answer(401, 20003), NOW).after == timedelta(minutes=5)


def test_what_an_answer_says_about_the_limit(settings):
    limits = CONNECTOR.limits
    assert limits.learn is not None
    assert limits.scope is not None
    assert limits.source
    assert limits.scope(settings) == settings.account_sid
    assert limits.learn(answer(200)) is None
    for header, seconds in ({}, 1), ({"retry-after": "30"}, 30), ({"retry-after": "9" * 5000}, 1):
        learned = limits.learn(answer(429, 20429, headers=header))
        assert learned is not None
        assert learned.pause == timedelta(seconds=seconds)


@given(st.binary(max_size=80), st.integers(100, 599))
def test_any_answer_is_classed(body, status):
    for request in (READ, SEND):
        assert isinstance(classify(request, Response(status, {}, body), NOW).kind, Class)
    assert refusal(Response(status, {}, body), "refused").code


def test_numbers_are_masked():
    response = answer(400, 21211, "The 'To' number +14155550100 or (415) 555-0100 is wrong, see 21211")
    assert "555" not in str(refusal(response, "refused"))
    reason = classify(SEND, response, NOW).reason
    assert reason is not None
    assert "555" not in reason
    assert "21211" in reason
