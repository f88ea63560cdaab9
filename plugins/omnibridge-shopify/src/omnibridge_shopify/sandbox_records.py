"""What the sandbox's shop holds beside its customers, and what each operation of the connector does to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from omnibridge_shopify.documents_bulk import ALL_CUSTOMERS, ALL_PRODUCTS, ALL_STOCK
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_after import After
from omnibridge_shopify.sandbox_bodies import Item, make_order
from omnibridge_shopify.sandbox_bulk import Bulk
from omnibridge_shopify.sandbox_carts import Carts
from omnibridge_shopify.sandbox_customers import Customers
from omnibridge_shopify.sandbox_goods import Goods
from omnibridge_shopify.sandbox_graph import connection, fulfillment_node, order_node, refund_node
from omnibridge_shopify.sandbox_ledger import Announce, Ledger, Operation, Refused, problem, since
from omnibridge_shopify.sandbox_returns import Returns

__all__ = ["Records", "Refused"]


class Records:
    """The shop: orders as webhook bodies and subscriptions here, everything else in parts of its own."""

    def __init__(self, shop: str, currency: str, now: Callable[[], datetime], announce: Announce) -> None:
        self.shop = shop
        self.ledger = Ledger(currency, now, announce)
        self.people = Customers(self.ledger)
        self.goods = Goods(self.ledger)
        self.carts = Carts(self.ledger)
        self.orders: dict[int, Json] = {}
        self.after = After(self.ledger, self.orders)
        self.returns = Returns(self.ledger, self.orders)
        self.bulk = Bulk(
            self.ledger,
            {
                ALL_CUSTOMERS: lambda: list(self.customers.values()),
                ALL_PRODUCTS: lambda: [
                    {**node, "variants": {"nodes": node["variants"]}} for node in self.goods.products.values()
                ],
                ALL_STOCK: self.goods.stock,
            },
        )
        self.subscriptions: dict[str, Json] = {}
        self.customers = self.people.customers
        self.add_customer = self.people.add_customer
        self.levels = self.goods.levels
        self.operations: dict[str, Operation] = {
            "Probe": lambda _: {"shop": {"myshopifyDomain": self.shop, "currencyCode": self.ledger.currency}},
            "Orders": self._orders_page,
            "Order": lambda v: {"order": self._order(v["id"])},
            "OrderLines": self._order_lines,
            "FulfillmentLines": self._fulfillment_lines,
            "RefundLines": self._refund_lines,
            "OrderBySource": self._by_source,
            "OrderCreate": self._order_create,
            "Webhooks": self._webhooks,
            "WebhookCreate": self._webhook_create,
            "WebhookDelete": self._webhook_delete,
            **self.people.operations,
            **self.goods.operations,
            **self.carts.operations,
            **self.after.operations,
            **self.returns.operations,
            **self.bulk.operations,
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
            "products": list(self.goods.products.values()),
            "locations": list(self.goods.locations.values()),
            "carts": list(self.carts.carts.values()),
            "returns": list(self.returns.returns.values()),
        }

    # -- orders ------------------------------------------------------------------------------------------------------

    def _order(self, id_: str) -> Json | None:
        body = self.orders.get(int(gid_number(id_)))
        return order_node(body, returns=self.returns.of(body["id"])) if body is not None else None

    def _orders_page(self, variables: Json) -> Json:
        nodes = since([order_node(body) for body in self.orders.values()], variables["query"])
        return {"orders": connection(nodes, min(variables["first"], self.ledger.largest_page), variables["after"])}

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
            at=self.ledger.now(),
            items=items,
            currency=given["currency"],
            financial_status=given.get("financialStatus", "PAID").lower(),
            discount=Decimal(code["amountSet"]["shopMoney"]["amount"]) if code else Decimal(0),
            source_identifier=given.get("sourceIdentifier"),
        )
        self.orders[body["id"]] = body
        self.ledger.announce("orders/create", "ORDERS_CREATE", body)
        return {"orderCreate": {"order": order_node(body), "userErrors": []}}

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
        node: Json = {"id": gid("WebhookSubscription", str(self.ledger.number())), "topic": topic, "uri": uri}
        self.subscriptions[node["id"]] = node
        return {"webhookSubscriptionCreate": {"webhookSubscription": node, "userErrors": []}}

    def _webhook_delete(self, variables: Json) -> Json:
        gone = self.subscriptions.pop(variables["id"], None)
        errors = [] if gone else [problem(["id"], "Webhook subscription does not exist")]
        id_ = variables["id"] if gone else None
        return {"webhookSubscriptionDelete": {"deletedWebhookSubscriptionId": id_, "userErrors": errors}}
