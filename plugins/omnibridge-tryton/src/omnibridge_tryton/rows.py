"""The records that this connector reads, and the fields it asks for.

Facts: Tryton 8.2, from `fields_get` of a running server. A field of a related record is asked for with a dot
(`lang.code`) and comes in an object named with a dot at its end (`"lang.": {"code": ...}`), for one-to-many fields in a
list of objects. `last_modified_at` is `write_date`, or `create_date` where nothing was ever written: it can be searched
and sorted by. `_timestamp` is the text that the optimistic lock compares.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from omnibridge_tryton.wire import Row

__all__ = [
    "AddressRow",
    "Code",
    "Identifier",
    "LineRow",
    "Mechanism",
    "Owner",
    "PartyRow",
    "ProductRow",
    "SaleRow",
    "SellableRow",
    "StockRow",
    "TemplateRow",
    "newest",
]


class Code(Row):
    """A related record of which only the code is wanted: a country, a currency, a warehouse, a language."""

    code: str | None = None


class Changing(Row):
    """A record with the instant of its last change."""

    last_modified_at: datetime | None = None


class Owner(Changing):
    """A record whose change is a change of the record that it belongs to."""

    party: int | None = None
    sale: int | None = None
    template: int | None = None
    product: int | None = None


class Mechanism(Changing):
    """`party.contact_mechanism`: an address to reach a party by. `type`: `email`, `phone`, `mobile`, ..."""

    FIELDS: ClassVar[tuple[str, ...]] = ("type", "value", "active", "last_modified_at", "_timestamp")

    type: str
    value: str | None = None
    active: bool = True
    stamp: str | None = Field(default=None, alias="_timestamp")


class AddressRow(Changing):
    """`party.address`. `party_name` stands in for the party's own name, `attn` is whose attention is asked for."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "party_name",
        "attn",
        "street",
        "city",
        "postal_code",
        "country.code",
        "subdivision.code",
        "active",
        "last_modified_at",
    )

    party_name: str | None = None
    attn: str | None = None
    street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: Code | None = Field(default=None, alias="country.")
    subdivision: Code | None = Field(default=None, alias="subdivision.")
    active: bool = True


class Identifier(Changing):
    """`party.identifier` or `product.identifier`: a code of a kind (`eu_vat`, `ean`), or of none."""

    FIELDS: ClassVar[tuple[str, ...]] = ("type", "code", "last_modified_at")

    type: str | None = None
    code: str | None = None


def _below(name: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}.{field}" for field in fields)


class PartyRow(Changing):
    """`party.party`. A merged party is inactive and names its survivor in `replaced_by`."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "code",
        "active",
        "lang.code",
        "replaced_by",
        "tax_identifier",
        "create_date",
        "last_modified_at",
        "_timestamp",
        *_below("contact_mechanisms", Mechanism.FIELDS),
        *_below("addresses", AddressRow.FIELDS),
        *_below("identifiers", Identifier.FIELDS),
    )

    name: str | None = None
    code: str | None = None
    active: bool = True
    lang: Code | None = Field(default=None, alias="lang.")
    replaced_by: int | None = None
    tax_identifier: int | None = None
    create_date: datetime | None = None
    stamp: str | None = Field(default=None, alias="_timestamp")
    mechanisms: tuple[Mechanism, ...] = Field(default=(), alias="contact_mechanisms.")
    addresses: tuple[AddressRow, ...] = Field(default=(), alias="addresses.")
    identifiers: tuple[Identifier, ...] = Field(default=(), alias="identifiers.")


class Sold(Row):
    """The product of a sale line."""

    FIELDS: ClassVar[tuple[str, ...]] = ("code", "name", "template", "type")

    code: str | None = None
    name: str | None = None
    template: int | None = None
    type: str | None = None


class Unit(Row):
    """`product.uom`. The symbol of plain pieces is `u`."""

    FIELDS: ClassVar[tuple[str, ...]] = ("symbol", "digits")

    symbol: str | None = None
    digits: int | None = None


class LineRow(Changing):
    """`sale.line`. Lines of another type than `line` only lay out the document."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "type",
        "description",
        "quantity",
        "unit_price",
        "note",
        "last_modified_at",
        "unit.symbol",
        *_below("product", Sold.FIELDS),
    )

    type: str
    description: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    note: str | None = None
    unit: Unit | None = Field(default=None, alias="unit.")
    product: Sold | None = Field(default=None, alias="product.")


class Buyer(Changing):
    """The party of a sale, in so far as the sale tells of it."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "tax_identifier",
        "last_modified_at",
        *_below("identifiers", Identifier.FIELDS),
    )

    name: str | None = None
    tax_identifier: int | None = None
    identifiers: tuple[Identifier, ...] = Field(default=(), alias="identifiers.")


class Shipment(Row):
    """A shipment of a sale, of which only the state is wanted."""

    state: str | None = None


class SaleRow(Changing):
    """`sale.sale`. The amounts are computed by the server, in the sale's currency.

    `origin` names what it was made from by model and id; a return names the sale that it takes back.
    """

    FIELDS: ClassVar[tuple[str, ...]] = (
        "number",
        "reference",
        "description",
        "state",
        "invoice_state",
        "shipment_state",
        "currency.code",
        "warehouse.code",
        "sale_date",
        "comment",
        "origin",
        "untaxed_amount",
        "tax_amount",
        "total_amount",
        "create_date",
        "last_modified_at",
        "_timestamp",
        *_below("party", Buyer.FIELDS),
        *_below("invoice_address", AddressRow.FIELDS),
        *_below("shipment_address", AddressRow.FIELDS),
        *_below("lines", LineRow.FIELDS),
        "shipment_returns.state",
    )

    number: str | None = None
    reference: str | None = None
    description: str | None = None
    state: str
    invoice_state: str | None = None
    shipment_state: str | None = None
    currency: Code = Field(alias="currency.")
    warehouse: Code | None = Field(default=None, alias="warehouse.")
    sale_date: date | None = None
    comment: str | None = None
    origin: str | None = None
    untaxed_amount: Decimal | None = None
    tax_amount: Decimal | None = None
    total_amount: Decimal
    create_date: datetime | None = None
    stamp: str | None = Field(default=None, alias="_timestamp")
    party: Buyer | None = Field(default=None, alias="party.")
    invoice_address: AddressRow | None = Field(default=None, alias="invoice_address.")
    shipment_address: AddressRow | None = Field(default=None, alias="shipment_address.")
    lines: tuple[LineRow, ...] = Field(default=(), alias="lines.")
    returned: tuple[Shipment, ...] = Field(default=(), alias="shipment_returns.")

    @property
    def sold(self) -> str | None:
        """The id of the sale that this one was made from, if it was."""
        model, _, id_ = (self.origin or "").partition(",")
        return id_ if model == "sale.sale" and id_.isdigit() else None


class ProductRow(Changing):
    """`product.product`: a variant. `list_price_used` is its own price, or else its template's."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "code",
        "active",
        "description",
        "list_price_used",
        "cost_price",
        "last_modified_at",
        *_below("identifiers", Identifier.FIELDS),
    )

    code: str | None = None
    active: bool = True
    description: str | None = None
    list_price_used: Decimal | None = None
    cost_price: Decimal | None = None
    identifiers: tuple[Identifier, ...] = Field(default=(), alias="identifiers.")


class Named(Row):
    """A related record of which only the name is wanted."""

    name: str | None = None


class TemplateRow(Changing):
    """`product.template`: what its variants have in common. `type` is `goods`, `assets` or `service`."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "type",
        "active",
        "salable",
        "create_date",
        "last_modified_at",
        "categories.name",
        *_below("products", ProductRow.FIELDS),
    )

    name: str
    type: str | None = None
    active: bool = True
    salable: bool | None = None
    create_date: datetime | None = None
    categories: tuple[Named, ...] = Field(default=(), alias="categories.")
    products: tuple[ProductRow, ...] = Field(default=(), alias="products.")


class StockRow(Row):
    """`product.product` with its quantities at the locations of the context."""

    FIELDS: ClassVar[tuple[str, ...]] = ("code", "quantity", "forecast_quantity", "default_uom.symbol")

    code: str | None = None
    quantity: Decimal | None = None
    forecast_quantity: Decimal | None = None
    default_uom: Unit | None = Field(default=None, alias="default_uom.")


class SellableRow(Row):
    """`product.product` as a sale line needs it."""

    FIELDS: ClassVar[tuple[str, ...]] = ("code", "active", "sale_uom.digits")

    code: str | None = None
    active: bool = True
    sale_uom: Unit | None = Field(default=None, alias="sale_uom.")


def newest(*groups: Changing | None) -> datetime | None:
    """The latest change among some records, or None where none is told."""
    return max((row.last_modified_at for row in groups if row is not None and row.last_modified_at), default=None)
