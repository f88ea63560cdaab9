"""What a delivery leaves behind: references, the shadow that keeps the echo quiet, and what waits for a create."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from toy_shop import Gated, Shop, ShopSettings, bridge_to, only, tell, toy, webhook

from omnibridge.connector import (
    Delivery,
    Fault,
    Http,
    NativeKey,
    Outgoing,
    Receipt,
    Reference,
    Response,
    Snapshot,
    Upsert,
    deliver,
)
from omnibridge.errors import StorageError
from omnibridge.journal import ClearSeal, DeliveryState, Journal, open_journal
from omnibridge.model import Customer, canonical_id
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends


async def create(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Make the customer, or write it where it is; tell what the vendor has of it then."""
    body = {"id": delivery.own, "name": customer.given_name}
    made: Any = (await http.post("/customers", json=body, protection=NativeKey())).json()
    external = delivery.own or made["id"]
    seen = Snapshot(Customer(given_name=customer.given_name), external, len(made["id"]))
    return Receipt((Reference("customer", external),), (seen,), note=f"known as {delivery.own}")


async def hook(bridge: TestBridge, id: str, name: str, version: int, *, settle: bool = True) -> None:
    """The shop tells of a customer."""
    body = f'{{"id": "{id}", "name": "{name}", "version": {version}}}'
    await bridge.receive(Outgoing("http://b/in/shop", {"x-id": f"{id}-{version}-{name}"}, body.encode()))
    if settle:
        await bridge.settle()


async def told(bridge: TestBridge) -> list[str]:
    """What happened according to the shop, oldest first."""
    found = [(stored.event, stored.event.parse()) for stored in await bridge.journal.events(channel="shop")]
    people: list[Any] = [(event.name, event.subject, who) for event, who in reversed(found)]
    return [f"{name} {subject} {who.given_name}" for name, subject, who in people]


def both_ways(run: Any = create) -> Any:
    return toy(run, webhook=webhook())


async def test_the_reference_of_a_receipt_is_known_to_the_next_delivery():
    shop = Shop()
    async with bridge_to(shop, both_ways()) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        await tell(bridge, "c1", "Bea")
        await bridge.settle()
        links = await bridge.journal.links("customer", "c1")
    assert [body["id"] for body in shop.bodies] == [None, "t1"]
    assert [(link.channel, link.external_id) for link in links] == [("shop", "t1")]


async def test_the_echo_of_what_was_written_is_no_event_and_what_somebody_changed_there_is():
    shop = Shop()
    async with bridge_to(shop, both_ways()) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        await hook(bridge, "t1", "Ann", 3)
        assert await told(bridge) == []
        await hook(bridge, "t1", "Bea", 4)
        (event,) = await told(bridge)
        assert event.endswith("c1 Bea")


async def test_two_systems_come_to_rest():
    """A change in either reaches the other once, and stops there."""
    shop = Shop()
    async with bridge_to(shop, both_ways()) as bridge:
        await hook(bridge, "x1", "Ann", 1)
        await bridge.settle(60)
        assert shop.log == []  # nothing goes back to where it came from
        await tell(bridge, canonical_id("shop", "customer", "x1"), "Bea")
        await bridge.settle()
        assert shop.bodies == [{"id": "x1", "name": "Bea"}]
        await hook(bridge, "x1", "Bea", 5)
        await bridge.settle(60)
    assert len(shop.log) == 1


async def test_an_unknown_entity_waits_while_one_of_its_kind_is_being_made():
    """The webhook of our own create may overtake the answer: it must not become a second customer."""
    shop = Shop()
    wire = Gated(shop)
    async with bridge_to(shop, both_ways(), vendors=wire) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        assert wire.now == 1
        await hook(bridge, "t1", "Ann", 1)
        assert await told(bridge) == []
        wire.gate.set()
        await bridge.settle()
        assert await told(bridge) == []
        assert [link.id for link in await bridge.journal.links("customer", "c1")] == ["c1"]
        await hook(bridge, "t2", "Bea", 1)
        assert await told(bridge) == [f"customer.created {canonical_id('shop', 'customer', 't2')} Bea"]


async def test_somebody_elses_entity_that_waited_is_taken_in_after_the_create():
    shop = Shop()
    wire = Gated(shop)
    async with bridge_to(shop, both_ways(), vendors=wire) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        await hook(bridge, "t9", "Zoe", 1)
        await hook(bridge, "t9", "Zoe Z", 2)
        assert await told(bridge) == []
        wire.gate.set()
        await bridge.settle()
        them = canonical_id("shop", "customer", "t9")
        assert await told(bridge) == [f"customer.created {them} Zoe", f"customer.updated {them} Zoe Z"]


async def test_the_answer_of_a_create_is_taken_in_also_when_the_attempt_must_be_repeated():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "5"})))
    async with bridge_to(shop, both_ways()) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle(20)
        await hook(bridge, "t1", "Ann", 3)
        assert await told(bridge) == []


async def looked_up(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
    made: Any = (await http.get("/customers")).json()
    seen = Snapshot(Customer(given_name=customer.given_name), "t1", 2)
    return Receipt((Reference("customer", "t1"),), (seen,), note="found") if made else None


async def bare(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    made: Any = (await http.post("/customers", json={"name": customer.given_name})).json()
    return Receipt((Reference("customer", made["id"]),))


async def test_what_was_made_by_a_lost_attempt_is_not_taken_for_somebody_elses():
    """Between the lost answer and the lookup its webhook comes: it must wait for what the lookup finds."""
    shop = Shop()
    shop.faults.append(Fault(lost=True))
    connector = toy(None, deliver(Customer, bare, find=looked_up), webhook=webhook())
    async with bridge_to(shop, connector) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        await hook(bridge, "t1", "Ann", 1)
        await bridge.settle(60)
        assert (await only(bridge)).state is DeliveryState.DONE
        assert [link.external_id for link in await bridge.journal.links("customer", "c1")] == ["t1"]
        assert await told(bridge) == []


# -- storage trouble -----------------------------------------------------------------------------------------------


class Full:
    """A journal whose disk is full while `calls` says so."""

    def __init__(self, journal: Journal, **calls: int) -> None:
        self._journal = journal
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)
        if name not in self._calls:
            return found

        async def call(*args: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            if self._calls[name] > 0:
                self._calls[name] -= 1
                raise StorageError("the disk is full")
            return await found(*args)

        return call


async def plain(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    await http.post("/customers", json={"name": customer.given_name}, step="create", protection=None)
    return Receipt()


@pytest.mark.parametrize("call", ["claim", "settle", "start", "next_due", "references"])
async def test_a_full_disk_loses_and_doubles_nothing(call):
    shop, clock = Shop(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        full: Any = Full(journal, **{call: 3})
        async with bridge_to(shop, toy(plain), journal=full, clock=clock) as bridge:
            for n in range(3):
                await tell(bridge, f"c{n}", "Ann")
            await bridge.settle(60)
            rows = await journal.deliveries(channel="shop")
    assert {row.state for row in rows} == {DeliveryState.DONE}
    assert len(shop.made) == 3


async def test_while_an_outcome_cannot_be_stored_nothing_else_of_its_lane_leaves():
    shop, clock = Shop(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        full: Any = Full(journal, settle=5)
        async with bridge_to(shop, toy(plain), journal=full, clock=clock) as bridge:
            await tell(bridge, "c1", "Ann")
            await tell(bridge, "c1", "Bea")
            await bridge.settle(4)
            assert len(shop.made) == 1
            await bridge.settle(10)
    assert [body["name"] for body in shop.bodies] == ["Ann", "Bea"]


async def test_what_an_answered_request_left_unstored_is_unknown_and_not_sent_again():
    async def two(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.post("/customers", json={"name": "one"}, step="one")
        await http.post("/customers", json={"name": "two"}, step="two", protection=Upsert())
        return Receipt()

    shop, clock = Shop(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        full: Any = Full(journal, finish=1)
        async with bridge_to(shop, toy(two), journal=full, clock=clock) as bridge:
            await tell(bridge)
            await bridge.settle(60)
            row = await only(bridge)
    assert row.state is DeliveryState.UNKNOWN
    assert [body["name"] for body in shop.bodies] == ["one"]
