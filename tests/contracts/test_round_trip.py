"""One order, from a shop to a till and to the books and back, to the cent: what each keeps of it, read anew.

An order comes in as the webhook of a Shopify shop and goes out to Square and to Tryton, over HTTP on loopback; then it
is read back from both and compared with the canonical order. Amounts are made as shops make them: tax per line,
rounded there, so that the sum of the parts and the whole differ by what systems that compute otherwise must make up.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import tryton_server
from omnibridge_shopify import CONNECTOR as SHOPIFY
from omnibridge_shopify.sandbox import ShopifySandbox
from omnibridge_shopify.sandbox_bodies import Item, local, make_order
from omnibridge_square import CONNECTOR as SQUARE
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_tryton import CONNECTOR as TRYTON
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings
from relay import Relay

from omnibridge.connector import Lookup, Sandbox, Snapshot
from omnibridge.model import Money, Order, PaymentStatus, minor_digits
from omnibridge.testing import Drive, ManualClock, SandboxServer, TestBridge

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
KIM = {"id": "7001", "email": "kim@example.com", "first_name": "Kim", "last_name": "Example", "phone": "+4533123456"}
TAXES = {"0.25": "VAT 25%", "0.1": "VAT 10%"}


@dataclass(frozen=True)
class Case:
    """An order of two products: `lines` are SKU, unit price, pieces, and the discount on that line alone.

    `code` is a discount on the whole order, which a shop spreads over its lines.
    """

    name: str
    currency: str
    rate: str
    included: bool
    lines: tuple[tuple[str, str, int, str], ...]
    shipping: str
    code: str = "0"

    def __str__(self) -> str:
        return self.name


EUROS = (("TEA-1", "9.99", 3, "1.50"), ("CUP-1", "3.33", 7, "0"))
YEN = (("TEA-1", "1234", 3, "100"), ("CUP-1", "55", 7, "0"))
CASES = [
    Case("euro-included", "EUR", "0.25", True, EUROS, "4.95", "5"),
    Case("euro-on-top", "EUR", "0.25", False, EUROS, "4.95", "5"),
    Case("krone-included", "DKK", "0.25", True, (("TEA-1", "0.05", 1, "0"), ("CUP-1", "129.50", 11, "0.01")), "39"),
    Case("krone-on-top", "DKK", "0.25", False, (("TEA-1", "0.05", 9, "0"), ("CUP-1", "129.49", 11, "0.03")), "39.01"),
    Case("yen-included", "JPY", "0.1", True, YEN, "505", "333"),
    Case("yen-on-top", "JPY", "0.1", False, YEN, "505", "333"),
    Case("a-gift", "EUR", "0.25", True, (("TEA-1", "19.90", 1, "19.90"), ("CUP-1", "1", 1, "0")), "0"),
]


# ── The shop ─────────────────────────────────────────────────────────────────────────────────────────────────────


def webhook_body(case: Case, number: int) -> dict[str, Any]:
    """`orders/create` as a shop in this currency sends it, paid."""
    digits = minor_digits(case.currency)
    rate = Decimal(case.rate)

    def text(amount: Decimal) -> str:
        return f"{amount:.{digits}f}"

    def pair(amount: Decimal) -> dict[str, Any]:
        money = {"amount": text(amount), "currency_code": case.currency}
        return {"shop_money": money, "presentment_money": dict(money)}

    def rounded(amount: Decimal) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)

    def tax_of(amount: Decimal) -> tuple[Decimal, list[dict[str, Any]]]:
        tax = rounded(amount * rate / (1 + rate) if case.included else amount * rate)
        told = {"title": "VAT", "rate": float(rate), "price": text(tax), "price_set": pair(tax)}
        return tax, [told] if tax else []

    items: list[Item] = [
        {"sku": sku, "title": sku, "price": price, "quantity": pieces} for sku, price, pieces, _ in case.lines
    ]
    body: dict[str, Any] = make_order(number, at=AT, customer=KIM, items=items, currency=case.currency)
    code, left = Decimal(case.code), Decimal(case.code)
    gross = sum(Decimal(price) * pieces for _, price, pieces, _ in case.lines)
    goods, taken, taxes = Decimal(0), Decimal(0), Decimal(0)
    for place, (line, (_, price, pieces, off)) in enumerate(zip(body["line_items"], case.lines, strict=True), 1):
        whole = Decimal(price) * pieces
        share = left if place == len(case.lines) else rounded(code * whole / gross)
        left -= share
        parts = [(0, Decimal(off)), (1, share)]
        line["discount_allocations"] = [
            {"amount": text(part), "amount_set": pair(part), "discount_application_index": index}
            for index, part in parts
            if part
        ]
        tax, line["tax_lines"] = tax_of(whole - Decimal(off) - share)
        line |= {"price": text(Decimal(price)), "price_set": pair(Decimal(price))}
        goods, taken, taxes = goods + whole, taken + Decimal(off) + share, taxes + tax
    carriage = Decimal(case.shipping)
    tax, carried = tax_of(carriage)
    taxes += tax
    body["shipping_lines"][0] |= {"price": text(carriage), "price_set": pair(carriage), "tax_lines": carried}
    sale = {"target_type": "line_item", "allocation_method": "across", "value_type": "fixed_amount"}
    body["discount_applications"] = [
        {**sale, "type": "manual", "title": "Scratched", "target_selection": "explicit", "value": "1.0"},
        {**sale, "type": "discount_code", "code": "FIVE", "target_selection": "all", "value": text(code)},
    ]
    total = goods - taken + carriage + (0 if case.included else taxes)
    sums = {"subtotal": goods - taken, "total_discounts": taken, "total_tax": taxes, "total": total}
    names = {"subtotal": "subtotal_price", "total": "total_price"}
    for name, amount in sums.items():
        body[names.get(name, name)] = text(amount)
        body[f"{names.get(name, name)}_set"] = pair(amount)
    body["tax_lines"] = [{"title": "VAT", "rate": float(rate), "price": text(taxes), "price_set": pair(taxes)}]
    body |= {"taxes_included": case.included, "total_shipping_price_set": pair(carriage), "updated_at": local(AT)}
    body["total_cash_rounding_payment_adjustment_set"] = pair(Decimal(0))
    return body


# ── Three systems on loopback ────────────────────────────────────────────────────────────────────────────────────


BRIDGE = """
[channels.shop]
connector = "shopify"
[channels.shop.settings]
shop = "acme.myshopify.com"
access_token = "sandbox-token"
webhook_secrets = ["sandbox-secret"]
base_url = "{shop}"

[channels.till]
connector = "square"
[channels.till.settings]
access_token = "sandbox-token"
location_id = "L-MAIN"
subscribe = false
base_url = "{till}"

[channels.erp]
connector = "tryton"
[channels.erp.settings]
base_url = "{erp}"
database = "omni"
username = "admin"
password = "{password}"
fallback_product = "MISC"
confirm = true
payment_method = "Card"
taxes = {{ "0.25" = "VAT 25%", "0.1" = "VAT 10%" }}

[[routes]]
name = "orders everywhere"
events = ["order.*"]
to = ["till", "erp"]
"""


@dataclass
class Company:
    """Three systems that listen on loopback, by channel."""

    clock: ManualClock
    shop: ShopifySandbox
    urls: dict[str, str]

    def relays(self) -> dict[str, Sandbox]:
        """Who answers at each address."""
        ports = [urlsplit(url).port or 0 for url in self.urls.values()]
        return {f"127.0.0.1:{port}": Relay(port) for port in ports}

    def toml(self) -> str:
        """The bridge between them."""
        return BRIDGE.format(**self.urls, password=tryton_server.PASSWORD)

    def back(self, connector: Any, channel: str, external_id: str) -> Order:
        """The order as its system tells it now, read anew."""
        told = tomllib.loads(self.toml())["channels"][channel]["settings"]
        settings = connector.settings.model_validate(told)
        drive = Drive(connector, settings, Relay(urlsplit(self.urls[channel]).port or 0), AT)
        seen = drive.run(lambda http: connector.read(settings, Lookup("order", external_id), http)).result
        [entity] = [one.entity for one in seen if isinstance(one, Snapshot) and isinstance(one.entity, Order)]
        return entity


def books(clock: ManualClock) -> TrytonSandbox:
    """The sandbox with what the real server of these tests has."""
    told = {"base_url": "http://127.0.0.1:1", "database": "omni", "username": "admin", "fallback_product": "MISC"}
    told |= {"password": tryton_server.PASSWORD, "confirm": True, "payment_method": "Card", "taxes": TAXES}
    sandbox = TrytonSandbox(TrytonSettings.model_validate(told), clock.now)
    for code, _, digits, _ in tryton_server.CURRENCIES[1:]:
        sandbox.add_currency(code, digits)
    for code in ("TEA-1", "CUP-1"):
        sandbox.add_product(code, code, Decimal(1))
    return sandbox


@pytest.fixture(scope="module")
def tryton(tryton_bin, tmp_path_factory) -> Iterator[int]:
    """The port of a real Tryton server."""
    with tryton_server.served(tryton_bin, tmp_path_factory.mktemp("tryton")) as server:
        # What is paid in another currency differs by a rounding from what was owed in the company's.
        [journal] = server.ids("account.journal", ["code", "=", "EXC"])
        [account] = server.ids("account.account", ["code", "=", "6.2.1"], ["company", "=", 1])
        sides = {f"currency_exchange_{side}_account": account for side in ("credit", "debit")}
        server.model("account.configuration.write", [1], {"currency_exchange_journal": journal, **sides})
        yield server.port


@pytest.fixture(params=["sandbox", pytest.param("server", marks=pytest.mark.xdist_group("tryton"))])
def company(request) -> Iterator[Company]:
    """A shop, a till and books; the books are the sandbox, or a real Tryton server."""
    clock = ManualClock(AT)
    shop = ShopifySandbox(now=clock.now)
    with ExitStack() as stack:
        served: dict[str, Sandbox] = {"shop": shop, "till": SquareSandbox(now=clock.now)}
        urls: dict[str, str] = {}
        if request.param == "server":
            urls["erp"] = f"http://127.0.0.1:{request.getfixturevalue('tryton')}"
        else:
            served["erp"] = books(clock)
        urls |= {name: stack.enter_context(SandboxServer(sandbox)).url for name, sandbox in served.items()}
        yield Company(clock, shop, urls)


# ── There and back ───────────────────────────────────────────────────────────────────────────────────────────────


def charged(order: Order) -> dict[str, Money]:
    """What each line comes to, by its title: after all discounts, with tax exactly when the order says so."""
    return {str(line.title): line.discounted.rounded() for line in order.lines}


def tax_of(order: Order) -> Decimal:
    return order.totals.tax.amount if order.totals.tax is not None else Decimal(0)


def pieces(order: Order) -> dict[str, Decimal]:
    return {str(line.title): line.quantity for line in order.lines}


def net(order: Order) -> dict[str, Money]:
    """What each line of the shop comes to without tax."""
    told = {}
    for line in order.lines:
        tax = Money.total((tax.amount for tax in line.taxes), order.currency)
        told[str(line.title)] = (line.discounted - tax if order.taxes_included else line.discounted).rounded()
    return told


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_one_order_goes_to_the_till_and_to_the_books_and_back(company, case):
    bridge = TestBridge(
        company.toml(), sandboxes=company.relays(), connectors=[SHOPIFY, SQUARE, TRYTON], clock=company.clock
    )
    async with bridge:
        hook = company.shop.webhook("orders/create", webhook_body(case, 100 + CASES.index(case)))
        assert (await bridge.receive(hook)).status == 200
        await bridge.settle(60)
        assert not await bridge.journal.deliveries(state="dead")
        [placed] = [
            stored.event
            for stored in await bridge.journal.events(channel="shop", limit=100)
            if stored.event.name == "order.placed"
        ]
        order = Order.model_validate(placed.data)
        key = ("order", str(placed.subject))
        external = {name: (await bridge.journal.references(name, [key]))[key][0] for name in ("till", "erp")}
        await bridge.settle(700)  # everything is polled, and says nothing new
        after = await bridge.journal.events(subject=placed.subject, limit=100)
        assert sorted(stored.event.name for stored in after) == ["order.paid", "order.placed"]
    unit = Decimal(1).scaleb(-minor_digits(case.currency))
    total = order.totals.total
    assert not order.check()
    assert total == Money(amount=Decimal(webhook_body(case, 1)["total_price"]), currency=case.currency)

    till = company.back(SQUARE, "till", external["till"])
    assert (till.currency, till.totals.total) == (case.currency, total)
    assert pieces(till) == pieces(order)
    assert charged(till) == charged(order)
    assert Money.total((line.price for line in till.shipping), case.currency) == order.totals.shipping
    assert abs(tax_of(till) - tax_of(order)) <= unit * (len(order.lines) + 1)
    assert not till.check()

    erp = company.back(TRYTON, "erp", external["erp"])
    assert (erp.currency, erp.totals.total, erp.payment_status) == (case.currency, total, PaymentStatus.PAID)
    goods = {title: amount for title, amount in charged(erp).items() if title in pieces(order)}
    assert {title: count for title, count in pieces(erp).items() if title in goods} == pieces(order)
    assert goods == net(order)
    assert abs(tax_of(erp) - tax_of(order)) <= unit * (len(order.lines) + 1)
    assert erp.totals.subtotal is not None
    assert erp.totals.subtotal.amount + tax_of(erp) == total.amount
    assert Money.total(charged(erp).values(), case.currency) == erp.totals.subtotal
    assert not erp.check()
