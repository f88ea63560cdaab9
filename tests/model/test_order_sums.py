"""`Order.check`: nothing to say about orders whose sums come out, and every planted error found."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omnibridge.model import Discount, Money, Order, OrderLine, OrderTotals, ShippingLine, TaxLine, minor_digits

RATES = [Decimal(0), Decimal("0.05"), Decimal("0.19"), Decimal("0.25")]


def tax_of(amount: Money, rate: Decimal, included: bool) -> Money:
    if not included:
        return (amount * rate).rounded()
    net = Money(amount=(amount.amount / (1 + rate)), currency=amount.currency) if rate else amount
    return (amount - net.rounded()).rounded() if rate else Money.zero(amount.currency)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """An order as a till makes it: lines, both kinds of discount, carriage, tip, tax inside or on top, rounding."""
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    included = draw(st.booleans())

    def money(most: int = 100_000) -> Money:
        return Money.from_minor(draw(st.integers(0, most)), currency)

    lines: list[OrderLine] = []
    for _ in range(draw(st.integers(1, 4))):
        quantity = draw(st.integers(1, 9).map(Decimal) | st.decimals("0.001", "9", places=3))
        line = OrderLine(quantity=quantity, unit_price=money())
        share = draw(st.integers(0, 100))
        off = (line.gross * (Decimal(share) / 100)).rounded()
        if share and off.amount <= line.gross.amount:
            line = line.model_copy(update={"discounts": (Discount(amount=off),)})
        rate = draw(st.sampled_from(RATES))
        taxes = (TaxLine(rate=rate, amount=tax_of(line.discounted.rounded(), rate, included)),) if rate else ()
        lines.append(line.model_copy(update={"taxes": taxes}))
    before = Money.total((line.discounted.rounded() for line in lines), currency)
    discounts = (Discount(amount=(before * Decimal("0.1")).rounded()),) if draw(st.booleans()) else ()
    subtotal = before - Money.total((one.amount for one in discounts), currency)
    shipping = tuple(
        ShippingLine(price=price, taxes=(TaxLine(amount=tax_of(price, Decimal("0.25"), included)),))
        for price in [money(9000)] * draw(st.integers(0, 1))
    )
    tax = Money.total((tax.amount for part in (*lines, *shipping) for tax in part.taxes), currency)
    carriage, tip, duties = Money.total((one.price for one in shipping), currency), money(500), money(500)
    total = subtotal + carriage + tip + duties
    if not included:
        total += tax
    unit = Money.from_minor(5, currency)
    rounding = Money(amount=-(total.amount % unit.amount), currency=currency) if draw(st.booleans()) else None
    return Order(
        currency=currency,
        taxes_included=included,
        lines=tuple(lines),
        shipping=shipping,
        discounts=discounts,
        taxes=tuple(t for part in (*lines, *shipping) for t in part.taxes) if draw(st.booleans()) else (),
        totals=OrderTotals(
            total=total + rounding if rounding else total,
            subtotal=subtotal,
            shipping=carriage,
            tax=tax,
            tip=tip,
            duties=duties,
            rounding=rounding,
        ),
    )


@given(orders())
def test_an_order_whose_sums_come_out_has_no_discrepancy(order):
    assert order.check() == ()


PLANTED = {
    "subtotal": "lines after discounts = subtotal",
    "tax": "tax lines = tax",
    "total": "parts = total",
    "shipping": "parts = total",
    "tip": "parts = total",
}


@given(orders(), st.sampled_from(sorted(PLANTED)), st.sampled_from([1, -1]))
def test_an_error_of_more_than_rounding_is_found_and_named(order, field, sign):
    parts = len(order.lines) + len(order.shipping) + len(order.taxes)
    error = Money.from_minor(sign * (2 * parts + 2), order.currency)
    said = getattr(order.totals, field)
    taxed = order.taxes or any(part.taxes for part in (*order.lines, *order.shipping))
    assume(field != "tax" or taxed)
    wrong = order.model_copy(update={"totals": order.totals.model_copy(update={field: said + error})})
    assert PLANTED[field] in {found.rule for found in wrong.check()}
    for found in wrong.check():
        assert abs((found.expected - found.actual).amount) > 0


@given(orders())
def test_a_discount_that_is_missing_is_found(order):
    assume(order.discounts and order.discounts[0].amount.amount > Decimal(99).scaleb(-minor_digits(order.currency)))
    assert order.model_copy(update={"discounts": ()}).check()


def test_what_is_not_said_is_not_judged():
    order = Order(currency="EUR", totals=OrderTotals(total=Money.from_minor(1, "EUR")))
    assert order.check() == ()
    line = OrderLine(quantity=Decimal(1), unit_price=Money.from_minor(500, "EUR"))
    assert order.model_copy(update={"lines": (line,)}).check() == ()


@pytest.mark.parametrize("part", ["line", "discount", "tax", "total", "order discount"])
def test_sums_across_currencies_are_not_judged_and_never_raise(part):
    eur, dkk = Money.from_minor(500, "EUR"), Money.from_minor(9900, "DKK")
    order = Order(
        currency="EUR",
        lines=(
            OrderLine(
                quantity=Decimal(1),
                unit_price=dkk if part == "line" else eur,
                discounts=(Discount(amount=dkk),) if part in ("line", "discount") else (),
                taxes=(TaxLine(amount=dkk),) if part == "tax" else (),
            ),
        ),
        discounts=(Discount(amount=dkk),) if part == "order discount" else (),
        totals=OrderTotals(total=dkk if part == "total" else eur, subtotal=eur, tax=Money.zero("EUR")),
    )
    assert order.check() == ()


def test_a_gross_line_is_price_times_quantity():
    line = OrderLine(
        quantity=Decimal("2.5"),
        unit_price=Money.from_minor(10000, "DKK"),
        discounts=(Discount(amount=Money.from_minor(2500, "DKK")),),
    )
    assert str(line.gross) == "250.000 DKK"
    assert line.discounted == Money.from_minor(22500, "DKK")
