"""What orders, returns and refunds have in common in Tryton: a sale, found by its reference, brought as far as asked.

A sale made here carries `omnibridge:<canonical id>` in its reference, then the number that people know; one made for
a return or a refund has the kind before the id. Each step first looks at how far the sale is, so that a delivery that
was interrupted anywhere goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.connector import Delivery, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Entity, Order
from omnibridge_tryton import inbound
from omnibridge_tryton.lines import adjustment, codes
from omnibridge_tryton.rows import SaleRow, SellableRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings

__all__ = [
    "advance",
    "again",
    "find_sale",
    "id_of",
    "pending",
    "press",
    "products_by_code",
    "reference_for",
    "search",
    "settle",
]

_FAR = {"draft": 0, "quotation": 1, "confirmed": 2}


def reference_for(id_: str, number: str | None = None, kind: str = Order.KIND) -> str:
    """A sale's reference: our id, then the number in one line, where there is one."""
    text = " ".join((number or "").split())
    told = id_ if kind == Order.KIND else f"{kind}:{id_}"
    return f"{inbound.OURS}{told}" + (f" {text}" if text else "")


def id_of(entity: Entity, delivery: Delivery) -> str:
    """The canonical id of what is delivered. Raises Permanent where there is none."""
    found = entity.id or delivery.event.subject
    if not found:
        raise Permanent(f"a {entity.KIND} without a canonical id cannot be found again", code="id")
    return found


async def search(rpc: Rpc, domain: Sequence[object]) -> list[SaleRow]:
    """The sales that meet a domain, ten at most, the oldest first."""
    return await rpc.find("sale.sale", SaleRow, domain, SaleRow.FIELDS, limit=10, order=[["id", "ASC"]])


async def find_sale(rpc: Rpc, entity: Entity, delivery: Delivery) -> SaleRow | None:
    """The sale of what is delivered: by its id here, else by its reference."""
    if delivery.own is not None and delivery.own.isdigit():
        found = await search(rpc, [["id", "=", int(delivery.own)]])
        if found:
            return found[0]
    exact = reference_for(id_of(entity, delivery), kind=entity.KIND)
    pattern = exact.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    either: list[object] = ["OR", [["reference", "=", exact]], [["reference", "like", f"{pattern} %"]]]
    found = await search(rpc, [["company", "=", rpc.settings.company], either])
    return found[0] if found else None


async def again(rpc: Rpc, id_: int) -> SaleRow:
    """The sale as it is now. Raises Permanent when it is gone."""
    found = await search(rpc, [["id", "=", id_]])
    if not found:
        raise Permanent(f"the sale {id_} was deleted in Tryton while it was being made", code="gone")
    return found[0]


def pending(settings: TrytonSettings, sale: SaleRow) -> list[str]:
    """The buttons still to be pressed."""
    wanted = ["quote"] if settings.quote or settings.confirm else []
    wanted += ["confirm"] if settings.confirm else []
    # With a worker, confirming only queues the rest; where books are kept here, the sale is not left waiting for it.
    wanted += ["process"] if settings.confirm and (settings.process or settings.keeps_books) else []
    return wanted[_FAR.get(sale.state, 3) :]


async def press(rpc: Rpc, sale: SaleRow, button: str) -> SaleRow:
    """Press a button. Tryton refuses a second press, so a refusal of what happened already is none."""
    refusal = await rpc.press(button, f"sale.sale.{button}", [sale.id])
    after = await again(rpc, sale.id)
    if refusal is not None and after.state == sale.state:
        raise refusal
    return after


async def advance(rpc: Rpc, sale: SaleRow) -> SaleRow:
    """Quote, confirm and process the sale, as far as the settings say."""
    while wanted := pending(rpc.settings, sale):
        after = await press(rpc, sale, wanted[0])
        if after.state == sale.state:
            raise Permanent(f"the sale {sale.id} stays {sale.state} after {wanted[0]!r}", code="state")
        sale = after
    return sale


async def products_by_code(rpc: Rpc, wanted: Sequence[str]) -> dict[str, SellableRow]:
    """The active products with these codes; of several with one code the oldest."""
    domain = [["code", "in", list(wanted)], ["active", "=", True]]
    found = await rpc.find("product.product", SellableRow, domain, SellableRow.FIELDS, order=[["id", "DESC"]])
    return {row.code: row for row in found if row.code}


async def settle(rpc: Rpc, sale: SaleRow, total: Decimal) -> SaleRow:
    """Add a line for what the draft differs from the money that moved, under the lock. A sale that is negative gets a
    negative quantity, as all its lines have.

    Raises Permanent when the sale still differs then.
    """
    products = await products_by_code(rpc, codes(rpc.settings, ()))
    difference = total - sale.total_amount
    line = adjustment(rpc.settings, "Rounding", difference, products, back=total < 0)
    lock = {f"sale.sale,{sale.id}": sale.stamp}
    values = {"lines": [["create", [line]]]}
    await rpc.do("settle", "sale.sale.write", [sale.id], values, protection=Upsert(), _timestamp=lock)
    sale = await again(rpc, sale.id)
    if sale.total_amount != total:
        raise Permanent(
            f"the sale {sale.id} comes to {sale.total_amount} where {total} was moved",
            code="total",
            remedy="mend the draft in Tryton and replay, or cancel it there",
        )
    return sale
