"""What is sold: products, their variants, and what they cost."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, Model, OpenEnum
from omnibridge.model.money import Amount, Money

__all__ = ["Price", "Product", "ProductStatus", "Variant"]


class ProductStatus(OpenEnum):
    """Whether it can be bought."""

    ACTIVE = "active"
    DRAFT = "draft"
    ARCHIVED = "archived"
    OTHER = "other"


class Price(Model):
    """A price on one price list (None: the usual one). `compare_at` is the price before, when it is reduced."""

    amount: Money
    compare_at: Money | None = None
    price_list: str | None = None
    tax_included: bool | None = None


class Variant(Model):
    """One thing that can be put in a basket. `sku` is what channels agree on."""

    external_id: str | None = None
    inventory_external_id: str | None = None
    sku: str | None = None
    barcode: str | None = None
    title: str | None = None
    options: dict[str, str] = {}
    prices: tuple[Price, ...] = ()
    cost: Money | None = None
    weight_grams: Amount | None = None
    requires_shipping: bool | None = None
    taxable: bool | None = None


class Product(Entity):
    """A product with its variants; one without choices has one variant."""

    KIND: ClassVar[str] = "product"

    title: str
    description: str | None = None
    brand: str | None = None
    category: str | None = None
    status: ProductStatus = ProductStatus.ACTIVE
    tags: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    created_at: Instant | None = None
    updated_at: Instant | None = None
