"""The document of a shared entity is the fold over what its channels claim, however the news came."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from told import NOW, SHOP, TILL, Told

from omnibridge.journal import Origin
from omnibridge.model import Customer, Product
from omnibridge.reconcile import ChannelView, Shadow, Source, flat, fold, whole

CRM = ChannelView("crm", "/acme/crm/crm")
CHANNELS = {channel.name: channel for channel in (SHOP, TILL, CRM)}
FIELDS = ("given_name", "note", "attributes.size")


def second(n: float) -> Any:
    return NOW + timedelta(seconds=n)


values = st.sampled_from([None, "", "Ann", "Bo", "Cy"])
said = st.dictionaries(st.sampled_from(FIELDS), values, min_size=1)
news = st.tuples(st.just("news"), st.sampled_from(sorted(CHANNELS)), said, st.integers(0, 20))
wrote = st.tuples(st.just("wrote"), st.sampled_from(sorted(CHANNELS)), st.integers(0, 3), st.just(0))
owned = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(sorted(CHANNELS)), max_size=2)


def customer(fields: dict[str, Any]) -> Customer:
    return Customer.model_validate(whole("customer", fields))


def play(steps: list[Any], owners: dict[str, str]) -> Told:
    """News of three channels about one customer, and writes to them of what held some changes ago."""
    told = Told(owner=owners.get)
    told(SHOP, Customer(given_name="Zoe"), "shop-1", at=NOW)
    ours = told.id(SHOP, external_id="shop-1")
    past = [(told.entity(), NOW)]
    for number, (what, name, detail, stated) in enumerate(steps):
        told.now = second(100 + number)
        id_ = f"{name}-1"
        if what == "news":
            told(CHANNELS[name], customer(detail), id_, ours=ours, version=second(stated), at=told.now)
        else:
            state, made = past[max(0, len(past) - 1 - detail)]
            written = customer({key: value for key, value in flat("customer", state).items() if key != "id"})
            told(CHANNELS[name], written, id_, ours=ours, origin=Origin.RECEIPT, at=told.now, made=made)
        past.append((told.entity(), told.now))
    return told


@given(st.lists(news | wrote, max_size=12), owned)
@example(
    [
        ("news", "crm", {"given_name": None}, 0),
        ("news", "shop", {"given_name": None}, 0),
        ("wrote", "shop", 2, 0),
        ("news", "crm", {"given_name": None}, 0),
        ("news", "shop", {"given_name": ""}, 0),
    ],
    {},
)
def test_what_is_kept_step_by_step_is_the_fold_over_all_claims(steps, owners):
    told = play(steps, owners)
    entity, sources = fold("customer", told.shadows(), owners.get)
    assert {key: value for key, value in told.entity().items() if key != "id"} == entity
    assert told.sources() == sources


@given(st.lists(news, max_size=8), owned, st.randoms(use_true_random=False))
def test_the_order_of_shadows_does_not_matter(steps, owners, random):
    shadows = play(steps, owners).shadows()
    mixed = list(shadows)
    random.shuffle(mixed)
    assert fold("customer", shadows, owners.get) == fold("customer", mixed, owners.get)


def test_the_newest_claim_holds_and_a_copy_is_none():
    told = Told()
    told(SHOP, Customer(given_name="Ann"), "s", at=second(1))
    ours = told.id(SHOP, external_id="s")
    told(TILL, Customer(given_name="Ann"), "t", ours=ours, origin=Origin.RECEIPT, at=second(9), made=second(2))
    told(SHOP, Customer(given_name="Bo"), "s", at=second(3))
    assert told.entity()["given_name"] == "Bo"
    assert told.sources()["given_name"].channel == "shop"


def test_somebody_who_changes_what_we_wrote_is_newer_whatever_the_clock_says():
    """The till's clock is an hour late; it had the shop's name, and somebody changed it."""
    told = Told()
    told(SHOP, Customer(given_name="Ann"), "s", at=second(1))
    ours = told.id(SHOP, external_id="s")
    told(TILL, Customer(given_name="Ann"), "t", ours=ours, origin=Origin.RECEIPT, at=second(3), made=second(2))
    assert told(TILL, Customer(given_name="Bo"), "t", second(-3600), at=second(9)) == ["customer.updated"]
    assert told.entity()["given_name"] == "Bo"


def test_a_clock_that_is_ahead_wins_no_longer_than_until_it_is_heard():
    told = Told()
    told(SHOP, Customer(given_name="Ann"), "s", second(3600), at=second(1))
    told(TILL, Customer(given_name="Bo"), "t", ours=told.id(SHOP, external_id="s"), at=second(2))
    assert told.entity()["given_name"] == "Bo"


def test_a_claim_that_lost_is_given_back_what_holds():
    told = Told(owner={"note": "shop"}.get)
    told(SHOP, Customer(note="the shop's"), "s", at=second(1))
    ours = told.id(SHOP, external_id="s")
    told(TILL, Customer(note="the shop's"), "t", ours=ours, origin=Origin.RECEIPT, at=second(3), made=second(2))
    assert told(TILL, Customer(note="the till's"), "t", at=second(5)) == ["conflict.found"]
    [(event, channel)] = told.derived.restores
    assert (channel, event.name, event.data["note"]) == ("till", "customer.updated", "the shop's")
    assert event.extensions["channel"] == "shop"


def test_a_write_that_did_not_know_an_edit_does_not_swallow_it():
    """The shop's name was on its way to the till while somebody changed it there; no version tells which came last."""
    told = Told()
    told(SHOP, Customer(given_name="Ann"), "s", at=second(1))
    ours = told.id(SHOP, external_id="s")
    told(TILL, Customer(given_name="Ann"), "t", ours=ours, origin=Origin.RECEIPT, at=second(3), made=second(2))
    told.now = second(5)
    told(SHOP, Customer(given_name="Bo"), "s", at=second(5))
    told.now = second(6)
    told(TILL, Customer(given_name="Cy"), "t", at=second(6))
    told(TILL, Customer(given_name="Bo"), "t", origin=Origin.RECEIPT, at=second(7), made=second(5))
    assert told.entity()["given_name"] == "Cy"
    [(event, channel)] = told.derived.restores
    assert (channel, event.data["given_name"]) == ("till", "Cy")


def test_what_the_vendor_would_make_of_it_is_a_copy():
    """An echo without a receipt, trimmed and in capitals: it says what we said."""

    def capitals(kind: str, entity: dict[str, Any]) -> dict[str, Any]:
        return {**entity, "given_name": entity["given_name"].strip().upper()}

    till = ChannelView("till", "/acme/till/till", normal=capitals)
    told = Told()
    told(SHOP, Customer(given_name=" Ann"), "s", at=second(1))
    assert told(till, Customer(given_name="ANN"), "t", ours=told.id(SHOP, external_id="s"), at=second(2)) == []
    assert told.entity()["given_name"] == " Ann"
    assert told(till, Customer(given_name="BO"), "t", at=second(3)) == ["customer.updated"]


def test_after_a_split_each_has_what_it_claimed_itself():
    """The shop's name was written into the till's record; alone, the till's record has its own again."""
    told = Told()
    told(TILL, Customer(given_name="Bo", note="pays cash"), "t", at=second(1))
    ours = told.id(TILL, external_id="t")
    told.now = second(2)
    told(SHOP, Customer(given_name="Ann"), "s", ours=ours, at=second(2))
    told(TILL, Customer(given_name="Ann"), "t", origin=Origin.RECEIPT, at=second(4), made=second(3))
    shop, till = told.shadows()
    assert fold("customer", [shop, till])[0] == {"given_name": "Ann", "note": "pays cash"}
    assert fold("customer", [till])[0] == {"given_name": "Bo", "note": "pays cash"}
    assert fold("customer", [shop])[0] == {"given_name": "Ann"}


def test_a_shadow_without_claims_is_older_than_any():
    old, new = (
        Shadow("till", {"given_name": "Bo", "note": "x"}),
        Shadow("shop", {"given_name": "Ann"}, {"given_name": 1}),
    )
    entity, sources = fold("customer", [old, new])
    assert entity == {"given_name": "Ann", "note": "x"}
    assert sources == {"given_name": Source("shop", 1), "note": Source("till", 0)}


def product(*variants: dict[str, Any], **more: Any) -> Product:
    return Product.model_validate({"title": "Coat", "variants": variants, **more})


def price(amount: str) -> list[dict[str, Any]]:
    return [{"amount": {"amount": amount, "currency": "EUR"}}]


def test_the_price_of_a_variant_is_a_field_of_its_own():
    told = Told(owner=lambda field: "crm" if field.startswith("price.") else None)
    told(SHOP, product({"sku": "A", "title": "S", "prices": price("10.00")}, {"sku": "B"}), "s", at=second(1))
    ours = told.id(SHOP, "product", "s")
    told(CRM, product({"sku": "A", "prices": price("12.00")}), "c", ours=ours, at=second(2))
    told(SHOP, product({"sku": "A", "title": "M", "prices": price("9.00")}, {"sku": "B"}), "s", at=second(3))
    [first, second_] = told.entity("product")["variants"]
    assert (first["title"], first["prices"][0]["amount"]["amount"]) == ("M", "12.00")
    assert second_ == {"sku": "B"}


@pytest.mark.parametrize(
    "entity",
    [
        {},
        {"attributes": {}, "vendor": {}},
        {"attributes": {"a.b": 1, "": None}, "note": None},
        {"variants": [{"sku": "A", "prices": []}, {"external_id": "7"}, {}], "title": "x"},
    ],
)
def test_fields_apart_and_together_again_are_the_same(entity):
    assert whole("product", flat("product", entity)) == entity
