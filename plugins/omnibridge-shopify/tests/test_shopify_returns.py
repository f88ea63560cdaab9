"""Returns: webhooks say that one changed, and reading says how it stands."""

from __future__ import annotations

import pytest
from omnibridge_shopify.reads import read

from omnibridge.connector import Lookup
from omnibridge.errors import InvalidMessage
from omnibridge.event import Event
from omnibridge.testing import ManualClock, TestBridge

ITEMS = [{"sku": f"S{n}", "title": f"Item {n}", "price": "10.00", "quantity": 2} for n in range(60)]


@pytest.fixture
def look(kit, shop):
    return lambda kind, id_: kit.run(shop, lambda http: read(kit.SETTINGS, Lookup(kind, str(id_)), http)).result


def number(node):
    return node["id"].rpartition("/")[2]


VERBS = ["request", "approve", "decline", "process", "update", "cancel", "close", "reopen"]


@pytest.mark.parametrize("verb", VERBS)
def test_each_topic_leads_to_the_return(kit, verb):
    for body in ({"admin_graphql_api_id": "gid://shopify/Return/9"}, {"id": 9}):
        assert kit.translate(kit.SETTINGS, kit.inbound(f"returns/{verb}", body)) == (Lookup("return", "9"),)
    with pytest.raises(InvalidMessage, match="no id"):
        kit.translate(kit.SETTINGS, kit.inbound(f"returns/{verb}", {"id": None}))


@pytest.mark.parametrize(
    ("status", "verb", "state"),
    [
        ("OPEN", "approve", "approved"),
        ("DECLINED", "decline", "declined"),
        ("CANCELED", "cancel", "cancelled"),
        ("CLOSED", "close", "closed"),
    ],
)
def test_a_returns_state(shop, look, status, verb, state):
    order = shop.place_order()
    node = shop.send_back(order["id"], 0, 2, note="too small")
    (seen,) = look("return", number(node))
    assert (seen.kind, seen.external_id, seen.version) == ("return", number(node), None)
    assert (seen.entity.state, seen.entity.state_raw) == ("requested", "requested")
    assert seen.entity.order.external_id == str(order["id"])
    (line,) = seen.entity.lines
    assert (line.sku, line.quantity, line.reason) == ("TEA-EG-100", 2, "too small")
    assert line.line_external_id == str(order["line_items"][0]["id"])
    assert str(line.amount) == "178.00 DKK"
    declined = {"note": "worn", "reason": "FINAL_SALE"} if status == "DECLINED" else None
    shop.store.returns.change(int(number(node)), status, verb, declined)
    (seen,) = look("return", number(node))
    assert (seen.entity.state, seen.entity.note) == (state, "worn" if declined else None)
    assert seen.entity.vendor["decline_reason"] == ("final_sale" if declined else None)


def test_an_open_return_of_which_all_has_come_back_is_received(shop, look):
    node = shop.send_back(shop.place_order()["id"], 0, 2)
    shop.store.returns.change(int(number(node)), "OPEN", "approve")
    shop.store.returns.receive(int(number(node)))
    (seen,) = look("return", number(node))
    assert (seen.entity.state, seen.entity.lines[0].reason) == ("received", "unwanted")


def test_a_long_return_is_read_to_its_end(kit, shop, look):
    order = shop.place_order(items=ITEMS)
    said = {"returnReason": "UNKNOWN", "returnReasonNote": "", "customerNote": None}
    rows = [(item, 1, said) for item in order["line_items"]]
    node = shop.store.returns._make(order, rows, "OPEN", "approve")
    (seen,) = look("return", number(node))
    assert [line.sku for line in seen.entity.lines] == [item["sku"] for item in ITEMS]


def test_what_is_not_there_is_gone(look):
    (gone,) = look("return", 7)
    assert (gone.kind, gone.deleted) == ("return", True)


def test_an_order_is_read_with_its_returns(shop, look):
    order = shop.place_order()
    nodes = [shop.send_back(order["id"], line) for line in (0, 1)]
    seen = [one for one in look("order", order["id"]) if one.kind == "return"]
    assert [one.external_id for one in seen] == [number(node) for node in nodes]


def test_a_refund_names_its_return(kit, shop, look):
    order = shop.place_order()
    made = shop.refund(order["id"])
    made["return"] = {"id": 5, "admin_graphql_api_id": "gid://shopify/Return/5"}
    (heard,) = kit.translate(kit.SETTINGS, kit.inbound("refunds/create", made))
    (read_,) = [one for one in look("order", order["id"]) if one.kind == "refund"]
    assert heard.entity.vendor == read_.entity.vendor == {"return": "5"}


TOML = """
[bridge]
public_url = "https://bridge.example.com"

[channels.shop]
connector = "shopify"
[channels.shop.settings]
shop = "acme.myshopify.com"
access_token = "token"
webhook_secrets = ["hush"]
"""


async def test_a_return_is_requested_and_received_and_no_poll_tells_it_again(kit):
    clock = ManualClock()
    shop = kit.ShopifySandbox.of(kit.SETTINGS, now=clock.now)
    bridge = TestBridge(TOML, sandboxes={shop.shop: shop}, connectors=[kit.CONNECTOR], clock=clock)
    names = []

    @bridge.handler("return.*")
    async def note(entity: object, event: Event) -> None:
        names.append(event.name)

    async with bridge:
        await bridge.settle(60)
        order = shop.place_order(kit.BUYER)
        await bridge.settle(60)
        node = shop.send_back(order["id"])
        await bridge.settle(60)
        shop.store.returns.change(int(number(node)), "OPEN", "approve")
        await bridge.settle(60)
        shop.store.returns.receive(int(number(node)))
        shop.store.after.touch(order)
        await bridge.settle(7200)
        assert names == ["return.requested", "return.updated", "return.received"]
