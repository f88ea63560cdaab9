"""An order's money comes through to the last digit, by webhook and by read, in currencies of 0, 2 and 3 digits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from omnibridge_shopify.reads import read

from omnibridge.connector import Lookup
from omnibridge.model import Money

ITEMS = {
    "DKK": [("89.95", 3), ("129.50", 1)],
    "EUR": [("19.99", 3), ("0.01", 7)],
    "JPY": [("1980", 3), ("77", 1)],
    "KWD": [("1.255", 3), ("0.005", 1)],
}
DISCOUNTS = {"DKK": "10.05", "EUR": "1.01", "JPY": "101", "KWD": "0.101"}
ROUNDINGS = {"DKK": "-0.02", "EUR": "0.02", "JPY": "0", "KWD": "0.001"}


@pytest.fixture(params=sorted(ITEMS))
def currency(request):
    return request.param


def heard(kit, shop, body):
    return kit.translate(kit.SETTINGS, kit.inbound("orders/updated", body))


@pytest.mark.parametrize("included", [True, False])
@pytest.mark.parametrize("reduced", [False, True])
def test_an_order_adds_up_and_is_read_as_it_is_heard(kit, shop, currency, included, reduced):
    cut = Decimal(DISCOUNTS[currency]) if reduced else Decimal(0)
    body = shop.place_order(
        kit.BUYER,
        items=[
            {"sku": f"S{n}", "title": f"Item {n}", "price": price, "quantity": count}
            for n, (price, count) in enumerate(ITEMS[currency])
        ],
        currency=currency,
        taxes_included=included,
        discount=cut,
        order_discount=cut * 2,
        shipping=cut * 4,
        shipping_discount=cut,
        cash_rounding=Decimal(ROUNDINGS[currency]) if reduced else Decimal(0),
    )
    order = heard(kit, shop, body)[0].entity
    assert order.check() == ()
    assert order.taxes_included is included
    goods = sum((Decimal(price) * count for price, count in ITEMS[currency]), Decimal(0))
    exact = {
        "subtotal": goods - cut * 3,
        "discount": cut * 4,
        "shipping": cut * 3,
        "total": Decimal(body["total_price"]),
    }
    for name, amount in exact.items():
        assert getattr(order.totals, name) == Money(amount=amount, currency=currency), name
    parts = [order.totals.subtotal, order.totals.shipping, order.totals.rounding]
    taxed = [] if included else [order.totals.tax]
    assert Money.total([*parts, *taxed], currency) == order.totals.total  # to the last digit, without slack
    taken = [discount.amount for line in (*order.lines, *order.shipping) for discount in line.discounts]
    assert Money.total(taken, currency) == order.totals.discount
    assert Money.total((line.discounted for line in order.lines), currency) == order.totals.subtotal
    seen = kit.run(shop, lambda http: read(kit.SETTINGS, Lookup("order", str(body["id"])), http)).result
    again = next(one.entity for one in seen if one.kind == "order")
    assert again.model_dump(mode="json") == order.model_dump(mode="json")


def test_amounts_are_written_with_the_digits_of_their_currency(kit, shop, currency):
    digits = {"DKK": 2, "EUR": 2, "JPY": 0, "KWD": 3}[currency]
    body = shop.place_order(currency=currency)
    order = heard(kit, shop, body)[0].entity
    texts = [line.unit_price.model_dump(mode="json")["amount"] for line in order.lines]
    assert {len(text.partition(".")[2]) for text in texts} == {digits}


@pytest.mark.parametrize(
    ("told", "currency_", "meant"),
    [
        ("23600", "JPY", "23600"),
        ("23600.0", "JPY", "23600"),
        ("23600.00", "JPY", "23600"),
        ("23600.5", "JPY", "23600.5"),
        ("1.2", "KWD", "1.200"),
        ("1.2345", "KWD", "1.2345"),
        ("89", "DKK", "89.00"),
        ("0.005", "EUR", "0.005"),
    ],
)
def test_however_an_amount_is_written_it_is_the_same(kit, shop, told, currency_, meant):
    body = shop.place_order(currency=currency_)
    body["total_price"] = told
    assert heard(kit, shop, body)[0].entity.totals.total.model_dump(mode="json")["amount"] == meant


def test_carriage_that_is_told_after_its_discounts_is_not_reduced_twice(kit, shop):
    body = shop.place_order(shipping=Decimal(39), shipping_discount=Decimal(39))
    assert heard(kit, shop, body)[0].entity.totals.shipping == Money.of("0.00", "DKK")
    body["total_shipping_price_set"]["shop_money"]["amount"] = "0.00"
    assert heard(kit, shop, body)[0].entity.totals.shipping == Money.of("0.00", "DKK")
