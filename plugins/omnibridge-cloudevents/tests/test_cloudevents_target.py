"""A channel's address as a target of the WebHook specification, through a running bridge."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from asgi_client import Answer, ask

from omnibridge.event import Event
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
TOKEN = "t0ken-of-the-partner"
BODY = b'{"specversion":"1.0","id":"%d","source":"/things","type":"com.example.done","data":{}}'
STRUCTURED = ("content-type", "application/cloudevents+json")
BEARER = ("authorization", f"Bearer {TOKEN}")


def bridge(more: str = "") -> TestBridge:
    return TestBridge(f"""
        [bridge]
        public_url = "https://bridge.example"
        [channels.partner]
        connector = "cloudevents"
        [channels.partner.settings]
        access_tokens = ["{TOKEN}"]
        {more}
    """)


async def request(running: TestBridge, method: str, *headers: tuple[str, str], query: str = "", id_: int = 1) -> Answer:
    body = BODY % id_ if method == "POST" else b""
    answer = await ask(running.asgi(), method, f"/in/partner{query}", body, headers)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("more", "asked", "origin", "rate"),
    [
        ('webhook_origins = ["partner.example"]', "partner.example", "partner.example", "*"),
        ('webhook_origins = ["partner.example"]\nwebhook_rate = 60', "PARTNER.example", "PARTNER.example", "60"),
        ('webhook_origins = ["*"]', "anybody.example", "*", "*"),
        ('webhook_origins = ["partner.example"]', "stranger.example", None, None),
        ("", "partner.example", None, None),
    ],
)
async def test_who_asks_is_told_at_once_and_only_the_known_may(more, asked, origin, rate):
    async with bridge(more) as running:
        answer = await request(
            running,
            "OPTIONS",
            ("webhook-request-origin", asked),
            ("webhook-request-rate", "120"),
            ("webhook-request-callback", "https://partner.example/confirm?key=k"),
        )
        assert (answer.status, answer.headers["allow"]) == (200, "POST, OPTIONS")
        assert answer.headers.get("webhook-allowed-origin") == origin
        assert answer.headers.get("webhook-allowed-rate") == rate
        await running.settle(60)
        assert not any(worker.outcomes for worker in running.workers.values())  # nobody is called back


@pytest.mark.parametrize("query", ["", f"?access_token={TOKEN}", f"?a=b&access%5Ftoken={TOKEN}&c=d"])
async def test_a_token_is_taken_in_both_places_and_never_kept(query, capsys):
    async with bridge() as running:
        headers = [] if query else [BEARER]
        answer = await request(running, "POST", STRUCTURED, *headers, query=query)
        assert (answer.status, answer.body) == (202, b"")
        assert answer.headers.get("cache-control") == ("private" if query else None)
        await running.settle()
        [row] = await running.journal.inbox()
        [stored] = await running.journal.events()
        said = capsys.readouterr()
        assert TOKEN not in repr((row, stored, answer)) + said.out + said.err
        assert stored.event.id == "1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_deliveries_are_posted(method):
    async with bridge() as running:
        answer = await request(running, method)
        assert answer.status == 405
        assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "kind", ["application/cloudevents+xml", "application/cloudevents+json; charset=utf-16", "text/plain", ""]
)
async def test_a_form_that_nobody_reads_is_415_and_not_stored(kind):
    async with bridge() as running:
        answer = await request(running, "POST", ("content-type", kind), BEARER)
        assert answer.status == 415
        assert await running.journal.inbox() == []
        assert (await request(running, "POST", ("content-type", kind))).status == 401  # a stranger learns nothing


async def test_what_is_wrong_inside_is_kept_and_shown():
    async with bridge() as running:
        answer = await ask(running.asgi(), "POST", "/in/partner", b"{", [STRUCTURED, BEARER])
        assert answer is not None
        assert answer.status == 202
        await running.settle()
        [row] = await running.journal.inbox()
        assert row.state == "invalid"


async def test_more_than_the_rate_is_429_with_the_time_to_wait():
    async with bridge("webhook_rate = 2") as running:
        statuses = [(await request(running, "POST", STRUCTURED, BEARER, id_=n)).status for n in range(2)]
        assert statuses == [202, 202]
        for _ in range(5):
            assert (await request(running, "POST", STRUCTURED)).status == 401  # takes nothing of it
        refused = await request(running, "POST", STRUCTURED, BEARER, id_=3)
        assert refused.status == 429
        await running.time.advance(int(refused.headers["retry-after"]))
        assert (await request(running, "POST", STRUCTURED, BEARER, id_=3)).status == 202
        assert running.ingress.accepted["partner", "refused"] == 1


async def test_a_bridge_delivers_to_a_bridge():
    """Both sides of the specification, with nothing in between but the two bridges' own code."""
    async with bridge('webhook_origins = ["shop.example"]\nwebhook_rate = 60') as target:
        toml = f"""
            [channels.out]
            connector = "cloudevents"
            [channels.out.settings]
            url = "https://bridge.example/in/partner"
            origin = "shop.example"
            bearer_token = "{TOKEN}"
            rate = 600
            [[routes]]
            name = "all"
            events = ["com.example.*"]
            to = ["out"]
        """
        app: Any = target.asgi()
        sender = TestBridge(toml)
        sender._transport = httpx.ASGITransport(app)
        async with sender:
            for number in range(3):
                await sender.publish(Event.make("com.example.done", {"n": number}, id=str(number), source="/shop"))
            await sender.settle(10)
        await target.settle()
        assert sorted(stored.event.id for stored in await target.journal.events()) == ["0", "1", "2"]
