"""Checkouts: what a cart says, by webhook, by read and by poll, and that it ends as an order."""

from __future__ import annotations

import json

import pytest
from omnibridge_shopify.polls import poll_carts
from omnibridge_shopify.reads import read

from omnibridge.connector import Lookup
from omnibridge.event import Event
from omnibridge.testing import ManualClock, TestBridge

ITEMS = [{"sku": f"S{n}", "title": f"Item {n} - Red", "price": "10.00", "quantity": 2} for n in range(40)]


def last(shop, topic):
    return next(sent for sent in reversed(shop.outbox) if sent.headers["x-shopify-topic"] == topic)


def heard(kit, shop, topic):
    return kit.translate(kit.SETTINGS, kit.inbound(topic, last(shop, topic).body))


@pytest.fixture
def look(kit, shop):
    return lambda id_: kit.run(shop, lambda http: read(kit.SETTINGS, Lookup("cart", str(id_)), http)).result


def test_shopifys_own_sample(kit, vendor_specs):
    (body,) = json.loads((vendor_specs / "shopify" / "rest-fixtures" / "checkouts.json").read_text("utf-8"))[
        "checkouts"
    ]
    cart, customer = kit.translate(kit.SETTINGS, kit.inbound("checkouts/update", body))
    assert (cart.kind, cart.external_id, cart.entity.number) == ("cart", "450789469", "#450789469")
    assert cart.entity.state == "open"
    assert cart.entity.recovery_url == body["abandoned_checkout_url"]
    assert cart.entity.buyer_email == "bob.norman@hostmail.com"
    assert cart.entity.buyer.external_id == customer.external_id == "207119551"
    assert [(line.sku, line.title, str(line.unit_price), line.quantity) for line in cart.entity.lines] == [
        ("IPOD2008RED", "IPod Nano - 8GB - Red", "199.00 USD", 1),
        ("IPOD2008PINK", "IPod Nano - 8GB - Pink", "199.00 USD", 1),
    ]
    assert cart.entity.codes == ("TENOFF",)
    assert (str(cart.entity.totals.total), str(cart.entity.totals.tax)) == ("409.94 USD", "11.94 USD")
    assert str(cart.entity.taxes[0].amount) == "11.94 USD"
    assert cart.custom == {"note_attributes.custom engraving": "Happy Birthday", "note_attributes.colour": "green"}
    assert cart.version.isoformat() == "2012-10-12T11:05:27+00:00"


@pytest.mark.parametrize("known", [True, False])
def test_a_read_and_a_webhook_of_one_cart_agree(kit, shop, look, known):
    body = shop.begin_checkout(kit.BUYER if known else None, ITEMS)
    body["note_attributes"] = [{"name": "engraving", "value": "K"}]
    said = kit.translate(kit.SETTINGS, kit.inbound("checkouts/update", body))
    seen = look(body["id"])
    assert [(one.kind, one.external_id, one.version) for one in said] == [
        (one.kind, one.external_id, one.version) for one in seen
    ]
    assert said[0].custom == seen[0].custom
    assert len(seen[0].entity.lines) == 40
    # GraphQL has neither the address that was typed in nor the carriage.
    names = said[0].entity.model_fields_set - {"buyer_email", "buyer_phone", "shipping"}
    assert names == seen[0].entity.model_fields_set - {"presentment"}
    for name in names - {"totals"}:
        assert getattr(said[0].entity, name) == getattr(seen[0].entity, name), name
    assert said[0].entity.totals.total == seen[0].entity.totals.total
    assert seen[0].entity.totals.presentment == seen[0].entity.totals.total


def test_a_cart_that_is_no_longer_there_is_gone(kit, shop, look):
    body = shop.begin_checkout()
    shop.store.carts.forget(body["id"])
    (said,) = heard(kit, shop, "checkouts/delete")
    (seen,) = look(body["id"])
    assert (said.kind, said.external_id, said.deleted) == (seen.kind, seen.external_id, seen.deleted)
    assert said.deleted


def test_carts_are_polled_in_any_order_and_told_once(kit, shop):
    shop.store.ledger.largest_page = 2
    bodies = [shop.begin_checkout(kit.BUYER) for _ in range(5)]
    shop.now.at += kit.MINUTE
    shop.store.carts.complete(bodies[0]["id"])  # the newest change comes first
    first = kit.run(shop, lambda http: poll_carts(kit.SETTINGS, None, http))
    found = [one.external_id for one in first.emitted if one.kind == "cart"]
    assert sorted(found) == sorted(str(body["id"]) for body in bodies)
    cursor = first.pages[-1][1]
    again = kit.run(shop, lambda http: poll_carts(kit.SETTINGS, cursor, http))
    assert again.emitted == []
    shop.now.at += 10 * kit.MINUTE
    shop.store.carts.complete(bodies[1]["id"])
    later = kit.run(shop, lambda http: poll_carts(kit.SETTINGS, cursor, http))
    (cart,) = [one for one in later.emitted if one.kind == "cart"]
    assert (cart.external_id, cart.entity.state) == (str(bodies[1]["id"]), "completed")


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


async def test_a_cart_is_created_completed_and_deleted(kit):
    clock = ManualClock()
    shop = kit.ShopifySandbox.of(kit.SETTINGS, now=clock.now)
    bridge = TestBridge(TOML, sandboxes={shop.shop: shop}, connectors=[kit.CONNECTOR], clock=clock)
    names = []

    @bridge.handler("cart.*")
    async def note(entity: object, event: Event) -> None:
        names.append(event.name)

    async with bridge:
        await bridge.settle(60)
        body = shop.begin_checkout(kit.BUYER)
        await bridge.settle(60)
        shop.store.carts.complete(body["id"])
        await bridge.settle(60)
        shop.store.carts.forget(body["id"])
        await bridge.settle(3600)
        assert names == ["cart.created", "cart.completed", "cart.deleted"]
