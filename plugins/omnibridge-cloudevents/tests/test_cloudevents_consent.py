"""Asking before sending: what is asked, what counts as consent, what is kept of it, and how the rate is kept to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omnibridge_cloudevents import CONNECTOR, CloudEventsSettings, consent
from omnibridge_cloudevents.consent import fits, granted, obtain
from omnibridge_cloudevents.sandbox import CloudEventsSandbox

from omnibridge.connector import Credential, Fault, Response, Window
from omnibridge.errors import AuthExpired, Permanent, Retryable
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
