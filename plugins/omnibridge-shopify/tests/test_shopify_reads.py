"""What we ask Shopify: one record, what changed, subscriptions, the shop's name."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from omnibridge_shopify.polls import OVERLAP, poll_customers, poll_locations, poll_orders, poll_products
from omnibridge_shopify.reads import read
from omnibridge_shopify.subscriptions import SUBSCRIPTIONS, TOPICS

from omnibridge.connector import Fault, Lookup, Response, Subscription
from omnibridge.errors import Permanent, Retryable

PAGED = {}
"""The cursor of a shop that is read page by page from its beginning."""
ITEMS = [{"sku": f"S{n}", "title": f"Item {n} - Red", "price": "10.00", "quantity": 2} for n in range(80)]


def told(observations):
    return {
        (each.kind, each.external_id): (each.version, each.entity.model_dump(mode="json", exclude_unset=True))
        for each in observations
    }


@pytest.fixture
def look(kit, shop):
    return lambda kind, id_: kit.run(shop, lambda http: read(kit.SETTINGS, Lookup(kind, str(id_)), http)).result


@pytest.fixture
def poll(kit, shop):
    shop.restore, shop.available = 1e6, 1e6  # a plan on which nothing has to wait
    runs = {
        "orders": poll_orders,
        "customers": poll_customers,
        "products": poll_products,
        "locations": poll_locations,
    }

    def run(name, cursor=PAGED):
        return kit.run(shop, lambda http: runs[name](kit.SETTINGS, cursor, http))

    return run


def last(shop, topic):
    return next(sent for sent in reversed(shop.outbox) if sent.headers["x-shopify-topic"] == topic)


# ── One record ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [True, False])
def test_a_read_and_a_webhook_of_one_order_say_the_same(kit, shop, look, known):
    order = shop.place_order(kit.BUYER if known else None)
    order["note_attributes"] = [{"name": "engraving", "value": "K"}]
    order["tags"] = "a, b"
    shop.fulfil(order["id"])
    shop.refund(order["id"], 0, 1)
    shop.refund(order["id"], 1, 1, "cancel")
    sent = last(shop, "orders/updated")
    heard = told(kit.translate(kit.SETTINGS, kit.inbound("orders/updated", sent.body)))
    assert len(heard) == 4 + known
    assert told(look("order", order["id"])) == heard


def test_a_read_brings_the_payments_too(shop, look):
    order = shop.place_order()
    sale = {
        "id": 5,
        "kind": "sale",
        "status": "success",
        "amount": "346.50",
        "currency": "DKK",
        "gateway": "shopify_payments",
        "created_at": order["created_at"],
        "processed_at": order["created_at"],
    }
    order["transactions"] = [sale]
    (payment,) = [each for each in look("order", order["id"]) if each.kind == "payment"]
    assert (payment.external_id, payment.entity.state, payment.entity.method) == ("5", "captured", "card")
    assert str(payment.entity.amount) == "346.50 DKK"


def test_a_long_order_is_read_to_its_end(kit, shop, look):
    order = shop.place_order(items=ITEMS)
    shop.fulfil(order["id"])
    shop.refund(order["id"])
    lines = order["line_items"]
    first, *_ = order["refunds"][0]["refund_line_items"]
    order["refunds"][0]["refund_line_items"] = [
        {**first, "line_item_id": line["id"], "line_item": line} for line in lines[:60]
    ]
    heard = told(kit.translate(kit.SETTINGS, kit.inbound("orders/updated", order)))
    assert told(look("order", order["id"])) == heard
    assert len(heard["order", str(order["id"])][1]["lines"]) == 80


def test_a_read_and_a_webhook_of_one_customer_agree(kit, shop, look):
    node = shop.store.add_customer(email="kim@example.com", phone="+4533123456", first_name="Kim", subscribed=True)
    sent = last(shop, "customers/create")
    (heard,) = kit.translate(kit.SETTINGS, kit.inbound("customers/create", sent.body))
    customer, email, sms = look("customer", node["legacyResourceId"])
    assert customer.version == heard.version
    assert heard.entity.model_fields_set < customer.entity.model_fields_set
    for name in heard.entity.model_fields_set:
        assert getattr(heard.entity, name) == getattr(customer.entity, name)
    assert (email.entity.state, sms.entity.state) == ("granted", "granted")
    assert email.entity.changed_at == email.version


def test_what_is_not_there_is_gone(look):
    for kind in ("order", "customer"):
        (gone,) = look(kind, 7)
        assert (gone.kind, gone.external_id, gone.deleted) == (kind, "7", True)


def test_other_kinds_cannot_be_read(look):
    with pytest.raises(Permanent, match="no reader for giraffe"):
        look("giraffe", 1)


# ── What changed ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_shop_moves_no_cursor(poll):
    assert poll("orders").pages == []
    cursor = {"since": "2026-01-01T00:00:00Z"}
    ((seen, after),) = poll("customers", cursor).pages
    assert seen == ()
    assert after["since"] == cursor["since"]


def test_the_first_run_reads_everything_and_the_next_only_what_is_new(shop, poll):
    for _ in range(3):
        shop.place_order()
        shop.now.at += timedelta(minutes=1)
    first = poll("orders")
    assert [each.external_id for each in first.emitted] == [str(order["id"]) for order in shop.records()["orders"]]
    cursor = first.pages[-1][1]
    again = poll("orders", cursor)
    assert again.emitted == []
    shop.now.at += timedelta(minutes=1)
    shop.fulfil(shop.records()["orders"][0]["id"])
    later = poll("orders", again.pages[-1][1])
    assert [each.external_id for each in later.emitted] == [str(shop.records()["orders"][0]["id"])]


def test_what_the_search_index_shows_late_is_found_within_the_overlap(shop, poll):
    late = shop.place_order()
    shop.now.at += OVERLAP / 2
    shop.place_order()
    hidden = shop.store.orders.pop(late["id"])
    cursor = poll("orders").pages[-1][1]
    shop.store.orders[late["id"]] = hidden
    assert [each.external_id for each in poll("orders", cursor).emitted] == [str(late["id"])]


def test_pages_end_resume_and_never_go_back(shop, poll):
    for number in range(100):
        shop.store.add_customer(email=f"c{number}@example.com")
        shop.now.at += timedelta(seconds=5)
    whole = poll("customers")
    assert len(whole.pages) == 3
    names = [each.external_id for each in whole.emitted if each.kind == "customer"]
    assert len(names) == len(set(names)) == 100
    sinces = [cursor["since"] or "" for _, cursor in whole.pages]
    highs = [cursor["high"] for _, cursor in whole.pages]
    assert sinces == sorted(sinces)
    assert highs == sorted(highs)
    for index, (_, cursor) in enumerate(whole.pages):
        rest = poll("customers", json.loads(json.dumps(cursor)))
        emitted = [each.external_id for each in rest.emitted if each.kind == "customer"]
        assert emitted == names[40 * (index + 1) :]


def test_an_interrupted_run_goes_on_where_it_was(shop, poll):
    for number in range(90):
        shop.store.add_customer(email=f"c{number}@example.com")
    pages = poll("customers").pages
    shop.faults.append(Fault(Response(503), times=1))
    with pytest.raises(Retryable):
        poll("customers", pages[0][1])
    assert poll("customers", pages[0][1]).pages == pages[1:]


def test_a_very_long_search_starts_anew_before_shopify_ends_it(shop, poll, monkeypatch):
    monkeypatch.setattr("omnibridge_shopify.polls._REANCHOR", 80)
    for number in range(200):
        shop.store.add_customer(email=f"c{number}@example.com")
        shop.now.at += timedelta(minutes=1)
    driven = poll("customers")
    names = [each.external_id for each in driven.emitted if each.kind == "customer"]
    assert len(names) == len(set(names)) == 200
    queries = {json.loads(request.body)["variables"]["query"] for request in driven.requests}
    assert len(queries) > 2


def test_a_page_that_leads_to_itself_ends_the_run(kit):
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}
    answer = Response(200, {}, json.dumps({"data": {"customers": page}}).encode())
    cursor = {"since": "2026-01-01T00:00:00Z"}
    driven = kit.run(lambda request: answer, lambda http: poll_customers(kit.SETTINGS, cursor, http))
    assert len(driven.requests) == 2


def test_a_poll_never_grants(kit, shop, poll):
    shop.store.add_customer(email="kim@example.com", subscribed=True)
    assert kit.CONNECTOR.webhook.redelivery.on_5xx
    kinds = {each.kind for each in poll("customers").emitted}
    assert kinds == {"customer", "consent"}  # that a copy does not grant is the core's rule, told by its origin


# ── Subscriptions and the shop ────────────────────────────────────────────────────────────────────────────────

URL = "https://bridge.example.com/in/shop"


def test_subscriptions_are_made_once_and_found_again(kit, shop, judge):
    wanted = SUBSCRIPTIONS.desired(kit.SETTINGS, URL)
    assert {each.topic for each in wanted} == set(TOPICS)
    assert set(TOPICS) <= judge.schema.type_map["WebhookSubscriptionTopic"].values.keys()
    for _ in range(2):
        for each in wanted:
            kit.run(shop, lambda http, each=each: SUBSCRIPTIONS.create(kit.SETTINGS, each, http))
    found = kit.run(shop, lambda http: SUBSCRIPTIONS.list(kit.SETTINGS, http)).result
    assert sorted(found, key=lambda each: each.topic) == sorted(wanted, key=lambda each: each.topic)
    for _ in range(2):
        kit.run(shop, lambda http: SUBSCRIPTIONS.delete(kit.SETTINGS, found[0], http))
    assert len(kit.run(shop, lambda http: SUBSCRIPTIONS.list(kit.SETTINGS, http)).result) == len(TOPICS) - 1


def test_subscriptions_are_listed_over_many_pages(kit, shop):
    for number in range(250):
        each = Subscription("ORDERS_CREATE", f"https://other.example.com/{number}")
        kit.run(shop, lambda http, each=each: SUBSCRIPTIONS.create(kit.SETTINGS, each, http))
        shop.available = 2000
    assert len(kit.run(shop, lambda http: SUBSCRIPTIONS.list(kit.SETTINGS, http)).result) == 250


def test_what_is_subscribed_is_understood(kit, shop):
    """Every topic that we ask for reaches a reader: none is refused as unknown."""
    for topic in TOPICS:
        group, _, verb = topic.rpartition("_")
        name = f"{group}/{verb}".lower()
        name = {
            "customer_tags/added": "customer.tags_added",
            "customer_tags/removed": "customer.tags_removed",
        }.get(name, name)
        with pytest.raises(Exception) as caught:
            assert kit.translate(kit.SETTINGS, kit.inbound(name, {})) is None
        assert "no reader" not in str(caught.value)


def test_the_probe_asks_for_the_shops_own_name(kit, shop):
    driven = kit.run(shop, lambda http: kit.CONNECTOR.probe(kit.SETTINGS, http))
    assert all(request.reads for request in driven.requests)
    shop.store.shop = "other.myshopify.com"
    with pytest.raises(Permanent, match=r"other\.myshopify\.com"):
        kit.run(shop, lambda http: kit.CONNECTOR.probe(kit.SETTINGS, http))


# ── Goods and places ──────────────────────────────────────────────────────────────────────────────────────────


def agree(kit, shop, topic, seen):
    """A read says all that the webhook said, the same way; it may say more."""
    (heard,) = kit.translate(kit.SETTINGS, kit.inbound(topic, last(shop, topic).body))
    assert (heard.kind, heard.external_id, heard.version) == (seen.kind, seen.external_id, seen.version)
    assert within(told([heard]), told([seen]))


def within(part, whole):
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and within(value, whole[name]) for name, value in part.items())
    if isinstance(part, list | tuple) and isinstance(whole, list | tuple):
        return len(part) == len(whole) and all(map(within, part, whole))
    return part == whole


def test_a_read_and_a_webhook_of_one_product_agree(kit, shop, look):
    rows = [{"sku": f"TEA-{n}", "price": f"{n}.5", "value": f"{n} g"} for n in range(1, 61)]
    node = shop.store.goods.add_product("Tea", rows, "Size", productOptions=[{"name": "Size"}], tags=["hot", "drink"])
    node["variants"][0]["inventoryItem"]["measurement"]["weight"] = {"unit": "KILOGRAMS", "value": 0.25}
    (seen,) = look("product", node["id"].rpartition("/")[2])
    agree(kit, shop, "products/create", seen)
    variants = seen.entity.variants
    assert len(variants) == 60
    assert (variants[0].sku, variants[0].options, str(variants[0].weight_grams)) == ("TEA-1", {"Size": "1 g"}, "250")
    assert str(variants[0].prices[0].amount) == "1.50 DKK"
    assert variants[0].inventory_external_id


def test_a_read_and_a_webhook_of_stock_and_of_a_location_agree(kit, shop, look):
    shop.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    row = {"inventoryItemId": "4", "locationId": "5", "quantity": 2, "changeFromQuantity": 3}
    given = {"name": "available", "reason": "correction", "quantities": [row]}
    shop.store.answer("InventorySet", {"key": "k", "input": given})
    (seen,) = look("inventory", "4:5")
    agree(kit, shop, "inventory_levels/update", seen)
    assert seen.entity.available == 2
    shop.store.goods.add_location(9, "Shop", address1="Street 1", city="Aarhus", countryCode="DK", country="Denmark")
    (seen,) = look("location", 9)
    agree(kit, shop, "locations/create", seen)
    assert (seen.entity.name, seen.entity.address.country) == ("Shop", "DK")


@pytest.mark.parametrize(("kind", "id_"), [("product", "7"), ("inventory", "4:5"), ("location", "7")])
def test_goods_that_are_not_there_are_gone(look, kind, id_):
    (gone,) = look(kind, id_)
    assert (gone.kind, gone.external_id, gone.deleted) == (kind, id_, True)


def test_products_and_locations_are_polled(shop, poll):
    shop.store.ledger.largest_page = 2
    for n in range(5):
        shop.store.goods.add_product(f"Tea {n}")
        shop.store.goods.add_location(n + 1, f"Shop {n}")
    first = poll("products")
    assert len(first.pages) == 3
    assert [one.entity.title for one in first.emitted] == [f"Tea {n}" for n in range(5)]
    assert poll("products", first.pages[-1][1]).emitted == []
    places = poll("locations")
    assert [one.entity.name for one in places.emitted] == [f"Shop {n}" for n in range(5)]
    for index, (_, cursor) in enumerate(places.pages[:-1]):
        assert poll("locations", cursor).emitted == places.emitted[2 * (index + 1) :]
    assert len(poll("locations", places.pages[-1][1]).emitted) == 5
