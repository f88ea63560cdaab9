"""Square's own judges: every request and answer against its API specification, and its official client."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from omnibridge_square.connector import CONNECTOR
from omnibridge_square.inbound import EVENT_TYPES
from omnibridge_square.reads import read
from omnibridge_square.sandbox import SquareSandbox
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.validation.request.exceptions import RequestValidationError
from square import Square
from square.core.api_error import ApiError
from square.environment import SquareEnvironment
from square.types.get_gift_card_response import GetGiftCardResponse
from square_sdk_judge import ANSWERS, holds, judged
from werkzeug.datastructures import Headers, ImmutableMultiDict

from omnibridge.connector import Lookup, Response, SandboxRequest, json_response
from omnibridge.model import (
    Address,
    AdjustPoints,
    Customer,
    Discount,
    Fulfilment,
    FulfilmentMethod,
    FulfilmentState,
    InventoryLevel,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    Payment,
    PaymentState,
    Price,
    Product,
    Ref,
    Refund,
    RefundState,
    ShippingLine,
    TaxLine,
    Variant,
)

HOST = "https://connect.squareup.com"


class Asked:
    """A request as openapi-core reads it."""

    def __init__(self, request: SandboxRequest) -> None:
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.query), header=Headers(dict(request.headers)), cookie=ImmutableMultiDict()
        )
        self.host_url = HOST
        self.path = request.path
        self.method = request.method.lower()
        self.content_type = request.headers.get("content-type", "application/json")
        self.body = request.body or None


class Told:
    """An answer as openapi-core reads it."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.content_type = "application/json"
        self.headers = Headers(dict(response.headers))
        self.data = response.content


@pytest.fixture(scope="session")
def square_api(vendor_specs) -> OpenAPI:
    spec = json.loads((vendor_specs / "square" / "openapi" / "square_api.commerce.json").read_text())

    def open_up(node: Any) -> None:
        """Unknown body fields fail, so that a field that Square does not have is noticed."""
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node and "additionalProperties" not in node:
                node["additionalProperties"] = False
            for one in node.values():
                open_up(one)
        elif isinstance(node, list):
            for one in node:
                open_up(one)

    open_up(spec["components"]["schemas"])
    for path in spec["paths"].values():
        for operation in path.values():
            operation.pop("security", None)  # OAuth, which the judge does not know; the sandbox checks the token
    # Without judging the specification itself, which takes minutes.
    return OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))  # pyright: ignore[reportArgumentType]


class Judged(SquareSandbox):
    """A sandbox that has every exchange judged."""

    def __init__(self, api: OpenAPI, **options: Any) -> None:
        super().__init__(**options)
        self.api = api
        self.judged: set[tuple[str, str]] = set()

    def handle(self, request: SandboxRequest) -> Response:
        if any(re.fullmatch(path, request.path) for _, path in ANSWERS):
            response = super().handle(request)
            assert judged(request, response)
            self.judged.add((request.method, request.path))
            return response
        asked = Asked(request)
        self.api.validate_request(asked)  # pyright: ignore[reportArgumentType]
        response = super().handle(request)
        if response.ok:
            self.api.validate_response(asked, Told(response))  # pyright: ignore[reportArgumentType]
            self.judged.add((request.method, request.path))
        return response


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def test_every_request_and_answer_is_valid_by_the_specification(rig, square_api, url):
    made = Judged(square_api, token="test-token", signature_key="new-key", webhook_url=url, now=lambda: rig.now)
    rig.sandbox = made
    rig.references |= {("variant", "v"): "V1", ("location", "l"): "L-MAIN"}
    customer = Customer(
        id=rig.id("customer"),
        email="person@example.com",
        given_name="Given",
        addresses=(Address(name="Given Family", street="Street 1", city="Town", country="DE"),),
    )
    rig.deliver(customer)
    rig.deliver(customer.model_copy(update={"note": "hello", "addresses": ()}))
    tax = TaxLine(title="VAT", rate=Decimal("0.19"), amount=eur("3.99"))
    line = OrderLine(
        title="Mug",
        quantity=Decimal("2"),
        unit_price=eur("12.99"),
        taxes=(tax,),
        discounts=(Discount(amount=eur("1"), title="Off"),),
        variant=Ref(kind="variant", id="v"),
    )
    weight = OrderLine(title="Tea", quantity=Decimal("0.125"), unit="kg", unit_price=eur("40"))
    rope = OrderLine(title="Rope", quantity=Decimal("1.5"), unit="fathom", unit_price=eur("40"))
    order = Order(
        id=rig.id("order"),
        number="1001",
        currency="EUR",
        lines=(line, weight, rope),
        shipping=(ShippingLine(title="Parcel", price=eur("4.90"), taxes=(tax,)),),
        discounts=(Discount(amount=eur("2"), title="Whole"),),
        totals=OrderTotals(total=eur("99.99"), tip=eur("1")),
        buyer=Ref(kind="customer", id=customer.id),
        shipping_address=customer.addresses[0],
        note="ring",
    )
    rig.deliver(order)
    rig.deliver(order.model_copy(update={"totals": OrderTotals(total=eur("98.99"))}))
    order_id = rig.references["order", order.id]
    ref = Ref(kind="order", id=order.id)
    rig.deliver(
        Fulfilment(
            id="f",
            order=ref,
            method=FulfilmentMethod.SHIP,
            state=FulfilmentState.ACCEPTED,
            carrier="Post",
            tracking_numbers=("T1",),
        )
    )
    rig.deliver(Payment(id=rig.id("payment"), order=ref, amount=eur("50"), state=PaymentState.CAPTURED))
    rig.deliver(
        Refund(
            id="r",
            payment=Ref(kind="payment", id=rig.id("payment")),
            amount=eur("5"),
            state=RefundState.COMPLETED,
            reason="broken",
        )
    )
    blue = Variant(sku="BLUE", title="Blue", barcode="012345678905", prices=(Price(amount=eur("12.99")),))
    linen = Product(id=rig.id("product"), title="Linen", description="Soft & strong", variants=(blue,))
    rig.deliver(linen)
    rig.deliver(linen.model_copy(update={"title": "Linen, washed"}), key="the-second-delivery")
    level = InventoryLevel(
        id="i", variant=Ref(kind="variant", id="v"), location=Ref(kind="location", id="l"), available=Decimal("3.5")
    )
    rig.deliver(level)
    plain, rig.known = rig.settings, level
    for falls, count in (("sold", "9"), ("sold", "2"), ("waste", "1")):
        rig.settings = plain.model_copy(update={"stock_writes": "adjust", "stock_falls_as": falls})
        rig.deliver(level.model_copy(update={"available": Decimal(count)}))
    rig.settings, rig.known = plain, None
    other = order.model_copy(
        update={
            "id": rig.id("order", "2"),
            "shipping_address": None,
            "buyer": None,
            "totals": OrderTotals(total=eur("50")),
        }
    )
    rig.deliver(other)
    rig.deliver(other.model_copy(update={"status": OrderStatus.CANCELLED}))
    member, card = made.enrol("+4533123001"), made.sell_card("7783320007480908", 5000)
    for type_, points in (
        ("ACCUMULATE_POINTS", 20),
        ("CREATE_REWARD", -10),
        ("REDEEM_REWARD", 0),
        ("DELETE_REWARD", 10),
        ("EXPIRE_POINTS", -2),
        ("OTHER", 1),
    ):
        made.move_points(member, type_, points)
    for type_, amount in (("LOAD", 500), ("REDEEM", -700), ("ADJUST_DECREMENT", -100)):
        made.use_card(card, type_, amount, **({"reason": "SUPPORT_ISSUE"} if type_.startswith("ADJUST") else {}))
    rig.command(AdjustPoints(phone="+4533123001", points=Decimal(-3), reason="wrong"), "points-1")
    rig.command(AdjustPoints(phone="+4533123002", points=Decimal(5), order=Ref(kind="order", id="web")), "points-2")
    rig.command(AdjustPoints(phone="+4533123002", order=ref), "points-3")
    for kind, id_ in (
        ("loyalty", member),
        ("giftcard", card),
        ("order", order_id),
        ("inventory", "V1:L-MAIN"),
        ("catalog", "catalog"),
        ("customer", "NONE"),
    ):
        rig.run(lambda http, kind=kind, id_=id_: read(rig.settings, Lookup(kind, id_), http))
    for poll in CONNECTOR.polls:
        rig.run(lambda http, poll=poll: poll.run(rig.settings, None, http))
    subscriptions = CONNECTOR.subscriptions
    assert subscriptions is not None
    [wanted] = subscriptions.desired(rig.settings, url)
    rig.run(lambda http: subscriptions.create(rig.settings, wanted, http))
    rig.run(lambda http: subscriptions.create(rig.settings, wanted, http))
    [found] = rig.run(lambda http: subscriptions.list(rig.settings, http)).result
    rig.run(lambda http: subscriptions.delete(rig.settings, found, http))
    methods = {(method, path.split("/")[2]) for method, path in made.judged}
    assert methods >= {
        (method, place)
        for place, all_ in {
            "customers": ("GET", "POST", "PUT"),
            "orders": ("GET", "POST", "PUT"),
            "payments": ("GET", "POST"),
            "inventory": ("POST",),
            "refunds": ("GET", "POST"),
            "catalog": ("GET", "POST"),
            "webhooks": ("GET", "POST", "PUT", "DELETE"),
            "loyalty": ("GET", "POST"),
            "gift-cards": ("GET",),
        }.items()
        for method in all_
    }


def test_the_clients_types_judge_as_well():
    one = {"id": "g", "type": "DIGITAL", "state": "ACTIVE"}
    holds(GetGiftCardResponse, {"gift_card": one}, "answer")
    for wrong in ({"colour": "red"}, {"state": "LOST"}, {"id": 7}, {"customer_ids": [7]}):
        with pytest.raises(AssertionError, match=r"answer\.gift_card"):
            holds(GetGiftCardResponse, {"gift_card": {**one, **wrong}}, "answer")
    asked = SandboxRequest("GET", "/v2/gift-cards?updated_after=x")
    with pytest.raises(AssertionError, match="no parameter"):
        judged(asked, json_response({}))


def test_the_judge_notices_a_field_that_square_does_not_have(square_api):
    made = Judged(square_api)
    body = b'{"given_name":"A","shoe_size":7}'
    with pytest.raises(RequestValidationError):
        made.handle(SandboxRequest("POST", "/v2/customers", {"authorization": "Bearer sandbox-token"}, body))


# -- the official client ----------------------------------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[tuple[Square, SquareSandbox]]:
    sandbox = SquareSandbox(token="client-token", signature_key="new-key")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = sandbox.handle(SandboxRequest(self.command, self.path, headers, body))
            self.send_response(response.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    made = Square(token="client-token", base_url=f"http://127.0.0.1:{server.server_port}")
    try:
        yield made, sandbox
    finally:
        made._client_wrapper.httpx_client.httpx_client.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_official_client_works_with_the_sandbox(client):
    square, sandbox = client
    made = square.customers.create(given_name="A", email_address="a@example.com", idempotency_key="k1").customer
    assert (made.version, made.given_name) == (0, "A")
    changed = square.customers.update(customer_id=made.id, version=0, family_name="B").customer
    assert (changed.version, changed.family_name) == (1, "B")
    with pytest.raises(ApiError) as caught:
        square.customers.update(customer_id=made.id, version=0, family_name="C")
    assert (caught.value.status_code, caught.value.errors[0].code) == (409, "VERSION_MISMATCH")
    found = square.customers.search(query={"filter": {"email_address": {"exact": "A@example.com"}}}, limit=5)
    assert [one.id for one in found.customers] == [made.id]
    order = {
        "location_id": "L-MAIN",
        "customer_id": made.id,
        "line_items": [
            {"name": "Mug", "quantity": "2", "base_price_money": {"amount": 500, "currency": "EUR"}},
        ],
    }
    assert square.orders.calculate(order=order).order.total_money.amount == 1000
    placed = square.orders.create(order=order, idempotency_key="k2").order
    assert square.orders.get(order_id=placed.id).order.total_money.amount == 1000
    later = square.orders.update(
        order_id=placed.id, order={"location_id": "L-MAIN", "version": 1, "ticket_name": "T"}, idempotency_key="k3"
    ).order
    assert (later.version, later.ticket_name) == (2, "T")
    paid = square.payments.create(
        source_id="EXTERNAL",
        idempotency_key="k4",
        amount_money={"amount": 1000, "currency": "EUR"},
        order_id=placed.id,
        external_details={"type": "CARD", "source": "web"},
    ).payment
    assert [one.id for one in square.payments.list(location_id="L-MAIN")] == [paid.id]
    back = square.refunds.refund_payment(
        idempotency_key="k10", payment_id=paid.id, amount_money={"amount": 400, "currency": "EUR"}
    ).refund
    assert (back.status, [one.id for one in square.refunds.list()]) == ("COMPLETED", [back.id])
    variation = {
        "type": "ITEM_VARIATION",
        "id": "#v",
        "item_variation_data": {"name": "Blue", "sku": "BLUE", "pricing_type": "VARIABLE_PRICING"},
    }
    mug = {"type": "ITEM", "id": "#i", "item_data": {"name": "Mug", "variations": [variation]}}
    stored = square.catalog.batch_upsert(idempotency_key="k11", batches=[{"objects": [mug]}])
    assert [one.client_object_id for one in stored.id_mappings] == ["#i", "#v"]
    whole = square.catalog.object.get(object_id=stored.objects[0].id).object
    assert whole.item_data.variations[0].item_variation_data.sku == "BLUE"
    found_items = square.catalog.search(
        object_types=["ITEM_VARIATION"],
        query={"exact_query": {"attribute_name": "sku", "attribute_value": "BLUE"}},
    ).objects
    assert [one.id for one in found_items] == [whole.item_data.variations[0].id]
    counts = square.inventory.batch_create_changes(
        idempotency_key="k5",
        changes=[
            {
                "type": "PHYSICAL_COUNT",
                "physical_count": {
                    "catalog_object_id": "V1",
                    "location_id": "L-MAIN",
                    "state": "IN_STOCK",
                    "quantity": "4",
                    "occurred_at": sandbox.now().isoformat(),
                },
            }
        ],
    ).counts
    assert [one.quantity for one in counts] == ["4"]
    assert [one.id for one in square.locations.list().locations] == ["L-MAIN"]
    joined = square.loyalty.accounts.create(
        loyalty_account={"program_id": "PROGRAM", "mapping": {"phone_number": "+4533123001"}}, idempotency_key="k6"
    ).loyalty_account
    square.loyalty.accounts.accumulate_points(
        account_id=joined.id, accumulate_points={"points": 9}, idempotency_key="k7", location_id="L-MAIN"
    )
    square.loyalty.accounts.adjust(
        account_id=joined.id, adjust_points={"points": -2, "reason": "x"}, idempotency_key="k8"
    )
    [known] = square.loyalty.accounts.search(query={"mappings": [{"phone_number": "+4533123001"}]}).loyalty_accounts
    assert (known.id, known.balance, known.lifetime_points) == (joined.id, 7, 9)
    events = square.loyalty.search_events(
        query={"filter": {"loyalty_account_filter": {"loyalty_account_id": joined.id}}}
    ).events
    assert [one.type for one in events] == ["ADJUST_POINTS", "ACCUMULATE_POINTS"]
    with pytest.raises(ApiError) as caught:
        square.loyalty.accounts.adjust(account_id=joined.id, adjust_points={"points": -8}, idempotency_key="k9")
    assert caught.value.errors[0].code == "BAD_REQUEST"
    gift = sandbox.sell_card("7783320007480908", 500)
    assert [one.id for one in square.gift_cards.list()] == [gift]
    assert square.gift_cards.get(id=gift).gift_card.balance_money.amount == 500
    assert [one.type for one in square.gift_cards.activities.list(gift_card_id=gift)] == ["ACTIVATE"]
    hook = square.webhooks.subscriptions.create(
        subscription={
            "name": "x",
            "event_types": list(EVENT_TYPES),
            "notification_url": "https://bridge.example.com/in/x",
        }
    ).subscription
    assert hook.signature_key == "new-key"
    assert [one.id for one in square.webhooks.subscriptions.list()] == [hook.id]
    square.webhooks.subscriptions.delete(subscription_id=hook.id)
    assert sandbox.subscriptions == {}


def test_a_wrong_token_is_the_official_clients_error(client):
    square, sandbox = client
    sandbox.token = "another"
    with pytest.raises(ApiError) as caught:
        square.locations.list()
    assert caught.value.status_code == 401
    assert SquareEnvironment.PRODUCTION.value == HOST
