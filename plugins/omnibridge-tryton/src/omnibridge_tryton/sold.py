"""The sale of an order that goods or money of go back from: what a sale that takes something back repeats of it."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from omnibridge.connector import Delivery, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Entity, Refund, Return
from omnibridge_tryton import inbound_returns
from omnibridge_tryton.rows import SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import Row

__all__ = ["Sold", "SoldLine", "receipt", "sold_by"]


class _Rate(Row):
    rate: Decimal | None = None


class _Code(Row):
    code: str | None = None


class SoldLine(Row):
    """`sale.line` of the order, with what a line that takes it back repeats."""

    FIELDS: ClassVar[tuple[str, ...]] = ("type", "description", "quantity", "unit", "unit_price", "amount")

    type: str
    description: str | None = None
    quantity: Decimal | None = None
    unit: int | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    product: _Code | None = Field(default=None, alias="product.")
    taxes: tuple[_Rate, ...] = Field(default=(), alias="taxes.")


class Sold(Row):
    """`sale.sale` of the order: for whom and where."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        *("party", "invoice_address", "shipment_address", "currency", "currency.code", "warehouse", "number"),
        *(f"lines.{name}" for name in (*SoldLine.FIELDS, "product.code", "taxes.rate")),
    )

    party: int
    invoice_address: int | None = None
    shipment_address: int | None = None
    currency: int
    money: _Code = Field(alias="currency.")
    warehouse: int | None = None
    number: str | None = None
    lines: tuple[SoldLine, ...] = Field(default=(), alias="lines.")

    def head(self, rpc: Rpc, reference: str) -> dict[str, object]:
        """The values of a sale that takes something of this one back."""
        return {
            "company": rpc.settings.company,
            "party": self.party,
            "origin": f"sale.sale,{self.id}",
            "reference": reference,
            "currency": self.currency,
            "invoice_address": self.invoice_address,
            "shipment_address": self.shipment_address,
            "warehouse": self.warehouse,
        }


async def sold_by(rpc: Rpc, entity: Return | Refund, delivery: Delivery) -> Sold:
    own = delivery.external(entity.order)
    found = (
        await rpc.find("sale.sale", Sold, [["id", "=", int(own)]], Sold.FIELDS, limit=1)
        if own is not None and own.isdigit()
        else []
    )
    if not found:
        raise Permanent(
            f"the {entity.KIND}'s order has no sale in Tryton",
            code="order",
            remedy="route orders to this channel as well, then replay",
        )
    return found[0]


def receipt(settings: TrytonSettings, kind: type[Entity], sale: SaleRow, note: str | None) -> Receipt:
    seen = (one for one in inbound_returns.sale(settings, sale) if isinstance(one, Snapshot) and one.kind == kind.KIND)
    return Receipt((Reference(kind.KIND, str(sale.id)),), tuple(seen), note)
