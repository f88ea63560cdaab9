"""Invoices, returns, refunds, counts and prices: one scenario, against the sandbox and against a real server."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.wire import is_list

from omnibridge.connector import Snapshot
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import (
    InventoryLevel,
    Money,
    OrderLine,
    OrderTotals,
    PaymentStatus,
    Price,
    Product,
    Ref,
    Refund,
    RefundState,
    Return,
    ReturnLine,
    ReturnState,
    TaxLine,
    Variant,
)

pytestmark = pytest.mark.xdist_group("tryton")
PLACE = Ref(kind="location", id="place-1")
VAT = Decimal("0.25")
ON_A_SERVER = {
    "test_a_paid_order_has_its_invoice_posted_and_paid",
    "test_a_return_is_requested_received_and_refunded",
    "test_a_refund_without_goods_is_a_credit_note_with_the_tax_of_the_order",
    "test_two_refunds_of_one_return_settle_it_in_parts",
    "test_a_return_after_its_refund_brings_goods_and_no_money",
    "test_a_count_sets_what_is_there",
    "test_a_count_that_was_left_unfinished_is_brought_up_to_date",
    "test_a_price_that_somebody_changes_meanwhile_is_read_again",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What shows that the sandbox is honest, or that Tryton does what we think, runs on a real server too."""
    if "erp" in metafunc.fixturenames:
        real = metafunc.function.__name__ in ON_A_SERVER
        metafunc.parametrize("erp", ["sandbox", "server"] if real else ["sandbox"], indirect=True)


@pytest.fixture
def erp(request, make_channel, make_erp):
    """A channel that keeps the books."""
    told = {"payment_method": "Card", "price_tax": "0.25"}
    if request.param == "server":
        server = request.getfixturevalue("server")
        return make_erp(server, make_channel(f"http://127.0.0.1:{server.port}", **told))
    settings = make_channel("http://127.0.0.1:8000", **told)
    sandbox = TrytonSandbox(settings, request.getfixturevalue("sandbox").now)
    for code, price in (("TEA-1", "20.00"), ("CUP-1", "8.00")):
        sandbox.add_product(code, code, Decimal(price))
    sandbox.set_stock("TEA-1", 12.0)
    return make_erp(sandbox, settings)


def order_of(things, id_: str, **more: Any):
    """Two pots with tax inside, and a cup without: 33.00 EUR, paid."""
    eur = things.eur
    lines = (
        OrderLine(
            sku="TEA-1",
            title="Tea pot",
            quantity=Decimal(2),
            unit_price=eur("12.50"),
            taxes=(TaxLine(rate=VAT, amount=eur("5.00")),),
        ),
        OrderLine(sku="CUP-1", title="Cup", quantity=Decimal(1), unit_price=eur("8.00")),
    )
    told = {
        "buyer": Ref(kind="customer", id="books-c"),
        "lines": lines,
        "shipping": (),
        "discounts": (),
        "totals": OrderTotals(total=eur("33.00")),
    }
    return things.order(id_, **{**told, "payment_status": PaymentStatus.PAID, **more})


def place(erp, things, order):
    """Deliver an order of a customer that no other test has."""
    return erp.place(order, things.delivery(order, "placed", things.customer("books-c")))


def sold(erp, things, id_: str, **more: Any) -> tuple[Ref, dict[tuple[str, str], str]]:
    """A paid order in Tryton, as others refer to it: the reference, and what it is here."""
    done = place(erp, things, order_of(things, id_, **more))
    return Ref(kind="order", id=id_), {("order", id_): done.result.references[0].external_id}


def seen(done, kind: str):
    [found] = [shot.entity for shot in done.result.snapshots if shot.kind == kind]
    return found


def stock_of(erp, sku: str) -> Decimal:
    told = [shot.entity for shot in erp.poll("stock").emitted if isinstance(shot, Snapshot)]
    levels = (one.on_hand for one in reversed(told) if isinstance(one, InventoryLevel) and one.sku == sku)
    return next(levels) or Decimal(0)


# ── Invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paid_order_has_its_invoice_posted_and_paid(erp, things):
    done = place(erp, things, order_of(things, "paid-1"))
    order = seen(done, "order")
    assert (order.status_raw, order.payment_status, str(order.totals.total)) == (
        "processing",
        PaymentStatus.PAID,
        "33.00 EUR",
    )
    assert "paid: 33.00 EUR" in done.result.note
    assert "answered with yes" in done.result.note  # the tax is not the product's own
    steps = [request.step for request in done.requests if not request.reads]
    [post] = [step for step in steps if step.startswith("post-") and step.count("-") == 1]
    assert [step for step in steps if step.startswith("post-")] == [post, f"{post}-sure-1", f"{post}-again-1"]
    again = place(erp, things, order_of(things, "paid-1"))
    assert not [request for request in again.requests if not request.reads]
    assert erp.find_order(order_of(things, "paid-1")).references == done.result.references[:1]


def test_an_order_that_is_paid_later_is_booked_then(erp, things):
    unpaid = order_of(things, "later-1", payment_status=PaymentStatus.UNPAID)
    assert seen(place(erp, things, unpaid), "order").payment_status is PaymentStatus.UNPAID
    paid = order_of(things, "later-1")
    assert erp.find_order(paid) is None  # delivering again books it
    assert seen(place(erp, things, paid), "order").payment_status is PaymentStatus.PAID


def test_without_a_method_of_payment_invoices_stay_with_people(erp, make_erp, make_channel, things):
    plain = make_erp(erp.drive.answers, make_channel(erp.settings.base_url))
    order = seen(place(plain, things, order_of(things, "people-1")), "order")
    assert (order.status_raw, order.payment_status_raw) == ("processing", "pending")


def test_a_question_that_is_not_to_be_answered_is_a_refusal(erp, make_erp, make_channel, things):
    told = {"payment_method": "Card", "warnings": ["effective_date_*"]}
    careful = make_erp(erp.drive.answers, make_channel(erp.settings.base_url, **told))
    with pytest.raises(Permanent, match="default taxes") as caught:
        place(careful, things, order_of(things, "asked-1"))
    assert caught.value.code == "UserWarning"
    assert seen(place(erp, things, order_of(things, "asked-1")), "order").payment_status is PaymentStatus.PAID


def test_a_method_of_payment_that_is_not_there_is_named(erp, make_erp, make_channel, things):
    wrong = make_erp(erp.drive.answers, make_channel(erp.settings.base_url, payment_method="Barter"))
    with pytest.raises(Permanent, match="'Barter'"):
        place(wrong, things, order_of(things, "barter-1"))


# ── Returns and refunds ──────────────────────────────────────────────────────────────────────────────────────────


def back_of(order: Ref, id_: str, **more: Any) -> Return:
    lines = (ReturnLine(sku="TEA-1", quantity=Decimal(1), reason="too small"),)
    return Return(id=id_, order=order, **{"lines": lines, "state": ReturnState.REQUESTED, **more})


def refund_of(order: Ref, id_: str, amount: Money, **more: Any) -> Refund:
    return Refund(id=id_, order=order, amount=amount, **more)


def test_a_return_is_requested_received_and_refunded(erp, things):
    order, references = sold(erp, things, "back-1")
    before = stock_of(erp, "TEA-1")
    done = erp.take_back(back_of(order, "back-r1"), references=references)
    back = seen(done, "return")
    assert (back.state, back.order.external_id) == (ReturnState.APPROVED, references["order", "back-1"])
    assert [(line.sku, line.quantity, str(line.amount), line.reason) for line in back.lines] == [
        ("TEA-1", Decimal(1), "10.00 EUR", "too small")
    ]
    own = done.result.references[0].external_id
    arrived = back_of(order, "back-r1", state=ReturnState.RECEIVED)
    received = erp.take_back(arrived, "received", references=references, own=own)
    assert seen(received, "return").state is ReturnState.RECEIVED
    assert stock_of(erp, "TEA-1") == before + 1
    assert not [r for r in erp.take_back(arrived, "received", references=references).requests if not r.reads]

    paid = erp.refund(refund_of(order, "back-f1", things.eur("12.50")), references=references)
    assert [reference.external_id for reference in paid.result.references] == [own]
    assert erp.look("return", own)[0].entity.state is ReturnState.CLOSED  # received, and its credit note settled
    again = erp.refund(refund_of(order, "back-f1", things.eur("12.50")), references=references)
    assert not [request for request in again.requests if not request.reads]
    assert not [shot for shot in erp.look("return", own) if shot.kind == "refund"]  # others told of it


def test_a_refund_without_goods_is_a_credit_note_with_the_tax_of_the_order(erp, things):
    order, references = sold(erp, things, "money-1")
    done = erp.refund(refund_of(order, "money-f1", things.eur("6.60"), reason="late"), references=references)
    refund = seen(done, "refund")
    assert (str(refund.amount), refund.state) == ("6.60 EUR", RefundState.COMPLETED)
    [told] = [shot for shot in done.result.snapshots if shot.kind == "refund"]
    assert (told.ours, refund.order.external_id) == ("money-f1", references["order", "money-1"])
    own = int(told.external_id)
    fields = ["untaxed_amount", "tax_amount", "total_amount", "invoice_state"]
    [sale] = erp.ask("sale.sale", [["id", "=", own]], fields)
    # 25.00 of 33.00 bear a quarter of tax: 5.00 of the 6.60, of which 1.00 is tax.
    assert (sale["untaxed_amount"], sale["tax_amount"]) == (Decimal("-5.60"), Decimal("-1.00"))
    assert (sale["total_amount"], sale["invoice_state"]) == (Decimal("-6.60"), "paid")


def test_a_refund_settles_credit_notes_first_and_makes_one_for_the_rest(erp, things):
    order, references = sold(erp, things, "rest-1")
    back = erp.take_back(back_of(order, "rest-r1"), references=references).result.references[0].external_id
    done = erp.refund(refund_of(order, "rest-f1", things.eur("20.00")), references=references)
    refund = seen(done, "refund")
    assert str(refund.amount) == "7.50 EUR"
    [sale] = erp.ask("sale.sale", [["id", "=", int(back)]], ["invoice_state"])
    assert sale["invoice_state"] == "paid"


def test_two_refunds_of_one_return_settle_it_in_parts(erp, things):
    order, references = sold(erp, things, "parts-1")
    back = erp.take_back(back_of(order, "parts-r1"), references=references).result.references[0].external_id
    for id_, amount, state in (("parts-f1", "5.00", "awaiting payment"), ("parts-f2", "7.50", "paid")):
        erp.refund(refund_of(order, id_, things.eur(amount)), references=references)
        [sale] = erp.ask("sale.sale", [["id", "=", int(back)]], ["invoice_state"])
        assert sale["invoice_state"] == state


def test_a_return_after_its_refund_brings_goods_and_no_money(erp, things):
    order, references = sold(erp, things, "after-1")
    erp.refund(refund_of(order, "after-f1", things.eur("12.50")), references=references)
    before = stock_of(erp, "TEA-1")
    done = erp.take_back(back_of(order, "after-r1", state=ReturnState.RECEIVED), "received", references=references)
    assert "without a credit note" in done.result.note
    own = int(done.result.references[0].external_id)
    [sale] = erp.ask("sale.sale", [["id", "=", own]], ["invoice_state"])
    assert sale["invoice_state"] == "none"
    assert stock_of(erp, "TEA-1") == before + 1


def test_what_cannot_be_taken_back_is_refused_in_words(erp, things):
    order, references = sold(erp, things, "words-1")
    with pytest.raises(Permanent, match="has no sale"):
        erp.take_back(back_of(order, "words-r1"))
    strange = back_of(order, "words-r2", lines=(ReturnLine(sku="HAT-1", quantity=Decimal(1)),))
    with pytest.raises(Permanent, match="no line for the SKU 'HAT-1'"):
        erp.take_back(strange, references=references)
    dollars = Money(amount=Decimal(1), currency="USD")
    with pytest.raises(Permanent, match="in USD"):
        erp.refund(refund_of(order, "words-f1", dollars), references=references)


def test_a_return_is_called_off(erp, make_erp, make_channel, things):
    order, references = sold(erp, things, "off-1")
    quoting = make_erp(erp.drive.answers, make_channel(erp.settings.base_url, confirm=False))
    made = quoting.take_back(back_of(order, "off-r1"), references=references)
    assert seen(made, "return").state is ReturnState.REQUESTED
    ended = quoting.take_back(back_of(order, "off-r1", state=ReturnState.DECLINED), "updated", references=references)
    assert seen(ended, "return").state is ReturnState.CANCELLED


# ── Stock ────────────────────────────────────────────────────────────────────────────────────────────────────────


def level_of(**counts: Any) -> InventoryLevel:
    return InventoryLevel(id="level-1", variant=Ref(kind="variant", id="v-1"), sku="CUP-1", location=PLACE, **counts)


def count(erp, level: InventoryLevel, **more: Any):
    """Deliver a level of a place that was matched with the warehouse."""
    return erp.count(level, references={("location", "place-1"): "WH"}, **more)


def test_a_count_sets_what_is_there(erp):
    done = count(erp, level_of(on_hand=Decimal(9)))
    level = seen(done, "inventory")
    assert (level.on_hand, level.location.external_id) == (Decimal(9), "WH")
    assert stock_of(erp, "CUP-1") == Decimal(9)
    own = done.result.references[0].external_id
    again = count(erp, level_of(on_hand=Decimal(9)), own=own)
    assert not [request for request in again.requests if not request.reads]
    assert seen(count(erp, level_of(available=level.available + 2)), "inventory").on_hand == Decimal(11)


def test_a_count_that_was_left_unfinished_is_brought_up_to_date(erp):
    [place] = erp.ask("stock.location", [["code", "=", "WH"]], ["storage_location"])
    [cup] = erp.ask("product.product", [["code", "=", "CUP-1"]], ["code"])

    def drafts():
        return erp.ask("stock.inventory", [["state", "=", "draft"], ["lines.product", "=", cup["id"]]], ["state"])

    lines = [["create", [{"product": cup["id"], "quantity": 99.0}]]]
    left = {"location": place["storage_location"], "company": 1, "date": date(2026, 11, 20), "lines": lines}
    erp.create("stock.inventory", left)
    assert drafts()
    assert seen(count(erp, level_of(on_hand=Decimal(6))), "inventory").on_hand == Decimal(6)
    assert not drafts()


def test_counts_of_unknown_places_and_products_are_refused(erp):
    elsewhere = level_of(on_hand=Decimal(1)).model_copy(update={"location": Ref(kind="location", id="other")})
    with pytest.raises(Permanent, match="not matched") as nowhere:
        erp.count(elsewhere)
    assert (nowhere.value.code, "--kind location" in str(nowhere.value.remedy)) == ("unmatched", True)
    other = erp.count(elsewhere, references={("location", "other"): "SHOP"})
    assert other.result.note == "stock of another place than this channel's warehouse"
    with pytest.raises(Permanent, match="SKU 'HAT-1'") as nothing:
        count(erp, level_of(on_hand=Decimal(1)).model_copy(update={"sku": "HAT-1"}))
    assert (nothing.value.code, "--kind variant" in str(nothing.value.remedy)) == ("unmatched", True)
    with pytest.raises(Permanent):
        count(erp, level_of(on_hand=Decimal(-1)))


# ── Prices ───────────────────────────────────────────────────────────────────────────────────────────────────────


def product_of(amount: Money, *, tax_included: bool | None = None, sku: str = "CUP-1") -> Product:
    price = Price(amount=amount, tax_included=tax_included)
    return Product(id="p-1", title="Cup", variants=(Variant(sku=sku, prices=(price,)),))


def test_a_price_becomes_a_list_price_without_tax(erp, things):
    done = erp.price(product_of(things.eur("9.95"), tax_included=True))
    [variant] = seen(done, "product").variants
    assert (variant.sku, variant.prices[0].amount) == ("CUP-1", things.eur("7.96"))
    again = erp.price(product_of(things.eur("9.95"), tax_included=True))
    assert not [request for request in again.requests if not request.reads]
    erp.price(product_of(things.eur("8.00")))


def test_what_cannot_be_a_list_price_is_told(erp, things):
    kronor = Money(amount=Decimal(90), currency="SEK")
    assert erp.price(product_of(kronor)).result.note == "no price in EUR that could be a list price"
    absent = erp.price(product_of(things.eur("5.00"), sku="HAT-1"))
    assert absent.result.note == "no product in Tryton has the code HAT-1"


def test_a_price_that_somebody_changes_meanwhile_is_read_again(erp, things):
    """The optimistic lock: nobody's change is overwritten unseen."""
    answers, changed = erp.drive.answers, []
    respond = answers.respond

    def changing(request):
        if b'"model.product.product.write"' in request.body and not changed:
            changed.append(request)
            [cup] = erp.ask("product.product", [["code", "=", "CUP-1"]], ["code"])
            erp.write("product.product", cup["id"], {"list_price": Decimal("11.00")})
        return respond(request)

    answers.respond = changing
    try:
        with pytest.raises(Retryable):
            erp.price(product_of(things.eur("8.40")))
        [variant] = seen(erp.price(product_of(things.eur("8.40"))), "product").variants
    finally:
        answers.respond = respond
        erp.price(product_of(things.eur("8.00")))
    assert changed
    assert variant.prices[0].amount == things.eur("8.40")


# ── What people do in Tryton ─────────────────────────────────────────────────────────────────────────────────────


def test_a_return_that_somebody_makes_in_tryton_comes_in_with_its_refund(server, make_erp, make_channel, things):
    erp = make_erp(server, make_channel(f"http://127.0.0.1:{server.port}", payment_method="Card"))
    _, references = sold(erp, things, "wizard-1")
    [number] = [int(id_) for id_ in references.values()]
    context = {**server.context, "active_model": "sale.sale", "active_id": number, "active_ids": [number]}
    session, *_ = server.call("wizard.sale.return_sale.create", context)
    server.call("wizard.sale.return_sale.execute", session, {"start": {}}, "return_", context)
    [back] = server.ids("sale.sale", ["origin", "=", f"sale.sale,{number}"])
    [goods] = erp.look("return", str(back))
    assert (goods.entity.state, [line.sku for line in goods.entity.lines]) == (
        ReturnState.REQUESTED,
        ["TEA-1", "CUP-1"],
    )
    for button in ("quote", "confirm"):
        server.model(f"sale.sale.{button}", [back])
    [sale] = erp.ask("sale.sale", [["id", "=", back]], ["invoices"])
    assert is_list(sale["invoices"])
    cursor = erp.poll("sales").pages[-1][1]
    settle_by_hand(server, sale["invoices"][0])
    told = {shot.kind: shot for shot in erp.poll("sales", cursor).emitted if shot.external_id == str(back)}
    assert str(told["refund"].entity.amount) == "33.00 EUR"
    assert told["refund"].entity.order.external_id == str(number)
    assert told["return"].ours is None


def settle_by_hand(server, invoice: int) -> None:
    """What an accountant does: ignore the warning, post, pay."""
    asked = server.raw("model.account.invoice.post", [invoice], server.context).json()["error"]
    server.model("res.user.warning.skip", asked[1][0], False)
    server.model("account.invoice.post", [invoice])
    [row] = server.model("account.invoice.read", [invoice], ["party", "currency", "amount_to_pay"])
    [method] = server.ids("account.invoice.payment.method", ["name", "=", "Card"])
    context = {**server.context, "active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]}
    session, *_ = server.call("wizard.account.invoice.pay.create", context)
    form = {"payee": row["party"], "currency": row["currency"], "amount": row["amount_to_pay"], "company": 1}
    form |= {"payment_method": method, "date": date(2026, 11, 22)}
    server.call("wizard.account.invoice.pay.execute", session, {"start": form}, "choice", context)
