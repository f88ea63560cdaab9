"""A small Square in memory: customers, orders, payments, stock, catalogue and webhooks, as its API answers for them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from omnibridge.connector import Response, SandboxRequest, json_response
from omnibridge.errors import InvalidMessage
from omnibridge_square.sandbox_base import matches
from omnibridge_square.sandbox_catalog import CatalogSandbox
from omnibridge_square.sandbox_orders import Refusal, apply_sparse, invalid, price
from omnibridge_square.wire import Json, instant, wire_instant

__all__ = ["SquareSandbox"]

_MOVABLE = {"IN_STOCK", "NONE", "SOLD", "UNLINKED_RETURN", "WASTE"}
"""The states that the API moves stock to and from; the specification calls the others read-only."""


class SquareSandbox(CatalogSandbox):
    """Square as this connector uses it."""

    # -- what people do ---------------------------------------------------------------------------------------------

    def count_stock(self, variation: str, location: str, quantity: str, state: str = "IN_STOCK") -> None:
        """Staff count, or a sale lowers, the stock."""
        self._count(variation, location, quantity, state)
        told = [self.counts[variation, location, state]]
        self._notify("inventory.count.updated", "inventory_counts", self._id("CNT"), {"inventory_counts": told})

    # -- the API ----------------------------------------------------------------------------------------------------

    def respond(self, request: SandboxRequest) -> Response:
        """Square's answer; errors come as its `errors` array."""
        try:
            if request.headers.get("authorization") != f"Bearer {self.token}":
                raise Refusal(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized.")
            body: Json = request.json() if request.body else {}
            return json_response(self._route(request, body))
        except Refusal as refusal:
            return json_response({"errors": [refusal.error]}, refusal.status)
        except InvalidMessage:
            error = {"category": "INVALID_REQUEST_ERROR", "code": "EXPECTED_JSON_BODY", "detail": "Not JSON."}
            return json_response({"errors": [error]}, 400)

    def records(self) -> Mapping[str, list[Json]]:
        """What is kept, by table."""
        return {
            "customers": list(self.customers.values()),
            "orders": list(self.orders.values()),
            "payments": list(self.payments.values()),
            "refunds": list(self.refunds.values()),
            "counts": list(self.counts.values()),
            "items": list(self.items.values()),
            "accounts": list(self.accounts.values()),
            "events": self.events,
            "cards": list(self.cards.values()),
            "activities": self.activities,
            "subscriptions": list(self.subscriptions.values()),
        }

    def _route(self, request: SandboxRequest, body: Json) -> Json:
        parts = tuple(request.path.strip("/").split("/"))[1:]
        method, query = request.method, request.query
        match (method, *parts):
            case ("GET", "locations"):
                return {"locations": list(self.locations.values())}
            case ("POST", "customers"):
                return self._once(body, lambda: {"customer": self._new_customer(body)})
            case ("POST", "customers", "search"):
                return self._search_customers(body)
            case ("GET", "customers", id_):
                return {"customer": self._customer(id_)}
            case ("DELETE", "customers", id_):
                self._delete_customer(id_)
                return {}
            case ("PUT", "customers", id_):
                return {"customer": self._change_customer(id_, body)}
            case ("POST", "orders"):
                return self._once(body, lambda: {"order": self._new_order(body["order"])})
            case ("POST", "orders", "calculate"):
                order: Json = copy.deepcopy(body["order"])
                price(order)
                return {"order": order}
            case ("POST", "orders", "search"):
                return self._search_orders(body)
            case ("GET", "orders", id_):
                return {"order": self._order(id_)}
            case ("PUT", "orders", id_):
                return {"order": self._change_order(id_, body)}
            case ("POST", "payments"):
                return self._once(body, lambda: {"payment": self._new_payment(body)})
            case ("POST", "refunds"):
                return self._once(body, lambda: {"refund": self._new_refund(body)})
            case ("GET", "payments" | "refunds" as table):
                return self._list(table, query)
            case ("GET", "payments" | "refunds" as table, id_):
                return {table[:-1]: self._known(getattr(self, table), id_)}
            case ("POST", "inventory", "changes", "batch-create"):
                return self._once(body, lambda: self._change_stock(body))
            case ("POST", "inventory", "counts", "batch-retrieve"):
                return self._stock(body)
            case (_, "catalog", *rest):
                return self._catalog(method, rest, body)
            case (_, "loyalty" | "gift-cards", *_):
                return self._ledgers(method, list(parts), query, body)
            case (_, "webhooks", "subscriptions", *rest):
                return self._subscription(method, rest, body)
            case _:
                raise invalid("NOT_FOUND", "Resource not found.", status=404)

    # -- orders and payments ----------------------------------------------------------------------------------------

    def _order(self, id_: str) -> Json:
        return self._known(self.orders, id_)

    def _new_order(self, told: Json) -> Json:
        if told.get("location_id") not in self.locations:
            raise invalid("INVALID_LOCATION", "The location is not known.", "order.location_id")
        order: Json = copy.deepcopy(told)
        price(order)
        at = wire_instant(self.now())
        order |= {"id": self._id("ORD"), "state": "OPEN", "version": 1, "created_at": at, "updated_at": at}
        for move in order.get("fulfillments", []):
            _check_recipient(move)
        self.orders[order["id"]] = order
        self._order_notice("order.created", "order_created", order)
        return order

    def _change_order(self, id_: str, body: Json) -> Json:
        order, key = self._order(id_), body.get("idempotency_key")
        if key is not None and key in self._answers:
            return order  # a key that was used: the latest order, unchanged
        change: Json = body["order"]
        if "version" not in order or order["state"] in ("COMPLETED", "CANCELED"):
            raise invalid("BAD_REQUEST", "The order cannot be updated.", "order")
        if change.get("version") != order["version"]:
            raise invalid("VERSION_MISMATCH", "The order has another version.", "order.version", 409)
        if change.get("state") == "CANCELED" and order.get("tenders"):
            raise invalid("BAD_REQUEST", "A paid order cannot be canceled.", "order.state")
        before = {one["uid"]: one["state"] for one in order.get("fulfillments", [])}
        after: Json = copy.deepcopy(order)
        apply_sparse(after, copy.deepcopy(change), body.get("fields_to_clear") or [])
        price(after)
        if key is not None:
            self._answers[key] = (b"", {})
        return self._save_order(after, before)

    def _save_order(self, order: Json, before: Json) -> Json:
        order["version"] += 1
        order["updated_at"] = wire_instant(self.now())
        moves: list[Json] = order.get("fulfillments", [])
        handed_over = all(one["state"] in ("COMPLETED", "CANCELED", "FAILED") for one in moves)
        paid = "tenders" in order and order["net_amount_due_money"]["amount"] <= 0
        if order["state"] == "OPEN" and paid and handed_over:
            order["state"] = "COMPLETED"
        if order["state"] in ("COMPLETED", "CANCELED"):
            order["closed_at"] = order["updated_at"]
        self.orders[order["id"]] = order
        moved = [
            {"fulfillment_uid": one["uid"], "old_state": before.get(one["uid"]), "new_state": one["state"]}
            for one in moves
            if before.get(one["uid"]) != one["state"]
        ]
        if moved:
            self._order_notice("order.fulfillment.updated", "order_fulfillment_updated", order, moved)
        self._order_notice("order.updated", "order_updated", order)
        return order

    def move_fulfilment(self, order_id: str, uid: str, state: str) -> None:
        """Staff move a fulfilment at the till."""
        order = copy.deepcopy(self._order(order_id))
        before = {one["uid"]: one["state"] for one in order.get("fulfillments", [])}
        next(one for one in order["fulfillments"] if one["uid"] == uid)["state"] = state
        self._save_order(order, before)

    def _order_notice(self, type_: str, name: str, order: Json, moved: list[Json] | None = None) -> None:
        told = {field: order[field] for field in ("location_id", "state", "version", "created_at")}
        told["order_id"] = order["id"]
        if type_ != "order.created":
            told["updated_at"] = order["updated_at"]
        if moved:
            told["fulfillment_update"] = moved
        self._notify(type_, name, order["id"], {name: told})

    def _search_orders(self, body: Json) -> Json:
        query: Json = body.get("query", {})
        times: Json = query.get("filter", {}).get("date_time_filter", {})
        if not body.get("location_ids") or len(body["location_ids"]) > 10:
            raise invalid("ARRAY_LENGTH_TOO_LONG", "Give 1 to 10 locations.", "location_ids")
        for name in times:
            if query.get("sort", {}).get("sort_field", "CREATED_AT").lower() != name:
                raise invalid("INVALID_SORT_ORDER", "Sort by the field that is filtered.", "query.sort.sort_field")
        found = [
            one
            for one in self.orders.values()
            if one["location_id"] in body["location_ids"]
            and all(matches(one, name, want) for name, want in times.items())
        ]
        found.sort(key=lambda one: (one["updated_at"], one["id"]))
        return self._page("orders", found, body)

    def _new_payment(self, body: Json) -> Json:
        order = copy.deepcopy(self._order(body["order_id"]))
        amount: Json = body["amount_money"]
        due = order["net_amount_due_money"]["amount"]
        if amount["amount"] > due:
            raise invalid("PAYMENT_AMOUNT_MISMATCH", f"The order has {due} due.", "amount_money.amount")
        at = wire_instant(self.now())
        payment: Json = {
            "id": self._id("PAY"),
            "created_at": at,
            "updated_at": at,
            "status": "COMPLETED",
            "source_type": body["source_id"],
            "location_id": order["location_id"],
            "total_money": {**amount, "amount": amount["amount"] + body.get("tip_money", {}).get("amount", 0)},
            **{k: v for k, v in body.items() if k in _PAYMENT},
        }
        self.payments[payment["id"]] = payment
        tender = {"id": payment["id"], "type": "OTHER", "payment_id": payment["id"], "amount_money": amount}
        order.setdefault("tenders", []).append(tender)
        order["net_amount_due_money"]["amount"] -= amount["amount"]
        self._notify("payment.created", "payment", payment["id"], {"payment": payment})
        self._save_order(order, {one["uid"]: one["state"] for one in order.get("fulfillments", [])})
        return payment

    def _new_refund(self, body: Json) -> Json:
        payment, amount = self._known(self.payments, body["payment_id"]), body["amount_money"]
        gone = payment.get("refunded_money", {}).get("amount", 0)
        if amount["amount"] + gone > payment["total_money"]["amount"]:
            raise invalid("REFUND_AMOUNT_INVALID", "More than the payment has left.", "amount_money.amount")
        at = wire_instant(self.now())
        moved = payment["source_type"] not in ("CASH", "EXTERNAL")
        refund: Json = {
            "id": self._id("REF"),
            "status": "PENDING" if moved else "COMPLETED",
            "location_id": payment["location_id"],
            "created_at": at,
            "updated_at": at,
            **{name: value for name, value in body.items() if name in ("amount_money", "payment_id", "reason")},
        }
        if "order_id" in payment:
            refund["order_id"] = payment["order_id"]
        self.refunds[refund["id"]] = refund
        payment["refunded_money"] = {**amount, "amount": gone + amount["amount"]}
        payment["updated_at"] = at
        self._notify("refund.created", "refund", refund["id"], {"refund": refund})
        self._notify("payment.updated", "payment", payment["id"], {"payment": payment})
        return refund

    def _list(self, table: str, query: Mapping[str, str]) -> Json:
        records: dict[str, Json] = getattr(self, table)
        want = {"start_at": query.get("updated_at_begin_time"), "end_at": query.get("updated_at_end_time")}
        # Without a location, payments are the main one's only and refunds everybody's (Square, ListPayments).
        place = query.get("location_id") or (self.main_location if table == "payments" else None)
        found = [one for one in records.values() if matches(one, "updated_at", want)]
        found = [one for one in found if place in (None, one.get("location_id"))]
        found.sort(key=lambda one: (one["updated_at"], one["id"]))
        return self._page(table, found, {"cursor": query.get("cursor"), "limit": int(query.get("limit", "100"))})

    # -- stock ----------------------------------------------------------------------------------------

    def _count(self, variation: str, location: str, quantity: str, state: str) -> Json:
        record = {
            "catalog_object_id": variation,
            "catalog_object_type": "ITEM_VARIATION",
            "state": state,
            "location_id": location,
            "quantity": quantity,
            "calculated_at": wire_instant(self.now()),
        }
        self.counts[variation, location, state] = record
        return record

    def _change_stock(self, body: Json) -> Json:
        counts: list[Json] = []
        for change in body["changes"]:
            name = {"PHYSICAL_COUNT": "physical_count", "ADJUSTMENT": "adjustment"}[change["type"]]
            told: Json = change[name]
            at = instant(told["occurred_at"])
            if not self.now() - timedelta(hours=24) <= at <= self.now():
                raise invalid("INVALID_TIME", "Must be within the last 24 hours.", f"changes.{name}.occurred_at")
            if told["location_id"] not in self.locations:
                raise invalid("INVALID_LOCATION", "The location is not known.", f"changes.{name}.location_id")
            place = (told["catalog_object_id"], told["location_id"])
            wanted = {told["state"]: told["quantity"]} if name == "physical_count" else self._moved(place, told)
            for state, quantity in wanted.items():
                if self.counts.get((*place, state), {}).get("quantity") != quantity:
                    self.count_stock(*place, quantity, state)
                counts.append(self.counts[*place, state])
        return {"counts": counts}

    def _moved(self, place: tuple[str, str], told: Json) -> dict[str, str]:
        """The counts after an adjustment; what is sold, or comes from outside, is not counted."""
        states: tuple[str, str] = told["from_state"], told["to_state"]
        if not {*states} <= _MOVABLE or len({*states}) < 2 or Decimal(told["quantity"]) <= 0:
            raise invalid("BAD_REQUEST", "The adjustment is not possible.", "changes.adjustment")
        after: dict[str, str] = {}
        for state, sign in zip(states, (-1, 1), strict=True):
            if state in ("IN_STOCK", "WASTE"):
                known = Decimal(self.counts.get((*place, state), {}).get("quantity", "0"))
                after[state] = format(known + sign * Decimal(told["quantity"]), "f")
        return after

    def _stock(self, body: Json) -> Json:
        def wanted(one: Json) -> bool:
            since: str | None = body.get("updated_after")
            return (
                one["state"] in body.get("states", [one["state"]])
                and one["catalog_object_id"] in body.get("catalog_object_ids", [one["catalog_object_id"]])
                and one["location_id"] in body.get("location_ids", [one["location_id"]])
                and (since is None or instant(one["calculated_at"]) > instant(since))
            )

        return self._page("counts", [one for one in self.counts.values() if wanted(one)], body)

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def _subscription(self, method: str, rest: list[str], body: Json) -> Json:
        if method == "GET" and not rest:
            return {"subscriptions": list(self.subscriptions.values())}
        if method == "POST":
            return self._once(body, lambda: {"subscription": self._subscribe(body["subscription"])})
        record = self._known(self.subscriptions, rest[0])
        if method == "PUT":
            record |= body["subscription"]
        elif method == "DELETE":
            del self.subscriptions[rest[0]]
            return {}
        return {"subscription": record}

    def _subscribe(self, told: Json) -> Json:
        record = {"id": self._id("WHS"), "signature_key": self.signature_key, **told}
        self.subscriptions[record["id"]] = record
        return record


_PAYMENT = (
    "amount_money",
    "tip_money",
    "order_id",
    "customer_id",
    "reference_id",
    "external_details",
    "cash_details",
    "note",
)


def _check_recipient(move: Json) -> None:
    details: Json = move.get("pickup_details") or move.get("shipment_details") or {}
    recipient: Json = details.get("recipient") or {}
    if not recipient.get("display_name"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "A recipient name is required.", "order.fulfillments.recipient")
