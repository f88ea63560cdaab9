"""The webhook bodies about checkouts; names as in the REST Admin API's abandoned checkouts."""

from __future__ import annotations

from typing import Required

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from omnibridge_shopify.wire import (
    AddressIn,
    Amount,
    AttributeIn,
    BagIn,
    Count,
    CustomerIn,
    Id,
    ShippingLineIn,
    TaxLineIn,
    Text,
    Time,
)

__all__ = ["CART", "CartIn", "CartLineIn", "CodeIn"]


class CartLineIn(TypedDict, total=False):
    """Goods in a cart. Its id, where a body has one, is not the one that GraphQL gives."""

    title: Text
    variant_title: Text
    sku: Text
    product_id: Id | None
    variant_id: Id | None
    quantity: Required[Count]
    price: Required[Amount]
    properties: list[AttributeIn] | None


class CodeIn(TypedDict, total=False):
    """A discount code that was typed in."""

    code: Text


class CartIn(TypedDict, total=False):
    """A checkout that somebody began; amounts are in `currency`."""

    id: Required[Id]
    name: Text
    currency: Required[str]
    taxes_included: bool | None
    email: Text
    phone: Text
    note: Text
    note_attributes: list[AttributeIn] | None
    abandoned_checkout_url: Text
    customer: CustomerIn | None
    billing_address: AddressIn | None
    shipping_address: AddressIn | None
    line_items: list[CartLineIn] | None
    shipping_lines: list[ShippingLineIn] | None
    tax_lines: list[TaxLineIn] | None
    discount_codes: list[CodeIn] | None
    total_price: Required[Amount]
    total_price_set: BagIn | None
    subtotal_price: Amount | None
    total_discounts: Amount | None
    total_tax: Amount | None
    created_at: Time
    updated_at: Time
    completed_at: Time


CART = TypeAdapter(CartIn)
