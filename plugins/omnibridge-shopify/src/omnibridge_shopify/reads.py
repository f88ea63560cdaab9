"""From GraphQL's records to the shapes of webhook bodies, so that a read and a webhook of one state say the same."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.connector import Http, Lookup, Observation, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import decimal_text
from omnibridge_shopify import wire
from omnibridge_shopify.customers import customer
from omnibridge_shopify.documents import (
    CUSTOMER,
    FULFILLMENT_LINES,
    ORDER,
    ORDER_LINES,
    REFUND_LINES,
    Document,
)
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.orders import order
from omnibridge_shopify.parts import Values, gid, gid_number, padded
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


async def read(settings: Shopify, lookup: Lookup, http: Http) -> Sequence[Observation]:
    """What a customer or an order is now; one that is no longer there is gone. Raises Permanent for another kind."""
    if lookup.kind == "customer":
        data = await ask(settings, http, CUSTOMER, {"id": gid("Customer", lookup.external_id)})
        if data["customer"] is None:
            return (Snapshot.gone("customer", lookup.external_id),)
        return observe_customer(settings, data["customer"])
    if lookup.kind == "order":
        data = await ask(settings, http, ORDER, {"id": gid("Order", lookup.external_id)})
        found: Json | None = data["order"]
        if found is None:
            return (Snapshot.gone("order", lookup.external_id),)
        await _complete(settings, http, found)
        return order(settings, wire.ORDER.validate_python(order_body(found)))
    raise Permanent(f"no reader for {lookup.kind}", remedy="customers and orders can be read")


async def _complete(settings: Shopify, http: Http, node: Json) -> None:
    """Fetch what the pages inside an order left out."""
    await _rest(settings, http, ORDER_LINES, node["id"], node, "lineItems")
    for item in node["fulfillments"]:
        await _rest(settings, http, FULFILLMENT_LINES, item["id"], item, "fulfillmentLineItems")
    for item in node["refunds"]:
        await _rest(settings, http, REFUND_LINES, item["id"], item, "refundLineItems")


async def _rest(settings: Shopify, http: Http, document: Document, id_: str, holder: Json, name: str) -> None:
    nodes: list[Json] = holder[name]["nodes"]
    page: Json = holder[name]["pageInfo"]
    while page["hasNextPage"]:
        after = page["endCursor"]
        data = await ask(settings, http, document, {"id": id_, "after": after})
        owner: Json | None = next(iter(data.values()))
        if owner is None:
            return
        nodes.extend(owner[name]["nodes"])
        page = owner[name]["pageInfo"]
        if page["endCursor"] == after:
            return


def observe_customer(settings: Shopify, node: Json) -> list[Snapshot]:
    """A customer's record as snapshots of the customer and their consents."""
    return customer(settings, wire.CUSTOMER.validate_python(customer_body(node)))


def _lower(value: str | None) -> str | None:
    return value.lower() if value is not None else None


def _number(node: Json | None) -> int | None:
    return int(gid_number(node["id"])) if node is not None else None


def _amount(pair: Json | None) -> str | None:
    """The shop's amount, None where the pair is null."""
    return _digits(pair["shopMoney"]) if pair is not None else None


def _digits(money: Json) -> str:
    return decimal_text(padded(Decimal(str(money["amount"])), money["currencyCode"]))


def _bag(pair: Json | None) -> Values | None:
    if pair is None:
        return None
    names = {"shopMoney": "shop_money", "presentmentMoney": "presentment_money"}
    return {
        ours: {"amount": _digits(pair[theirs]), "currency_code": pair[theirs]["currencyCode"]}
        for theirs, ours in names.items()
        if pair.get(theirs) is not None
    }


def _address(node: Json | None) -> Values | None:
    if node is None:
        return None
    plain = ("name", "company", "address1", "address2", "city", "province", "zip", "country", "phone")
    return {
        **{name: node[name] for name in plain},
        "province_code": node["provinceCode"],
        "country_code": node["countryCodeV2"],
    }


def _person(node: Json) -> Values:
    email: Json | None = node["defaultEmailAddress"]
    phone: Json | None = node["defaultPhoneNumber"]
    return {
        "id": _number(node),
        "email": email["emailAddress"] if email else None,
        "phone": phone["phoneNumber"] if phone else None,
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "note": node["note"],
        "verified_email": node["verifiedEmail"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }


def _consent(node: Json) -> Values:
    said: Values = {
        "state": _lower(node["marketingState"]),
        "opt_in_level": _lower(node["marketingOptInLevel"]),
        "consent_updated_at": node["marketingUpdatedAt"],
    }
    if "marketingCollectedFrom" in node:
        said["consent_collected_from"] = _lower(node["marketingCollectedFrom"])
    return said


def customer_body(node: Json) -> Values:
    """A `Customer` of GraphQL in the shape of a webhook body, tags and consents included."""
    body = _person(node)
    body["state"] = _lower(node["state"])
    body["tax_exempt"] = node["taxExempt"]
    body["tags"] = ", ".join(node["tags"])
    body["default_address"] = _address(node["defaultAddress"])
    body["addresses"] = [_address(item) for item in node["addressesV2"]["nodes"]]
    if node["defaultEmailAddress"]:
        body["email_marketing_consent"] = _consent(node["defaultEmailAddress"])
    if node["defaultPhoneNumber"]:
        body["sms_marketing_consent"] = _consent(node["defaultPhoneNumber"])
    return body


def _pairs(nodes: Sequence[Json]) -> list[Values]:
    return [{"name": item["key"], "value": item["value"]} for item in nodes]


def _taxes(nodes: Sequence[Json]) -> list[Values]:
    return [{"title": tax["title"], "rate": tax["rate"], "price": _amount(tax["priceSet"])} for tax in nodes]


def _allocations(nodes: Sequence[Json], applications: list[Values]) -> list[Values]:
    found: list[Values] = []
    for node in nodes:
        said: Json = node["discountApplication"]
        applications.append({"code": said.get("code"), "title": said.get("title")})
        found.append(
            {"amount": _amount(node["allocatedAmountSet"]), "discount_application_index": len(applications) - 1}
        )
    return found


def _transaction(node: Json) -> Values:
    return {
        "id": _number(node),
        "parent_id": _number(node["parentTransaction"]),
        "location_id": _number(node["location"]),
        "kind": _lower(node["kind"]),
        "status": _lower(node["status"]),
        "gateway": node["gateway"],
        "amount": _amount(node["amountSet"]),
        "currency": node["amountSet"]["shopMoney"]["currencyCode"],
        "created_at": node["createdAt"],
        "processed_at": node["processedAt"],
    }


def _fulfillment(node: Json) -> Values:
    display = node["displayStatus"]
    tracking: list[Json] = node["trackingInfo"]
    return {
        "id": _number(node),
        "status": _lower(node["status"]),
        "shipment_status": _lower(display) if display in _SHIPMENTS else None,
        "location_id": _number(node["location"]),
        "tracking_company": next((item["company"] for item in tracking), None),
        "tracking_numbers": [item["number"] for item in tracking if item["number"]],
        "tracking_urls": [item["url"] for item in tracking if item["url"]],
        "line_items": [
            {"id": _number(item["lineItem"]), "sku": item["lineItem"]["sku"], "quantity": item["quantity"] or 0}
            for item in node["fulfillmentLineItems"]["nodes"]
        ],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }


def _refund(node: Json) -> Values:
    return {
        "id": _number(node),
        "note": node["note"],
        "created_at": node["createdAt"],
        "refund_line_items": [
            {
                "line_item_id": _number(item["lineItem"]),
                "line_item": {"sku": item["lineItem"]["sku"]},
                "location_id": _number(item["location"]),
                "quantity": item["quantity"],
                "restock_type": _lower(item["restockType"]),
                "subtotal": _amount(item["subtotalSet"]),
                "total_tax": _amount(item["totalTaxSet"]),
            }
            for item in node["refundLineItems"]["nodes"]
        ],
        "transactions": [_transaction(item) for item in node["transactions"]["nodes"]],
    }


def _line(node: Json, applications: list[Values]) -> Values:
    return {
        "id": _number(node),
        "name": node["name"],
        "sku": node["sku"],
        "product_id": _number(node["product"]),
        "variant_id": _number(node["variant"]),
        "quantity": node["quantity"],
        "current_quantity": node["currentQuantity"],
        "price": _amount(node["originalUnitPriceSet"]),
        "gift_card": node["isGiftCard"],
        "properties": _pairs(node["customAttributes"]),
        "tax_lines": _taxes(node["taxLines"]),
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
            "price": _amount(item["originalPriceSet"]),
            "tax_lines": _taxes(item["taxLines"]),
            "discount_allocations": _allocations(item["discountAllocations"], applications),
        }
        for item in node["shippingLines"]["nodes"]
    ]
    return {
        "id": _number(node),
        "name": node["name"],
        "currency": node["currencyCode"],
        "presentment_currency": node["presentmentCurrencyCode"],
        "financial_status": _lower(node["displayFinancialStatus"]),
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
        "cancel_reason": _lower(node["cancelReason"]),
        "test": node["test"],
        "taxes_included": node["taxesIncluded"],
        "location_id": _number(node["retailLocation"]),
        "note_attributes": _pairs(node["customAttributes"]),
        "total_price": _amount(node["totalPriceSet"]),
        "total_price_set": _bag(node["totalPriceSet"]),
        "subtotal_price": _amount(node["subtotalPriceSet"]),
        "total_discounts": _amount(node["totalDiscountsSet"]),
        "total_tax": _amount(node["totalTaxSet"]),
        "total_tip_received": _amount(node["totalTipReceivedSet"]),
        "total_outstanding": _amount(node["totalOutstandingSet"]),
        "current_total_price": _amount(node["currentTotalPriceSet"]),
        "total_shipping_price_set": _bag(node["totalShippingPriceSet"]),
        "original_total_duties_set": _bag(node["originalTotalDutiesSet"]),
        "original_total_additional_fees_set": _bag(node["originalTotalAdditionalFeesSet"]),
        "total_cash_rounding_payment_adjustment_set": _bag(node["totalCashRoundingAdjustment"]["paymentSet"]),
        "billing_address": _address(node["billingAddress"]),
        "shipping_address": _address(node["shippingAddress"]),
        "customer": _person(node["customer"]) if node["customer"] else None,
        "line_items": lines,
        "shipping_lines": shipping,
        "tax_lines": _taxes(node["taxLines"]),
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
