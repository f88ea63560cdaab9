"""Bulk writes: the heads of different lanes leave in one request, and each is settled on its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from toy_shop import Gated, Shop, ShopSettings, bridge_to, tell, toy

from omnibridge.connector import (
    Alone,
    Delivery,
    Fault,
    Http,
    Later,
    Limits,
    NativeKey,
    Protection,
    Receipt,
    Reference,
    Response,
    Result,
    Upsert,
    deliver,
    deliver_many,
    json_response,
)
from omnibridge.errors import Permanent, Retryable
from omnibridge.journal import ClearSeal, DeliveryRow, open_journal
from omnibridge.model import Customer, Product, SendMessage
from omnibridge.testing import ManualClock, TestBridge, drive

pytestmark = pytest.mark.both_backends
Items = Sequence[tuple[Customer, Delivery]]


class Members(Shop):
    """Takes many at a time, and says of each what became of it: by its name."""

    def respond(self, request: Any) -> Response:
        if request.method == "GET":
            return json_response([ours for made in self.made for ours in made if ours == request.query.get("ours")])
        body = request.json()
        self.made.append([one["id"] for one in body])
        return json_response([{"id": f"m-{one['id']}", "error": one["name"].partition("!")[2]} for one in body])


def result(customer: Customer, answer: Any) -> Result:
    if answer["error"] == "refused":
        return Permanent("compliance state", code="4")
    if answer["error"] == "busy":
        return Retryable("locked", after=timedelta(seconds=10))
    return Receipt((Reference("customer", answer["id"]),))


def many(protection: Protection | None = None, *, most: int = 4, hands: int = 1, find: Any = None, **more: Any) -> Any:
    async def run(settings: ShopSettings, items: Items, http: Http) -> list[Result]:
        body = [{"id": customer.id, "name": customer.given_name} for customer, _ in items]
        answer = await http.post("/members", json=body, headers={"key": http.key()}, protection=protection)
        if not answer.ok:
            raise Permanent(f"answered {answer.status}")
        return [result(customer, told) for (customer, _), told in zip(items, answer.json(), strict=True)]

    slot: Any = deliver_many(Customer, run, most=most, find=find)
    return toy(None, slot, limits=Limits[Any](concurrency=hands), **more)


async def rows(bridge: TestBridge) -> dict[str, DeliveryRow]:
    """The deliveries of each customer, by lane; the newest where there are several."""
    return {row.lane: row for row in reversed(await bridge.journal.deliveries(channel="shop", limit=100))}


async def told(shop: Shop, connector: Any, names: Sequence[str], seconds: float = 0, **more: Any) -> dict[str, Any]:
    """What becomes of customers c1, c2... with these names; the first alone is under way when the others come."""
    vendors = Gated(shop)
    async with bridge_to(shop, connector, vendors=vendors, **more) as bridge:
        await tell(bridge, "first", "First")
        await bridge.settle()
        for n, name in enumerate(names, 1):
            await tell(bridge, f"c{n}", name)
        await bridge.settle()
        vendors.gate.set()
        await bridge.settle(seconds)
        return await rows(bridge)


async def test_what_waits_leaves_together_up_to_the_most_and_nothing_waits_to_be_joined():
    shop = Members()
    found = await told(shop, many(), ["A", "B", "C", "D", "E", "F"])
    assert shop.made == [["first"], ["c1", "c2", "c3", "c4"], ["c5", "c6"]]
    assert {row.state for row in found.values()} == {"done"}


async def test_one_lane_gives_one_item_at_a_time():
    shop = Members()
    connector = many()
    object.__setattr__(connector.delivers[0], "collapse", False)
    vendors = Gated(shop)
    async with bridge_to(shop, connector, vendors=vendors) as bridge:
        await tell(bridge, "first", "First")
        await bridge.settle()
        for who, name in (("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")):
            await tell(bridge, who, name)
        await bridge.settle()
        vendors.gate.set()
        await bridge.settle()
    assert shop.made == [["first"], ["a", "b"], ["a"], ["a"]]


async def test_each_item_is_settled_on_its_own():
    shop = Members()
    found = await told(shop, many(), ["A", "B!refused", "C!busy", "D"])
    assert {who: row.state for who, row in found.items() if who != "first"} == {
        "c1": "done", "c2": "dead", "c3": "ready", "c4": "done",
    }  # fmt: skip
    assert found["c2"].last.code == "4"
    assert found["c3"].last.text == "locked"
    assert found["c3"].due - found["c3"].last.at >= timedelta(seconds=10)


async def test_what_is_tried_again_has_a_new_key_and_new_company():
    shop = Members()
    await told(shop, many(NativeKey()), ["A", "B!busy", "C!busy"], 25)
    writes = [(request.headers["key"], [one["id"] for one in request.json()]) for request in shop.log]
    assert [who for _, who in writes][:2] == [["first"], ["c1", "c2", "c3"]]
    assert [who for _, who in writes][2] in (["c2", "c3"], ["c2"], ["c3"])
    assert len({key for key, _ in writes}) == len(writes)


async def test_an_error_of_the_whole_is_everybodys_and_they_come_back_together():
    shop = Members()
    shop.faults.append(Fault(Response(503, {"retry-after": "20"})))
    names = ["A", "B", "C"]
    async with bridge_to(shop, many()) as bridge:
        for n, name in enumerate(names):
            await tell(bridge, f"c{n}", name)
        await bridge.settle(60)
        found = await rows(bridge)
    assert {row.state for row in found.values()} == {"done"}
    assert len(shop.log) <= 4
    shop = Members()
    shop.faults.append(Fault(Response(422, {}, b"no"), times=9))
    found = await told(shop, many(), names)
    assert {row.state for row in found.values()} == {"dead"}


async def test_a_replay_of_what_was_refused_is_free_to_go_in_other_company():
    shop = Members()
    async with bridge_to(shop, many()) as bridge:
        shop.faults.append(Fault(Response(422, {}, b"no"), times=9))
        for who in ("a", "b"):
            await tell(bridge, who, "A")
        await bridge.settle()
        shop.faults.clear()
        found = await rows(bridge)
        await bridge.journal.replay([found["b"].id], bridge.clock.now())
        bridge.wake()
        await bridge.settle()
        assert {who: row.state for who, row in (await rows(bridge)).items()} == {"a": "dead", "b": "done"}
    assert shop.made == [["b"]]


async def test_a_lost_answer_is_never_repeated_blindly_with_the_next_company():
    async def find(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
        there = (await http.get("/members", params={"ours": customer.id or ""})).json()
        return Receipt((Reference("customer", f"m-{customer.id}"),)) if there else None

    for protection, tries in ((None, 1), (NativeKey(), 3)):
        for look, state in ((None, "unknown"), (find, "done")):
            shop = Members()
            shop.faults.append(Fault(lost=True, times=2 * tries, method="POST"))
            found = await told(shop, many(protection, find=look), ["A", "B"], 120)
            assert {row.state for row in found.values()} == {state}
            writes = [request for request in shop.log if request.method == "POST"]
            assert len(writes) == 2 * tries
            assert len({(request.headers["key"], request.body) for request in writes}) == 2


async def test_a_key_is_good_for_as_long_as_the_attempt_lasts():
    shop = Members()
    shop.faults.append(Fault(lost=True, method="POST"))
    async with bridge_to(shop, many(NativeKey())) as bridge:
        await tell(bridge)
        await bridge.settle(5)
        found = await rows(bridge)
    assert found["c1"].state == "done"
    assert len({(request.headers["key"], request.body) for request in shop.log}) == 1
    assert len(shop.log) == 2


async def test_an_upsert_is_simply_sent_again():
    shop = Members()
    shop.faults.append(Fault(lost=True, times=9, method="POST"))
    async with bridge_to(shop, many(Upsert())) as bridge:
        for who in ("a", "b"):
            await tell(bridge, who, "A")
        await bridge.settle(600)
        assert {row.state for row in (await rows(bridge)).values()} == {"done"}
        whole = await bridge.journal.delivery((await rows(bridge))["a"].id)
    assert whole is not None
    assert whole.steps == ()  # nothing about the company is kept


async def test_what_is_kept_of_a_company_names_nobody():
    shop = Members()
    shop.faults.append(Fault(lost=True, times=9, method="POST"))
    async with bridge_to(shop, many()) as bridge:
        await tell(bridge, "a", "Anna Secret")
        await bridge.settle()
        whole = await bridge.journal.delivery((await rows(bridge))["a"].id)
    assert whole is not None
    (step,) = whole.steps
    assert b"/members" in step.request
    assert b"Secret" not in step.request


async def test_later_brings_those_of_one_state_back_together():
    seen: list[tuple[Any, list[str]]] = []

    async def run(settings: ShopSettings, items: Items, http: Http) -> list[Result]:
        states = {str(delivery.state) for _, delivery in items}
        assert len(states) == 1
        seen.append((items[0][1].state, [str(customer.id) for customer, _ in items]))
        if items[0][1].state is None:
            job = f"job-{len(seen)}"
            await http.post("/batches", json=[customer.id for customer, _ in items])
            return [Later(timedelta(seconds=30), {"job": job}) for _ in items]
        return [Receipt() for _ in items]

    slot: Any = deliver_many(Customer, run, most=2)
    async with bridge_to(Shop(), toy(None, slot)) as bridge:
        for n in range(4):
            await tell(bridge, f"c{n}", "A")
        await bridge.settle(100)
        found = await rows(bridge)
    assert {row.state for row in found.values()} == {"done"}
    assert sorted(who for state, company in seen if state is None for who in company) == ["c0", "c1", "c2", "c3"]
    jobs = {state["job"]: company for state, company in seen if state is not None}
    firsts = {f"job-{n}": company for n, (state, company) in enumerate(seen, 1) if state is None}
    assert jobs == firsts


def few_or_many(least: int = 3, looked: list[str] | None = None, *, looks: bool = True) -> Any:
    """Fewer than `least` are PUT one by one; those named X go alone in any company; a job wants to be asked again."""

    async def one(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        body = [{"id": customer.id, "name": customer.given_name}]
        await http.put("/members", json=body, protection=Upsert())
        return Receipt(note="alone")

    async def run(settings: ShopSettings, items: Items, http: Http) -> list[Result]:
        if items[0][1].state is not None:
            return [Receipt(note="together") for _ in items]
        body = [{"id": customer.id, "name": customer.given_name} for customer, _ in items]
        await http.post("/members", json=body)
        state = {"job": len(body)}
        return [Alone() if customer.given_name == "X" else Later(timedelta(seconds=9), state) for customer, _ in items]

    async def find(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> None:
        if looked is not None:
            looked.append(str(customer.id))

    slot: Any = deliver_many(Customer, run, most=4, least=least, one=one, find=find if looks else None)
    return toy(None, slot, limits=Limits[Any](concurrency=1))


async def test_fewer_than_the_least_go_one_by_one_and_a_backlog_together():
    shop = Members()
    found = await told(shop, few_or_many(), ["A", "B"])
    assert sorted(shop.made) == [["c1"], ["c2"], ["first"]]
    assert {request.method for request in shop.log} == {"PUT"}
    assert {row.state for row in found.values()} == {"done"}
    shop = Members()
    await told(shop, few_or_many(), ["A", "B", "C", "D", "E", "F"], 20)
    assert sorted(map(len, shop.made)) == [1, 1, 1, 4]  # the first, four together, and two that were too few


async def test_who_has_to_go_alone_does_so_and_the_others_come_back_however_few():
    shop = Members()
    found = await told(shop, few_or_many(), ["X", "X", "C"], 20)
    assert shop.made[1:] == [["c1", "c2", "c3"], ["c1"], ["c2"]]
    assert {who: row.last.text for who, row in found.items()} == {
        "first": "alone", "c1": "alone", "c2": "alone", "c3": "together",
    }  # fmt: skip


@pytest.mark.parametrize("fault", [Fault(lost=True, method="POST"), Fault(Response(429), method="POST")])
async def test_what_left_in_company_may_go_alone_by_then_and_is_looked_up_when_in_doubt(fault: Fault):
    shop, clock, looked = Members(), ManualClock(), list[str]()
    shop.faults.append(Fault(fault.response, lost=fault.lost, method="POST"))
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with bridge_to(shop, few_or_many(1, looked), journal=journal, clock=clock) as bridge:
            await tell(bridge, "a", "A")
            await bridge.settle()
        assert (shop.made, looked) == ([["a"]] if fault.lost else [], [])
        async with bridge_to(shop, few_or_many(3, looked), journal=journal, clock=clock) as bridge:
            await bridge.settle(100)
            found = await rows(bridge)
    assert (shop.made[-1], looked) == (["a"], ["a"] if fault.lost else [])
    assert [request.method for request in shop.log] == ["POST", "PUT"]
    last = found["a"].last
    assert last is not None
    assert last.text == "alone"


async def test_what_left_in_company_and_cannot_be_looked_up_is_not_sent_alone():
    shop, clock = Members(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with bridge_to(shop, few_or_many(1, looks=False), journal=journal, clock=clock) as bridge:
            shop.faults.append(Fault(lost=True, method="POST"))
            await tell(bridge, "a", "A")
            await bridge.settle()
            (row,) = (await rows(bridge)).values()
            await bridge.journal.replay([row.id], clock.now())
        async with bridge_to(shop, few_or_many(3, looks=False), journal=journal, clock=clock) as bridge:
            await bridge.settle(100)
            (row,) = (await rows(bridge)).values()
    assert (row.state, len(shop.log)) == ("unknown", 1)


async def test_alone_needs_somebody_to_go_by():
    async def run(settings: ShopSettings, items: Items, http: Http) -> list[Result]:
        return [Alone() for _ in items]

    slot: Any = deliver_many(Customer, run, most=2)
    async with bridge_to(Members(), toy(None, slot)) as bridge:
        await tell(bridge)
        await bridge.settle()
        (row,) = (await rows(bridge)).values()
    assert row.state == "dead"
    with pytest.raises(TypeError, match="needs `one`"):
        deliver_many(Customer, run, most=2, least=2)
    with pytest.raises(TypeError, match="at most"):
        deliver_many(Customer, run, most=2, least=3)


async def test_slots_for_one_and_for_many_stand_side_by_side():
    shop = Members()

    async def run(settings: ShopSettings, product: Product, delivery: Delivery, http: Http) -> Receipt:
        await http.put("/products", json=[{"id": "p", "name": ""}], protection=Upsert())
        return Receipt()

    connector = many()
    object.__setattr__(connector, "delivers", (*connector.delivers, deliver(Product, run)))
    more = '[[routes]]\nname = "goods"\nevents = ["product.*"]\nto = ["shop"]'
    async with bridge_to(shop, connector, more=more) as bridge:
        product = Product(id="p1", title="Mug")
        await bridge.publish(bridge.event("product.updated", product, id="1", subject="p1"))
        await tell(bridge)
        await bridge.settle()
        assert {row.state for row in (await rows(bridge)).values()} == {"done"}


async def test_too_few_results_are_a_bug_and_nothing_is_taken_for_done():
    async def run(settings: ShopSettings, items: Items, http: Http) -> list[Result]:
        await http.post("/members", json=[])
        return []

    slot: Any = deliver_many(Customer, run, most=2)
    async with bridge_to(Members(), toy(None, slot)) as bridge:
        await tell(bridge)
        await bridge.settle()
        (row,) = (await rows(bridge)).values()
        assert row.state == "dead"
        await bridge.journal.replay([row.id], bridge.clock.now())  # what it wrote before the bug is in doubt
        bridge.wake()
        await bridge.settle()
        (row,) = (await rows(bridge)).values()
    assert row.state == "unknown"


async def test_one_may_be_driven_like_any_other():
    connector = many()
    slot = connector.delivers[0]
    delivery: Any = Delivery("k", "shop", None)  # type: ignore[arg-type]
    settings = ShopSettings()

    def run(name: str) -> Any:
        customer = Customer(id="c", given_name=name)
        return drive(connector, settings, Members(), lambda http: slot.run(settings, customer, delivery, http)).result

    assert run("A").references[0].external_id == "m-c"
    with pytest.raises(Permanent, match="compliance"):
        run("A!refused")
    assert slot.operation == "customer"
    assert slot.run.__qualname__.endswith("run")


async def test_commands_do_not_go_together():
    with pytest.raises(TypeError, match="an entity"):
        deliver_many(SendMessage, None, most=2)  # type: ignore[type-var,arg-type]
