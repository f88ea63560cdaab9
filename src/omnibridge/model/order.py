"""An order: what was bought, from whom, for how much, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar

from pydantic import Field

from omnibridge.model.base import Entity, Instant, Model, OpenEnum, Ref
from omnibridge.model.contact import Address
from omnibridge.model.money import Amount, Currency, Money, Quantity, minor_digits

__all__ = [
    "Discount",
    "Discrepancy",
    "FulfilmentStatus",
    "Order",
    "OrderLine",
    "OrderStatus",
    "OrderTotals",
    "PaymentStatus",
    "ShippingLine",
    "TaxLine",
]


class OrderStatus(OpenEnum):
    """Where the order stands as a whole."""

    DRAFT = "draft"
    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    OTHER = "other"


class PaymentStatus(OpenEnum):
    """How much of the money has come, or gone back."""

    UNPAID = "unpaid"
    AUTHORIZED = "authorized"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    OTHER = "other"


class FulfilmentStatus(OpenEnum):
    """How much of the goods has left."""

    UNFULFILLED = "unfulfilled"
    PARTIAL = "partial"
    FULFILLED = "fulfilled"
    OTHER = "other"


class TaxLine(Model):
    """One tax. `rate` is a fraction (`0.25` for 25 %)."""

    title: str | None = None
    rate: Amount | None = None
    amount: Money


class Discount(Model):
    """Money taken off, on the line that it stands on. `code` is what the customer typed, if anything."""

    amount: Money
    code: str | None = None
    title: str | None = None


class OrderLine(Model):
    """One line. `unit_price` is before discounts, with tax inside exactly when the order says `taxes_included`.

    `quantity` is what was ordered at first; `cancelled`, `fulfilled` and `returned` are counted from it, in `unit`.
    """

    external_id: str | None = None
    title: str | None = None
    sku: str | None = None
    product: Ref | None = None
    variant: Ref | None = None
    quantity: Quantity
    unit: str = "each"
    cancelled: Quantity = Decimal(0)
    fulfilled: Quantity = Decimal(0)
    returned: Quantity = Decimal(0)
    unit_price: Money
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    gift_card: bool = False
    note: str | None = None
    properties: dict[str, str] = Field(default_factory=dict)

    @property
    def gross(self) -> Money:
        """Unit price times quantity, before discounts."""
        return self.unit_price * self.quantity

    @property
    def discounted(self) -> Money:
        """What the line comes to after its discounts."""
        return self.gross - Money.total((d.amount for d in self.discounts), self.unit_price.currency)


class ShippingLine(Model):
    """Carriage. `price` is before discounts."""

    title: str | None = None
    code: str | None = None
    price: Money
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()


class OrderTotals(Model):
    """The vendor's own sums in the order's currency; `total` is what the customer was charged, and it wins.

    `subtotal` is lines after discounts, `discount` all discounts together, `rounding` what a till rounds to the
    nearest coin.
    """

    total: Money
    subtotal: Money | None = None
    discount: Money | None = None
    shipping: Money | None = None
    tax: Money | None = None
    tip: Money | None = None
    duties: Money | None = None
    fees: Money | None = None
    rounding: Money | None = None
    refunded: Money | None = None
    outstanding: Money | None = None
    presentment: Money | None = None


class Discrepancy(Model):
    """A sum that does not come out: `rule` names it, `expected` is what the parts give, `actual` what was said."""

    rule: str
    expected: Money
    actual: Money


class Order(Entity):
    """One order as one system knows it. Payments, fulfilments, returns and refunds are entities that refer to it."""

    KIND: ClassVar[str] = "order"

    number: str | None = None
    status: OrderStatus = OrderStatus.OPEN
    status_raw: str | None = None
    payment_status: PaymentStatus = PaymentStatus.UNPAID
    payment_status_raw: str | None = None
    fulfilment_status: FulfilmentStatus = FulfilmentStatus.UNFULFILLED
    fulfilment_status_raw: str | None = None
    currency: Currency
    taxes_included: bool = False
    buyer: Ref | None = None
    buyer_email: str | None = None
    buyer_phone: str | None = None
    location: Ref | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...] = ()
    shipping: tuple[ShippingLine, ...] = ()
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    totals: OrderTotals
    note: str | None = None
    tags: tuple[str, ...] = ()
    sales_channel: str | None = None
    test: bool = False
    placed_at: Instant | None = None
    updated_at: Instant | None = None
    cancelled_at: Instant | None = None
    closed_at: Instant | None = None
    cancel_reason: str | None = None
    discrepancies: tuple[Discrepancy, ...] = ()

    def check(self) -> tuple[Discrepancy, ...]:
        """The sums that do not come out, by at most a minor unit per line and tax of rounding.

        What we make ourselves has none; a vendor's order with one is kept, and its charged total stands.
        """
        return tuple(_discrepancies(self))


def _discrepancies(order: Order) -> Iterator[Discrepancy]:
    # On plain decimals, each taken from its model once: this runs for every order that comes in.
    currency, totals = order.currency, order.totals
    goods, taken, line_taxes, mixed = _NOTHING, _NOTHING, list[Money](), totals.total.currency != currency
    for line in order.lines:
        price = line.unit_price
        mixed = mixed or price.currency != currency
        goods += price.amount * line.quantity
        for discount in line.discounts:
            mixed = mixed or discount.amount.currency != currency
            taken += discount.amount.amount
        line_taxes += [tax.amount for tax in line.taxes]
    if mixed:
        return  # sums across currencies mean nothing; the vendor gave presentment beside shop money
    parts = len(order.lines) + len(order.shipping) + len(order.taxes)
    slack = _unit(currency) * (parts or 1)

    def off(rule: str, expected: Decimal, actual: Money) -> Iterator[Discrepancy]:
        if actual.currency == currency and abs(expected - actual.amount) > slack:
            yield Discrepancy(rule=rule, expected=Money(amount=expected, currency=currency), actual=actual)

    if order.lines and totals.subtotal is not None:
        taken += _total((discount.amount for discount in order.discounts), currency)
        yield from off("lines after discounts = subtotal", goods - taken, totals.subtotal)
    if totals.tax is not None:
        taxes = [tax.amount for tax in order.taxes]
        taxes = taxes or line_taxes + [tax.amount for part in order.shipping for tax in part.taxes]
        if taxes and all(tax.currency == currency for tax in taxes):
            yield from off("tax lines = tax", _total(taxes, currency), totals.tax)
    if totals.subtotal is not None:
        added = [totals.subtotal, totals.shipping, totals.tip, totals.duties, totals.fees, totals.rounding]
        if not order.taxes_included:
            added.append(totals.tax)
        yield from off("parts = total", _total((m for m in added if m is not None), currency), totals.total)


_NOTHING = Decimal(0)


@lru_cache(maxsize=64)
def _unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-minor_digits(currency))


def _total(amounts: Iterable[Money], currency: str) -> Decimal:
    return sum((money.amount for money in amounts if money.currency == currency), _NOTHING)
