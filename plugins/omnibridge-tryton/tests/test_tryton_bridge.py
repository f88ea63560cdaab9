"""The connector behind the whole bridge: what goes into Tryton comes back by a poll and is no news."""

from __future__ import annotations

import pytest
from omnibridge_tryton import CONNECTOR

from omnibridge.connector import LostAnswer
from omnibridge.testing import TestBridge

BRIDGE = """
[channels.erp]
connector = "tryton"

[channels.erp.settings]
base_url = "http://127.0.0.1:8000"
database = "omni"
username = "admin"
password = "a-password-for-tests-1"
location = "WH"
fallback_product = "MISC"
taxes = { "0.25" = "VAT 25%" }
phone_region = "DK"
confirm = true

[[routes]]
name = "to the books"
events = ["customer.*", "order.placed"]
to = ["erp"]
"""


def steps(sandbox) -> list[str]:
    made = [request.json()["method"].removeprefix("model.") for request in sandbox.log]
    return [method for method in made if not method.endswith(".search_read") and not method.startswith("common.")]


async def test_an_order_goes_in_once_and_its_echo_is_no_news(sandbox, things):
    bridge = TestBridge(BRIDGE, sandboxes={"127.0.0.1:8000": sandbox}, connectors=[CONNECTOR])
    async with bridge:
        customer, order = things.customer(), things.order()
        await bridge.publish(bridge.event("customer.created", customer, id="1", subject="c-1"))
        await bridge.settle(1)
        await bridge.publish(bridge.event("order.placed", order, id="2", subject="o-1"))
        await bridge.settle(1)
        [sale] = sandbox.records()["sale.sale"]
        assert (sale["state"], str(sale["total_amount"])) == ("processing", "47.93")
        written = steps(sandbox)
        await bridge.settle(3600)  # every poll has run, more than once
        assert steps(sandbox) == written
        assert len(sandbox.records()["sale.sale"]) == len(sandbox.records()["party.party"]) == 1
        told = {stored.event.name for stored in await bridge.journal.events(channel="erp", limit=100)}
        assert told == {"product.created", "inventory.changed"}
        sandbox.store.write("sale.sale", 1, {"state": "done", "invoice_state": "paid"})
        await bridge.settle(300)
        [paid] = await bridge.journal.events(channel="erp", limit=1)
        assert (paid.event.subject, paid.event.name) == ("o-1", "order.paid")


@pytest.mark.parametrize(
    "method", ["party.party.create", "party.party.write", "sale.sale.create", "sale.sale.write", "sale.sale.confirm"]
)
async def test_a_lost_answer_is_made_good(sandbox, things, method):
    respond, lost = sandbox.respond, []

    def losing(request):
        answer = respond(request)
        if f'"model.{method}"'.encode() in request.body and not lost:
            lost.append(method)
            raise LostAnswer
        return answer

    sandbox.respond = losing
    bridge = TestBridge(BRIDGE, sandboxes={"127.0.0.1:8000": sandbox}, connectors=[CONNECTOR])
    async with bridge:
        await bridge.publish(bridge.event("order.placed", things.order(), id="2", subject="o-1"))
        await bridge.settle(600)
    assert lost
    [sale] = sandbox.records()["sale.sale"]
    assert (sale["state"], str(sale["total_amount"])) == ("processing", "47.93")
    assert len(sandbox.records()["sale.line"]) == 8
    assert len(sandbox.records()["party.party"]) == 1
