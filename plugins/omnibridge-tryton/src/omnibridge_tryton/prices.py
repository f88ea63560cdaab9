"""Prices to Tryton: the list price of each product whose code is a variant's SKU.

Tryton owns its products: nothing else of one is written, and none is made. A list price is in the company's currency
and without tax, and each variant may have its own (Tryton 8.2, `product.product.list_price`). It is written under the
optimistic lock, so that a price that somebody changes meanwhile is read again first.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar

from pydantic import Field

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.model import Money, Price, Product, Variant
from omnibridge_tryton import goods
from omnibridge_tryton.rows import TemplateRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import Row

__all__ = ["find_prices", "normal_product", "put_prices"]


class _PricedRow(Row):
    """`product.product` with the price that holds for it, its own or its template's."""

    FIELDS: ClassVar[tuple[str, ...]] = ("code", "template", "list_price_used", "_timestamp")

    code: str
    template: int
    price: Decimal | None = Field(default=None, alias="list_price_used")
    stamp: str | None = Field(default=None, alias="_timestamp")


def _net(settings: TrytonSettings, price: Price) -> Decimal | None:
    """A price as a list price, or None where it cannot be one."""
    if price.amount.currency != settings.currency:
        return None
    amount = price.amount.amount
    if price.tax_included:
        if settings.price_tax is None:
            return None
        amount /= 1 + settings.price_tax
    return amount.quantize(Decimal(1).scaleb(-settings.price_digits), ROUND_HALF_EVEN)


def list_price(settings: TrytonSettings, variant: Variant) -> Decimal | None:
    """The list price that a variant's usual prices come to, or None where none of them can be one."""
    usual = (price for price in variant.prices if price.price_list is None)
    return next((net for price in usual if (net := _net(settings, price)) is not None), None)


def normal_product(settings: TrytonSettings, product: Product) -> Product:
    """What Tryton keeps of a product as it was sent: a list price for each SKU."""
    kept: dict[str, object] = {}
    if "variants" in product.model_fields_set:
        kept["variants"] = tuple(_normal(settings, variant) for variant in product.variants if variant.sku)
    return Product.model_construct(set(kept), **kept)


def _normal(settings: TrytonSettings, variant: Variant) -> Variant:
    net = list_price(settings, variant)
    if net is None:
        return Variant(sku=variant.sku)
    price = Price(amount=Money(amount=net, currency=settings.currency), tax_included=False)
    return Variant(sku=variant.sku, prices=(price,))


async def _rows(rpc: Rpc, wanted: Iterable[str], own: str | None) -> list[_PricedRow]:
    domain: list[object] = [["code", "in", sorted(wanted)], ["active", "=", True]]
    if own is not None and own.isdigit():
        domain.append(["template", "=", int(own)])
    return await rpc.find("product.product", _PricedRow, domain, _PricedRow.FIELDS, order=[["id", "ASC"]])


def _told(settings: TrytonSettings, product: Product) -> dict[str, Decimal]:
    """The list prices by SKU."""
    priced = ((variant.sku, list_price(settings, variant)) for variant in product.variants)
    return {sku: net for sku, net in priced if sku and net is not None}


async def _receipt(rpc: Rpc, rows: list[_PricedRow], note: str | None) -> Receipt:
    templates = list(dict.fromkeys(row.template for row in rows))
    seen: list[Snapshot] = []
    for row in await rpc.find("product.template", TemplateRow, [["id", "in", templates]], TemplateRow.FIELDS):
        whole = goods.product(rpc.settings, row)
        entity = whole.entity
        if isinstance(entity, Product):
            fields: dict[str, object] = {"variants": entity.variants, "updated_at": entity.updated_at}
            seen.append(Snapshot(Product.model_construct(set(fields), **fields), whole.external_id, whole.version))
    references = (Reference(Product.KIND, str(templates[0])),) if len(templates) == 1 else ()
    return Receipt(references, tuple(seen), note)


async def put_prices(settings: TrytonSettings, product: Product, delivery: Delivery, http: Http) -> Receipt:
    """Write the list prices that differ, each under its product's lock."""
    rpc = Rpc(settings, http)
    told = _told(settings, product)
    if not told:
        return Receipt(note=f"no price in {settings.currency} that could be a list price")
    rows = await _rows(rpc, told, delivery.own)
    if not rows:
        return Receipt(note=f"no product in Tryton has the code {' or '.join(sorted(told))}")
    for row in rows:
        if row.price != told[row.code]:
            lock = {f"product.product,{row.id}": row.stamp}
            values = {"list_price": told[row.code]}
            step = f"price-{row.id}"
            await rpc.do(step, "product.product.write", [row.id], values, protection=Upsert(), _timestamp=lock)
    missing = sorted(set(told) - {row.code for row in rows})
    absent = f"no product in Tryton has the code {' or '.join(missing)}" if missing else None
    return await _receipt(rpc, rows, rpc.note(absent))


async def find_prices(settings: TrytonSettings, product: Product, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the list prices are what they should be; None otherwise, and delivering again writes the rest."""
    rpc = Rpc(settings, http)
    told = _told(settings, product)
    rows = await _rows(rpc, told, delivery.own) if told else []
    if not rows or any(row.price != told[row.code] for row in rows):
        return None
    return await _receipt(rpc, rows, "found as they should be")
