"""Customers to Square: found or made once, changed under their version, safe at every interruption."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from omnibridge_square.customers_out import normal_customer
from omnibridge_square.inbound import translate, verify

from omnibridge.connector import Fault, json_response
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Address, Customer, Ref


def person(rig, **fields) -> Customer:
    return Customer(
        **{
            "id": rig.id("customer"),
            "email": "person@example.com",
            "phone": "+4533123456",
            "given_name": "Given",
            "family_name": "Family",
            "addresses": (Address(name="Given Second Family", street="Street 1", city="Town", country="DK"),),
            **fields,
        }
    )


def test_a_new_customer_is_searched_for_and_then_made(rig):
    receipt = rig.deliver(person(rig, birthday=date(1990, 2, 3)))
    assert [(one.method, one.path) for one in rig.requests] == [
        ("POST", "/v2/customers/search"),
        ("POST", "/v2/customers/search"),
        ("POST", "/v2/customers/search"),
        ("POST", "/v2/customers"),
    ]
    assert [json.loads(one.body)["query"]["filter"] for one in rig.requests[:3]] == [
        {"reference_id": {"exact": rig.id("customer")}},
        {"email_address": {"exact": "person@example.com"}},
        {"phone_number": {"exact": "+4533123456"}},
    ]
    made = json.loads(rig.requests[3].body)
    assert len(made.pop("idempotency_key")) <= 45
    assert made == {
        "email_address": "person@example.com",
        "phone_number": "+4533123456",
        "given_name": "Given",
        "family_name": "Family",
        "birthday": "1990-02-03",
        "address": {
            "first_name": "Given Second",
            "last_name": "Family",
            "address_line_1": "Street 1",
            "locality": "Town",
            "country": "DK",
        },
        "reference_id": rig.id("customer"),
    }
    [stored] = rig.sandbox.records()["customers"]
    [told] = receipt.snapshots
    assert (told.external_id, told.version, told.ours) == (stored["id"], 0, rig.id("customer"))
    assert receipt.references[0].external_id == stored["id"]


@pytest.mark.parametrize("field", ["reference", "email", "phone"])
def test_a_profile_that_is_there_is_found_and_gets_our_id(rig, field):
    known = {"email_address": "PERSON@example.com"} if field == "email" else {"phone_number": "33 12 34 56"}
    if field == "reference":
        known = {"given_name": "Somebody", "reference_id": rig.id("customer")}
    if field == "phone":
        known = {"phone_number": "+45 33 12 34 56"}
    there = rig.sandbox._create_customer(known, "DIRECTORY")
    receipt = rig.deliver(person(rig))
    [stored] = rig.sandbox.records()["customers"]
    assert stored["id"] == there["id"] == receipt.references[0].external_id
    assert stored["reference_id"] == rig.id("customer")
    assert stored["given_name"] == "Given"


def test_the_oldest_of_several_profiles_with_one_address_is_used_and_a_foreign_reference_stays(rig):
    first = rig.sandbox._create_customer({"email_address": "person@example.com", "reference_id": "theirs"}, "DIRECTORY")
    rig.later(seconds=1)
    rig.sandbox._create_customer({"email_address": "person@example.com"}, "DIRECTORY")
    receipt = rig.deliver(person(rig))
    assert receipt.references[0].external_id == first["id"]
    assert rig.sandbox.customers[first["id"]]["reference_id"] == "theirs"


def test_only_what_differs_is_written_and_null_clears(rig):
    rig.deliver(person(rig, note="old"))
    rig.requests.clear()
    assert rig.deliver(person(rig, note="old")).references
    assert [one.method for one in rig.requests] == ["GET"], "nothing differs, nothing is written"
    receipt = rig.deliver(person(rig, note=None, family_name="New"))
    put = rig.requests[-1]
    assert json.loads(put.body) == {"family_name": "New", "note": None, "version": 0}
    assert put.headers == {"X-Clear-Null": "true"}
    [told] = receipt.snapshots
    assert told.entity.model_fields_set == {"email", "phone", "given_name", "family_name", "note", "addresses"}
    assert (told.entity.note, told.version) == (None, 1)
    [stored] = rig.sandbox.records()["customers"]
    assert "note" not in stored


def test_an_address_is_written_whole(rig):
    rig.deliver(person(rig, addresses=(Address(street="Street 1", street2="2", city="Town"),)))
    rig.deliver(person(rig, addresses=(Address(street="Street 9", city="Town"),)))
    [stored] = rig.sandbox.records()["customers"]
    assert stored["address"] == {"address_line_1": "Street 9", "locality": "Town"}
    receipt = rig.deliver(person(rig, addresses=()))
    assert "address" not in rig.sandbox.records()["customers"][0]
    assert receipt.snapshots[0].entity.addresses == ()


def test_a_country_cannot_be_cleared(rig):
    rig.deliver(person(rig))
    rig.deliver(person(rig, addresses=()))
    [stored] = rig.sandbox.records()["customers"]
    assert stored["address"] == {"country": "DK"}
    rig.requests.clear()
    rig.deliver(person(rig, addresses=()))
    assert [one.method for one in rig.requests] == ["GET"]


def test_somebody_faster_means_reading_again_once(rig):
    rig.deliver(person(rig))
    [stored] = rig.sandbox.records()["customers"]
    respond, raced = rig.sandbox.respond, []

    def race(request):
        if request.method == "PUT" and not raced:
            raced.append(request)
            rig.sandbox.edit_customer(stored["id"], note="from the till")
        return respond(request)

    rig.sandbox.respond = race
    rig.deliver(person(rig, family_name="New"))
    [stored] = rig.sandbox.records()["customers"]
    assert (stored["family_name"], stored["note"]) == ("New", "from the till")
    assert [one.step for one in rig.requests if one.method == "PUT"] == ["change", "change-again"]


def test_somebody_always_faster_means_coming_back_later(rig):
    rig.deliver(person(rig))
    error = {"category": "INVALID_REQUEST_ERROR", "code": "VERSION_MISMATCH"}
    rig.sandbox.faults.append(Fault(json_response({"errors": [error]}, 409), times=2, method="PUT"))
    with pytest.raises(Retryable):
        rig.deliver(person(rig, family_name="New"))


def test_a_merged_profile_is_followed_to_the_survivor(rig):
    rig.deliver(person(rig))
    [old] = rig.sandbox.customers
    other = rig.sandbox._create_customer({"given_name": "Other"}, "DIRECTORY")
    new = rig.sandbox.merge_customers(old, other["id"])
    receipt = rig.deliver(person(rig, family_name="New"))
    assert receipt.references[0].external_id == new
    assert rig.references["customer", rig.id("customer")] == new
    assert rig.sandbox.customers[new]["family_name"] == "New"


def test_a_profile_deleted_at_the_till_is_not_made_again(rig):
    rig.deliver(person(rig))
    rig.sandbox.customers.clear()
    with pytest.raises(Permanent, match="deleted at Square") as caught:
        rig.deliver(person(rig, family_name="New"))
    assert caught.value.code == "NOT_FOUND"
    assert caught.value.remedy


def test_refusals_are_permanent_with_square_s_words(rig):
    with pytest.raises(Permanent, match="INVALID_PHONE_NUMBER") as caught:
        rig.deliver(Customer(id=rig.id("customer"), given_name="A", phone="+12"))
    assert caught.value.code == "INVALID_PHONE_NUMBER"
    with pytest.raises(Permanent, match="without a name"):
        rig.deliver(Customer(id=rig.id("customer", "2"), note="nobody"))
    assert rig.deliver(person(rig, merged_into=Ref(kind="customer", id="x"))).note


@pytest.mark.parametrize("lag", [0, 60])
@pytest.mark.parametrize("at", [*range(1, 7), *range(-6, 0)])
def test_interrupted_anywhere_a_customer_is_made_once(rig, crash, at, lag):
    rig.sandbox.search_lag = timedelta(seconds=lag)
    try:
        rig.deliver(person(rig), crash_at=at)
    except crash:
        rig.later(seconds=5)
        rig.deliver(person(rig))
    assert len(rig.sandbox.customers) == 1
    rig.deliver(person(rig, note="later"))
    [stored] = rig.sandbox.records()["customers"]
    assert stored["note"] == "later"


@pytest.mark.parametrize(("known", "at"), [({}, -5), ({"email_address": "person@example.com"}, -4)])
def test_what_was_made_or_found_is_kept_at_once(rig, crash, known, at):
    if known:
        rig.sandbox._create_customer(known, "DIRECTORY")
    with pytest.raises(crash):
        rig.deliver(person(rig), crash_at=at)
    assert rig.references == {("customer", rig.id("customer")): next(iter(rig.sandbox.customers))}
    rig.requests.clear()
    rig.deliver(person(rig))
    assert not any(one.path.endswith("search") for one in rig.requests)


def test_a_key_is_never_used_for_another_body(rig):
    rig.sandbox.search_lag = timedelta(hours=1)
    rig.deliver(person(rig), key="one")
    rig.references.clear()
    with pytest.raises(Permanent) as caught:
        rig.deliver(person(rig, note="another"), key="one")
    assert caught.value.code == "IDEMPOTENCY_KEY_REUSED"


def test_normal_is_what_square_keeps_and_is_idempotent(rig):
    whole = person(rig, tags=("vip",), locale="da", note="", loyalty_number="7").model_copy()
    once = normal_customer(rig.settings, whole)
    assert normal_customer(rig.settings, once) == once
    assert once.model_fields_set == {"id", "email", "phone", "given_name", "family_name", "addresses", "note"}
    assert once.note is None
    told = rig.deliver(once).snapshots[0].entity
    assert normal_customer(rig.settings, told).model_dump(exclude={"id", "note"}) == once.model_dump(
        exclude={"id", "note"}
    )


def test_the_echo_of_our_own_write_says_what_the_receipt_said(rig):
    receipt = rig.deliver(person(rig))
    [echo] = rig.sandbox.outbox
    inbound = rig.inbound(echo.body, dict(echo.headers), echo.url)
    assert verify(rig.settings, inbound, rig.now).value == "ok"
    assert list(translate(rig.settings, inbound)) == list(receipt.snapshots)
