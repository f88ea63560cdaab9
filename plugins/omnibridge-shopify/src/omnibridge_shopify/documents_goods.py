"""The GraphQL documents about what is sold and where: products, stock, locations."""

from __future__ import annotations

from omnibridge_shopify.document import LEVEL_FIELDS, MOST_IMAGES, PAGE, PRODUCT_FIELDS, VARIANT_FIELDS, Document

__all__ = [
    "INVENTORY_ADJUST",
    "INVENTORY_LEVEL",
    "INVENTORY_SET",
    "LOCATION",
    "LOCATIONS",
    "PRODUCT",
    "PRODUCTS",
    "PRODUCTS_BY_SKU",
    "PRODUCT_BY_IDENTIFIER",
    "PRODUCT_SET",
    "PRODUCT_VARIANTS",
]

_VARIANT = f"""
fragment VariantFields on ProductVariant {{
  {VARIANT_FIELDS}
}}"""
_PRODUCT = (
    f"""
fragment ProductFields on Product {{
  {PRODUCT_FIELDS}
  images(first: {MOST_IMAGES}) {{ nodes {{ url }} }}
  variants(first: 25) {{ nodes {{ ...VariantFields }} {PAGE} }}
}}"""
    + _VARIANT
)

PRODUCT = Document("Product", "query Product($id: ID!) { product(id: $id) { ...ProductFields } }" + _PRODUCT, 40)
PRODUCTS = Document(
    "Products",
    f"""query Products($first: Int!, $after: String, $query: String) {{
  products(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{ nodes {{ ...ProductFields }} {PAGE} }}
}}"""
    + _PRODUCT,
    200,
)
PRODUCT_VARIANTS = Document(
    "ProductVariants",
    f"""query ProductVariants($id: ID!, $after: String) {{
  product(id: $id) {{ variants(first: 100, after: $after) {{ nodes {{ ...VariantFields }} {PAGE} }} }}
}}"""
    + _VARIANT,
    150,
)
PRODUCTS_BY_SKU = Document(
    "ProductsBySku",
    """query ProductsBySku($query: String!) {
  productVariants(first: 50, query: $query) { nodes { sku product { id } } }
}""",
    60,
)
PRODUCT_BY_IDENTIFIER = Document(
    "ProductByIdentifier",
    """query ProductByIdentifier($identifier: ProductIdentifierInput!) {
  shop { currencyCode }
  productByIdentifier(identifier: $identifier) { ...ProductFields }
}"""
    + _PRODUCT,
    40,
)
PRODUCT_SET = Document(
    "ProductSet",
    """mutation ProductSet($identifier: ProductSetIdentifiers, $input: ProductSetInput!) {
  productSet(identifier: $identifier, input: $input, synchronous: true) {
    product { ...ProductFields } userErrors { field message code }
  }
}"""
    + _PRODUCT,
    100,
)

INVENTORY_SET = Document(
    "InventorySet",
    """mutation InventorySet($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { createdAt changes { name delta quantityAfterChange } }
    userErrors { field message code }
  }
}""",
    12,
)
INVENTORY_ADJUST = Document(
    "InventoryAdjust",
    """mutation InventoryAdjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { createdAt changes { name delta quantityAfterChange } }
    userErrors { field message code }
  }
}""",
    12,
)
INVENTORY_LEVEL = Document(
    "InventoryLevel",
    f"""query InventoryLevel($item: ID!, $location: ID!) {{
  inventoryItem(id: $item) {{
    sku
    inventoryLevel(locationId: $location) {{
      {LEVEL_FIELDS}
    }}
  }}
}}""",
    10,
)

_LOCATION = """
fragment LocationFields on Location {
  id name isActive createdAt updatedAt
  address { address1 address2 city province provinceCode zip country countryCode phone }
}"""
LOCATION = Document("Location", "query Location($id: ID!) { location(id: $id) { ...LocationFields } }" + _LOCATION, 5)
LOCATIONS = Document(
    "Locations",
    f"""query Locations($first: Int!, $after: String) {{
  locations(first: $first, after: $after, includeInactive: true, sortKey: ID) {{ nodes {{ ...LocationFields }} {PAGE} }}
}}"""
    + _LOCATION,
    20,
)
