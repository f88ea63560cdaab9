"""Orders to Square: the total exact to the minor unit, fulfilments, changes, cancellations, and interruptions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omnibridge_square.connector import CONNECTOR
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_square.settings import SquareSettings

from omnibridge.connector import Delivery
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.model import (
    Address,
    Customer,
    Discount,
    Fulfilment,
    FulfilmentMethod,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    Ref,
    ShippingLine,
    TaxLine,
    minor_digits,
)
from omnibridge.testing import drive


def money(amount: str | Decimal, currency: str = "DKK") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def order(rig, **fields) -> Order:
    """Two mugs with 25 % VAT inside, one discounted, and carriage: 219.00 + 29.00."""
    vat = TaxLine(title="VAT", rate=Decimal("0.25"), amount=money("43.80"))
    whole: dict[str, Any] = {
        "id": rig.id("order"),
        "number": "#1001",
        "currency": "DKK",
        "taxes_included": True,
        "lines": (
            OrderLine(
                title="Mug",
                quantity=Decimal(2),
                unit_price=money("119.50"),
                discounts=(Discount(amount=money("20"), title="Autumn"),),
                taxes=(vat,),
                variant=Ref(kind="variant", id="var-1"),
                note="gift wrap",
            ),
        ),
        "shipping": (ShippingLine(title="Parcel", price=money("29.00")),),
        "totals": OrderTotals(total=money("248.00"), tax=money("49.60"), shipping=money("29.00")),
        "shipping_address": Address(name="Given Family", street="Street 1", city="Town", country="DK"),
        **fields,
    }
    return Order(**whole)


def stored(rig) -> dict[str, Any]:
    [one] = rig.sandbox.records()["orders"]
    return one


def test_a_new_order(rig):
    rig.references["variant", "var-1"] = "VAR1"
    rig.references["customer", "cus-1"] = "CUS1"
    rig.related["customer", "cus-1"] = Customer(email="person@example.com", phone="+4533123456")
    receipt = rig.deliver(order(rig, buyer=Ref(kind="customer", id="cus-1"), sales_channel="web", note="ring twice"))
    assert [one.path for one in rig.requests] == ["/v2/orders/calculate", "/v2/orders"]
    body = json.loads(rig.requests[1].body)
    assert len(body.pop("idempotency_key")) <= 45
    told = body["order"]
    [tax], [discount], [line], [charge] = (
        told.pop(name) for name in ("taxes", "discounts", "line_items", "service_charges")
    )
    assert told == {
        "location_id": "L-MAIN",
        "reference_id": rig.id("order"),
        "customer_id": "CUS1",
        "ticket_name": "#1001",
        "source": {"name": "web"},
        "pricing_options": {"auto_apply_taxes": False, "auto_apply_discounts": False},
        "fulfillments": [
            {
                "uid": "fulfilment-1",
                "type": "SHIPMENT",
                "state": "PROPOSED",
                "shipment_details": {
                    "recipient": {
                        "display_name": "Given Family",
                        "customer_id": "CUS1",
                        "email_address": "person@example.com",
                        "phone_number": "+4533123456",
                        "address": {"address_line_1": "Street 1", "locality": "Town", "country": "DK"},
                    },
                    "shipping_note": "ring twice",
                },
            }
        ],
    }
    assert tax | {"uid": ""} == {
        "uid": "",
        "name": "VAT",
        "percentage": "25",
        "type": "INCLUSIVE",
        "scope": "LINE_ITEM",
    }
    assert discount | {"uid": ""} == {
        "uid": "",
        "name": "Autumn",
        "type": "FIXED_AMOUNT",
        "amount_money": {"amount": 2000, "currency": "DKK"},
        "scope": "LINE_ITEM",
    }
    assert line | {"uid": ""} == {
        "uid": "",
        "name": "Mug",
        "item_type": "ITEM",
        "quantity": "2",
        "base_price_money": {"amount": 11950, "currency": "DKK"},
        "catalog_object_id": "VAR1",
        "note": "gift wrap",
        "applied_taxes": [{"tax_uid": tax["uid"]}],
        "applied_discounts": [{"discount_uid": discount["uid"]}],
    }
    assert charge | {"uid": ""} == {
        "uid": "",
        "name": "Parcel",
        "amount_money": {"amount": 2900, "currency": "DKK"},
        "calculation_phase": "TOTAL_PHASE",
        "taxable": False,
    }
    assert stored(rig)["total_money"] == {"amount": 24800, "currency": "DKK"}
    told = receipt.snapshots[0]
    assert (told.external_id, told.version, told.ours) == (stored(rig)["id"], 1, rig.id("order"))
    assert told.entity.totals.total == money("248.00")
    assert str(told.entity.totals.shipping) == "29.00 DKK"
    assert receipt.note is None


def test_a_pick_up_at_the_planned_time(rig):
    at = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
    rig.related["fulfilment", "ful-1"] = Fulfilment(
        id="ful-1", order=Ref(kind="order", id=rig.id("order")), method=FulfilmentMethod.PICKUP, pickup_at=at
    )
    rig.references["location", "loc-2"] = "L-TWO"
    rig.sandbox.add_location("L-TWO", "Second shop")
    receipt = rig.deliver(order(rig, location=Ref(kind="location", id="loc-2"), buyer_email="guest@example.com"))
    assert stored(rig)["location_id"] == "L-TWO"
    [move] = stored(rig)["fulfillments"]
    assert move["type"] == "PICKUP"
    assert move["pickup_details"] == {
        "recipient": {"display_name": "guest@example.com", "email_address": "guest@example.com"},
        "schedule_type": "SCHEDULED",
        "pickup_at": "2026-11-23T15:30:00.000Z",
    }
    assert rig.references["fulfilment", "ful-1"] == f"{stored(rig)['id']}:fulfilment-1"
    assert receipt.snapshots[1].entity.pickup_at == at


def test_a_pick_up_as_soon_as_possible_where_nothing_says_otherwise(rig):
    rig.deliver(order(rig, shipping_address=None, shipping=(), totals=OrderTotals(total=money("219.00"))))
    [move] = stored(rig)["fulfillments"]
    details = move["pickup_details"]
    assert (details["schedule_type"], details["prep_time_duration"]) == ("ASAP", "PT30M")


def test_taxes_on_top_come_out_as_percentages_where_they_can(rig):
    tax = TaxLine(title="State", rate=Decimal("0.0725"), amount=money("7.25", "USD"))
    line = OrderLine(title="Mug", quantity=Decimal(1), unit_price=money("100", "USD"), taxes=(tax,))
    totals = OrderTotals(total=money("107.25", "USD"), tax=money("7.25", "USD"))
    rig.deliver(order(rig, currency="USD", taxes_included=False, lines=(line,), shipping=(), totals=totals))
    assert stored(rig)["total_money"]["amount"] == 10725
    assert [one["percentage"] for one in stored(rig)["taxes"]] == ["7.25"]
    assert "service_charges" not in stored(rig)


def test_taxes_on_top_that_square_would_round_up_become_charges_of_their_amounts(rig):
    # Each line's tax is rounded down on its own, 2 × 0.06; Square taxes the sum, 0.13.
    tax = TaxLine(title="State", rate=Decimal("0.065"), amount=money("0.06", "USD"))
    line = OrderLine(title="Pen", quantity=Decimal(1), unit_price=money("0.99", "USD"), taxes=(tax,))
    totals = OrderTotals(total=money("2.10", "USD"), tax=money("0.12", "USD"))
    receipt = rig.deliver(
        order(rig, currency="USD", taxes_included=False, lines=(line, line), shipping=(), totals=totals)
    )
    assert stored(rig)["total_money"]["amount"] == 210
    assert "taxes" not in stored(rig)
    assert [(one["name"], one["amount_money"]["amount"]) for one in stored(rig)["service_charges"]] == [("State", 12)]
    assert [one.path for one in rig.requests].count("/v2/orders/calculate") == 2
    assert str(receipt.snapshots[0].entity.totals.tax) == "0.12 USD"


def test_what_is_left_is_rounding_and_what_is_more_is_an_adjustment(rig):
    rig.deliver(order(rig, totals=OrderTotals(total=money("248.01"))))
    assert [(one["name"], one["amount_money"]["amount"]) for one in stored(rig)["service_charges"]][1:] == [
        ("Rounding", 1)
    ]
    rig.sandbox.orders.clear()
    rig.deliver(order(rig, id=rig.id("order", "2"), totals=OrderTotals(total=money("200.00"))))
    assert [one["name"] for one in stored(rig)["discounts"]] == ["Autumn", "Adjustment"]
    assert stored(rig)["total_money"]["amount"] == 20000


def test_a_total_that_no_discount_reaches_is_refused(rig):
    with pytest.raises(Permanent) as caught:
        rig.deliver(order(rig, totals=OrderTotals(total=money("1.00"))))
    assert caught.value.code == "TOTAL_MISMATCH"
    assert rig.sandbox.orders == {}


def test_tips_fees_duties_gift_cards_weights_credits_and_cancelled_goods(rig):
    lines = (
        OrderLine(title="Cheese", quantity=Decimal("0.250"), unit="kg", unit_price=money("199.90")),
        OrderLine(title="Rope", quantity=Decimal("1.5"), unit="fathom", unit_price=money("10")),
        OrderLine(title="Card", quantity=Decimal(1), unit_price=money("100"), gift_card=True),
        OrderLine(title="Deposit back", quantity=Decimal(2), unit_price=money("-3")),
        OrderLine(title="Sold out", quantity=Decimal(3), cancelled=Decimal(3), unit_price=money("7")),
    )
    totals = OrderTotals(
        total=money("180.00"), tip=money("10"), fees=money("5"), duties=money("4"), rounding=money("0.02")
    )
    receipt = rig.deliver(order(rig, lines=lines, shipping=(), totals=totals))
    found = stored(rig)
    assert found["total_money"]["amount"] == 18000
    cheese, rope, card = found["line_items"]
    assert cheese["quantity_unit"]["measurement_unit"] == {"weight_unit": "METRIC_KILOGRAM", "type": "TYPE_WEIGHT"}
    assert rope["quantity_unit"]["measurement_unit"]["custom_unit"] == {"name": "fathom", "abbreviation": "fathom"}
    assert (cheese["quantity"], cheese["quantity_unit"]["precision"]) == ("0.25", 2)
    assert card["item_type"] == "GIFT_CARD"
    told = receipt.snapshots[0].entity
    assert [one.unit for one in told.lines] == ["kg", "fathom", "each"]
    assert [str(getattr(told.totals, name)) for name in ("tip", "fees", "duties")] == [
        "10.00 DKK",
        "5.00 DKK",
        "4.00 DKK",
    ]
    assert told.lines[2].gift_card


AMOUNT = st.integers(0, 50_000)
RATE = st.sampled_from([None, "0", "0.065", "0.07", "0.0825", "0.2", "0.25", "0.333"])


@st.composite
def orders(draw: st.DrawFn) -> Order:
    currency = draw(st.sampled_from(["DKK", "USD", "JPY", "KWD"]))
    unit = Decimal(1).scaleb(-minor_digits(currency))
    included = draw(st.booleans())

    def taxes() -> tuple[TaxLine, ...]:
        rates = draw(st.lists(RATE, max_size=2))
        return tuple(
            TaxLine(
                title=f"T{rate}",
                rate=None if rate is None else Decimal(rate),
                amount=money(unit * draw(AMOUNT), currency),
            )
            for rate in rates
        )

    lines = tuple(
        OrderLine(
            title=f"Line {index}",
            quantity=Decimal(draw(st.integers(1, 9))) / draw(st.sampled_from([1, 1, 1, 4])),
            unit=draw(st.sampled_from(["each", "kg"])),
            unit_price=money(unit * draw(AMOUNT) / draw(st.sampled_from([1, 1, 8])), currency),
            discounts=tuple(
                Discount(amount=money(unit * draw(st.integers(0, 300)), currency))
                for _ in range(draw(st.integers(0, 2)))
            ),
            taxes=taxes(),
        )
        for index in range(draw(st.integers(1, 4)))
    )
    shipping = tuple(
        ShippingLine(title="Way", price=money(unit * draw(AMOUNT), currency), taxes=taxes())
        for _ in range(draw(st.integers(0, 2)))
    )
    total = money(unit * draw(st.integers(0, 400_000)), currency)
    return Order(
        id="6c3a2f0e-5a0b-5c0d-8e0f-0123456789ab",
        currency=currency,
        taxes_included=included,
        lines=lines,
        shipping=shipping,
        totals=OrderTotals(total=total, tax=money(unit * draw(AMOUNT), currency)),
    )


SETTINGS = SquareSettings.model_validate({"access_token": "t", "location_id": "L-MAIN"})


@given(orders())
@hypothesis_settings(max_examples=200)
def test_whatever_the_parts_say_square_charges_the_total_or_the_order_is_refused(made: Order):
    sandbox = SquareSandbox(token="t")
    event = Event.make("io.omnibridge.order.placed.v1", made, id="e", source="/s", subject=made.id)
    [deliver] = [one for one in CONNECTOR.delivers if one.accepts is Order]
    delivery = Delivery("k", "till", event)
    refusal: Permanent | None = None
    try:
        drive(CONNECTOR, SETTINGS, sandbox, lambda http: deliver.run(SETTINGS, made, delivery, http))
    except Permanent as error:
        refusal = error
    if refusal is not None:
        assert refusal.code in ("TOTAL_MISMATCH", "NO_LINES")
        assert sandbox.orders == {}
    else:
        [found] = sandbox.records()["orders"]
        assert found["total_money"]["amount"] == made.totals.total.to_minor()
        parts = [*found.get("service_charges", []), *found.get("discounts", [])]
        assert all(one["amount_money"]["amount"] > 0 for one in parts)


# -- changes ----------------------------------------------------------------------------------------------------------


def test_delivered_again_unchanged_writes_nothing(rig):
    rig.deliver(order(rig))
    rig.requests.clear()
    receipt = rig.deliver(order(rig))
    assert [(one.method, one.path.rpartition("/")[2]) for one in rig.requests] == [
        ("GET", stored(rig)["id"]),
        ("POST", "calculate"),
    ]
    assert receipt.snapshots[0].entity.totals.total == money("248.00")
    assert stored(rig)["version"] == 1


def test_changed_lines_replace_the_old_ones_and_the_total_is_exact_again(rig):
    rig.deliver(order(rig))
    before = stored(rig)["line_items"][0]["uid"]
    more = (OrderLine(title="Mug", quantity=Decimal(3), unit_price=money("119.50")),)
    receipt = rig.deliver(order(rig, lines=more, totals=OrderTotals(total=money("387.49"))))
    found = stored(rig)
    assert found["total_money"]["amount"] == 38749
    assert [one["quantity"] for one in found["line_items"]] == ["3"]
    assert [one["name"] for one in found["service_charges"]] == ["Parcel"]
    assert [one["name"] for one in found["discounts"]] == ["Rounding"]
    put = json.loads(rig.requests[-1].body)
    assert f"line_items[{before}]" in put["fields_to_clear"]
    assert put["order"]["version"] == 1
    assert receipt.snapshots[0].version == 2
    assert "placed_at" not in receipt.snapshots[0].entity.model_fields_set


def test_an_order_of_the_till_is_never_priced_anew(rig):
    made = rig.sandbox._new_order(
        {
            "location_id": "L-MAIN",
            "line_items": [
                {"uid": "a", "name": "Tea", "quantity": "1", "base_price_money": {"amount": 300, "currency": "DKK"}}
            ],
        }
    )
    rig.references["order", rig.id("order")] = made["id"]
    assert rig.deliver(order(rig)).snapshots == ()
    assert stored(rig)["version"] == 1
    del made["version"]
    assert "cannot be changed" in (rig.deliver(order(rig)).note or "")


def test_a_cancelled_order_is_cancelled_with_its_fulfilment(rig):
    rig.deliver(order(rig))
    receipt = rig.deliver(order(rig, status=OrderStatus.CANCELLED))
    assert stored(rig)["state"] == "CANCELED"
    assert [one["state"] for one in stored(rig)["fulfillments"]] == ["CANCELED"]
    assert receipt.snapshots[0].entity.status is OrderStatus.CANCELLED
    assert rig.deliver(order(rig, status=OrderStatus.CANCELLED)).note is None
    assert rig.deliver(order(rig, id=rig.id("order", "2"), status=OrderStatus.CANCELLED)).note
    assert len(rig.sandbox.orders) == 1


def test_a_version_that_moved_is_read_again(rig):
    rig.deliver(order(rig))
    respond, raced = rig.sandbox.respond, []

    def race(request):
        if request.method == "PUT" and not raced:
            raced.append(request)
            rig.sandbox.move_fulfilment(stored(rig)["id"], "fulfilment-1", "RESERVED")
        return respond(request)

    rig.sandbox.respond = race
    rig.deliver(order(rig, status=OrderStatus.CANCELLED))
    assert stored(rig)["state"] == "CANCELED"


@pytest.mark.parametrize("at", [*range(1, 5), *range(-4, 0)])
def test_interrupted_anywhere_an_order_is_made_once(rig, crash, at):
    rig.related["fulfilment", "ful-1"] = Fulfilment(
        id="ful-1", order=Ref(kind="order", id=rig.id("order")), method=FulfilmentMethod.PICKUP
    )
    with pytest.raises(crash):
        rig.deliver(order(rig), crash_at=at)
    rig.deliver(order(rig))
    assert len(rig.sandbox.orders) == 1
    assert stored(rig)["version"] == 1


@pytest.mark.parametrize("at", [*range(1, 4), *range(-3, 0)])
def test_interrupted_anywhere_a_change_is_made_once(rig, crash, at):
    rig.deliver(order(rig))
    fresh = order(rig, totals=OrderTotals(total=money("249.00")))
    with pytest.raises(crash):
        rig.deliver(fresh, crash_at=at)
    rig.deliver(fresh)
    assert stored(rig)["version"] == 2
    assert stored(rig)["total_money"]["amount"] == 24900


def test_refusals_name_what_to_do(rig):
    bare = rig.settings.model_copy(update={"location_id": None})
    rig.settings = bare
    with pytest.raises(Permanent) as caught:
        rig.deliver(order(rig))
    assert (caught.value.code, bool(caught.value.remedy)) == ("unmatched", True)
    rig.settings = rig.settings.model_copy(update={"location_id": "L-MAIN"})
    lines = (OrderLine(title="Mug", quantity=Decimal(1), unit_price=money("1", "EUR")),)
    with pytest.raises(Permanent) as caught:
        rig.deliver(order(rig, lines=lines))
    assert caught.value.code == "CURRENCY_MISMATCH"
    with pytest.raises(Permanent) as caught:
        rig.deliver(order(rig, lines=(), shipping=()))
    assert caught.value.code == "NO_LINES"
    lines = (OrderLine(title="Dust", quantity=Decimal("0.000001"), unit="kg", unit_price=money("1")),)
    with pytest.raises(Permanent, match="5 digits"):
        rig.deliver(order(rig, lines=lines))
