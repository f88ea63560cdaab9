"""What one GraphQL document is, and the parts that many of them share."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ADDRESS", "ALLOCATIONS", "MONEY", "PAGE", "TAXES", "Document"]


class Document(NamedTuple):
    """One operation: its name, its text, its expected cost in points."""

    name: str
    text: str
    cost: float


ADDRESS = """
fragment AddressFields on MailingAddress {
  name company address1 address2 city province provinceCode zip country countryCodeV2 phone
}"""
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
