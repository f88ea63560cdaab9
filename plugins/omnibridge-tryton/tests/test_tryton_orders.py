"""Orders into the sandbox: the sale comes to what was charged, once, wherever the delivery is interrupted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from omnibridge_tryton import outbound
from omnibridge_tryton.sandbox import TrytonSandbox

from omnibridge.connector import Reference, Response
from omnibridge.errors import Permanent
from omnibridge.model import Discount, Money, Order, OrderLine, OrderTotals, PaymentStatus, Ref, TaxLine

FREIGHT = OrderTotals(total=Money(amount=Decimal("4.95"), currency="EUR"))


def sale_of(sandbox: TrytonSandbox):
    [sale] = sandbox.records()["sale.sale"]
    return sale


def lines_of(sandbox: TrytonSandbox):
    products = {row["id"]: row["code"] for row in sandbox.store.table("product.product").values()}
    return [
        (products[line["product"]], line["description"], line["quantity"], str(line["unit_price"]))
        for line in sandbox.records()["sale.line"]
    ]


def test_an_order_becomes_a_confirmed_sale(erp, sandbox, things):
    done = erp.place(things.order())
    sale = sale_of(sandbox)
    assert (sale["reference"], sale["state"], str(sale["total_amount"])) == (
        "omnibridge:o-1 #1001",
        "processing",
        "47.93",
    )
    assert str(sale["sale_date"]) == "2026-11-22"
    assert sale["comment"] == "Ring twice"
    assert lines_of(sandbox) == [
        ("TEA-1", "Tea pot", 3.0, "3.3350"),
        ("CUP-1", "Cup", 1.0, "7.9900"),  # Tryton adds the tax of 25 %
        ("RICE", "Rice", 1.5, "2.9800"),
        ("MISC", "GONE-9 Old lamp", 2.0, "9.5000"),
        ("MISC", "Parcel", 1.0, "4.9500"),
        ("MISC", "HALF", 1.0, "-0.5000"),
        ("MISC", "Tip", 1.0, "0.0100"),
        ("MISC", "Rounding", 1.0, "0.0100"),
    ]
    assert done.result.note == "0.01 EUR booked as rounding"
    assert done.kept == [Reference("customer", "1", "c-1"), Reference("order", "1")]
    assert done.result.references == (Reference("order", "1"), Reference("customer", "1", "c-1"))
    snapshot, party = done.result.snapshots
    assert (party.ours, len(party.entity.addresses)) == ("c-1", 2)  # made on the way, so all of it is known
    assert (snapshot.external_id, snapshot.ours) == ("1", "o-1")
    assert snapshot.entity.totals.total == things.eur("47.93")
    steps = [request.step for request in done.requests if not request.reads]
    assert steps == ["party", "addresses", "create", "settle", "quote", "confirm"]


def test_invoice_and_shipment_go_where_the_order_says(erp, sandbox, things):
    erp.place(things.order())
    sale = sale_of(sandbox)
    streets = {row["id"]: row["street"] for row in sandbox.records()["party.address"]}
    assert (streets[sale["invoice_address"]], streets[sale["shipment_address"]]) == ("Road 1", "Lane 2")
    assert len(streets) == 2  # the buyer's own address was there already


def test_the_settings_say_how_far_a_sale_goes(sandbox, things, make_channel, make_erp):
    for id_, choice, state in (
        ("o-1", {"quote": False, "confirm": False}, "draft"),
        ("o-2", {"confirm": False}, "quotation"),
        ("o-3", {"confirm": True, "quote": False}, "processing"),
    ):
        make_erp(sandbox, make_channel("http://127.0.0.1:8000", **choice)).place(things.order(id_))
        assert sandbox.records()["sale.sale"][-1]["state"] == state


def test_a_second_delivery_changes_nothing(erp, sandbox, things):
    erp.place(things.order())
    before = sandbox.records()
    again = erp.place(things.order())
    assert [request for request in again.requests if not request.reads] == []
    assert sandbox.records() == before
    assert again.result.references[0] == Reference("order", "1")


def test_a_sale_of_tryton_is_left_alone(erp, sandbox, things):
    erp.place(things.order())
    sandbox.store.write("sale.sale", 1, {"reference": "PO 4711", "state": "draft"})
    order = things.order("o-9")
    done = erp.place(order, things.delivery(order, "updated", own="1"))
    assert sale_of(sandbox)["state"] == "draft"
    assert "owns" in (done.result.note or "")


def test_ids_that_begin_alike_are_told_apart(erp, sandbox, things):
    for id_ in ("o-10", "o-1", "o_1", "o-1"):
        erp.place(things.order(id_))
    assert [row["reference"] for row in sandbox.records()["sale.sale"]] == [
        "omnibridge:o-10 #1001",
        "omnibridge:o-1 #1001",
        "omnibridge:o_1 #1001",
    ]


def test_a_number_in_several_lines_stays_one_line():
    assert outbound.reference_for("o-1", " A\n 1 ") == "omnibridge:o-1 A 1"
    assert outbound.reference_for("o-1", None) == "omnibridge:o-1"


def test_a_variant_that_was_matched_is_booked_on_its_product_whatever_its_sku(erp, sandbox, things):
    tea = next(row["id"] for row in sandbox.store.table("product.product").values() if row["code"] == "TEA-1")
    matched = Ref(kind="variant", id="v-1")
    line = OrderLine(title="Lamp", quantity=Decimal(1), unit_price=things.eur("10"), variant=matched)
    order = things.order(lines=(line,))
    erp.place(order, things.delivery(order, "placed", references={("variant", "v-1"): str(tea)}))
    assert lines_of(sandbox)[0] == ("TEA-1", "Lamp", 1.0, "10.0000")
    erp.place(things.order("o-2", lines=(line,)))  # unmatched: on the fallback product
    assert ("MISC", "Lamp", 1.0, "10.0000") in lines_of(sandbox)


# ── Whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_known_buyer_is_not_made_again(erp, sandbox, things):
    made = erp.put(things.customer())
    order = things.order()
    own = {("customer", "c-1"): made.kept[0].external_id}
    erp.place(order, things.delivery(order, "placed", references=own))
    assert len(sandbox.records()["party.party"]) == 1


def test_an_address_that_an_order_brings_is_no_news_about_the_customer(erp, things):
    erp.put(things.customer())
    known = {("customer", "c-1"): "1"}
    order, plain = things.order(), things.order("o-2", shipping_address=None)
    sale, party = erp.place(order, things.delivery(order, "placed", references=known)).result.snapshots
    assert (sale.kind, party.entity.model_fields_set) == ("order", {"addresses", "updated_at"})
    [sale] = erp.place(plain, things.delivery(plain, "placed", references=known)).result.snapshots
    assert sale.kind == "order"


def test_an_order_of_nobody_known_gets_a_party_of_its_own_once(erp, sandbox, things):
    order = things.order(buyer=None, buyer_email=None)
    erp.place(order, things.delivery(order, "placed"))
    [party] = sandbox.records()["party.party"]
    assert party["name"] == "Kim Example"
    assert [row["code"] for row in sandbox.store.table("party.identifier").values()] == ["omnibridge:order:o-1"]
    sandbox.store.table("sale.sale").clear()
    erp.place(order, things.delivery(order, "placed"))
    assert len(sandbox.records()["party.party"]) == 1


def test_a_guest_is_known_by_email(erp, sandbox, things):
    erp.put(things.customer())
    order = things.order(buyer=None, buyer_email="C-1@Example.com")
    done = erp.place(order, things.delivery(order, "placed"))
    assert len(sandbox.records()["party.party"]) == 1
    assert done.result.references == (Reference("order", "1"),)


def test_an_order_without_any_address_gets_an_empty_one(erp, sandbox, things):
    order = things.order(buyer=None, billing_address=None, shipping_address=None, buyer_email="till@example.com")
    erp.place(order, things.delivery(order, "placed"))
    [address] = sandbox.records()["party.address"]
    assert address["street"] is None
    assert sale_of(sandbox)["invoice_address"] == address["id"]


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(erp, order: Order, things) -> Permanent:
    with pytest.raises(Permanent) as caught:
        erp.place(order, things.delivery(order, "placed"))
    assert caught.value.remedy
    return caught.value


def test_an_unknown_sku_needs_a_fallback(sandbox, things, make_channel, make_erp):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", fallback_product=None))
    refusal = refused(erp, things.order(), things)
    assert (refusal.code, "GONE-9" in str(refusal)) == ("unmatched", True)
    assert "omnibridge match --channel erp --kind variant" in (refusal.remedy or "")
    assert "fallback_product" in (refusal.remedy or "")
    assert refused(erp, things.order(lines=()), things).code == "product"  # carriage is nothing to match
    assert sandbox.records()["sale.sale"] == []
    assert sandbox.records()["party.party"] == []


def test_an_unknown_rate_is_never_booked_silently(erp, sandbox, things):
    tax = TaxLine(rate=Decimal("0.06"), amount=things.eur("1.00"))
    line = OrderLine(sku="TEA-1", quantity=Decimal(1), unit_price=things.eur("10"), taxes=(tax,))
    order = things.order(lines=(line,))
    refusal = refused(erp, order, things)
    assert refusal.code == "unmatched"
    assert "omnibridge match --channel erp --kind tax" in (refusal.remedy or "")
    assert sandbox.records()["sale.sale"] == []


def test_a_tax_that_is_matched_goes_before_the_setting(erp, sandbox, things):
    low = sandbox.store.create("account.tax", {"name": "Reduced", "rate": Decimal("0.06"), "company": 1})
    told = things.delivery(things.order(), "placed", references={("tax", "0.25"): str(low)})
    erp.place(things.order(), told)
    assert [line["taxes"] for line in sandbox.records()["sale.line"] if line["taxes"]] == [[low]]


@pytest.mark.parametrize("gone", ["99", "VAT"])
def test_a_matched_tax_that_is_gone_is_told(erp, sandbox, things, gone):
    told = things.delivery(things.order(), "placed", references={("tax", "0.25"): gone})
    with pytest.raises(Permanent, match=f"no tax {gone} for sales") as caught:
        erp.place(things.order(), told)
    assert caught.value.code == "tax"
    assert sandbox.records()["sale.sale"] == []


def test_an_unknown_tax_currency_or_warehouse_is_told(sandbox, things, make_channel, make_erp):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", taxes={"0.25": "Missing"}))
    assert refused(erp, things.order(), things).code == "tax"
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", location="XX"))
    refused(erp, things.order(), things)
    sek = Money(amount=Decimal(1), currency="SEK")
    order = things.order(currency="SEK", lines=(), shipping=(), discounts=(), totals=OrderTotals(total=sek))
    assert refused(make_erp(sandbox, make_channel("http://127.0.0.1:8000")), order, things).code == "currency"


def test_two_currencies_are_refused(erp, things):
    sek = Money(amount=Decimal(1), currency="SEK")
    for order in (
        things.order(lines=(OrderLine(sku="TEA-1", quantity=Decimal(1), unit_price=sek),)),
        things.order(totals=OrderTotals(total=sek)),
        things.order(lines=(things.order().lines[0].model_copy(update={"discounts": (Discount(amount=sek),)}),)),
    ):
        assert refused(erp, order, things).code == "currency"


def test_a_warning_of_tryton_is_a_refusal(erp, sandbox, things):
    body = b'{"id":1,"error":["UserWarning",["k.1","Really?","Think."]]}'
    respond = sandbox.respond
    sandbox.respond = lambda request: (
        Response(200, {}, body) if b"sale.sale.quote" in request.body else respond(request)
    )
    assert refused(erp, things.order(), things).code == "UserWarning"
    assert sale_of(sandbox)["state"] == "draft"
    sandbox.respond = respond  # somebody chose to ignore it always
    erp.place(things.order())
    assert sale_of(sandbox)["state"] == "processing"


def test_a_button_that_somebody_else_pressed_is_pressed(erp, sandbox, things):
    respond = sandbox.respond

    def first(request):
        if b"sale.sale.quote" in request.body:
            sandbox.store.write("sale.sale", 1, {"state": "quotation", "number": "7"})
        return respond(request)

    sandbox.respond = first
    erp.place(things.order())
    assert (sale_of(sandbox)["state"], sale_of(sandbox)["number"]) == ("processing", "7")


# ── Cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_quotation_is_cancelled_once(sandbox, things, make_channel, make_erp):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", confirm=False))
    erp.place(things.order())
    done = erp.cancel(things.order())
    assert sale_of(sandbox)["state"] == "cancelled"
    assert done.result.snapshots[0].entity.status == "cancelled"
    assert [r for r in erp.cancel(things.order()).requests if not r.reads] == []
    assert [r for r in erp.place(things.order()).requests if not r.reads] == []  # and is not placed again


def test_what_is_processed_cannot_be_cancelled(erp, things):
    erp.place(things.order())
    with pytest.raises(Permanent) as caught:
        erp.cancel(things.order())
    assert caught.value.code == "state"


def test_nothing_to_cancel_is_no_failure(erp, things):
    assert erp.cancel(things.order()).result.note == "there is no sale to cancel"


def test_a_sale_that_waits_for_a_worker_is_processed_where_that_is_asked_for(make_channel, make_erp, things):
    for choice, state in (({}, "confirmed"), ({"process": True}, "processing"), ({"payment_method": "Card"}, "done")):
        settings = make_channel("http://127.0.0.1:8000", **choice)
        waiting = TrytonSandbox(settings)
        waiting.queue = True
        order = things.order(lines=(), discounts=(), payment_status=PaymentStatus.PAID, totals=FREIGHT)
        make_erp(waiting, settings).place(order)
        assert sale_of(waiting)["state"] == state


def test_a_method_of_payment_needs_confirmed_sales(make_channel):
    with pytest.raises(ValueError, match="`payment_method` needs `confirm`"):
        make_channel("http://127.0.0.1:8000", payment_method="Card", confirm=False)
