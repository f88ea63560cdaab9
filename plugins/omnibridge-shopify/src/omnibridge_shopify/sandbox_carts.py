"""The checkouts of the sandbox's shop that have not become an order: as webhook bodies, and as GraphQL tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_bodies import ITEMS, Item, buyer_body, local, tax_in, tax_line, text
from omnibridge_shopify.sandbox_graph import address_node, connection, customer_node, price, ref_node, tax_nodes, zulu
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, since

__all__ = ["Carts"]


class Carts:
    """Checkouts by number."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.carts: dict[int, Json] = {}
        self.operations: dict[str, Operation] = {
            "Cart": lambda v: {"node": self._cart(v["id"])},
            "CartLines": lambda v: {"node": self._cart(v["id"], 100, v["after"])},
            "Carts": self._page,
        }

    def begin(self, customer: Mapping[str, str] | None = None, items: Sequence[Item] = ITEMS) -> Json:
        """Somebody comes to the checkout: `checkouts/create` goes out; the body."""
        body = _body(self._ledger, len(self.carts) + 1, customer, items)
        self.carts[body["id"]] = body
        self._ledger.announce("checkouts/create", "CHECKOUTS_CREATE", body)
        return body

    def complete(self, number: int) -> Json:
        """It becomes an order after all: `checkouts/update` goes out; the body."""
        body = self.carts[number]
        at = max(self._ledger.now(), datetime.fromisoformat(body["updated_at"]) + timedelta(seconds=1))
        body["completed_at"] = body["updated_at"] = local(at)
        self._ledger.announce("checkouts/update", "CHECKOUTS_UPDATE", body)
        return body

    def forget(self, number: int) -> None:
        """It is deleted: `checkouts/delete` goes out."""
        del self.carts[number]
        self._ledger.announce("checkouts/delete", "CHECKOUTS_DELETE", {"id": number})

    def _cart(self, id_: str, first: int = 25, after: str | None = None) -> Json | None:
        body = self.carts.get(int(gid_number(id_)))
        return {"__typename": "AbandonedCheckout", **_node(body, first, after)} if body is not None else None

    def _page(self, variables: Json) -> Json:
        found = since([_node(body) for body in self.carts.values()], variables["query"])
        nodes = sorted(found, key=lambda node: node["id"])
        size = min(variables["first"], self._ledger.largest_page)
        return {"abandonedCheckouts": connection(nodes, size, variables["after"])}


def _body(ledger: Ledger, number: int, customer: Mapping[str, str] | None, items: Sequence[Item]) -> Json:
    currency, at = ledger.currency, ledger.now()
    total = sum((Decimal(item["price"]) * item["quantity"] for item in items), Decimal(0))
    person = customer or {}
    id_ = 38_500_000_000_000 + number
    return {
        "id": id_,
        "token": f"{number:032x}",
        "name": f"#{id_}",
        "email": person.get("email"),
        "phone": person.get("phone"),
        "note": None,
        "note_attributes": [],
        "currency": currency,
        "presentment_currency": currency,
        "taxes_included": True,
        "abandoned_checkout_url": f"https://{currency.lower()}.example.com/checkouts/{number:032x}/recover?key={number}",
        "created_at": local(at),
        "updated_at": local(at),
        "completed_at": None,
        "closed_at": None,
        "subtotal_price": text(total, currency),
        "total_price": text(total, currency),
        "total_line_items_price": text(total, currency),
        "total_discounts": text(Decimal(0), currency),
        "total_tax": text(tax_in(total), currency),
        "tax_lines": [{name: tax_line(total, currency)[name] for name in ("price", "rate", "title")}],
        "discount_codes": [],
        "shipping_lines": [],
        "billing_address": None,
        "shipping_address": None,
        "customer": buyer_body(customer, at, currency) if customer else None,
        "line_items": [
            {
                "title": title,
                "variant_title": variant or None,
                "sku": item["sku"],
                "product_id": 9_100_000_000_000 + index,
                "variant_id": 50_400_000_000_000 + index,
                "quantity": item["quantity"],
                "price": text(Decimal(item["price"]), currency),
                "line_price": text(Decimal(item["price"]) * item["quantity"], currency),
            }
            for index, item in enumerate(items)
            for title, _, variant in [item["title"].partition(" - ")]
        ],
    }


def _node(body: Json, first: int = 25, after: str | None = None) -> Json:
    currency = body["currency"]
    total = price(body["total_price"], currency)
    lines: list[Json] = [
        {
            "title": item["title"],
            "variantTitle": item["variant_title"],
            "sku": item["sku"],
            "quantity": item["quantity"],
            "product": ref_node("Product", item["product_id"]),
            "variant": ref_node("ProductVariant", item["variant_id"]),
            "originalUnitPriceSet": price(item["price"], currency),
        }
        for item in body["line_items"]
    ]
    return {
        "id": gid("AbandonedCheckout", str(body["id"])),
        "name": body["name"],
        "abandonedCheckoutUrl": body["abandoned_checkout_url"],
        "createdAt": zulu(body["created_at"]),
        "updatedAt": zulu(body["updated_at"]),
        "completedAt": zulu(body["completed_at"]),
        "note": body["note"] or "",
        "taxesIncluded": body["taxes_included"],
        "discountCodes": [item["code"] for item in body["discount_codes"]],
        "customAttributes": [{"key": item["name"], "value": item["value"]} for item in body["note_attributes"]],
        "totalPriceSet": {**total, "presentmentMoney": total["shopMoney"]},
        "subtotalPriceSet": price(body["subtotal_price"], currency),
        "totalDiscountSet": price(body["total_discounts"], currency),
        "totalTaxSet": price(body["total_tax"], currency),
        "taxLines": tax_nodes(body["tax_lines"], currency),
        "billingAddress": address_node(body["billing_address"]),
        "shippingAddress": address_node(body["shipping_address"]),
        "customer": customer_node(body["customer"]),
        "lineItems": connection(lines, first, after),
    }
