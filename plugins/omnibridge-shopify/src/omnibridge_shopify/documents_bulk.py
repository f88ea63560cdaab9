"""The GraphQL documents about bulk operations, and the queries that Shopify runs in bulk for us.

Source: schema 2026-10 and documentation, "Perform bulk operations with the GraphQL Admin API": a query in bulk has at
most five connections, two deep, takes no pages, and holds no connection within a list. An order's refunds and
fulfilments are lists with connections in them, so orders cannot be read whole in this way.
"""

from __future__ import annotations

from typing import NamedTuple

from omnibridge_shopify.document import (
    ADDRESS_FIELDS,
    CUSTOMER_FIELDS,
    LEVEL_FIELDS,
    MOST_ADDRESSES,
    MOST_IMAGES,
    PRODUCT_FIELDS,
    VARIANT_FIELDS,
    Document,
)

__all__ = [
    "ALL_CUSTOMERS",
    "ALL_PRODUCTS",
    "ALL_STOCK",
    "BULK_OPERATION",
    "BULK_OPERATIONS",
    "BULK_RUN",
    "Children",
    "Export",
]


class Children(NamedTuple):
    """The rows of a nested connection: the field that only they have, the connection, and how many are taken."""

    field: str
    connection: str
    most: int | None = None


class Export(NamedTuple):
    """A query that is run in bulk.

    Where it has `children`, the file has them right below their parents, and they are put together. Else the rows that
    have a parent are what is wanted, each by itself, and they may come in any order.
    """

    text: str
    children: tuple[Children, ...] = ()

    @property
    def grouped(self) -> bool:
        """Whether Shopify is asked to put children below their parents, which takes it longer."""
        return bool(self.children)


ALL_CUSTOMERS = Export(
    f"""{{
  customers {{ edges {{ node {{
    {CUSTOMER_FIELDS}
    defaultAddress {{ {ADDRESS_FIELDS} }}
    addressesV2 {{ edges {{ node {{ id {ADDRESS_FIELDS} }} }} }}
  }} }} }}
}}""",
    (Children("address1", "addressesV2", MOST_ADDRESSES),),
)
ALL_PRODUCTS = Export(
    f"""{{
  products {{ edges {{ node {{
    {PRODUCT_FIELDS}
    images {{ edges {{ node {{ id url }} }} }}
    variants {{ edges {{ node {{ {VARIANT_FIELDS} }} }} }}
  }} }} }}
}}""",
    (Children("selectedOptions", "variants"), Children("url", "images", MOST_IMAGES)),
)
ALL_STOCK = Export(
    f"""{{
  locations {{ edges {{ node {{
    id
    inventoryLevels(includeInactive: true) {{ edges {{ node {{
      id item {{ id }} location {{ id }}
      {LEVEL_FIELDS}
    }} }} }}
  }} }} }}
}}"""
)

_OPERATION = """
fragment OperationFields on BulkOperation { id status type errorCode createdAt fileSize url query }"""
BULK_RUN = Document(
    "BulkRun",
    """mutation BulkRun($query: String!, $grouped: Boolean!) {
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
    bulkOperation { ...OperationFields } userErrors { field message code }
  }
}"""
    + _OPERATION,
    10,
)
BULK_OPERATION = Document(
    "BulkOperation",
    "query BulkOperation($id: ID!) { bulkOperation(id: $id) { ...OperationFields } }" + _OPERATION,
    1,
)
BULK_OPERATIONS = Document(
    "BulkOperations",
    "query BulkOperations { bulkOperations(first: 20, reverse: true) { nodes { ...OperationFields } } }" + _OPERATION,
    5,
)
