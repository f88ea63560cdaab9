"""Lanes: order within one, other lanes go on, consent is never held up, only the newest queued state leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from toy_shop import Shop, ShopSettings, bridge_to, posting, tell, toy

from omnibridge.connector import (
    Delivery,
    Fault,
    Http,
    Limits,
    Poll,
    Receipt,
    Response,
    Snapshot,
    Upsert,
    Window,
    deliver,
)
from omnibridge.errors import Permanent
from omnibridge.model import Consent, ConsentState, Customer, Medium

pytestmark = pytest.mark.both_backends

ONE_AT_A_TIME = Limits[ShopSettings](concurrency=1)


def names(shop: Shop) -> list[str]:
    return [body["name"] for body in shop.bodies]


async def post_consent(settings: ShopSettings, consent: Consent, delivery: Delivery, http: Http) -> Receipt:
    answer = await http.post("/consents", json={"name": f"{consent.contact} {consent.state}"}, protection=Upsert())
    if not answer.ok:
        raise Permanent("refused")
    return Receipt()


def consent(state: ConsentState, who: str = "+4520123456") -> Consent:
    return Consent(contact=who, medium=Medium.SMS, state=state)


async def test_order_is_kept_within_a_lane_while_its_head_waits():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "20"}), times=3))
    async with bridge_to(shop, toy(posting(Upsert()))) as bridge:
        for name in ("Ann", "Bea", "Cid"):
            await tell(bridge, "c1", name)
        await bridge.settle(90)
    assert names(shop) == ["Ann"] * 4 + ["Bea", "Cid"]


async def test_other_lanes_go_on_while_one_waits():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "30"})))
    async with bridge_to(shop, toy(posting(Upsert()))) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()
        await tell(bridge, "c1", "Bea")
        await tell(bridge, "c2", "Dan")
        await bridge.settle(1)
        assert names(shop) == ["Ann", "Dan"]
        await bridge.settle(40)
    assert names(shop) == ["Ann", "Dan", "Ann", "Bea"]


async def test_a_dead_letter_does_not_stop_its_lane():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        if customer.given_name == "Ann":
            raise Permanent("the vendor takes no Ann")
        return await posting()(settings, customer, delivery, http)  # type: ignore[return-value]

    shop = Shop()
    async with bridge_to(shop, toy(run)) as bridge:
        await tell(bridge, "c1", "Ann")
        await tell(bridge, "c1", "Bea")
        await bridge.settle()
        assert (await bridge.journal.counts()).deliveries["shop", "dead"] == 1
    assert names(shop) == ["Bea"]


async def test_what_is_queued_collapses_to_the_newest_state():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "20"})))
    async with bridge_to(shop, toy(posting(Upsert()), collapse=True)) as bridge:
        await tell(bridge, "c1", "Ann")
        await bridge.settle()  # this one has been tried: it may have arrived, so it keeps its place
        for name in ("Bea", "Cid", "Dan"):
            await tell(bridge, "c1", name)
            await bridge.settle()
        await tell(bridge, "c2", "Eva")
        await bridge.settle(60)
        counts = (await bridge.journal.counts()).deliveries
    assert names(shop) == ["Ann", "Eva", "Ann", "Dan"]
    assert counts["shop", "superseded"] == 2
    assert counts["shop", "done"] == 3


async def test_commands_and_slots_that_say_so_do_not_collapse():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "20"})))
    async with bridge_to(shop, toy(posting(Upsert()), collapse=False)) as bridge:
        for name in ("Ann", "Bea", "Cid"):
            await tell(bridge, "c1", name)
            await bridge.settle()
        await bridge.settle(60)
    assert names(shop) == ["Ann", "Ann", "Bea", "Cid"]


async def test_what_just_happened_leaves_before_what_a_poll_found():
    async def found(settings: ShopSettings, cursor: object, http: Http) -> None:
        await http.emit([Snapshot(Customer(given_name=f"Old{n}"), f"old{n}", 1) for n in range(12)], {"at": 1})

    shop = Shop()
    slowly = Limits[ShopSettings](concurrency=1, windows=(Window(1, timedelta(seconds=1)),))
    polls = (Poll(name="all", every=timedelta(days=1), run=found),)
    async with bridge_to(shop, toy(posting(Upsert()), polls=polls, limits=slowly), route="echo = true") as bridge:
        await bridge.settle(1)
        before = len(shop.log)
        await tell(bridge, "c1", "Fresh")
        await bridge.settle(20)
    assert len(names(shop)) == 13
    assert names(shop).index("Fresh") <= before + 2  # what a worker has claimed already, it finishes


async def test_a_consent_has_a_lane_of_its_own_that_goes_first():
    shop = Shop()
    connector = toy(None, deliver(Consent, post_consent), deliver(Customer, posting(Upsert())), limits=ONE_AT_A_TIME)
    more = '[[routes]]\nname = "consents"\nevents = ["consent.*"]\nto = ["shop"]'
    async with bridge_to(shop, connector, more=more) as bridge:
        shop.faults.append(Fault(Response(503, {"retry-after": "30"}), path_prefix="/customers"))
        await tell(bridge, "c1", "Ann")
        await bridge.settle()  # the customer's lane now waits
        gone = consent(ConsentState.WITHDRAWN)
        event = bridge.event("consent.withdrawn", gone, id="w", subject="k1", partitionkey="c1")
        for name in ("Bea", "Cid", "Dan"):
            await tell(bridge, f"other-{name}", name)
        await bridge.publish(event)
        await bridge.settle(1)
    assert names(shop)[1] == "+4520123456 withdrawn"


@pytest.mark.parametrize("policy", ['on_poison = "park"', 'on_poison = "park"\non_unknown = "park"'])
async def test_nothing_parks_the_lane_of_a_consent(policy):
    """A refused grant must not keep the withdrawal after it from leaving, whatever the route says."""
    shop = Shop()
    shop.faults.append(Fault(Response(422)))
    more = f'[[routes]]\nname = "consents"\nevents = ["consent.*"]\nto = ["shop"]\n{policy}'
    async with bridge_to(shop, toy(None, deliver(Consent, post_consent)), more=more) as bridge:
        for state in (ConsentState.GRANTED, ConsentState.WITHDRAWN):
            await bridge.publish(bridge.event(f"consent.{state}", consent(state), id=state, subject="k1"))
            await bridge.settle()
    assert names(shop) == ["+4520123456 granted", "+4520123456 withdrawn"]
