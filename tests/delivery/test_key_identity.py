"""A request's key comes from the delivery, its step and the generation, and from nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest

from omnibridge.connector import (
    Connector,
    Delivery,
    Fault,
    Http,
    Receipt,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Upsert,
    deliver,
)
from omnibridge.delivery import delivery_key, step_key
from omnibridge.model import Customer
from omnibridge.testing import TestBridge

DELIVERY = delivery_key("/acme/shop", "event-1", "till", "customer")


def test_the_same_parts_give_the_same_key_and_any_other_part_another() -> None:
    key = step_key(DELIVERY, "create", 0)
    assert key == step_key(DELIVERY, "create", 0)
    assert UUID(key).version == 5
    assert len(key) == 36
    assert len({key, step_key(DELIVERY, "note", 0), step_key(DELIVERY, "create", 1)}) == 3
    assert delivery_key("/acme/shop", "event-1", "till", "customer") == DELIVERY
    assert delivery_key("/acme/shop", "event-1", "phone", "customer") != DELIVERY


class Vendor(Sandbox):
    def respond(self, request: SandboxRequest) -> Response:
        return Response(200)


async def upsert(settings: Settings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    await http.put("/customer", json={"key": http.key("set")}, step="set", protection=Upsert())
    return Receipt()


TILL = Connector(
    name="till",
    title="Till",
    settings=Settings,
    base_url=lambda _: "http://till.example",
    delivers=(deliver(Customer, upsert),),
)
TOML = """
[channels.till]
connector = "till"
[[routes]]
name = "customers"
events = ["customer.created"]
to = ["till"]
"""


@pytest.mark.both_backends
async def test_a_key_that_nothing_froze_is_still_the_same_in_every_attempt() -> None:
    vendor = Vendor()
    vendor.faults.append(Fault(Response(503), times=8))
    async with TestBridge(TOML, connectors=[TILL], sandboxes={"till.example": vendor}) as bridge:
        await bridge.publish(bridge.event("customer.created", {"id": "c1"}, id="e1", subject="c1"))
        await bridge.settle(120)
        assert len(vendor.log) > 3
        assert len({request.json()["key"] for request in vendor.log}) == 1
