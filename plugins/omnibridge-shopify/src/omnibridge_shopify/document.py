"""What one GraphQL document is, and the parts that many of them share."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ADDRESS",
    "ADDRESS_FIELDS",
    "ALLOCATIONS",
    "CUSTOMER_FIELDS",
    "LEVEL_FIELDS",
    "MONEY",
    "MOST_ADDRESSES",
    "MOST_IMAGES",
    "PAGE",
    "PRODUCT_FIELDS",
    "TAXES",
    "VARIANT_FIELDS",
    "Document",
]


class Document(NamedTuple):
    """One operation: its name, its text, its expected cost in points."""

    name: str
    text: str
    cost: float


ADDRESS_FIELDS = "name company address1 address2 city province provinceCode zip country countryCodeV2 phone"
ADDRESS = f"""
fragment AddressFields on MailingAddress {{
  {ADDRESS_FIELDS}
}}"""
CUSTOMER_FIELDS = """id firstName lastName note state verifiedEmail taxExempt tags createdAt updatedAt
  defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
  defaultPhoneNumber { phoneNumber marketingState marketingOptInLevel marketingUpdatedAt marketingCollectedFrom }"""
"""What stands at a customer itself, without the addresses."""
MOST_ADDRESSES = 10
VARIANT_FIELDS = """id title sku barcode price compareAtPrice taxable
  selectedOptions { name value }
  inventoryItem { id requiresShipping measurement { weight { unit value } } }"""
PRODUCT_FIELDS = """id title descriptionHtml vendor productType handle status tags publishedAt createdAt updatedAt
  options { name }"""
"""What stands at a product itself, without images and variants."""
MOST_IMAGES = 20
LEVEL_FIELDS = """isActive updatedAt
      quantities(names: ["available", "on_hand", "committed", "incoming"]) { name quantity }"""
MONEY = "{ shopMoney { amount currencyCode } }"
PAGE = "pageInfo { hasNextPage endCursor }"
TAXES = f"title rate priceSet {MONEY}"
ALLOCATIONS = f"""discountAllocations {{
    allocatedAmountSet {MONEY}
    discountApplication {{
      __typename
      ... on DiscountCodeApplication {{ code }}
      ... on ManualDiscountApplication {{ title }}
      ... on AutomaticDiscountApplication {{ title }}
      ... on ScriptDiscountApplication {{ title }}
    }}
  }}"""
