"""How an attempt ends: later, refused, dead, parked; and how an operator takes it up again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from toy_shop import Shop, ShopSettings, bridge_to, only, posting, tell, toy

from omnibridge.connector import Delivery, Fault, Http, Later, NativeKey, Receipt, Response
from omnibridge.errors import Permanent
from omnibridge.journal import DeliveryState
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends


async def replay(bridge: TestBridge, *ids: int) -> None:
    assert await bridge.journal.replay(ids, bridge.clock.now()) == len(ids)
    bridge.wake()


# -- later ---------------------------------------------------------------------------------------------------------


async def test_later_comes_back_in_time_with_its_state_and_is_no_failure():
    seen: list[tuple[float, Any, int]] = []
    clock = ManualClock()

    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
        seen.append((clock.monotonic(), delivery.state, delivery.attempt))
        if len(seen) < 3:
            return Later(timedelta(seconds=30), {"export": "job-1", "seen": len(seen)})
        return Receipt()

    async with bridge_to(Shop(), toy(run), clock=clock) as bridge:
        await tell(bridge)
        await bridge.settle(70)
        row = await only(bridge)
    assert [at for at, _, _ in seen] == pytest.approx([0, 30, 60], abs=0.1)
    assert [state for _, state, _ in seen] == [None, {"export": "job-1", "seen": 1}, {"export": "job-1", "seen": 2}]
    assert {attempt for _, _, attempt in seen} == {1}
    assert (row.state, row.attempts) == (DeliveryState.DONE, 0)


async def test_the_state_of_later_survives_failures_and_its_requests_are_not_sent_again():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
        job: Any = (await http.post("/jobs", json={"all": True}, step="start")).json()
        if delivery.state is None:
            return Later(timedelta(seconds=1), job["id"])
        await http.get(f"/jobs/{delivery.state}")
        return Receipt(note=delivery.state)

    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "3"}), method="GET"))
    async with bridge_to(shop, toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle(20)
        row = await only(bridge)
    assert shop.asked == ["POST /jobs", "GET /jobs/t1", "GET /jobs/t1"]
    assert row.last is not None
    assert (row.state, row.last.text) == (DeliveryState.DONE, "t1")


# -- dead letters --------------------------------------------------------------------------------------------------


async def broken_key(http: Http) -> Receipt:
    return {}["ann@example.com"]  # type: ignore[index]


async def broken_division(http: Http) -> Receipt:
    raise ZeroDivisionError("ann@example.com owes 1/0")


async def broken_group(http: Http) -> Receipt:
    raise ExceptionGroup("ann@example.com", [ValueError("ann@example.com")])


async def broken_stop(http: Http) -> Receipt:
    raise StopIteration("ann@example.com")


async def broken_await(http: Http) -> Receipt:
    class Foreign:
        def __await__(self):
            yield "something that no effect is, for ann@example.com"

    await Foreign()
    return Receipt()


async def broken_answer(http: Http) -> Receipt:
    return "not a receipt about ann@example.com"  # type: ignore[return-value]


async def broken_validation(http: Http) -> Receipt:
    Customer.model_validate({"email": "not-an-address-of-ann@example.com@"})
    return Receipt()


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (broken_key, "KeyError"),
        (broken_division, "ZeroDivisionError"),
        (broken_group, "ExceptionGroup"),
        (broken_stop, "RuntimeError"),
        (broken_await, ""),
        (broken_answer, "AttributeError"),
        (broken_validation, "ValidationError"),
    ],
)
async def test_a_bug_of_a_connector_is_a_dead_letter_that_names_it_and_no_payload(broken, name):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        return await broken(http) if customer.given_name == "Ann" else Receipt()

    async with bridge_to(Shop(), toy(run)) as bridge:
        await tell(bridge, "c1", "Ann")
        await tell(bridge, "c1", "Bea")
        await bridge.settle(10)
        second, first = await bridge.journal.deliveries(channel="shop")
    assert (first.state, second.state) == (DeliveryState.DEAD, DeliveryState.DONE)
    assert first.last is not None
    assert (first.last.outcome, first.attempts) == ("bug", 1)
    assert first.last.text == f"{name} in the connector" if name else "ann" not in (first.last.text or "")


async def test_the_vendors_code_and_the_reason_are_kept_and_a_long_one_is_cut():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        raise Permanent("no such list " * 100, code="E404")

    async with bridge_to(Shop(), toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert row.last is not None
    assert (row.last.outcome, row.last.code) == ("permanent", "E404")
    assert row.last.text == ("no such list " * 100)[:500]


async def test_an_answer_that_cannot_be_read_is_a_dead_letter():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        (await http.post("/customers", json={}, protection=NativeKey())).json()
        return Receipt()

    async with bridge_to(Shop(lambda request: Response(200, content=b"<html>")), toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert row.state is DeliveryState.DEAD
    assert row.last is not None
    assert "not valid JSON" in (row.last.text or "")


async def test_what_the_channel_does_not_take_is_a_dead_letter_and_goes_after_it_is_mended():
    async with bridge_to(Shop(), toy(posting()), route="", more=ORDERS) as bridge:
        order = bridge.event("order.placed", {"id": "o1"}, id="o1", subject="o1")
        await bridge.publish(order)
        await bridge.settle()
        row = await only(bridge)
    assert row.state is DeliveryState.DEAD
    assert row.last is not None
    assert row.last.text == "toy takes no order.placed (mend the route, then replay)"


ORDERS = """
[[routes]]
name = "orders"
events = ["order.*"]
to = ["shop"]
"""


# -- mending -------------------------------------------------------------------------------------------------------


def refusing() -> Any:
    """A delivering function to which a 422 is a permanent refusal."""

    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        headers = {"idempotency-key": http.key("create")}
        body = {"name": customer.given_name}
        answer = await http.post("/customers", json=body, headers=headers, step="create", protection=NativeKey())
        if answer.status == 422:
            raise Permanent("refused")
        return Receipt()

    return toy(run)


def names(shop: Shop) -> list[str]:
    return [body["name"] for body in shop.bodies]


async def test_a_poisoned_lane_parks_where_the_route_says_so_and_goes_on_after_a_replay():
    shop = Shop()
    shop.faults.append(Fault(Response(422)))
    async with bridge_to(shop, refusing(), route='on_poison = "park"') as bridge:
        for who, name in [("c1", "Ann"), ("c1", "Bea"), ("c2", "Cid")]:
            await tell(bridge, who, name)
            await bridge.settle()
        assert names(shop) == ["Ann", "Cid"]
        (parked,) = await bridge.journal.deliveries(channel="shop", state="parked")
        await bridge.settle(60)
        assert names(shop) == ["Ann", "Cid"]
        await replay(bridge, parked.id)
        await bridge.settle()
        assert (await bridge.journal.counts()).deliveries["shop", "done"] == 3
    assert names(shop) == ["Ann", "Cid", "Ann", "Bea"]


async def test_a_replay_keeps_the_key_and_a_resend_does_not():
    shop = Shop()
    shop.faults.append(Fault(Response(422)))
    async with bridge_to(shop, refusing()) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
        assert row.state is DeliveryState.DEAD
        await replay(bridge, row.id)
        await bridge.settle()
        assert (await only(bridge)).state is DeliveryState.DONE
        assert await bridge.journal.replay([row.id], bridge.clock.now()) == 0  # what is done is not replayed
        assert await bridge.journal.resend(row.id, bridge.clock.now()) == 1
        bridge.wake()
        await bridge.settle()
        row = await only(bridge)
    first, replayed, resent = (request.headers["idempotency-key"] for request in shop.log)
    assert first == replayed != resent
    assert (row.state, row.generation, len(row.history)) == (DeliveryState.DONE, 1, 3)


@pytest.mark.parametrize("policy", ["hold", "park"])
async def test_an_unknown_attempt_is_closed_by_who_saw_that_it_took_effect(policy):
    shop = Shop()
    shop.faults.append(Fault(lost=True))
    async with bridge_to(shop, toy(posting()), route=f'on_unknown = "{policy}"') as bridge:
        await tell(bridge, "c1", "Ann")
        await tell(bridge, "c1", "Bea")
        await bridge.settle()
        assert names(shop) == (["Ann", "Bea"] if policy == "hold" else ["Ann"])
        (unknown,) = await bridge.journal.deliveries(channel="shop", state="unknown")
        assert await bridge.journal.close_unknown(unknown.id, bridge.clock.now())
        bridge.wake()
        await bridge.settle()
        assert (await bridge.journal.counts()).deliveries["shop", "done"] == 2
    assert names(shop) == ["Ann", "Bea"]


async def test_an_unknown_attempt_that_is_replayed_stays_unknown_and_is_sent_only_by_a_resend():
    shop = Shop()
    shop.faults.append(Fault(lost=True))
    async with bridge_to(shop, toy(posting())) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
        await replay(bridge, row.id)
        await bridge.settle()
        assert (await only(bridge)).state is DeliveryState.UNKNOWN
        assert len(shop.log) == 1
        assert await bridge.journal.resend(row.id, bridge.clock.now()) == 1
        bridge.wake()
        await bridge.settle()
        assert (await only(bridge)).state is DeliveryState.DONE
    assert len({request.headers["idempotency-key"] for request in shop.log}) == 2
