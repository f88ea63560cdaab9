"""Orders to Tryton: one sale each, found again by its reference before another is made.

The reference is `omnibridge:<canonical id>`, then the number that people know. A sale is made as a draft with all its
lines in one request; when Tryton computes another total than the customer was charged, a line for the difference
follows; then the sale is quoted, confirmed and processed as the settings say, and where the money has come its invoice
is posted and paid. A sale that exists is never rewritten: from the quotation on, Tryton owns it.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Address, Customer, Order, OrderTotals, PaymentStatus, email_or_none, phone_or_none
from omnibridge_tryton import inbound
from omnibridge_tryton.invoices import pay_all
from omnibridge_tryton.lines import codes, itemise, sale_lines
from omnibridge_tryton.parties import (
    add_addresses,
    create_party,
    find_party,
    key_of,
    normal_address,
    party_snapshot,
    places_of,
    seen_address,
)
from omnibridge_tryton.reads import warehouse
from omnibridge_tryton.rows import Code, PartyRow, SaleRow
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.sales import (
    advance,
    again,
    find_sale,
    id_of,
    pending,
    press,
    products_by_code,
    reference_for,
    settle,
)
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.taxes import tax_ids

__all__ = ["cancel_order", "find_order", "normal", "place_order"]

_PAID = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)
_UNPAID = ("pending", "awaiting payment", "partially paid")
_KEPT = ("currency", "totals", "note", "buyer")


def normal(settings: TrytonSettings, order: Order) -> Order:
    """What Tryton keeps of an order as it was sent: money, buyer, addresses and note. Lines are its own."""
    told = order.model_fields_set
    kept: dict[str, object] = {name: getattr(order, name) for name in _KEPT if name in told}
    if "totals" in kept:
        kept["totals"] = OrderTotals(total=order.totals.total)
    for name, address in (("billing_address", order.billing_address), ("shipping_address", order.shipping_address)):
        if name in told:
            kept[name] = _normal_address(address) if address else None
    return Order.model_construct(set(kept), **kept)


def _normal_address(address: Address) -> Address:
    """The address as it comes back; one that names nobody comes back in the name of whoever the sale's party is."""
    kept = normal_address(address)
    names = {name for name in kept.model_fields_set if name not in ("name", "company") or getattr(kept, name)}
    return Address.model_construct(names, **{name: getattr(kept, name) for name in names})


# ── The sale ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _missing(sale: SaleRow, order: Order) -> bool:
    return sale.state == "draft" and sale.total_amount != order.totals.total.amount


def _to_be_paid(settings: TrytonSettings, sale: SaleRow, order: Order) -> bool:
    """Whether the money has come, and the books, which are kept from here, do not say so yet."""
    as_a_whole = settings.payment_method is not None and not settings.book_payments
    paid = order.payment_status in _PAID and as_a_whole
    return paid and sale.state in ("processing", "done") and sale.invoice_state in _UNPAID


@dataclass(frozen=True, slots=True)
class _Buyer:
    """The party of a new sale: its reference, unless nobody is known, and what was written to it on the way."""

    reference: Reference | None = None
    snapshot: Snapshot | None = None


def _receipt(settings: TrytonSettings, sale: SaleRow, note: str | None, buyer: _Buyer | None = None) -> Receipt:
    references = [Reference(Order.KIND, str(sale.id))]
    if buyer is not None and buyer.reference is not None:
        references.append(buyer.reference)
    # The whole sale is what became of the order, so all of it is what the channel is known to have now.
    seen = inbound.order(settings, sale)
    snapshots = tuple(found for found in seen if isinstance(found, Snapshot) and found.kind == Order.KIND)
    if buyer is not None and buyer.snapshot is not None:
        snapshots += (buyer.snapshot,)
    return Receipt(tuple(references), snapshots, note)


# ── Whom and where ───────────────────────────────────────────────────────────────────────────────────────────────


def _buyer(order: Order, delivery: Delivery) -> Customer:
    """What is known of the buyer: the customer as last known, else what the order tells."""
    known = delivery.entity(order.buyer)
    if isinstance(known, Customer):
        return known
    place = order.billing_address or order.shipping_address
    return Customer(
        email=email_or_none(order.buyer_email),
        phone=phone_or_none(order.buyer_phone),
        family_name=place.name if place else None,
        company=place.company if place else None,
    )


async def _party(rpc: Rpc, order: Order, delivery: Delivery) -> tuple[PartyRow, Reference | None, bool]:
    """The party of the order's buyer, its reference unless nobody is known, and whether it was made just now."""
    buyer = _buyer(order, delivery)
    buyer_id = order.buyer.id if order.buyer else None
    key = key_of(buyer_id) if buyer_id else f"{inbound.GUEST}{id_of(order, delivery)}"
    row = await find_party(rpc, own=delivery.external(order.buyer), key=key, email=buyer.email)
    made = row is None
    if row is None:
        places = await places_of(rpc, buyer.addresses)
        id_ = await create_party(rpc, buyer, key, places, "party")
        row = await find_party(rpc, own=str(id_), key=key, email=None)
    if row is None:
        raise Permanent("the party was deleted in Tryton while its sale was being made", code="gone")
    if buyer_id is None:
        return row, None, made
    reference = Reference(Customer.KIND, str(row.id), buyer_id)
    await rpc.http.keep(reference)
    return row, reference, made


async def _addresses(rpc: Rpc, order: Order, row: PartyRow) -> tuple[PartyRow, int | None, int | None]:
    """The party with the order's addresses, and the ids of those for invoice and shipment.

    A quotation needs an address for the invoice: the shipment's, else the party's first, else an empty one.
    """
    bill = order.billing_address or order.shipping_address
    ship = order.shipping_address
    wanted = [address for address in (bill, ship) if address is not None]
    active = [found for found in row.addresses if found.active]
    if not wanted and not active:
        wanted = [Address()]
    places = await places_of(rpc, wanted)
    row = await add_addresses(rpc, row, wanted, places, "addresses")
    ids = {inbound.address(found): found.id for found in reversed(row.addresses) if found.active}
    first = next((found.id for found in row.addresses if found.active), None)
    invoice = ids.get(seen_address(bill, places, row.name), first) if bill else first
    return row, invoice, ids.get(seen_address(ship, places, row.name)) if ship else None


async def _currency(rpc: Rpc, code: str) -> int:
    found = await rpc.find("currency.currency", Code, [["code", "=", code], ["active", "=", True]], ["code"], limit=1)
    if not found:
        raise Permanent(f"Tryton has no currency {code}", code="currency", remedy="make or activate it there")
    return found[0].id


async def _as_matched(rpc: Rpc, order: Order, delivery: Delivery) -> Order:
    """The order with the codes of the products that its variants were matched with, whatever their SKUs elsewhere."""
    found = [delivery.external(line.variant) for line in order.lines]
    ids = sorted({int(id_) for id_ in found if id_ is not None and id_.isdigit()})
    if not ids:
        return order
    rows = await rpc.find("product.product", Code, [["id", "in", ids]], ["code"])
    known = {str(row.id): row.code for row in rows if row.code}
    lines = [
        line.model_copy(update={"sku": known.get(id_ or "", line.sku)})
        for line, id_ in zip(order.lines, found, strict=True)
    ]
    return order.model_copy(update={"lines": tuple(lines)})


# ── Delivering ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _create(rpc: Rpc, order: Order, delivery: Delivery) -> tuple[SaleRow, _Buyer]:
    settings = rpc.settings
    order = await _as_matched(rpc, order, delivery)
    if order.totals.total.currency != order.currency:
        remedy = "a sale in Tryton has one currency; send orders in one"
        raise Permanent("the total is not in the order's currency", code="currency", remedy=remedy)
    items = itemise(settings, order, delivery)
    products = await products_by_code(rpc, codes(settings, items))
    taxes = await tax_ids(rpc, (rate for item in items for rate in item.rates), delivery)
    lines = sale_lines(settings, items, products, taxes, delivery)
    currency = await _currency(rpc, order.currency)
    place = await warehouse(rpc)
    before, reference, made = await _party(rpc, order, delivery)
    row, invoice, shipment = await _addresses(rpc, order, before)
    written = None if made else {"addresses"} if row is not before else set[str]()
    # What an order brings to a party (where this parcel goes) is no news about the customer.
    buyer = _Buyer(reference, party_snapshot(settings, row, written) if written is None or written else None)
    values: dict[str, object] = {
        "company": settings.company,
        "party": row.id,
        "reference": reference_for(id_of(order, delivery), order.number),
        "currency": currency,
        "invoice_address": invoice,
        "shipment_address": shipment or invoice,
        "comment": order.note,
        "lines": [["create", lines]],
    }
    if order.placed_at is not None:
        values["sale_date"] = order.placed_at.date()
    if place is not None:
        values["warehouse"] = place
    id_ = await rpc.create("create", "sale.sale", values)
    await rpc.http.keep(Reference(Order.KIND, str(id_)))
    return await again(rpc, id_), buyer


async def place_order(settings: TrytonSettings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Make the sale of an order, as far as the settings say, and book that it is paid; nothing is made twice."""
    rpc = Rpc(settings, http)
    sale = await find_sale(rpc, order, delivery)
    buyer: _Buyer | None = None
    notes: list[str] = []
    if sale is None:
        sale, buyer = await _create(rpc, order, delivery)
    if inbound.reference_of(sale.reference) != id_of(order, delivery):
        notes.append("the sale was made in Tryton, which owns it")
    else:
        if _missing(sale, order):
            notes.append(f"{order.totals.total.amount - sale.total_amount} {order.currency} booked as rounding")
            sale = await settle(rpc, sale, order.totals.total.amount)
        sale = await advance(rpc, sale)
    if _to_be_paid(settings, sale, order):
        notes += await pay_all(rpc, sale, reference_for(id_of(order, delivery)))
        sale = await again(rpc, sale.id)
    return _receipt(settings, sale, rpc.note(*notes), buyer)


async def find_order(settings: TrytonSettings, order: Order, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the sale is there and as far as it has to be; None otherwise, and delivering again completes it."""
    sale = await find_sale(Rpc(settings, http), order, delivery)
    if sale is None or _missing(sale, order) or pending(settings, sale) or _to_be_paid(settings, sale, order):
        return None
    return _receipt(settings, sale, "found by its reference")


async def cancel_order(settings: TrytonSettings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Cancel the sale of an order, if there is one. Raises Permanent once Tryton processes it."""
    rpc = Rpc(settings, http)
    sale = await find_sale(rpc, order, delivery)
    if sale is None:
        return Receipt(note="there is no sale to cancel")
    if sale.state in ("processing", "done"):
        raise Permanent(
            f"the sale {sale.number or sale.id} is being processed already",
            code="state",
            remedy="cancel its shipments and invoices in Tryton, or book a return",
        )
    if sale.state != "cancelled":
        sale = await press(rpc, sale, "cancel")
    return _receipt(settings, sale, rpc.note())
