"""From GraphQL's records to the shapes of webhook bodies, so that a read and a webhook of one state say the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from omnibridge.connector import Http, Lookup, Observation, Snapshot
from omnibridge.errors import Permanent
from omnibridge_shopify import wire
from omnibridge_shopify.carts import read_cart
from omnibridge_shopify.customers import customer
from omnibridge_shopify.documents import (
    CUSTOMER,
    FULFILLMENT_LINES,
    ORDER,
    ORDER_LINES,
    REFUND_LINES,
)
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.nodes import (
    address_body,
    amount,
    bag_body,
    lower,
    number,
    pairs,
    person_body,
    taxes_body,
)
from omnibridge_shopify.orders import order
from omnibridge_shopify.pages import rest
from omnibridge_shopify.parts import Values, gid, gid_number
from omnibridge_shopify.reads_goods import read_inventory, read_location, read_product
from omnibridge_shopify.returns import read_return
from omnibridge_shopify.settings import Shopify

__all__ = ["customer_body", "observe_customer", "order_body", "read"]

_SHIPMENTS = frozenset(
    {
        "ATTEMPTED_DELIVERY",
        "CONFIRMED",
        "DELIVERED",
        "FAILURE",
        "IN_TRANSIT",
        "LABEL_PRINTED",
        "LABEL_PURCHASED",
        "OUT_FOR_DELIVERY",
        "READY_FOR_PICKUP",
    }
)
"""The display states that webhook bodies have as `shipment_status`; the others repeat the fulfilment's own status."""
_FULFILMENTS = {"FULFILLED": "fulfilled", "RESTOCKED": "restocked"}


Read = Callable[[Shopify, str, Http], Awaitable[Sequence[Observation]]]


async def read(settings: Shopify, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """What a record is now; one that is no longer there is gone. Raises Permanent for a kind that cannot be read."""
    reader = _READERS.get(lookup.kind)
    if reader is None:
        raise Permanent(f"no reader for {lookup.kind}", remedy=f"these can be read: {', '.join(_READERS)}")
    return await reader(settings, lookup.external_id, http)


async def _read_customer(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    data = await ask(settings, http, CUSTOMER, {"id": gid("Customer", id_)})
    if data["customer"] is None:
        return (Snapshot.gone("customer", id_),)
    return observe_customer(settings, data["customer"])


async def _read_order(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """An order and all that followed it, its returns too."""
    data = await ask(settings, http, ORDER, {"id": gid("Order", id_)})
    found: Json | None = data["order"]
    if found is None:
        return (Snapshot.gone("order", id_),)
    await _complete(settings, http, found)
    seen: list[Observation] = [*order(settings, wire.ORDER.validate_python(order_body(found)))]
    for item in found["returns"]["nodes"]:
        seen += await read_return(settings, gid_number(item["id"]), http)
    return seen


_READERS: Mapping[str, Read] = {
    "customer": _read_customer,
    "order": _read_order,
    "return": read_return,
    "cart": read_cart,
    "product": read_product,
    "inventory": read_inventory,
    "location": read_location,
}


async def _complete(settings: Shopify, http: Http, node: Json) -> None:
    """Fetch what the pages inside an order left out."""
    await rest(settings, http, ORDER_LINES, node["id"], node, "lineItems")
    for item in node["fulfillments"]:
        await rest(settings, http, FULFILLMENT_LINES, item["id"], item, "fulfillmentLineItems")
    for item in node["refunds"]:
        await rest(settings, http, REFUND_LINES, item["id"], item, "refundLineItems")


def observe_customer(settings: Shopify, node: Json) -> list[Snapshot]:
    """A customer's record as snapshots of the customer and their consents."""
    return customer(settings, wire.CUSTOMER.validate_python(customer_body(node)))


def _consent(node: Json) -> Values:
    said: Values = {
        "state": lower(node["marketingState"]),
        "opt_in_level": lower(node["marketingOptInLevel"]),
        "consent_updated_at": node["marketingUpdatedAt"],
    }
    if "marketingCollectedFrom" in node:
        said["consent_collected_from"] = lower(node["marketingCollectedFrom"])
    return said


def customer_body(node: Json) -> Values:
    """A `Customer` of GraphQL in the shape of a webhook body, tags and consents included."""
    body = person_body(node)
    body["state"] = lower(node["state"])
    body["tax_exempt"] = node["taxExempt"]
    body["tags"] = ", ".join(node["tags"])
    body["default_address"] = address_body(node["defaultAddress"])
    body["addresses"] = [address_body(item) for item in node["addressesV2"]["nodes"]]
    if node["defaultEmailAddress"]:
        body["email_marketing_consent"] = _consent(node["defaultEmailAddress"])
    if node["defaultPhoneNumber"]:
        body["sms_marketing_consent"] = _consent(node["defaultPhoneNumber"])
    return body


def _allocations(nodes: Sequence[Json], applications: list[Values]) -> list[Values]:
    found: list[Values] = []
    for node in nodes:
        said: Json = node["discountApplication"]
        applications.append({"code": said.get("code"), "title": said.get("title")})
        found.append(
            {"amount": amount(node["allocatedAmountSet"]), "discount_application_index": len(applications) - 1}
        )
    return found


def _transaction(node: Json) -> Values:
    return {
        "id": number(node),
        "parent_id": number(node["parentTransaction"]),
        "location_id": number(node["location"]),
        "kind": lower(node["kind"]),
        "status": lower(node["status"]),
        "gateway": node["gateway"],
        "amount": amount(node["amountSet"]),
        "currency": node["amountSet"]["shopMoney"]["currencyCode"],
        "created_at": node["createdAt"],
        "processed_at": node["processedAt"],
    }


def _fulfillment(node: Json) -> Values:
    display = node["displayStatus"]
    tracking: list[Json] = node["trackingInfo"]
    return {
        "id": number(node),
        "status": lower(node["status"]),
        "shipment_status": lower(display) if display in _SHIPMENTS else None,
        "location_id": number(node["location"]),
        "tracking_company": next((item["company"] for item in tracking), None),
        "tracking_numbers": [item["number"] for item in tracking if item["number"]],
        "tracking_urls": [item["url"] for item in tracking if item["url"]],
        "line_items": [
            {"id": number(item["lineItem"]), "sku": item["lineItem"]["sku"], "quantity": item["quantity"] or 0}
            for item in node["fulfillmentLineItems"]["nodes"]
        ],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }


def _refund(node: Json) -> Values:
    return {
        "id": number(node),
        "note": node["note"],
        "return": {"id": number(node["return"])} if node["return"] else None,
        "created_at": node["createdAt"],
        "refund_line_items": [
            {
                "line_item_id": number(item["lineItem"]),
                "line_item": {"sku": item["lineItem"]["sku"]},
                "location_id": number(item["location"]),
                "quantity": item["quantity"],
                "restock_type": lower(item["restockType"]),
                "subtotal": amount(item["subtotalSet"]),
                "total_tax": amount(item["totalTaxSet"]),
            }
            for item in node["refundLineItems"]["nodes"]
        ],
        "transactions": [_transaction(item) for item in node["transactions"]["nodes"]],
    }


def _line(node: Json, applications: list[Values]) -> Values:
    return {
        "id": number(node),
        "name": node["name"],
        "sku": node["sku"],
        "product_id": number(node["product"]),
        "variant_id": number(node["variant"]),
        "quantity": node["quantity"],
        "current_quantity": node["currentQuantity"],
        "price": amount(node["originalUnitPriceSet"]),
        "gift_card": node["isGiftCard"],
        "properties": pairs(node["customAttributes"]),
        "tax_lines": taxes_body(node["taxLines"]),
        "discount_allocations": _allocations(node["discountAllocations"], applications),
    }


def _fulfilment_status(node: Json) -> str | None:
    """Webhook bodies know only whether all, some or none has left; GraphQL also what is planned for the rest."""
    display = node["displayFulfillmentStatus"]
    if display in _FULFILMENTS:
        return _FULFILMENTS[display]
    return "partial" if any(item["status"] == "SUCCESS" for item in node["fulfillments"]) else None


def order_body(node: Json) -> Values:
    """An `Order` of GraphQL in the shape of a webhook body, with its payments as `transactions`."""
    applications: list[Values] = []
    lines = [_line(item, applications) for item in node["lineItems"]["nodes"]]
    shipping = [
        {
            "title": item["title"],
            "code": item["code"],
            "is_removed": item["isRemoved"],
            "price": amount(item["originalPriceSet"]),
            "tax_lines": taxes_body(item["taxLines"]),
            "discount_allocations": _allocations(item["discountAllocations"], applications),
        }
        for item in node["shippingLines"]["nodes"]
    ]
    return {
        "id": number(node),
        "name": node["name"],
        "currency": node["currencyCode"],
        "presentment_currency": node["presentmentCurrencyCode"],
        "financial_status": lower(node["displayFinancialStatus"]),
        "fulfillment_status": _fulfilment_status(node),
        "email": node["email"],
        "phone": node["phone"],
        "note": node["note"],
        "tags": ", ".join(node["tags"]),
        "source_name": node["sourceName"],
        "source_identifier": node["sourceIdentifier"],
        "po_number": node["poNumber"],
        "confirmation_number": node["confirmationNumber"],
        "customer_locale": node["customerLocale"],
        "payment_gateway_names": node["paymentGatewayNames"],
        "cancel_reason": lower(node["cancelReason"]),
        "test": node["test"],
        "taxes_included": node["taxesIncluded"],
        "location_id": number(node["retailLocation"]),
        "note_attributes": pairs(node["customAttributes"]),
        "total_price": amount(node["totalPriceSet"]),
        "total_price_set": bag_body(node["totalPriceSet"]),
        "subtotal_price": amount(node["subtotalPriceSet"]),
        "total_discounts": amount(node["totalDiscountsSet"]),
        "total_tax": amount(node["totalTaxSet"]),
        "total_tip_received": amount(node["totalTipReceivedSet"]),
        "total_outstanding": amount(node["totalOutstandingSet"]),
        "current_total_price": amount(node["currentTotalPriceSet"]),
        "total_shipping_price_set": bag_body(node["totalShippingPriceSet"]),
        "original_total_duties_set": bag_body(node["originalTotalDutiesSet"]),
        "original_total_additional_fees_set": bag_body(node["originalTotalAdditionalFeesSet"]),
        "total_cash_rounding_payment_adjustment_set": bag_body(node["totalCashRoundingAdjustment"]["paymentSet"]),
        "billing_address": address_body(node["billingAddress"]),
        "shipping_address": address_body(node["shippingAddress"]),
        "customer": person_body(node["customer"]) if node["customer"] else None,
        "line_items": lines,
        "shipping_lines": shipping,
        "tax_lines": taxes_body(node["taxLines"]),
        "discount_applications": applications,
        "fulfillments": [_fulfillment(item) for item in node["fulfillments"]],
        "refunds": [_refund(item) for item in node["refunds"]],
        "transactions": [_transaction(item) for item in node["transactions"]],
        "created_at": node["createdAt"],
        "processed_at": node["processedAt"],
        "updated_at": node["updatedAt"],
        "cancelled_at": node["cancelledAt"],
        "closed_at": node["closedAt"],
    }
