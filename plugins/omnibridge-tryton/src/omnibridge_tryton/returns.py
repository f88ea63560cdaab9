"""Goods on their way back, to Tryton: a sale of negative quantities, and its receipt.

A return becomes what Tryton's own wizard "Return Sale" makes, for the lines that come back: a sale whose `origin` is
the order's, at the prices and taxes that the order's lines have. Processed it has a customer return shipment, which is
received when the goods are there, and a draft credit note. A return of an order whose money went back before (see
`refunds.py`) brings goods only (`invoice_method` manual). So no money goes back twice, whichever comes first.
"""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, Receipt, Reference
from omnibridge.errors import Permanent
from omnibridge.model import Refund, Return, ReturnLine, ReturnState
from omnibridge_tryton import inbound
from omnibridge_tryton.lines import quantity_of, taxed
from omnibridge_tryton.rows import SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.sales import advance, again, find_sale, id_of, pending, press, reference_for, search
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.sold import Sold, receipt, sold_by

__all__ = ["find_return", "normal_return", "put_return"]

_ENDED = (ReturnState.CANCELLED, ReturnState.DECLINED)
_BACK = (ReturnState.RECEIVED, ReturnState.CLOSED)
_OPEN = ("draft", "quotation", "confirmed")


def normal_return(settings: TrytonSettings, back: Return) -> Return:
    """What Tryton keeps of a return as it was sent: of which order, how much of what, and whether it is there."""
    told = back.model_fields_set
    kept: dict[str, object] = {"order": back.order} if "order" in told else {}
    if "lines" in told:
        kept["lines"] = tuple(ReturnLine(sku=line.sku, quantity=line.quantity) for line in back.lines)
    return Return.model_construct(set(kept), **kept)


def _line_back(sold: Sold, line: ReturnLine) -> dict[str, object]:
    """The line that takes `line` back. Raises Permanent where the sale has no such line."""
    for found in sold.lines:
        if found.type != "line" or found.product is None or (found.quantity or 0) <= 0:
            continue
        beside = line.sku is not None and (found.description or "").startswith(f"{line.sku} ")
        if found.product.code == line.sku or beside:
            return {
                "type": "line",
                "product": found.product.id,
                "description": found.description,
                "quantity": quantity_of(-line.quantity),
                "unit": found.unit,
                "unit_price": found.unit_price,
                "note": line.reason,
                **taxed([tax.id for tax in found.taxes]),
            }
    raise Permanent(
        f"the sale {sold.number or sold.id} has no line for the SKU {line.sku!r}",
        code="line",
        remedy="book this return in Tryton",
    )


async def _refunded(rpc: Rpc, sold: Sold) -> bool:
    """Whether money of the sale went back by a sale made for a refund."""
    made = reference_for("%", kind=Refund.KIND)
    domain = [["origin", "=", f"sale.sale,{sold.id}"], ["reference", "like", made], ["state", "!=", "cancelled"]]
    return bool(await search(rpc, domain))


async def put_return(settings: TrytonSettings, back: Return, delivery: Delivery, http: Http) -> Receipt:
    """Make the sale that takes goods back, bring it as far as orders are, and receive the goods when they are there.

    Raises Permanent for an order or a line that Tryton does not have.
    """
    rpc = Rpc(settings, http)
    sale = await find_sale(rpc, back, delivery)
    if back.state in _ENDED:
        if sale is None:
            return Receipt(note="there is no return to cancel")
        if sale.state in _OPEN:
            sale = await press(rpc, sale, "cancel")
        return receipt(settings, Return, sale, rpc.note())
    notes: list[str] = []
    if sale is None:
        if not back.lines:
            return Receipt(note="a return that does not say what comes back")
        sold = await sold_by(rpc, back, delivery)
        values = sold.head(rpc, reference_for(id_of(back, delivery), kind=Return.KIND))
        values["comment"] = back.note
        values["lines"] = [["create", [_line_back(sold, line) for line in back.lines]]]
        if await _refunded(rpc, sold):
            values["invoice_method"] = "manual"
            notes.append("the money went back before: goods only, without a credit note")
        id_ = await rpc.create("create", "sale.sale", values)
        await http.keep(Reference(Return.KIND, str(id_)))
        sale = await again(rpc, id_)
    if inbound.made_for(sale.reference) == (Return.KIND, id_of(back, delivery)):
        sale = await advance(rpc, sale)
    if back.state in _BACK:
        sale = await _receive(rpc, sale)
        if sale.state in _OPEN:
            notes.append(f"the return is a {sale.state} in Tryton, so nothing is received there yet")
    return receipt(settings, Return, sale, rpc.note(*notes))


async def find_return(settings: TrytonSettings, back: Return, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the sale of a return is there and as far as it has to be; None otherwise, and delivering again completes
    it.
    """
    sale = await find_sale(Rpc(settings, http), back, delivery)
    if sale is None or back.state in _ENDED or pending(settings, sale):
        return None
    if back.state in _BACK and any(found.state in ("draft", "received") for found in sale.returned):
        return None
    return receipt(settings, Return, sale, "found by its reference")


async def _receive(rpc: Rpc, sale: SaleRow) -> SaleRow:
    """Take the goods of a return into stock: receive each of its shipments, and put away what was received."""
    for button, state in (("receive", "draft"), ("do", "received")):
        waiting = [found.id for found in sale.returned if found.state == state]
        if not waiting:
            continue
        refusal = await rpc.press(button, f"stock.shipment.out.return.{button}", waiting)
        sale = await again(rpc, sale.id)
        if refusal is not None and any(found.state == state for found in sale.returned):
            raise refusal
    return sale
