"""Money on its way back, to Tryton: credit notes of the order's returns are settled, and one is made for the rest.

A refund settles what Tryton owes for returns of the order, as far as that goes. The rest becomes a sale of one piece
less of the adjustment product, whose invoice is a credit note, with tax as the order had it. Every payment has our id
as its description, by which what was booked before is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.connector import Delivery, Http, Receipt, Reference
from omnibridge.errors import Permanent
from omnibridge.model import Refund, RefundState
from omnibridge_tryton import inbound
from omnibridge_tryton.inbound_returns import takes_back
from omnibridge_tryton.invoices import booked, method_of, owed, pay
from omnibridge_tryton.lines import adjustment, codes
from omnibridge_tryton.rows import SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.sales import advance, again, find_sale, id_of, products_by_code, reference_for, search, settle
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.sold import Sold, SoldLine, receipt, sold_by

__all__ = ["find_refund", "put_refund", "shares"]


def shares(amount: Decimal, lines: Sequence[SoldLine]) -> dict[tuple[int, ...], Decimal]:
    """`amount`, tax included, over the taxes of what was sold, each share without its tax: a refund of an order takes
    back tax as the order had it.
    """
    gross: dict[tuple[int, ...], Decimal] = {}
    factors: dict[tuple[int, ...], Decimal] = {}
    for line in lines:
        key = tuple(sorted(tax.id for tax in line.taxes))
        factors[key] = 1 + sum((tax.rate or Decimal(0) for tax in line.taxes), Decimal(0))
        gross[key] = gross.get(key, Decimal(0)) + (line.amount or Decimal(0)) * factors[key]
    sold = sum(gross.values(), Decimal(0))
    if sold <= 0:
        return {(): amount}
    return {key: amount * part / sold / factors[key] for key, part in gross.items() if part}


async def _own_credit(rpc: Rpc, refund: Refund, sold: Sold, left: Decimal, reference: str) -> SaleRow:
    """A sale for money alone, whose invoice is the credit note."""
    products = await products_by_code(rpc, codes(rpc.settings, ()))
    title = " ".join(text for text in ("Refund", refund.reason) if text)
    lines = [
        adjustment(rpc.settings, title, -part, products, back=True, taxes=key)
        for key, part in shares(left, sold.lines).items()
    ]
    values = {**sold.head(rpc, reference), "lines": [["create", lines]]}
    id_ = await rpc.create("create", "sale.sale", values)
    await rpc.http.keep(Reference(Refund.KIND, str(id_)))
    return await again(rpc, id_)


async def _returns(rpc: Rpc, sold: Sold) -> list[SaleRow]:
    """The processed sales that take goods of the sale back and have a credit note that may be open."""
    domain = [["origin", "=", f"sale.sale,{sold.id}"], ["state", "in", ["processing", "done"]]]
    found = await search(rpc, domain)
    return [row for row in found if takes_back(row) and inbound.reference_of(row.reference, Refund.KIND) is None]


def _amount(refund: Refund, sold: Sold) -> Decimal:
    if refund.amount is None:
        return Decimal(0)
    if refund.amount.currency != sold.money.code:
        raise Permanent(
            f"a refund in {refund.amount.currency} for a sale in {sold.money.code}",
            code="currency",
            remedy="book this refund in Tryton",
        )
    return refund.amount.amount


async def put_refund(settings: TrytonSettings, refund: Refund, delivery: Delivery, http: Http) -> Receipt:
    """Book money that went back: against the credit notes of the order's returns, the rest against one of its own.

    Raises Permanent for an order that Tryton does not have, and for another currency than the sale's.
    """
    rpc = Rpc(settings, http)
    if settings.payment_method is None:
        return Receipt(note="refunds are booked where `payment_method` is named")
    if refund.state is not RefundState.COMPLETED or not refund.amount:
        return Receipt(note="no money has gone back yet")
    method = await method_of(rpc)
    sold = await sold_by(rpc, refund, delivery)
    amount = _amount(refund, sold)
    text = reference_for(id_of(refund, delivery), kind=Refund.KIND)
    before = await booked(rpc, text)
    left = amount - before
    own = await find_sale(rpc, refund, delivery)
    mine = own is not None and inbound.made_for(own.reference) == (Refund.KIND, id_of(refund, delivery))
    if own is not None and not mine and not before:
        return receipt(settings, Refund, own, "the refund was made in Tryton")
    touched = [own] if own is not None else []
    for sale in [] if mine else await _returns(rpc, sold):
        for invoice in await owed(rpc, sale) if left > 0 else ():
            part = min(left, -invoice.amount_to_pay)
            if part > 0:
                await pay(rpc, invoice, -part, text, method)
                left -= part
                touched.append(sale)
    if left > 0:
        sale = own if mine and own is not None else await _own_credit(rpc, refund, sold, left, text)
        if sale.state == "draft" and sale.total_amount != -left:
            sale = await settle(rpc, sale, -left)
        sale = await advance(rpc, sale)
        for invoice in await owed(rpc, sale):
            await pay(rpc, invoice, invoice.amount_to_pay, text, method)
        touched.insert(0, sale)
    if not touched:
        return Receipt(note=rpc.note("booked before"))
    return receipt(settings, Refund, await again(rpc, touched[0].id), rpc.note())


async def find_refund(settings: TrytonSettings, refund: Refund, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether all of a refund is booked; None otherwise, and delivering again completes it."""
    rpc = Rpc(settings, http)
    if settings.payment_method is None or refund.amount is None:
        return None
    text = reference_for(id_of(refund, delivery), kind=Refund.KIND)
    if await booked(rpc, text) < refund.amount.amount:
        return None
    sale = await find_sale(rpc, refund, delivery)
    return receipt(settings, Refund, sale, "found by its reference") if sale else Receipt(note="booked before")
