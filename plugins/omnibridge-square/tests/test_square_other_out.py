"""Fulfilments, payments and stock counts to Square."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from omnibridge_square.inbound import translate
from omnibridge_square.stock_out import normal_level

from omnibridge.connector import Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import (
    Fulfilment,
    FulfilmentMethod,
    FulfilmentState,
    InventoryLevel,
    Money,
    Payment,
    PaymentMethod,
    PaymentState,
    Ref,
)


@pytest.fixture
def order_id(rig) -> str:
    """An order at Square with a pick-up, known here as `ord-1`."""
    made = rig.sandbox._new_order(
        {
            "location_id": "L-MAIN",
            "line_items": [
                {"uid": "a", "name": "Tea", "quantity": "1", "base_price_money": {"amount": 3000, "currency": "DKK"}}
            ],
            "fulfillments": [
                {
                    "uid": "f1",
                    "type": "PICKUP",
                    "state": "PROPOSED",
                    "pickup_details": {"recipient": {"display_name": "Guest"}, "schedule_type": "ASAP"},
                },
                {
                    "uid": "f2",
                    "type": "SHIPMENT",
                    "state": "PROPOSED",
                    "shipment_details": {"recipient": {"display_name": "Guest"}},
                },
            ],
        }
    )
    rig.references["order", "ord-1"] = made["id"]
    return made["id"]


def fulfilment(rig, **fields: Any) -> Fulfilment:
    return Fulfilment(
        **{
            "id": rig.id("fulfilment"),
            "order": Ref(kind="order", id="ord-1"),
            "method": FulfilmentMethod.PICKUP,
            **fields,
        }
    )


def moves(rig, order_id: str) -> dict[str, Any]:
    return {one["uid"]: one for one in rig.sandbox.orders[order_id]["fulfillments"]}


def test_a_fulfilment_moves_forward_only(rig, order_id):
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    receipt = rig.deliver(fulfilment(rig, state=FulfilmentState.READY, pickup_at=at))
    assert moves(rig, order_id)["f1"]["state"] == "PREPARED"
    assert moves(rig, order_id)["f1"]["pickup_details"]["pickup_at"] == "2026-11-23T09:00:00.000Z"
    [told] = receipt.snapshots
    assert (told.external_id, told.version) == (f"{order_id}:f1", 2)
    assert told.entity.model_fields_set == {"order", "state", "state_raw", "pickup_at"}
    assert rig.references["fulfilment", rig.id("fulfilment")] == f"{order_id}:f1"
    rig.deliver(fulfilment(rig, state=FulfilmentState.ACCEPTED, pickup_at=at))
    assert moves(rig, order_id)["f1"]["state"] == "PREPARED"
    assert rig.sandbox.orders[order_id]["version"] == 2


def test_tracking_goes_to_the_shipment(rig, order_id):
    rig.deliver(
        fulfilment(
            rig,
            method=FulfilmentMethod.SHIP,
            state=FulfilmentState.DELIVERED,
            carrier="Post",
            tracking_numbers=("T1", "T2"),
            tracking_urls=("https://example.com/T1",),
        )
    )
    found = moves(rig, order_id)["f2"]
    assert found["state"] == "COMPLETED"
    assert found["shipment_details"] == {
        "recipient": {"display_name": "Guest"},
        "carrier": "Post",
        "tracking_number": "T1",
        "tracking_url": "https://example.com/T1",
    }
    assert moves(rig, order_id)["f1"]["state"] == "PROPOSED"


def test_a_fulfilment_without_a_place_at_square(rig, order_id):
    assert rig.deliver(fulfilment(rig, method=FulfilmentMethod.DIGITAL)).note
    with pytest.raises(Permanent) as caught:
        rig.deliver(fulfilment(rig, order=Ref(kind="order", id="unknown")))
    assert caught.value.code == "NO_ORDER"
    del rig.sandbox.orders[order_id]["version"]
    assert "till" in (rig.deliver(fulfilment(rig, state=FulfilmentState.READY)).note or "")


@pytest.mark.parametrize("at", [1, 2, 3, -1, -2, -3])
def test_interrupted_anywhere_a_fulfilment_moves_once(rig, order_id, crash, at):
    with pytest.raises(crash):
        rig.deliver(fulfilment(rig, state=FulfilmentState.READY), crash_at=at)
    rig.deliver(fulfilment(rig, state=FulfilmentState.READY))
    assert rig.sandbox.orders[order_id]["version"] == 2


def payment(rig, **fields: Any) -> Payment:
    return Payment(
        **{
            "id": rig.id("payment"),
            "order": Ref(kind="order", id="ord-1"),
            "amount": Money(amount=Decimal("30.00"), currency="DKK"),
            "method": PaymentMethod.CARD,
            "state": PaymentState.CAPTURED,
            "gateway": "web-pay",
            **fields,
        }
    )


def test_money_that_came_elsewhere_makes_the_order_paid(rig, order_id):
    receipt = rig.deliver(payment(rig))
    body = json.loads(rig.requests[-1].body)
    assert len(body.pop("idempotency_key")) <= 45
    assert body == {
        "source_id": "EXTERNAL",
        "external_details": {"type": "CARD", "source": "web-pay"},
        "amount_money": {"amount": 3000, "currency": "DKK"},
        "order_id": order_id,
        "autocomplete": True,
        "reference_id": rig.id("payment"),
    }
    assert rig.sandbox.orders[order_id]["net_amount_due_money"]["amount"] == 0
    [told] = receipt.snapshots
    assert (told.entity.state, told.ours) == (PaymentState.CAPTURED, rig.id("payment"))
    assert rig.deliver(payment(rig)).note
    assert len(rig.sandbox.payments) == 1


def test_cash_and_money_that_has_not_come(rig, order_id):
    assert rig.deliver(payment(rig, state=PaymentState.AUTHORIZED)).note
    rig.deliver(payment(rig, method=PaymentMethod.CASH, tip=Money(amount=Decimal(5), currency="DKK")))
    [found] = rig.sandbox.records()["payments"]
    assert found["cash_details"] == {"buyer_supplied_money": {"amount": 3000, "currency": "DKK"}}
    assert found["total_money"]["amount"] == 3500


def test_too_much_money_is_refused(rig, order_id):
    with pytest.raises(Permanent) as caught:
        rig.deliver(payment(rig, amount=Money(amount=Decimal("30.01"), currency="DKK")))
    assert caught.value.code == "PAYMENT_AMOUNT_MISMATCH"
    with pytest.raises(Permanent, match="not at Square"):
        rig.deliver(payment(rig, order=Ref(kind="order", id="unknown")))


@pytest.mark.parametrize("at", [1, 2, -1, -2])
def test_interrupted_anywhere_a_payment_is_recorded_once(rig, order_id, crash, at):
    with pytest.raises(crash):
        rig.deliver(payment(rig), crash_at=at)
    rig.deliver(payment(rig))
    assert len(rig.sandbox.payments) == 1


def level(rig, **fields: Any) -> InventoryLevel:
    rig.references["variant", "var-1"] = "V1"
    rig.references["location", "loc-1"] = "L-MAIN"
    return InventoryLevel(
        **{
            "id": rig.id("inventory"),
            "variant": Ref(kind="variant", id="var-1"),
            "location": Ref(kind="location", id="loc-1"),
            "available": Decimal("7.50"),
            **fields,
        }
    )


def test_stock_is_set_by_a_count_at_the_time_it_was_taken(rig):
    receipt = rig.deliver(level(rig, counted_at=rig.now - timedelta(hours=2)))
    body = json.loads(rig.requests[-1].body)
    assert body.pop("idempotency_key")
    assert body == {
        "changes": [
            {
                "type": "PHYSICAL_COUNT",
                "physical_count": {
                    "catalog_object_id": "V1",
                    "location_id": "L-MAIN",
                    "state": "IN_STOCK",
                    "quantity": "7.5",
                    "occurred_at": "2026-11-22T08:00:00.000Z",
                },
            }
        ],
        "ignore_unchanged_counts": True,
    }
    [told] = receipt.snapshots
    assert told.entity.model_fields_set == {"variant", "location", "available"}
    [echo] = rig.sandbox.outbox
    [seen] = translate(rig.settings, rig.inbound(echo.body, dict(echo.headers)))
    assert isinstance(seen, Snapshot)
    assert isinstance(seen.entity, InventoryLevel)
    assert isinstance(told.entity, InventoryLevel)
    assert (seen.external_id, seen.version, seen.entity.available) == (
        told.external_id,
        told.version,
        told.entity.available,
    )


@pytest.fixture
def adjusting(rig):
    """A till that had seven and a half, as was told here, and that is told differences."""
    rig.sandbox.count_stock("V1", "L-MAIN", "7.5")
    rig.sandbox.outbox.clear()
    rig.settings = rig.settings.model_copy(update={"stock_writes": "adjust"})
    rig.known = level(rig)
    return rig


@pytest.mark.parametrize(
    ("wanted", "falls", "moved", "states"),
    [
        ("9", "sold", "1.5", ("NONE", "IN_STOCK")),
        ("4", "sold", "3.5", ("IN_STOCK", "SOLD")),
        ("4", "waste", "3.5", ("IN_STOCK", "WASTE")),
    ],
)
def test_stock_is_adjusted_by_the_difference_so_that_the_tills_sales_stay_counted(
    adjusting, wanted, falls, moved, states
):
    adjusting.settings = adjusting.settings.model_copy(update={"stock_falls_as": falls})
    adjusting.sandbox.count_stock("V1", "L-MAIN", "6.5")  # one was sold at the till meanwhile
    adjusting.sandbox.outbox.clear()
    receipt = adjusting.deliver(level(adjusting, available=Decimal(wanted)))
    body = json.loads(adjusting.requests[-1].body)
    (change,) = body["changes"]
    told = change["adjustment"]
    assert (change["type"], told["quantity"], (told["from_state"], told["to_state"])) == ("ADJUSTMENT", moved, states)
    (seen,) = receipt.snapshots
    assert (seen.external_id, seen.entity.available) == ("V1:L-MAIN", Decimal(wanted) - 1)
    assert "others changed it" in receipt.note
    echo = translate(
        adjusting.settings,
        adjusting.inbound(adjusting.sandbox.outbox[0].body, dict(adjusting.sandbox.outbox[0].headers)),
    )[0]
    assert isinstance(echo, Snapshot)
    assert isinstance(echo.entity, InventoryLevel)
    assert (echo.external_id, echo.entity.available) == (seen.external_id, seen.entity.available)


@pytest.mark.parametrize("at", [1, -1])
def test_an_adjustment_that_is_cut_short_moves_stock_once(adjusting, crash, at):
    with pytest.raises(crash):
        adjusting.deliver(level(adjusting, available=Decimal(5)), crash_at=at)
    adjusting.deliver(level(adjusting, available=Decimal(5)))
    assert adjusting.sandbox.counts["V1", "L-MAIN", "IN_STOCK"]["quantity"] == "5.0"


def test_what_was_never_known_is_counted_and_what_is_equal_is_left_alone(adjusting):
    assert adjusting.deliver(level(adjusting)).note == "nothing to adjust"
    assert adjusting.requests == []
    adjusting.known = None
    adjusting.deliver(level(adjusting, available=Decimal(5)))
    assert json.loads(adjusting.requests[-1].body)["changes"][0]["type"] == "PHYSICAL_COUNT"


def test_the_sandbox_moves_nothing_to_or_from_states_that_are_read_only(adjusting, monkeypatch):
    monkeypatch.setattr(
        "omnibridge_square.stock_out._moved",
        lambda settings, difference: {"from_state": "IN_TRANSIT", "to_state": "IN_STOCK", "quantity": "1"},
    )
    with pytest.raises(Permanent):
        adjusting.deliver(level(adjusting, available=Decimal(5)))


@pytest.mark.parametrize("age", [timedelta(days=3), timedelta(hours=-1)])
def test_a_time_that_square_does_not_take_becomes_now(rig, age):
    rig.deliver(level(rig, counted_at=rig.now - age))
    told = json.loads(rig.requests[-1].body)["changes"][0]["physical_count"]
    assert told["occurred_at"] == "2026-11-22T10:00:00.000Z"


@pytest.mark.parametrize(
    ("fields", "quantity"),
    [
        ({"available": Decimal("-3")}, "0"),
        ({"available": None, "on_hand": Decimal(100)}, "100"),
        ({"available": Decimal("0.1234567")}, "0.12346"),
        ({"available": Decimal("1E+2")}, "100"),
    ],
)
def test_quantities(rig, fields, quantity):
    rig.deliver(level(rig, **fields))
    assert json.loads(rig.requests[-1].body)["changes"][0]["physical_count"]["quantity"] == quantity
    once = normal_level(rig.settings, level(rig, **fields))
    assert normal_level(rig.settings, once) == once
    assert format(once.available or Decimal(0), "f") == quantity


def test_unmatched_stock_is_refused_and_unknown_stock_left_alone(rig):
    assert rig.deliver(level(rig, available=None)).note
    with pytest.raises(Permanent) as caught:
        rig.deliver(level(rig, variant=Ref(kind="variant", id="other")))
    assert (caught.value.code, bool(caught.value.remedy)) == ("unmatched", True)
    with pytest.raises(Permanent) as caught:
        rig.deliver(level(rig, location=Ref(kind="location", id="other")))
    assert caught.value.code == "unmatched"
