"""What Tryton's records mean: parties and sales as snapshots of the canonical model.

Tryton sends nothing by itself, so all of this comes from polls and reads. A record is read whole: each field of a
snapshot is known, an empty one is known to be empty. A snapshot's version is the newest change among a record and
those that belong to it (a party's addresses, a sale's lines).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from pydantic import JsonValue, ValidationError

from omnibridge.connector import Observation, Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.model import (
    Address,
    ContactPoint,
    Customer,
    FulfilmentStatus,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    PaymentStatus,
    Product,
    Ref,
    email_or_none,
    phone_or_none,
)
from omnibridge_tryton.rows import (
    AddressRow,
    Buyer,
    Identifier,
    LineRow,
    Mechanism,
    PartyRow,
    SaleRow,
    newest,
)
from omnibridge_tryton.settings import TrytonSettings

__all__ = [
    "GUEST",
    "OURS",
    "address",
    "customer",
    "made_for",
    "malformed",
    "order",
    "ours_of",
    "plain",
    "reference_of",
    "region_of",
    "split_name",
    "unit_word",
]

OURS = "omnibridge:"
"""How our ids begin where Tryton keeps them: in a party's identifier, in a sale's reference."""

GUEST = f"{OURS}order:"
"""The identifier of a party made for one order of nobody known begins so, and ends with the order's id."""

_PHONES = ("phone", "mobile")

_STATUS = {
    "draft": OrderStatus.DRAFT,
    "quotation": OrderStatus.DRAFT,
    "confirmed": OrderStatus.OPEN,
    "processing": OrderStatus.OPEN,
    "done": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELLED,
}
_PAYMENT = {
    "pending": PaymentStatus.UNPAID,
    "awaiting payment": PaymentStatus.UNPAID,
    "partially paid": PaymentStatus.PARTIALLY_PAID,
    "paid": PaymentStatus.PAID,
}
_FULFILMENT = {
    "waiting": FulfilmentStatus.UNFULFILLED,
    "partially shipped": FulfilmentStatus.PARTIAL,
    "sent": FulfilmentStatus.FULFILLED,
}


# ── Parties ──────────────────────────────────────────────────────────────────────────────────────────────────────


def split_name(name: str | None) -> tuple[str | None, str | None]:
    """A party's one name as given names and family name, parted at the last space: `Ann Marie`, `Lund`."""
    words = (name or "").split()
    if not words:
        return None, None
    if len(words) == 1:
        return words[0], None
    return " ".join(words[:-1]), words[-1]


def ours_of(identifiers: Sequence[Identifier]) -> str | None:
    """The canonical customer id among a party's identifiers, or None."""
    for identifier in identifiers:
        code = identifier.code or ""
        if code.startswith(OURS) and not code.startswith(GUEST):
            return code.removeprefix(OURS) or None
    return None


def region_of(code: str | None, country: str | None) -> str | None:
    """A region's code without its country's: ISO 3166-2 writes `US-CA`, the model `CA`."""
    return code.removeprefix(f"{country}-") if code else None


def address(row: AddressRow) -> Address:
    """An address. With an attention line, that is whose name it is, and `party_name` is the company's."""
    lines = [line.strip() for line in (row.street or "").splitlines() if line.strip()]
    named = row.attn or row.party_name
    country = row.country.code if row.country else None
    region = region_of(row.subdivision.code, country) if row.subdivision else None
    return Address(
        name=named or None,
        company=row.party_name if row.attn else None,
        street=lines[0] if lines else None,
        street2=", ".join(lines[1:]) or None,
        city=row.city or None,
        region=region or None,
        postal_code=row.postal_code or None,
        country=country or None,
    )


def _name(settings: TrytonSettings, row: PartyRow | Buyer) -> dict[str, str | None]:
    if row.tax_identifier is not None:
        return {"company": row.name or None}
    if not settings.split_names:
        return {}
    given, family = split_name(row.name)
    return {"given_name": given, "family_name": family}


def _point(settings: TrytonSettings, row: Mechanism) -> ContactPoint:
    value = row.value
    if row.type == "email":
        value = email_or_none(row.value)
    elif row.type in _PHONES:
        value = phone_or_none(row.value, settings.phone_region)
    return ContactPoint(medium=row.type, value=value, raw=row.value if value is None else None)


def customer(settings: TrytonSettings, row: PartyRow) -> Snapshot:
    """A party. Its first valid email address and phone number are the primary ones, all else is a contact point."""
    email: str | None = None
    phone: str | None = None
    points: list[ContactPoint] = []
    for mechanism in row.mechanisms:
        if not mechanism.active:
            continue
        point = _point(settings, mechanism)
        if mechanism.type == "email" and email is None and point.value:
            email = point.value
        elif mechanism.type in _PHONES and phone is None and point.value:
            phone = point.value
        else:
            points.append(point)
    others: list[JsonValue] = [
        {"type": found.type, "code": found.code} for found in row.identifiers if not (found.code or "").startswith(OURS)
    ]
    vendor: dict[str, JsonValue] = {"name": row.name, "code": row.code, "active": row.active, "identifiers": others}
    entity = Customer(
        email=email,
        phone=phone,
        locale=row.lang.code if row.lang else None,
        addresses=tuple(address(found) for found in row.addresses if found.active),
        contact_points=tuple(points),
        merged_into=Ref(kind=Customer.KIND, external_id=str(row.replaced_by)) if row.replaced_by else None,
        created_at=row.create_date,
        updated_at=row.last_modified_at,
        vendor=vendor,
    ).model_copy(update=_name(settings, row))
    version = newest(row, *row.mechanisms, *row.addresses, *row.identifiers)
    return Snapshot(entity, str(row.id), version, ours=ours_of(row.identifiers))


# ── Sales ────────────────────────────────────────────────────────────────────────────────────────────────────────

_REFERENCE = re.compile(rf"{OURS}(?:(return|refund):)?(\S+)(?: .*)?", re.DOTALL)


def made_for(reference: str | None) -> tuple[str, str] | None:
    """What a sale was made for here, by its reference: the kind (order, return, refund) and its canonical id."""
    found = _REFERENCE.fullmatch(reference or "")
    return (found[1] or Order.KIND, found[2]) if found else None


def reference_of(reference: str | None, kind: str = Order.KIND) -> str | None:
    """The canonical id of the `kind` that a sale was made for (`omnibridge:<id>`, then perhaps a number), or None."""
    found = made_for(reference)
    return found[1] if found is not None and found[0] == kind else None


def unit_word(symbol: str | None) -> str:
    """A unit's symbol as the model has it: `each` for plain pieces."""
    return "each" if symbol in (None, "", "u") else symbol


def plain(quantity: Decimal | None) -> Decimal | None:
    """A quantity, which Tryton keeps as a float, without the `.0` of a whole one."""
    if quantity is None or not quantity.is_finite() or quantity.adjusted() > 20:
        return quantity
    return quantity.quantize(Decimal(1)) if quantity == quantity.to_integral_value() else quantity


def _line(row: LineRow, currency: str) -> OrderLine:
    sold = row.product
    title = (row.description or "").strip() or (sold.name if sold else None)
    template = sold.template if sold else None
    return OrderLine(
        external_id=str(row.id),
        title=title,
        sku=(sold.code or None) if sold else None,
        quantity=plain(row.quantity) or Decimal(0),
        unit=unit_word(row.unit.symbol if row.unit else None),
        unit_price=Money(amount=row.unit_price if row.unit_price is not None else Decimal(0), currency=currency),
        note=row.note or None,
        variant=Ref(kind="variant", external_id=str(sold.id)) if sold else None,
        product=Ref(kind=Product.KIND, external_id=str(template)) if template else None,
    )


def _addressed(row: AddressRow | None, party: Buyer | None) -> Address | None:
    """An address of a sale. One that names nobody is the party's own: a letter to it begins with the party's name."""
    if row is None or party is None or row.party_name:
        return address(row) if row is not None else None
    return address(row).model_copy(update={"company" if row.attn else "name": party.name})


def order(settings: TrytonSettings, row: SaleRow) -> list[Observation]:
    """A sale, and what it tells of its party.

    Whether it is paid and shipped is told as soon as Tryton has an invoice or a shipment for it, and unknown before.
    """
    currency = row.currency.code or settings.currency
    vendor: dict[str, JsonValue] = {
        "reference": row.reference,
        "description": row.description,
        "sale_date": row.sale_date.isoformat() if row.sale_date else None,
        "invoice_state": row.invoice_state,
        "shipment_state": row.shipment_state,
    }
    told: dict[str, object] = {}
    if made_for(row.reference) is None:  # one that was made for an order is younger than that
        told["placed_at"] = row.create_date
    if row.invoice_state not in (None, "none"):
        told["payment_status"] = _PAYMENT.get(row.invoice_state or "", PaymentStatus.OTHER)
        told["payment_status_raw"] = row.invoice_state
    if row.shipment_state not in (None, "none"):
        told["fulfilment_status"] = _FULFILMENT.get(row.shipment_state or "", FulfilmentStatus.OTHER)
        told["fulfilment_status_raw"] = row.shipment_state
    if row.party is not None:
        told["buyer"] = Ref(kind=Customer.KIND, external_id=str(row.party.id))
    if row.warehouse is not None and row.warehouse.code:
        told["location"] = Ref(kind="location", external_id=row.warehouse.code)

    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None else Money(amount=amount, currency=currency)

    try:
        entity = Order(
            number=row.number or None,
            status=_STATUS.get(row.state, OrderStatus.OTHER),
            status_raw=row.state,
            currency=currency,
            taxes_included=False,
            billing_address=_addressed(row.invoice_address, row.party),
            shipping_address=_addressed(row.shipment_address, row.party),
            lines=tuple(_line(line, currency) for line in row.lines if line.type == "line"),
            totals=OrderTotals(
                total=Money(amount=row.total_amount, currency=currency),
                subtotal=money(row.untaxed_amount),
                tax=money(row.tax_amount),
            ),
            note=row.comment or None,
            updated_at=row.last_modified_at,
            vendor=vendor,
        ).model_copy(update=told)
    except ValidationError as error:
        raise malformed("sale", row.id, error) from None
    seen: list[Observation] = []
    if row.party is not None:
        partial = Customer.model_validate(_name(settings, row.party))
        seen.append(Snapshot(partial, str(row.party.id), newest(row.party), ours=ours_of(row.party.identifiers)))
    version = newest(row, *row.lines)
    seen.append(Snapshot(entity, str(row.id), version, ours=reference_of(row.reference)))
    return seen


def malformed(what: str, id_: int, error: ValidationError) -> InvalidMessage:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return InvalidMessage(f"a {what} that makes no sense: {first['msg']}", where=f"{what}.{id_}.{place}")
