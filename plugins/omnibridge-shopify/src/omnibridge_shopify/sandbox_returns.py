"""Goods that come back to the sandbox's shop: `Return` objects; webhooks tell little more than which one it is."""

from __future__ import annotations

from decimal import Decimal

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_graph import connection, price
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, problem

__all__ = ["Returns"]


class Returns:
    """Returns by number, as nodes whose lines are a list."""

    def __init__(self, ledger: Ledger, orders: dict[int, Json]) -> None:
        self._ledger = ledger
        self._orders = orders
        self.returns: dict[int, Json] = {}
        self.operations: dict[str, Operation] = {
            "Return": lambda v: {"return": self._shown(v["id"])},
            "ReturnLines": lambda v: {"return": self._shown(v["id"], 50, v["after"])},
            "Returnable": lambda v: {"order": self._returnable(v["id"])},
            "ReturnCreate": lambda v: {"returnCreate": self._create(v["returnInput"])},
            "ReturnCancel": lambda v: {"returnCancel": self._end(v["id"], "CANCELED", "cancel")},
            "ReturnClose": lambda v: {"returnClose": self._end(v["id"], "CLOSED", "close")},
            "ReturnProcess": lambda v: {"returnProcess": self._process(v["input"])},
        }

    # -- by other hands ------------------------------------------------------------------------------------------------

    def request(self, order: Json, line: int = 0, quantity: int = 1, reason: str = "UNWANTED", note: str = "") -> Json:
        """A buyer asks to send something back: `returns/request` goes out; the node."""
        item: Json = order["line_items"][line]
        rows = [(item, quantity, {"returnReason": reason, "returnReasonNote": "", "customerNote": note or None})]
        return self._make(order, rows, "REQUESTED", "request")

    def change(self, number: int, status: str, verb: str, decline: Json | None = None) -> Json:
        """The shop decides: `returns/<verb>` goes out; the node."""
        node = self.returns[number]
        node["status"], node["decline"] = status, decline
        if status in ("CLOSED", "CANCELED", "DECLINED"):
            node["closedAt"] = self._ledger.stamp()
        self._announce(node, verb)
        return node

    def receive(self, number: int) -> Json:
        """All its goods have come back and are processed: `returns/process` goes out; the node."""
        node = self.returns[number]
        for line in node["returnLineItems"]:
            line |= {"processedQuantity": line["quantity"], "unprocessedQuantity": 0}
        self._announce(node, "process")
        return node

    def of(self, order: int) -> list[str]:
        """The ids of an order's returns."""
        return [node["id"] for node in self.returns.values() if node["order"]["id"] == gid("Order", str(order))]

    # -- operations ----------------------------------------------------------------------------------------------------

    def _announce(self, node: Json, verb: str) -> None:
        self._ledger.announce(f"returns/{verb}", f"RETURNS_{verb.upper()}", {"admin_graphql_api_id": node["id"]})

    def _make(self, order: Json, rows: list[tuple[Json, int, Json]], status: str, verb: str) -> Json:
        number = self._ledger.number()
        currency: str = order["currency"]
        node: Json = {
            "id": gid("Return", str(number)),
            "name": f"{order['name']}-R{len(self.of(order['id'])) + 1}",
            "status": status,
            "createdAt": self._ledger.stamp(),
            "closedAt": None,
            "requestApprovedAt": self._ledger.stamp() if status == "OPEN" else None,
            "order": {"id": gid("Order", str(order["id"]))},
            "decline": None,
            "returnLineItems": [
                {
                    "__typename": "ReturnLineItem",
                    "id": gid("ReturnLineItem", str(number * 100 + index)),
                    "quantity": quantity,
                    "processedQuantity": 0,
                    "unprocessedQuantity": quantity,
                    **said,
                    "withCodeDiscountedTotalPriceSet": price(Decimal(item["price"]) * quantity, currency),
                    "fulfillmentLineItem": {
                        "id": gid("FulfillmentLineItem", str(item["id"])),
                        "lineItem": {"id": gid("LineItem", str(item["id"])), "sku": item["sku"]},
                    },
                }
                for index, (item, quantity, said) in enumerate(rows)
            ],
        }
        self.returns[number] = node
        self._announce(node, verb)
        return node

    def _shown(self, id_: str, first: int = 25, after: str | None = None) -> Json | None:
        node = self.returns.get(int(gid_number(id_)))
        return {**node, "returnLineItems": connection(node["returnLineItems"], first, after)} if node else None

    def _returnable(self, id_: str) -> Json | None:
        order = self._orders.get(int(gid_number(id_)))
        if order is None:
            return None
        return {
            "id": id_,
            "fulfillments": [
                {
                    "id": gid("Fulfillment", str(made["id"])),
                    "status": made["status"].upper(),
                    "fulfillmentLineItems": {
                        "nodes": [
                            {
                                "id": gid("FulfillmentLineItem", str(item["id"])),
                                "quantity": item["quantity"],
                                "lineItem": {"id": gid("LineItem", str(item["id"])), "sku": item["sku"]},
                            }
                            for item in made["line_items"]
                        ]
                    },
                }
                for made in order["fulfillments"]
            ],
            "returns": {"nodes": [self._shown(each) for each in self.of(order["id"])]},
        }

    def _create(self, given: Json) -> Json:
        order = self._orders.get(int(gid_number(given["orderId"])))
        if order is None:
            return _failed(["returnInput", "orderId"], "Order does not exist.", "NOT_FOUND")
        sent: dict[int, int] = {}
        for made in order["fulfillments"]:
            for item in made["line_items"]:
                sent[item["id"]] = sent.get(item["id"], 0) + item["quantity"]
        rows: list[tuple[Json, int, Json]] = []
        for row in given["returnLineItems"]:
            id_ = int(gid_number(row["fulfillmentLineItemId"]))
            if row["quantity"] > sent.get(id_, 0) - self._coming(order["id"], id_):
                return _failed(
                    ["returnInput", "returnLineItems"], "Return line item has an invalid quantity.", "INVALID"
                )
            item = next(item for item in order["line_items"] if item["id"] == id_)
            said = {"returnReason": row["returnReason"], "returnReasonNote": row.get("returnReasonNote", "")}
            rows.append((item, row["quantity"], {**said, "customerNote": None}))
        node = self._make(order, rows, "OPEN", "approve")
        return {"return": self._shown(node["id"]), "userErrors": []}

    def _coming(self, order: int, line: int) -> int:
        nodes = [self.returns[int(gid_number(id_))] for id_ in self.of(order)]
        lines = [item for node in nodes if node["status"] in ("OPEN", "CLOSED") for item in node["returnLineItems"]]
        of = gid("LineItem", str(line))
        return sum(item["quantity"] for item in lines if item["fulfillmentLineItem"]["lineItem"]["id"] == of)

    def _end(self, id_: str, status: str, verb: str) -> Json:
        node = self.returns.get(int(gid_number(id_)))
        if node is None:
            return _failed(["id"], "Return not found.", "NOT_FOUND")
        if node["status"] not in ("OPEN", status):
            return _failed(["id"], f"Return is {node['status'].lower()}.", "INVALID_STATE")
        if node["status"] != status:
            self.change(int(gid_number(id_)), status, verb)
        return {"return": self._shown(id_), "userErrors": []}

    def _process(self, given: Json) -> Json:
        node = self.returns.get(int(gid_number(given["returnId"])))
        if node is None:
            return _failed(["input", "returnId"], "Return not found.", "NOT_FOUND")
        if node["status"] != "OPEN":
            return _failed(["input", "returnId"], f"Return is {node['status'].lower()}.", "INVALID_STATE")
        lines = {line["id"]: line for line in node["returnLineItems"]}
        for row in given["returnLineItems"]:
            line = lines[row["id"]]
            if row["quantity"] > line["unprocessedQuantity"]:
                return _failed(["input", "returnLineItems"], "Quantity is more than can be processed.", "INVALID")
            line["processedQuantity"] += row["quantity"]
            line["unprocessedQuantity"] -= row["quantity"]
        self._announce(node, "process")
        return {"return": self._shown(node["id"]), "userErrors": []}


def _failed(field: list[str], message: str, code: str) -> Json:
    return {"return": None, "userErrors": [problem(field, message, code)]}
