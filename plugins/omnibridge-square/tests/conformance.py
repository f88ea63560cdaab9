"""What the conformance kit is told of Square: one seller, the notifications, what is written, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from omnibridge_square.inbound import SIGNATURE
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json

from omnibridge.connector import Class, Inbound, Request, Response, hmac_base64, json_bytes, json_response
from omnibridge.model import (
    AdjustPoints,
    Customer,
    EraseCustomer,
    Fulfilment,
    FulfilmentMethod,
    FulfilmentState,
    InventoryLevel,
    Money,
    Order,
    OrderLine,
    OrderTotals,
    Payment,
    PaymentMethod,
    PaymentState,
    Price,
    Product,
    ProductStatus,
    Ref,
    Refund,
    RefundState,
    ShippingLine,
    Variant,
)
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
JSON = {"content-type": "application/json"}
PICKUP: Json = {
    "location_id": "L-MAIN",
    "reference_id": "ord-1",
    "line_items": [
        {"uid": "a", "name": "Tea", "quantity": "1", "base_price_money": {"amount": 3000, "currency": "DKK"}}
    ],
    "fulfillments": [
        {
            "uid": "f1",
            "type": "PICKUP",
            "state": "PROPOSED",
            "pickup_details": {"recipient": {"display_name": "Guest"}, "schedule_type": "ASAP"},
        }
    ],
}


def signed(settings: SquareSettings, inbound: Inbound) -> Inbound:
    """The notification as Square signs it."""
    key = settings.signature_keys[0].get_secret_value()
    return replace(
        inbound, headers={**inbound.headers, SIGNATURE: hmac_base64(key, inbound.url.encode() + inbound.body)}
    )


def seller(settings: SquareSettings) -> SquareSandbox:
    """A seller with customers, orders, payments, refunds, goods and stock, each on several pages."""
    sandbox = SquareSandbox(
        token=settings.access_token.get_secret_value(),
        signature_key=settings.signature_keys[0].get_secret_value(),
        main_location="L-MAIN",
        now=lambda: NOW - timedelta(hours=1),
    )
    sandbox.page_size = 2
    call(sandbox, settings, "POST", "/v2/orders", {"idempotency_key": "o1", "order": PICKUP})
    for number in range(1, 4):
        sandbox.now = lambda number=number: NOW - timedelta(minutes=60 - number)
        person: Json = {"given_name": f"Person {number}", "email_address": f"person{number}@example.com"}
        call(sandbox, settings, "POST", "/v2/customers", {"idempotency_key": f"c{number}", **person})
        bare: Json = {name: value for name, value in PICKUP.items() if name != "reference_id"}
        call(sandbox, settings, "POST", "/v2/orders", {"idempotency_key": f"p{number}", "order": bare})
        sandbox.count_stock(f"VAR{number}", "L-MAIN", str(number))
        paid: Json = {"amount": 3000, "currency": "DKK"}
        sandbox.payments[f"PAY{number}"] = {
            "id": f"PAY{number}",
            "status": "COMPLETED",
            "amount_money": paid,
            "total_money": paid,
            "source_type": "CASH",
            "location_id": "L-MAIN",
            "created_at": stamp(sandbox),
            "updated_at": stamp(sandbox),
        }
        sandbox.refunds[f"REF{number}"] = {
            "id": f"REF{number}",
            "status": "COMPLETED",
            "amount_money": paid,
            "payment_id": f"PAY{number}",
            "location_id": "L-MAIN",
            "created_at": stamp(sandbox),
            "updated_at": stamp(sandbox),
        }
        sandbox.items[f"ITEM{number}"] = item(number, stamp(sandbox))
        member = sandbox.enrol(f"+4533123{number:03}")
        sandbox.move_points(member, "ACCUMULATE_POINTS", 10 * number)
        sandbox.sell_card(f"778332000748{number:04}", 20000, "DKK")
    sandbox.outbox.clear()
    sandbox.now = lambda: NOW
    return sandbox


def item(number: int, at: str) -> Json:
    """A thing to buy, with one variation."""
    return {
        "type": "ITEM",
        "id": f"ITEM{number}",
        "updated_at": at,
        "version": number,
        "item_data": {
            "name": f"Thing {number}",
            "variations": [
                {
                    "type": "ITEM_VARIATION",
                    "id": f"VAR{number}",
                    "version": number,
                    "item_variation_data": {
                        "item_id": f"ITEM{number}",
                        "name": "One",
                        "sku": f"SKU-{number}",
                        "price_money": {"amount": 3000, "currency": "DKK"},
                    },
                }
            ],
        },
    }


def stamp(sandbox: SquareSandbox) -> str:
    """Square's text of the sandbox's time."""
    return sandbox.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")


def call(sandbox: SquareSandbox, settings: SquareSettings, method: str, path: str, body: Json) -> None:
    """Somebody else calls the API."""
    from omnibridge.connector import SandboxRequest

    headers = {"authorization": f"Bearer {settings.access_token.get_secret_value()}"}
    answer = sandbox.respond(SandboxRequest(method, path, headers, json_bytes(body)))
    assert answer.ok, answer.text


def change(settings: SquareSettings, sandbox: SquareSandbox) -> list[Arrival]:
    """Staff change a profile at the till."""
    sandbox.webhook_url = "https://bridge.example.com/in/conformance"
    sandbox.outbox.clear()
    sandbox.edit_customer(next(iter(sandbox.customers)), given_name="Another")
    sent = [Arrival(name="edited", body=one.body, headers=JSON) for one in sandbox.outbox]
    sandbox.webhook_url = None
    return sent


def told(name: str, type_: str, object_: Mapping[str, object], *required: str, **data: object) -> Arrival:
    """A notification."""
    body = {
        "merchant_id": "M1",
        "type": type_,
        "event_id": f"e-{name}",
        "created_at": "2026-11-22T10:00:00Z",
        "data": {"type": "x", "id": "y", "object": object_, **data},
    }
    needed = ("event_id", "type", "data", "data.object", *(f"data.object.{one}" for one in required))
    return Arrival(name=name, body=json_bytes(body), headers=JSON, required=needed)


CUSTOMER: Json = {
    "id": "CUS1",
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "given_name": "Ann",
    "email_address": "ann@example.com",
    "phone_number": "+4533123456",
    "preferences": {"email_unsubscribed": False},
    "creation_source": "DIRECTORY",
    "version": 3,
}
COUNTED = [f"inventory_counts[].{one}" for one in ("catalog_object_id", "location_id", "quantity", "calculated_at")]
PAID = ("payment.amount_money", "payment.amount_money.amount", "payment.amount_money.currency")
KRONER = {"amount": 3000, "currency": "DKK"}
PAYMENT: Json = {
    "id": "PAY1",
    "created_at": "2026-11-22T09:59:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "amount_money": KRONER,
    "total_money": KRONER,
    "status": "COMPLETED",
    "source_type": "CASH",
    "location_id": "L-MAIN",
    "order_id": "ORD1",
}
REFUND: Json = {
    "id": "REF1",
    "created_at": "2026-11-22T09:59:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "amount_money": KRONER,
    "status": "COMPLETED",
    "payment_id": "PAY1",
    "location_id": "L-MAIN",
}
EARNED: Json = {
    "id": "LEV1",
    "type": "ACCUMULATE_POINTS",
    "created_at": "2026-11-22T10:00:00Z",
    "accumulate_points": {"loyalty_program_id": "PROGRAM", "points": 10, "order_id": "ORD1"},
    "loyalty_account_id": "LOY1",
    "location_id": "L-MAIN",
    "source": "SQUARE",
}
GIFT: Json = {
    "id": "gftc:1",
    "type": "DIGITAL",
    "gan_source": "SQUARE",
    "state": "ACTIVE",
    "balance_money": KRONER,
    "gan": "7783320007480908",
    "created_at": "2026-11-22T10:00:00Z",
}
COUNT: Json = {
    "catalog_object_id": "VAR1",
    "catalog_object_type": "ITEM_VARIATION",
    "location_id": "L-MAIN",
    "state": "IN_STOCK",
    "quantity": "7",
    "calculated_at": "2026-11-22T10:00:00Z",
}


def money(amount: str) -> Money:
    """Kroner."""
    return Money(amount=Decimal(amount), currency="DKK")


PRODUCT = Product(
    id="prod-1",
    title="Linen",
    description="Woven in the north & washed",
    status=ProductStatus.ACTIVE,
    variants=(
        Variant(sku="LINEN-BLUE", title="Blue", barcode="012345678905", prices=(Price(amount=money("100.00")),)),
        Variant(sku="LINEN-RED", title="Red", prices=(Price(amount=money("110.00")),)),
    ),
)
CHANGED = Product(
    id="prod-2",
    title="Thing 2, improved",
    variants=(Variant(sku="SKU-2", title="One", prices=(Price(amount=money("35.00")),)),),
)
ORDER = Order(
    id="o-2",
    number="#1001",
    currency="DKK",
    taxes_included=True,
    lines=(OrderLine(title="Mug", quantity=Decimal(2), unit_price=money("119.50")),),
    shipping=(ShippingLine(title="Parcel", price=money("29.00")),),
    totals=OrderTotals(total=money("268.00"), shipping=money("29.00")),
)
ORDERED = {("order", "ord-1"): "ORD00000001"}
_WRITE = Request("POST", "/v2/orders", step="send")


def refusal(status: int, category: str, code: str) -> Response:
    """An answer with an error."""
    return json_response({"errors": [{"category": category, "code": code, "detail": "No."}]}, status)


CONFORMANCE: Conformance[SquareSettings] = Conformance(
    connector="square",
    settings={
        "access_token": "a-made-up-access-token",
        "signature_keys": ("a-made-up-newer-key", "a-made-up-older-key"),
        "location_id": "L-MAIN",
        "region": "DK",
    },
    now=NOW,
    sign=signed,
    sandbox=seller,
    change=change,
    arrivals=(
        told("customer-updated", "customer.updated", {"customer": CUSTOMER}, "customer", "customer.id"),
        told("customer-deleted", "customer.deleted", {"customer": CUSTOMER}, "customer", "customer.id", deleted=True),
        told(
            "order-updated",
            "order.updated",
            {
                "order_updated": {
                    "order_id": "ORD1",
                    "version": 2,
                    "state": "OPEN",
                    "updated_at": "2026-11-22T10:00:00Z",
                }
            },
            "order_updated",
            "order_updated.order_id",
        ),
        told("payment-updated", "payment.updated", {"payment": PAYMENT}, "payment", "payment.id", *PAID),
        told(
            "refund-updated",
            "refund.updated",
            {"refund": REFUND},
            "refund",
            "refund.id",
            *(one.replace("payment.", "refund.") for one in PAID),
        ),
        told(
            "loyalty-event-created",
            "loyalty.event.created",
            {"loyalty_event": EARNED},
            "loyalty_event",
            "loyalty_event.loyalty_account_id",
        ),
        told(
            "loyalty-account-deleted",
            "loyalty.account.deleted",
            {"loyalty_account": {"id": "LOY1", "program_id": "PROGRAM"}},
            "loyalty_account",
            "loyalty_account.id",
        ),
        told("gift-card-updated", "gift_card.updated", {"gift_card": GIFT}, "gift_card", "gift_card.id"),
        told("stock", "inventory.count.updated", {"inventory_counts": [COUNT]}, "inventory_counts", *COUNTED),
    ),
    writes=(
        Write(
            name="erasure",
            value=EraseCustomer(records=(Ref(kind="customer", external_id="CUS00000002"),)),
        ),
        Write(name="customer", value=Customer(id="c-1", given_name="New", email="new@example.com"), verb="created"),
        Write(name="customer-changed", value=Customer(id="c-2", given_name="Changed"), own="CUS00000002"),
        Write(name="order", value=ORDER, verb="placed"),
        Write(
            name="fulfilment",
            value=Fulfilment(
                id="f-1",
                order=Ref(kind="order", id="ord-1"),
                method=FulfilmentMethod.PICKUP,
                state=FulfilmentState.READY,
            ),
            references=ORDERED,
        ),
        Write(
            name="payment",
            value=Payment(
                id="p-1",
                order=Ref(kind="order", id="ord-1"),
                amount=money("30.00"),
                state=PaymentState.CAPTURED,
                method=PaymentMethod.OTHER,
            ),
            references=ORDERED,
        ),
        Write(
            name="refund",
            value=Refund(
                id="r-1",
                payment=Ref(kind="payment", id="pay-1"),
                amount=money("10.00"),
                state=RefundState.COMPLETED,
                reason="broken",
            ),
            references={("payment", "pay-1"): "PAY1"},
            verb="completed",
        ),
        Write(name="product", value=PRODUCT, verb="created"),
        Write(name="product-changed", value=CHANGED, own="ITEM2"),
        Write(name="points", value=AdjustPoints(phone="+4533123001", points=Decimal(25), reason="sorry")),
        Write(
            name="points-earned",
            value=AdjustPoints(phone="+4533999999", points=Decimal(25), order=Ref(kind="order", id="web-1")),
        ),
        Write(
            name="stock",
            value=InventoryLevel(
                id="i-1",
                variant=Ref(kind="variant", id="v-1"),
                location=Ref(kind="location", id="l-1"),
                available=Decimal(5),
            ),
            verb="changed",
            references={("variant", "v-1"): "VAR1", ("location", "l-1"): "L-MAIN"},
        ),
    ),
    answers=(
        Answer(name="done", response=json_response({"order": {"id": "ORD1"}}), means=Class.OK),
        Answer(
            name="too-many",
            response=refusal(429, "RATE_LIMIT_ERROR", "RATE_LIMITED"),
            means=Class.RETRY,
        ),
        Answer(
            name="expired", response=refusal(401, "AUTHENTICATION_ERROR", "ACCESS_TOKEN_EXPIRED"), means=Class.EXPIRED
        ),
        Answer(
            name="no-right", response=refusal(403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES"), means=Class.PERMANENT
        ),
        Answer(name="stale", response=refusal(409, "INVALID_REQUEST_ERROR", "VERSION_MISMATCH"), means=Class.PERMANENT),
        Answer(
            name="their-trouble",
            response=refusal(500, "API_ERROR", "INTERNAL_SERVER_ERROR"),
            means=Class.AMBIGUOUS,
            request=_WRITE,
        ),
    ),
    without={
        "privacy-told": "Square passes no request on: none of its webhooks is about one",
        "typed-strictly": "`make check` of this repository runs it over plugins/*/src",
        "signature-expired": "Square signs no time (Verify and Validate an Event Notification)",
        "answers-in-200": "Square says every error by the status and its errors array",
    },
)
