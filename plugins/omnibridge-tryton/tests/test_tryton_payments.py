"""Payments by their own tenders: booked once, in parts, against what is owed; against the sandbox and a real server."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from omnibridge_tryton.payments import find_payment, list_methods
from omnibridge_tryton.sandbox import TrytonSandbox

from omnibridge.errors import Permanent, Retryable
from omnibridge.model import (
    OrderLine,
    OrderTotals,
    Payment,
    PaymentMethod,
    PaymentState,
    PaymentStatus,
    Ref,
)

pytestmark = pytest.mark.xdist_group("tryton")
ON_A_SERVER = {"test_two_payments_settle_an_invoice_in_parts_each_once"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What shows that Tryton does what we think runs on a real server too."""
    if "erp" in metafunc.fixturenames:
        real = metafunc.function.__name__ in ON_A_SERVER
        metafunc.parametrize("erp", ["sandbox", "server"] if real else ["sandbox"], indirect=True)


@pytest.fixture
def erp(request, make_channel, make_erp):
    """A channel that books payments one by one."""
    told = {"payment_method": "Card", "book_payments": True}
    if request.param == "server":
        server = request.getfixturevalue("server")
        return make_erp(server, make_channel(f"http://127.0.0.1:{server.port}", **told))
    settings = make_channel("http://127.0.0.1:8000", **told)
    sandbox = TrytonSandbox(settings, request.getfixturevalue("sandbox").now)
    sandbox.add_product("CUP-1", "Cup", Decimal("8.00"))
    sandbox.store.create("account.invoice.payment.method", {"name": "Gift card", "company": settings.company})
    return make_erp(sandbox, settings)


def order_of(things, id_: str, **more: Any):
    """Three cups, 24.00 EUR, paid."""
    line = OrderLine(sku="CUP-1", title="Cup", quantity=Decimal(3), unit_price=things.eur("8.00"))
    told = {"lines": (line,), "shipping": (), "discounts": (), "totals": OrderTotals(total=things.eur("24.00"))}
    return things.order(id_, **{**told, "payment_status": PaymentStatus.PAID, **more})


def placed(erp, things, id_: str, **more: Any) -> dict[tuple[str, str], str]:
    """An order in Tryton; the reference to its sale."""
    order = order_of(things, id_, **more)
    done = erp.place(order, things.delivery(order, "placed", things.customer("c-1")))
    return {("order", id_): done.result.references[0].external_id}


def paid(things, order: str, id_: str, amount: str, **more: Any) -> Payment:
    told = {"method": PaymentMethod.CARD, "state": PaymentState.CAPTURED, "amount": things.eur(amount)}
    return Payment(id=id_, order=Ref(kind="order", id=order), **{**told, **more})


def invoices(erp, references) -> list[tuple[str, str]]:
    (sale,) = references.values()
    rows = erp.ask("account.invoice", [["sales", "=", int(sale)]], ["state", "amount_to_pay"])
    return [(row["state"], str(Decimal(str(row["amount_to_pay"])).quantize(Decimal("0.01")))) for row in rows]


def test_two_payments_settle_an_invoice_in_parts_each_once(erp, things):
    sold = placed(erp, things, "pay-1")
    assert invoices(erp, sold)[0][0] == "draft"  # a paid order settles nothing by itself
    first, second = paid(things, "pay-1", "pay-1a", "10.00"), paid(things, "pay-1", "pay-1b", "14.00")
    done = erp.pay(first, references=sold)
    assert "10.00 EUR booked on invoice" in done.result.note
    assert invoices(erp, sold) == [("posted", "14.00")]
    again = erp.pay(first, references=sold)
    assert (again.result.note, [request for request in again.requests if not request.reads]) == ("booked before", [])
    erp.pay(second, references=sold)
    assert invoices(erp, sold) == [("paid", "0.00")]


def test_a_tender_is_booked_by_the_method_that_it_is_matched_with_else_by_the_one_that_is_named(erp, things, sandbox):
    books = erp.drive.answers
    card, voucher = (row["id"] for row in books.store.table("account.invoice.payment.method").values())
    used: list[object] = []
    wizard = books.books.wizard

    def watching(verb, args, context):
        if verb == "execute":
            used.append(args[1]["start"]["payment_method"])
        return wizard(verb, args, context)

    books.books.wizard = watching
    sold = placed(erp, things, "pay-2")
    matched = {**sold, ("payment_method", "gift_card"): str(voucher)}
    erp.pay(paid(things, "pay-2", "pay-2a", "4.00", method=PaymentMethod.GIFT_CARD), references=matched)
    erp.pay(paid(things, "pay-2", "pay-2b", "20.00"), references=matched)
    assert used == [voucher, card]


def test_a_tip_is_part_of_what_came_and_more_than_is_owed_is_told(erp, things):
    sold = placed(erp, things, "pay-3")
    done = erp.pay(paid(things, "pay-3", "pay-3a", "20.00", tip=things.eur("9.00")), references=sold)
    assert "5.00 EUR is more than is owed" in done.result.note
    assert invoices(erp, sold) == [("paid", "0.00")]


def test_what_was_cut_short_is_completed(erp, things):
    sold = placed(erp, things, "pay-4")
    payment = paid(things, "pay-4", "pay-4a", "24.00")
    find = lambda: erp.deliver(find_payment, payment, "captured", references=sold).result  # noqa: E731
    assert find() is None
    erp.pay(payment, references=sold)
    assert find().note == "booked before"


def test_what_cannot_be_booked_says_why(erp, things, make_erp):
    sold = placed(erp, things, "pay-5")
    bare = make_erp(erp.drive.answers, erp.settings.model_copy(update={"payment_method": None}))
    with pytest.raises(Permanent, match="tender card is not matched") as caught:
        bare.pay(paid(things, "pay-5", "p", "24.00"), references=sold)
    assert (caught.value.code, "--kind payment_method" in str(caught.value.remedy)) == ("unmatched", True)
    with pytest.raises(Permanent, match="no method of payment 99"):
        erp.pay(paid(things, "pay-5", "p", "24.00"), references={**sold, ("payment_method", "card"): "99"})
    with pytest.raises(Permanent, match="no sale in Tryton"):
        erp.pay(paid(things, "other", "p", "24.00"), references=sold)
    dollars = paid(things, "pay-5", "p", "24.00").model_copy(
        update={"amount": things.eur("1").model_copy(update={"currency": "USD"})}
    )
    with pytest.raises(Permanent, match="in USD for a sale in EUR"):
        erp.pay(dollars, references=sold)
    assert (
        erp.pay(paid(things, "pay-5", "p", "1", state=PaymentState.AUTHORIZED), references=sold).result.note
        == "no money has come yet"
    )
    as_a_whole = make_erp(erp.drive.answers, erp.settings.model_copy(update={"book_payments": False}))
    assert "book_payments" in as_a_whole.pay(paid(things, "pay-5", "p", "24.00"), references=sold).result.note
    assert invoices(erp, sold)[0][0] == "draft"


def test_a_payment_waits_until_its_sale_is_processed(erp, things, make_erp):
    quoting = make_erp(erp.drive.answers, erp.settings.model_copy(update={"confirm": False}))
    sold = placed(quoting, things, "pay-6")
    with pytest.raises(Retryable, match="no invoice yet"):
        erp.pay(paid(things, "pay-6", "p", "24.00"), references=sold)


def test_a_method_called_like_a_tender_means_it(erp):
    listed = erp.drive.run(lambda http: list_methods(erp.settings, http)).result
    assert [(term.kind, term.name, term.word) for term in listed] == [
        ("payment_method", "Card", "card"),
        ("payment_method", "Gift card", "gift_card"),
    ]
    assert not erp.drive.run(lambda http: list_methods(erp.settings.model_copy(update={"company": 2}), http)).result


def test_booking_payments_needs_confirmed_sales(make_channel):
    with pytest.raises(ValueError, match="`book_payments` needs `confirm`"):
        make_channel("http://127.0.0.1:8000", book_payments=True, confirm=False, payment_method=None)
