"""The GraphQL documents about checkouts that have not become an order."""

from __future__ import annotations

from omnibridge_shopify.document import ADDRESS, MONEY, PAGE, TAXES, Document

__all__ = ["CART", "CARTS", "CART_LINES"]

_LINES = f"""nodes {{
    title variantTitle sku quantity product {{ id }} variant {{ id }} originalUnitPriceSet {MONEY}
  }} {PAGE}"""
_CART = (
    f"""
fragment CartFields on AbandonedCheckout {{
  id name abandonedCheckoutUrl createdAt updatedAt completedAt note taxesIncluded discountCodes
  customAttributes {{ key value }}
  totalPriceSet {{ shopMoney {{ amount currencyCode }} presentmentMoney {{ amount currencyCode }} }}
  subtotalPriceSet {MONEY}
  totalDiscountSet {MONEY}
  totalTaxSet {MONEY}
  taxLines {{ {TAXES} }}
  billingAddress {{ ...AddressFields }}
  shippingAddress {{ ...AddressFields }}
  customer {{
    id firstName lastName note verifiedEmail createdAt updatedAt
    defaultEmailAddress {{ emailAddress }}
    defaultPhoneNumber {{ phoneNumber }}
  }}
  lineItems(first: 25) {{ {_LINES} }}
}}"""
    + ADDRESS
)

CARTS = Document(
    "Carts",
    f"""query Carts($first: Int!, $after: String, $query: String) {{
  abandonedCheckouts(first: $first, after: $after, query: $query, sortKey: ID) {{ nodes {{ ...CartFields }} {PAGE} }}
}}"""
    + _CART,
    150,
)
CART = Document(
    "Cart",
    "query Cart($id: ID!) { node(id: $id) { __typename ... on AbandonedCheckout { ...CartFields } } }" + _CART,
    40,
)
CART_LINES = Document(
    "CartLines",
    f"""query CartLines($id: ID!, $after: String) {{
  node(id: $id) {{
    __typename ... on AbandonedCheckout {{ lineItems(first: 100, after: $after) {{ {_LINES} }} }}
  }}
}}""",
    100,
)
