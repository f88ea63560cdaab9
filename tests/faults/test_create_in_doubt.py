"""A create, its echo, and the end of the process before the receipt: the echo waits for what the create comes to."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from toy_shop import HOST, Crash, Shop, ShopSettings, bridge_to, crashing, tell, toy, webhook

from omnibridge.connector import (
    AnyConnector,
    Delivery,
    Http,
    NativeKey,
    Outgoing,
    Protection,
    Receipt,
    Reference,
    Response,
    SandboxRequest,
    Snapshot,
    Upsert,
    deliver,
    json_response,
)
from omnibridge.journal import ClearSeal, DeliveryState, Journal, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

pytestmark = pytest.mark.both_backends
DAY = timedelta(days=1)


class Dying(SandboxTransport):
    """Ends the process when the vendor has made the record, and before anybody hears of it."""

    async def handle_async_request(self, request: Any) -> Any:
        await super().handle_async_request(request)
        raise Crash


class Held:
    """A journal that gives out no work while it is held."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.held = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def claim(self, *args: Any) -> Any:
        return [] if self.held else await self._journal.claim(*args)

    async def next_due(self, channel: str) -> datetime | None:
        due = await self._journal.next_due(channel)
        return due + timedelta(days=1) if due and self.held else due


class Maker(Shop):
    """Makes one record for each of our ids, however often it is asked to, and lists them."""

    def respond(self, request: SandboxRequest) -> Response:
        """Make, or list."""
        if request.method == "GET":
            return json_response(self.made)
        ours = request.json()["ours"]
        if not any(record["ours"] == ours for record in self.made):
            self.made.append(request.json())
        return json_response({"id": "t1"})


def creating(protection: Protection | None, *, find: bool) -> AnyConnector:
    def receipt(customer: Customer) -> Receipt:
        seen = Snapshot(Customer(given_name=customer.given_name), "t1", 1)
        return Receipt((Reference("customer", "t1"),), (seen,))

    async def create(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.post("/customers", json={"ours": customer.id}, step="create", protection=protection)
        return receipt(customer)

    async def look(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
        made: Any = (await http.get("/customers")).json()
        return receipt(customer) if made else None

    return toy(None, deliver(Customer, create, find=look if find else None), webhook=webhook())


CASES = {
    "native key": creating(NativeKey(DAY), find=False),
    "upsert": creating(Upsert(), find=False),
    "looked up": creating(None, find=True),
}


@asynccontextmanager
async def killed_after_the_create(connector: AnyConnector, shop: Maker) -> AsyncGenerator[tuple[Journal, ManualClock]]:
    """The journal that a process leaves that was killed between the vendor's create and its receipt."""
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with (
            crashing(),
            bridge_to(shop, connector, journal=journal, clock=clock, vendors=Dying({HOST: shop})) as b,
        ):
            await tell(b, "c1", "Ann")
            await b.settle(5)
        assert len(shop.made) == 1
        journal.release(range(1, 100))  # the dead process's claims died with it
        yield journal, clock


async def echo(bridge: TestBridge) -> None:
    """The vendor tells of what we made there."""
    body = json.dumps({"id": "t1", "name": "Ann", "version": 1}).encode()
    await bridge.receive(Outgoing("http://b/in/shop", {"x-id": "echo"}, body))


@pytest.mark.parametrize("name", CASES)
async def test_an_echo_that_comes_before_the_create_is_taken_up_again_waits_for_it(name):
    connector, shop = CASES[name], Maker()
    async with killed_after_the_create(connector, shop) as (journal, clock):
        held: Any = Held(journal)
        async with bridge_to(shop, connector, journal=held, clock=clock) as bridge:
            await echo(bridge)
            await bridge.settle(10)
            assert [row.state for row in await journal.inbox(channel="shop")] == ["pending"]
            held.held = False
            await bridge.settle(60)
            assert [row.state for row in await journal.deliveries(channel="shop")] == [DeliveryState.DONE]
            assert await journal.events(channel="shop") == []
            assert [link.id for link in await journal.links("customer", "c1")] == ["c1"]
        assert len(shop.made) == 1


@pytest.mark.parametrize("name", CASES)
async def test_once_the_create_is_settled_nobody_elses_entity_waits(name):
    connector, shop = CASES[name], Maker()
    async with (
        killed_after_the_create(connector, shop) as (journal, clock),
        bridge_to(shop, connector, journal=journal, clock=clock) as bridge,
    ):
        await bridge.settle(60)
        body = json.dumps({"id": "t9", "name": "Zoe", "version": 1}).encode()
        await bridge.receive(Outgoing("http://b/in/shop", {"x-id": "else"}, body))
        await bridge.settle()
        assert [stored.event.name for stored in await journal.events(channel="shop")] == ["customer.created"]


async def test_a_create_that_nobody_takes_up_again_holds_nothing_up():
    """An operator settled it meanwhile: nothing is left that could be in doubt."""
    connector, shop = creating(None, find=False), Maker()
    async with (
        killed_after_the_create(connector, shop) as (journal, clock),
        bridge_to(shop, connector, journal=journal, clock=clock) as bridge,
    ):
        await bridge.settle(60)
        (row,) = await journal.deliveries(channel="shop")
        assert row.state is DeliveryState.UNKNOWN
        await echo(bridge)
        await bridge.settle()
        assert [stored.event.name for stored in await journal.events(channel="shop")] == ["customer.created"]


# -- in one process ------------------------------------------------------------------------------------------------


class Slow(SandboxTransport):
    """The vendor does what it is asked at once; its answers to one method come when the gate opens."""

    def __init__(self, shop: Maker, method: str) -> None:
        super().__init__({HOST: shop})
        self.method = method
        self.gate = anyio.Event()

    async def handle_async_request(self, request: Any) -> Any:
        answer = await super().handle_async_request(request)
        if request.method == self.method:
            await self.gate.wait()
        return answer


def keeping() -> AnyConnector:
    """A create that keeps its reference at once, and then has a second request to make before its receipt."""

    async def create(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.post("/customers", json={"ours": customer.id}, step="create", protection=NativeKey(DAY))
        await http.keep(Reference("customer", "t1"))
        await http.get("/customers")
        return Receipt((), (Snapshot(Customer(given_name=customer.given_name), "t1"),))

    return toy(None, deliver(Customer, create), webhook=webhook())


async def test_an_echo_waits_for_the_receipt_also_where_the_reference_is_kept_already():
    shop = Maker()
    vendors = Slow(shop, "GET")
    async with bridge_to(shop, keeping(), vendors=vendors) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        body = json.dumps({"id": "t1", "name": "Ann", "version": None}).encode()
        await bridge.receive(Outgoing("http://b/in/shop", {"x-id": "echo"}, body))
        await bridge.settle()
        assert [row.state for row in await bridge.journal.inbox(channel="shop")] == ["pending"]
        vendors.gate.set()
        await bridge.settle()
        assert {row.state for row in await bridge.journal.inbox(channel="shop")} == {"done"}
        assert await bridge.journal.events(channel="shop") == []


class Stale:
    """A journal whose answer about the inbox is old when it comes: the create under way was settled meanwhile."""

    def __init__(self, journal: Journal, gate: anyio.Event) -> None:
        self._journal = journal
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def pending(self, after: int, limit: int) -> Any:
        rows = await self._journal.pending(after, limit)
        if any(row.channel == "shop" for row in rows) and not self._gate.is_set():
            self._gate.set()
            while [row.state for row in await self._journal.deliveries(channel="shop")] != [DeliveryState.DONE]:
                await anyio.lowlevel.checkpoint()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()  # and its worker knows
        return rows


async def test_an_echo_waits_for_a_receipt_that_was_stored_while_the_inbox_was_read():
    shop, clock = Maker(), ManualClock()
    vendors = Slow(shop, "POST")
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        stale: Any = Stale(journal, vendors.gate)
        connector = creating(NativeKey(DAY), find=False)
        async with bridge_to(shop, connector, journal=stale, clock=clock, vendors=vendors) as bridge:
            await tell(bridge, "c1", "Ann")
            await bridge.settle()
            await echo(bridge)
            await bridge.settle()
            assert {row.state for row in await journal.inbox(channel="shop")} == {"done"}
            assert await journal.events(channel="shop") == []
