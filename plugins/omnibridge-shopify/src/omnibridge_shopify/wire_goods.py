"""The webhook bodies about what is sold and where: products, stock, locations."""

from __future__ import annotations

from typing import Required

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from omnibridge_shopify.wire import AddressIn, Amount, Id, Text, Time

__all__ = [
    "INVENTORY",
    "LOCATION",
    "PRODUCT",
    "ImageIn",
    "InventoryIn",
    "LocationIn",
    "OptionIn",
    "ProductIn",
    "VariantIn",
]


class OptionIn(TypedDict, total=False):
    """The name of one of a product's at most three choices."""

    name: Required[str]


class VariantIn(TypedDict, total=False):
    """One variant; its price is in the shop's currency, which the body does not name."""

    id: Required[Id]
    inventory_item_id: Id | None
    title: Text
    sku: Text
    barcode: Text
    price: Amount | None
    compare_at_price: Amount | None
    option1: Text
    option2: Text
    option3: Text
    grams: Amount | None
    taxable: bool | None
    requires_shipping: bool | None


class ImageIn(TypedDict, total=False):
    """A picture."""

    src: Text


class ProductIn(TypedDict, total=False):
    """A product with its variants."""

    id: Required[Id]
    title: Required[str]
    body_html: Text
    vendor: Text
    product_type: Text
    handle: Text
    status: Text
    tags: Text
    options: list[OptionIn] | None
    variants: list[VariantIn] | None
    images: list[ImageIn] | None
    published_at: Time
    created_at: Time
    updated_at: Time


class InventoryIn(TypedDict, total=False):
    """The stock of one inventory item at one location; `available` is null where stock is not tracked."""

    inventory_item_id: Required[Id]
    location_id: Required[Id]
    available: int | None
    updated_at: Time


class LocationIn(AddressIn, total=False):
    """A location; its own name and address stand in one object."""

    id: Required[Id]
    active: bool | None
    created_at: Time
    updated_at: Time


PRODUCT = TypeAdapter(ProductIn)
INVENTORY = TypeAdapter(InventoryIn)
LOCATION = TypeAdapter(LocationIn)
