"""Stock levels to Tryton: a count of one product in the channel's warehouse (`stock.inventory`), done at once.

Facts (Tryton 8.2, tested on a running server): an inventory counts a storage location on a day; what a line counts
differently from what Tryton expects becomes a move when it is confirmed. The quantities that are read are those of the
whole warehouse, with what waits at its doors, so that the difference is what is counted into the storage. A count is a
set to a value: made twice it comes to the same.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import InventoryLevel
from omnibridge_tryton.lines import quantity_of
from omnibridge_tryton.reads import level_of
from omnibridge_tryton.rows import Code, StockRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import Row

__all__ = ["find_level", "normal_level", "put_level"]


class _Warehouse(Row):
    FIELDS: ClassVar[tuple[str, ...]] = ("code", "storage_location")

    storage: int = Field(alias="storage_location")


class _State(Row):
    state: str


class _Counted(Row):
    quantity: Decimal | None = None


class _Left(Row):
    """`stock.inventory` that was not confirmed."""

    FIELDS: ClassVar[tuple[str, ...]] = ("date", "lines.quantity")

    date: datetime.date
    lines: tuple[_Counted, ...] = Field(default=(), alias="lines.")


def _count(level: InventoryLevel) -> str | None:
    """What is written: what is there, or else what is left to sell."""
    return next((name for name in ("on_hand", "available") if getattr(level, name) is not None), None)


def normal_level(settings: TrytonSettings, level: InventoryLevel) -> InventoryLevel:
    """What is written of a level: `on_hand`, or `available` where that is all that is known."""
    kept: dict[str, object] = {"variant": level.variant, "location": level.location}
    name = _count(level)
    if name is not None:
        kept[name] = getattr(level, name)
    return InventoryLevel.model_construct(set(kept), **kept)


async def _place(rpc: Rpc, level: InventoryLevel, delivery: Delivery) -> _Warehouse | None:
    """The channel's warehouse, or None where the level is of another place. Raises Permanent if nobody knows."""
    code = rpc.settings.location
    if code is None:
        raise Permanent("this channel keeps no stock", code="location", remedy="name a warehouse in `location`")
    place = delivery.own.partition(":")[2] if delivery.own else delivery.external(level.location)
    if place is None:
        raise delivery.unmatched("location", "the location of a stock level")
    if place != code:
        return None
    domain = [["code", "=", code], ["type", "=", "warehouse"]]
    found = await rpc.find("stock.location", _Warehouse, domain, _Warehouse.FIELDS, limit=1)
    if not found:
        raise Permanent(f"there is no warehouse with the code {code!r}", code="location", remedy="mend `location`")
    return found[0]


async def _product(rpc: Rpc, level: InventoryLevel, delivery: Delivery) -> int:
    """The product that is counted: by its id here, else by its SKU. Raises Permanent where there is none."""
    known = (delivery.own or "").partition(":")[0] or delivery.external(level.variant) or ""
    if known.isdigit():
        return int(known)
    if level.sku:
        domain = [["code", "=", level.sku], ["type", "=", "goods"], ["active", "=", True]]
        found = await rpc.find("product.product", Code, domain, ["code"], limit=1, order=[["id", "ASC"]])
        if found:
            return found[0].id
    what = f"the SKU {level.sku!r}" if level.sku else "the variant of a stock level, which has no SKU,"
    raise delivery.unmatched("variant", what, remedy="give a product in Tryton that code")


async def _stock(rpc: Rpc, product: int, place: int) -> StockRow:
    domain = [["id", "=", product], ["type", "=", "goods"]]
    found = await rpc.find("product.product", StockRow, domain, StockRow.FIELDS, limit=1, locations=[place])
    if not found:
        raise Permanent(f"the product {product} is gone, or is not kept in stock", code="product")
    return found[0]


def _missing(level: InventoryLevel, stock: StockRow) -> Decimal:
    """What has to come to the stock of the warehouse."""
    if level.on_hand is not None:
        return level.on_hand - (stock.quantity or Decimal(0))
    # What is promised and what is on its way stays so; counted is what makes the rest available.
    return (level.available or Decimal(0)) - (stock.forecast_quantity or Decimal(0))


async def _receipt(rpc: Rpc, level: InventoryLevel, product: int, place: int, note: str | None) -> Receipt:
    snapshots: list[Snapshot] = []
    reference = Reference(InventoryLevel.KIND, f"{product}:{rpc.settings.location}")
    for seen in await level_of(rpc, place, product):
        if isinstance(seen, Snapshot) and isinstance(seen.entity, InventoryLevel):
            # A count moves both numbers.
            names = ("variant", "location", "on_hand", "available", "unit")
            fields = {name: getattr(seen.entity, name) for name in names}
            told = InventoryLevel.model_construct(set(fields), **fields)
            snapshots.append(Snapshot(told, seen.external_id, seen.version))
    return Receipt((reference,), tuple(snapshots), note)


async def put_level(settings: TrytonSettings, level: InventoryLevel, delivery: Delivery, http: Http) -> Receipt:
    """Count a product so that the warehouse has what the level says.

    Raises Permanent for a location or a product that is not there, and where the storage would hold less than nothing.
    """
    rpc = Rpc(settings, http)
    if _count(level) is None:
        return Receipt(note="no count to write")
    place = await _place(rpc, level, delivery)
    if place is None:
        return Receipt(note="stock of another place than this channel's warehouse")
    product = await _product(rpc, level, delivery)
    missing = _missing(level, await _stock(rpc, product, place.id))
    if not missing:
        return await _receipt(rpc, level, product, place.id, None)
    kept = (await _stock(rpc, product, place.storage)).quantity or Decimal(0)
    counted = await _inventory(rpc, product, place, quantity_of(kept + missing))
    refusal = await rpc.press("confirm", "stock.inventory.confirm", [counted])
    if refusal is not None:
        now = await rpc.find("stock.inventory", _State, [["id", "=", counted]], ["state"], limit=1)
        if not now or now[0].state != "done":
            raise refusal
    return await _receipt(rpc, level, product, place.id, rpc.note())


async def _inventory(rpc: Rpc, product: int, place: _Warehouse, quantity: float) -> int:
    """A draft that counts this product: a new one, or what an earlier attempt left behind, brought up to date."""
    day = (await rpc.http.now()).date()
    domain = [
        ["state", "=", "draft"],
        ["location", "=", place.storage],
        ["lines.product", "=", product],
        ["create_uid.login", "=", rpc.settings.username],
    ]
    left = await rpc.find("stock.inventory", _Left, domain, _Left.FIELDS, order=[["id", "ASC"]])
    mine = next((row for row in left if len(row.lines) == 1), None)
    if mine is None:
        lines = [["create", [{"product": product, "quantity": quantity}]]]
        values = {"company": rpc.settings.company, "location": place.storage, "date": day, "lines": lines}
        return await rpc.create("create", "stock.inventory", values)
    [line] = mine.lines
    if mine.date != day or line.quantity != Decimal(str(quantity)):
        values = {"date": day, "lines": [["write", [line.id], {"quantity": quantity}]]}
        await rpc.do("recount", "stock.inventory.write", [mine.id], values, protection=Upsert())
    return mine.id


async def find_level(settings: TrytonSettings, level: InventoryLevel, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the warehouse has what the level says; None otherwise, and delivering again counts it."""
    rpc = Rpc(settings, http)
    place = await _place(rpc, level, delivery)
    if place is None or _count(level) is None:
        return None
    product = await _product(rpc, level, delivery)
    if _missing(level, await _stock(rpc, product, place.id)):
        return None
    return await _receipt(rpc, level, product, place.id, "found counted")
