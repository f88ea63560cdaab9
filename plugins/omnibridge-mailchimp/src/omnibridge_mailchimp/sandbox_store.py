"""The sandbox's e-commerce store: customers, products with variants, orders with lines, and what each refuses."""

from __future__ import annotations

from collections.abc import Mapping

from omnibridge.connector import Response, SandboxRequest
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, required
from omnibridge_mailchimp.sandbox_audience import Audience
from omnibridge_mailchimp.wire import Json

__all__ = ["EcommerceStore"]

_LINE = ("id", "product_id", "product_variant_id", "quantity", "price")


def _missing() -> Refused:
    return Refused(404, "Resource Not Found", "The requested resource could not be found.")


def _taken(what: str) -> Refused:
    return Refused(400, "Bad Request", f"{what} with the provided ID already exists in the account for this list.")


class EcommerceStore:
    """One store, bound to one audience. What has an id is made once; an order line names only what is there."""

    def __init__(self, store_id: str, audience: Audience, currency: str = "EUR") -> None:
        self.store_id, self.audience, self.currency = store_id, audience, currency
        self.customers: dict[str, Json] = {}
        self.products: dict[str, Json] = {}
        self.orders: dict[str, Json] = {}
        store = "/ecommerce/stores/{}"
        self.routes = (
            Route("GET", store, self._show),
            Route("PUT", f"{store}/customers/{{}}", self._put_customer),
            Route("DELETE", f"{store}/customers/{{}}", self._drop_customer),
            Route("POST", f"{store}/products", self._make_product),
            Route("GET", f"{store}/products/{{}}", self._product),
            Route("PUT", f"{store}/products/{{}}/variants/{{}}", self._put_variant),
            Route("POST", f"{store}/orders", self._make_order),
            Route("GET", f"{store}/orders/{{}}", self._order),
            Route("PATCH", f"{store}/orders/{{}}", self._change_order),
            Route("DELETE", f"{store}/orders/{{}}", self._drop_order),
            Route("POST", f"{store}/orders/{{}}/lines", self._add_line),
            Route("PATCH", f"{store}/orders/{{}}/lines/{{}}", self._change_line),
            Route("DELETE", f"{store}/orders/{{}}/lines/{{}}", self._drop_line),
        )

    def records(self) -> Mapping[str, Rows]:
        """The store's tables."""
        return {
            "customers": list(self.customers.values()),
            "products": list(self.products.values()),
            "orders": list(self.orders.values()),
        }

    def _check(self, store: str) -> None:
        if store != self.store_id:
            raise _missing()

    def _show(self, request: SandboxRequest, store: str) -> Response:
        self._check(store)
        shown: Json = {"id": store, "list_id": self.audience.list_id, "name": "Shop", "currency_code": self.currency}
        return answer(request, shown)

    # ── Customers ─────────────────────────────────────────────────────────────────────────────────────────────

    def _put_customer(self, request: SandboxRequest, store: str, key: str) -> Response:
        self._check(store)
        body = required(request.json(), "id", "email_address")
        if "opt_in_status" not in body:
            raise Refused(400, "Invalid Resource", "opt_in_status is required.")
        email = str(body["email_address"])
        if self.audience.find(email) is None:  # the status of a member who is there is never changed
            self.audience.write(email, {}, "subscribed" if body["opt_in_status"] else "transactional")
        self.customers[key] = {"orders_count": 0, "total_spent": 0, **self.customers.get(key, {}), **body}
        return answer(request, self.customers[key])

    def _drop_customer(self, request: SandboxRequest, store: str, key: str) -> Response:
        self._check(store)
        if self.customers.pop(key, None) is None:
            raise _missing()
        return Response(204)

    # ── Products ──────────────────────────────────────────────────────────────────────────────────────────────

    def _make_product(self, request: SandboxRequest, store: str) -> Response:
        self._check(store)
        body = required(request.json(), "id", "title", "variants")
        if body["id"] in self.products:
            raise _taken("A product")
        for variant in body["variants"]:
            required(variant, "id", "title")
        self.products[body["id"]] = body
        return answer(request, self._shown(body))

    def _known(self, key: str) -> Json:
        if key not in self.products:
            raise _missing()
        return self.products[key]

    @staticmethod
    def _shown(product: Json) -> Json:
        return {**product, "variants": product["variants"][:50]}

    def _product(self, request: SandboxRequest, store: str, key: str) -> Response:
        self._check(store)
        return answer(request, self._shown(self._known(key)))

    def _put_variant(self, request: SandboxRequest, store: str, key: str, variant: str) -> Response:
        self._check(store)
        product, body = self._known(key), required(request.json(), "id", "title")
        others = [row for row in product["variants"] if row["id"] != variant]
        product["variants"] = [*others, body]
        return answer(request, body)

    # ── Orders ────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_line(self, body: object) -> Json:
        line = required(body, *_LINE)
        product = self.products.get(str(line["product_id"]))
        if product is None:
            raise Refused(400, "Bad Request", "A product with the provided ID does not exist in the account.")
        if all(row["id"] != line["product_variant_id"] for row in product["variants"]):
            raise Refused(400, "Bad Request", "A product variant with the provided ID does not exist for this product.")
        return line

    def _make_order(self, request: SandboxRequest, store: str) -> Response:
        self._check(store)
        body = required(request.json(), "id", "customer", "currency_code", "lines")
        if "order_total" not in body:
            raise Refused(400, "Invalid Resource", "order_total is required.")
        if body["id"] in self.orders:
            raise _taken("An order")
        customer = self.customers.get(str(required(body["customer"], "id")["id"]))
        if customer is None:
            raise Refused(400, "Bad Request", "A customer with the provided ID does not exist in the account.")
        lines = [self._check_line(line) for line in body["lines"]]
        self.orders[body["id"]] = {**body, "customer": customer, "lines": lines, "store_id": store}
        return answer(request, self.orders[body["id"]])

    def _one(self, store: str, key: str) -> Json:
        self._check(store)
        if key not in self.orders:
            raise _missing()
        return self.orders[key]

    def _order(self, request: SandboxRequest, store: str, key: str) -> Response:
        return answer(request, self._one(store, key))

    def _change_order(self, request: SandboxRequest, store: str, key: str) -> Response:
        order = self._one(store, key)
        order |= {name: value for name, value in required(request.json()).items() if name not in ("id", "lines")}
        return answer(request, order)

    def _drop_order(self, request: SandboxRequest, store: str, key: str) -> Response:
        del self.orders[self._one(store, key)["id"]]
        return Response(204)

    def _line(self, store: str, key: str, line: str) -> tuple[Json, Json]:
        order = self._one(store, key)
        found = next((row for row in order["lines"] if row["id"] == line), None)
        if found is None:
            raise _missing()
        return order, found

    def _add_line(self, request: SandboxRequest, store: str, key: str) -> Response:
        order, line = self._one(store, key), self._check_line(request.json())
        if any(row["id"] == line["id"] for row in order["lines"]):
            raise _taken("An order line")
        order["lines"].append(line)
        return answer(request, line)

    def _change_line(self, request: SandboxRequest, store: str, key: str, line: str) -> Response:
        _, found = self._line(store, key, line)
        changed = self._check_line({**found, **required(request.json())})
        found |= changed
        return answer(request, found)

    def _drop_line(self, request: SandboxRequest, store: str, key: str, line: str) -> Response:
        order, found = self._line(store, key, line)
        order["lines"].remove(found)
        return Response(204)
