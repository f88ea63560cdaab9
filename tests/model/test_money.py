"""Money is exact: every digit in is a digit out, currencies never mix, and no float gets in."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from omnibridge.model import Money, decimal_text, minor_digits

DIGITS = {"EUR": 2, "DKK": 2, "JPY": 0, "KWD": 3}
currencies = st.sampled_from(sorted(DIGITS))
amounts = st.decimals(min_value=-(10**15), max_value=10**15, places=4)


def money(amount, currency="EUR") -> Money:
    return Money.model_validate({"amount": amount, "currency": currency})


@pytest.mark.parametrize(("currency", "digits"), DIGITS.items())
def test_minor_units(currency, digits):
    assert minor_digits(currency) == digits
    assert Money.from_minor(1990, currency).amount == Decimal(1990) / 10**digits
    assert str(Money.from_minor(1990, "JPY")) == "1990 JPY"
    assert str(Money.from_minor(1990, "KWD")) == "1.990 KWD"


@given(st.integers(-(10**30), 10**30), currencies)
def test_minor_units_go_there_and_back(units, currency):
    made = Money.from_minor(units, currency)
    assert Fraction(made.amount) == Fraction(units, 10 ** DIGITS[currency])
    assert made.to_minor() == units
    assert made.rounded() == made


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "EUR"), ("0.5", "JPY"), ("1.9999", "KWD")])
def test_what_is_finer_than_a_minor_unit_must_be_rounded_first(amount, currency):
    with pytest.raises(ValueError, match="finer"):
        money(amount, currency).to_minor()
    money(amount, currency).rounded().to_minor()


@given(amounts, currencies)
def test_rounding_is_half_up_and_at_most_half_a_unit(amount, currency):
    rounded = money(amount, currency).rounded()
    off = Fraction(rounded.amount) - Fraction(amount)
    half = Fraction(1, 2 * 10 ** DIGITS[currency])
    assert abs(off) <= half
    if abs(off) == half:
        assert abs(rounded.amount) > abs(amount)
    assert rounded.rounded() == rounded


@given(st.lists(amounts), currencies)
def test_sums_are_exact_whatever_the_precision_of_the_thread(values, currency):
    with localcontext() as context:
        context.prec = 3
        total = Money.total((money(value, currency) for value in values), currency)
        assert money(0, currency) - total == -total
    assert Fraction(total.amount) == sum(map(Fraction, values))


@given(amounts, st.decimals(min_value=0, max_value=10**6, places=3))
def test_products_are_exact(amount, factor):
    assert Fraction((money(amount) * factor).amount) == Fraction(amount) * Fraction(factor)


def test_long_sums_are_not_rounded_to_28_digits():
    assert (money("9" * 30) + money("0.01")).amount == Decimal("9" * 30 + ".01")


@given(amounts, currencies)
def test_json_there_and_back(amount, currency):
    made = money(amount, currency)
    assert Money.model_validate_json(made.model_dump_json()) == made
    assert made.model_dump(mode="json") == {"amount": decimal_text(amount), "currency": currency}


@pytest.mark.parametrize(
    ("given_", "written"),
    [("10.00", "10.00"), ("1e3", "1000"), ("1E-3", "0.001"), (7, "7"), (Decimal("0.10"), "0.10"), ("-5", "-5")],
)
def test_the_scale_is_kept_and_exponents_never_written(given_, written):
    assert money(given_).model_dump(mode="json")["amount"] == written


@pytest.mark.parametrize(
    "wrong",
    [1.5, 0.0, float("nan"), True, None, "", " ", "x", "1,5", "1_000", "١٢", "NaN", "Infinity", "1e999", "0x10", "1\n",
     "9" * 41, 10**41, Decimal("NaN"), Decimal("Infinity"), Decimal("1E-1000"), Decimal("1." + "1" * 50), [], {}],
)  # fmt: skip
def test_what_is_no_amount(wrong):
    with pytest.raises(ValidationError):
        money(wrong)


@pytest.mark.parametrize("content", ['{"amount":1.5,"currency":"EUR"}', '{"amount":true,"currency":"EUR"}'])
def test_json_numbers_with_a_fraction_are_floats_and_refused(content):
    with pytest.raises(ValidationError):
        Money.model_validate_json(content)


@pytest.mark.parametrize("wrong", ["eur", "EURO", "EU", "", "€UR", "EUR\n", None, 978])
def test_what_is_no_currency(wrong):
    with pytest.raises(ValidationError):
        money("1", wrong)


def test_currencies_do_not_mix():
    for mixed in (lambda: money(1) + money(1, "DKK"), lambda: money(1) - money(1, "DKK")):
        with pytest.raises(ValueError, match="do not mix"):
            mixed()
    with pytest.raises(ValueError, match="do not mix"):
        Money.total([money(1)], "DKK")


def test_small_things():
    assert not Money.zero("EUR")
    assert money("0.01")
    assert str(money("-1.50")) == "-1.50 EUR"
    assert money("1.0") == money("1.00")


def test_an_amount_that_was_seen_before_is_the_same_and_keeps_its_scale():
    assert Money.of("12.50", "DKK") is Money.of("12.50", "DKK")
    assert str(Money.of("12.5", "DKK")) == "12.5 DKK"
    assert Money.of("12.50", "DKK") == Money(amount=Decimal("12.5"), currency="DKK")
    for amount, currency in (("12,50", "DKK"), ("", "DKK"), ("NaN", "DKK"), ("1", "dkk")):
        with pytest.raises(ValidationError):
            Money.of(amount, currency)
