"""What the bridge asks by itself: lookups that a thin webhook wants, and polls at their period, a page a commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from toy_shop import Crash, Gated, Shop, ShopSettings, bridge_to, crashing, posting, tell, toy, webhook

from omnibridge.connector import (
    Cursor,
    Fault,
    Hint,
    Http,
    Inbound,
    Later,
    Limits,
    Lookup,
    Outgoing,
    Poll,
    Response,
    Snapshot,
    json_response,
)
from omnibridge.errors import Permanent, StorageError
from omnibridge.journal import ClearSeal, DeliveryRow, Journal, Task, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends

MINUTE = timedelta(minutes=1)


async def events(bridge: TestBridge) -> list[str]:
    """Name and given name of every event of the shop, oldest first."""
    found = await bridge.journal.events(channel="shop")
    people: list[Any] = [stored.event.parse() for stored in found]
    return [f"{stored.event.name} {who.given_name}" for stored, who in zip(found, people, strict=True)][::-1]


# -- lookups -------------------------------------------------------------------------------------------------------


async def read(settings: ShopSettings, lookup: Lookup, http: Http) -> list[Snapshot]:
    answer = await http.get(f"/customers/{lookup.external_id}", params=lookup.hint)
    if answer.status == 404:
        return [Snapshot.gone("customer", lookup.external_id)]
    found: Any = answer.json()
    return [Snapshot(Customer(given_name=found["name"]), lookup.external_id, found["version"])]


def thin(settings: ShopSettings, inbound: Inbound) -> list[Lookup]:
    body: Any = inbound.json()
    return [Lookup("customer", body["id"], {"since": "1"})]


class Records(Shop):
    """Customers by id, with a version that counts what happened to them."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, Any] = {"7": {"name": "Ann", "version": 1}, "8": {"name": "Bo", "version": 1}}

    def respond(self, request: Any) -> Response:
        found = self.people.get(request.path.rpartition("/")[2])
        return json_response(found) if found else Response(404)


async def hint(bridge: TestBridge, id: str) -> None:
    await bridge.receive(Outgoing("http://b/in/shop", {}, b'{"id": "%s"}' % id.encode()))


def looking(**more: Any) -> Any:
    told = webhook(thin)
    object.__setattr__(told, "delivery_id", Hint())
    return toy(webhook=told, read=read, **more)


async def test_a_thin_webhook_is_looked_up():
    shop = Records()
    async with bridge_to(shop, looking()) as bridge:
        await hint(bridge, "7")
        await bridge.settle()
        shop.people["7"] = {"name": "Bea", "version": 2}
        await hint(bridge, "7")  # the same bytes, and yet something else happened
        await bridge.settle()
        await hint(bridge, "7")
        await bridge.settle()
        del shop.people["7"]
        await hint(bridge, "7")
        await bridge.settle()
        assert await events(bridge) == ["customer.created Ann", "customer.updated Bea", "customer.deleted Bea"]
    assert shop.log[0].target == "/customers/7?since=1"


async def test_equal_lookups_that_wait_become_one():
    shop = Records()
    wire = Gated(shop)
    async with bridge_to(shop, looking(), vendors=wire) as bridge:
        for id in ("7", "8"):
            await hint(bridge, id)
            await bridge.settle()
        for _ in range(20):
            await hint(bridge, "7")
            await bridge.settle()
        wire.gate.set()
        await bridge.settle()
        assert sorted(await events(bridge)) == ["customer.created Ann", "customer.created Bo"]
    assert sorted(shop.asked) == ["GET /customers/7", "GET /customers/7", "GET /customers/8"]


async def test_what_changes_while_it_is_looked_up_is_looked_up_again():
    shop = Records()
    shop.faults.append(Fault(Response(503, {"retry-after": "10"})))
    async with bridge_to(shop, looking()) as bridge:
        await hint(bridge, "7")
        await bridge.settle()
        for _ in range(5):
            await hint(bridge, "7")
        await bridge.settle(30)
        assert await events(bridge) == ["customer.created Ann"]
    assert len(shop.log) == 3  # the one put off, then it, then one for all that came meanwhile


async def test_a_lookup_does_not_give_up_at_a_bug_that_may_be_mended():
    shop = Records()
    del shop.people["7"]["version"]  # a KeyError in the connector
    async with bridge_to(shop, looking(), clock=ManualClock(chance=0.1)) as bridge:
        await hint(bridge, "7")
        await bridge.settle(5)
        shop.people["7"]["version"] = 1
        await bridge.settle(30)
        assert await events(bridge) == ["customer.created Ann"]


# -- polls ---------------------------------------------------------------------------------------------------------


class Feed(Shop):
    """Customers in pages of two: `GET /feed?after=N` answers those that come after."""

    def __init__(self, *people: str) -> None:
        super().__init__()
        self.people = list(people)

    def respond(self, request: Any) -> Response:
        after = int(request.query.get("after", 0))
        return json_response(self.people[after : after + 2])

    @property
    def after(self) -> list[int]:
        return [int(request.query.get("after", 0)) for request in self.log]


async def feed(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
    after = int(cursor["after"]) if cursor else 0
    while names := (await http.get("/feed", params={"after": after})).json():
        after += len(names)
        await http.emit([Snapshot(Customer(given_name=name), name, 1) for name in names], {"after": after})


def polled(*polls: Poll[Any]) -> Any:
    return toy(posting(), polls=polls or (Poll(name="feed", every=MINUTE, run=feed),))


async def row(bridge: TestBridge) -> DeliveryRow:
    (found,) = [r for r in await bridge.journal.deliveries(channel="shop") if r.task is Task.POLL]
    return found


async def test_a_poll_runs_at_the_start_and_at_its_period_and_goes_on_where_it_was():
    shop = Feed("Ann", "Bea", "Cid")
    async with bridge_to(shop, polled()) as bridge:
        await bridge.settle(1)
        assert shop.after == [0, 2, 3]
        await bridge.settle(58)
        assert len(shop.log) == 3
        shop.people.append("Dan")
        await bridge.settle(3)
        assert shop.after == [0, 2, 3, 3, 4]
        await bridge.settle(60 * 5)
        assert len(shop.log) == 5 + 5
        assert await events(bridge) == [f"customer.created {name}" for name in shop.people]


async def test_each_poll_has_its_own_period_and_cursor():
    ran: list[str] = []

    def run(name: str) -> Any:
        async def poll(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
            ran.append(f"{name} {cursor and cursor['n']}")
            await http.emit([], {"n": (cursor["n"] if cursor else 0) + 1})

        return poll

    polls = (Poll(name="fast", every=MINUTE, run=run("fast")), Poll(name="slow", every=3 * MINUTE, run=run("slow")))
    async with bridge_to(Shop(), polled(*polls)) as bridge:
        await bridge.settle(200)
    assert sorted(ran) == ["fast 1", "fast 2", "fast 3", "fast None", "slow 1", "slow None"]


async def test_a_poll_whose_answer_is_still_prepared_comes_back_by_then_with_its_cursor():
    told: list[Cursor | None] = []

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> Later | None:
        told.append(cursor)
        if len(told) % 3 == 0:
            await http.emit([Snapshot(Customer(given_name="Ann"), "Ann", 1)], {"job": None})
            return None
        await http.emit([], {"job": len(told)})
        return Later(timedelta(seconds=5))

    async with bridge_to(Shop(), polled(Poll(name="feed", every=MINUTE, run=run))) as bridge:
        await bridge.settle(50)
        assert told == [None, {"job": 1}, {"job": 2}]
        assert await events(bridge) == ["customer.created Ann"]
        assert (await row(bridge)).attempts == 0
        await bridge.settle(27)
        assert told[3:] == [{"job": None}, {"job": 4}]


async def test_a_restart_neither_doubles_a_poll_nor_forgets_where_it_was():
    shop, clock = Feed("Ann", "Bea", "Cid"), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for _ in range(3):
            async with bridge_to(shop, polled(), journal=journal, clock=clock) as bridge:
                await bridge.settle(10)
                assert (await row(bridge)).attempts == 0
    assert shop.after == [0, 2, 3]


class Mortal:
    """A journal whose process ends after it has stored the n-th page."""

    def __init__(self, journal: Journal, pages: int) -> None:
        self._journal = journal
        self._pages = pages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def emit(self, *page: Any) -> None:
        await self._journal.emit(*page)
        self._pages -= 1
        if not self._pages:
            raise Crash


async def test_a_poll_that_ends_between_two_pages_goes_on_after_the_last_that_was_stored():
    shop, clock = Feed("Ann", "Bea", "Cid", "Dan", "Eva"), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with crashing():
            mortal: Any = Mortal(journal, 2)
            async with bridge_to(shop, polled(), journal=mortal, clock=clock) as bridge:
                await bridge.settle(10)
        journal.release(range(1, 9))
        before = len(shop.log)
        async with bridge_to(shop, polled(), journal=journal, clock=clock) as bridge:
            await bridge.settle(10)
            assert await events(bridge) == [f"customer.created {name}" for name in shop.people]
    assert shop.after[before:] == [4, 5]


async def failing(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
    await http.post("/search", json={})  # a question, but nobody said so: nothing protects it
    await feed(settings, cursor, http)


@pytest.mark.parametrize(
    "fault",
    [Fault(Response(503)), Fault(Response(500)), Fault(Response(401)), Fault(lost=True)],
    ids=["503", "500", "401", "lost"],
)
async def test_no_failure_ends_a_poll_for_good(fault):
    shop = Feed("Ann")
    shop.faults.append(Fault(fault.response, lost=fault.lost, times=2, path_prefix="/search"))
    async with bridge_to(shop, polled(Poll(name="feed", every=MINUTE, run=failing))) as bridge:
        await bridge.settle(660)
        assert await events(bridge) == ["customer.created Ann"]
        assert (await row(bridge)).state == "ready"


@pytest.mark.parametrize("error", [Permanent("never"), KeyError("x"), StorageError("disk")])
async def test_no_error_ends_a_poll_for_good(error):
    errors = [error, error]

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        if errors:
            raise errors.pop()
        await feed(settings, cursor, http)

    shop = Feed("Ann")
    async with bridge_to(
        shop, polled(Poll(name="feed", every=MINUTE, run=run)), channel="give_up_hours = 0.001"
    ) as bridge:
        await bridge.settle(120)
        assert await events(bridge) == ["customer.created Ann"]


async def test_a_failing_poll_comes_back_no_later_than_it_would_have_anyway():
    """However often it failed in all its life."""
    shop = Feed("Ann")
    shop.faults.append(Fault(Response(503), times=10_000))
    async with bridge_to(shop, polled(), clock=ManualClock(chance=0.999)) as bridge:
        await bridge.settle(1000)
        shop.faults.clear()
        await bridge.settle(400)  # what the breaker may hold it back
        assert await events(bridge) == ["customer.created Ann"]


async def test_a_poll_does_not_keep_what_must_leave_waiting():
    shop = Feed("Ann")

    async def endless(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        for after in range(30):
            await http.get("/feed", params={"after": 99})
            await http.emit([], {"after": after})

    connector = toy(posting(), polls=(Poll(name="feed", every=MINUTE, run=endless),), limits=Limits[Any](concurrency=2))
    async with bridge_to(shop, connector) as bridge:
        await tell(bridge)
        await bridge.settle()
    assert "POST /customers" in shop.asked[:20]
