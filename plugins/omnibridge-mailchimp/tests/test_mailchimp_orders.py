"""Orders on their way to the store: what must be there first, exact money, states, lines that change, and crashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_mailchimp.erasure import erase_person
from omnibridge_mailchimp.order_map import normal_order, order_body
from omnibridge_mailchimp.products import safe_id
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Fault, Reference, Response, Upsert, json_bytes, parse_json
from omnibridge.errors import Permanent
from omnibridge.model import (
    Address,
    Customer,
    Discount,
    EraseCustomer,
    FulfilmentStatus,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    PaymentStatus,
    Ref,
)

EMAIL = "anna@example.com"
AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
BUYER = Customer(id="c-1", email=EMAIL, given_name="Anna", family_name="Example")
RELATED = {("customer", "c-1"): BUYER}
STORE = "/ecommerce/stores/shop"


def eur(amount):
    return Money(amount=amount, currency="EUR")


def line(sku="TEE-M", quantity="2", price="19.90", **fields):
    return OrderLine(
        **{"external_id": sku, "title": "T-shirt", "sku": sku, "quantity": quantity, "unit_price": eur(price), **fields}
    )


def order(**fields):
    values = {
        "id": "o-1",
        "number": "1001",
        "currency": "EUR",
        "buyer": Ref(kind="customer", id="c-1"),
        "payment_status": PaymentStatus.PAID,
        "status": OrderStatus.OPEN,
        "fulfilment_status": FulfilmentStatus.UNFULFILLED,
        "placed_at": AT,
        "lines": (line(),),
        "totals": OrderTotals(total=eur("44.8"), tax=eur("7.15"), shipping=eur("5"), discount=eur("0")),
    }
    return Order(**{**values, **fields})


def calls(done):
    return [f"{request.method} {request.path.removeprefix(STORE)}" for request in done.requests]


def bodies(done):
    return [json.loads(request.body) for request in done.requests if request.body]


def test_a_first_order_makes_customer_product_and_order(channel, sandbox):
    entity = order(
        lines=(line(discounts=(Discount(amount=eur("2.00"), code="SPRING"),)), line("MUG", "1", "5.00", title="Mug")),
        discounts=(Discount(amount=eur("2.00"), code="SPRING"),),
        shipping_address=Address(
            name="Anna Example", street="Nygade 1", city="Aarhus", postal_code="8000", country="DK"
        ),
    )
    done = channel.deliver(entity, "placed", related=RELATED)
    assert calls(done) == [
        "PUT /customers/c-1",
        "GET /products/TEE-M",
        "POST /products",
        "GET /products/MUG",
        "POST /products",
        "POST /orders",
    ]
    customer, tee, mug, placed = bodies(done)
    assert customer == {
        "id": "c-1",
        "email_address": EMAIL,
        "opt_in_status": False,
        "first_name": "Anna",
        "last_name": "Example",
    }
    variant = {"id": "TEE-M", "title": "T-shirt", "price": 19.9, "sku": "TEE-M"}
    assert tee == {"id": "TEE-M", "title": "T-shirt", "variants": [variant]}
    assert mug["id"] == "MUG"
    assert placed == {
        "id": "o-1",
        "customer": {"id": "c-1"},
        "currency_code": "EUR",
        "order_total": 44.8,
        "tax_total": 7.15,
        "shipping_total": 5.0,
        "discount_total": 0.0,
        "financial_status": "paid",
        "processed_at_foreign": "2026-02-03T04:05:06+00:00",
        "shipping_address": {
            "name": "Anna Example",
            "address1": "Nygade 1",
            "city": "Aarhus",
            "postal_code": "8000",
            "country_code": "DK",
        },
        "promos": [{"code": "SPRING", "amount_discounted": 2.0, "type": "fixed"}],
        "lines": [
            {
                "id": "TEE-M",
                "product_id": "TEE-M",
                "product_variant_id": "TEE-M",
                "quantity": 2,
                "price": 19.9,
                "discount": 2.0,
            },
            {
                "id": "MUG",
                "product_id": "MUG",
                "product_variant_id": "MUG",
                "quantity": 1,
                "price": 5.0,
                "discount": 0.0,
            },
        ],
    }
    assert b'"order_total":44.80,' in done.requests[-1].body  # exact, with the currency's digits
    assert all(isinstance(request.protection, Upsert) for request in done.requests if not request.reads)
    assert done.result.references == (Reference("order", "o-1"),)
    assert done.kept == [Reference("order", "o-1")]
    assert sandbox.audience.find(EMAIL)["status"] == "transactional"  # buying subscribes nobody


def test_buying_leaves_a_members_status_alone(channel, sandbox):
    sandbox.audience.joins(EMAIL)["status"] = "unsubscribed"
    channel.deliver(order(), related=RELATED)
    assert sandbox.audience.find(EMAIL)["status"] == "unsubscribed"


def test_what_mailchimp_has_comes_back_as_normal_says(channel):
    entity = order(lines=(line(), line("CLOTH", "1.5", "9.99"), line("GIFT", "1", "0.005", external_id="a/b c")))
    done = channel.deliver(entity, related=RELATED)
    (snapshot,) = done.result.snapshots
    wanted = normal_order(None, entity).model_dump(exclude={"id"})
    assert {**snapshot.entity.model_dump(), "id": None} == {**wanted, "id": None}
    assert [(row.quantity, row.unit_price.amount) for row in snapshot.entity.lines] == [
        (2, Decimal("19.90")),
        (1, Decimal("14.99")),  # 1.5 m at 9.99: one piece at the price of the line
        (1, Decimal("0.01")),
    ]


STATES = [
    ({"payment_status": PaymentStatus.UNPAID}, "pending", None),
    ({"payment_status": PaymentStatus.AUTHORIZED}, "pending", None),
    ({"payment_status": PaymentStatus.PARTIALLY_PAID}, "pending", None),
    ({"payment_status": PaymentStatus.PAID}, "paid", None),
    ({"payment_status": PaymentStatus.PARTIALLY_REFUNDED}, "partially_refunded", None),
    ({"payment_status": PaymentStatus.REFUNDED}, "refunded", None),
    ({"payment_status": PaymentStatus.VOIDED}, "cancelled", None),
    ({"status": OrderStatus.CANCELLED, "cancelled_at": AT}, "cancelled", "2026-02-03T04:05:06+00:00"),
    ({"status": OrderStatus.CANCELLED}, "cancelled", "2026-03-01T12:00:00+00:00"),
    (
        {"status": OrderStatus.CANCELLED, "payment_status": PaymentStatus.REFUNDED, "cancelled_at": AT},
        "refunded",
        "2026-02-03T04:05:06+00:00",
    ),
]


@pytest.mark.parametrize(("fields", "financial", "cancelled"), STATES)
def test_states_of_money_and_cancellation(channel, sandbox, fields, financial, cancelled):
    channel.deliver(order(payment_status=PaymentStatus.UNPAID), related=RELATED)
    done = channel.deliver(order(**fields), own="o-1", related=RELATED)
    assert calls(done) == ["PATCH /orders/o-1"]
    kept = sandbox.store.orders["o-1"]
    assert (kept["financial_status"], kept.get("cancelled_at_foreign")) == (financial, cancelled)
    wanted = normal_order(None, order(**fields))
    seen = done.result.snapshots[0].entity
    assert (seen.status, seen.payment_status) == (wanted.status, wanted.payment_status)


def test_shipped(channel, sandbox):
    channel.deliver(order(fulfilment_status=FulfilmentStatus.FULFILLED), related=RELATED)
    assert sandbox.store.orders["o-1"]["fulfillment_status"] == "shipped"
    partly = order(id="o-2", fulfilment_status=FulfilmentStatus.PARTIAL)
    channel.deliver(partly, related=RELATED)
    assert "fulfillment_status" not in sandbox.store.orders["o-2"]


def test_lines_are_added_changed_and_taken_off(channel, sandbox):
    channel.deliver(order(lines=(line(), line("OLD", "1", "3.00"))), related=RELATED)
    done = channel.deliver(order(lines=(line(quantity="3"), line("NEW", "1", "7.00"))), own="o-1", related=RELATED)
    assert calls(done) == [
        "PATCH /orders/o-1",
        "GET /products/TEE-M",
        "GET /products/NEW",
        "POST /products",
        "PATCH /orders/o-1/lines/TEE-M",
        "POST /orders/o-1/lines",
        "DELETE /orders/o-1/lines/OLD",
    ]
    rows = {row["id"]: row["quantity"] for row in sandbox.store.orders["o-1"]["lines"]}
    assert rows == {"TEE-M": 3, "NEW": 1}
    assert calls(channel.deliver(order(lines=(line(quantity="3"), line("NEW", "1", "7.00"))), own="o-1")) == [
        "PATCH /orders/o-1"
    ]


def test_an_order_that_is_gone_is_made_again(channel, sandbox):
    channel.deliver(order(), related=RELATED)
    sandbox.store.orders.clear()
    done = channel.deliver(order(), own="o-1", related=RELATED)
    assert calls(done) == ["PATCH /orders/o-1", "PUT /customers/c-1", "GET /products/TEE-M", "POST /orders"]


def test_an_order_that_another_was_quicker_to_make_is_changed(channel, sandbox):
    channel.deliver(order(payment_status=PaymentStatus.UNPAID), related=RELATED)
    done = channel.deliver(order(), related=RELATED)
    assert calls(done)[-2:] == ["POST /orders", "PATCH /orders/o-1"]
    assert sandbox.store.orders["o-1"]["financial_status"] == "paid"
    assert len(sandbox.store.orders) == 1


def test_a_missing_variant_is_added_and_a_product_that_is_there_stays_as_it_is(channel, sandbox):
    shirt = Ref(kind="product", id="p-1")
    channel.deliver(order(lines=(line("TEE-M", product=shirt),)), related=RELATED)
    done = channel.deliver(
        order(id="o-2", lines=(line("TEE-M", product=shirt, price="15.00"), line("TEE-L", product=shirt))),
        related=RELATED,
    )
    assert calls(done) == [
        "PUT /customers/c-1",
        "GET /products/p-1",
        "PUT /products/p-1/variants/TEE-L",
        "POST /orders",
    ]
    variants = sandbox.store.products["p-1"]["variants"]
    assert [(v["id"], Decimal(str(v["price"]))) for v in variants] == [
        ("TEE-M", Decimal("19.90")),
        ("TEE-L", Decimal("19.90")),
    ]


def test_a_product_known_here_goes_by_its_reference(channel, sandbox):
    sandbox.store.products["mc-77"] = {"id": "mc-77", "title": "Shirt", "variants": [{"id": "TEE-M", "title": "M"}]}
    shirt = Ref(kind="product", id="p-1")
    channel.deliver(order(lines=(line(product=shirt),)), related=RELATED, references={("product", "p-1"): "mc-77"})
    assert sandbox.store.orders["o-1"]["lines"][0]["product_id"] == "mc-77"


def test_a_product_that_another_was_quicker_to_make_gets_its_variant(channel, sandbox):
    missing = json.dumps({"title": "Resource Not Found", "status": 404, "type": "x", "detail": "", "instance": "x"})
    sandbox.store.products["TEE-M"] = {"id": "TEE-M", "title": "Shirt", "variants": []}
    sandbox.faults.append(Fault(Response(404, {}, missing.encode()), method="GET"))
    done = channel.deliver(order(), related=RELATED)
    assert calls(done)[1:4] == ["GET /products/TEE-M", "POST /products", "PUT /products/TEE-M/variants/TEE-M"]


@pytest.mark.parametrize("sku", ["a/b", "x" * 51, "æble", "../orders", " ", "?", "%2F"])
def test_any_sku_makes_a_safe_id(channel, sandbox, sku):
    channel.deliver(order(lines=(line(sku),)), related=RELATED)
    (product,) = sandbox.store.products
    assert product == safe_id(sku)
    assert len(product) <= 50
    assert "/" not in product


def test_a_guest_is_a_customer_by_address(channel, sandbox):
    channel.deliver(order(buyer=None, buyer_email="Guest@Example.com"))
    assert list(sandbox.store.customers) == [subscriber_hash("guest@example.com")]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"buyer": None}, "e-mail address"),
        ({"lines": ()}, "without lines"),
        ({"test": True}, "test"),
        ({"status": OrderStatus.DRAFT}, "draft"),
    ],
)
def test_what_mailchimp_cannot_take_is_left_with_a_note(channel, sandbox, fields, note):
    done = channel.deliver(order(**fields))
    assert note in done.result.note
    assert not sandbox.store.orders
    assert not done.requests


def test_without_a_store_there_are_no_orders(fresh):
    with pytest.raises(Permanent) as caught:
        fresh(store_id=None).deliver(order())
    assert "store_id" in (caught.value.remedy or "")


@pytest.mark.parametrize("method", ["PUT", "GET", "POST"])
def test_a_refusal_says_what_was_refused(channel, sandbox, method):
    refused = {
        "title": "Invalid Resource",
        "status": 400,
        "detail": "Not valid.",
        "errors": [{"field": "email_address", "message": "looks fake"}],
    }
    sandbox.faults.append(Fault(Response(400, {}, json.dumps(refused).encode()), method=method))
    with pytest.raises(Permanent, match=r"Not valid\. \[email_address: looks fake\]") as caught:
        channel.deliver(order(), related=RELATED)
    assert caught.value.code == "Invalid Resource"


@pytest.mark.parametrize("known", [False, True])
def test_a_crash_anywhere_makes_nothing_twice(fresh, kit, known):
    def begin():
        channel = fresh()
        if known:
            channel.deliver(order(lines=(line(), line("OLD", "1", "3.00"))), related=RELATED)
        return channel

    def seen(channel):
        store = channel.answers.store
        orders = {key: (o["financial_status"], sorted(map(str, o["lines"]))) for key, o in store.orders.items()}
        return orders, store.products, store.customers

    entity = order(payment_status=PaymentStatus.REFUNDED, lines=(line(quantity="3"), line("NEW", "1", "7.00")))
    delivery = {"related": RELATED, **({"own": "o-1"} if known else {})}
    assert kit.survives_every_crash(begin, entity, seen, **delivery) > 6


money = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False).map(eur)
orders = st.builds(
    order,
    status=st.sampled_from(list(OrderStatus)),
    payment_status=st.sampled_from(list(PaymentStatus)),
    fulfilment_status=st.sampled_from(list(FulfilmentStatus)),
    totals=st.builds(OrderTotals, total=money, tax=st.none() | money, shipping=st.none() | money),
    lines=st.lists(
        st.builds(
            OrderLine,
            external_id=st.none() | st.text(min_size=1, max_size=60),
            quantity=st.decimals(min_value=0, max_value=1000, places=3),
            unit_price=money,
        ),
        max_size=3,
    ).map(tuple),
)


@given(orders)
def test_normal_is_idempotent(entity):
    once = normal_order(None, entity)
    assert normal_order(None, once) == once


@given(st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False))
def test_money_is_exact_on_the_wire(amount):
    body = json_bytes(order_body(order(totals=OrderTotals(total=eur(amount))), None))
    assert parse_json(body)["order_total"] == amount


def test_an_erasure_takes_the_buyer_and_the_orders_out_of_the_store(channel, sandbox, kit):
    """Also under the id that the buyer had before two customers became one; everybody else stays."""
    channel.deliver(order(), "placed", related=RELATED)
    other = Customer(id="c-2", email="bo@example.com", given_name="Bo")
    buyer = Ref(kind="customer", id="c-2")
    channel.deliver(order(id="o-2", buyer=buyer), "placed", related={("customer", "c-2"): other})
    command = EraseCustomer(
        customer=Ref(kind="customer", id="c-0"), emails=(EMAIL,), records=(Ref(kind="order", external_id="o-1"),)
    )
    for _ in range(2):  # what is gone is done
        channel.drive(lambda http: erase_person(channel.settings, command, kit.make_delivery(BUYER), http))
        assert list(sandbox.store.customers) == ["c-2"]
        assert list(sandbox.store.orders) == ["o-2"]
