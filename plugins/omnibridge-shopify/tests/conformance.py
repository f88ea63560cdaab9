"""What the conformance kit is told of Shopify: one shop, its webhooks, what is written, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_shopify.settings import Shopify

from omnibridge.connector import Class, Inbound, Request, Response, hmac_base64, json_bytes, json_response
from omnibridge.model import Address, Consent, Customer, Fulfilment, InventoryLevel, Order, Product, Refund, Return
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SHOP = "acme.myshopify.com"
GIVEN: dict[str, object] = {
    "shop": SHOP,
    "client_id": "made-up-client",
    "client_secret": "made-up-client-secret",
    "webhook_secrets": ("made-up-newer-secret", "made-up-older-secret"),
    "currency": "DKK",
    "phone_region": "DK",
}
BUYER = {
    "id": "207119551",
    "email": "kim@example.com",
    "phone": "+4533123456",
    "first_name": "Kim",
    "last_name": "Example",
}
GRAPHQL = "/admin/api/2026-10/graphql.json"


def signed(settings: Shopify, inbound: Inbound) -> Inbound:
    """The delivery as Shopify signs it."""
    secret = settings.signing_secrets[0].get_secret_value()
    headers = {**inbound.headers, "x-shopify-hmac-sha256": hmac_base64(secret, inbound.body)}
    return replace(inbound, headers=headers)


def shop(settings: Shopify) -> ShopifySandbox:
    """A shop with customers and orders on two pages each, and some stock."""
    sandbox = ShopifySandbox.of(settings, lambda: NOW - timedelta(hours=1))
    sandbox.available = sandbox.restore = 1_000_000.0
    sandbox.store.ledger.largest_page = 2
    for number in range(1, 4):
        sandbox.now = lambda number=number: NOW - timedelta(minutes=60 - number * 10)
        sandbox.store.add_customer(email=f"person{number}@example.com", first_name=f"Person {number}", subscribed=True)
        sandbox.place_order()
        sandbox.store.goods.add_product(f"Tea {number}", [{"sku": f"TEA-{number}", "price": "89.00"}])
        sandbox.store.goods.add_location(700 + number, f"Shop {number}", city="Aarhus", countryCode="DK")
        sandbox.begin_checkout()
    sandbox.fulfil(6_200_000_000_003)
    sandbox.store.levels["4", "5"] = {"available": 3, "on_hand": 4, "committed": 1, "incoming": 0}
    sandbox.outbox.clear()
    sandbox.now = lambda: NOW
    return sandbox


def heard(sandbox: ShopifySandbox) -> list[tuple[str, bytes, Mapping[str, str]]]:
    """The webhooks that wait: topic, body, and the headers but the signature."""
    found = list[tuple[str, bytes, Mapping[str, str]]]()
    while sandbox.outbox:
        sent = sandbox.outbox.popleft()
        headers = {name: value for name, value in sent.headers.items() if "hmac" not in name}
        found.append((headers["x-shopify-topic"], sent.body, headers))
    return found


def change(settings: Shopify, sandbox: ShopifySandbox) -> list[Arrival]:
    """Somebody orders."""
    sandbox.webhook_url = "https://bridge.example.com/in/conformance"
    sandbox.outbox.clear()
    sandbox.place_order()
    arrivals = [Arrival(name="ordered", body=body, headers=headers) for _, body, headers in heard(sandbox)]
    sandbox.webhook_url = None
    return arrivals


def bags(*names: str) -> tuple[str, ...]:
    """What an amount of money in two currencies cannot do without."""
    sides, leaves = ("shop_money", "presentment_money"), ("amount", "currency_code")
    return tuple(f"{name}.{side}.{leaf}" for name in names for side in sides for leaf in leaves)


IN_ORDER = (
    *("id", "currency", "total_price", "tax_lines[].price"),
    *(f"line_items[].{name}" for name in ("id", "price", "quantity", "tax_lines[].price")),
    *(f"fulfillments[].{name}" for name in ("id", "line_items[].id", "line_items[].quantity")),
    *bags("total_cash_rounding_payment_adjustment_set", "total_price_set", "total_shipping_price_set"),
)
IN_CART = ("id", "currency", "total_price", "line_items[].quantity", "line_items[].price", "tax_lines[].price")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "orders/create": IN_ORDER,
    "orders/updated": IN_ORDER,
    "fulfillments/create": ("id", "order_id", "line_items[].id", "line_items[].quantity"),
    "refunds/create": (
        *("id", "order_id", "refund_line_items[].quantity", "transactions[].id"),
        *bags("refund_line_items[].subtotal_set"),
    ),
    "customers/create": ("id",),
    "checkouts/create": IN_CART,
    "checkouts/update": IN_CART,
    "checkouts/delete": ("id",),
    "locations/create": ("id", "name"),
    "returns/request": ("admin_graphql_api_id",),
}


def told(topic: str, body: Json, *required: str) -> Arrival:
    """A webhook of a topic."""
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": SHOP,
        "x-shopify-event-id": f"event of {topic}",
        "x-shopify-triggered-at": "2026-11-22T10:00:00Z",
    }
    return Arrival(name=topic.replace("/", "-"), body=json_bytes(body), headers=headers, required=required)


def from_the_shop() -> list[Arrival]:
    """What the sandbox sends of an order and what follows it, of a checkout, a location and a customer."""
    sandbox = shop(Shopify.model_validate(GIVEN))
    sandbox.webhook_url = "https://bridge.example.com/in/conformance"
    order = sandbox.place_order(BUYER)
    sandbox.fulfil(order["id"])
    sandbox.refund(order["id"])
    sandbox.send_back(order["id"])
    cart = sandbox.begin_checkout(BUYER)
    sandbox.store.carts.complete(cart["id"])
    sandbox.store.carts.forget(cart["id"])
    sandbox.store.goods.add_location(777, "Shop", city="Aarhus", countryCode="DK")
    sandbox.store.add_customer(email="new@example.com", phone="+4533123457", first_name="New", subscribed=True)
    found: dict[str, Arrival] = {}
    for topic, body, headers in heard(sandbox):
        name = topic.replace("/", "-")
        found[name] = Arrival(name=name, body=body, headers=headers, required=REQUIRED.get(topic, ()))
    return list(found.values())


PRODUCT: Json = {
    "id": 788_032,
    "title": "Tea",
    "status": "active",
    "updated_at": "2026-11-22T10:00:00Z",
    "variants": [{"id": 642, "sku": "TEA", "price": "89.00", "inventory_item_id": 4}],
}
LEVEL: Json = {"inventory_item_id": 4, "location_id": 5, "available": 3, "updated_at": "2026-11-22T10:00:00Z"}
REDACT: Json = {
    "shop_id": 954_889,
    "shop_domain": SHOP,
    "customer": {"id": 207_119_551, "email": "kim@example.com", "phone": "+4533123456"},
    "orders_to_redact": [299_938, 280_263],
}
DATA_REQUEST: Json = {
    "shop_id": 954_889,
    "shop_domain": SHOP,
    "orders_requested": [299_938, 280_263],
    "customer": {"id": 207_119_551, "email": "kim@example.com", "phone": "+4533123456"},
    "data_request": {"id": 9_999},
}


def money(amount: str) -> dict[str, str]:
    """Kroner."""
    return {"amount": amount, "currency": "DKK"}


ORDER = Order.model_validate(
    {
        "id": "canonical-9",
        "currency": "DKK",
        "taxes_included": True,
        "payment_status": "paid",
        "buyer_email": "kim@example.com",
        "lines": [
            {
                "title": "Tea",
                "sku": "TEA",
                "quantity": 2,
                "unit_price": money("89.00"),
                "discounts": [{"amount": money("10.00"), "code": "WELCOME"}],
            }
        ],
        "shipping": [{"title": "Post", "price": money("39.00")}],
        "totals": {"total": money("207.00")},
    }
)
CUSTOMER = Customer(
    id="canonical-1",
    email="kim@example.com",
    phone="+4533123456",
    given_name="Kim",
    family_name="Example",
    tags=("vip",),
    addresses=(Address(name="Kim Example", street="Example Street 1", city="Aarhus", country="DK"),),
)
GOODS = Product.model_validate(
    {
        "id": "canonical-5",
        "title": "Coffee",
        "description": "<p>Dark</p>",
        "brand": "Acme",
        "category": "Drinks",
        "status": "draft",
        "tags": ["hot"],
        "variants": [
            {
                "sku": f"COFFEE-{size}",
                "barcode": f"57000{place}",
                "options": {"Size": size},
                "prices": [{"amount": money(price), "compare_at": None}],
                "weight_grams": "250",
                "taxable": True,
                "requires_shipping": True,
            }
            for place, (size, price) in enumerate((("S", "49.50"), ("L", "89.95")))
        ],
    }
)
_OF = {"kind": "order", "id": "o"}
FULFILMENT = Fulfilment.model_validate(
    {
        "order": _OF,
        "state": "completed",
        "carrier": "Post",
        "tracking_numbers": ["T1"],
        "tracking_urls": ["https://track.example.com/T1"],
        "lines": [{"sku": "TEA-EG-100", "quantity": 1}],
    }
)
REFUND = Refund.model_validate(
    {
        "order": _OF,
        "amount": money("89.00"),
        "state": "pending",
        "reason": "broken",
        "lines": [{"sku": "TEA-EG-100", "quantity": 1, "restock": False}],
    }
)
RETURN = Return.model_validate(
    {"order": _OF, "state": "approved", "lines": [{"sku": "TEA-EG-100", "quantity": 1, "reason": "too small"}]}
)
_READ = Request("POST", GRAPHQL, reads=True)
_WRITE = Request("POST", GRAPHQL, step="create")


def refused(code: str) -> Response:
    """An error beside a 200."""
    return json_response({"errors": [{"message": "No.", "extensions": {"code": code}}]})


CONFORMANCE: Conformance[Shopify] = Conformance(
    connector="shopify",
    settings=GIVEN,
    now=NOW,
    sign=signed,
    sandbox=shop,
    change=change,
    arrivals=(
        *from_the_shop(),
        told("orders/delete", {"id": 820_982}, "id"),
        told("customers/delete", {"id": 706_405}, "id"),
        told("products/update", PRODUCT, "id", "title", "variants[].id"),
        told("products/delete", {"id": 788_032}, "id"),
        told("locations/delete", {"id": 655_441_491}, "id"),
        told("inventory_levels/update", LEVEL, "inventory_item_id", "location_id"),
        told("customers/data_request", DATA_REQUEST),
        told("customers/redact", REDACT),
        told("shop/redact", {"shop_id": 954_889, "shop_domain": SHOP}),
        told("app/uninstalled", {"id": 548_380_009}, "id"),
    ),
    writes=(
        Write(name="customer", value=CUSTOMER, verb="created"),
        Write(
            name="consent",
            value=Consent.model_validate(
                {
                    "id": "consent-1",
                    "contact": "person1@example.com",
                    "medium": "email",
                    "state": "withdrawn",
                    "changed_at": NOW,
                }
            ),
            verb="withdrawn",
        ),
        Write(
            name="stock",
            value=InventoryLevel.model_validate(
                {
                    "id": "level-1",
                    "variant": {"kind": "inventory_item", "external_id": "4"},
                    "location": {"kind": "location", "external_id": "5"},
                    "available": "7",
                }
            ),
            verb="changed",
            own="4:5",
            references={("inventory", "level-1"): "4:5"},
        ),
        Write(name="product", value=GOODS, verb="created"),
        Write(name="order", value=ORDER, verb="placed"),
        Write(name="fulfilment", value=FULFILMENT, verb="completed", references={("order", "o"): "6200000000001"}),
        Write(name="refund", value=REFUND, verb="created", references={("order", "o"): "6200000000002"}),
        Write(name="return", value=RETURN, verb="requested", references={("order", "o"): "6200000000003"}),
    ),
    answers=(
        Answer(
            name="done", response=json_response({"data": {"shop": {"name": "Acme"}}}), means=Class.OK, request=_READ
        ),
        Answer(name="throttled", response=refused("THROTTLED"), means=Class.RETRY, request=_READ),
        Answer(name="frozen", response=Response(402), means=Class.RETRY, request=_READ),
        Answer(name="token-gone", response=Response(401), means=Class.EXPIRED, request=_READ),
        Answer(name="no-scope", response=refused("ACCESS_DENIED"), means=Class.PERMANENT, request=_READ),
        Answer(name="their-trouble", response=refused("INTERNAL_SERVER_ERROR"), means=Class.AMBIGUOUS, request=_WRITE),
    ),
    without={
        "typed-strictly": "`make check` of this repository runs it over plugins/*/src",
        "signature-expired": 'Shopify signs no time (documentation, "Verify webhook deliveries")',
    },
)
