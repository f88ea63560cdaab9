"""What the conformance kit is told of Tryton: one company with parties and sales, what is written, and the answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings

from omnibridge.connector import Class, Request, Response, json_response
from omnibridge.model import (
    Address,
    Customer,
    InventoryLevel,
    Money,
    Order,
    OrderLine,
    OrderTotals,
    Payment,
    PaymentMethod,
    PaymentState,
    PaymentStatus,
    Price,
    Product,
    Ref,
    Refund,
    Return,
    ReturnLine,
    ReturnState,
    ShippingLine,
    Variant,
)
from omnibridge.testing.conformance import Answer, Arrival, Conformance, Write

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
HOME = Address(name="Kim Example", street="Road 1", city="Aarhus", postal_code="8000", country="DK")
BUYER = Customer(
    id="c-1",
    email="c-1@example.com",
    phone="+4533123456",
    given_name="Kim",
    family_name="Example",
    addresses=(HOME,),
)


def eur(amount: str) -> Money:
    """Money of the company."""
    return Money(amount=Decimal(amount), currency="EUR")


ORDER = Order(
    id="o-1",
    number="#1001",
    currency="EUR",
    taxes_included=True,
    buyer=Ref(kind="customer", id="c-1"),
    lines=(
        OrderLine(sku="TEA-1", title="Tea pot", quantity=Decimal(3), unit_price=eur("3.335")),
        OrderLine(sku="GONE-9", title="Old lamp", quantity=Decimal(2), unit_price=eur("10.00")),
    ),
    shipping=(ShippingLine(title="Parcel", price=eur("4.95")),),
    totals=OrderTotals(total=eur("34.95")),
    shipping_address=Address(name="Pat Example", street="Lane 2", city="Odense", country="DK"),
    billing_address=HOME,
    placed_at=NOW,
)


PAID = ORDER.model_copy(update={"id": "o-2", "payment_status": PaymentStatus.PAID})
SOLD = Ref(kind="order", id="o-9")
BACK = Return(
    id="r-1",
    order=SOLD,
    state=ReturnState.RECEIVED,
    lines=(ReturnLine(sku="TEA-1", quantity=Decimal(2), reason="too small"),),
)
PAYMENT = Payment(id="m-1", order=SOLD, amount=eur("5.00"), method=PaymentMethod.CARD, state=PaymentState.CAPTURED)
REFUND = Refund(id="f-1", order=SOLD, amount=eur("5.00"), reason="late")
LEVEL = InventoryLevel(
    id="i-1",
    variant=Ref(kind="variant", id="v-1"),
    sku="CUP-1",
    location=Ref(kind="location", id="l-1"),
    on_hand=Decimal(5),
)
PRICES = Product(
    id="p-1",
    title="Tea pot",
    variants=(Variant(sku="TEA-1", prices=(Price(amount=eur("21.50"), tax_included=False),)),),
)


def company(settings: TrytonSettings) -> TrytonSandbox:
    """A company with products, stock, three parties and three sales, each on two pages."""
    sandbox = TrytonSandbox(settings, lambda: NOW - timedelta(hours=1))
    sandbox.add_product("TEA-1", "Tea pot", Decimal("20.00"))
    sandbox.add_product("CUP-1", "Cup", Decimal("8.00"))
    sandbox.set_stock("TEA-1", 12.0)
    sandbox.set_stock("CUP-1", 7.0)
    for number in range(1, 4):
        sandbox.now = lambda number=number: NOW - timedelta(minutes=60 - number)
        party = sandbox.store.create("party.party", {"name": f"Person {number}", "code": f"P{number}"})
        mail = {"party": party, "type": "email", "value": f"person{number}@example.com"}
        sandbox.store.create("party.contact_mechanism", mail)
        sandbox.store.create(
            "sale.sale",
            {
                "party": party,
                "company": settings.company,
                "currency": 1,
                "state": "quotation",
                "number": f"S{number}",
                "sale_date": date(2026, 11, 20),
                "untaxed_amount": Decimal("8.00"),
                "tax_amount": Decimal("2.00"),
                "total_amount": Decimal("10.00"),
            },
        )
    sandbox.add_sale(1, "TEA-1", 3.0, Decimal("8.00"))
    sandbox.now = lambda: NOW
    return sandbox


def change(settings: TrytonSettings, sandbox: TrytonSandbox) -> list[Arrival]:
    """Somebody changes the name of a party. Tryton sends nothing."""
    row = next(iter(sandbox.store.table("party.party").values()))
    sandbox.store.write("party.party", row["id"], {"name": "Another Name"})
    return []


_CREATE = Request("POST", "/rpc/", step="create")


def fault(name: str, *texts: object) -> Response:
    """An error in an envelope."""
    return json_response({"id": 1, "error": [name, [*texts]]})


CONFORMANCE: Conformance[TrytonSettings] = Conformance(
    connector="tryton",
    settings={
        "base_url": "https://erp.example.com",
        "database": "omni",
        "username": "bridge",
        "password": "a-made-up-password",
        "location": "WH",
        "fallback_product": "MISC",
        "taxes": {"0.25": "VAT 25%"},
        "phone_region": "DK",
        "confirm": True,
        "payment_method": "Card",
        "book_payments": True,
        "page_size": 2,
    },
    now=NOW,
    sandbox=company,
    change=change,
    without={
        "privacy-told": "Tryton's users erase a party there; there is no record of a request",
        "typed-strictly": "`make check` of this repository runs it over plugins/*/src",
        "deletions-told": "a deleted record leaves no trace for a poll; only a lookup finds that it is gone",
    },
    writes=(
        Write(name="customer", value=BUYER, verb="created"),
        Write(name="order", value=ORDER, verb="placed", related={("customer", "c-1"): BUYER}),
        Write(name="order-cancelled", value=ORDER, verb="cancelled", own="1", references={("order", "o-1"): "1"}),
        Write(name="order-paid", value=PAID, verb="paid", related={("customer", "c-1"): BUYER}),
        Write(name="return", value=BACK, verb="received", references={("order", "o-9"): "4"}),
        Write(name="payment", value=PAYMENT, verb="captured", references={("order", "o-9"): "4"}),
        Write(name="refund", value=REFUND, verb="completed", references={("order", "o-9"): "4"}),
        Write(name="inventory", value=LEVEL, verb="changed", references={("location", "l-1"): "WH"}),
        Write(name="prices", value=PRICES, verb="updated"),
    ),
    answers=(
        Answer(name="done", response=json_response({"id": 1, "result": [1]}), means=Class.OK),
        Answer(name="locked", response=fault("ConcurrencyException", "Records were modified"), means=Class.RETRY),
        Answer(name="login-wanted", response=fault("LoginException", "Password"), means=Class.EXPIRED),
        Answer(name="session-ended", response=Response(401), means=Class.EXPIRED),
        Answer(name="refused", response=fault("UserError", "This cannot be", ""), means=Class.PERMANENT),
        Answer(name="warning", response=fault("UserWarning", "key", "Sure?", ""), means=Class.PERMANENT),
        Answer(name="no-json", response=Response(200, {}, b"<html>"), means=Class.AMBIGUOUS, request=_CREATE),
    ),
)
