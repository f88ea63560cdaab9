"""Every leaf of every sample body is read, or left out with a reason; and no reason outlives its leaf."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from omnibridge_shopify import CONNECTOR
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_shopify.sandbox_after import make_refund
from omnibridge_shopify.sandbox_bodies import make_order

from omnibridge.errors import InvalidMessage

TIME = re.compile(r"\d{4}-\d\d-\d\dT")
NUMBER = re.compile(r"-?\d+(\.\d+)?")

VENDOR = {
    "webhooks/customers_create.json": "customers/create",
    "webhooks/customers_delete.json": "customers/delete",
    "webhooks/customers_update.2012-sample.json": "customers/update",
    "webhooks/inventory_levels_update.json": "inventory_levels/update",
    "webhooks/orders_delete.json": "orders/delete",
    "webhooks/orders_updated.docs-sample-450789469.json": "orders/updated",
    "webhooks/products_delete.json": "products/delete",
    "webhooks/refunds_create.head-of-docs-sample.json": "refunds/create",
    "webhooks/returns_update.json": "returns/update",
    "rest-fixtures/checkouts.json": "checkouts/update",
    "rest-fixtures/customer.json": "customers/update",
    "rest-fixtures/fulfillment.json": "fulfillments/update",
    "rest-fixtures/inventory_level.json": "inventory_levels/update",
    "rest-fixtures/location.json": "locations/update",
    "rest-fixtures/order.json": "orders/updated",
    "rest-fixtures/product.json": "products/update",
    "rest-fixtures/refund.json": "refunds/create",
}


ENGRAVED = [{"name": "engraving", "value": "K"}]


def own_samples(kit):
    sandbox = ShopifySandbox(now=lambda: kit.NOW)
    sandbox.webhook_url = "https://bridge.example.com/in/shop"
    sandbox.store.add_customer(email="kim@example.com", phone="+4533123456", first_name="Kim", subscribed=True)
    placed = sandbox.place_order(kit.BUYER)
    sandbox.fulfil(placed["id"])
    sandbox.refund(placed["id"])
    for sent in sandbox.outbox:
        yield sent.headers["x-shopify-topic"], json.loads(sent.body)
    order = make_order(9, at=kit.NOW, customer=kit.BUYER)
    yield "orders/create", {**order, **unusual(order)}
    yield (
        "fulfillments/create",
        {"id": 1, "order_id": 2, "tracking_number": "1", "tracking_url": "https://t.example.com"},
    )
    yield "refunds/create", {"id": 1, "order_id": 2, "processed_at": "2026-11-22T10:00:00+01:00"}
    cart = ShopifySandbox(now=lambda: kit.NOW).begin_checkout(kit.BUYER)
    goods = [{**cart["line_items"][0], "properties": ENGRAVED}]
    places = {"billing_address": nameless(), "shipping_address": nameless()}
    yield (
        "checkouts/create",
        {**cart, **places, "total_price_set": order["total_price_set"], "line_items": goods},
    )
    yield "refunds/create", {**make_refund(order, 0, 1, at=kit.NOW), "return": {"id": 5, "admin_graphql_api_id": "g"}}
    yield "returns/approve", {"id": 5}
    yield "customers/update", {"id": 1, "addresses": [nameless()], "default_address": nameless()}
    yield "locations/update", {"id": 1, "name": "Shop", "province": "Zealand", "country": "Denmark"}
    yield "refunds/create", make_refund(order, 0, 1, at=kit.NOW)
    yield (
        "customers_email_marketing_consent/update",
        {
            "customer_id": 207119551,
            "email_address": "kim@example.com",
            "email_marketing_consent": {
                "state": "subscribed",
                "opt_in_level": "single_opt_in",
                "consent_updated_at": "2026-11-22T10:00:00+01:00",
            },
        },
    )
    yield (
        "customers_marketing_consent/update",
        {
            "id": 207119551,
            "phone": "+4533123456",
            "sms_marketing_consent": {
                "state": "unsubscribed",
                "opt_in_level": "confirmed_opt_in",
                "consent_updated_at": "2026-11-22T10:00:00+01:00",
                "consent_collected_from": "shopify",
            },
        },
    )


def nameless():
    return {"first_name": "Kim", "last_name": "Example", "province": "Zealand", "country": "Denmark"}


def unusual(order):
    """What an order has only when something else is missing, or when it is sold across a border."""
    money = order["total_tax_set"]
    line, carriage = order["line_items"][0], order["shipping_lines"][0]
    back = {"id": 5, "admin_graphql_api_id": "gid://shopify/Return/5"}
    refund = {"id": 3, "return": back, "processed_at": order["updated_at"], "refund_line_items": [], "transactions": []}
    return {
        "email": "",
        "contact_email": "kim@example.com",
        "original_total_duties_set": money,
        "original_total_additional_fees_set": money,
        "billing_address": nameless(),
        "shipping_address": nameless(),
        "discount_applications": [{"description": "Loyal"}, {"title": "Carried"}],
        "line_items": [{key: value for key, value in line.items() if key != "name"} | {"current_quantity": 1}],
        "shipping_lines": [{**carriage, "discount_allocations": [{"amount": "1.00", "discount_application_index": 1}]}],
        "refunds": [refund],
        "fulfillments": [{"id": 4, "tracking_number": "1", "tracking_url": "https://t.example.com"}],
    }


def vendor_samples(folder):
    for name, topic in VENDOR.items():
        body = json.loads((folder / "shopify" / name).read_text("utf-8"))
        if name.startswith("rest-fixtures"):
            (body,) = body.values()
            body = body[0] if isinstance(body, list) else body
        yield topic, body


def leaves(value, path=(), pattern=""):
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*path, name), f"{pattern}.{name}" if pattern else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index), f"{pattern}[]")
    elif not isinstance(value, dict | list):
        yield path, pattern


def others(value):
    """Values that a leaf could have instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1]
    if isinstance(value, str) and TIME.match(value):
        return [(datetime.fromisoformat(value) + timedelta(days=400)).astimezone(UTC).isoformat()]
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return [value.replace(value[0], str((int(value[0]) + 1) % 10) if value[0] != "-" else "", 1)]
    if isinstance(value, str):
        return [f"{value}x", "JPY", f"{value[:-1]}7", "delivered", "failure"]
    return ["x", "xyz@example.com", "+4533123456", "delivered", 7, True, "7.00", "2026-01-01T00:00:00+01:00"]


def seen(kit, topic, body):
    try:
        return kit.translate(kit.SETTINGS, kit.inbound(topic, body))
    except InvalidMessage:
        return None


def account(kit, samples):
    """Each pattern of a leaf, and whether any sample shows that it is read."""
    found = {}
    for topic, sample in samples:
        body = json.loads(json.dumps(sample))  # no two places share an object
        plain = seen(kit, topic, body)
        assert plain is not None, topic
        prefix = topic.partition("/")[0]
        for path, pattern in leaves(body):
            name = f"{prefix}.{pattern}"
            if found.get(name):
                continue
            spot = body
            for step in path[:-1]:
                spot = spot[step]
            before = spot[path[-1]]
            found[name] = False
            for other in others(before):
                spot[path[-1]] = other
                result = seen(kit, topic, body)
                if result is not None and result != plain:
                    found[name] = True
                    break
            spot[path[-1]] = before
    return found


def matcher(pattern):
    return re.compile(re.escape(pattern).replace(r"\*", ".*"))


@pytest.fixture(scope="module")
def accounted(kit, vendor_specs):
    return account(kit, [*vendor_samples(vendor_specs), *own_samples(kit)])


def holder(name, accounted):
    """Whether it is only a null where other samples have an object or a list."""
    return any(other.startswith((f"{name}.", f"{name}[]")) for other in accounted)


def test_every_leaf_is_read_or_left_out_with_a_reason(accounted):
    dropped = [matcher(pattern) for pattern in CONNECTOR.dropped]
    lost = sorted(
        name
        for name, read in accounted.items()
        if not read and not any(each.fullmatch(name) for each in dropped) and not holder(name, accounted)
    )
    assert not lost


def test_no_reason_outlives_its_leaf(accounted):
    stale = {}
    for pattern in CONNECTOR.dropped:
        hits = [name for name in accounted if matcher(pattern).fullmatch(name)]
        if not hits or any(accounted[name] for name in hits):
            stale[pattern] = [name for name in hits if accounted[name]] or "no such leaf"
    assert not stale


def test_every_vendor_sample_is_accounted_for(vendor_specs):
    folder = vendor_specs / "shopify"
    there = {f"{place}/{path.name}" for place in ("webhooks", "rest-fixtures") for path in (folder / place).glob("*")}
    assert there == VENDOR.keys()
