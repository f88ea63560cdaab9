"""Payments to Tryton: each is booked against its order's invoice by the method that its tender is matched with.

This is for companies that tell tenders apart (`book_payments`); otherwise a paid order is settled as a whole. Each
payment in the books has our id as its description, by which what was booked before is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from omnibridge.connector import Delivery, Http, Receipt, Term
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Payment, PaymentMethod, PaymentState
from omnibridge_tryton.invoices import booked, method_of, owed, pay
from omnibridge_tryton.rows import Named, SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.sales import id_of, reference_for, search
from omnibridge_tryton.settings import TrytonSettings

__all__ = ["find_payment", "list_methods", "put_payment"]

_METHOD = "account.invoice.payment.method"


class _Method(Named):
    """`account.invoice.payment.method`."""

    FIELDS: ClassVar[tuple[str, ...]] = ("name",)


def _usable(rpc: Rpc) -> list[object]:
    return [["company", "=", rpc.settings.company], ["active", "=", True]]


async def list_methods(settings: TrytonSettings, http: Http) -> Sequence[Term]:
    """The company's methods of payment; one that is called like a tender of ours surely means it."""
    rpc = Rpc(settings, http)
    found = await rpc.find(_METHOD, _Method, _usable(rpc), _Method.FIELDS, order=[["id", "ASC"]])
    tenders = {method.value for method in PaymentMethod}
    return [
        Term("payment_method", str(row.id), row.name or str(row.id), word=_word(row.name, tenders)) for row in found
    ]


def _word(name: str | None, tenders: set[str]) -> str | None:
    word = "_".join((name or "").casefold().split())
    return word if word in tenders else None


async def _method(rpc: Rpc, payment: Payment, delivery: Delivery) -> int:
    """The method that the tender is matched with, else the one that the settings name. Raises Permanent without."""
    word = payment.method.value
    id_ = delivery.matched("payment_method", word)
    if id_ is None:
        if rpc.settings.payment_method is not None:
            return await method_of(rpc)
        raise delivery.unmatched("payment_method", f"the tender {word}", remedy="name a `payment_method`")
    domain = [["id", "=", int(id_) if id_.isdigit() else 0], *_usable(rpc)]
    found = await rpc.find(_METHOD, _Method, domain, _Method.FIELDS, limit=1)
    if not found:
        raise Permanent(
            f"Tryton has no method of payment {id_}, which the tender {word} was matched with",
            code="payment_method",
            remedy=f"match it anew (omnibridge match {word} CHANNEL:ID --kind payment_method), then replay",
        )
    return found[0].id


async def _sale(rpc: Rpc, payment: Payment, delivery: Delivery) -> SaleRow:
    """The sale that is paid for. Raises Permanent without one, Retryable while it has no invoice."""
    own = delivery.external(payment.order)
    found = await search(rpc, [["id", "=", int(own)]]) if own is not None and own.isdigit() else []
    if not found:
        raise Permanent(
            "the payment's order has no sale in Tryton",
            code="order",
            remedy="route orders to this channel as well, then replay",
        )
    if found[0].currency.code != payment.amount.currency:
        raise Permanent(
            f"a payment in {payment.amount.currency} for a sale in {found[0].currency.code}",
            code="currency",
            remedy="book this payment in Tryton",
        )
    if found[0].state not in ("processing", "done"):
        raise Retryable(f"the sale {found[0].number or found[0].id} has no invoice yet", after=timedelta(minutes=30))
    return found[0]


def _came(payment: Payment) -> Decimal:
    """All that came, the tip too, which is a line of the sale."""
    return payment.amount.amount + (payment.tip.amount if payment.tip is not None else Decimal(0))


async def put_payment(settings: TrytonSettings, payment: Payment, delivery: Delivery, http: Http) -> Receipt:
    """Book money that came against what is owed for the order; what is more than that is told and not booked.

    Raises Permanent for an order that Tryton does not have, another currency than the sale's, and a tender that is not
    matched; Retryable while the sale is not processed.
    """
    if not settings.book_payments:
        return Receipt(note="payments are booked where `book_payments` is set")
    if payment.state is not PaymentState.CAPTURED:
        return Receipt(note="no money has come yet")
    rpc = Rpc(settings, http)
    sale = await _sale(rpc, payment, delivery)
    method = await _method(rpc, payment, delivery)
    text = reference_for(id_of(payment, delivery), kind=Payment.KIND)
    left, notes = _came(payment) - await booked(rpc, text), list[str]()
    if left <= 0:
        return Receipt(note="booked before")
    for invoice in await owed(rpc, sale):
        part = min(left, invoice.amount_to_pay)
        if part > 0:
            await pay(rpc, invoice, part, text, method)
            notes.append(f"{part} {payment.amount.currency} booked on invoice {invoice.number}")
            left -= part
    if left:
        notes.append(f"{left} {payment.amount.currency} is more than is owed, and not booked")
    return Receipt(note=rpc.note(*notes))


async def find_payment(settings: TrytonSettings, payment: Payment, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether all of a payment is booked; None otherwise, and delivering again completes it."""
    text = reference_for(id_of(payment, delivery), kind=Payment.KIND)
    return Receipt(note="booked before") if await booked(Rpc(settings, http), text) >= _came(payment) else None
