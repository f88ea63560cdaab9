"""What channels do not know of each other is found, proposed and matched, and then an order can pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from people import SOURCE, say
from small_shop import ShopSandbox

from omnibridge.connector import (
    Connector,
    Delivery,
    Http,
    Receipt,
    Reference,
    Settings,
    Snapshot,
    Term,
    Upsert,
    deliver,
    json_response,
)
from omnibridge.errors import UnknownItem
from omnibridge.journal import DeliveryState
from omnibridge.matching import Offer, clear
from omnibridge.model import InventoryLevel, Location, Order, Payment, Product, Ref, canonical_id
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends

TOML = """
[channels.shop]
connector = "source"
[channels.till]
connector = "source"
[channels.erp]
connector = "erp"

[[routes]]
name = "books"
events = ["order.*", "payment.*", "inventory.*"]
from = ["shop", "till"]
to = ["erp"]
"""
DKK = {"currency": "DKK"}


async def book(settings: Settings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Book an order on the ERP's own products, place and tax."""
    lines: list[Any] = []
    for line in order.lines:
        product = delivery.external(line.variant)
        if product is None:
            raise delivery.unmatched("variant", f"the SKU {line.sku!r}", remedy="make it there")
        lines.append([product, *(delivery.matched("tax", str(tax.rate)) for tax in line.taxes)])
    body = {"lines": lines, "place": delivery.external(order.location)}
    await http.put(f"/orders/{order.number}", json=body, step="put", protection=Upsert())
    return Receipt((Reference("order", f"o-{order.number}"),))


async def count(settings: Settings, level: InventoryLevel, delivery: Delivery, http: Http) -> Receipt:
    """Set a count by the id that stock has here."""
    item, place = delivery.external(level.variant, "inventory_item"), delivery.external(level.location)
    await http.put(f"/stock/{item}/{place}", json={}, step="put", protection=Upsert())
    return Receipt((Reference("inventory", f"{item}:{place}"),))


async def pay(settings: Settings, payment: Payment, delivery: Delivery, http: Http) -> Receipt:
    """Book money in the journal of its tender."""
    journal = delivery.matched("payment_method", payment.method.value)
    await http.put(f"/payments/{journal}", json={}, step="put", protection=Upsert())
    return Receipt((Reference("payment", "p"),))


async def terms(settings: Settings, http: Http) -> list[Term]:
    """What the ERP has: asked over the wire, as any vendor is."""
    answer: Any = (await http.get("/terms")).json()
    return [Term(**one) for one in answer]


ERP = Connector(
    name="erp",
    title="ERP",
    settings=Settings,
    base_url=lambda settings: "https://erp.example",
    webhook=SOURCE.webhook,
    delivers=(deliver(Order, book), deliver(InventoryLevel, count), deliver(Payment, pay)),
    terms=terms,
)
TERMS = [
    {"kind": "tax", "external_id": "3", "name": "Moms 25%", "word": "0.25"},
    {"kind": "tax", "external_id": "4", "name": "Momsfri", "word": "0"},
    {"kind": "payment_method", "external_id": "7", "name": "Card"},
]


class Books(ShopSandbox):
    """The ERP's system."""

    def respond(self, request):
        return json_response(TERMS) if request.path == "/terms" else super().respond(request)


def product(id_: str, *variants: dict[str, Any], title: str = "Umbrella") -> Snapshot:
    return Snapshot(Product.model_validate({"title": title, "variants": variants}), id_)


def order(id_: str, variant: str, *, sku: str | None = None, location: str | None = None) -> Snapshot:
    money = {"amount": "100", **DKK}
    line = {
        "quantity": "1", "unit_price": money, "sku": sku, "variant": {"kind": "variant", "external_id": variant},
        "taxes": [{"rate": "0.25", "amount": {"amount": "20", **DKK}}],
    }  # fmt: skip
    more = {"location": {"kind": "location", "external_id": location}} if location else {}
    made = {"number": id_, **DKK, "totals": {"total": money}, "lines": [line], **more}
    return Snapshot(Order.model_validate(made), id_)


def stage() -> tuple[TestBridge, Books]:
    box = Books()
    return TestBridge(TOML, connectors=[SOURCE, ERP], sandboxes={"erp.example": box}), box


async def show_goods(bridge: TestBridge) -> None:
    """The same umbrella in three systems, each with its own id, and an ERP with something else beside it."""
    umbrella = {"external_id": "W1", "sku": "UMB-1", "barcode": "0570001", "inventory_external_id": "I1"}
    await say(bridge, "shop", product("100", umbrella), Snapshot(Location(name="Købmagergade 1"), "L1"))
    await say(bridge, "till", product("T", {"external_id": "V-1", "barcode": "570001"}))
    erp = {"external_id": "17", "sku": " umb-1 ", "barcode": "00570001", "inventory_external_id": "S17"}
    await say(bridge, "erp", product("9", erp), product("8", {"external_id": "18", "sku": "HAT-1"}, title="Hat"))
    await say(bridge, "erp", Snapshot(Location(name="KØBMAGERGADE 1"), "WH"))


async def test_what_a_route_brings_and_nobody_knows_is_proposed_by_its_surest_sign():
    bridge, _ = stage()
    async with bridge:
        await show_goods(bridge)
        found = {(one.own, one.kind): one for one in await bridge.matching.unmatched(channel="erp")}
        assert set(found) == {("shop:W1", "variant"), ("till:V-1", "variant"), ("shop:L1", "location")}
        assert found["shop:W1", "variant"].offers == (Offer("17", "Umbrella", "equal SKU"),)
        assert found["till:V-1", "variant"].offers == (Offer("17", "Umbrella", "equal barcode"),)
        assert found["shop:L1", "location"].offers == (Offer("WH", "KØBMAGERGADE 1", "equal name"),)
        # No route goes to the shop or the till: what they do not know is nobody's trouble.
        assert await bridge.matching.unmatched(channel="shop") == []


async def test_a_sku_that_differs_speaks_against_an_equal_name_and_two_of_a_kind_are_left_to_a_person():
    bridge, _ = stage()
    async with bridge:
        await say(bridge, "shop", product("1", {"external_id": "A", "sku": "X"}, {"external_id": "B", "sku": "Y"}))
        await say(bridge, "till", product("1", {"external_id": "C"}, title="Cap"))
        await say(bridge, "erp", product("1", {"external_id": "D", "sku": "Z"}), product("2", {"external_id": "E"}))
        await say(bridge, "erp", product("3", {"external_id": "F"}, title="cap"), product("4", {"external_id": "G"}))
        await say(
            bridge,
            "erp",
            product("5", {"external_id": "H", "sku": "Y"}),
            product("6", {"external_id": "J", "sku": "y"}),
        )
        found = {one.own: [offer.external_id for offer in one.offers] for one in await bridge.matching.unmatched()}
        assert found == {"shop:A": ["E", "G"], "shop:B": ["H", "J"], "till:C": ["F"]}
        assert [one.own for one in clear(await bridge.matching.unmatched())] == ["till:C"]


async def test_an_order_that_needs_an_unmatched_sku_is_a_dead_letter_that_says_what_to_do_and_passes_when_it_is_done():
    bridge, box = stage()
    async with bridge:
        await show_goods(bridge)
        await say(bridge, "shop", order("1001", "W1", sku="UMB-1", location="L1"))
        await say(bridge, "till", order("T-1", "V-1"))
        dead = await bridge.journal.deliveries(state="dead")
        assert [one.last.code for one in dead if one.last] == ["unmatched"] * 2
        assert "omnibridge match --channel erp --kind variant; then replay" in str(dead[1].last)
        assert "the SKU 'UMB-1'" in str(dead[1].last)

        made = await bridge.matching.accept(await bridge.matching.unmatched(terms=await bridge.terms()))
        assert [(one.kind, one.one, one.other) for one in made] == [
            ("tax", "0.25", "erp:3"),
            ("location", "shop:L1", "erp:WH"),
            ("variant", "shop:W1", "erp:17"),
            ("variant", "till:V-1", "erp:17"),
        ]
        await bridge.settle(10)
        assert await bridge.matching.unmatched(terms=await bridge.terms()) == []
        await bridge.journal.replay([one.id for one in dead], bridge.clock.now())
        bridge.wake()
        await bridge.settle(10)
        assert sorted(box.puts) == [
            ("/orders/1001", {"lines": [["17", "3"]], "place": "WH"}),
            ("/orders/T-1", {"lines": [["17", "3"]], "place": None}),
        ]
        # One variant in three systems: what comes after is matched as well.
        await say(bridge, "till", order("T-2", "V-1"))
        assert box.puts[-1] == ("/orders/T-2", {"lines": [["17", "3"]], "place": None})


async def test_an_undone_match_is_as_if_it_had_never_been():
    bridge, _ = stage()
    async with bridge:
        await show_goods(bridge)
        [made] = await bridge.matching.match("shop:W1", "erp:17")
        assert made.kind == "variant"
        await bridge.settle(10)
        assert [(one.one, one.other) for one in await bridge.matching.matches()] in (
            [("shop:W1", "erp:17")],
            [("erp:17", "shop:W1")],
        )
        [again] = await bridge.matching.match("shop:W1", "erp:17")
        assert again.number is None
        # It is no decision about a customer, and does not stand among these.
        assert await bridge.customers.decisions() == []
        await bridge.customers.undo(made.number or 0)
        await bridge.settle(10)
        assert await bridge.matching.matches() == []
        assert "shop:W1" in {one.own for one in await bridge.matching.unmatched()}
        await say(bridge, "shop", order("1001", "W1", sku="UMB-1"))
        assert [one.state for one in await bridge.journal.deliveries(channel="erp")] == [DeliveryState.DEAD]


async def test_stock_that_is_counted_under_an_id_of_its_own_is_matched_with_its_variant():
    bridge, box = stage()
    async with bridge:
        await show_goods(bridge)
        await bridge.matching.accept(await bridge.matching.unmatched())
        await bridge.settle(10)
        for channel, item in (
            ("shop", Ref(kind="inventory_item", external_id="I1")),
            ("till", Ref(kind="variant", external_id="V-1")),
        ):
            level = InventoryLevel(variant=item, location=Ref(kind="location", external_id="L1"), available=Decimal(4))
            await say(bridge, channel, Snapshot(level, "x"))
        assert [path for path, _ in box.puts] == ["/stock/S17/WH", "/stock/S17/None"]


async def test_words_are_proposed_by_what_they_mean_or_by_their_name_and_two_may_mean_the_same():
    bridge, box = stage()
    async with bridge:
        paid = {"amount": {"amount": "5", **DKK}}
        for n, method in enumerate(("card", "cash")):
            await say(bridge, "shop", Snapshot(Payment.model_validate({**paid, "method": method}), f"p{n}"))
        asked = await bridge.terms()
        found = {one.own: one.offers for one in await bridge.matching.unmatched(kind="payment_method", terms=asked)}
        assert found == {"card": (Offer("7", "Card", "equal name"),), "cash": ()}
        assert await bridge.matching.unmatched(kind="payment_method") == []  # nobody asked the vendor
        await bridge.matching.match("card", "erp:7", "payment_method")
        await bridge.matching.match("cash", "erp:7", "payment_method")
        assert await bridge.matching.unmatched(kind="payment_method", terms=asked) == []
        await say(bridge, "shop", Snapshot(Payment.model_validate({**paid, "method": "cash"}), "p9"))
        assert box.puts[-1][0] == "/payments/7"
        await bridge.matching.forget("cash", "erp", "payment_method")
        assert [one.own for one in await bridge.matching.unmatched(terms=asked)] == ["cash"]
        with pytest.raises(UnknownItem, match="'cash' is not matched in erp"):
            await bridge.matching.forget("cash", "erp", "payment_method")


@pytest.mark.parametrize(
    ("one", "other", "kind", "why"),
    [
        ("shop:W1", "17", None, "'17' names nothing of a channel"),
        ("0.25", "erp:3", None, "'0.25' names nothing of a channel"),
        ("shop:W1", "shop:W1", None, "two records of one channel"),
        ("shop:W1", "erp:99", None, "no two location or variants that were shown"),
        ("shop:W1", "erp:17", "location", "no two locations that were shown"),
    ],
)
async def test_what_cannot_be_matched_says_why(one, other, kind, why):
    bridge, _ = stage()
    async with bridge:
        await show_goods(bridge)
        with pytest.raises(UnknownItem, match=why):
            await bridge.matching.match(one, other, kind)


async def test_the_owner_at_a_location_stays_its_owner_when_the_location_is_matched():
    toml = TOML + '[ownership]\n"inventory@till/L7" = "till"\ninventory = "shop"\n'
    emitting = Connector(name="source", title="S", settings=Settings, webhook=SOURCE.webhook, emits=("inventory",))
    owned = [emitting, ERP]
    bridge = TestBridge(toml, connectors=owned, sandboxes={"erp.example": Books()})
    bridge.config.require()
    async with bridge:
        await say(bridge, "till", Snapshot(Location(name="Market"), "L7"))
        for n in range(8):  # whichever of the two ids is the smaller one
            await say(bridge, "erp", Snapshot(Location(name=f"Place {n}"), f"W{n}"))
            await bridge.matching.match("till:L7", f"erp:W{n}")
        await bridge.settle(10)
        ids = {(one.kind, one.id) for one in await bridge.journal.links("location", _root("till", "L7"))}
        [(_, id_)] = ids
        owner = bridge.config.ownership.of("inventory", {"location": {"kind": "location", "id": id_}})
        assert owner("available") == "till"
        before = bridge.config.ownership.of("inventory", {"location": {"kind": "location", "id": _root("erp", "W3")}})
        assert before("available") == "till"
        other = bridge.config.ownership.of("inventory", {"location": {"kind": "location", "id": "elsewhere"}})
        assert other("available") == "shop"


def _root(channel: str, external_id: str) -> str:
    return canonical_id(channel, "location", external_id)
