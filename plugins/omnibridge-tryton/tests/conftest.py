"""What the tests of this connector share: a real Tryton server as a process of its own, and ways to drive exchanges."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import gzip
import hashlib
import http.client
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omnibridge_tryton import CONNECTOR, outbound, parties, reads
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import HEADERS, PATH, envelope, unpack

from omnibridge.connector import (
    Cursor,
    Delivery,
    Lookup,
    Observation,
    Receipt,
    Response,
    Sandbox,
    SandboxRequest,
    json_bytes,
    parse_json,
)
from omnibridge.event import Event
from omnibridge.model import (
    Address,
    Customer,
    Discount,
    Entity,
    Money,
    Order,
    OrderLine,
    OrderTotals,
    Ref,
    ShippingLine,
    TaxLine,
)
from omnibridge.testing import Drive, Driven, free_port

DATABASE = "omni"
PASSWORD = "a-password-for-tests-1"
MODULES = ("sale", "account_invoice", "stock")
SETUP = 3  # raise it when what `fill` makes changes
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


class Server(Sandbox):
    """A running server: exchanges go to it over loopback, and tests may call it themselves."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.session = ""
        self.context: dict[str, object] = {}

    def respond(self, request: SandboxRequest) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            got = connection.getresponse()
            body = got.read()
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in got.getheaders()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return Response(got.status, headers, body)

    def raw(self, method: str, *params: object) -> Response:
        headers = {**HEADERS, "content-type": "application/json", "authorization": f"Session {self.session}"}
        return self.respond(SandboxRequest("POST", f"/{DATABASE}{PATH}", headers, json_bytes(envelope(method, params))))

    def call(self, method: str, *params: object) -> Any:
        answered = parse_json(self.raw(method, *params).content)
        assert "result" in answered, answered
        return unpack(answered["result"])

    def model(self, method: str, *params: object, **context: object) -> Any:
        return self.call(f"model.{method}", *params, {**self.context, **context})

    def ids(self, model: str, *domain: object) -> list[int]:
        return self.model(f"{model}.search", list(domain), 0, None, None)

    def wizard(self, verb: str, *params: object) -> Any:
        return self.call(f"wizard.account.create_chart.{verb}", *params, self.context)

    def login(self) -> None:
        id_, token, _ = self.call("common.db.login", "admin", {"password": PASSWORD})
        self.session = base64.b64encode(f"admin:{id_}:{token}".encode()).decode()


def fill(server: Server) -> None:
    """A company with its books, a currency, a tax, products, a country and stock: what a sale needs."""
    server.login()
    [party] = server.model("party.party.create", [{"name": "Company"}])
    rates = [["create", [{"date": date(2020, 1, 1), "rate": Decimal(1)}]]]
    euro = {"name": "Euro", "symbol": "€", "code": "EUR", "rounding": Decimal("0.01"), "digits": 2, "rates": rates}
    [currency] = server.model("currency.currency.create", [euro])
    [company] = server.model("company.company.create", [{"party": party, "currency": currency}])
    server.model("res.user.write", [1], {"companies": [["add", [company]]], "company": company})
    server.context = {"company": company}
    [template] = server.ids("account.account.template", ["parent", "=", None])
    wizard, start, _ = server.wizard("create")
    server.wizard("execute", wizard, {}, start)
    chart = {"account": {"company": company, "account_template": template}}
    server.wizard("execute", wizard, chart, "create_account")

    def account(**type_: bool) -> int:
        kinds = [[f"type.{name}", "=", value] for name, value in type_.items()]
        # A closed account is a view of others and refuses an invoice.
        return server.ids("account.account", ["closed", "!=", True], ["company", "=", company], *kinds)[0]

    defaults = {"account_receivable": account(receivable=True), "account_payable": account(payable=True)}
    server.wizard("execute", wizard, {"properties": {"company": company, **defaults}}, "create_properties")
    other = account(payable=True)
    tax = {"name": "VAT 25%", "description": "VAT 25%", "company": company, "type": "percentage"}
    tax |= {"rate": Decimal("0.25"), "invoice_account": other, "credit_note_account": other}
    server.model("account.tax.create", [tax])
    books = {"name": "Goods", "accounting": True}
    books |= {"account_revenue": account(revenue=True), "account_expense": account(expense=True)}
    [category] = server.model("product.category.create", [books])
    piece, kilo = (server.ids("product.uom", ["name", "=", name])[0] for name in ("Unit", "Kilogram"))
    for code, name, price, unit, type_ in (
        ("MISC", "Misc", "0.00", piece, "service"),
        ("TEA-1", "Tea pot", "20.00", piece, "goods"),
        ("CUP-1", "Cup", "8.00", piece, "goods"),
        ("RICE", "Rice", "3.00", kilo, "goods"),
    ):
        product = {"name": name, "code": code, "type": type_, "default_uom": unit, "sale_uom": unit, "salable": True}
        product |= {"list_price": Decimal(price), "cost_price_method": "fixed", "account_category": category}
        server.model("product.template.create", [{**product, "products": [["create", [{}]]]}])
    server.model("country.country.create", [{"name": "Denmark", "code": "DK", "code3": "DNK", "code_numeric": "208"}])
    [storage] = server.ids("stock.location", ["code", "=", "STO"])
    [pot] = server.ids("product.product", ["code", "=", "TEA-1"])
    count = {"location": storage, "date": date(2020, 1, 2), "company": company}
    lines = [["create", [{"product": pot, "quantity": 12}]]]
    [inventory] = server.model("stock.inventory.create", [{**count, "lines": lines}])
    server.model("stock.inventory.confirm", [inventory])


@contextlib.contextmanager
def running(tryton_bin: Path, folder: Path) -> Iterator[Server]:
    """A server over `folder/omni.sqlite`, until the end of the block."""
    port = free_port()
    config = folder / "trytond.conf"
    config.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n")
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [tryton_bin / "trytond", "-c", config, "-d", DATABASE], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        server = Server(port)
        until = time.monotonic() + 60
        while True:
            if process.poll() is not None:
                pytest.fail(f"the Tryton server ended: {(folder / 'server.log').read_text()[-2000:]}")
            try:
                server.respond(SandboxRequest("POST", f"/{DATABASE}{PATH}", {}, b"{}"))
                break
            except OSError:
                if time.monotonic() > until:
                    pytest.fail("the Tryton server does not answer")
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _template(tryton_bin: Path) -> Path:
    """The database file that every run copies: made once for a set of pinned packages, beside them."""
    home = tryton_bin.parent
    root = Path(__file__).resolve().parents[3]
    requirements = (root / "requirements" / "tryton.txt").read_bytes()
    key = hashlib.sha256(requirements + f"{SETUP}".encode()).hexdigest()[:16]
    template = home / f"omnibridge-{key}.sqlite"
    with (home / "omnibridge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of several test processes makes it, the others wait
        if not template.is_file():
            with tempfile.TemporaryDirectory(dir=home) as name:
                _build(tryton_bin, Path(name), template)
    return template


def _build(tryton_bin: Path, folder: Path, template: Path) -> None:
    database = folder / f"{DATABASE}.sqlite"
    database.touch()  # an empty file has to be there
    config = folder / "trytond.conf"
    config.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    command = [tryton_bin / "trytond-admin", "-c", config, "-d", DATABASE, "-u", *MODULES]
    subprocess.run(
        [*command, "--activate-dependencies", "--email", "admin@example.com", "-l", "en"],
        env={**os.environ, "TRYTONPASSFILE": str(secret)},
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    with running(tryton_bin, folder) as server:
        fill(server)
    # What is still in the write-ahead log belongs into the file, or a copy would lack it.
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    database.rename(template)


@pytest.fixture(scope="session")
def server(tryton_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Tryton server over a database of its own, with the module's company in it; all its tests share it."""
    folder = tmp_path_factory.mktemp("tryton")
    shutil.copy(_template(tryton_bin), folder / f"{DATABASE}.sqlite")
    with running(tryton_bin, folder) as started:
        started.login()
        started.context = {"company": 1}
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

    def poll(self, name: str, cursor: Cursor | None = None) -> Driven[None]:
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
