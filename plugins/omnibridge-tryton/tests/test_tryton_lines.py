"""Money: whatever an order is made of, its sale comes to the cent that was charged."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st
from omnibridge_tryton.lines import Item, itemise, sale_lines
from omnibridge_tryton.rows import SellableRow
from omnibridge_tryton.sandbox import TrytonSandbox

from omnibridge.connector import Delivery
from omnibridge.errors import Permanent
from omnibridge.event import Event
from omnibridge.model import Discount, Money, Order, OrderLine, OrderTotals, ShippingLine, TaxLine

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def eur(amount: Decimal | str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def order(**fields) -> Order:
    return Order(id="o-1", currency="EUR", **{"totals": OrderTotals(total=eur("0")), **fields})


def told(items: list[Item]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.title, str(item.amount), item.rates) for item in items]


def itemised(settings, mine: Order, **matched: str) -> list[Item]:
    """The items of an order; `matched` are the taxes of its rates, by rate in percent: `vat_25="3"`."""
    event = Event.make("io.omnibridge.order.placed.v1", mine, id="e-1", source="/t/c/shop", subject="o-1", time=NOW)
    words = {("tax", f"0.{name.removeprefix('vat_')}"): id_ for name, id_ in matched.items()}
    return itemise(settings, mine, Delivery(key="k-1", channel="erp", event=event, references=words))


TAXED = (TaxLine(rate=Decimal("0.250"), amount=eur("2.00")),)


def test_tax_on_top_is_mapped_or_a_line(settings, make_channel):
    line = OrderLine(title="Cup", quantity=Decimal(1), unit_price=eur("8.00"), taxes=TAXED)
    carriage = ShippingLine(title="Parcel", price=eur("4.00"), taxes=(TaxLine(amount=eur("0.24")),))
    mine = order(lines=(line,), shipping=(carriage,), totals=OrderTotals(total=eur("14.24"), tax=eur("2.24")))
    assert told(itemised(settings, mine)) == [
        ("Cup", "8.00", ("0.25",)),
        ("Parcel", "4.00", ()),
        ("Tax", "0.24", ()),
    ]
    plain = make_channel("http://127.0.0.1", taxes={})
    assert told(itemised(plain, mine)) == [("Cup", "8.00", ()), ("Parcel", "4.00", ()), ("Tax", "2.24", ())]


def test_tax_inside_is_taken_out_only_where_tryton_adds_it(settings, make_channel):
    line = OrderLine(title="Cup", quantity=Decimal(1), unit_price=eur("10.00"), taxes=TAXED)
    mine = order(lines=(line,), taxes_included=True, totals=OrderTotals(total=eur("10"), tax=eur("2.00")))
    assert told(itemised(settings, mine)) == [("Cup", "8.00", ("0.25",))]
    assert told(itemised(make_channel("http://127.0.0.1", taxes={}), mine)) == [("Cup", "10.00", ())]


def test_a_rate_that_is_matched_needs_no_setting_and_then_the_others_are_not_booked_in_silence(make_channel):
    plain = make_channel("http://127.0.0.1", taxes={})
    cup = OrderLine(title="Cup", quantity=Decimal(1), unit_price=eur("10.00"), taxes=TAXED)
    book = (TaxLine(rate=Decimal("0.06"), amount=eur("0.60")),)
    mine = order(lines=(cup,), taxes_included=True)
    assert told(itemised(plain, mine, vat_25="3")) == [("Cup", "8.00", ("0.25",))]
    both = order(lines=(cup, OrderLine(title="Book", quantity=Decimal(1), unit_price=eur("10.60"), taxes=book)))
    with pytest.raises(Permanent, match=r"0\.06 is not matched") as caught:
        itemised(plain, both, vat_25="3")
    assert caught.value.code == "unmatched"
    assert {item.rates for item in itemised(plain, both, vat_25="3", vat_06="4")} >= {("0.25",), ("0.06",)}


def test_what_was_cancelled_is_not_sold(settings):
    gone = OrderLine(title="A", quantity=Decimal(2), cancelled=Decimal(2), unit_price=eur("3.00"))
    half = OrderLine(title="B", quantity=Decimal(4), cancelled=Decimal(1), unit_price=eur("3.00"))
    [item] = itemised(settings, order(lines=(gone, half)))
    assert (item.title, item.quantity, item.amount) == ("B", Decimal(3), Decimal("9.0000"))


def test_goods_for_nothing_are_still_sold(settings):
    free = OrderLine(title="Sample", quantity=Decimal(1), unit_price=eur("0"))
    assert [item.title for item in itemised(settings, order(lines=(free,)))] == ["Sample"]


def test_sums_without_parts_become_lines(settings):
    totals = {name: eur(f"1.0{n}") for n, name in enumerate(("shipping", "tip", "duties", "fees", "rounding"), 1)}
    items = itemised(settings, order(totals=OrderTotals(total=eur("5.15"), **totals)))
    assert [(item.title, item.role) for item in items] == [
        ("Shipping", "shipping"),
        ("Tip", "adjustment"),
        ("Duties", "adjustment"),
        ("Fees", "adjustment"),
        ("Rounding", "adjustment"),
    ]


def test_each_kind_of_line_has_its_product(make_channel, things):
    settings = make_channel("http://127.0.0.1", shipping_product="SHIP", adjustment_product="ADJ")
    unit = {"id": 1, "digits": 0}
    products = {
        code: SellableRow.model_validate({"id": id_, "code": code, "sale_uom.": unit})
        for id_, code in enumerate(("MISC", "SHIP", "ADJ", "TEA"), 1)
    }
    items = [
        Item("goods", "Tea", Decimal(9), Decimal(2), "TEA"),
        Item("goods", "Lamp", Decimal(9), Decimal("1.50"), "LAMP"),
        Item("shipping", "Parcel", Decimal(4)),
        Item("adjustment", "Tip", Decimal(1)),
    ]
    made = sale_lines(settings, items, products, {}, things.delivery(order(), "placed"))
    assert [(line["product"], line["description"], line["quantity"], line["unit_price"]) for line in made] == [
        (4, "Tea", 2.0, Decimal("4.5000")),
        (1, "1.5 × LAMP Lamp", 1.0, Decimal("9.0000")),
        (2, "Parcel", 1.0, Decimal("4.0000")),
        (3, "Tip", 1.0, Decimal("1.0000")),
    ]


# ── To the cent ──────────────────────────────────────────────────────────────────────────────────────────────────

AMOUNTS = st.decimals(Decimal("0"), Decimal("9999"), places=2)
TAXES = st.sampled_from([None, Decimal("0.25"), Decimal("0.06")])


@st.composite
def orders(draw) -> Order:
    """Any order, with prices, quantities and taxes at odds with each other as vendors send them."""
    lines = []
    for n in range(draw(st.integers(0, 4))):
        rate = draw(TAXES)
        lines.append(
            OrderLine(
                title=f"Line {n}",
                sku=draw(st.sampled_from(["TEA-1", "RICE", "NONE", None])),
                quantity=draw(st.decimals(Decimal("0.001"), Decimal("500"), places=3)),
                unit_price=eur(draw(st.decimals(Decimal("0"), Decimal("999"), places=3))),
                discounts=(Discount(amount=eur(draw(AMOUNTS))),) if draw(st.booleans()) else (),
                taxes=(TaxLine(rate=rate, amount=eur(draw(AMOUNTS))),) if rate is not None else (),
            )
        )
    totals = OrderTotals(total=eur(draw(AMOUNTS)), tax=eur(draw(AMOUNTS)), tip=eur(draw(AMOUNTS)))
    shipping = (ShippingLine(price=eur(draw(AMOUNTS))),) if draw(st.booleans()) else ()
    return order(lines=tuple(lines), shipping=shipping, totals=totals, taxes_included=draw(st.booleans()))


@rounds(max_examples=60)
@given(mine=orders())
def test_every_sale_comes_to_what_was_charged(make_channel, make_erp, things, mine):
    taxes = {"0.25": "VAT 25%", "0.06": "VAT 6%"}
    settings = make_channel("http://127.0.0.1:8000", taxes=taxes)
    sandbox = TrytonSandbox(settings)
    sandbox.add_product("TEA-1", "Tea pot", Decimal(1))
    sandbox.add_product("RICE", "Rice", Decimal(1), unit="kg")
    make_erp(sandbox, settings).place(mine, things.delivery(mine, "placed"))
    [sale] = sandbox.records()["sale.sale"]
    assert sale["total_amount"] == mine.totals.total.amount
    assert sale["state"] == "processing"
