"""The bridge's HTTP face, mounted in a Starlette application that keeps its own pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from omnibridge import Bridge, Config, Event
from omnibridge.codec import write_structured
from omnibridge.config import parse
from omnibridge.registry import Registry

TOML = """
[server]
token = "a-bearer-token"
"""


def config() -> Config:
    """Read from text here; a service gives `Bridge` the path of its bridge.toml."""
    from_text = parse(TOML, {}, Registry(), name="bridge.toml", folder=Path())
    return from_text.require()


def make_app(bridge: Bridge) -> Starlette:
    """The bridge starts and stops with the application; everything under /bridge is its own."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with bridge:
            yield

    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the shop's own page")

    return Starlette(routes=[Route("/", home), Mount("/bridge", bridge.asgi())], lifespan=lifespan)


def main() -> None:
    """Ask for a page, then post an event to the bridge with and without its token."""
    seen: list[object] = []
    bridge = Bridge(config(), memory=True)

    @bridge.handler("example.*")
    async def note(data: object, event: Event) -> None:
        seen.append(data)

    message = write_structured(Event.make("example.happened", {"number": 1}, id="1", source="/example"))
    headers = {**message.headers, "content-type": message.content_type or ""}
    with TestClient(make_app(bridge)) as client:
        print(client.get("/").text)
        print(client.post("/bridge/events", content=message.body, headers=headers).status_code)
        headers["authorization"] = "Bearer a-bearer-token"
        print(client.post("/bridge/events", content=message.body, headers=headers).status_code)
        assert client.portal is not None
        client.portal.call(bridge.idle)
    print(seen)


if __name__ == "__main__":
    main()
