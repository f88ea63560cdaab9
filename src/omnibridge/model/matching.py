"""What an entity names by a word of ours, for which each channel has an id of its own: taxes, prices, tenders."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeGuard

from pydantic import BaseModel

from omnibridge.model.base import Ref
from omnibridge.model.order import TaxLine
from omnibridge.model.payment import Payment
from omnibridge.model.product import Price

__all__ = ["WORDS", "named_in", "rate_word"]

WORDS = frozenset({"payment_method", "price_list", "tax"})
"""Kinds of words: a tender as `Payment.method` has it, a price list by its name, a tax by its rate."""


def rate_word(rate: Decimal) -> str:
    """The word for a tax: its rate as a fraction, `0.25` for 0.250."""
    return format(rate.normalize(), "f")


def named_in(value: object) -> Iterator[tuple[str, str]]:
    """Everything that a model names, as (kind, canonical id) of a reference or (kind, word)."""
    if isinstance(value, Ref):
        if value.id is not None:
            yield value.kind, value.id
        return
    if isinstance(value, TaxLine):
        if value.rate is not None:
            yield "tax", rate_word(value.rate)
    elif isinstance(value, Payment):
        yield "payment_method", value.method.value
    elif isinstance(value, Price) and value.price_list is not None:
        yield "price_list", value.price_list
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            item: object = getattr(value, name)
            if isinstance(item, BaseModel) or _several(item):
                yield from named_in(item)
    elif _several(value):
        for item in value:
            yield from named_in(item)


def _several(value: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(value, tuple)
