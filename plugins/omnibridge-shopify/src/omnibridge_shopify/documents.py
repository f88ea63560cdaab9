"""Every GraphQL document that we send, with the points that it is expected to cost.

Documents about goods, carts, bulk operations, and what follows an order stand in `documents_*`, and are gathered here.
Names are those of the Admin API's schema, version 2026-10. Costs are rough: what a call really cost its answer tells.
"""

from __future__ import annotations

from omnibridge_shopify import documents_after, documents_bulk, documents_carts, documents_goods
from omnibridge_shopify.document import (
    ADDRESS,
    ALLOCATIONS,
    CUSTOMER_FIELDS,
    MONEY,
    MOST_ADDRESSES,
    PAGE,
    TAXES,
    Document,
)

__all__ = [
    "CUSTOMER",
    "CUSTOMERS",
    "CUSTOMER_BY_IDENTIFIER",
    "CUSTOMER_SET",
    "DOCUMENTS",
    "EMAIL_CONSENT",
    "FULFILLMENT_LINES",
    "ORDER",
    "ORDERS",
    "ORDER_BY_SOURCE",
    "ORDER_CREATE",
    "ORDER_LINES",
    "PROBE",
    "REFUND_LINES",
    "SMS_CONSENT",
    "TAGS_ADD",
    "TAGS_REMOVE",
    "WEBHOOKS",
    "WEBHOOK_CREATE",
    "WEBHOOK_DELETE",
]


_CUSTOMER = (
    f"""
fragment CustomerFields on Customer {{
  {CUSTOMER_FIELDS}
  defaultAddress {{ ...AddressFields }}
  addressesV2(first: {MOST_ADDRESSES}) {{ nodes {{ ...AddressFields }} }}
}}"""
    + ADDRESS
)
_LINE = f"""
fragment LineFields on LineItem {{
  id name sku quantity currentQuantity isGiftCard
  product {{ id }}
  variant {{ id }}
  customAttributes {{ key value }}
  originalUnitPriceSet {MONEY}
  taxLines {{ {TAXES} }}
  {ALLOCATIONS}
}}"""
_FULFILLED = f"nodes {{ quantity lineItem {{ id sku }} }} {PAGE}"
_REFUNDED = f"""nodes {{
    quantity restockType lineItem {{ id sku }} location {{ id }} subtotalSet {MONEY} totalTaxSet {MONEY}
  }} {PAGE}"""
_TRANSACTION = (
    f"id kind status gateway createdAt processedAt parentTransaction {{ id }} location {{ id }} amountSet {MONEY}"
)

PROBE = Document("Probe", "query Probe { shop { myshopifyDomain currencyCode } }", 1)

CUSTOMER = Document("Customer", "query Customer($id: ID!) { customer(id: $id) { ...CustomerFields } }" + _CUSTOMER, 20)
CUSTOMER_BY_IDENTIFIER = Document(
    "CustomerByIdentifier",
    """query CustomerByIdentifier($identifier: CustomerIdentifierInput!) {
  customerByIdentifier(identifier: $identifier) { ...CustomerFields }
}"""
    + _CUSTOMER,
    20,
)
CUSTOMERS = Document(
    "Customers",
    f"""query Customers($first: Int!, $after: String, $query: String) {{
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ ...CustomerFields }} {PAGE}
  }}
}}"""
    + _CUSTOMER,
    700,
)
CUSTOMER_SET = Document(
    "CustomerSet",
    """mutation CustomerSet($identifier: CustomerSetIdentifiers, $input: CustomerSetInput!) {
  customerSet(identifier: $identifier, input: $input) {
    customer { ...CustomerFields } userErrors { field message code }
  }
}"""
    + _CUSTOMER,
    30,
)
TAGS_ADD = Document(
    "TagsAdd",
    """mutation TagsAdd($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) {
    node { __typename ... on Customer { id tags updatedAt } } userErrors { field message }
  }
}""",
    10,
)
TAGS_REMOVE = Document(
    "TagsRemove",
    """mutation TagsRemove($id: ID!, $tags: [String!]!) {
  tagsRemove(id: $id, tags: $tags) {
    node { __typename ... on Customer { id tags updatedAt } } userErrors { field message }
  }
}""",
    10,
)
EMAIL_CONSENT = Document(
    "EmailConsent",
    """mutation EmailConsent($input: CustomerEmailMarketingConsentUpdateInput!) {
  customerEmailMarketingConsentUpdate(input: $input) {
    customer { ...CustomerFields } userErrors { field message code }
  }
}"""
    + _CUSTOMER,
    30,
)
SMS_CONSENT = Document(
    "SmsConsent",
    """mutation SmsConsent($input: CustomerSmsMarketingConsentUpdateInput!) {
  customerSmsMarketingConsentUpdate(input: $input) {
    customer { ...CustomerFields } userErrors { field message code }
  }
}"""
    + _CUSTOMER,
    30,
)

ORDERS = Document(
    "Orders",
    f"""query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{ nodes {{ id updatedAt }} {PAGE} }}
}}""",
    100,
)
ORDER = Document(
    "Order",
    f"""query Order($id: ID!) {{
  order(id: $id) {{
    id name createdAt updatedAt processedAt cancelledAt closedAt cancelReason test taxesIncluded
    currencyCode presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus
    email phone note tags sourceName sourceIdentifier poNumber confirmationNumber customerLocale paymentGatewayNames
    customAttributes {{ key value }}
    retailLocation {{ id }}
    totalPriceSet {{ shopMoney {{ amount currencyCode }} presentmentMoney {{ amount currencyCode }} }}
    subtotalPriceSet {MONEY}
    totalDiscountsSet {MONEY}
    totalTaxSet {MONEY}
    totalTipReceivedSet {MONEY}
    totalOutstandingSet {MONEY}
    totalShippingPriceSet {MONEY}
    currentTotalPriceSet {MONEY}
    originalTotalDutiesSet {MONEY}
    originalTotalAdditionalFeesSet {MONEY}
    totalCashRoundingAdjustment {{ paymentSet {MONEY} }}
    billingAddress {{ ...AddressFields }}
    shippingAddress {{ ...AddressFields }}
    customer {{
      id firstName lastName note verifiedEmail createdAt updatedAt
      defaultEmailAddress {{ emailAddress }}
      defaultPhoneNumber {{ phoneNumber }}
    }}
    taxLines {{ {TAXES} }}
    lineItems(first: 25) {{ nodes {{ ...LineFields }} {PAGE} }}
    shippingLines(first: 5) {{
      nodes {{ title code isRemoved originalPriceSet {MONEY} taxLines {{ {TAXES} }} {ALLOCATIONS} }}
    }}
    fulfillments(first: 10) {{
      id status displayStatus createdAt updatedAt
      location {{ id }}
      trackingInfo {{ company number url }}
      fulfillmentLineItems(first: 10) {{ {_FULFILLED} }}
    }}
    refunds(first: 10) {{
      id createdAt note return {{ id }}
      refundLineItems(first: 5) {{ {_REFUNDED} }}
      transactions(first: 3) {{ nodes {{ {_TRANSACTION} }} }}
    }}
    transactions(first: 10) {{ {_TRANSACTION} }}
    returns(first: 10) {{ nodes {{ id }} }}
  }}
}}"""
    + ADDRESS
    + _LINE,
    100,
)
ORDER_LINES = Document(
    "OrderLines",
    f"""query OrderLines($id: ID!, $after: String) {{
  order(id: $id) {{ lineItems(first: 50, after: $after) {{ nodes {{ ...LineFields }} {PAGE} }} }}
}}"""
    + _LINE,
    200,
)
FULFILLMENT_LINES = Document(
    "FulfillmentLines",
    f"""query FulfillmentLines($id: ID!, $after: String) {{
  node(id: $id) {{
    __typename ... on Fulfillment {{ fulfillmentLineItems(first: 100, after: $after) {{ {_FULFILLED} }} }}
  }}
}}""",
    100,
)
REFUND_LINES = Document(
    "RefundLines",
    f"""query RefundLines($id: ID!, $after: String) {{
  refund(id: $id) {{ refundLineItems(first: 50, after: $after) {{ {_REFUNDED} }} }}
}}""",
    200,
)
ORDER_BY_SOURCE = Document(
    "OrderBySource",
    """query OrderBySource($query: String!) {
  orders(first: 5, query: $query) { nodes { id updatedAt sourceIdentifier } }
}""",
    10,
)
ORDER_CREATE = Document(
    "OrderCreate",
    """mutation OrderCreate($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $options) {
    order { id name updatedAt sourceIdentifier } userErrors { field message code }
  }
}""",
    20,
)

WEBHOOKS = Document(
    "Webhooks",
    f"""query Webhooks($first: Int!, $after: String) {{
  webhookSubscriptions(first: $first, after: $after) {{ nodes {{ id topic uri }} {PAGE} }}
}}""",
    100,
)
WEBHOOK_CREATE = Document(
    "WebhookCreate",
    """mutation WebhookCreate($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id topic uri } userErrors { field message }
  }
}""",
    10,
)
WEBHOOK_DELETE = Document(
    "WebhookDelete",
    """mutation WebhookDelete($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}""",
    10,
)

DOCUMENTS = {
    value.name: value
    for part in (globals(), *map(vars, (documents_after, documents_bulk, documents_carts, documents_goods)))
    for value in list(part.values())
    if isinstance(value, Document)
}
"""All of them, by operation name."""
