"""The GraphQL documents about what follows an order: fulfilments, refunds and returns."""

from __future__ import annotations

from omnibridge_shopify.document import MONEY, PAGE, Document

__all__ = [
    "FULFILLABLE",
    "FULFILLMENT_CANCEL",
    "FULFILLMENT_CREATE",
    "FULFILLMENT_TRACKING",
    "REFUNDABLE",
    "REFUND_CREATE",
    "RETURN",
    "RETURNABLE",
    "RETURN_CANCEL",
    "RETURN_CLOSE",
    "RETURN_CREATE",
    "RETURN_LINES",
    "RETURN_PROCESS",
]

# -- returns -----------------------------------------------------------------------------------------------------------

_RETURNED = f"""nodes {{
    __typename id quantity processedQuantity unprocessedQuantity returnReason returnReasonNote customerNote
    ... on ReturnLineItem {{
      withCodeDiscountedTotalPriceSet {MONEY}
      fulfillmentLineItem {{ id lineItem {{ id sku }} }}
    }}
  }} {PAGE}"""
_RETURN = f"""
fragment ReturnFields on Return {{
  id name status createdAt closedAt requestApprovedAt
  order {{ id }}
  decline {{ reason note }}
  returnLineItems(first: 25) {{ {_RETURNED} }}
}}"""
RETURN = Document("Return", "query Return($id: ID!) { return(id: $id) { ...ReturnFields } }" + _RETURN, 40)
RETURN_LINES = Document(
    "ReturnLines",
    f"""query ReturnLines($id: ID!, $after: String) {{
  return(id: $id) {{ returnLineItems(first: 50, after: $after) {{ {_RETURNED} }} }}
}}""",
    60,
)
RETURNABLE = Document(
    "Returnable",
    """query Returnable($id: ID!) {
  order(id: $id) {
    id
    fulfillments(first: 20) {
      id status fulfillmentLineItems(first: 25) { nodes { id quantity lineItem { id sku } } }
    }
    returns(first: 20) { nodes { ...ReturnFields } }
  }
}"""
    + _RETURN,
    300,
)
RETURN_CREATE = Document(
    "ReturnCreate",
    """mutation ReturnCreate($returnInput: ReturnInput!) {
  returnCreate(returnInput: $returnInput) { return { ...ReturnFields } userErrors { field message code } }
}"""
    + _RETURN,
    50,
)
RETURN_CANCEL = Document(
    "ReturnCancel",
    """mutation ReturnCancel($id: ID!) {
  returnCancel(id: $id) { return { ...ReturnFields } userErrors { field message code } }
}"""
    + _RETURN,
    50,
)
RETURN_CLOSE = Document(
    "ReturnClose",
    """mutation ReturnClose($id: ID!) {
  returnClose(id: $id) { return { ...ReturnFields } userErrors { field message code } }
}"""
    + _RETURN,
    50,
)
RETURN_PROCESS = Document(
    "ReturnProcess",
    """mutation ReturnProcess($input: ReturnProcessInput!) {
  returnProcess(input: $input) { return { ...ReturnFields } userErrors { field message code } }
}"""
    + _RETURN,
    50,
)

# -- fulfilments -------------------------------------------------------------------------------------------------------

_SHIPPED = """
fragment ShippedFields on Fulfillment {
  id status displayStatus createdAt updatedAt
  location { id }
  trackingInfo { company number url }
  fulfillmentLineItems(first: 25) { nodes { quantity lineItem { id sku } } }
}"""
FULFILLABLE = Document(
    "Fulfillable",
    """query Fulfillable($id: ID!) {
  order(id: $id) {
    id
    fulfillmentOrders(first: 10) {
      nodes { id status lineItems(first: 25) { nodes { id remainingQuantity lineItem { id sku } } } }
    }
    fulfillments(first: 20) { ...ShippedFields }
  }
}"""
    + _SHIPPED,
    300,
)
FULFILLMENT_CREATE = Document(
    "FulfillmentCreate",
    """mutation FulfillmentCreate($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { ...ShippedFields } userErrors { field message } }
}"""
    + _SHIPPED,
    30,
)
FULFILLMENT_CANCEL = Document(
    "FulfillmentCancel",
    """mutation FulfillmentCancel($id: ID!) {
  fulfillmentCancel(id: $id) { fulfillment { ...ShippedFields } userErrors { field message } }
}"""
    + _SHIPPED,
    30,
)
FULFILLMENT_TRACKING = Document(
    "FulfillmentTracking",
    """mutation FulfillmentTracking($id: ID!, $tracking: FulfillmentTrackingInput!) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: false) {
    fulfillment { ...ShippedFields } userErrors { field message }
  }
}"""
    + _SHIPPED,
    30,
)

# -- refunds -----------------------------------------------------------------------------------------------------------

REFUNDABLE = Document(
    "Refundable",
    f"""query Refundable($id: ID!) {{
  order(id: $id) {{
    id currencyCode presentmentCurrencyCode
    lineItems(first: 100) {{ nodes {{ id sku refundableQuantity }} }}
    transactions(first: 20) {{
      id kind status gateway parentTransaction {{ id }} amountSet {MONEY} maximumRefundableV2 {{ amount currencyCode }}
    }}
  }}
}}""",
    100,
)
REFUND_CREATE = Document(
    "RefundCreate",
    f"""mutation RefundCreate($input: RefundInput!, $key: String!) {{
  refundCreate(input: $input) @idempotent(key: $key) {{
    refund {{
      id createdAt note
      transactions(first: 5) {{ nodes {{ id kind status amountSet {MONEY} }} }}
    }}
    userErrors {{ field message }}
  }}
}}""",
    40,
)
