"""The webhook bodies that Shopify sends, as far as we read them; what is not listed here is never built.

The names are those of the REST Admin API's resources, which webhook bodies have kept. An absent key, a null and a value
stay three things, as no key is ever filled in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Required

from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict

__all__ = [
    "CUSTOMER",
    "FULFILLMENT",
    "MOMENT",
    "ORDER",
    "REFUND",
    "TRANSACTION",
    "AddressIn",
    "Amount",
    "AttributeIn",
    "BagIn",
    "ConsentIn",
    "Count",
    "CustomerIn",
    "DiscountAllocationIn",
    "DiscountApplicationIn",
    "FulfilledLineIn",
    "FulfillmentIn",
    "Id",
    "Inexact",
    "LineIn",
    "MoneyIn",
    "OrderIn",
    "RefundIn",
    "RefundLineIn",
    "RefundedItemIn",
    "ReturnedIn",
    "ShippingLineIn",
    "TaxLineIn",
    "Text",
    "Time",
    "TransactionIn",
]


class Inexact(Exception):
    """An amount stands in the JSON as a fraction, and reading it as a float may lose digits: read it again exactly."""


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise Inexact
    return value


Amount = Annotated[str | Annotated[Decimal, BeforeValidator(_exact)], Field(union_mode="left_to_right")]
"""Money is text in orders, but `refund_line_items[].subtotal` and `total_tax` are JSON numbers."""
Id = Annotated[int, Field(ge=0, lt=2**64)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Text = str | None
Time = AwareDatetime | None


class MoneyIn(TypedDict, total=False):
    """An amount with its currency."""

    amount: Required[Amount]
    currency_code: Required[str]


class BagIn(TypedDict, total=False):
    """The same amount in the shop's currency and in the one that the customer saw."""

    shop_money: MoneyIn | None
    presentment_money: MoneyIn | None


class AddressIn(TypedDict, total=False):
    """A postal address, of a customer, an order or a location."""

    name: Text
    first_name: Text
    last_name: Text
    company: Text
    address1: Text
    address2: Text
    city: Text
    province: Text
    province_code: Text
    zip: Text
    country: Text
    country_code: Text
    phone: Text


class AttributeIn(TypedDict, total=False):
    """A name and a value that a merchant's theme or app put on a line or an order."""

    name: Required[str]
    value: object


class DiscountAllocationIn(TypedDict, total=False):
    """The share of one discount application that falls on one line."""

    amount: Required[Amount]
    discount_application_index: int


class DiscountApplicationIn(TypedDict, total=False):
    """What a discount was, once for the whole order."""

    title: Text
    code: Text
    description: Text


class TaxLineIn(TypedDict, total=False):
    """One tax; `rate` is a fraction."""

    title: Text
    price: Required[Amount]
    rate: Decimal | None


class LineIn(TypedDict, total=False):
    """One order line; `quantity` is as ordered, `current_quantity` without what was removed since."""

    id: Required[Id]
    name: Text
    title: Text
    variant_title: Text
    sku: Text
    product_id: Id | None
    variant_id: Id | None
    quantity: Required[Count]
    current_quantity: Count | None
    price: Required[Amount]
    discount_allocations: list[DiscountAllocationIn] | None
    tax_lines: list[TaxLineIn] | None
    gift_card: bool | None
    properties: list[AttributeIn] | None


class ShippingLineIn(TypedDict, total=False):
    """Carriage."""

    title: Text
    code: Text
    price: Required[Amount]
    discount_allocations: list[DiscountAllocationIn] | None
    tax_lines: list[TaxLineIn] | None
    is_removed: bool | None


class FulfilledLineIn(TypedDict, total=False):
    """An order line within a fulfilment, with how much of it."""

    id: Required[Id]
    quantity: Required[Count]
    sku: Text


class FulfillmentIn(TypedDict, total=False):
    """A fulfilment, alone or within its order."""

    id: Required[Id]
    order_id: Id | None
    status: Text
    shipment_status: Text
    location_id: Id | None
    tracking_company: Text
    tracking_number: Text
    tracking_numbers: list[str] | None
    tracking_url: Text
    tracking_urls: list[str] | None
    destination: AddressIn | None
    line_items: list[FulfilledLineIn] | None
    created_at: Time
    updated_at: Time


class RefundedItemIn(TypedDict, total=False):
    """What a refunded line repeats of its order line."""

    sku: Text


class RefundLineIn(TypedDict, total=False):
    """How much of an order line is refunded, and what becomes of the goods."""

    line_item_id: Id | None
    line_item: RefundedItemIn | None
    location_id: Id | None
    quantity: Required[Count]
    restock_type: Text
    subtotal: Amount | None
    total_tax: Amount | None
    subtotal_set: BagIn | None


class TransactionIn(TypedDict, total=False):
    """One movement of money, towards the shop or back."""

    id: Required[Id]
    order_id: Id | None
    parent_id: Id | None
    location_id: Id | None
    kind: Text
    status: Text
    amount: Amount | None
    currency: Text
    gateway: Text
    created_at: Time
    processed_at: Time


class ReturnedIn(TypedDict, total=False):
    """The return that a refund belongs to."""

    id: Id | None


_OfReturn = TypedDict("_OfReturn", {"return": ReturnedIn | None}, total=False)


class RefundIn(_OfReturn, total=False):
    """A refund, alone or within its order; it also comes where no money moves."""

    id: Required[Id]
    order_id: Id | None
    note: Text
    created_at: Time
    processed_at: Time
    refund_line_items: list[RefundLineIn] | None
    transactions: list[TransactionIn] | None


class ConsentIn(TypedDict, total=False):
    """A marketing permission as bodies before 2025-01 carried it, and as the consent topics do."""

    state: Text
    opt_in_level: Text
    consent_updated_at: Time
    consent_collected_from: Text


class CustomerIn(TypedDict, total=False):
    """A customer, alone or within an order. `tags` and the consents left these bodies with version 2025-01."""

    id: Id
    email: Text
    phone: Text
    first_name: Text
    last_name: Text
    note: Text
    state: Text
    verified_email: bool | None
    tax_exempt: bool | None
    tags: Text
    addresses: list[AddressIn] | dict[str, object] | None
    default_address: AddressIn | None
    email_marketing_consent: ConsentIn | None
    sms_marketing_consent: ConsentIn | None
    created_at: Time
    updated_at: Time


class OrderIn(TypedDict, total=False):
    """An order. Plain amounts are in `currency`; of the `*_set` pairs only those are read that have no plain twin."""

    id: Required[Id]
    name: Text
    currency: Required[str]
    presentment_currency: Text
    financial_status: Text
    fulfillment_status: Text
    email: Text
    contact_email: Text
    phone: Text
    note: Text
    tags: Text
    source_name: Text
    source_identifier: Text
    po_number: Text
    confirmation_number: Text
    customer_locale: Text
    cancel_reason: Text
    test: bool | None
    taxes_included: bool | None
    location_id: Id | None
    payment_gateway_names: list[str] | None
    note_attributes: list[AttributeIn] | None
    total_price: Required[Amount]
    total_price_set: BagIn | None
    subtotal_price: Amount | None
    total_discounts: Amount | None
    total_tax: Amount | None
    total_tip_received: Amount | None
    total_outstanding: Amount | None
    current_total_price: Amount | None
    total_shipping_price_set: BagIn | None
    original_total_duties_set: BagIn | None
    original_total_additional_fees_set: BagIn | None
    total_cash_rounding_payment_adjustment_set: BagIn | None
    billing_address: AddressIn | None
    shipping_address: AddressIn | None
    customer: CustomerIn | None
    line_items: list[LineIn] | None
    shipping_lines: list[ShippingLineIn] | None
    tax_lines: list[TaxLineIn] | None
    discount_applications: list[DiscountApplicationIn] | None
    fulfillments: list[FulfillmentIn] | None
    refunds: list[RefundIn] | None
    transactions: list[TransactionIn] | None
    created_at: Time
    processed_at: Time
    updated_at: Time
    cancelled_at: Time
    closed_at: Time


MOMENT = TypeAdapter(AwareDatetime)
ORDER = TypeAdapter(OrderIn)
CUSTOMER = TypeAdapter(CustomerIn)
FULFILLMENT = TypeAdapter(FulfillmentIn)
REFUND = TypeAdapter(RefundIn)
TRANSACTION = TypeAdapter(TransactionIn)
