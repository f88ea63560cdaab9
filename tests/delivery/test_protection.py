"""What may not happen twice does not: frozen bytes under a key, else a committed start, whatever ends the run."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, closing
from datetime import timedelta
from typing import Any

import httpx
import pytest
from toy_shop import HOST, Crash, Shop, ShopSettings, bridge_to, crashing, only, posting, tell, toy

from omnibridge.bridge import Bridge
from omnibridge.connector import (
    Auth,
    Delivery,
    Fault,
    Http,
    Later,
    NativeKey,
    Receipt,
    Reference,
    Response,
    Upsert,
    deliver,
)
from omnibridge.journal import ClearSeal, DeliveryRow, DeliveryState, SqliteJournal, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

pytestmark = pytest.mark.both_backends


Look = Callable[[httpx.Request], None]


class Wire(SandboxTransport):
    """Ends the process before (`leaving`) or after (`arrived`) the n-th request, and calls `look` before each."""

    def __init__(
        self, shop: Shop, leaving: int = 0, arrived: int = 0, look: Callable[[Any], None] | None = None
    ) -> None:
        super().__init__({HOST: shop})
        self.leaving, self.arrived, self.look = leaving, arrived, look
        self.n = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.n += 1
        await request.aread()
        if self.look is not None:
            self.look(request)
        if self.n == self.leaving:
            raise Crash
        response = await super().handle_async_request(request)
        if self.n == self.arrived:
            raise Crash
        return response


class World:
    """A shop, a clock and a journal that outlive the runs of the bridge."""

    def __init__(self, journal: SqliteJournal, clock: ManualClock) -> None:
        self.journal = journal
        self.clock = clock
        self.shop = Shop()
        self.route = ""

    def bridge(self, connector: Any, **wire: Any) -> AbstractAsyncContextManager[TestBridge]:
        return bridge_to(
            self.shop,
            connector,
            route=self.route,
            journal=self.journal,
            clock=self.clock,
            vendors=Wire(self.shop, **wire),
        )

    async def crash(self, connector: Any, **wire: Any) -> None:
        """One event, and a run that ends as the wire says."""
        async with crashing(), self.bridge(connector, **wire) as bridge:
            await tell(bridge, "c1", "Ann")
            await bridge.settle(60)
        self.journal.release(range(1, 100))  # the dead process's claims died with it

    async def run(self, connector: Any, *names: str, seconds: float = 60, **wire: Any) -> list[DeliveryRow]:
        """Another run, with further events of the same customer; the deliveries, oldest first."""
        async with self.bridge(connector, **wire) as bridge:
            for name in names:
                await tell(bridge, "c1", name)
            await bridge.settle(seconds)
        return list(reversed(await self.journal.deliveries(channel="shop")))

    @property
    def names(self) -> list[str]:
        return [body["name"] for body in self.shop.bodies]


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        yield World(journal, clock)


def posting_otherwise(protection: Any) -> Any:
    """What a later release of the connector makes of the same customer."""

    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        body = {"name": f"{customer.given_name} of release 2", "new": True}
        await http.post("/v2/customers", json=body, headers={"x-new": "1"}, step="create", protection=protection)
        return Receipt()

    return run


# -- with a key ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["leaving", "arrived"])
async def test_what_was_sent_under_a_key_is_sent_again_byte_for_byte_by_a_newer_connector(world, ends):
    tokens = iter(["token-1", "token-2"])
    auth = Auth[ShopSettings](headers=lambda settings, credential, request, now: {"x-token": next(tokens)})
    sent: list[httpx.Request] = []
    await world.crash(toy(posting(NativeKey()), auth=auth), look=sent.append, **{ends: 1})
    (row,) = await world.run(toy(posting_otherwise(NativeKey()), auth=auth), look=sent.append)
    assert row.state is DeliveryState.DONE
    first, second = sent
    assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert "x-new" not in second.headers
    assert (first.headers["x-token"], second.headers["x-token"]) == ("token-1", "token-2")  # auth is never frozen


async def test_a_key_that_is_no_longer_valid_protects_nothing(world):
    await world.crash(toy(posting(NativeKey(timedelta(hours=1)))), arrived=1)
    await world.clock.advance(3700)
    (row,) = await world.run(toy(posting(NativeKey(timedelta(hours=1)))))
    assert row.state is DeliveryState.UNKNOWN
    assert world.names == ["Ann"]


@pytest.mark.parametrize("took", [True, False])
async def test_after_its_key_has_expired_it_is_looked_up_where_the_vendor_can_be_asked(world, took):
    connector = toy(None, deliver(Customer, posting(NativeKey(timedelta(hours=1))), find=finding))
    await world.crash(connector, **({"arrived": 1} if took else {"leaving": 1}))
    await world.clock.advance(3700)
    (row,) = await world.run(connector)
    assert row.state is DeliveryState.DONE
    assert world.names == ["Ann"]


# -- without one ---------------------------------------------------------------------------------------------------


async def finding(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
    made: Any = (await http.get("/customers")).json()
    return Receipt(note="it is there") if any(record["id"] == customer.id for record in made) else None


@pytest.mark.parametrize("protection", [None, NativeKey(), Upsert()], ids=["bare", "keyed", "upsert"])
async def test_the_start_is_on_disk_before_the_first_byte_leaves_but_for_what_may_be_repeated(tmp_path, protection):
    seen: list[Any] = []

    def look(request: httpx.Request) -> None:
        """What another process sees of the frozen requests now."""
        with closing(sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True)) as db:
            seen.append(db.execute("SELECT name, response FROM steps").fetchall())

    shop, clock = Shop(), ManualClock()
    async with (
        open_journal(tmp_path / "journal.db", seal=ClearSeal(), clock=clock) as journal,
        bridge_to(shop, toy(posting(protection)), journal=journal, vendors=Wire(shop, look=look)) as bridge,
    ):
        await tell(bridge)
        await Bridge.idle(bridge)
    assert seen == [[] if isinstance(protection, Upsert) else [("create", None)]]


async def test_a_repeatable_request_is_made_anew(world):
    await world.crash(toy(posting(Upsert())), arrived=1)
    await world.run(toy(posting_otherwise(Upsert())))
    assert world.names == ["Ann", "Ann of release 2"]


@pytest.mark.parametrize("ends", ["leaving", "arrived"])
@pytest.mark.parametrize(
    ("policy", "states", "names"),
    [
        ("hold", ["unknown", "done"], ["Bea"]),
        ("resend", ["done", "done"], ["Ann", "Bea"]),
        ("park", ["unknown", "queued"], []),
    ],
)
async def test_cut_short_and_nobody_to_ask_the_route_decides(world, policy, states, names, ends):
    world.route = f'on_unknown = "{policy}"'
    await world.crash(toy(posting()), **{ends: 1})
    world.shop.log.clear()
    rows = await world.run(toy(posting()), "Bea")
    assert [row.state for row in rows] == states
    assert world.names == names


@pytest.mark.parametrize(("ends", "names"), [("arrived", ["Ann"]), ("leaving", ["Ann"])])
async def test_cut_short_it_is_looked_up_where_the_vendor_can_be_asked(world, ends, names):
    connector = toy(None, deliver(Customer, posting(), find=finding))
    await world.crash(connector, **{ends: 1})
    (row,) = await world.run(connector)
    assert row.state is DeliveryState.DONE
    assert world.names == names
    assert row.last is not None
    assert (row.last.text == "found at the vendor; not sent again") == (ends == "arrived")


@pytest.mark.parametrize("fault", [Fault(lost=True), Fault(Response(500))], ids=["lost answer", "500"])
@pytest.mark.parametrize(
    ("policy", "states"), [("hold", ["unknown", "done"]), ("resend", ["done", "done"]), ("park", ["unknown", "queued"])]
)
async def test_an_answer_that_says_nothing_is_decided_by_the_route(world, policy, states, fault):
    world.route = f'on_unknown = "{policy}"'
    world.shop.faults.append(Fault(fault.response, lost=fault.lost))
    rows = await world.run(toy(posting()), "Ann", "Bea", seconds=120)
    assert [row.state for row in rows] == states


@pytest.mark.parametrize("lost", [True, False])
async def test_an_answer_that_says_nothing_is_looked_up_after_a_while(world, lost):
    world.shop.faults.append(Fault(lost=True) if lost else Fault(Response(500)))
    connector = toy(None, deliver(Customer, posting(), find=finding))
    (row,) = await world.run(connector, "Ann", seconds=60)
    assert row.state is DeliveryState.DONE
    assert len(world.shop.made) == 1
    assert world.shop.asked == ["POST /customers", "GET /customers", *([] if lost else ["POST /customers"])]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_clear_no_lets_it_go_again_but_only_until_it_leaves_the_next_time(world, status):
    world.shop.faults.append(Fault(Response(status, {"retry-after": "5"})))
    await world.crash(toy(posting()), leaving=2)
    (row,) = await world.run(toy(posting()))
    assert row.state is DeliveryState.UNKNOWN
    assert world.names == ["Ann"]


async def test_a_refused_connection_lets_an_unprotected_request_go_again():
    shop = Shop()
    async with bridge_to(shop, toy(posting())) as bridge:
        bridge.vendors.down.add(HOST)
        await tell(bridge)
        await bridge.settle()
        bridge.vendors.down.clear()
        await bridge.settle(10)
        assert (await only(bridge)).state is DeliveryState.DONE
    assert len(shop.made) == 1


# -- several steps -------------------------------------------------------------------------------------------------


async def three(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
    if delivery.own is None:
        made: Any = (await http.post("/customers", json={"name": "create"}, step="create")).json()
        await http.keep(Reference("customer", made["id"]))
    await http.post("/customers", json={"name": f"for {delivery.own}"}, step="second", protection=Upsert())
    await http.post("/customers", json={"name": "third"}, step="third", protection=NativeKey())
    return Receipt()


async def test_a_kept_reference_is_given_back_after_a_restart(world):
    await world.crash(toy(three), leaving=2)
    (row,) = await world.run(toy(three))
    assert row.state is DeliveryState.DONE
    assert world.names == ["create", "for t1", "third"]


async def test_an_answered_step_is_not_asked_again_and_gives_its_answer(world):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        made: Any = (await http.post("/customers", json={"name": "create"}, step="create")).json()
        await http.post("/customers", json={"name": f"for {made['id']}"}, step="second", protection=NativeKey())
        return Receipt(note=f"made {made['id']}")

    await world.crash(toy(run), leaving=2)
    (row,) = await world.run(toy(run))
    assert world.names == ["create", "for t1"]
    assert row.last is not None
    assert row.last.text == "made t1"


async def test_a_step_used_twice_is_an_error_and_leaves_once(world):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.post("/customers", json={"name": "one"}, step="create")
        await http.post("/customers", json={"name": "two"}, step="create")
        return Receipt()

    (row,) = await world.run(toy(run), "Ann")
    assert row.state is DeliveryState.DEAD
    assert row.last is not None
    assert row.last.text == "the step 'create' is used twice (name each writing request differently)"
    assert world.names == ["one"]
