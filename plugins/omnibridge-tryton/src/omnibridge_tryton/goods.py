"""What Tryton's records mean: products and stock as snapshots of the canonical model."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from omnibridge.connector import Snapshot
from omnibridge.model import InventoryLevel, Money, Price, Product, ProductStatus, Ref, Variant
from omnibridge_tryton.inbound import malformed, plain, unit_word
from omnibridge_tryton.rows import ProductRow, StockRow, TemplateRow, newest
from omnibridge_tryton.settings import TrytonSettings

__all__ = ["inventory", "product"]

_BARCODES = ("ean", "ean8", "ean13", "upc", "gtin", "isbn", "ismn", "issn")


def _variant(row: ProductRow, template: TemplateRow, currency: str) -> Variant:
    barcode = next((found.code for found in row.identifiers if (found.type or "").lower() in _BARCODES), None)
    prices: tuple[Price, ...] = ()
    if row.list_price_used is not None:
        prices = (Price(amount=Money(amount=row.list_price_used, currency=currency), tax_included=False),)
    return Variant(
        external_id=str(row.id),
        inventory_external_id=str(row.id),
        sku=row.code or None,
        barcode=barcode,
        prices=prices,
        cost=Money(amount=row.cost_price, currency=currency) if row.cost_price is not None else None,
        requires_shipping=template.type == "goods",
    )


def product(settings: TrytonSettings, row: TemplateRow) -> Snapshot:
    """A product template with its active variants. Prices are in the company's currency, without tax."""
    variants = [found for found in row.products if found.active]
    descriptions = [found.description for found in variants if found.description]
    try:
        entity = Product(
            title=row.name,
            description=descriptions[0] if descriptions else None,
            category=next((found.name for found in row.categories if found.name), None),
            tags=tuple(found.name for found in row.categories if found.name),
            status=ProductStatus.ACTIVE if row.active else ProductStatus.ARCHIVED,
            variants=tuple(_variant(found, row, settings.currency) for found in variants),
            created_at=row.create_date,
            updated_at=row.last_modified_at,
            vendor={"type": row.type, "salable": row.salable},
        )
    except ValidationError as error:
        raise malformed("product", row.id, error) from None
    identifiers = [identifier for found in row.products for identifier in found.identifiers]
    return Snapshot(entity, str(row.id), newest(row, *row.products, *identifiers))


def inventory(settings: TrytonSettings, row: StockRow, version: datetime | None) -> Snapshot:
    """Stock of one product in the channel's warehouse.

    `on_hand` is what is there, `available` what is left when all planned moves are done.
    """
    location = settings.location or ""
    try:
        entity = InventoryLevel(
            variant=Ref(kind="variant", external_id=str(row.id)),
            sku=row.code or None,
            location=Ref(kind="location", external_id=location),
            on_hand=plain(row.quantity),
            available=plain(row.forecast_quantity),
            unit=unit_word(row.default_uom.symbol if row.default_uom else None),
        )
    except ValidationError as error:
        raise malformed("stock", row.id, error) from None
    return Snapshot(entity, f"{row.id}:{location}", version)
