"""Exact money: a decimal amount and an ISO 4217 currency, never a float."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Annotated

from babel.numbers import get_currency_precision
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from omnibridge.model.base import Model

__all__ = ["Amount", "Currency", "Money", "Quantity", "decimal_text", "minor_digits"]

_MAX_TEXT = 40
"""Characters and digits; a longer number is an attack or a bug, never a price."""

_EXACT = Context(prec=200, traps=[InvalidOperation, Inexact])
"""For sums and products: the usual context would round them to 28 digits in silence."""
_ROUNDING = Context(prec=200, traps=[InvalidOperation])


class _Exact:
    """Validates in pydantic's core, as an order has dozens of amounts: text, integers and Decimals, never a float."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(
            strict=True, max_length=_MAX_TEXT, pattern=r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?$"
        )
        whole = core_schema.int_schema(strict=True, lt=10**_MAX_TEXT, gt=-(10**_MAX_TEXT))
        written = core_schema.union_schema([text, whole])
        held = core_schema.union_schema([core_schema.is_instance_schema(Decimal), text, whole])
        exact = core_schema.decimal_schema(allow_inf_nan=False, max_digits=_MAX_TEXT)
        careful = core_schema.chain_schema(
            [core_schema.json_or_python_schema(json_schema=written, python_schema=held), exact]
        )
        # Nearly every amount is short text without an exponent: it cannot have too many digits, and counting them
        # costs pydantic more than all the rest.
        plain = core_schema.str_schema(strict=True, max_length=_MAX_TEXT, pattern=r"^[+-]?[0-9]+(\.[0-9]*)?$")
        quick = core_schema.chain_schema([plain, core_schema.decimal_schema(allow_inf_nan=False)])
        return core_schema.union_schema([quick, careful], mode="left_to_right")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": r"^[+-]?[0-9]+(\.[0-9]*)?$"}


def decimal_text(value: Decimal) -> str:
    """The plain decimal text of a number: no exponent, its scale kept (`10.00`)."""
    text = str(value)  # half the cost of formatting, and an order has dozens
    return format(value, "f") if "E" in text else text


Amount = Annotated[
    Decimal,
    _Exact,
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
    def of(cls, amount: str, currency: str) -> Money:
        """From decimal text: `of("129.90", "DKK")`. Raises pydantic's ValidationError.

        Prices repeat, and one that was seen lately is not validated again: that costs thirty times as much.
        """
        return _of(amount, currency)

    @classmethod
    def from_minor(cls, amount: int, currency: str) -> Money:
        """From whole minor units: `from_minor(1990, "EUR")` is 19.90 EUR, `from_minor(1990, "JPY")` 1990 JPY."""
        return cls(amount=_EXACT.scaleb(Decimal(amount), -minor_digits(currency)), currency=currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of `amounts`, which must all be in `currency`. Raises ValueError if one is not."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    def to_minor(self) -> int:
        """Whole minor units. Raises ValueError when the amount is finer than the currency's minor unit."""
        scaled = _EXACT.scaleb(self.amount, minor_digits(self.currency))
        whole = scaled.to_integral_value()
        if whole != scaled:
            raise ValueError(f"{self} is finer than a minor unit of {self.currency}; round it first")
        return int(whole)

    def rounded(self) -> Money:
        """Rounded half up to the currency's minor unit."""
        unit = Decimal(1).scaleb(-minor_digits(self.currency))
        return Money(amount=self.amount.quantize(unit, ROUND_HALF_UP, _ROUNDING), currency=self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=_EXACT.add(self.amount, other.amount), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=_EXACT.subtract(self.amount, other.amount), currency=self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(amount=_EXACT.multiply(self.amount, Decimal(factor)), currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=_EXACT.minus(self.amount), currency=self.currency)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return f"{decimal_text(self.amount)} {self.currency}"


@lru_cache(maxsize=8192)
def _of(amount: str, currency: str) -> Money:
    return Money.model_validate({"amount": amount, "currency": currency})
