"""What follows an order, told to the shop: goods that left, money that goes back, goods that come back."""

from __future__ import annotations

import json

import pytest
from omnibridge_shopify.outbound_fulfilments import deliver_fulfilment, find_fulfilment
from omnibridge_shopify.outbound_refunds import create_refund
from omnibridge_shopify.outbound_returns import deliver_return, find_return
from omnibridge_shopify.outbound_stock import set_level

from omnibridge.connector import NativeKey
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.model import Fulfilment, InventoryLevel, Order, Refund, Return

ORDER = {"kind": "order", "id": "o"}
TEA, CUP = "TEA-EG-100", "CUP-WHT-02"


def operation(request):
    return json.loads(request.body)["operationName"]


def inputs(driven):
    """The mutations that were sent: name and variables."""
    sent = [request for request in driven.requests if not request.reads]
    return [(operation(request), json.loads(request.body)["variables"]) for request in sent]


@pytest.fixture
def order(shop):
    return shop.place_order()


@pytest.fixture
def write(kit, shop, order):
    """Run a writing function for an entity that is about the order."""

    def run(function, entity, type_, *, answers=None, settings=kit.SETTINGS, **options):
        given = {"references": {("order", "o"): str(order["id"])}, **options}
        made = kit.delivery(type_, **given)
        event = Event.make(type_, {}, id="event-1", source="/acme/erp/erp", subject="canonical-1", time=kit.NOW)
        return kit.run(answers or shop, lambda http: function(settings, entity, made._replace(event=event), http))

    return run


# ── Fulfilments ───────────────────────────────────────────────────────────────────────────────────────────────


def shipped(*lines, **more):
    return Fulfilment.model_validate(
        {
            "order": ORDER,
            "state": "completed",
            "carrier": "Post",
            "tracking_numbers": ["T1"],
            "tracking_urls": ["https://t.example.com/T1"],
            "lines": [{"sku": sku, "quantity": count} for sku, count in lines],
            **more,
        }
    )


def test_goods_that_left_are_told_with_their_tracking(kit, shop, order, write):
    driven = write(deliver_fulfilment, shipped((TEA, 1)), "fulfilment.completed")
    ((name, variables),) = inputs(driven)
    assert name == "FulfillmentCreate"
    assert variables["fulfillment"]["trackingInfo"] == {
        "company": "Post",
        "numbers": ["T1"],
        "urls": ["https://t.example.com/T1"],
    }
    assert variables["fulfillment"]["notifyCustomer"] is False
    (made,) = order["fulfillments"]
    assert [(line["sku"], line["quantity"]) for line in made["line_items"]] == [(TEA, 1)]
    assert order["fulfillment_status"] == "partial"
    assert driven.result.references[0].external_id == str(made["id"])
    rest = shipped(tracking_numbers=["T2"])  # no lines told: all that remains
    write(deliver_fulfilment, rest, "fulfilment.completed")
    assert order["fulfillment_status"] == "fulfilled"


def test_a_line_without_a_sku_is_found_in_the_order_as_it_is_known(order, write):
    known = Order.model_validate(
        {
            "currency": "DKK",
            "totals": {"total": {"amount": "1", "currency": "DKK"}},
            "lines": [
                {"external_id": "x", "sku": CUP, "quantity": 1, "unit_price": {"amount": "1", "currency": "DKK"}}
            ],
        }
    )
    entity = shipped(lines=[{"line_external_id": "x", "quantity": 1}])
    write(deliver_fulfilment, entity, "fulfilment.completed", related={("order", "o"): known})
    assert order["fulfillments"][0]["line_items"][0]["sku"] == CUP


def test_a_fulfilment_whose_answer_was_lost_is_found_and_not_made_again(order, write):
    write(deliver_fulfilment, shipped((TEA, 1)), "fulfilment.completed")
    found = write(find_fulfilment, shipped((TEA, 1)), "fulfilment.completed").result
    assert found.references[0].external_id == str(order["fulfillments"][0]["id"])
    assert inputs(write(deliver_fulfilment, shipped((TEA, 1)), "fulfilment.completed")) == []
    other = shipped((TEA, 1), tracking_numbers=["T2"])
    assert write(find_fulfilment, other, "fulfilment.completed").result is None


def test_tracking_follows_and_a_fulfilment_is_called_off(order, write):
    own = write(deliver_fulfilment, shipped((TEA, 2)), "fulfilment.completed").result.references[0].external_id
    later = shipped((TEA, 2), tracking_numbers=["T2"])
    ((name, _),) = inputs(write(deliver_fulfilment, later, "fulfilment.updated", own=own, known=shipped()))
    assert (name, order["fulfillments"][0]["tracking_numbers"]) == ("FulfillmentTracking", ["T2"])
    assert inputs(write(deliver_fulfilment, later, "fulfilment.updated", own=own, known=later)) == []
    off = shipped((TEA, 2), state="cancelled")
    assert write(find_fulfilment, off, "fulfilment.cancelled", own=own).result is None
    write(deliver_fulfilment, off, "fulfilment.cancelled", own=own)
    assert (order["fulfillments"][0]["status"], order["fulfillment_status"]) == ("cancelled", None)
    assert write(find_fulfilment, off, "fulfilment.cancelled", own=own).result is not None


@pytest.mark.parametrize(
    ("entity", "code"),
    [
        (shipped((TEA, 3)), "NOTHING_LEFT"),
        (shipped(("X", 1)), "NO_SUCH_LINE"),
        (shipped((TEA, "0.5")), "INVALID_QUANTITY"),
    ],
)
def test_what_cannot_have_left_is_refused(order, write, entity, code):
    with pytest.raises(Permanent) as caught:
        write(deliver_fulfilment, entity, "fulfilment.completed")
    assert caught.value.code == code
    assert order["fulfillments"] == []


def test_what_is_about_another_shops_order_is_refused(write):
    with pytest.raises(Permanent, match="not one of this shop"):
        write(deliver_fulfilment, shipped((TEA, 1)), "fulfilment.completed", references={})
    assert write(deliver_fulfilment, shipped(state="accepted"), "fulfilment.updated").result.note == "nothing has left"


# ── Refunds ───────────────────────────────────────────────────────────────────────────────────────────────────


def refund(amount, state="pending", *lines):
    return Refund.model_validate(
        {
            "order": ORDER,
            "amount": {"amount": amount, "currency": "DKK"},
            "state": state,
            "reason": "too small",
            "lines": [{"sku": sku, "quantity": count, "restock": restock} for sku, count, restock in lines],
        }
    )


def test_a_pending_refund_moves_the_money_back_to_the_payment(order, write):
    driven = write(create_refund, refund("89.00", "pending", (TEA, 1, True)), "refund.created")
    ((name, variables),) = inputs(driven)
    assert name == "RefundCreate"
    (money,) = variables["input"]["transactions"]
    assert (money["amount"], money["kind"], money["gateway"]) == ("89.00", "REFUND", "shopify_payments")
    assert money["parentId"] == f"gid://shopify/OrderTransaction/{order['id'] * 10 + 9}"
    assert variables["input"]["refundLineItems"][0]["restockType"] == "RETURN"
    assert [request.protection for request in driven.requests if not request.reads] == [NativeKey()]
    assert order["refunds"][0]["transactions"][0]["amount"] == "89.00"
    assert order["financial_status"] == "partially_refunded"


def test_money_that_went_back_elsewhere_is_not_paid_twice(order, write):
    driven = write(create_refund, refund("89.00", "completed", (TEA, 1, None)), "refund.created")
    assert "money went back elsewhere" in driven.result.note
    (made,) = order["refunds"]
    assert (made["transactions"], made["refund_line_items"][0]["restock_type"]) == ([], "no_restock")
    assert order["financial_status"] == "paid"
    driven = write(create_refund, refund("89.00", "completed"), "refund.created")
    assert (inputs(driven), len(order["refunds"])) == ([], 1)


def test_a_refund_that_is_sent_twice_moves_the_money_once(kit, shop, order, write):
    sent = inputs(write(create_refund, refund("89.00"), "refund.created"))
    for _ in range(2):
        write(create_refund, refund("89.00"), "refund.created")
    assert len(order["refunds"]) == 1
    assert sent[0][1]["key"]


def test_more_money_or_goods_than_there_are_is_refused(order, write):
    for entity, code in (
        (refund("9999.00"), "TOO_MUCH"),
        (refund("1.00", "pending", (TEA, 3, None)), "NOTHING_LEFT"),
        (refund("1.00", "pending", ("X", 1, None)), "NO_SUCH_LINE"),
    ):
        with pytest.raises(Permanent) as caught:
            write(create_refund, entity, "refund.created")
        assert caught.value.code == code
    order["presentment_currency"] = "EUR"
    with pytest.raises(Permanent) as caught:
        write(create_refund, refund("1.00"), "refund.created")
    assert caught.value.code == "CURRENCY"
    assert order["refunds"] == []


# ── Returns ───────────────────────────────────────────────────────────────────────────────────────────────────


def coming(state, *lines):
    return Return.model_validate(
        {
            "order": ORDER,
            "state": state,
            "lines": [{"sku": sku, "quantity": count, "reason": "too small"} for sku, count in lines],
        }
    )


@pytest.fixture
def sent(shop, order):
    shop.fulfil(order["id"])
    return order


def test_a_return_is_opened_processed_and_closed(shop, sent, write):
    driven = write(deliver_return, coming("approved", (TEA, 1)), "return.requested")
    ((name, variables),) = inputs(driven)
    (line,) = variables["returnInput"]["returnLineItems"]
    assert (name, line["returnReason"], line["returnReasonNote"]) == ("ReturnCreate", "OTHER", "too small")
    own = driven.result.references[0].external_id
    (node,) = shop.records()["returns"]
    assert (node["id"], node["status"]) == (f"gid://shopify/Return/{own}", "OPEN")
    received = coming("received", (TEA, 1))
    assert write(find_return, received, "return.received", own=own).result is None
    write(deliver_return, received, "return.received", own=own)
    assert node["returnLineItems"][0]["processedQuantity"] == 1
    assert write(find_return, received, "return.received", own=own).result is not None
    write(deliver_return, coming("closed", (TEA, 1)), "return.updated", own=own)
    assert node["status"] == "CLOSED"
    assert inputs(write(deliver_return, coming("closed", (TEA, 1)), "return.updated", own=own)) == []


def test_a_return_that_is_over_when_it_is_first_told_takes_every_step(shop, sent, write):
    names = [name for name, _ in inputs(write(deliver_return, coming("closed", (CUP, 1)), "return.requested"))]
    assert names == ["ReturnCreate", "ReturnProcess", "ReturnClose"]


def test_a_return_whose_answer_was_lost_is_found_and_not_made_again(shop, sent, write):
    entity = coming("approved", (TEA, 1))
    write(deliver_return, entity, "return.requested")
    assert write(find_return, entity, "return.requested").result is not None
    assert inputs(write(deliver_return, entity, "return.requested")) == []
    assert write(find_return, coming("approved", (TEA, 2)), "return.requested").result is None


def test_a_return_is_cancelled(shop, sent, write):
    own = write(deliver_return, coming("approved", (TEA, 1)), "return.requested").result.references[0].external_id
    write(deliver_return, coming("cancelled", (TEA, 1)), "return.updated", own=own)
    assert shop.records()["returns"][0]["status"] == "CANCELED"
    assert write(deliver_return, coming("declined", (TEA, 1)), "return.requested").result.note == "nothing comes back"


def test_what_was_not_shipped_cannot_come_back(order, write):
    with pytest.raises(Permanent) as caught:
        write(deliver_return, coming("approved", (TEA, 1)), "return.requested")
    assert caught.value.code == "NO_SUCH_LINE"


# ── Stock by difference ───────────────────────────────────────────────────────────────────────────────────────


def level(available):
    return InventoryLevel.model_validate(
        {
            "variant": {"kind": "inventory_item", "id": "v"},
            "location": {"kind": "location", "id": "l"},
            "available": available,
        }
    )


@pytest.fixture
def adjust(kit, shop, write):
    shop.store.levels["4", "5"] = {"available": 10, "on_hand": 10, "committed": 0, "incoming": 0}
    settings = kit.SETTINGS.model_copy(update={"stock_writes": "adjust"})
    return lambda after, known: write(
        set_level, level(after), "inventory.changed", settings=settings, own="4:5", known=known and level(known)
    )


def test_a_difference_leaves_a_sale_in_between_counted(shop, adjust):
    shop.store.levels["4", "5"]["available"] = 9  # one was sold, and nobody has heard of it yet
    driven = adjust(7, 10)
    ((name, variables),) = inputs(driven)
    (row,) = variables["input"]["changes"]
    assert (name, row["delta"], row["changeFromQuantity"]) == ("InventoryAdjust", -3, None)
    assert shop.records()["levels"][0]["available"] == 6
    assert driven.result.snapshots[0].entity.available == 6
    assert "others changed it" in driven.result.note
    adjust(7, 10)  # the same key again
    assert shop.records()["levels"][0]["available"] == 6


def test_without_a_count_that_was_known_stock_is_set(shop, adjust):
    assert [name for name, _ in inputs(adjust(7, None))] == ["InventorySet"]
    assert inputs(adjust(7, 7)) == []
    assert shop.records()["levels"][0]["available"] == 7
