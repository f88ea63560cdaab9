"""Lookups and polls: what an order, a profile or the catalogue says, and that no change between two polls is missed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from omnibridge_square.connector import CONNECTOR
from omnibridge_square.orders import order
from omnibridge_square.reads import read
from omnibridge_square.wire import Node

from omnibridge.connector import Fault, Lookup, Snapshot, dump_observations, json_response
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.model import Fulfilment, Location, Order, Product, Return

POLLS = {one.name: one.run for one in CONNECTOR.polls}


def eur(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


ORDER: dict[str, Any] = {
    "id": "O1",
    "location_id": "L1",
    "reference_id": "table-7",
    "source": {"name": "Point of Sale"},
    "customer_id": "C1",
    "ticket_name": "Seven",
    "line_items": [
        {
            "uid": "l1",
            "name": "Coffee",
            "variation_name": "Large",
            "quantity": "2",
            "note": "hot",
            "catalog_object_id": "V1",
            "item_type": "ITEM",
            "base_price_money": eur(300),
            "gross_sales_money": eur(700),
            "total_money": eur(650),
            "modifiers": [{"uid": "m1", "name": "Oat milk", "base_price_money": eur(50)}],
            "applied_discounts": [{"uid": "ad", "discount_uid": "d1", "applied_money": eur(50)}],
            "applied_taxes": [{"uid": "at", "tax_uid": "t1", "applied_money": eur(59)}],
        },
        {
            "uid": "l2",
            "name": "Beans",
            "quantity": "0.250",
            "quantity_unit": {"measurement_unit": {"weight_unit": "METRIC_KILOGRAM"}, "precision": 3},
            "base_price_money": eur(4000),
            "total_money": eur(1000),
        },
    ],
    "taxes": [{"uid": "t1", "name": "VAT", "percentage": "10", "type": "INCLUSIVE", "applied_money": eur(59)}],
    "discounts": [{"uid": "d1", "name": "Friend", "type": "FIXED_AMOUNT", "amount_money": eur(50), "scope": "ORDER"}],
    "service_charges": [{"uid": "s1", "name": "Service", "amount_money": eur(100), "applied_money": eur(100)}],
    "fulfillments": [
        {
            "uid": "f1",
            "type": "PICKUP",
            "state": "RESERVED",
            "line_item_application": "ENTRY_LIST",
            "entries": [{"uid": "e1", "line_item_uid": "l1", "quantity": "2"}],
            "pickup_details": {
                "pickup_at": "2026-11-22T15:00:00+01:00",
                "placed_at": "2026-11-22T09:00:00Z",
                "recipient": {
                    "display_name": "Guest",
                    "email_address": "guest@example.com",
                    "phone_number": "+4533123456",
                },
            },
        },
        {
            "uid": "f2",
            "type": "SHIPMENT",
            "state": "COMPLETED",
            "shipment_details": {
                "carrier": "Post",
                "tracking_number": "T1",
                "tracking_url": "https://example.com/T1",
                "recipient": {"display_name": "Guest", "address": {"locality": "Town", "country": "DE"}},
            },
        },
    ],
    "returns": [
        {
            "uid": "r1",
            "source_order_id": "O0",
            "return_line_items": [
                {
                    "uid": "rl",
                    "source_line_item_uid": "x1",
                    "quantity": "1",
                    "total_money": eur(200),
                    "total_tax_money": eur(20),
                }
            ],
        }
    ],
    "metadata": {"gift": "yes"},
    "state": "OPEN",
    "version": 12,
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T10:00:00.5Z",
    "total_money": eur(1750),
    "total_tax_money": eur(59),
    "total_discount_money": eur(50),
    "total_tip_money": eur(0),
    "rounding_adjustment": {"uid": "ra", "amount_money": eur(2)},
    "return_amounts": {"total_money": eur(200)},
    "net_amount_due_money": eur(0),
    "tenders": [{"id": "P1", "type": "CARD", "amount_money": eur(1750)}],
}


def test_an_order_with_its_fulfilments_and_returns():
    told, pickup, parcel, back = order(Node(ORDER), "DK")
    assert {(one.external_id, one.version) for one in (told, pickup, parcel, back)} == {
        ("O1", 12),
        ("O1:f1", 12),
        ("O1:f2", 12),
        ("O1:r1", 12),
    }
    assert told.custom == {"gift": "yes"}
    assert told.ours is None
    assert isinstance(told.entity, Order)
    assert json.loads(told.entity.model_dump_json(exclude_unset=True)) == {
        "status": "open",
        "status_raw": "OPEN",
        "payment_status": "partially_refunded",
        "fulfilment_status": "partial",
        "currency": "EUR",
        "taxes_included": True,
        "buyer": {"kind": "customer", "external_id": "C1"},
        "buyer_email": "guest@example.com",
        "buyer_phone": "+4533123456",
        "location": {"kind": "location", "external_id": "L1"},
        "shipping_address": {"city": "Town", "country": "DE"},
        "lines": [
            {
                "external_id": "l1",
                "title": "Coffee",
                "variant": {"kind": "variant", "external_id": "V1"},
                "quantity": "2",
                "unit_price": {"amount": "3.50", "currency": "EUR"},
                "discounts": [{"amount": {"amount": "0.50", "currency": "EUR"}, "title": "Friend"}],
                "taxes": [{"title": "VAT", "rate": "0.1", "amount": {"amount": "0.59", "currency": "EUR"}}],
                "gift_card": False,
                "note": "hot",
                "properties": {"Oat milk": "1", "variation_name": "Large"},
            },
            {
                "external_id": "l2",
                "title": "Beans",
                "quantity": "0.250",
                "unit": "kg",
                "unit_price": {"amount": "40.00", "currency": "EUR"},
                "discounts": [],
                "taxes": [],
            },
        ],
        "taxes": [{"title": "VAT", "rate": "0.1", "amount": {"amount": "0.59", "currency": "EUR"}}],
        "totals": {
            "total": {"amount": "17.50", "currency": "EUR"},
            "discount": {"amount": "0.50", "currency": "EUR"},
            "tax": {"amount": "0.59", "currency": "EUR"},
            "tip": {"amount": "0.00", "currency": "EUR"},
            "fees": {"amount": "1.00", "currency": "EUR"},
            "rounding": {"amount": "0.02", "currency": "EUR"},
            "refunded": {"amount": "2.00", "currency": "EUR"},
            "outstanding": {"amount": "0.00", "currency": "EUR"},
        },
        "sales_channel": "Point of Sale",
        "placed_at": "2026-11-22T09:00:00Z",
        "updated_at": "2026-11-22T10:00:00.500000Z",
        "vendor": told.entity.vendor,
    }
    assert told.entity.vendor["ticket_name"] == "Seven"
    assert told.entity.vendor["reference_id"] == "table-7"
    assert told.entity.vendor["tenders"] == ORDER["tenders"]
    assert isinstance(pickup.entity, Fulfilment)
    assert json.loads(pickup.entity.model_dump_json(exclude_unset=True)) == {
        "order": {"kind": "order", "external_id": "O1"},
        "method": "pickup",
        "state": "accepted",
        "state_raw": "RESERVED",
        "location": {"kind": "location", "external_id": "L1"},
        "lines": [{"line_external_id": "l1", "quantity": "2"}],
        "pickup_at": "2026-11-22T15:00:00+01:00",
        "created_at": "2026-11-22T09:00:00Z",
        "updated_at": "2026-11-22T10:00:00.500000Z",
    }
    assert isinstance(parcel.entity, Fulfilment)
    assert (parcel.entity.method, parcel.entity.state, parcel.entity.tracking_numbers) == ("ship", "completed", ("T1",))
    assert parcel.entity.destination is not None
    assert parcel.entity.destination.name == "Guest"
    assert [one.line_external_id for one in parcel.entity.lines] == ["l1", "l2"]
    assert isinstance(back.entity, Return)
    assert back.entity.order.external_id == "O0"
    assert (str(back.entity.lines[0].amount), back.entity.lines[0].line_external_id) == ("2.00 EUR", "x1")


def test_unknown_words_of_an_order_are_kept():
    told = {**ORDER, "state": "NEW", "fulfillments": [{"uid": "f", "type": "DRONE", "state": "FLYING"}]}
    whole, move, _ = order(Node(told))
    assert isinstance(whole.entity, Order)
    assert isinstance(move.entity, Fulfilment)
    assert (whole.entity.status, whole.entity.status_raw) == ("other", "NEW")
    assert (move.entity.method, move.entity.state, move.entity.state_raw) == ("other", "other", "FLYING")
    assert move.entity.vendor == {"type": "DRONE"}


def test_an_order_of_the_till_without_a_version_has_its_time_instead():
    told = {name: value for name, value in ORDER.items() if name != "version"}
    assert order(Node(told))[0].version == datetime(2026, 11, 22, 10, 0, 0, 500000, UTC)


def test_each_leaf_of_an_order_is_seen(rig):
    """What is changed in any leaf of an order shows in some snapshot."""
    before, unseen = dump_observations(order(Node(ORDER))), set()

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, (dict, list)):
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                walk(one, (*path, key))
            return
        others: list[Any] = [value + 1, -value - 1] if isinstance(value, int) else [value + "1", "8", "JPY", "UNIT"]
        others += ["2021-02-03T04:05:06Z", "OTHER", "other@example.com", "+4533123457"]
        for other in others:
            copy = json.loads(json.dumps(ORDER))
            place = copy
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = other
            try:
                after = dump_observations(order(Node(copy)))
            except InvalidMessage:
                continue
            except ValueError:
                return  # two currencies in one sum: refused, so noticed
            if after != before:
                return
        unseen.add("".join("[]" if isinstance(step, int) else f".{step}" for step in path).lstrip("."))

    walk(ORDER, ())
    assert unseen == set()


def lookup(rig, kind: str, id_: str, **hint: str) -> list[Any]:
    return list(rig.run(lambda http: read(rig.settings, Lookup(kind, id_, hint), http)).result)


def new_order(rig, **fields: Any) -> dict[str, Any]:
    line = {"uid": "a", "name": "Tea", "quantity": "1", "base_price_money": eur(300)}
    return rig.sandbox._new_order({"location_id": "L-MAIN", "line_items": [line], **fields})


def test_an_order_comes_with_its_customer(rig):
    person = rig.sandbox._create_customer({"given_name": "A", "preferences": {"email_unsubscribed": True}}, "DIRECTORY")
    made = new_order(rig, customer_id=person["id"])
    assert [(one.kind, one.external_id) for one in lookup(rig, "order", made["id"])] == [
        ("customer", person["id"]),
        ("order", made["id"]),
    ]
    rig.sandbox.customers.clear()
    assert [one.kind for one in lookup(rig, "order", made["id"])] == ["order"]


def test_what_is_gone_is_told_as_deleted(rig):
    for kind in ("order", "customer", "payment", "refund"):
        [told] = lookup(rig, kind, "NONE")
        assert (told.kind, told.external_id, told.deleted) == (kind, "NONE", True)
    assert lookup(rig, "unheard", "of") == []


def test_a_merged_profile_read_by_its_old_id(rig):
    old = rig.sandbox._create_customer({"given_name": "A"}, "DIRECTORY")["id"]
    new = rig.sandbox.merge_customers(old)
    told, points = lookup(rig, "customer", old)
    assert (told.external_id, points.external_id, points.entity.merged_into.external_id) == (new, old, new)


def item(rig, id_: str, **fields: Any) -> None:
    rig.sandbox.items[id_] = {
        "type": "ITEM",
        "id": id_,
        "version": 5,
        "updated_at": rig.now.isoformat().replace("+00:00", "Z"),
        "item_data": {
            "name": f"Item {id_}",
            "description": "Good",
            "variations": [
                {
                    "type": "ITEM_VARIATION",
                    "id": f"{id_}-V",
                    "item_variation_data": {
                        "item_id": id_,
                        "name": "Large",
                        "sku": "SKU-1",
                        "upc": "0123",
                        "price_money": eur(450),
                    },
                }
            ],
        },
        **fields,
    }


def test_the_catalogue_since_a_notification_over_all_pages(rig):
    for number in range(5):
        item(rig, f"I{number}", is_deleted=number == 4)
    rig.sandbox.page_size = 2
    found = lookup(rig, "catalog", "catalog", updated_at="2026-11-22T10:00:00Z")
    assert [(one.external_id, one.deleted) for one in found] == [(f"I{n}", n == 4) for n in range(5)]
    product = found[0].entity
    assert isinstance(product, Product)
    [variant] = product.variants
    assert (product.title, variant.sku, variant.barcode, str(variant.prices[0].amount)) == (
        "Item I0",
        "SKU-1",
        "0123",
        "4.50 EUR",
    )


def test_a_stock_level_is_read_by_its_id(rig):
    rig.sandbox.count_stock("V1", "L-MAIN", "4")
    [told] = lookup(rig, "inventory", "V1:L-MAIN")
    assert (told.external_id, str(told.entity.available)) == ("V1:L-MAIN", "4")


# -- polls ------------------------------------------------------------------------------------------------------------


def poll(rig, name: str, cursor: Any) -> Any:
    return rig.run(lambda http: POLLS[name](rig.settings, cursor, http))


def ids(pages: Any) -> list[str]:
    return [one.external_id for page, _ in pages for one in page]


@pytest.mark.parametrize("name", list(POLLS))
def test_an_empty_account_gives_a_cursor_and_a_second_round_goes_on_from_it(rig, name):
    first = poll(rig, name, None)
    cursor = first.pages[-1][1]
    assert cursor == {"since": "2026-11-22T10:00:00.000Z"}
    rig.later(minutes=10)
    assert poll(rig, name, cursor).pages[-1][1] == {"since": "2026-11-22T10:10:00.000Z"}


def fill(rig, name: str, number: int) -> None:
    if name == "customers":
        rig.sandbox._create_customer({"given_name": str(number)}, "DIRECTORY")
    elif name == "orders":
        new_order(rig)
    elif name == "payments":
        rig.sandbox.payments[f"P{number}"] = {
            "id": f"P{number}",
            "location_id": "L-MAIN",
            "amount_money": eur(1),
            "updated_at": rig.now.isoformat().replace("+00:00", "Z"),
        }
    elif name == "refunds":
        rig.sandbox.refunds[f"R{number}"] = {
            "id": f"R{number}",
            "amount_money": eur(1),
            "updated_at": rig.now.isoformat().replace("+00:00", "Z"),
        }
    elif name.startswith("loyalty"):
        rig.sandbox.move_points(rig.sandbox.enrol(f"+4533123{number:03}"), "ACCUMULATE_POINTS", 1)
    elif name == "gift-card-activities":
        rig.sandbox.sell_card(f"778332000748{number:04}", 100)
    elif name == "inventory":
        rig.sandbox.count_stock(f"V{number}", "L-MAIN", "1")
    else:
        item(rig, f"I{number}")


@pytest.mark.parametrize("name", [name for name in POLLS if name not in ("locations", "gift-cards")])
def test_pages_end_resume_and_overlap(rig, name):
    for number in range(7):
        fill(rig, name, number)
    rig.later(seconds=1)
    rig.sandbox.page_size = 3
    first = poll(rig, name, None)
    assert [len(page) for page, _ in first.pages] == [3, 3, 1]
    assert len(set(ids(first.pages))) == 7
    *middle, last = (cursor for _, cursor in first.pages)
    assert all(one["until"] == last["since"] and "page" in one for one in middle)
    # A restart after the first page goes on with the second.
    assert ids(poll(rig, name, middle[0]).pages) == ids(first.pages)[3:]
    # A page that Square forgot meanwhile: the round begins anew, and ends.
    assert set(ids(poll(rig, name, {**middle[0], "page": "worn-out"}).pages)) == set(ids(first.pages))
    # What changed a minute before the last round began, and was indexed after it, is found by the overlap.
    fill(rig, name, 100)
    rig.later(minutes=4)
    assert len(set(ids(poll(rig, name, last).pages))) == 8
    rig.later(hours=1)
    assert ids(poll(rig, name, {"since": "2026-11-22T11:00:00.000Z"}).pages) == []


def test_orders_and_payments_of_many_locations(rig):
    for number in range(23):
        place = f"L-{number:02}"
        rig.sandbox.add_location(place, place)
        made = new_order(rig)
        made["location_id"] = place
        rig.sandbox.payments[place] = {
            "id": place,
            "location_id": place,
            "amount_money": eur(1),
            "updated_at": "2026-11-22T10:00:00Z",
        }
    assert len(set(ids(poll(rig, "orders", None).pages))) == 23
    searches = [json.loads(one.body)["location_ids"] for one in rig.requests if one.path.endswith("orders/search")]
    assert [len(one) for one in searches] == [10, 10, 4]
    paid = poll(rig, "payments", None)
    assert len(set(ids(paid.pages))) == 23
    # In the middle of a round the locations that are left go on from the cursor.
    assert set(ids(poll(rig, "payments", paid.pages[9][1]).pages)) == set(ids(paid.pages[10:]))


def test_a_first_poll_of_orders_reads_as_far_back_as_the_settings_say(rig):
    new_order(rig)["updated_at"] = (rig.now - timedelta(days=91)).isoformat().replace("+00:00", "Z")
    new_order(rig)
    assert len(ids(poll(rig, "orders", None).pages)) == 1


def test_a_refused_poll_raises(rig):
    error = {"category": "AUTHENTICATION_ERROR", "code": "INSUFFICIENT_SCOPES", "detail": "CUSTOMERS_READ"}
    rig.sandbox.faults.append(Fault(json_response({"errors": [error]}, 403)))
    with pytest.raises(Permanent, match="CUSTOMERS_READ") as caught:
        poll(rig, "customers", None)
    assert caught.value.remedy


def test_locations(rig):
    rig.sandbox.add_location("L-TWO", "Second")
    rig.sandbox.locations["L-TWO"]["status"] = "INACTIVE"
    main, second = poll(rig, "locations", None).emitted
    assert isinstance(main, Snapshot)
    assert isinstance(main.entity, Location)
    assert (main.external_id, main.entity.name, main.entity.active) == ("L-MAIN", "Main shop", True)
    assert (second.entity.active, second.entity.timezone) == (False, "Etc/UTC")
