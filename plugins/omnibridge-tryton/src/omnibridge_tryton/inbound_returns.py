"""What Tryton's records mean: a sale that takes back what another one sold, as a return and a refund.

Tryton's wizard "Return Sale" copies a sale with negative quantities and names the first as its `origin` (Tryton 8.2,
tested). Its customer return shipment tells whether the goods are there, its credit note whether the money went back.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import ValidationError

from omnibridge.connector import Observation, Snapshot
from omnibridge.model import Money, Order, Ref, Refund, RefundState, Return, ReturnLine, ReturnState
from omnibridge_tryton import inbound
from omnibridge_tryton.rows import LineRow, SaleRow, newest
from omnibridge_tryton.settings import TrytonSettings

__all__ = ["sale", "takes_back"]

_STATES = {
    "draft": ReturnState.REQUESTED,
    "quotation": ReturnState.REQUESTED,
    "confirmed": ReturnState.APPROVED,
    "processing": ReturnState.APPROVED,
    "done": ReturnState.CLOSED,
    "cancelled": ReturnState.CANCELLED,
}


def takes_back(row: SaleRow) -> bool:
    """Whether a sale takes back what another one sold: it comes from that one, and nothing in it is sold."""
    lines = [line for line in row.lines if line.type == "line"]
    return row.sold is not None and bool(lines) and all((line.quantity or 0) <= 0 for line in lines)


def sale(settings: TrytonSettings, row: SaleRow) -> list[Observation]:
    """A sale as what it is: an order and what it tells of its party, or a return and the refund that belongs to it.

    Raises InvalidMessage.
    """
    if not takes_back(row):
        return inbound.order(settings, row)
    try:
        return [found for found in (_goods(settings, row), _money(settings, row)) if found is not None]
    except ValidationError as error:
        raise inbound.malformed("return", row.id, error) from None


def _line(line: LineRow, currency: str) -> ReturnLine:
    quantity = abs(line.quantity or Decimal(0))
    price = Money(amount=line.unit_price or Decimal(0), currency=currency)
    return ReturnLine(
        sku=(line.product.code or None) if line.product else None,
        quantity=inbound.plain(quantity) or Decimal(0),
        amount=(price * quantity).rounded(),
        reason=line.note or None,
    )


def _goods(settings: TrytonSettings, row: SaleRow) -> Snapshot | None:
    """The goods on their way back. A sale of services alone brings none, unless it was made for a return."""
    ours = inbound.reference_of(row.reference, Return.KIND)
    lines = [line for line in row.lines if line.type == "line"]
    goods = lines if ours else [line for line in lines if line.product is not None and line.product.type == "goods"]
    if not goods:
        return None
    sent = row.shipment_state == "sent" and row.state != "done"
    entity = Return(
        order=Ref(kind=Order.KIND, external_id=row.sold),
        state=ReturnState.RECEIVED if sent else _STATES.get(row.state, ReturnState.OTHER),
        state_raw=row.state,
        location=Ref(kind="location", external_id=row.warehouse.code) if row.warehouse and row.warehouse.code else None,
        lines=tuple(_line(line, row.currency.code or settings.currency) for line in goods),
        note=row.comment or None,
        created_at=row.create_date,
        updated_at=row.last_modified_at,
        vendor={"number": row.number, "shipment_state": row.shipment_state},
    )
    return Snapshot(entity, str(row.id), newest(row, *row.lines), ours=ours)


def _money(settings: TrytonSettings, row: SaleRow) -> Snapshot | None:
    """The money that went back, told when the credit note is settled.

    Where refunds are booked from here, the credit note of a return made from here is settled for refunds that others
    told of, and is no further one.
    """
    made = inbound.made_for(row.reference)
    if row.invoice_state != "paid" or row.total_amount >= 0:
        return None
    if made is not None and made[0] == Return.KIND and settings.payment_method is not None:
        return None
    entity = Refund(
        order=Ref(kind=Order.KIND, external_id=row.sold),
        amount=Money(amount=-row.total_amount, currency=row.currency.code or settings.currency),
        state=RefundState.COMPLETED,
        state_raw=row.invoice_state,
        created_at=row.create_date,
        updated_at=row.last_modified_at,
        vendor={"number": row.number},
    )
    ours = inbound.reference_of(row.reference, Refund.KIND)
    return Snapshot(entity, str(row.id), newest(row, *row.lines), ours=ours)
