"""Tests of the parcel connector: one exchange alone, then the whole bridge around it."""

from __future__ import annotations

from decimal import Decimal

import anyio
from parcels import PARCELS, Parcels, ParcelsSandbox, announce
from pydantic import SecretStr

from omnibridge.connector import Delivery, Fault
from omnibridge.event import Event
from omnibridge.model import Money, Order, OrderTotals
from omnibridge.testing import TestBridge, drive

SETTINGS = Parcels(base_url="https://parcels.example", token=SecretStr("t"), webhook_secret=SecretStr("s"))
ORDER = Order(
    id="5d2f4d7e",
    number="1001",
    currency="DKK",
    totals=OrderTotals(total=Money(amount=Decimal("99.50"), currency="DKK")),
)
TOML = """
[channels.parcels]
connector = "parcels"
settings = { base_url = "https://parcels.example", token = "t", webhook_secret = "s" }

[[routes]]
name = "orders to the parcel service"
events = ["order.placed", "order.paid"]
to = ["parcels"]
"""


def test_an_order_is_announced_with_a_key() -> None:
    """`drive` runs the coroutine against the sandbox: no network, no event loop."""
    sandbox = ParcelsSandbox(SETTINGS)
    delivery = Delivery(key="k", channel="parcels", event=Event.make("order.placed", {}, id="1", source="/test"))
    driven = drive(PARCELS, SETTINGS, sandbox, lambda http: announce(SETTINGS, ORDER, delivery, http))
    assert [(request.method, request.path) for request in driven.requests] == [("POST", "/parcels")]
    assert driven.result.references[0].external_id == ORDER.id
    assert [parcel["number"] for parcel in sandbox.records()["parcels"]] == ["1001"]


async def bridged() -> list[str]:
    """An order is placed, the service's answer is lost, and the parcel moves: what happened, in words."""
    sandbox = ParcelsSandbox(SETTINGS)
    async with TestBridge(TOML, connectors=[PARCELS], sandboxes={"parcels.example": sandbox}) as bridge:
        sandbox.faults.append(Fault(lost=True))
        await bridge.publish(bridge.event("order.placed", ORDER, id="order-1", subject=ORDER.id))
        await bridge.settle(10)
        assert len(sandbox.records()["parcels"]) == 1  # asked twice, made once
        assert len(sandbox.log) == 2
        sandbox.moves(next(iter(sandbox.parcels)), "handed_over", "https://bridge.example/in/parcels")
        await bridge.settle(1)
        return [stored.event.name for stored in reversed(await bridge.journal.events())]


def test_the_whole_way() -> None:
    """A lost answer doubles nothing, and the parcel's webhook becomes events."""
    assert anyio.run(bridged) == ["order.placed", "fulfilment.created", "fulfilment.completed"]


if __name__ == "__main__":
    test_an_order_is_announced_with_a_key()
    test_the_whole_way()
    print("both hold")
