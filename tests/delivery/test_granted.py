"""A permission to send is asked for once, kept over restarts, brings its own limit, and ends where it is withdrawn."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgi_client import ask

from omnibridge.connector import (
    Auth,
    Class,
    Connector,
    Credential,
    Delivery,
    Http,
    Limits,
    Outcome,
    Receipt,
    Request,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Upsert,
    Window,
    classify_http,
    deliver,
)
from omnibridge.daemon import DaemonApp
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.journal import ClearSeal, DeliveryState, open_journal
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends


class Gated(Settings):
    """A system that is asked first."""

    who: str = "us"


async def _ask(settings: Gated, old: Credential | None, http: Http) -> Credential:
    answer = await http.request("POST", "/ask", json={"who": settings.who}, protection=Upsert())
    if not answer.ok:
        raise Permanent("refused", code=str(answer.status))
    return Credential({"who": settings.who, "rate": answer.json()["rate"]})


def _headers(settings: Gated, credential: Credential | None, request: Request, now: datetime) -> dict[str, str]:
    return {"x-who": credential.values["who"]} if credential is not None else {}


def _granted(settings: Gated, credential: Credential) -> Window | None:
    rate = int(credential.values["rate"])
    return Window(1, timedelta(minutes=1) / rate) if rate else None


def _classify(request: Request, response: Response, now: datetime) -> Outcome:
    if response.status == 410:
        return Outcome(Class.PERMANENT, code="410", reason="it is gone", stops=True)
    if response.status == 409:
        return Outcome(Class.RETRY, after=timedelta(hours=2), reason="it has not agreed")
    return classify_http(request, response, now)


async def _tell(settings: Gated, event: Event, delivery: Delivery, http: Http) -> Receipt:
    answer = await http.post("/tell", json={"id": event.id}, protection=Upsert())
    if not answer.ok:
        raise Permanent("refused", code=str(answer.status))
    return Receipt()


GATED = Connector(
    name="gated",
    title="Gated",
    settings=Gated,
    base_url=lambda _: "https://gated.example",
    auth=Auth(
        headers=_headers, obtain=_ask, fits=lambda settings, credential: credential.values["who"] == settings.who
    ),
    limits=Limits(granted=_granted),
    classify=_classify,
    delivers=(deliver(Event, _tell),),
)


class Gate(Sandbox):
    """Grants `rate` (requests a minute, 0 for any) and answers everything else with `status`."""

    def __init__(self, rate: int = 0, status: int = 204, answer: int = 200) -> None:
        super().__init__()
        self.rate, self.status, self.answer = rate, status, answer
        self.at: list[float] = []
        self.bridge: Any = None

    def respond(self, request: SandboxRequest) -> Response:
        if request.path == "/ask":
            return Response(self.answer, content=json.dumps({"rate": str(self.rate)}).encode())
        self.at.append(self.bridge.time.monotonic())
        return Response(self.status)

    @property
    def asked(self) -> int:
        return sum(request.path == "/ask" for request in self.log)


def bridge(gate: Gate, *, who: str = "us", journal: Any = None, clock: Any = None) -> TestBridge:
    toml = f"""
        [channels.gated]
        connector = "gated"
        [channels.gated.settings]
        who = "{who}"
        [[routes]]
        name = "all"
        events = ["com.example.*"]
        to = ["gated"]
    """
    made = TestBridge(toml, connectors=[GATED], sandboxes={"gated.example": gate}, journal=journal, clock=clock)
    gate.bridge = made
    return made


async def publish(running: TestBridge, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await running.publish(Event.make("com.example.done", {}, id=str(number), source="/s"))


async def test_it_is_asked_for_once_whoever_waits_and_not_again_after_a_restart():
    gate, clock = Gate(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with bridge(gate, journal=journal, clock=clock) as running:
            await publish(running, 20)
            await running.settle(10)
            assert (gate.asked, len(gate.at)) == (1, 20)
        async with bridge(gate, journal=journal, clock=clock) as running:
            await publish(running, 1, first=20)
            await running.settle(10)
            assert (gate.asked, len(gate.at)) == (1, 21)
            assert {request.headers["x-who"] for request in gate.log if request.path == "/tell"} == {"us"}


async def test_one_given_under_other_settings_is_asked_for_anew():
    gate, clock = Gate(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for place, who in enumerate(["us", "others"]):
            async with bridge(gate, who=who, journal=journal, clock=clock) as running:
                await publish(running, 1, first=place)
                await running.settle(10)
    assert [(r.path, r.headers.get("x-who")) for r in gate.log] == [
        ("/ask", None),
        ("/tell", "us"),
        ("/ask", None),
        ("/tell", "others"),
    ]


@pytest.mark.parametrize("rate", [1, 6, 120])
async def test_its_limit_holds_over_any_minute(rate):
    gate = Gate(rate)
    async with bridge(gate) as running:
        await publish(running, 10)
        await running.settle(1200)
        assert len(gate.at) == 10
        within = max(sum(start <= at < start + 60 for at in gate.at) for start in gate.at)
        assert within <= rate


async def test_a_wish_to_wait_is_kept_to_in_full_by_everything_and_told():
    gate = Gate(status=409)
    async with bridge(gate) as running:
        await publish(running, 3)
        await running.settle(7190)
        assert 1 <= len(gate.at) <= 3  # those that were under way at once
        gate.status = 204
        rows = await running.journal.deliveries(channel="gated")
        assert {row.last.text for row in rows if row.last} == {"it has not agreed"}
        before = len(gate.at)
        await running.settle(120)
        assert len(gate.at) == before + 3
        assert min(gate.at[before:]) >= 7200


@pytest.mark.parametrize("where", ["the answer to an event", "the answer to the question"])
async def test_after_a_stop_nothing_leaves_and_everything_is_a_dead_letter_that_says_why(where):
    gate = Gate(status=410) if "event" in where else Gate(answer=410)
    async with bridge(gate) as running:
        await publish(running, 1)
        await running.settle(10)
        left = len(gate.log)
        await publish(running, 5, first=1)
        await running.settle(3600)
        assert len(gate.log) == left
        rows = await running.journal.deliveries(channel="gated")
        assert [row.state for row in rows] == [DeliveryState.DEAD] * 6
        texts = [row.last.text or "" for row in rows if row.last]
        assert sum("not sent: it is gone; restart the bridge" in text for text in texts) == 5
        ready = await ask(DaemonApp(running), "GET", "/readyz")
        assert ready is not None
        assert ready.status == 200
        assert json.loads(ready.body)["channels"]["gated"].startswith("stopped: it is gone;")


async def test_a_restart_tries_again_and_what_was_dead_is_replayed():
    gate, clock = Gate(status=410), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with bridge(gate, journal=journal, clock=clock) as running:
            await publish(running, 2)
            await running.settle(10)
            dead = await journal.deliveries(state="dead")
            assert len(dead) == 2
        gate.status = 204
        async with bridge(gate, journal=journal, clock=clock) as running:
            before = len(gate.at)
            assert await journal.replay([row.id for row in dead], clock.now()) == 2
            running.wake()
            await running.settle(10)
            assert len(gate.at) == before + 2
            assert await journal.deliveries(state="dead") == []
