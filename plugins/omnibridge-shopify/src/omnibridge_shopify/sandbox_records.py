"""What the sandbox's shop holds beside its customers, and what each operation of the connector does to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_bodies import Item, local, make_order
from omnibridge_shopify.sandbox_customers import Announce, Customers, problem, since
from omnibridge_shopify.sandbox_graph import connection, fulfillment_node, order_node, refund_node

__all__ = ["Records", "Refused"]


class Refused(Exception):
    """The request does not fit: a top-level error rather than a user error."""


class Records(Customers):
    """Customers, orders as webhook bodies, stock as numbers, subscriptions; and the operations on them."""

    def __init__(self, shop: str, currency: str, now: Callable[[], datetime], announce: Announce) -> None:
        super().__init__(currency, now, announce)
        self.shop = shop
        self.orders: dict[int, Json] = {}
        self.levels: dict[tuple[str, str], dict[str, int]] = {}
        self.subscriptions: dict[str, Json] = {}
        self._keys: dict[str, tuple[Json, Json]] = {}
        self.operations |= {
            "Probe": lambda _: {"shop": {"myshopifyDomain": self.shop, "currencyCode": self.currency}},
            "Orders": self._orders_page,
            "Order": lambda v: {"order": self._order(v["id"])},
            "OrderLines": self._order_lines,
            "FulfillmentLines": self._fulfillment_lines,
            "RefundLines": self._refund_lines,
            "OrderBySource": self._by_source,
            "OrderCreate": self._order_create,
            "InventorySet": self._inventory_set,
            "InventoryLevel": self._inventory_level,
            "Webhooks": self._webhooks,
            "WebhookCreate": self._webhook_create,
            "WebhookDelete": self._webhook_delete,
        }

    def answer(self, name: str, variables: Json) -> Json:
        """The `data` of an operation. Raises Refused."""
        return self.operations[name](variables)

    def tables(self) -> dict[str, list[Json]]:
        """Everything, for people and tests."""
        return {
            "customers": list(self.customers.values()),
            "orders": list(self.orders.values()),
            "levels": [{"item": item, "location": place, **counts} for (item, place), counts in self.levels.items()],
            "subscriptions": list(self.subscriptions.values()),
        }

    # -- orders ------------------------------------------------------------------------------------------------------

    def _order(self, id_: str) -> Json | None:
        body = self.orders.get(int(gid_number(id_)))
        return order_node(body) if body is not None else None

    def _orders_page(self, variables: Json) -> Json:
        nodes = since([order_node(body) for body in self.orders.values()], variables["query"])
        return {"orders": connection(nodes, min(variables["first"], self.largest_page), variables["after"])}

    def _order_lines(self, variables: Json) -> Json:
        body = self.orders.get(int(gid_number(variables["id"])))
        return {"order": order_node(body, 50, variables["after"]) if body is not None else None}

    def _fulfillment_lines(self, variables: Json) -> Json:
        number = int(gid_number(variables["id"]))
        for body in self.orders.values():
            for item in body["fulfillments"]:
                if item["id"] == number:
                    return {"node": {"__typename": "Fulfillment", **fulfillment_node(item, 100, variables["after"])}}
        return {"node": None}

    def _refund_lines(self, variables: Json) -> Json:
        number = int(gid_number(variables["id"]))
        for body in self.orders.values():
            for item in body["refunds"]:
                if item["id"] == number:
                    return {"refund": refund_node(item, body["currency"], 50, variables["after"])}
        return {"refund": None}

    def _by_source(self, variables: Json) -> Json:
        wanted = variables["query"].removeprefix("source_identifier:").strip('"')
        found = [order_node(body) for body in self.orders.values() if body["source_identifier"] == wanted]
        return {"orders": connection(found, 5)}

    def _order_create(self, variables: Json) -> Json:
        given: Json = variables["order"]
        if not given.get("lineItems"):
            error = problem(["order", "lineItems"], "Line items must have at least one line item", "INVALID")
            return {"orderCreate": {"order": None, "userErrors": [error]}}
        items: list[Item] = [
            {
                "sku": line.get("sku") or "",
                "title": line["title"],
                "price": line["priceSet"]["shopMoney"]["amount"],
                "quantity": line["quantity"],
            }
            for line in given["lineItems"]
        ]
        discount: Json = given.get("discountCode") or {}
        code: Json = discount.get("itemFixedDiscountCode") or {}
        body = make_order(
            len(self.orders) + 1,
            at=self._now(),
            items=items,
            currency=given["currency"],
            financial_status=given.get("financialStatus", "PAID").lower(),
            discount=Decimal(code["amountSet"]["shopMoney"]["amount"]) if code else Decimal(0),
            source_identifier=given.get("sourceIdentifier"),
        )
        self.orders[body["id"]] = body
        self._announce("orders/create", "ORDERS_CREATE", body)
        return {"orderCreate": {"order": order_node(body), "userErrors": []}}

    # -- stock -------------------------------------------------------------------------------------------------------

    def _inventory_set(self, variables: Json) -> Json:
        key, given = variables["key"], variables["input"]
        if key in self._keys:
            before, payload = self._keys[key]
            if before != given:
                return _stock_error([], "The key was used with other parameters", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
            if payload["userErrors"]:
                return _stock_error([], "The previous attempt failed", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
            return {"inventorySetQuantities": payload}
        answer = self._set_stock(given)
        self._keys[key] = (given, answer["inventorySetQuantities"])
        return answer

    def _set_stock(self, given: Json) -> Json:
        changes: list[Json] = []
        for index, row in enumerate(given["quantities"]):
            at = ["input", "quantities", str(index)]
            if "changeFromQuantity" not in row:
                raise Refused("changeFromQuantity must be given, null to compare with nothing")
            place = gid_number(row["inventoryItemId"]), gid_number(row["locationId"])
            level = self.levels.get(place)
            if level is None:
                return _stock_error(at, "The inventory item is not stocked at the location", "INVALID_INVENTORY_ITEM")
            name = given["name"]
            if row["changeFromQuantity"] not in (None, level[name]):
                return _stock_error(at, "The quantity has changed since", "CHANGE_FROM_QUANTITY_STALE")
            delta = row["quantity"] - level[name]
            level[name] = row["quantity"]
            changes.append({"name": name, "delta": delta, "quantityAfterChange": row["quantity"]})
            if delta:
                body = {
                    "inventory_item_id": int(place[0]),
                    "location_id": int(place[1]),
                    "available": level["available"],
                    "updated_at": local(self._now()),
                    "admin_graphql_api_id": f"gid://shopify/InventoryLevel/1?inventory_item_id={place[0]}",
                }
                self._announce("inventory_levels/update", "INVENTORY_LEVELS_UPDATE", body)
        group = {"createdAt": self._stamp(), "changes": changes}
        return {"inventorySetQuantities": {"inventoryAdjustmentGroup": group, "userErrors": []}}

    def _inventory_level(self, variables: Json) -> Json:
        item, place = gid_number(variables["item"]), gid_number(variables["location"])
        level = self.levels.get((item, place))
        found = {
            "isActive": True,
            "updatedAt": self._stamp(),
            "quantities": [{"name": name, "quantity": count} for name, count in (level or {}).items()],
        }
        return {"inventoryItem": {"sku": f"SKU-{item}", "inventoryLevel": found if level is not None else None}}

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def _webhooks(self, variables: Json) -> Json:
        return {
            "webhookSubscriptions": connection(
                list(self.subscriptions.values()), variables["first"], variables["after"]
            )
        }

    def _webhook_create(self, variables: Json) -> Json:
        topic, uri = variables["topic"], variables["webhookSubscription"]["uri"]
        if any(item["topic"] == topic and item["uri"] == uri for item in self.subscriptions.values()):
            error = problem(["webhookSubscription", "callbackUrl"], "Address for this topic has already been taken")
            return {"webhookSubscriptionCreate": {"webhookSubscription": None, "userErrors": [error]}}
        node: Json = {"id": gid("WebhookSubscription", str(self._number())), "topic": topic, "uri": uri}
        self.subscriptions[node["id"]] = node
        return {"webhookSubscriptionCreate": {"webhookSubscription": node, "userErrors": []}}

    def _webhook_delete(self, variables: Json) -> Json:
        gone = self.subscriptions.pop(variables["id"], None)
        errors = [] if gone else [problem(["id"], "Webhook subscription does not exist")]
        id_ = variables["id"] if gone else None
        return {"webhookSubscriptionDelete": {"deletedWebhookSubscriptionId": id_, "userErrors": errors}}


def _stock_error(field: Sequence[str], message: str, code: str) -> Json:
    error = problem(field, message, code)
    return {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": [error]}}
