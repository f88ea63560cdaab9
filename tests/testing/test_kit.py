"""The kit for authors: a clock in the hand, exchanges without a network, sandboxes over real sockets."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
from small_shop import ShopSandbox, SmallShop, ask, one_shop, polled, read, seen, small_shop, webhook

from omnibridge.connector import Fault, Http, Lookup, Outgoing, Response
from omnibridge.errors import Ambiguous, AuthExpired, Permanent, Retryable
from omnibridge.model import Customer
from omnibridge.testing import (
    Drive,
    ManualClock,
    SandboxServer,
    SandboxTransport,
    TestBridge,
    drive,
    free_port,
    post,
    wait_until,
)

SETTINGS = SmallShop()


# -- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.both_backends
async def test_sleepers_wake_in_order_and_see_their_own_time():
    clock, woke = ManualClock(datetime(2026, 3, 1, tzinfo=UTC)), []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append((name, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("c", 30), ("a", 10), ("b", 20), ("now", 0)):
            tasks.start_soon(sleeper, name, seconds)
        await anyio.wait_all_tasks_blocked()
        assert clock.sleeping == 3
        assert clock.next_alarm() == 10
        await clock.advance(25)
        assert woke == [("now", 0.0), ("a", 10.0), ("b", 20.0)]
        assert clock.now() == datetime(2026, 3, 1, 0, 0, 25, tzinfo=UTC)
        await clock.advance(25)
    assert woke[-1] == ("c", 30.0)
    assert clock.next_alarm() is None


@pytest.mark.both_backends
async def test_waiting_ends_with_the_event_or_with_the_time():
    clock, event, got = ManualClock(), anyio.Event(), []

    async def waiter(seconds: float | None) -> None:
        got.append((seconds, await clock.wait(event, seconds)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waiter, 5)
        tasks.start_soon(waiter, None)
        tasks.start_soon(waiter, 50)
        await anyio.wait_all_tasks_blocked()
        await clock.advance(5)
        assert got == [(5, False)]
        event.set()
    assert sorted(got, key=str) == [(5, False), (50, True), (None, True)]
    assert await clock.wait(event, 1) is True
    assert clock.sleeping == 0


@pytest.mark.both_backends
async def test_a_sleeper_that_is_cancelled_is_forgotten():
    clock = ManualClock()
    with anyio.move_on_after(0):
        await clock.sleep(10)
    assert clock.next_alarm() is None


# -- exchanges -------------------------------------------------------------------------------------------------------


def find(http: Http) -> Any:
    return read(SETTINGS, Lookup("customer", "1"), http)


def test_an_exchange_runs_against_a_sandbox_without_a_loop():
    box = ShopSandbox()
    box.things["/customers/1"] = [seen(Customer(given_name="Anna"), "1", 1)]
    driven = drive(small_shop(), SETTINGS, box, find)
    [snapshot] = driven.result
    assert snapshot.entity == Customer(given_name="Anna")
    assert [request.path for request in driven.requests] == ["/customers/1"]
    assert [request.path for request in box.log] == ["/customers/1"]


def test_an_exchange_runs_against_a_script_and_the_script_may_end():
    driven = drive(small_shop(), SETTINGS, [Response(200, {}, b"[]")], find)
    assert driven.result == []
    with pytest.raises(Permanent, match="the script has no answer for GET /customers/1"):
        drive(small_shop(), SETTINGS, [], find)


@pytest.mark.parametrize(
    ("status", "error"), [(429, Retryable), (503, Retryable), (401, AuthExpired), (404, None), (422, None)]
)
def test_answers_are_classed_as_in_production(status, error):
    def answer(request: Any) -> Response:
        return Response(status, {"retry-after": "7"})

    if error is None:
        assert drive(small_shop(), SETTINGS, answer, find).result == []
        return
    with pytest.raises(error) as raised:
        drive(small_shop(), SETTINGS, answer, find)
    if isinstance(raised.value, Retryable):
        assert raised.value.after == timedelta(seconds=7)


def test_a_lost_answer_to_a_bare_write_is_ambiguous():
    async def write(http: Http) -> None:
        await http.post("/messages", json={})

    with pytest.raises(Ambiguous):
        drive(small_shop(), SETTINGS, [Response(502)], write)


def test_an_effect_that_nobody_awaits_is_an_error():
    async def forgetful(http: Http) -> None:
        http.now()  # pyright: ignore[reportUnusedCoroutine]

    with pytest.raises(TypeError, match="never awaited: it did nothing, as `await` is missing"):
        drive(small_shop(), SETTINGS, [], forgetful)


def test_what_was_emitted_and_kept_is_there_to_look_at():
    box = ShopSandbox()
    box.changes = [seen(Customer(given_name="Anna"), "1", 1), ask("customer", "2")]
    [poll] = polled()
    made = Drive(small_shop(), SETTINGS, box)
    driven = made.run(lambda http: poll.run(SETTINGS, None, http))
    assert len(driven.emitted) == 2
    assert driven.pages[0][1] == {"at": 1}


# -- sandboxes -------------------------------------------------------------------------------------------------------


def test_a_sandbox_is_served_over_a_real_socket_with_its_faults():
    box = ShopSandbox()
    with SandboxServer(box) as server:
        assert httpx.put(f"{server.url}/customers/1", json={"a": 1}).status_code == 200
        box.faults.append(Fault(Response(503), times=2, method="PUT"))
        assert [httpx.put(f"{server.url}/customers/1", json={}).status_code for _ in range(3)] == [503, 503, 200]
        box.faults.append(Fault(lost=True))
        with pytest.raises(httpx.TransportError):
            httpx.put(f"{server.url}/customers/9", json={})
        assert [path for path, _ in box.puts] == ["/customers/1", "/customers/1", "/customers/9"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_webhooks_of_a_sandbox_are_posted_where_they_are_meant_to_go():
    receiver, sender = ShopSandbox(), ShopSandbox()
    with SandboxServer(receiver) as there, SandboxServer(sender, deliver=True):
        sender.outbox.append(Outgoing(f"{there.url}/messages?a=b", {"content-type": "application/json"}, b'{"n":1}'))
        assert wait_until(lambda: receiver.messages == [{"n": 1}], 5)
        assert receiver.log[0].query == {"a": "b"}
    assert post(Outgoing(f"{there.url}/messages", {}, b"{}")) is None


@pytest.mark.both_backends
async def test_a_host_that_is_down_refuses_connections():
    transport = SandboxTransport({"shop.example": ShopSandbox()})
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("https://shop.example/changes")).status_code == 200
        transport.down.add("shop.example")
        for host in ("shop.example", "nobody.example"):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://{host}/changes")


# -- the bridge ------------------------------------------------------------------------------------------------------


@pytest.mark.both_backends
async def test_hours_pass_in_a_moment_and_polls_run_in_them():
    box = ShopSandbox()
    connectors = [small_shop(polls=polled(timedelta(minutes=30)))]
    async with TestBridge(one_shop(), connectors=connectors, sandboxes={"shop.example": box}) as running:
        await running.settle(3600 + 10)
        assert len(box.log) == 3
        assert running.clock.now() == datetime(2026, 1, 1, 1, 0, 10, tzinfo=UTC)


@pytest.mark.both_backends
async def test_webhooks_of_the_sandboxes_come_in_while_it_settles():
    box = ShopSandbox()
    async with TestBridge(one_shop(), connectors=[small_shop()], sandboxes={"shop.example": box}) as running:
        box.outbox.append(webhook(seen(Customer(given_name="Anna"), "1", 1)))
        await running.settle()
        assert len(await running.journal.events()) == 1


@pytest.mark.both_backends
async def test_it_ends_at_once_although_somebody_sleeps_on_its_clock():
    box = ShopSandbox()
    box.faults.append(Fault(Response(503), times=99))
    connectors = [small_shop(polls=polled())]
    with anyio.fail_after(5):
        async with TestBridge(one_shop(), connectors=connectors, sandboxes={"shop.example": box}) as running:
            await running.idle()
            assert running.time.sleeping


# -- a sandbox on a real socket ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n",
        b"POST /things HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this",
    ],
    ids=["half a head", "half a body"],
)
def test_a_sandbox_never_sees_a_request_whose_sender_died(sent):
    sandbox = ShopSandbox()
    with SandboxServer(sandbox) as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 5) as sender:
            sender.sendall(sent)
            sender.shutdown(socket.SHUT_WR)
            while sender.recv(1000):
                pass
        assert sandbox.log == []


def test_a_free_port_is_given_once_and_by_nobody_else():
    given = [free_port() for _ in range(50)]
    assert len(set(given)) == 50
    assert all(port < 32768 for port in given)
