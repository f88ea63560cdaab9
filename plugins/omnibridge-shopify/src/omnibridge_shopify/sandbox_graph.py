"""The sandbox's records as GraphQL answers: an order's webhook body as an `Order`, lists as connections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from omnibridge.model import decimal_text
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid

__all__ = [
    "address_node",
    "connection",
    "customer_node",
    "fulfillment_node",
    "order_node",
    "price",
    "ref_node",
    "refund_node",
    "tax_nodes",
    "transaction_node",
    "zulu",
]


def zulu(text: str | None) -> str | None:
    """A time of a webhook body as GraphQL writes it: in UTC, with a Z."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


def connection(nodes: Sequence[Json], first: int, after: str | None = None) -> Json:
    """A page of `nodes`; a cursor is the position of the last one shown."""
    start = int(after) if after else 0
    end = min(start + first, len(nodes))
    more = end < len(nodes)
    return {
        "nodes": list(nodes[start:end]),
        "pageInfo": {"hasNextPage": more, "endCursor": str(end) if nodes else None},
    }


def _money(amount: object, currency: str) -> Json:
    text = decimal_text(Decimal(str(amount)).normalize())
    return {"amount": text if "." in text else f"{text}.0", "currencyCode": currency}


def _pair(pair: Json | None) -> Json | None:
    if pair is None:
        return None
    names = {"shop_money": "shopMoney", "presentment_money": "presentmentMoney"}
    return {ours: _money(pair[theirs]["amount"], pair[theirs]["currency_code"]) for theirs, ours in names.items()}


def price(amount: object, currency: str) -> Json:
    """An amount in the shop's currency."""
    return {"shopMoney": _money(amount, currency)}


def _only_shop(pair: Json | None) -> Json | None:
    return {"shopMoney": _money(pair["shop_money"]["amount"], pair["shop_money"]["currency_code"])} if pair else None


def address_node(body: Json | None) -> Json | None:
    """A postal address."""
    if body is None:
        return None
    plain = ("name", "company", "address1", "address2", "city", "province", "zip", "country", "phone")
    return {
        **{name: body.get(name) for name in plain},
        "provinceCode": body.get("province_code"),
        "countryCodeV2": body.get("country_code"),
    }


def ref_node(kind: str, number: int | None) -> Json | None:
    """A record within another, by its id."""
    return {"id": gid(kind, str(number))} if number else None


def tax_nodes(items: Sequence[Json], currency: str) -> list[Json]:
    """Tax lines."""
    return [{"title": tax["title"], "rate": tax["rate"], "priceSet": price(tax["price"], currency)} for tax in items]


def _allocations(items: Sequence[Json], applications: Sequence[Json], currency: str) -> list[Json]:
    found: list[Json] = []
    for item in items:
        index: int = item["discount_application_index"]
        application = applications[index]
        said: Json = (
            {"__typename": "DiscountCodeApplication", "code": application["code"]}
            if application["type"] == "discount_code"
            else {"__typename": "ManualDiscountApplication", "title": application["title"]}
        )
        found.append({"allocatedAmountSet": price(item["amount"], currency), "discountApplication": said})
    return found


def _line(body: Json, order: Json) -> Json:
    currency = order["currency"]
    return {
        "id": gid("LineItem", str(body["id"])),
        "name": body["name"],
        "sku": body["sku"],
        "quantity": body["quantity"],
        "currentQuantity": body["current_quantity"],
        "isGiftCard": body["gift_card"],
        "product": ref_node("Product", body["product_id"]),
        "variant": ref_node("ProductVariant", body["variant_id"]),
        "customAttributes": [{"key": item["name"], "value": item["value"]} for item in body["properties"]],
        "originalUnitPriceSet": price(body["price"], currency),
        "taxLines": tax_nodes(body["tax_lines"], currency),
        "discountAllocations": _allocations(body["discount_allocations"], order["discount_applications"], currency),
    }


def transaction_node(body: Json) -> Json:
    """A movement of money."""
    return {
        "id": gid("OrderTransaction", str(body["id"])),
        "kind": body["kind"].upper(),
        "status": body["status"].upper(),
        "gateway": body["gateway"],
        "createdAt": zulu(body["created_at"]),
        "processedAt": zulu(body["processed_at"]),
        "parentTransaction": ref_node("OrderTransaction", body.get("parent_id")),
        "location": ref_node("Location", body.get("location_id")),
        "amountSet": price(body["amount"], body["currency"]),
    }


def fulfillment_node(body: Json, first: int = 10, after: str | None = None) -> Json:
    """A fulfilment of an order's body as a `Fulfillment`."""
    shipment = body.get("shipment_status")
    lines: list[Json] = [
        {"quantity": item["quantity"], "lineItem": {"id": gid("LineItem", str(item["id"])), "sku": item["sku"]}}
        for item in body["line_items"]
    ]
    return {
        "id": gid("Fulfillment", str(body["id"])),
        "status": body["status"].upper(),
        "displayStatus": shipment.upper() if shipment else "FULFILLED",
        "createdAt": zulu(body["created_at"]),
        "updatedAt": zulu(body["updated_at"]),
        "location": ref_node("Location", body.get("location_id")),
        "trackingInfo": [
            {"company": body["tracking_company"], "number": number, "url": url}
            for number, url in zip(body["tracking_numbers"], body["tracking_urls"], strict=True)
        ],
        "fulfillmentLineItems": connection(lines, first, after),
    }


def refund_node(body: Json, currency: str, first: int = 5, after: str | None = None) -> Json:
    """A refund of an order's body as a `Refund`."""
    lines: list[Json] = [
        {
            "quantity": item["quantity"],
            "restockType": item["restock_type"].upper(),
            "lineItem": {"id": gid("LineItem", str(item["line_item_id"])), "sku": item["line_item"]["sku"]},
            "location": ref_node("Location", item.get("location_id")),
            "subtotalSet": price(item["subtotal"], currency),
            "totalTaxSet": price(item["total_tax"], currency),
        }
        for item in body["refund_line_items"]
    ]
    return {
        "id": gid("Refund", str(body["id"])),
        "createdAt": zulu(body["created_at"]),
        "note": body["note"],
        "return": ref_node("Return", body["return"]["id"]) if body["return"] else None,
        "refundLineItems": connection(lines, first, after),
        "transactions": {"nodes": [transaction_node(item) for item in body["transactions"][:3]]},
    }


def customer_node(body: Json | None) -> Json | None:
    """A customer as far as orders tell of one."""
    if body is None:
        return None
    return {
        "id": gid("Customer", str(body["id"])),
        "firstName": body["first_name"],
        "lastName": body["last_name"],
        "note": body["note"],
        "verifiedEmail": body["verified_email"],
        "createdAt": zulu(body["created_at"]),
        "updatedAt": zulu(body["updated_at"]),
        "defaultEmailAddress": {"emailAddress": body["email"]} if body["email"] else None,
        "defaultPhoneNumber": {"phoneNumber": body["phone"]} if body["phone"] else None,
    }


_FULFILMENT = {None: "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "fulfilled": "FULFILLED"}


def order_node(body: Json, first: int = 25, after: str | None = None, returns: Sequence[str] = ()) -> Json:
    """An order's webhook body as an `Order`, with every field that the connector's documents ask for."""
    currency = body["currency"]
    reason = body["cancel_reason"]
    return {
        "id": gid("Order", str(body["id"])),
        "name": body["name"],
        "createdAt": zulu(body["created_at"]),
        "updatedAt": zulu(body["updated_at"]),
        "processedAt": zulu(body["processed_at"]),
        "cancelledAt": zulu(body["cancelled_at"]),
        "closedAt": zulu(body["closed_at"]),
        "cancelReason": reason.upper() if reason else None,
        "test": body["test"],
        "taxesIncluded": body["taxes_included"],
        "currencyCode": currency,
        "presentmentCurrencyCode": body["presentment_currency"],
        "displayFinancialStatus": body["financial_status"].upper(),
        "displayFulfillmentStatus": _FULFILMENT[body["fulfillment_status"]],
        "email": body["email"] or None,
        "phone": body["phone"],
        "note": body["note"],
        "tags": [tag.strip() for tag in body["tags"].split(",") if tag.strip()],
        "sourceName": body["source_name"],
        "sourceIdentifier": body["source_identifier"],
        "poNumber": body["po_number"],
        "confirmationNumber": body["confirmation_number"],
        "customerLocale": body["customer_locale"],
        "paymentGatewayNames": body["payment_gateway_names"],
        "customAttributes": [{"key": item["name"], "value": item["value"]} for item in body["note_attributes"]],
        "retailLocation": ref_node("Location", body["location_id"]),
        "totalPriceSet": _pair(body["total_price_set"]),
        "subtotalPriceSet": price(body["subtotal_price"], currency),
        "totalDiscountsSet": price(body["total_discounts"], currency),
        "totalTaxSet": price(body["total_tax"], currency),
        "totalTipReceivedSet": price(body["total_tip_received"], currency),
        "totalOutstandingSet": price(body["total_outstanding"], currency),
        "totalShippingPriceSet": _only_shop(body["total_shipping_price_set"]),
        "currentTotalPriceSet": price(body["current_total_price"], currency),
        "originalTotalDutiesSet": _only_shop(body["original_total_duties_set"]),
        "originalTotalAdditionalFeesSet": _only_shop(body["original_total_additional_fees_set"]),
        "totalCashRoundingAdjustment": {"paymentSet": _only_shop(body["total_cash_rounding_payment_adjustment_set"])},
        "billingAddress": address_node(body["billing_address"]),
        "shippingAddress": address_node(body["shipping_address"]),
        "customer": customer_node(body["customer"]),
        "taxLines": tax_nodes(body["tax_lines"], currency),
        "lineItems": connection([_line(item, body) for item in body["line_items"]], first, after),
        "shippingLines": {
            "nodes": [
                {
                    "title": item["title"],
                    "code": item["code"],
                    "isRemoved": item["is_removed"],
                    "originalPriceSet": price(item["price"], currency),
                    "taxLines": tax_nodes(item["tax_lines"], currency),
                    "discountAllocations": _allocations(
                        item["discount_allocations"], body["discount_applications"], currency
                    ),
                }
                for item in body["shipping_lines"][:5]
            ]
        },
        "fulfillments": [fulfillment_node(item) for item in body["fulfillments"][:10]],
        "refunds": [refund_node(item, currency) for item in body["refunds"][:10]],
        "transactions": [transaction_node(item) for item in body.get("transactions", ())][:10],
        "returns": {"nodes": [{"id": id_} for id_ in returns[:10]]},
    }
