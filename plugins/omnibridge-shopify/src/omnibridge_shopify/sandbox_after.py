"""What follows the sandbox's orders: goods that leave, money that goes back; as webhook bodies and as operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_bodies import local, pair, tax_in, text
from omnibridge_shopify.sandbox_graph import fulfillment_node, price, ref_node, transaction_node
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, problem

__all__ = ["After", "make_refund", "refund_body"]

Part = tuple[int, int, str]
"""The index of an order line, how many of it, and what becomes of the goods."""


def make_refund(order: Json, line: int, quantity: int, *, at: datetime, restock_type: str = "return") -> Json:
    """The body of `refunds/create` for some of one line of `order` (an order's body), with its money."""
    amount = Decimal(order["line_items"][line]["price"]) * quantity
    return refund_body(order, [(line, quantity, restock_type)], at=at, amount=amount, note="sent back")


def refund_body(
    order: Json, parts: Sequence[Part], *, at: datetime, amount: Decimal | None = None, note: str | None = None
) -> Json:
    """The body of `refunds/create` for lines of an order's body; `amount` is the money that goes back, if any does."""
    currency: str = order["currency"]
    id_ = order["id"] * 10 + len(order["refunds"])
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/Refund/{id_}",
        "order_id": order["id"],
        "created_at": local(at),
        "processed_at": local(at),
        "note": note,
        "user_id": None,
        "restock": any(restock != "no_restock" for _, _, restock in parts),
        "duties": [],
        "order_adjustments": [],
        "refund_shipping_lines": [],
        "return": None,
        "total_duties_set": pair(Decimal(0), currency),
        "refund_line_items": [_refunded(order, id_ + 1 + index, part) for index, part in enumerate(parts)],
        "transactions": [] if amount is None else [_money_back(order, id_ + 2, amount, at)],
    }


def _refunded(order: Json, id_: int, part: Part) -> Json:
    line, quantity, restock = part
    item: Json = order["line_items"][line]
    currency: str = order["currency"]
    subtotal = Decimal(item["price"]) * quantity
    tax = tax_in(subtotal, included=order["taxes_included"])
    return {
        "id": id_,
        "line_item_id": item["id"],
        "line_item": item,
        "location_id": None,
        "quantity": quantity,
        "restock_type": restock,
        "subtotal": float(subtotal),
        "subtotal_set": pair(subtotal, currency),
        "total_tax": float(text(tax, currency)),
        "total_tax_set": pair(tax, currency),
    }


def _money_back(order: Json, id_: int, amount: Decimal, at: datetime, parent: int | None = None) -> Json:
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{id_}",
        "amount": text(amount, order["currency"]),
        "created_at": local(at),
        "currency": order["currency"],
        "gateway": "shopify_payments",
        "kind": "refund",
        "order_id": order["id"],
        "parent_id": parent or order["id"] * 10 + 9,
        "processed_at": local(at),
        "status": "success",
        "test": False,
    }


class After:
    """Fulfilments and refunds of the orders, which are webhook bodies by number."""

    def __init__(self, ledger: Ledger, orders: dict[int, Json]) -> None:
        self._ledger = ledger
        self._orders = orders
        self.operations: dict[str, Operation] = {
            "Fulfillable": lambda v: {"order": self._fulfillable(v["id"])},
            "FulfillmentCreate": lambda v: {"fulfillmentCreate": self._fulfillment_create(v["fulfillment"])},
            "FulfillmentCancel": lambda v: {"fulfillmentCancel": self._fulfillment_cancel(v["id"])},
            "FulfillmentTracking": lambda v: {"fulfillmentTrackingInfoUpdate": self._tracking(v["id"], v["tracking"])},
            "Refundable": lambda v: {"order": self._refundable(v["id"])},
            "RefundCreate": self._refund_create,
        }

    def touch(self, body: Json) -> None:
        """The order changed: its time moves on, and `orders/updated` goes out."""
        at = max(self._ledger.now(), datetime.fromisoformat(body["updated_at"]) + timedelta(seconds=1))
        body["updated_at"] = local(at)
        self._ledger.announce("orders/updated", "ORDERS_UPDATED", body)

    # -- goods that leave ----------------------------------------------------------------------------------------------

    def fulfil(self, order: Json, parts: Mapping[int, int] | None = None, tracking: Json | None = None) -> Json:
        """Lines of an order are shipped (None: all that remains), and it is told; the fulfilment's body."""
        told = tracking or {"company": "Carrier", "numbers": ["TRACK1"], "urls": ["https://track.example.com/TRACK1"]}
        left = self._remaining(order)
        chosen = parts if parts is not None else {id_: count for id_, count in left.items() if count}
        numbers = list(told.get("numbers") or ([told["number"]] if told.get("number") else []))
        urls = list(told.get("urls") or ([told["url"]] if told.get("url") else []))
        made: Json = {
            "id": order["id"] * 10 + len(order["fulfillments"]),
            "order_id": order["id"],
            "status": "success",
            "shipment_status": None,
            "service": "manual",
            "location_id": 777,
            "tracking_company": told.get("company"),
            "tracking_number": numbers[0] if numbers else None,
            "tracking_numbers": numbers,
            "tracking_url": urls[0] if urls else None,
            "tracking_urls": urls,
            "created_at": local(self._ledger.now()),
            "updated_at": local(self._ledger.now()),
            "line_items": [
                {"id": item["id"], "sku": item["sku"], "quantity": chosen[item["id"]]}
                for item in order["line_items"]
                if chosen.get(item["id"])
            ],
        }
        order["fulfillments"].append(made)
        self._count(order)
        self._ledger.announce("fulfillments/create", "FULFILLMENTS_CREATE", made)
        self.touch(order)
        return made

    def _count(self, order: Json) -> None:
        left = sum(self._remaining(order).values())
        some = any(item["status"] == "success" for item in order["fulfillments"])
        order["fulfillment_status"] = ("partial" if left else "fulfilled") if some else None

    def _remaining(self, order: Json) -> dict[int, int]:
        left: dict[int, int] = {item["id"]: item["quantity"] for item in order["line_items"]}
        for made in order["fulfillments"]:
            if made["status"] == "success":
                for item in made["line_items"]:
                    left[item["id"]] -= item["quantity"]
        for refund in order["refunds"]:
            for item in refund["refund_line_items"]:
                if item["restock_type"] == "cancel":
                    left[item["line_item_id"]] -= item["quantity"]
        return left

    def _fulfillable(self, id_: str) -> Json | None:
        order = self._orders.get(int(gid_number(id_)))
        if order is None:
            return None
        left = self._remaining(order)
        lines = [
            {
                "id": gid("FulfillmentOrderLineItem", str(item["id"])),
                "remainingQuantity": left[item["id"]],
                "lineItem": {"id": gid("LineItem", str(item["id"])), "sku": item["sku"]},
            }
            for item in order["line_items"]
        ]
        status = "OPEN" if any(left.values()) else "CLOSED"
        return {
            "id": gid("Order", str(order["id"])),
            "fulfillmentOrders": {
                "nodes": [
                    {
                        "id": gid("FulfillmentOrder", str(order["id"])),
                        "status": status,
                        "lineItems": {"nodes": lines[:25]},
                    }
                ]
            },
            "fulfillments": [_shipped(item) for item in order["fulfillments"][:20]],
        }

    def _fulfillment_create(self, given: Json) -> Json:
        tracking: Json = given.get("trackingInfo") or {"numbers": []}
        for group in given["lineItemsByFulfillmentOrder"]:
            order = self._orders[int(gid_number(group["fulfillmentOrderId"]))]
            left = self._remaining(order)
            parts = {int(gid_number(item["id"])): item["quantity"] for item in group["fulfillmentOrderLineItems"]}
            if any(count > left.get(id_, 0) for id_, count in parts.items()):
                message = "Invalid fulfillment order line item quantity requested."
                return {"fulfillment": None, "userErrors": [problem(["fulfillment"], message)]}
            return {"fulfillment": _shipped(self.fulfil(order, parts, tracking)), "userErrors": []}
        return {"fulfillment": None, "userErrors": [problem(["fulfillment"], "Line items must be given")]}

    def _found(self, id_: str) -> tuple[Json, Json] | None:
        number = int(gid_number(id_))
        found = ((order, item) for order in self._orders.values() for item in order["fulfillments"])
        return next(((order, item) for order, item in found if item["id"] == number), None)

    def _fulfillment_cancel(self, id_: str) -> Json:
        found = self._found(id_)
        if found is None:
            return {"fulfillment": None, "userErrors": [problem(["id"], "Fulfillment not found.")]}
        order, item = found
        item["status"] = "cancelled"
        self._moved(order, item)
        return {"fulfillment": _shipped(item), "userErrors": []}

    def _tracking(self, id_: str, given: Json) -> Json:
        found = self._found(id_)
        if found is None:
            return {"fulfillment": None, "userErrors": [problem(["fulfillmentId"], "Fulfillment does not exist.")]}
        order, item = found
        item["tracking_company"] = given.get("company")
        numbers: list[str] = given.get("numbers") or []
        urls: list[str] = given.get("urls") or []
        item |= {"tracking_numbers": numbers, "tracking_number": numbers[0] if numbers else None}
        item |= {"tracking_urls": urls, "tracking_url": urls[0] if urls else None}
        self._moved(order, item)
        return {"fulfillment": _shipped(item), "userErrors": []}

    def _moved(self, order: Json, item: Json) -> None:
        at = max(self._ledger.now(), datetime.fromisoformat(item["updated_at"]) + timedelta(seconds=1))
        item["updated_at"] = local(at)
        self._count(order)
        self._ledger.announce("fulfillments/update", "FULFILLMENTS_UPDATE", item)
        self.touch(order)

    # -- money that goes back ------------------------------------------------------------------------------------------

    def refund(self, order: Json, made: Json) -> Json:
        """A refund's body is put into its order, and told: `refunds/create` and `orders/updated`."""
        order["refunds"].append(made)
        for item in made["refund_line_items"]:
            line = next(line for line in order["line_items"] if line["id"] == item["line_item_id"])
            line["current_quantity"] -= item["quantity"]
        if made["transactions"]:
            left = self._paid(order) - self._gone_back(order)
            order["financial_status"] = "partially_refunded" if left > 0 else "refunded"
        self._ledger.announce("refunds/create", "REFUNDS_CREATE", made)
        self.touch(order)
        return made

    def _paid(self, order: Json) -> Decimal:
        return sum((Decimal(item["amount"]) for item in self._sales(order)), Decimal(0))

    def _gone_back(self, order: Json) -> Decimal:
        money = [item for made in order["refunds"] for item in made["transactions"]]
        return sum((Decimal(item["amount"]) for item in money), Decimal(0))

    def _sales(self, order: Json) -> list[Json]:
        """The money that came for an order: as it was put down, else all of it at once when the order is paid."""
        if "transactions" in order:
            return [item for item in order["transactions"] if item["kind"] in ("sale", "capture")]
        if order["financial_status"] not in ("paid", "partially_refunded", "refunded"):
            return []
        sale = {**_money_back(order, order["id"] * 10 + 9, Decimal(order["total_price"]), self._ledger.now())}
        return [sale | {"kind": "sale", "parent_id": None}]

    def _refundable(self, id_: str) -> Json | None:
        order = self._orders.get(int(gid_number(id_)))
        if order is None:
            return None
        currency, back = order["currency"], self._gone_back(order)
        transactions: list[Json] = []
        for sale in self._sales(order):
            taken = min(back, Decimal(sale["amount"]))
            back -= taken
            left = Decimal(sale["amount"]) - taken
            transactions.append({**transaction_node(sale), "maximumRefundableV2": price(left, currency)["shopMoney"]})
        return {
            "id": gid("Order", str(order["id"])),
            "currencyCode": currency,
            "presentmentCurrencyCode": order["presentment_currency"],
            "lineItems": {
                "nodes": [
                    {
                        "id": gid("LineItem", str(item["id"])),
                        "sku": item["sku"],
                        "refundableQuantity": item["current_quantity"],
                    }
                    for item in order["line_items"][:100]
                ]
            },
            "transactions": transactions[:20],
        }

    def _refund_create(self, variables: Json) -> Json:
        made = self._ledger.once(variables["key"], variables["input"], self._make_refund, {"refund": None}, coded=False)
        return {"refundCreate": made}

    def _make_refund(self, given: Json) -> Json:
        order = self._orders.get(int(gid_number(given["orderId"])))
        if order is None:
            return {"refund": None, "userErrors": [problem(["orderId"], "Order does not exist")]}
        by_id = {item["id"]: index for index, item in enumerate(order["line_items"])}
        parts: list[Part] = []
        for row in given.get("refundLineItems") or ():
            index = by_id.get(int(gid_number(row["lineItemId"])))
            if index is None or row["quantity"] > order["line_items"][index]["current_quantity"]:
                message = "Refund line items quantity cannot refund more items than were purchased"
                return {"refund": None, "userErrors": [problem(["refundLineItems", "quantity"], message)]}
            parts.append((index, row["quantity"], row.get("restockType", "NO_RESTOCK").lower()))
        moved: list[Json] = given.get("transactions") or []
        amount = sum((Decimal(item["amount"]) for item in moved), Decimal(0)) if moved else None
        if amount is not None and amount > self._paid(order) - self._gone_back(order):
            message = "Refund amount cannot be greater than the amount that is refundable"
            return {"refund": None, "userErrors": [problem(["transactions", "amount"], message)]}
        body = refund_body(order, parts, at=self._ledger.now(), amount=amount, note=given.get("note"))
        self.refund(order, body)
        node = {
            "id": gid("Refund", str(body["id"])),
            "createdAt": self._ledger.stamp(),
            "note": body["note"],
            "transactions": {"nodes": [transaction_node(item) for item in body["transactions"]]},
        }
        return {"refund": node, "userErrors": []}


def _shipped(body: Json) -> Json:
    node = fulfillment_node(body, 25)
    if body["status"] == "cancelled":
        node["displayStatus"] = "CANCELED"
    return {**node, "location": ref_node("Location", body.get("location_id"))}
