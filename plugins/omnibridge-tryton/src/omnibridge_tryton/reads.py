"""Questions to Tryton: polls of parties, sales, products and stock, the lookup of one record, and a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from omnibridge.connector import Cursor, Http, Lookup, Observation, Snapshot
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.model import Customer, InventoryLevel, Order, Product, Refund, Return
from omnibridge_tryton import goods, inbound, inbound_returns
from omnibridge_tryton.follow import Source, follow, newest_place
from omnibridge_tryton.invoices import method_of
from omnibridge_tryton.rows import Code, Owner, PartyRow, SaleRow, StockRow, TemplateRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import Row, is_object, rows

__all__ = ["level_of", "poll_parties", "poll_products", "poll_sales", "poll_stock", "probe", "read", "warehouse"]

RowT = TypeVar("RowT", bound=Row)


# ── From records to observations ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Kind(Generic[RowT]):
    """A kind of entity: where its records are, how they are read, and what they mean."""

    name: str
    model: str
    row: type[RowT]
    fields: Sequence[str]
    translate: Callable[[TrytonSettings, RowT], Sequence[Observation]]

    async def observe(self, rpc: Rpc, ids: Iterable[int], *narrower: object, strict: bool = False) -> list[Observation]:
        """What the records with these ids show, in their order; `narrower` is what else the domain asks.

        One that is malformed becomes a lookup of itself, which fails alone and visibly while the poll goes on; with
        `strict` it raises InvalidMessage.
        """
        wanted = list(ids)
        seen: dict[int, Sequence[Observation]] = {}
        for record in await rpc.search(self.model, [["id", "in", wanted], *narrower], self.fields):
            id_ = record.get("id") if is_object(record) else None
            if not isinstance(id_, int):
                raise InvalidMessage("a record without an id", where=self.model)
            try:
                [row] = rows(self.row, [record])
                seen[id_] = self.translate(rpc.settings, row)
            except InvalidMessage:
                if strict:
                    raise
                seen[id_] = [Lookup(self.name, str(id_))]
        return [found for id_ in wanted for found in seen.get(id_, ())]


_PARTY = _Kind(
    Customer.KIND, "party.party", PartyRow, PartyRow.FIELDS, lambda settings, row: [inbound.customer(settings, row)]
)
_SALE = _Kind(Order.KIND, "sale.sale", SaleRow, SaleRow.FIELDS, inbound_returns.sale)
_PRODUCT = _Kind(
    Product.KIND,
    "product.template",
    TemplateRow,
    TemplateRow.FIELDS,
    lambda settings, row: [goods.product(settings, row)],
)


def _company(settings: TrytonSettings) -> list[object]:
    return ["company", "=", settings.company]


# ── Parties ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def poll_parties(settings: TrytonSettings, cursor: Cursor | None, http: Http) -> None:
    """Parties whose own record, contact mechanisms, addresses or identifiers changed."""
    rpc = Rpc(settings, http)
    sources = [
        Source("party.party"),
        Source("party.contact_mechanism", "party"),
        Source("party.address", "party"),
        Source("party.identifier", "party"),
    ]
    await follow(rpc, cursor, sources, lambda ids: _PARTY.observe(rpc, ids))


# ── Sales ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def poll_sales(settings: TrytonSettings, cursor: Cursor | None, http: Http) -> None:
    """Sales of the channel's company that changed, or one of whose lines did."""
    rpc = Rpc(settings, http)
    sources = [
        Source("sale.sale", None, (_company(settings),)),
        Source("sale.line", "sale", (["sale.company", "=", settings.company],)),
    ]
    await follow(rpc, cursor, sources, lambda ids: _SALE.observe(rpc, ids, _company(settings)))


# ── Products and stock ───────────────────────────────────────────────────────────────────────────────────────────


async def poll_products(settings: TrytonSettings, cursor: Cursor | None, http: Http) -> None:
    """Products that changed. A new list price is written through its product, so that one has changed then."""
    rpc = Rpc(settings, http)
    sources = [
        Source("product.template"),
        Source("product.product", "template"),
    ]
    await follow(rpc, cursor, sources, lambda ids: _PRODUCT.observe(rpc, ids))


async def warehouse(rpc: Rpc) -> int | None:
    """The id of the channel's warehouse, None where the settings name none. Raises Permanent when it is not there."""
    code = rpc.settings.location
    if code is None:
        return None
    domain = [["code", "=", code], ["type", "=", "warehouse"]]
    found = await rpc.find("stock.location", Code, domain, ["code"], limit=1)
    if not found:
        raise Permanent(f"there is no warehouse with the code {code!r}", remedy="mend `location`")
    return found[0].id


async def _stock(rpc: Rpc, place: int, moved: Mapping[int, datetime]) -> list[Observation]:
    domain = [["id", "in", list(moved)], ["type", "=", "goods"]]
    found = await rpc.find("product.product", StockRow, domain, StockRow.FIELDS, locations=[place])
    return [goods.inventory(rpc.settings, row, moved[row.id]) for row in found]


async def level_of(rpc: Rpc, place: int, product: int) -> list[Observation]:
    """The stock of one product in the warehouse `place` as it is now; nothing where there is no such product."""
    last = await newest_place(rpc, Source("stock.move", "product", (["product", "=", product],)))
    return await _stock(rpc, place, {product: last.at})


async def poll_stock(settings: TrytonSettings, cursor: Cursor | None, http: Http) -> None:
    """Stock of the products that were moved, or whose moves are planned anew. Without a `location` there is none."""
    rpc = Rpc(settings, http)
    place = await warehouse(rpc)
    if place is None:
        return
    source = Source("stock.move", "product", (_company(settings),))
    await follow(rpc, cursor, [source], lambda ids: _stock(rpc, place, ids))


# ── One record ───────────────────────────────────────────────────────────────────────────────────────────────────


async def read(settings: TrytonSettings, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """The record that `lookup` names as it is now; a deleted snapshot where there is none.

    Kinds: customer, order, return, refund, product, and inventory (`<product id>:<warehouse code>`). Raises Permanent
    for others.
    """
    rpc = Rpc(settings, http)
    raw = lookup.external_id.partition(":")[0] if lookup.kind == InventoryLevel.KIND else lookup.external_id
    if not raw.isascii() or not raw.isdigit():
        raise Permanent(f"{lookup.external_id[:64]!r} is no id of Tryton", remedy="ids there are whole numbers")
    ids = [int(raw)]
    if lookup.kind == Customer.KIND:
        return await _PARTY.observe(rpc, ids, strict=True) or [Snapshot.gone(Customer.KIND, raw)]
    if lookup.kind in (Order.KIND, Return.KIND, Refund.KIND):
        return await _SALE.observe(rpc, ids, _company(settings), strict=True) or [Snapshot.gone(lookup.kind, raw)]
    if lookup.kind == Product.KIND:
        return await _PRODUCT.observe(rpc, ids, strict=True) or [Snapshot.gone(Product.KIND, raw)]
    if lookup.kind == InventoryLevel.KIND:
        place = await warehouse(rpc)
        if place is None:
            raise Permanent("this channel reads no stock", remedy="name a warehouse in `location`")
        return await level_of(rpc, place, int(raw)) or [Snapshot.gone(InventoryLevel.KIND, lookup.external_id)]
    raise Permanent(f"{lookup.kind!r} cannot be looked up in Tryton")


async def probe(settings: TrytonSettings, http: Http) -> None:
    """Log in, and find the company and what else the settings name. Raises Permanent for what is not there."""
    rpc = Rpc(settings, http)
    if not await rpc.find("company.company", Owner, [["id", "=", settings.company]], ["id"], limit=1):
        raise Permanent(f"there is no company with the id {settings.company}", remedy="mend `company`")
    await warehouse(rpc)
    if settings.payment_method is not None:
        await method_of(rpc)
    named = {settings.fallback_product, settings.shipping_product, settings.adjustment_product} - {None}
    if named:
        domain = [["code", "in", sorted(code for code in named if code)], ["active", "=", True]]
        found = {row.code for row in await rpc.find("product.product", Code, domain, ["code"])}
        if missing := sorted(code for code in named if code and code not in found):
            raise Permanent(f"there is no product with the code {', '.join(missing)}", remedy="make it in Tryton first")
    if settings.taxes:
        names = sorted(set(settings.taxes.values()))
        domain = [["name", "in", names], ["company", "=", settings.company]]
        if len(await rpc.find("account.tax", Owner, domain, ["id"])) < len(names):
            raise Permanent("not every tax in `taxes` is there by that name", remedy="mend `taxes`")
