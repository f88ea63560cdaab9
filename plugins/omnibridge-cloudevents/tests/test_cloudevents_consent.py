"""Asking before sending: what is asked, what counts as consent, what is kept of it, and how the rate is kept to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omnibridge_cloudevents import CONNECTOR, CloudEventsSettings, consent
from omnibridge_cloudevents.consent import agreed, fits, granted, obtain
from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from pydantic import ValidationError

from omnibridge.connector import Credential, Fault, Inbound, Response, Window
from omnibridge.errors import AuthExpired, Permanent, Retryable, StorageError
from omnibridge.event import Event
from omnibridge.testing import TestBridge, drive

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OURS = "bridge.example.com"
URL = "https://partner.example/events?code=a%20b"


def settings(**changed: Any) -> CloudEventsSettings:
    return CloudEventsSettings.model_validate({"url": URL, "origin": OURS, **changed})


def asked(chosen: CloudEventsSettings, *answers: Response, old: Credential | None = None) -> Any:
    return drive(CONNECTOR, chosen, answers, lambda http: obtain(chosen, old, http), now=NOW, credential=Credential({}))


def agrees(origin: str = "*", status: int = 200, **more: str) -> Response:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return Response(status, {"webhook-allowed-origin": origin, **headers})


def test_the_question_goes_to_the_very_address_with_our_name_the_rate_and_the_token():
    (request,) = asked(settings(rate=120, bearer_token="t"), agrees()).requests
    assert (request.method, request.path, request.body) == ("OPTIONS", "/events?code=a%20b", b"")
    assert request.headers == {
        "webhook-request-origin": OURS,
        "webhook-request-rate": "120",
        "authorization": "Bearer t",
    }


@pytest.mark.parametrize("status", [200, 204, 301, 403, 405])
@pytest.mark.parametrize("origin", ["*", OURS, "Bridge.Example.COM"])
def test_consent_is_nothing_but_one_header(status, origin):
    given = asked(settings(), agrees(origin, status)).result
    assert given.expires == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "answer",
    [
        Response(200),
        Response(204, {"allow": "POST", "webhook-allowed-rate": "*"}),
        agrees("other.example.com"),
        agrees(f"{OURS}, other.example.com"),
        agrees(""),
        Response(405),
        Response(404),
        Response(302, {"location": "https://elsewhere.example/"}),
    ],
)
def test_anything_else_is_none_and_is_asked_again_later(answer):
    with pytest.raises(Retryable, match=f"has not agreed to deliveries from '{OURS}'") as caught:
        asked(settings(), answer)
    assert caught.value.after == timedelta(minutes=5)


def test_trouble_is_trouble_and_gone_is_gone():
    with pytest.raises(Retryable) as caught:
        asked(settings(), Response(429, {"retry-after": "77"}))
    assert caught.value.after == timedelta(seconds=77)
    with pytest.raises(AuthExpired):
        asked(settings(), Response(401))


def test_a_refused_token_is_not_mended_by_another_consent():
    chosen = settings(bearer_token="t")
    with pytest.raises(AuthExpired, match="token"):
        asked(chosen, old=Credential({}, NOW + timedelta(hours=1)))
    assert asked(chosen, agrees(), old=Credential({}, NOW + timedelta(seconds=119))).requests


def test_where_no_origin_is_set_nobody_is_asked():
    driven = asked(settings(origin=None))
    assert driven.requests == []
    assert driven.result.expires is None


@pytest.mark.parametrize(
    ("rate", "allowed", "each"),
    [
        (None, "*", None),
        (None, "", None),
        (None, "60", 1.0),
        (120, "*", 0.5),
        (120, "60", 1.0),
        (30, "60", 2.0),
        (30, "", 2.0),
        (None, "0", None),
        (None, "-1", None),
        (None, "many", None),
        (None, "\N{ARABIC-INDIC DIGIT ONE}", None),
        (None, "9" * 400, None),
    ],
)
def test_the_rate_is_the_lower_of_both_and_kept_to_evenly(rate, allowed, each):
    chosen = settings(rate=rate)
    given = asked(chosen, agrees(webhook_allowed_rate=allowed)).result
    expected = None if each is None else Window(1, timedelta(seconds=each))
    assert granted(chosen, given) == expected


@pytest.mark.parametrize("changed", [{"url": "https://partner.example/other"}, {"origin": "b.example"}, {"rate": 7}])
def test_a_consent_is_for_what_was_asked(changed):
    given = asked(settings(), agrees()).result
    assert fits(settings(), given)
    assert not fits(settings(**changed), given)
    assert fits(settings(bearer_token="new"), given)


# -- the answer that comes later -------------------------------------------------------------------------------------

CALLBACK = "https://bridge.example.com/in/partner/0123456789abcdef"


def call(secret: str | None = "0123456789abcdef", method: str = "GET", **headers: str) -> Inbound:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Inbound("partner", CALLBACK, named, b"", NOW, method=method, path_secret=secret)


def test_the_question_names_the_address_for_a_later_answer():
    (request,) = asked(settings(callback_url=CALLBACK), agrees()).requests
    assert request.headers == {"webhook-request-origin": OURS, "webhook-request-callback": CALLBACK}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "each"),
    [
        ({}, None),
        ({"webhook_allowed_rate": "60"}, 1.0),
        ({"webhook_allowed_rate": "*", "webhook_allowed_origin": "*"}, None),
        ({"webhook_allowed_origin": OURS.upper()}, None),
    ],
)
def test_whoever_knows_the_address_may_agree_also_by_hand(method, headers, each):
    chosen = settings(callback_url=CALLBACK)
    given = agreed(chosen, call(method=method, **headers))
    assert given is not None
    assert given.expires is None
    assert fits(chosen, given)
    assert granted(chosen, given) == (None if each is None else Window(1, timedelta(seconds=each)))


@pytest.mark.parametrize(
    "inbound",
    [
        call(None),
        call(""),
        call("0123456789abcdeF"),
        call(method="HEAD"),
        call(method="OPTIONS"),
        call(webhook_allowed_origin="other.example.com"),
    ],
)
def test_anything_else_there_is_no_consent(inbound):
    assert agreed(settings(callback_url=CALLBACK), inbound) is None
    assert agreed(settings(), call()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"callback_url": "http://bridge.example.com/in/partner/0123456789abcdef"},
        {"callback_url": "https://bridge.example.com/in/partner"},
        {"callback_url": "https://bridge.example.com/in/partner/short"},
        {"callback_url": f"{CALLBACK}?a=b"},
        {"callback_url": CALLBACK, "origin": None},
        {"callback_url": CALLBACK, "url": None},
        {"url": "https://partner.example:99999/"},
        {"url": "https://partner.example:0/"},
    ],
)
def test_addresses_that_cannot_be_are_refused_without_an_echo(changed):
    with pytest.raises(ValidationError) as caught:
        settings(**changed)
    assert "0123456789abcdef" not in str(caught.value)


# -- through a running bridge ----------------------------------------------------------------------------------------


def bridge(sandbox: CloudEventsSandbox, more: str = "") -> TestBridge:
    toml = f"""
        [channels.partner]
        connector = "cloudevents"
        [channels.partner.settings]
        url = "{URL}"
        origin = "{OURS}"
        {more}
        [[routes]]
        name = "all"
        events = ["com.example.*"]
        to = ["partner"]
    """
    running = TestBridge(toml, sandboxes={"partner.example": sandbox})
    sandbox.now = running.time.now
    return running


async def publish(running: TestBridge, *ids: str) -> None:
    for id_ in ids:
        await running.publish(Event.make("com.example.done", {"n": 1}, id=id_, source="/s"))


async def visit(running: TestBridge, method: str, secret: str) -> int:
    return (await running.ingress.webhook("partner", secret, method, "", {}, b"")).status


def methods(sandbox: CloudEventsSandbox) -> list[str]:
    return [request.method for request in sandbox.log]


@pytest.mark.both_backends
async def test_it_asks_again_after_a_while_and_names_itself_on_every_delivery(monkeypatch):
    monkeypatch.setattr(consent, "LASTS", timedelta(hours=1))
    sandbox = CloudEventsSandbox(settings())
    async with bridge(sandbox) as running:
        await publish(running, "1", "2", "3")
        await running.settle(10)
        assert methods(sandbox) == ["OPTIONS", "POST", "POST", "POST"]
        await running.time.advance(50 * 60)
        await publish(running, "4")
        await running.settle(10)
        assert methods(sandbox)[4:] == ["POST"]
        await running.time.advance(600)
        await publish(running, "5")
        await running.settle(10)
        assert methods(sandbox)[5:] == ["OPTIONS", "POST"]
        assert {request.headers["webhook-request-origin"] for request in sandbox.log} == {OURS}
        assert len(sandbox.events) == 5


@pytest.mark.both_backends
async def test_nothing_is_sent_before_the_consent_however_many_wait():
    sandbox = CloudEventsSandbox(settings())
    sandbox.agrees = False
    async with bridge(sandbox) as running:
        await publish(running, *map(str, range(20)))
        await running.settle(3600)
        assert set(methods(sandbox)) == {"OPTIONS"}
        assert len(sandbox.log) <= 12  # one each five minutes, not one each delivery
        rows = await running.journal.deliveries(channel="partner")
        assert {row.state for row in rows} == {"ready"}
        assert all("has not agreed" in (row.last.text or "") for row in rows if row.last)
        sandbox.agrees = True
        await running.settle(600)
        assert len(sandbox.events) == 20


@pytest.mark.both_backends
@pytest.mark.parametrize("way", ["POST by the receiver", "GET by hand"])
async def test_a_consent_by_callback_lets_out_what_waits_and_stays(way, monkeypatch):
    monkeypatch.setattr(consent, "LASTS", timedelta(minutes=10))
    sandbox = CloudEventsSandbox(settings())
    sandbox.agrees, sandbox.allowed_rate = False, 60
    async with bridge(sandbox, f'callback_url = "{CALLBACK}"') as running:
        await publish(running, "1", "2", "3")
        await running.settle(10)
        assert methods(sandbox) == ["OPTIONS"]
        assert await visit(running, "GET", "fedcba9876543210") == 405
        assert await visit(running, "POST", "fedcba9876543210") == 401
        await running.settle(310)
        assert set(methods(sandbox)) == {"OPTIONS"}
        if way == "GET by hand":
            assert await visit(running, "GET", "0123456789abcdef") == 200
        else:
            sandbox.confirm()
        await running.settle(310)
        assert len(sandbox.events) == 3
        asked_before = methods(sandbox).count("OPTIONS")
        kept = await running.journal.credential("partner")
        assert kept is not None
        assert b'"expires":null' in kept
        await running.time.advance(1200)
        await publish(running, "4")
        await running.settle(10)
        assert len(sandbox.events) == 4
        assert methods(sandbox).count("OPTIONS") == asked_before, "who agreed by hand is not asked each day"


@pytest.mark.both_backends
async def test_a_consent_that_cannot_be_stored_is_answered_503(monkeypatch):
    sandbox = CloudEventsSandbox(settings())
    sandbox.agrees = False
    async with bridge(sandbox, f'callback_url = "{CALLBACK}"') as running:

        async def full(channel: str, content: bytes) -> None:
            raise StorageError("no room")

        monkeypatch.setattr(running.journal, "save_credential", full)
        assert await visit(running, "GET", "0123456789abcdef") == 503
        await publish(running, "1")
        await running.settle(310)
        assert set(methods(sandbox)) == {"OPTIONS"}


@pytest.mark.both_backends
@pytest.mark.parametrize("whose", ["the receiver's", "ours"])
async def test_a_rate_is_kept_to(whose):
    sandbox = CloudEventsSandbox(settings())
    sandbox.allowed_rate = 6 if whose == "the receiver's" else None
    at: list[datetime] = []
    respond = sandbox.respond

    def timed(request: Any) -> Response:
        if request.method == "POST":
            at.append(sandbox.now())
        return respond(request)

    sandbox.respond = timed  # type: ignore[method-assign]
    async with bridge(sandbox, "rate = 6" if whose == "ours" else "rate = 600") as running:
        await publish(running, *map(str, range(10)))
        await running.settle(300)
        assert len(sandbox.events) == 10
        assert max(sum(one <= other < one + timedelta(minutes=1) for other in at) for one in at) <= 6


@pytest.mark.both_backends
async def test_429_binds_whatever_rate_was_allowed():
    sandbox = CloudEventsSandbox(settings())
    async with bridge(sandbox) as running:
        sandbox.faults.append(Fault(Response(429, {"retry-after": "7200"}), method="POST"))
        await publish(running, "1")
        await running.settle(60)
        await publish(running, "2", "3")
        await running.settle(7100)
        assert methods(sandbox) == ["OPTIONS", "POST"]
        await running.settle(120)
        assert len(sandbox.events) == 3


@pytest.mark.both_backends
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status):
    sandbox = CloudEventsSandbox(settings())
    elsewhere = CloudEventsSandbox(settings())
    async with bridge(sandbox) as running:
        running.vendors.sandboxes["elsewhere.example"] = elsewhere
        sandbox.faults.append(Fault(Response(status, {"location": "https://elsewhere.example/"}), method="POST"))
        await publish(running, "1")
        await running.settle(600)
        [row] = await running.journal.deliveries(channel="partner")
        assert row.state == "dead"
        assert row.last is not None
        assert "redirects" in (row.last.text or "")
        assert elsewhere.log == []
        assert methods(sandbox) == ["OPTIONS", "POST"]


@pytest.mark.both_backends
async def test_gone_stops_the_channel():
    sandbox = CloudEventsSandbox(settings())
    async with bridge(sandbox) as running:
        await publish(running, "1")
        await running.settle(10)
        sandbox.gone = True
        await publish(running, "2")
        await running.settle(10)
        left = len(sandbox.log)
        await publish(running, "3", "4")
        await running.settle(1800)
        assert len(sandbox.log) == left
        assert running.workers["partner"].stopped == "the receiver wants no more events at this address"
        dead = await running.journal.deliveries(state="dead")
        assert len(dead) == 3
        assert all("wants no more events" in (row.last.text or "") for row in dead if row.last)


def test_gone_at_the_question_is_a_refusal_too():
    with pytest.raises(Permanent, match="no more events"):
        asked(settings(), Response(410))
