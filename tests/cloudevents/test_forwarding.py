"""An event passes through the bridge: the project's conformance cases, 64 KiB in any shape, extensions nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from asgi_client import ask
from feature_cases import http_cases
from omnibridge_cloudevents import CloudEventsSettings
from omnibridge_cloudevents.sandbox import CloudEventsSandbox

from omnibridge.codec import HttpMessage, write_binary, write_structured
from omnibridge.daemon import DaemonApp
from omnibridge.event import Event
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
TOKEN = "t0ken"
DOORS = pytest.mark.parametrize("door", ["/events", "/in/partner"])
MODES = pytest.mark.parametrize("mode", ["binary", "structured"])


def bridge(mode: str = "binary") -> tuple[TestBridge, CloudEventsSandbox]:
    sandbox = CloudEventsSandbox(CloudEventsSettings(url="https://receiver.example/events"))
    toml = f"""
        [server]
        token = "{TOKEN}"
        [channels.partner]
        connector = "cloudevents"
        settings.access_tokens = ["{TOKEN}"]
        [channels.receiver]
        connector = "cloudevents"
        settings.url = "https://receiver.example/events"
        settings.mode = "{mode}"
        [[routes]]
        name = "all"
        events = ["com.example.*"]
        to = ["receiver"]
    """
    return TestBridge(toml, sandboxes={"receiver.example": sandbox}), sandbox


async def send(running: TestBridge, door: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    answer = await ask(DaemonApp(running), "POST", door, body, [*headers, ("Authorization", f"Bearer {TOKEN}")])
    assert answer is not None
    assert (answer.status, answer.body) == (202, b"")
    await running.settle(10)


async def send_event(running: TestBridge, door: str, made: HttpMessage) -> None:
    await send(running, door, [*made.headers.items(), ("content-type", made.content_type or "")], made.body)


@DOORS
async def test_every_case_of_the_http_binding(cloudevents_specs, door):
    for case in http_cases(cloudevents_specs):
        running, sandbox = bridge()
        async with running:
            await send(running, door, case.headers.items(), case.body)
            [stored] = await running.journal.events()
            event = stored.event.with_extensions(channel=None)  # where it came from, for the bridge itself
            assert event.attributes() == case.attributes, case.title
            assert stored.event.data == case.data, case.title
            [left] = sandbox.events.values()
            assert left == event.with_extensions(hops=1)


KIB = 64 * 1024


@DOORS
@MODES
@pytest.mark.parametrize("where", ["data", "an attribute", "many attributes"])
async def test_an_event_of_64_kib_is_forwarded_in_any_shape(door, mode, where):
    room = KIB - 300
    event = Event.make(
        "com.example.done",
        {"text": "x" * room} if where == "data" else {},
        id="1",
        source="/s",
        subject="x" * room if where == "an attribute" else None,
        extensions={f"x{n}": "y" * 80 for n in range(room // 95)} if where == "many attributes" else None,
    )
    made = write_binary(event) if mode == "binary" else write_structured(event)
    assert 0.85 * KIB < len(made.body) + sum(len(n) + len(v) + 4 for n, v in made.headers.items()) <= KIB
    running, sandbox = bridge(mode)
    async with running:
        await send_event(running, door, made)
        assert list(sandbox.events.values()) == [event.with_extensions(hops=1)]


@DOORS
@MODES
async def test_extensions_that_nobody_knows_travel_like_core_attributes(door, mode):
    extensions = {
        "comexamplething": 'æ 1% "of" ✓',
        "expirytime": "2030-01-01T00:00:00Z",
        "recordedtime": "2025-01-01T00:00:00.000000001Z",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "dataref": "https://example.com/a%20b",
        "partitionkey": "customer 7",
        "sequence": "0000000042",
        "correlationid": "c-1",
        "causationid": "e-0",
        "dataclassification": "confidential",
    }
    event = Event.make("com.example.done", {"n": 1}, id="1", source="/s", extensions=extensions)
    for made in (write_binary(event), write_structured(event)):
        running, sandbox = bridge(mode)
        async with running:
            await send_event(running, door, made)
            [left] = sandbox.events.values()
            assert left == event.with_extensions(hops=1)


@DOORS
async def test_equal_source_and_id_is_the_same_event_however_it_comes(door):
    event = Event.make("com.example.done", {"n": 1}, id="1", source="/s")
    running, sandbox = bridge()
    async with running:
        for made in (write_binary(event), write_structured(event), write_binary(event)):
            await send_event(running, door, made)
        assert len(await running.journal.events()) == 1
        assert (len(sandbox.events), sandbox.requests) == (1, 1)
        other = Event.make("com.example.done", {"n": 1}, id="1", source="/other")
        await send_event(running, door, write_binary(other))
        assert len(sandbox.events) == 2
