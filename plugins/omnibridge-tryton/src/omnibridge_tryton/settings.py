"""What a Tryton channel must be told: where the server is, who logs in, and what the books want to see."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from omnibridge.connector import Settings
from omnibridge.model import Currency, rate_word

__all__ = ["TrytonSettings"]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class TrytonSettings(Settings):
    """Settings of one Tryton channel: one company in one database."""

    base_url: str = Field(description="Root of the Tryton server, such as https://erp.example.com")
    database: str = Field(min_length=1, pattern=r"^[^/?#\s]+$", description="Name of the database")
    username: str = Field(min_length=1, description="Login of a user made for OmniBridge alone")
    password: SecretStr = Field(description="Password of that user")
    company: int = Field(default=1, ge=1, description="Id of the company whose parties, sales and stock are meant")
    currency: Currency = Field(
        default="EUR", description="The company's currency: what list prices and costs of products are in"
    )
    location: str | None = Field(
        default=None,
        description="Code of the warehouse whose stock is read and that sales ship from; without it no stock is read",
    )
    fallback_product: str | None = Field(
        default=None,
        description="Code of the product, best a service, that lines with an unknown SKU and all that has no product "
        "of its own are booked on; without it such an order is refused",
    )
    shipping_product: str | None = Field(
        default=None, description="Code of the product that carriage is booked on (default: the fallback product)"
    )
    adjustment_product: str | None = Field(
        default=None,
        description="Code of the product that discounts, unmapped tax, tips, fees and rounding are booked on "
        "(default: the fallback product)",
    )
    taxes: dict[str, str] = Field(
        default_factory=dict,
        description='Tax rate as a fraction to the name of the tax in Tryton, as in {"0.25": "VAT 25%"}, for '
        "rates that are not matched; without either no tax is computed in Tryton and what is charged becomes a line",
    )
    price_digits: int = Field(
        default=4, ge=0, le=8, description="Decimals of a unit price, as Tryton's product configuration has them"
    )
    quote: bool = Field(default=True, description="Turn a new sale into a quotation, which gives it a number")
    confirm: bool = Field(
        default=False, description="Also confirm it, which starts shipments and invoices unless a worker does that"
    )
    process: bool = Field(
        default=False,
        description="Also process a confirmed sale at once, rather than leave that to Tryton's queue",
    )
    payment_method: str | None = Field(
        default=None,
        description="Name of the method of payment in Tryton by which paid orders and refunds are booked: their "
        "invoices and credit notes are posted and paid; without it that is left to people. Needs `confirm`",
    )
    book_payments: bool = Field(
        default=False,
        description="Book each payment that is routed here by the method that its tender is matched with, or else by "
        "`payment_method`, instead of all that is owed for an order once it is paid. Needs `confirm`",
    )
    warnings: tuple[str, ...] = Field(
        default=("*",),
        description="Which of Tryton's questions (warnings) are answered with yes, as patterns of what they are about, "
        'such as "invoice_taxes" or "effective_date_*"; the receipt tells each. An empty list: a warning is a refusal',
    )
    price_tax: Decimal | None = Field(
        default=None,
        ge=0,
        lt=10,
        description="Rate of the tax, as a fraction, that is taken off a price with tax inside before it becomes a "
        "list price; without it such prices are not written",
    )
    adopt_by_email: bool = Field(
        default=True,
        description="Take the one party with the customer's email address, when none carries the customer's id, "
        "instead of making another",
    )
    split_names: bool = Field(
        default=True,
        description="Read a party's name as given names and a family name, parted at the last space; when false the "
        "names of parties stay in Tryton",
    )
    phone_region: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166 country that phone numbers without a country code belong to",
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="How many records a poll asks for at once")
    overlap: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="How long a transaction in Tryton may last: polls look back so far behind the last change, until "
        "that has settled",
    )

    @field_validator("base_url")
    @classmethod
    def _root(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address such as https://erp.example.com is needed")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("neither a user, nor a query, nor a fragment belongs into it")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("http:// would send the password in the clear; use https://")
        return value.rstrip("/")

    @field_validator("taxes")
    @classmethod
    def _rates(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            return {rate_word(Decimal(rate)): name for rate, name in value.items()}
        except InvalidOperation:
            raise ValueError("each key is a rate as a fraction, such as 0.25") from None

    @property
    def keeps_books(self) -> bool:
        """Whether invoices are posted and paid from here."""
        return self.payment_method is not None or self.book_payments

    @model_validator(mode="after")
    def _books(self) -> TrytonSettings:
        if self.keeps_books and not self.confirm:
            named = "book_payments" if self.payment_method is None else "payment_method"
            raise ValueError(f"`{named}` needs `confirm`: only a confirmed sale has an invoice to pay")
        return self
