"""The HTTP face inside somebody else's application, under a prefix."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from small_shop import one_shop, seen, small_shop, webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from omnibridge.codec import write_structured
from omnibridge.event import Event
from omnibridge.model import Customer
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ours")


@pytest.mark.parametrize("prefix", ["/bridge", "/a/b", "/in", "/events", ""])
async def test_it_serves_under_any_prefix_beside_other_routes(prefix):
    toml = one_shop('[server]\ntoken = "t"').replace("https://bridge.example", f"https://bridge.example{prefix}")
    async with TestBridge(toml, connectors=[small_shop()]) as running:
        app = Starlette(routes=[Route("/home", home), Mount(prefix, running.asgi())])
        transport: Any = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://bridge.example") as client:
            made = webhook(seen(Customer(given_name="Anna"), "1", 1), id_="d1")
            answer = await client.post(f"{prefix}/in/shop/s3?x=1", content=made.body, headers=dict(made.headers))
            assert answer.status_code == 200
            [row] = await running.journal.inbox()
            assert row.meta["url"] == f"https://bridge.example{prefix}/in/shop/-?x=1"

            message = write_structured(Event.make("com.example.done", {}, id="1", source="/s"))
            headers = {"content-type": message.content_type or "", "authorization": "Bearer t"}
            assert (await client.post(f"{prefix}/events", content=message.body, headers=headers)).status_code == 202

            assert (await client.get("/home")).text == "ours"
            assert (await client.post(f"{prefix}/in/nobody")).status_code == 404
            assert (await client.post(f"{prefix}/else")).status_code == 404
            if prefix:
                assert (await client.post("/in/shop")).status_code == 404


async def test_two_bridges_live_in_one_application():
    toml = one_shop()
    async with TestBridge(toml, connectors=[small_shop()]) as one, TestBridge(toml, connectors=[small_shop()]) as two:
        app = Starlette(routes=[Mount("/one", one.asgi()), Mount("/two", two.asgi())])
        transport: Any = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://bridge.example") as client:
            made = webhook(seen(Customer(given_name="Anna"), "1", 1))
            assert (await client.post("/two/in/shop", content=made.body, headers=dict(made.headers))).status_code == 200
        assert await one.journal.inbox() == []
        assert len(await two.journal.inbox()) == 1


async def test_the_application_may_be_made_before_the_bridge_runs():
    running = TestBridge(one_shop(), connectors=[small_shop()])
    transport: Any = httpx.ASGITransport(running.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="https://bridge.example") as client:
        assert (await client.post("/in/shop")).status_code == 503
        async with running:
            assert (await client.post("/in/shop")).status_code == 401
