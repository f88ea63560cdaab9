"""Records as a server reads them, and the snapshots they become; every leaf is used or listed as dropped."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_tryton import CONNECTOR, goods, inbound
from omnibridge_tryton.rows import PartyRow, Row, SaleRow, StockRow, TemplateRow
from omnibridge_tryton.wire import rows, unpack

from omnibridge.connector import Snapshot, dump_observations, parse_json
from omnibridge.errors import InvalidMessage
from omnibridge.model import FulfilmentStatus, Order, OrderStatus, PaymentStatus


def dec(text: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": text}


def at(minute: int) -> dict[str, object]:
    day = {"__class__": "datetime", "year": 2026, "month": 11, "day": 22}
    return {**day, "hour": 9, "minute": minute, "second": 0, "microsecond": 250}


ADDRESS: dict[str, Any] = {
    "id": 31,
    "party_name": "Example Ltd",
    "attn": "Kim Example",
    "street": "Road 1\nFlat 2",
    "city": "Aarhus",
    "postal_code": "8000",
    "country.": {"id": 1, "code": "DK"},
    "subdivision.": {"id": 4, "code": "DK-82"},
    "active": 1,
    "last_modified_at": at(3),
}
PARTY: dict[str, Any] = {
    "id": 7,
    "name": "Kim van Example",
    "code": "7",
    "active": 1,
    "lang.": {"id": 1, "code": "da"},
    "replaced_by": None,
    "tax_identifier": None,
    "create_date": at(1),
    "last_modified_at": at(2),
    "_timestamp": "1795319729.87008",
    "contact_mechanisms.": [
        {"id": 1, "type": "email", "value": "Kim@Example.com", "active": 1, "last_modified_at": at(5)},
        {"id": 2, "type": "phone", "value": "33 12 34 56", "active": 1, "last_modified_at": at(2)},
        {"id": 3, "type": "email", "value": "second@example.com", "active": 1, "last_modified_at": at(2)},
        {"id": 4, "type": "email", "value": "not an address", "active": 1, "last_modified_at": at(2)},
        {"id": 5, "type": "website", "value": "https://example.com", "active": 1, "last_modified_at": at(2)},
        {"id": 6, "type": "email", "value": "old@example.com", "active": 0, "last_modified_at": at(2)},
    ],
    "addresses.": [ADDRESS],
    "identifiers.": [
        {"id": 1, "type": None, "code": "omnibridge:c-1", "last_modified_at": at(2)},
        {"id": 2, "type": "dk_vat", "code": "DK12345674", "last_modified_at": at(2)},
    ],
}
SALE: dict[str, Any] = {
    "id": 12,
    "number": "S12",
    "reference": "omnibridge:o-1 #1001",
    "description": "From the shop",
    "state": "processing",
    "invoice_state": "partially paid",
    "shipment_state": "sent",
    "currency.": {"id": 1, "code": "EUR"},
    "warehouse.": {"id": 5, "code": "WH"},
    "sale_date": {"__class__": "date", "year": 2026, "month": 11, "day": 22},
    "comment": "Ring twice",
    "untaxed_amount": dec("17.49"),
    "tax_amount": dec("2.00"),
    "total_amount": dec("19.49"),
    "create_date": at(1),
    "last_modified_at": at(4),
    "_timestamp": "1795319954.07444",
    "party.": {"id": 7, "name": "Kim van Example", "tax_identifier": None, "last_modified_at": at(2)}
    | {"identifiers.": [{"id": 1, "type": None, "code": "omnibridge:c-1", "last_modified_at": at(2)}]},
    "invoice_address.": ADDRESS,
    "shipment_address.": {**ADDRESS, "id": 32, "attn": None},
    "lines.": [
        {"id": 1, "type": "title", "description": "Goods", "quantity": None, "unit_price": None, "note": None}
        | {"last_modified_at": at(4), "unit.": None, "product.": None},
        {"id": 2, "type": "line", "description": "Pots", "quantity": 3.0, "unit_price": dec("3.3333")}
        | {"note": "Blue", "last_modified_at": at(6), "unit.": {"id": 1, "symbol": "u"}}
        | {"product.": {"id": 9, "code": "TEA-1", "name": "Tea pot", "template": 8}},
        {"id": 3, "type": "line", "description": None, "quantity": 1.25, "unit_price": dec("5.9920"), "note": None}
        | {"last_modified_at": at(4), "unit.": {"id": 2, "symbol": "kg"}}
        | {"product.": {"id": 10, "code": None, "name": "Rice", "template": 11}},
    ],
}
TEMPLATE: dict[str, Any] = {
    "id": 8,
    "name": "Tea pot",
    "type": "goods",
    "active": 1,
    "salable": 1,
    "create_date": at(1),
    "last_modified_at": at(2),
    "categories.": [{"id": 1, "name": "Kitchen"}],
    "products.": [
        {"id": 9, "code": "TEA-1", "active": 1, "description": "Holds a litre", "list_price_used": dec("20.00")}
        | {"cost_price": dec("7.5"), "last_modified_at": at(3)}
        | {"identifiers.": [{"id": 1, "type": "ean", "code": "4006381333931", "last_modified_at": at(2)}]},
    ],
}
STOCK: dict[str, Any] = {
    "id": 9,
    "code": "TEA-1",
    "quantity": 12.0,
    "forecast_quantity": 9.5,
    "default_uom.": {"id": 1, "symbol": "u"},
}


def read(model: type[Row], raw: dict[str, Any]) -> Any:
    return rows(model, unpack([raw]))[0]


def seen(settings, kind: str, raw: dict[str, Any]) -> list[Any]:
    if kind == "party.party":
        found = [inbound.customer(settings, read(PartyRow, raw))]
    elif kind == "sale.sale":
        found = inbound.order(settings, read(SaleRow, raw))
    elif kind == "product.template":
        found = [goods.product(settings, read(TemplateRow, raw))]
    else:
        found = [goods.inventory(settings, read(StockRow, raw), None)]
    return parse_json(dump_observations(found))


# ── What is expected ─────────────────────────────────────────────────────────────────────────────────────────────

PLACE = {"company": "Example Ltd", "street": "Road 1", "street2": "Flat 2", "city": "Aarhus"}
PLACE |= {"region": "82", "postal_code": "8000", "country": "DK"}
T = "2026-11-22T09:{:02}:00.000250{}"


def test_a_party_is_a_customer(settings):
    [snapshot] = seen(settings, "party.party", PARTY)
    assert (snapshot["snapshot"], snapshot["id"], snapshot["ours"]) == ("customer", "7", "c-1")
    assert snapshot["version"] == {"t": T.format(5, "+00:00")}  # the change of its email address is the newest
    assert snapshot["entity"] == {
        "email": "kim@example.com",
        "phone": "+4533123456",
        "given_name": "Kim van",
        "family_name": "Example",
        "locale": "da",
        "addresses": [{"name": "Kim Example", **PLACE}],
        "contact_points": [
            {"medium": "email", "value": "second@example.com", "raw": None},
            {"medium": "email", "value": None, "raw": "not an address"},
            {"medium": "website", "value": "https://example.com", "raw": None},
        ],
        "merged_into": None,
        "created_at": T.format(1, "Z"),
        "updated_at": T.format(2, "Z"),
        "vendor": {
            "name": "Kim van Example",
            "code": "7",
            "active": True,
            "identifiers": [{"type": "dk_vat", "code": "DK12345674"}],
        },
    }


def test_a_party_with_a_tax_number_is_a_company(settings):
    [snapshot] = seen(settings, "party.party", {**PARTY, "tax_identifier": 2})
    assert snapshot["entity"]["company"] == "Kim van Example"
    assert "family_name" not in snapshot["entity"]


def test_a_name_that_is_not_to_be_split_is_not_told(make_channel):
    quiet = make_channel("http://127.0.0.1:8000", split_names=False)
    assert not {"given_name", "family_name", "company"} & set(seen(quiet, "party.party", PARTY)[0]["entity"])


def test_a_merged_party_names_its_survivor(settings):
    [snapshot] = seen(settings, "party.party", {**PARTY, "replaced_by": 3, "active": 0})
    assert snapshot["entity"]["merged_into"] == {"kind": "customer", "external_id": "3"}


def test_the_party_of_a_guest_carries_no_customer(settings):
    mine = [{"id": 1, "type": None, "code": "omnibridge:order:o-1", "last_modified_at": at(2)}]
    assert seen(settings, "party.party", {**PARTY, "identifiers.": mine})[0]["ours"] is None


def test_a_sale_is_an_order_beside_its_buyer(settings):
    buyer, order = seen(settings, "sale.sale", SALE)
    assert (buyer["id"], buyer["ours"], buyer["entity"]) == (
        "7",
        "c-1",
        {"given_name": "Kim van", "family_name": "Example"},
    )
    assert buyer["version"] == {"t": T.format(2, "+00:00")}
    assert (order["id"], order["ours"]) == ("12", "o-1")
    assert order["version"] == {"t": T.format(6, "+00:00")}  # the change of a line is the newest
    eur = "EUR"
    assert order["entity"] == {
        "number": "S12",
        "status": "open",
        "status_raw": "processing",
        "payment_status": "partially_paid",
        "payment_status_raw": "partially paid",
        "fulfilment_status": "fulfilled",
        "fulfilment_status_raw": "sent",
        "currency": eur,
        "taxes_included": False,
        "buyer": {"kind": "customer", "external_id": "7"},
        "location": {"kind": "location", "external_id": "WH"},
        "billing_address": {"name": "Kim Example", **PLACE},
        "shipping_address": {"name": "Example Ltd", **PLACE, "company": None},
        "lines": [
            {
                "external_id": "2",
                "title": "Pots",
                "sku": "TEA-1",
                "product": {"kind": "product", "external_id": "8"},
                "variant": {"kind": "variant", "external_id": "9"},
                "quantity": "3",
                "unit": "each",
                "unit_price": {"amount": "3.3333", "currency": eur},
                "note": "Blue",
            },
            {
                "external_id": "3",
                "title": "Rice",
                "sku": None,
                "product": {"kind": "product", "external_id": "11"},
                "variant": {"kind": "variant", "external_id": "10"},
                "quantity": "1.25",
                "unit": "kg",
                "unit_price": {"amount": "5.9920", "currency": eur},
                "note": None,
            },
        ],
        "totals": {
            "total": {"amount": "19.49", "currency": eur},
            "subtotal": {"amount": "17.49", "currency": eur},
            "tax": {"amount": "2.00", "currency": eur},
        },
        "note": "Ring twice",
        "updated_at": T.format(4, "Z"),
        "vendor": {
            "reference": "omnibridge:o-1 #1001",
            "description": "From the shop",
            "sale_date": "2026-11-22",
            "invoice_state": "partially paid",
            "shipment_state": "sent",
        },
    }


def test_an_order_was_placed_when_its_sale_was_made_unless_it_came_from_elsewhere(settings):
    _, order = seen(settings, "sale.sale", {**SALE, "reference": "by phone"})
    assert order["ours"] is None
    assert order["entity"]["placed_at"] == T.format(1, "Z")


def order_of(settings, **changes: object) -> Order:
    last = inbound.order(settings, read(SaleRow, {**SALE, **changes}))[-1]
    assert isinstance(last, Snapshot)
    assert isinstance(last.entity, Order)
    return last.entity


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("draft", OrderStatus.DRAFT),
        ("quotation", OrderStatus.DRAFT),
        ("confirmed", OrderStatus.OPEN),
        ("done", OrderStatus.COMPLETED),
        ("cancelled", OrderStatus.CANCELLED),
        ("amended", OrderStatus.OTHER),
    ],
)
def test_states_of_a_sale(settings, state, status):
    order = order_of(settings, state=state)
    assert (order.status, order.status_raw) == (status, state)


def test_states_that_nobody_knows_are_kept_raw(settings):
    order = order_of(settings, invoice_state="exception", shipment_state="exception")
    assert (order.payment_status, order.payment_status_raw) == (PaymentStatus.OTHER, "exception")
    assert (order.fulfilment_status, order.fulfilment_status_raw) == (FulfilmentStatus.OTHER, "exception")


def test_a_sale_without_invoice_and_shipment_does_not_say_unpaid(settings):
    order = order_of(settings, invoice_state="none", shipment_state="none")
    assert not {"payment_status", "fulfilment_status"} & order.model_fields_set


def test_a_sale_made_in_tryton_is_not_ours(settings):
    assert inbound.reference_of("PO 4711") is None
    assert inbound.reference_of("omnibridge:") is None
    assert inbound.reference_of("omnibridge:o-1") == "o-1"
    assert inbound.reference_of(None) is None


def test_a_template_is_a_product_with_its_variants(settings):
    [snapshot] = seen(settings, "product.template", TEMPLATE)
    money = {"currency": "EUR"}
    assert snapshot["version"] == {"t": T.format(3, "+00:00")}
    assert snapshot["entity"] == {
        "title": "Tea pot",
        "description": "Holds a litre",
        "category": "Kitchen",
        "tags": ["Kitchen"],
        "status": "active",
        "variants": [
            {
                "external_id": "9",
                "inventory_external_id": "9",
                "sku": "TEA-1",
                "barcode": "4006381333931",
                "prices": [{"amount": {"amount": "20.00", **money}, "tax_included": False}],
                "cost": {"amount": "7.5", **money},
                "requires_shipping": True,
            }
        ],
        "created_at": T.format(1, "Z"),
        "updated_at": T.format(2, "Z"),
        "vendor": {"type": "goods", "salable": True},
    }


def test_stock_is_an_inventory_level(settings):
    [snapshot] = seen(settings, "stock", STOCK)
    assert snapshot["id"] == "9:WH"
    assert snapshot["entity"] == {
        "variant": {"kind": "variant", "external_id": "9"},
        "sku": "TEA-1",
        "location": {"kind": "location", "external_id": "WH"},
        "on_hand": "12",
        "available": "9.5",
        "unit": "each",
    }


# ── Leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────

SAMPLES = [("party.party", PARTY), ("sale.sale", SALE), ("product.template", TEMPLATE), ("stock", STOCK)]

# Leaves that are read and whose sample value makes no difference, by why. Everything else must make one.
SILENT = {
    "*.active": "tested by an inactive record beside active ones",
    "*._timestamp": "for the lock only",
    "*.last_modified_at": "makes a difference when it is the newest",
    "*.id": "of a related record that is known by its code",
    "party.party.contact_mechanisms.value": "of an inactive mechanism",
    "party.party.contact_mechanisms.type": "of an inactive mechanism",
    "sale.sale.lines.*": "of a layout line",
    "sale.sale.party.identifiers.type": "only the code tells ours from others",
    "party.party.identifiers.type": "only the code tells ours from others",
    "sale.sale.create_date": "of a sale that was made for an order",
    "sale.sale.lines.product.name": "stands in for a missing description",
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and "__class__" not in value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def other(name: Any, value: Any) -> Any:
    """A different value of the same kind."""
    if value is None:
        related = {"unit.": {"id": 1}, "product.": {"id": 1}}
        texts = ("type", "note", "attn", "description", "code")
        return related.get(name, "another" if name in texts else 77)
    if isinstance(value, dict):
        changed = {"decimal": "99.75"} if value["__class__"] == "Decimal" else {"year": 2031}
        return {**value, **changed}
    if isinstance(value, str):
        return {"email": "phone", "line": "title", "goods": "service", "ean": "own", "EUR": "SEK"}.get(
            value, f"{value}9"
        )
    return {1: 0, 0: 1}.get(value, 77)


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_every_leaf_is_used_or_said_to_be_silent(settings, kind, sample):
    plain = seen(settings, kind, sample)
    unused: set[str] = set()
    for path in leaves(sample):
        changed = copy.deepcopy(sample)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = other(path[-1], place[path[-1]])
        if seen(settings, kind, changed) == plain:
            unused.add(".".join([kind, *(str(step).rstrip(".") for step in path if not isinstance(step, int))]))
    unexplained = [name for name in unused if not any(fnmatchcase(name, pattern) for pattern in SILENT)]
    assert not unexplained


def test_no_pattern_is_listed_in_vain():
    assert all(reason for reason in CONNECTOR.dropped.values())
    assert all("[]." in pattern for pattern in CONNECTOR.dropped)


# ── Anything at all ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.data())
def test_a_damaged_record_gives_observations_or_an_invalid_message(make_channel, data):
    settings = make_channel("http://127.0.0.1:8000")
    kind, sample = data.draw(st.sampled_from(SAMPLES))
    raw = copy.deepcopy(sample)
    for path in data.draw(st.lists(st.sampled_from(sorted(leaves(sample), key=str)), min_size=1, max_size=3)):
        place: Any = raw
        for step in path[:-1]:
            place = place[step]
        junk = st.none() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just(dec("1E+90"))
        place[path[-1]] = data.draw(junk | st.just(dec("-0")) | st.just("\ud800"))
    with contextlib.suppress(InvalidMessage):
        assert seen(settings, kind, raw)
