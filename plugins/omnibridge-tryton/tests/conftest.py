"""What the tests of this connector share: a real Tryton server as a process of its own, and ways to drive exchanges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omnibridge_tryton import CONNECTOR, outbound, parties, payments, prices, reads, refunds, returns, stock
from omnibridge_tryton.rpc import Rpc
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import unpack
from tryton_server import DATABASE, PASSWORD, Server, served

from omnibridge.connector import (
    Cursor,
    Delivery,
    Later,
    Lookup,
    Observation,
    Receipt,
)
from omnibridge.event import Event
from omnibridge.model import (
    Address,
    Customer,
    Discount,
    Entity,
    InventoryLevel,
    Money,
    Order,
    OrderLine,
    OrderTotals,
    Payment,
    Product,
    Ref,
    Refund,
    Return,
    ShippingLine,
    TaxLine,
)
from omnibridge.testing import Drive, Driven

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def settings() -> TrytonSettings:
    """A channel with everything switched on."""
    return channel("http://127.0.0.1:8000")


@pytest.fixture(scope="session")
def make_channel() -> Callable[..., TrytonSettings]:
    """Makes settings: `make_channel(base_url, **changes)`."""
    return channel


def channel(base_url: str, **more: object) -> TrytonSettings:
    return TrytonSettings.model_validate(
        {
            "base_url": base_url,
            "database": DATABASE,
            "username": "admin",
            "password": PASSWORD,
            "location": "WH",
            "fallback_product": "MISC",
            "taxes": {"0.25": "VAT 25%"},
            "phone_region": "DK",
            "confirm": True,
            **more,
        }
    )


def filled(sandbox: TrytonSandbox) -> TrytonSandbox:
    """A sandbox with what a real server of these tests has."""
    sandbox.add_product("TEA-1", "Tea pot", Decimal("20.00"))
    sandbox.add_product("CUP-1", "Cup", Decimal("8.00"))
    sandbox.add_product("RICE", "Rice", Decimal("3.00"), unit="kg")
    sandbox.set_stock("TEA-1", 12.0)
    return sandbox


@pytest.fixture
def sandbox(settings: TrytonSettings) -> TrytonSandbox:
    return filled(TrytonSandbox(settings, lambda: NOW))


@pytest.fixture
def driver(settings: TrytonSettings, sandbox: TrytonSandbox) -> Drive[TrytonSettings]:
    return Drive(CONNECTOR, settings, sandbox, NOW)


# ── A real server ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def server(tryton_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Tryton server over a database of its own, with the module's company in it; all its tests share it."""
    with served(tryton_bin, tmp_path_factory.mktemp("tryton")) as started:
        yield started


@pytest.fixture(scope="session")
def real(server: Server) -> Drive[TrytonSettings]:
    """Drives exchanges against the real server."""
    return Drive(CONNECTOR, channel(f"http://127.0.0.1:{server.port}"), server, NOW)


# ── Things to deliver ────────────────────────────────────────────────────────────────────────────────────────────


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def make_customer(id_: str = "c-1", **more: Any) -> Customer:
    """A customer with everything that Tryton keeps, under an address of its own."""
    fields: dict[str, Any] = {
        "email": f"{id_}@example.com",
        "phone": "+4533123456",
        "given_name": "Kim",
        "family_name": "Example",
        "addresses": (Address(name="Kim Example", street="Road 1", city="Aarhus", postal_code="8000", country="DK"),),
    }
    return Customer(id=id_, **{**fields, **more})


def make_order(id_: str = "o-1", **more: Any) -> Order:
    """An order of a bit of everything, tax included, that comes to 47.93 EUR."""
    tax = TaxLine(rate=Decimal("0.25"), amount=eur("2.00"))
    home = Address(name="Kim Example", street="Road 1", city="Aarhus", postal_code="8000", country="DK")
    fields: dict[str, Any] = {
        "number": "#1001",
        "currency": "EUR",
        "taxes_included": True,
        "buyer": Ref(kind="customer", id="c-1"),
        "lines": (
            OrderLine(sku="TEA-1", title="Tea pot", quantity=Decimal(3), unit_price=eur("3.335")),
            OrderLine(sku="CUP-1", title="Cup", quantity=Decimal(1), unit_price=eur("9.99"), taxes=(tax,)),
            OrderLine(sku="RICE", title="Rice", quantity=Decimal("1.5"), unit_price=eur("2.98"), note="loose"),
            OrderLine(
                sku="GONE-9",
                title="Old lamp",
                quantity=Decimal(2),
                unit_price=eur("10.00"),
                discounts=(Discount(amount=eur("1.00")),),
            ),
        ),
        "discounts": (Discount(amount=eur("0.50"), code="HALF"),),
        "shipping": (ShippingLine(title="Parcel", price=eur("4.95")),),
        "totals": OrderTotals(total=eur("47.93"), tip=eur("0.01")),
        "shipping_address": Address(name="Pat Example", street="Lane 2", city="Odense", country="DK"),
        "billing_address": home,
        "note": "Ring twice",
        "placed_at": NOW,
    }
    return Order(id=id_, **{**fields, **more})


def make_delivery(entity: Entity, verb: str, *related: Entity, **more: Any) -> Delivery:
    event = Event.make(
        f"io.omnibridge.{entity.KIND}.{verb}.v1", entity, id="e-1", source="/t/c/shop", subject=entity.id, time=NOW
    )
    entities = {(found.KIND, str(found.id)): found for found in related}
    return Delivery(key="k-1", channel="erp", event=event, related=entities, **more)


@pytest.fixture(scope="session")
def things() -> SimpleNamespace:
    """Makers: `customer`, `order`, `delivery`, `eur`."""
    return SimpleNamespace(customer=make_customer, order=make_order, delivery=make_delivery, eur=eur)


@dataclass
class Erp:
    """Drives deliveries, polls and lookups of one channel, as the core would."""

    drive: Drive[TrytonSettings]

    @property
    def settings(self) -> TrytonSettings:
        return self.drive.settings

    def put(self, customer: Customer, delivery: Delivery | None = None) -> Driven[Receipt]:
        told = delivery or make_delivery(customer, "updated")
        return self.drive.run(lambda http: parties.put_customer(self.settings, customer, told, http))

    def place(self, order: Order, delivery: Delivery | None = None) -> Driven[Receipt]:
        told = delivery or make_delivery(order, "placed", make_customer())
        return self.drive.run(lambda http: outbound.place_order(self.settings, order, told, http))

    def cancel(self, order: Order, delivery: Delivery | None = None) -> Driven[Receipt]:
        told = delivery or make_delivery(order, "cancelled")
        return self.drive.run(lambda http: outbound.cancel_order(self.settings, order, told, http))

    def find_order(self, order: Order) -> Receipt | None:
        told = make_delivery(order, "placed")
        return self.drive.run(lambda http: outbound.find_order(self.settings, order, told, http)).result

    def find_customer(self, customer: Customer) -> Receipt | None:
        told = make_delivery(customer, "created")
        return self.drive.run(lambda http: parties.find_customer(self.settings, customer, told, http)).result

    def deliver(self, run: Callable[..., Any], entity: Entity, verb: str, **more: Any) -> Driven[Receipt]:
        told = make_delivery(entity, verb, **more)
        return self.drive.run(lambda http: run(self.settings, entity, told, http))

    def take_back(self, back: Return, verb: str = "requested", **more: Any) -> Driven[Receipt]:
        return self.deliver(returns.put_return, back, verb, **more)

    def refund(self, refund: Refund, **more: Any) -> Driven[Receipt]:
        return self.deliver(refunds.put_refund, refund, "completed", **more)

    def pay(self, payment: Payment, **more: Any) -> Driven[Receipt]:
        return self.deliver(payments.put_payment, payment, "captured", **more)

    def count(self, level: InventoryLevel, **more: Any) -> Driven[Receipt]:
        return self.deliver(stock.put_level, level, "changed", **more)

    def price(self, product: Product, **more: Any) -> Driven[Receipt]:
        return self.deliver(prices.put_prices, product, "updated", **more)

    def rpc(self, make: Callable[[Rpc], Any]) -> Any:
        """Calls of the test's own, as the channel's user."""
        return self.drive.run(lambda http: make(Rpc(self.settings, http))).result

    def ask(self, model: str, domain: list[object], fields: list[str]) -> Any:
        """Records as they are in Tryton."""
        return unpack(self.rpc(lambda rpc: rpc.search(model, domain, fields)))

    def create(self, model: str, values: dict[str, object]) -> int:
        """Make a record, as somebody does in Tryton."""
        return self.rpc(lambda rpc: rpc.create("somebody", model, values))

    def write(self, model: str, id_: int, values: dict[str, object]) -> None:
        """Change a record, as somebody does in Tryton."""
        self.rpc(lambda rpc: rpc.do("somebody", f"{model}.write", [id_], values))

    def poll(self, name: str, cursor: Cursor | None = None) -> Driven[Later | None]:
        [poll] = [poll for poll in CONNECTOR.polls if poll.name == name]
        return self.drive.run(lambda http: poll.run(self.settings, cursor, http))

    def look(self, kind: str, id_: str) -> Sequence[Observation]:
        return self.drive.run(lambda http: reads.read(self.settings, Lookup(kind, id_), http)).result


@pytest.fixture
def erp(driver: Drive[TrytonSettings]) -> Erp:
    """The sandbox behind the connector."""
    return Erp(driver)


@pytest.fixture(scope="session")
def real_erp(real: Drive[TrytonSettings]) -> Erp:
    """The real server behind the connector."""
    return Erp(real)


@pytest.fixture(scope="session")
def make_erp() -> Callable[..., Erp]:
    """`make_erp(answers, settings)`: another channel, on a sandbox or a server."""
    return lambda answers, settings: Erp(Drive(CONNECTOR, settings, answers, NOW))
