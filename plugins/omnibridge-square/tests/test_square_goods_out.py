"""Refunds and products to Square."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from omnibridge_square.entities import item
from omnibridge_square.products_out import normal_product
from omnibridge_square.reads import read
from omnibridge_square.wire import Node

from omnibridge.connector import Lookup
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import (
    Money,
    Payment,
    PaymentMethod,
    PaymentState,
    Price,
    Product,
    ProductStatus,
    Ref,
    Refund,
    RefundState,
    Variant,
)


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


# -- refunds ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def paid(rig) -> str:
    """An order that was paid elsewhere and recorded here, known as `ord-1` and `pay-1`; the payment's id."""
    line = {"uid": "a", "name": "Tea", "quantity": "1", "base_price_money": {"amount": 3000, "currency": "EUR"}}
    rig.references["order", "ord-1"] = rig.sandbox._new_order({"location_id": "L-MAIN", "line_items": [line]})["id"]
    order = Ref(kind="order", id="ord-1")
    rig.deliver(
        Payment(id="pay-1", order=order, amount=eur("30.00"), state=PaymentState.CAPTURED, method=PaymentMethod.CARD)
    )
    return rig.references["payment", "pay-1"]


def refund(**fields: Any) -> Refund:
    told = {"id": "ref-1", "payment": Ref(kind="payment", id="pay-1"), "amount": eur("10.00"), "reason": "broken"}
    return Refund(**{**told, **fields})


def test_money_that_went_back_elsewhere_is_recorded_once(rig, paid):
    receipt = rig.deliver(refund())
    body = json.loads(rig.requests[-1].body)
    assert len(body.pop("idempotency_key")) <= 45
    assert body == {
        "payment_id": paid,
        "amount_money": {"amount": 1000, "currency": "EUR"},
        "reason": "broken",
    }
    [told] = receipt.snapshots
    assert (told.entity.state, told.entity.amount) == (RefundState.COMPLETED, eur("10.00"))
    assert rig.references["refund", "ref-1"] == told.external_id
    assert rig.deliver(refund()).note
    assert len(rig.sandbox.refunds) == 1
    [again] = rig.run(lambda http: read(rig.settings, Lookup("refund", told.external_id), http)).result
    assert (again.version, again.entity) == (told.version, told.entity)


@pytest.mark.parametrize("at", [1, 2, 3, -1, -2, -3])
def test_interrupted_anywhere_it_is_recorded_once(rig, paid, crash, at):
    with pytest.raises(crash):
        rig.deliver(refund(), crash_at=at)
    rig.deliver(refund())
    assert len(rig.sandbox.refunds) == 1


@pytest.mark.parametrize(
    "fields", [{"state": RefundState.PENDING}, {"state": RefundState.FAILED}, {"amount": None}, {"amount": eur("0")}]
)
def test_what_has_not_gone_back_is_not_recorded(rig, paid, fields):
    assert rig.deliver(refund(**fields)).note
    assert not rig.sandbox.refunds


def test_money_that_square_took_goes_back_only_where_that_is_allowed(rig, paid):
    rig.sandbox.payments[paid]["source_type"] = "CARD"
    with pytest.raises(Permanent) as caught:
        rig.deliver(refund())
    assert (caught.value.code, rig.sandbox.refunds) == ("NOT_ALLOWED", {})
    rig.settings = rig.settings.model_copy(update={"refund_money": True})
    [told] = rig.deliver(refund(state=RefundState.PENDING)).snapshots
    assert told.entity.state is RefundState.PENDING  # Square says more when the bank has
    with pytest.raises(Permanent) as caught:
        rig.deliver(refund(id="ref-2", amount=eur("20.01")))
    assert caught.value.code == "REFUND_AMOUNT_INVALID"


def test_without_its_payment_the_orders_only_one_is_meant(rig, paid):
    order = Ref(kind="order", id="ord-1")
    [told] = rig.deliver(refund(payment=None, order=order)).snapshots
    assert told.entity.payment == Ref(kind="payment", external_id=paid)
    tenders = rig.sandbox.orders[rig.references["order", "ord-1"]]["tenders"]
    tenders.append({**tenders[0], "id": "T2", "payment_id": "PAY-2"})
    for one in (refund(id="ref-2", payment=None, order=order), refund(id="ref-3", payment=Ref(kind="payment", id="x"))):
        with pytest.raises(Permanent) as caught:
            rig.deliver(one)
        assert caught.value.code == "NO_PAYMENT"


# -- products ---------------------------------------------------------------------------------------------------------


def variant(sku: str, price: str | None = "100.00", **more: Any) -> Variant:
    return Variant(sku=sku, title=sku.title(), **({"prices": (Price(amount=eur(price)),)} if price else {}), **more)


def product(*variants: Variant, **fields: Any) -> Product:
    told: dict[str, Any] = {"id": "prod-1", "title": "Linen", "description": "Soft & strong", "variants": variants}
    return Product(**{**told, **fields})


def items(rig) -> list[Any]:
    return list(rig.sandbox.items.values())


def test_a_new_product_becomes_an_item_with_its_variations(rig):
    made = product(variant("BLUE", barcode="012345678905"), variant("RED", None), brand="North", tags=("soft",))
    receipt = rig.deliver(made)
    [found] = items(rig)
    assert found["item_data"]["name"] == "Linen"
    assert found["item_data"]["description_html"] == "Soft &amp; strong"
    blue, red = (one["item_variation_data"] for one in found["item_data"]["variations"])
    assert (blue["sku"], blue["upc"], blue["price_money"]) == (
        "BLUE",
        "012345678905",
        {"amount": 10000, "currency": "EUR"},
    )
    assert (red["pricing_type"], "price_money" in red) == ("VARIABLE_PRICING", False)
    [told] = receipt.snapshots
    assert (told.external_id, told.version) == (found["id"], found["version"])
    assert normal_product(rig.settings, told.entity) == normal_product(
        rig.settings, made.model_copy(update={"id": None})
    )
    # Its echo says the same: read back, there is nothing new.
    [seen] = rig.run(lambda http: read(rig.settings, Lookup("product", found["id"]), http)).result
    assert (seen.version, seen.entity.variants) == (told.version, told.entity.variants)
    written = len([one for one in rig.requests if not one.reads])
    rig.deliver(made, key="another")
    assert len([one for one in rig.requests if not one.reads]) == written


def test_an_item_of_the_same_sku_is_laid_over_and_keeps_what_is_its_own(rig):
    rig.deliver(product(variant("BLUE-2"), variant("BLUE")))
    rig.sandbox.edit_item(items(rig)[0]["id"], label_color="00ff00")
    rig.references.clear()
    rig.deliver(product(variant("BLUE", "90.00"), title="Linen, reduced", status=ProductStatus.ARCHIVED))
    [found] = items(rig)
    data = found["item_data"]
    assert (data["name"], data["is_archived"], data["label_color"]) == ("Linen, reduced", True, "00ff00")
    prices = [one["item_variation_data"]["price_money"]["amount"] for one in data["variations"]]
    assert prices == [10000, 9000]  # a variation that the product has not stays
    assert rig.references["product", "prod-1"] == found["id"]


def test_only_what_was_told_is_written(rig):
    rig.deliver(product(variant("BLUE")))
    rig.deliver(Product(id="prod-1", title="New name"), key="the-second-delivery")
    [found] = items(rig)
    assert found["item_data"]["name"] == "New name"
    assert found["item_data"]["description_plaintext"] == "Soft & strong"
    assert len(found["item_data"]["variations"]) == 1


def test_somebody_elses_change_in_between_is_kept(rig, monkeypatch):
    rig.deliver(product(variant("BLUE")))
    own, upsert = items(rig)[0]["id"], rig.sandbox._upsert
    turns: list[str] = []

    def just_before(body: Any) -> Any:
        turns.append("turn")
        if len(turns) == 1:
            rig.sandbox.edit_item(own, abbreviation="LI")
        return upsert(body)

    monkeypatch.setattr(rig.sandbox, "_upsert", just_before)
    rig.deliver(product(variant("BLUE", "80.00")), key="the-second-delivery")
    data = items(rig)[0]["item_data"]
    assert (data["abbreviation"], data["variations"][0]["item_variation_data"]["price_money"]["amount"]) == ("LI", 8000)

    def always(body: Any) -> Any:
        rig.sandbox.edit_item(own, abbreviation="L")
        return upsert(body)

    monkeypatch.setattr(rig.sandbox, "_upsert", always)
    with pytest.raises(Retryable):
        rig.deliver(product(variant("BLUE", "70.00")), key="the-third-delivery")


@pytest.mark.parametrize("at", [1, 2, 3, -1, -2, -3])
def test_interrupted_anywhere_one_item_is_made(rig, crash, at):
    try:
        rig.deliver(product(variant("BLUE")), crash_at=at)
    except crash:
        rig.deliver(product(variant("BLUE")))
    assert len(items(rig)) == 1


def test_what_is_not_written(rig):
    assert rig.deliver(product(variant("BLUE"), status=ProductStatus.DRAFT)).note
    assert not items(rig)
    rig.deliver(product(variant("BLUE")))
    items(rig)[0]["is_deleted"] = True
    with pytest.raises(Permanent) as caught:
        rig.deliver(product(variant("BLUE", "1.00")), key="the-second-delivery")
    assert caught.value.code == "NOT_FOUND"


def test_normal_is_idempotent_and_what_square_gives_back():
    whole = product(
        Variant(sku="S", prices=(Price(amount=eur("9.999"), price_list="b2b"), Price(amount=eur("9.999")))),
        status=ProductStatus.DRAFT,
        description=" two\n lines ",
        category="x",
    )
    once = normal_product(None, whole)  # pyright: ignore[reportArgumentType]
    assert normal_product(None, once) == once  # pyright: ignore[reportArgumentType]
    assert (once.description, once.variants[0].prices[0].amount) == ("two lines", eur("10.00"))
    assert not {"status", "category"} & once.model_fields_set
    assert item(Node({"id": "I", "item_data": {"name": "A"}})).entity == Product(title="A")
