"""A real Tryton server for tests: a process of its own on loopback, over a database that is made once and copied.

Tryton is GPL software: nothing of it is imported, it is installed into an environment of its own (`make test`).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from omnibridge_tryton.wire import HEADERS, PATH, envelope, unpack
from relay import Relay

from omnibridge.connector import Response, SandboxRequest, json_bytes, parse_json
from omnibridge.testing import free_port

__all__ = ["DATABASE", "PASSWORD", "Server", "served"]

DATABASE = "omni"
PASSWORD = "a-password-for-tests-1"
MODULES = ("sale", "account_invoice", "stock")
SETUP = 4  # raise it when what `fill` makes changes
CURRENCIES = (("EUR", "Euro", 2, "1"), ("DKK", "Danish krone", 2, "7.46"), ("JPY", "Yen", 0, "170"))


class Server(Relay):
    """A running server: exchanges go to it over loopback, and tests may call it themselves."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.session = ""
        self.context: dict[str, object] = {}

    def raw(self, method: str, *params: object) -> Response:
        headers = {**HEADERS, "content-type": "application/json", "authorization": f"Session {self.session}"}
        body = json_bytes(envelope(method, params))
        answer = self.respond(SandboxRequest("POST", f"/{DATABASE}{PATH}", headers, body))
        if answer.status == 401 and self.session:  # a session that was idle for some minutes has ended
            self.session = ""
            self.login()
            return self.raw(method, *params)
        return answer

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


def money(code: str, name: str, digits: int, rate: str) -> dict[str, object]:
    """A currency of Tryton's; `rate` is what one unit of the first currency comes to."""
    rates = [["create", [{"date": date(2020, 1, 1), "rate": Decimal(rate)}]]]
    smallest = Decimal(1).scaleb(-digits)
    return {"name": name, "symbol": code, "code": code, "rounding": smallest, "digits": digits, "rates": rates}


def fill(server: Server) -> None:
    """A company with its books, a currency, a tax, products, a country and stock: what a sale needs."""
    server.login()
    [party] = server.model("party.party.create", [{"name": "Company"}])
    currency, *_ = server.model("currency.currency.create", [money(*each) for each in CURRENCIES])
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
    for rate in ("25", "10"):
        tax = {"name": f"VAT {rate}%", "description": f"VAT {rate}%", "company": company, "type": "percentage"}
        tax |= {"rate": Decimal(rate) / 100, "invoice_account": other, "credit_note_account": other}
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
    open_books(server, company)


def open_books(server: Server, company: int) -> None:
    """A year for invoices that no test outlives, and a method of payment into cash."""

    def sequence(name: str, kind: str) -> int:
        [type_] = server.ids("ir.sequence.type", ["name", "=", kind])
        made = {"name": name, "sequence_type": type_, "company": company}
        return server.model("ir.sequence.strict.create", [made])[0]

    names = ("in_invoice_sequence", "in_credit_note_sequence", "out_invoice_sequence", "out_credit_note_sequence")
    span = {"start_date": date(2020, 1, 1), "end_date": date(2099, 12, 31)}
    year = {"name": "All years", "company": company, "move_sequence": sequence("Moves", "Account Move"), **span}
    year["invoice_sequences"] = [["create", [dict.fromkeys(names, sequence("Invoices", "Invoice"))]]]
    year["periods"] = [["create", [{"name": "All", "type": "standard", **span}]]]
    server.model("account.fiscalyear.create", [year])
    [cash] = server.ids("account.account", ["code", "=", "1.1.1"], ["company", "=", company])
    [journal] = server.ids("account.journal", ["code", "=", "CASH"])
    method = {"name": "Card", "company": company, "journal": journal, "debit_account": cash, "credit_account": cash}
    server.model("account.invoice.payment.method.create", [method])


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


def template(tryton_bin: Path) -> Path:
    """The database file that every run copies: made once for a set of pinned packages, beside them."""
    home = tryton_bin.parent
    root = Path(__file__).resolve().parents[2]
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


@contextlib.contextmanager
def served(tryton_bin: Path, folder: Path) -> Iterator[Server]:
    """A server over a fresh copy of the database with a company in it, logged in."""
    shutil.copy(template(tryton_bin), folder / f"{DATABASE}.sqlite")
    with running(tryton_bin, folder) as started:
        started.login()
        started.context = {"company": 1}
        yield started
