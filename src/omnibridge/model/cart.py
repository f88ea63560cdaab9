"""A cart: what somebody has picked out in a shop and not bought, or not yet."""

from __future__ import annotations

from typing import ClassVar

from omnibridge.model.base import Entity, Instant, OpenEnum, Ref
from omnibridge.model.contact import Address
from omnibridge.model.money import Currency
from omnibridge.model.order import OrderLine, OrderTotals, ShippingLine, TaxLine

__all__ = ["Cart", "CartState"]


class CartState(OpenEnum):
    """Whether it still waits, or has become an order."""

    OPEN = "open"
    COMPLETED = "completed"
    OTHER = "other"


class Cart(Entity):
    """Goods that somebody has picked out and may still buy; `recovery_url` opens the cart again for whoever has it.

    No system tells the moment at which a cart is abandoned, as nothing happens then: whoever reminds people chooses how
    long a cart may stay open. `totals.total` is what an order of it would come to.
    """

    KIND: ClassVar[str] = "cart"

    number: str | None = None
    state: CartState = CartState.OPEN
    currency: Currency
    taxes_included: bool = False
    buyer: Ref | None = None
    buyer_email: str | None = None
    buyer_phone: str | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...] = ()
    shipping: tuple[ShippingLine, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    totals: OrderTotals
    codes: tuple[str, ...] = ()
    recovery_url: str | None = None
    note: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    completed_at: Instant | None = None
