"""A small imitation of one Shopify shop: its GraphQL endpoint as far as we use it, its webhooks, its limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Unpack
from urllib.parse import urlsplit

from omnibridge.connector import (
    Outgoing,
    Response,
    Sandbox,
    SandboxRequest,
    hmac_base64,
    json_bytes,
    json_response,
)
from omnibridge.errors import InvalidMessage
from omnibridge_shopify.documents import DOCUMENTS
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.sandbox_after import make_refund
from omnibridge_shopify.sandbox_bodies import ITEMS, Item, Terms, make_order
from omnibridge_shopify.sandbox_bulk import FILES
from omnibridge_shopify.sandbox_records import Records, Refused
from omnibridge_shopify.settings import API_VERSION, Shopify

__all__ = ["ShopifySandbox", "order_webhook", "signed"]

_SECONDS = 20  # the bucket holds what comes in so many
_MOST = 1000.0
_TOKEN_LIFE = 86_399


def signed(
    topic: str, body: Json, *, secret: str, shop: str, url: str, at: datetime, event_id: str, webhook_id: str = ""
) -> Outgoing:
    """A webhook as Shopify would send it: the body signed, and nothing of the headers."""
    content = json_bytes(body)
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": shop,
        "x-shopify-api-version": API_VERSION,
        "x-shopify-event-id": event_id,
        "x-shopify-webhook-id": webhook_id or f"{event_id}/{topic}",
        "x-shopify-triggered-at": at.isoformat().replace("+00:00", "Z"),
        "x-shopify-hmac-sha256": hmac_base64(secret, content),
    }
    return Outgoing(url, headers, content)


def order_webhook(
    number: int,
    *,
    secret: str,
    shop: str,
    url: str,
    at: datetime,
    topic: str = "orders/create",
    customer: Mapping[str, str] | None = None,
    **order: Unpack[Terms],
) -> Outgoing:
    """A signed `orders/create` of about 8 kB; `number` makes its ids, further arguments are `make_order`'s."""
    body = make_order(number, at=at, customer=customer, **order)
    event_id = f"order-{number}-{at.timestamp():.0f}"
    return signed(topic, body, secret=secret, shop=shop, url=url, at=at, event_id=event_id)


class ShopifySandbox(Sandbox):
    """One shop with one app. It knows the connector's own documents by their operation names and answers no others.

    Every change puts a webhook into `outbox` for each subscription of its topic, and for `webhook_url` when it is set.
    `records()` shows all that it holds. `restore` is the plan: points a second.
    """

    def __init__(
        self,
        shop: str = "acme.myshopify.com",
        token: str | None = "sandbox-token",
        secret: str = "sandbox-secret",
        *,
        client: tuple[str, str] | None = None,
        currency: str = "DKK",
        webhook_url: str | None = None,
        restore: float = 100.0,
        now: Callable[[], datetime] | None = None,
        root: str | None = None,
    ) -> None:
        super().__init__(now)
        self.shop = shop
        self.root = root or f"https://{shop}"
        self.currency = currency
        self.webhook_url = webhook_url
        self._secret = secret
        self._client = client
        self._tokens = {token} if token else set[str]()
        self.store = Records(shop, currency, lambda: self.now(), self._announce)
        self.restore = restore
        self.available = restore * _SECONDS
        self._filled = self.now()
        self._events = 0

    @classmethod
    def of(cls, settings: Shopify, now: Callable[[], datetime] | None = None) -> ShopifySandbox:
        """The sandbox that takes the credentials of these settings and signs as they expect."""
        token = settings.access_token.get_secret_value() if settings.access_token else None
        secrets = settings.signing_secrets
        client = None
        if settings.client_id is not None and settings.client_secret is not None:
            client = (settings.client_id, settings.client_secret.get_secret_value())
        return cls(
            settings.shop,
            token,
            secrets[0].get_secret_value() if secrets else "sandbox-secret",
            client=client,
            currency=settings.currency or "DKK",
            now=now,
            root=settings.root,
        )

    # -- webhooks --------------------------------------------------------------------------------------------------

    def webhook(self, topic: str, body: Json, url: str | None = None) -> Outgoing:
        """A signed webhook that is not put into the outbox."""
        self._events += 1
        at = self.now()
        return signed(
            topic,
            body,
            secret=self._secret,
            shop=self.shop,
            url=url or self.webhook_url or "https://bridge.example.com/in/shop",
            at=at,
            event_id=f"event-{self._events}",
        )

    def _announce(self, topic: str, enum: str, body: Json) -> None:
        urls = [item["uri"] for item in self.store.subscriptions.values() if item["topic"] == enum]
        if self.webhook_url is not None and self.webhook_url not in urls:
            urls.append(self.webhook_url)
        self._events += 1
        at = self.now()
        for index, url in enumerate(urls):
            self.outbox.append(
                signed(
                    topic,
                    body,
                    secret=self._secret,
                    shop=self.shop,
                    url=url,
                    at=at,
                    event_id=f"event-{self._events}",
                    webhook_id=f"webhook-{self._events}-{index}",
                )
            )

    # -- what happens in the shop by other hands ---------------------------------------------------------------------

    def place_order(self, customer: Mapping[str, str] | None = None, **order: Unpack[Terms]) -> Json:
        """A buyer orders: the order is there and `orders/create` goes out. Arguments as of `make_order`; its body."""
        terms: Terms = {"currency": self.currency, **order}
        body = make_order(len(self.store.orders) + 1, at=self.now(), customer=customer, **terms)
        self.store.orders[body["id"]] = body
        self._announce("orders/create", "ORDERS_CREATE", body)
        return body

    def refund(self, order_id: int, line: int = 0, quantity: int = 1, restock_type: str = "return") -> Json:
        """Money goes back for some of a line: `refunds/create` and `orders/updated` go out; the refund's body."""
        body: Json = self.store.orders[order_id]
        made = make_refund(body, line, quantity, at=self.now(), restock_type=restock_type)
        return self.store.after.refund(body, made)

    def fulfil(self, order_id: int) -> Json:
        """What remains is shipped: `fulfillments/create` and `orders/updated` go out; the fulfilment's body."""
        return self.store.after.fulfil(self.store.orders[order_id])

    def send_back(self, order_id: int, line: int = 0, quantity: int = 1, **said: str) -> Json:
        """A buyer asks to send goods back: `returns/request` goes out; the `Return`."""
        return self.store.returns.request(self.store.orders[order_id], line, quantity, **said)

    def begin_checkout(self, customer: Mapping[str, str] | None = None, items: Sequence[Item] = ITEMS) -> Json:
        """A buyer comes to the checkout and leaves it open: `checkouts/create` goes out; its body."""
        return self.store.carts.begin(customer, items)

    # -- requests --------------------------------------------------------------------------------------------------

    def respond(self, request: SandboxRequest) -> Response:
        """Tokens at `/admin/oauth/access_token`, files of bulk operations, everything else at the GraphQL endpoint."""
        if request.method == "GET" and request.path.startswith(FILES):
            return self.store.bulk.file(request)
        if request.path == "/admin/oauth/access_token" and request.method == "POST":
            return self._token(request)
        if request.method != "POST" or not request.path.startswith("/admin/api/") or "graphql" not in request.path:
            return json_response({"errors": "Not Found"}, 404)
        if request.headers.get("x-shopify-access-token") not in self._tokens:
            return json_response({"errors": "[API] Invalid API key or access token (unrecognized login)"}, 401)
        try:
            body: Json = request.json()
            name, text = body["operationName"], body["query"]
            variables: Json = body.get("variables") or {}
        except (InvalidMessage, KeyError, TypeError):
            return json_response({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        document = DOCUMENTS.get(name)
        if document is None or document.text != text:
            return self._failed("undefinedField", f"The sandbox has no operation {name!r}", 0)
        self.store.bulk.root = self._reached_at(request)
        return self._metered(name, document.cost, variables)

    def _reached_at(self, request: SandboxRequest) -> str:
        """The root of the addresses that it gives out: where it was asked, as a served one does not know its port."""
        host = request.headers.get("host")
        return self.root if host in (None, urlsplit(self.root).netloc) else f"http://{host}"

    def _metered(self, name: str, cost: float, variables: Json) -> Response:
        now = self.now()
        elapsed = max(0.0, (now - self._filled).total_seconds())
        self.available, self._filled = min(self.restore * _SECONDS, self.available + elapsed * self.restore), now
        if cost > _MOST:
            return self._failed("MAX_COST_EXCEEDED", f"Query cost is {cost:.0f}, which exceeds {_MOST:.0f}", cost)
        if cost > self.available:
            return self._failed("THROTTLED", "Throttled", cost)
        try:
            data = self.store.answer(name, variables)
        except Refused as refused:
            return self._failed("BAD_REQUEST", str(refused), cost)
        self.available -= cost
        return json_response({"data": data, "extensions": self._extensions(cost, cost)}, headers=self._served())

    def _served(self) -> Mapping[str, str]:
        return {"x-shopify-api-version": API_VERSION}

    def _extensions(self, requested: float, actual: float | None) -> Json:
        return {
            "cost": {
                "requestedQueryCost": int(requested),
                "actualQueryCost": int(actual) if actual is not None else None,
                "throttleStatus": {
                    "maximumAvailable": self.restore * _SECONDS,
                    "currentlyAvailable": int(self.available),
                    "restoreRate": self.restore,
                },
            }
        }

    def _failed(self, code: str, message: str, cost: float) -> Response:
        errors = [{"message": message, "extensions": {"code": code}}]
        return json_response({"errors": errors, "extensions": self._extensions(cost, None)}, headers=self._served())

    def _token(self, request: SandboxRequest) -> Response:
        try:
            form = request.form()
        except InvalidMessage:
            form = {}
        given = (form.get("client_id"), form.get("client_secret"))
        if self._client is None or given != self._client or form.get("grant_type") != "client_credentials":
            return json_response({"error": "invalid_request", "error_description": "application not found"}, 400)
        token = f"sandbox-token-{len(self._tokens) + 1}"
        self._tokens.add(token)
        return json_response({"access_token": token, "scope": "read_orders", "expires_in": _TOKEN_LIFE})

    def expire_tokens(self) -> None:
        """Every token stops working, as after its 24 hours."""
        self._tokens.clear()

    def records(self) -> Mapping[str, list[Json]]:
        """All that the shop holds, by kind."""
        return self.store.tables()
