"""Invoices of sales: posted, and paid by the one method of payment that the settings name.

Facts (Tryton 8.2, tested on a running server): a processed sale has a draft invoice, one of a negative total for a
return; `account.invoice.post` numbers it, and asks when a line has other taxes than its product. The wizard
`account.invoice.pay` books a payment; its `create` wants a session that is not old, and answers 401 otherwise. It
takes what it is told in its first form, and books it when it is asked for `choice` with the whole amount or for `pay`
with a part of it. What is written as the description becomes the description of the move. A second `choice` with an
amount that is no longer owed books nothing. When an invoice changes, Tryton brings its sale's `invoice_state` up to
date.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from omnibridge.connector import Upsert
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_tryton.rows import Code, SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.wire import Row, is_list

__all__ = ["InvoiceRow", "booked", "method_of", "owed", "pay", "pay_all"]

_DRAFT = ("draft", "validated")


class InvoiceRow(Row):
    """`account.invoice`. `amount_to_pay` is negative where money is owed to the customer."""

    FIELDS: ClassVar[tuple[str, ...]] = ("number", "state", "total_amount", "amount_to_pay", "currency", "party")

    number: str | None = None
    state: str
    total_amount: Decimal
    amount_to_pay: Decimal
    currency: int
    party: int


class _Paid(Row):
    """`account.move.line` by which an invoice was paid."""

    amount: Decimal = Field(default=Decimal(0))


async def method_of(rpc: Rpc) -> int:
    """The id of the method of payment that the settings name. Raises Permanent when it is not there."""
    name = rpc.settings.payment_method
    domain = [["name", "=", name], ["company", "=", rpc.settings.company], ["active", "=", True]]
    found = await rpc.find("account.invoice.payment.method", Code, domain, ["id"], limit=1)
    if not found:
        raise Permanent(
            f"there is no method of payment named {name!r}", code="payment_method", remedy="mend `payment_method`"
        )
    return found[0].id


async def _invoices(rpc: Rpc, sale: SaleRow) -> list[InvoiceRow]:
    domain = [["sales", "=", sale.id], ["state", "in", [*_DRAFT, "posted"]]]
    return await rpc.find("account.invoice", InvoiceRow, domain, InvoiceRow.FIELDS, order=[["id", "ASC"]])


async def owed(rpc: Rpc, sale: SaleRow) -> list[InvoiceRow]:
    """The sale's invoices that are not settled, posted by now. Raises Permanent when Tryton does not post them."""
    found = await _invoices(rpc, sale)
    drafts = [row.id for row in found if row.state in _DRAFT]
    if drafts:
        refusal = await rpc.press(f"post-{sale.id}", "account.invoice.post", drafts)
        found = await _invoices(rpc, sale)
        if refusal is not None and any(row.state in _DRAFT for row in found):
            raise refusal
    return [row for row in found if row.amount_to_pay]


async def pay(rpc: Rpc, invoice: InvoiceRow, amount: Decimal, text: str, method: int) -> None:
    """Book a payment of `amount`, which has the sign of what is owed, under the description `text`."""
    company, whole = rpc.settings.company, amount == invoice.amount_to_pay
    record = ("account.invoice", invoice.id)
    step, wizard = f"pay-{invoice.id}", "account.invoice.pay"
    # A wizard that is opened twice and never used is forgotten with its session.
    opened = await rpc.wizard(f"{step}-open", f"{wizard}.create", record, protection=Upsert())
    if not is_list(opened) or not opened:
        raise InvalidMessage("a wizard without a session", where=wizard)
    told: dict[str, object] = {
        "payee": invoice.party,
        "amount": amount,
        "currency": invoice.currency,
        "company": company,
        "description": text,
        "payment_method": method,
        "date": (await rpc.http.now()).date(),
    }
    forms = {"start": told} if whole else {"start": told, "ask": {"type": "partial"}}
    state = "choice" if whole else "pay"
    await rpc.wizard(step, f"{wizard}.execute", record, opened[0], forms, state)
    await rpc.wizard(f"{step}-close", f"{wizard}.delete", record, opened[0], protection=Upsert())


async def pay_all(rpc: Rpc, sale: SaleRow, text: str) -> list[str]:
    """Settle all that is owed for a sale, and tell what was booked."""
    method = await method_of(rpc)
    notes: list[str] = []
    for invoice in await owed(rpc, sale):
        await pay(rpc, invoice, invoice.amount_to_pay, text, method)
        currency = sale.currency.code or rpc.settings.currency
        notes.append(f"invoice {invoice.number} paid: {invoice.amount_to_pay} {currency}")
    return notes


async def booked(rpc: Rpc, text: str) -> Decimal:
    """What was paid under the description `text` before, as a positive sum in the payments' currency."""
    domain: Sequence[object] = [["move.description", "=", text], ["invoice_payment", "!=", None]]
    return sum((abs(row.amount) for row in await rpc.find("account.move.line", _Paid, domain, ["amount"])), Decimal(0))
