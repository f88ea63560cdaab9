"""Exact money: a decimal amount and an ISO 4217 currency, never a float."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated

from babel.numbers import get_currency_precision
from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints

from omnibridge.model.base import Model

__all__ = ["Amount", "Currency", "Money", "Quantity", "decimal_text", "minor_digits"]

_MAX_TEXT = 40  # digits; a longer number is an attack or a bug, never a price


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("a float is not exact; give a string or a Decimal")
    if isinstance(value, bool):
        raise ValueError("a truth value is not an amount")
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ValueError(f"longer than {_MAX_TEXT} characters")
    if isinstance(value, (int, str)):
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise ValueError("not a decimal number") from None
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > _MAX_TEXT):
        raise ValueError("not a finite number of ordinary size")
    return value


def decimal_text(value: Decimal) -> str:
    """The plain decimal text of a number: no exponent, its scale kept (`10.00`)."""
    return format(value, "f")


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact, json_schema_input_type=str),
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
    Field(examples=["129.90"]),
]
"""An exact decimal number; a string in JSON."""

Quantity = Amount
"""How much of something, in the unit beside it; decimal, as cloth and cheese are sold by weight and length."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code in capitals."""


@lru_cache(maxsize=512)
def minor_digits(currency: str) -> int:
    """How many digits the currency's minor unit has: 2 for EUR, 0 for JPY, 3 for KWD (CLDR, through babel)."""
    return get_currency_precision(currency)


class Money(Model):
    """An amount in one currency. Arithmetic is exact and refuses to mix currencies.

    JSON: `{"amount": "129.90", "currency": "DKK"}`.
    """

    amount: Amount
    currency: Currency

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in `currency`."""
        return cls(amount=Decimal(0), currency=currency)

    @classmethod
    def from_minor(cls, amount: int, currency: str) -> Money:
        """From whole minor units: `from_minor(1990, "EUR")` is 19.90 EUR, `from_minor(1990, "JPY")` 1990 JPY."""
        return cls(amount=Decimal(amount).scaleb(-minor_digits(currency)), currency=currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of `amounts`, which must all be in `currency`. Raises ValueError if one is not."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    def to_minor(self) -> int:
        """Whole minor units. Raises ValueError when the amount is finer than the currency's minor unit."""
        scaled = self.amount.scaleb(minor_digits(self.currency))
        whole = scaled.to_integral_value()
        if whole != scaled:
            raise ValueError(f"{self} is finer than a minor unit of {self.currency}; round it first")
        return int(whole)

    def rounded(self) -> Money:
        """Rounded half up to the currency's minor unit."""
        unit = Decimal(1).scaleb(-minor_digits(self.currency))
        return Money(amount=self.amount.quantize(unit, rounding=ROUND_HALF_UP), currency=self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(amount=self.amount * factor, currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return f"{decimal_text(self.amount)} {self.currency}"
