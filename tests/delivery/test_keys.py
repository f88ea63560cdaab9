"""The identities of deliveries and requests: derived, equal from attempt to attempt, short enough for every vendor."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_shop import Shop, ShopSettings, bridge_to, only, posting, tell, toy

from omnibridge.connector import Delivery, Fault, Http, Later, NativeKey, Receipt, Response
from omnibridge.delivery import delivery_key, step_key, task_key
from omnibridge.model import Customer

text = st.text(min_size=1, max_size=60)


@given(text, text, text, text)
def test_a_delivery_key_is_a_uuid_of_the_fifth_kind(source, event, channel, operation):
    key = delivery_key(source, event, channel, operation)
    assert UUID(key).version == 5
    assert key == delivery_key(source, event, channel, operation)
    assert str(UUID(key)) == key


@given(text, text, text, text, text)
def test_a_delivery_key_changes_with_each_part(source, event, channel, operation, other):
    parts = (source, event, channel, operation)
    for place in range(4):
        changed = (*parts[:place], parts[place] + other, *parts[place + 1 :])
        assert delivery_key(*changed) != delivery_key(*parts)


@given(text, st.integers(0, 99))
def test_a_step_key_is_short_and_changes_with_step_and_generation(step, generation):
    delivery = delivery_key("a", "b", "c", "d")
    key = step_key(delivery, step, generation)
    assert UUID(key).version == 5
    assert len(key) <= 45
    assert len({key, step_key(delivery, step, generation + 1), step_key(delivery, step + "x", generation)}) == 3
    assert step_key(task_key("c", "d"), step, generation) != key


async def two_steps(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
    for step in ("first", "second"):
        headers = {"idempotency-key": http.key(step), "delivery": delivery.key, "n": str(delivery.attempt)}
        await http.post("/customers", json={"name": step}, headers=headers, step=step, protection=NativeKey())
    return Receipt()


def header(shop: Shop, name: str) -> list[str]:
    return [request.headers[name] for request in shop.log]


@pytest.mark.both_backends
async def test_keys_are_equal_across_attempts_distinct_per_step_and_new_per_generation():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "5"}), times=2))
    async with bridge_to(shop, toy(two_steps)) as bridge:
        await tell(bridge)
        await bridge.settle(30)
        first, again, third, second = header(shop, "idempotency-key")
        assert first == again == third != second
        row = await only(bridge)
        assert set(header(shop, "delivery")) == {row.key}
        assert await bridge.journal.resend(row.id, bridge.clock.now()) == 1
        bridge.wake()
        await bridge.settle()
        assert (await only(bridge)).key == row.key
    anew = header(shop, "idempotency-key")[4:]
    assert len(anew) == 2
    assert not set(anew) & {first, second}


@pytest.mark.both_backends
async def test_a_second_matching_route_does_not_double_a_delivery_and_another_channel_has_its_own():
    shop = Shop()
    more = """
[channels.second]
connector = "toy"
[[routes]]
name = "again"
events = ["customer.updated"]
to = ["shop", "second"]
"""
    async with bridge_to(shop, toy(posting()), more=more) as bridge:
        await tell(bridge)
        await tell(bridge)  # the same event once more
        await bridge.settle()
        assert (await only(bridge)).key != (await only(bridge, "second")).key
    assert len(shop.log) == 2
    assert len(set(header(shop, "idempotency-key"))) == 2
