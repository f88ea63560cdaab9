"""Taxes and products that must be matched before an order is booked: what is missing, what is proposed, what comes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from omnibridge_tryton import CONNECTOR
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.taxes import list_taxes

from omnibridge.connector import (
    Connector,
    Inbound,
    Native,
    Observation,
    Outgoing,
    Redelivery,
    Settings,
    Snapshot,
    Term,
    Verdict,
    Webhook,
    dump_observations,
    load_observations,
)
from omnibridge.model import OrderLine, OrderTotals, Product, Ref, TaxLine, Variant
from omnibridge.testing import TestBridge

BRIDGE = """
[channels.shop]
connector = "shop"

[channels.erp]
connector = "tryton"

[channels.erp.settings]
base_url = "http://127.0.0.1:8000"
database = "omni"
username = "admin"
password = "a-password-for-tests-1"
adjustment_product = "ADJ"
shipping_product = "ADJ"
taxes = { "0.25" = "VAT 25%" }
confirm = true

[[routes]]
name = "to the books"
events = ["order.placed"]
from = ["shop"]
to = ["erp"]
"""


def translate(settings: Settings, inbound: Inbound) -> list[Observation]:
    return list(load_observations(inbound.body))


SHOP = Connector(
    name="shop",
    title="Shop",
    settings=Settings,
    webhook=Webhook(
        delivery_id=Native("x-id"),
        verify=lambda settings, inbound, now: Verdict.OK,
        translate=translate,
        redelivery=Redelivery(on_5xx=True, lasts=timedelta(days=1)),
    ),
    emits=("product", "order"),
)
"""A shop that shows what a test tells."""


@pytest.fixture
def books(make_channel) -> TrytonSandbox:
    """A company with two taxes, of which the settings name one, and a pot whose code is no SKU of the shop."""
    sandbox = TrytonSandbox(make_channel("http://127.0.0.1:8000", fallback_product=None, adjustment_product="ADJ"))
    sandbox.store.create("account.tax", {"name": "Reduced", "rate": Decimal("0.06"), "company": 1})
    sandbox.add_product("POT", "Tea pot", Decimal("20.00"))
    return sandbox


async def show(bridge: TestBridge, id_: str, *seen: Snapshot) -> None:
    await bridge.receive(Outgoing("/in/shop", {"x-id": id_}, dump_observations(seen)))
    await bridge.settle(10)


async def dead(bridge: TestBridge) -> tuple[str | None, str]:
    """The code and the text of the one dead letter."""
    [letter] = await bridge.journal.deliveries(state="dead")
    assert letter.last is not None
    return letter.last.code, letter.last.text or ""


async def replay(bridge: TestBridge) -> None:
    letters = await bridge.journal.deliveries(state="dead")
    await bridge.journal.replay([letter.id for letter in letters], bridge.clock.now())
    bridge.wake()
    await bridge.settle(10)


async def test_an_order_waits_for_its_tax_and_its_product_and_is_booked_when_they_are_matched(books, things):
    tax = TaxLine(rate=Decimal("0.060"), amount=things.eur("0.60"))
    pot = Ref(kind="variant", external_id="W1")
    line = OrderLine(quantity=Decimal(1), unit_price=things.eur("10.60"), sku="TEA-1", variant=pot, taxes=(tax,))
    more = {"lines": (line,), "shipping": (), "discounts": (), "buyer": None, "number": "1001"}
    order = things.order(None, totals=OrderTotals(total=things.eur("10.60")), **more)
    goods = Product(title="Tea pot", variants=(Variant(external_id="W1", sku="TEA-1"),))
    sandboxes = {"127.0.0.1:8000": books}
    async with TestBridge(BRIDGE, sandboxes=sandboxes, connectors=[CONNECTOR, SHOP]) as bridge:
        await bridge.settle(3600)  # every poll has run: the products of Tryton are known
        await show(bridge, "1", Snapshot(goods, "100"))
        await show(bridge, "2", Snapshot(order, "1001"))
        code, text = await dead(bridge)
        assert code == "unmatched"
        assert "the tax rate 0.06" in text
        assert "omnibridge match --channel erp --kind tax" in text
        assert books.records()["sale.sale"] == []

        missing = await bridge.matching.unmatched(channel="erp", kind="tax", terms=await bridge.terms())
        assert [(one.own, [offer.name for offer in one.offers]) for one in missing] == [("0.06", ["Reduced"])]
        await bridge.matching.accept(missing)
        await replay(bridge)
        code, text = await dead(bridge)
        assert code == "unmatched"
        assert "the SKU 'TEA-1'" in text
        assert "omnibridge match --channel erp --kind variant" in text

        await bridge.matching.match("shop:W1", f"erp:{product_of(books, 'POT')}", "variant")
        await bridge.settle(10)
        await replay(bridge)
        assert await bridge.journal.deliveries(state="dead") == []
    [sale] = books.records()["sale.sale"]
    [line] = books.records()["sale.line"]
    [reduced] = [row["id"] for row in books.store.table("account.tax").values() if row["name"] == "Reduced"]
    assert (line["taxes"], line["product"], str(line["unit_price"])) == ([reduced], product_of(books, "POT"), "10.0000")
    assert (str(sale["tax_amount"]), str(sale["total_amount"])) == ("0.60", "10.60")


def product_of(books: TrytonSandbox, code: str) -> object:
    [found] = [row["id"] for row in books.store.table("product.product").values() if row["code"] == code]
    return found


# ── What Tryton has ──────────────────────────────────────────────────────────────────────────────────────────────


def listed(erp, settings: TrytonSettings | None = None) -> list[Term]:
    told = settings or erp.settings
    return list(erp.drive.run(lambda http: list_taxes(told, http)).result)


def test_a_tax_means_its_rate_unless_the_settings_name_another_for_it(erp, sandbox, make_channel):
    create = sandbox.store.create
    create("account.tax", {"name": "VAT 25% abroad", "rate": Decimal("0.250"), "company": 1})
    create("account.tax", {"name": "Per piece", "company": 1})
    assert [(term.name, term.word) for term in listed(erp)] == [
        ("VAT 25%", "0.25"),
        ("VAT 25% abroad", None),
        ("Per piece", None),
    ]
    told = make_channel("http://127.0.0.1:8000", taxes={"0.25": "Per piece", "0.2": "Per piece"})
    assert [(term.name, term.word) for term in listed(erp, told)] == [
        ("VAT 25%", None),
        ("VAT 25% abroad", None),
        ("Per piece", "0.2"),
        ("Per piece", "0.25"),
    ]


@pytest.mark.xdist_group("tryton")
def test_a_real_server_lists_the_taxes_that_its_sales_take(real_erp, server, things):
    """Neither those for purchases, nor parts of others, nor inactive ones: a line of a sale refuses them."""
    [vat] = server.ids("account.tax", ["name", "=", "VAT 25%"])
    [like] = server.model("account.tax.read", [vat], ["invoice_account", "credit_note_account"])
    kinds = {"sale": "Sold", "purchase": "Bought", "both": "Either"}
    made: dict[str, int] = {}
    for kind, name in kinds.items():
        [group] = server.model("account.tax.group.create", [{"name": name, "code": name, "kind": kind}])
        tax = {"name": name, "description": name, "company": 1, "type": "percentage", "rate": Decimal("0.0600")}
        tax |= {"invoice_account": like["invoice_account"], "credit_note_account": like["credit_note_account"]}
        [made[kind]] = server.model("account.tax.create", [{**tax, "group": group}])
        if kind == "sale":
            part = {**tax, "name": "Part", "rate": Decimal("0.01"), "parent": made[kind]}
            _, ended = server.model("account.tax.create", [part, {**tax, "name": "Ended"}])
            server.model("account.tax.write", [ended], {"active": False})
    terms = {term.name: term for term in listed(real_erp)}
    assert set(terms) == {"VAT 25%", "VAT 10%", "Sold", "Either"}
    assert {name: term.word for name, term in terms.items()} == {
        "VAT 25%": "0.25",
        "VAT 10%": "0.1",
        "Sold": "0.06",
        "Either": "0.06",
    }
    taxed = TaxLine(rate=Decimal("0.06"), amount=things.eur("0.60"))
    line = OrderLine(sku="CUP-1", quantity=Decimal(1), unit_price=things.eur("10.60"), taxes=(taxed,))
    order = things.order(
        "matched-1", lines=(line,), shipping=(), discounts=(), totals=OrderTotals(total=things.eur("10.60"))
    )
    own = {("tax", "0.06"): terms["Either"].external_id}
    done = real_erp.place(order, things.delivery(order, "placed", things.customer("matched-c"), references=own))
    [sale] = server.model("sale.sale.read", [int(done.kept[-1].external_id)], ["lines", "tax_amount", "total_amount"])
    assert (sale["tax_amount"], sale["total_amount"]) == (Decimal("0.60"), Decimal("10.60"))
    [sold] = server.model("sale.line.read", sale["lines"], ["taxes"])
    assert list(sold["taxes"]) == [made["both"]]
    server.model("account.tax.write", list(made.values()), {"active": False})
