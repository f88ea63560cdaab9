"""Webhooks: signatures, delivery ids, what each notification says, and that no leaf is lost unseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_square.connector import CONNECTOR, DROPPED
from omnibridge_square.inbound import EVENT_TYPES, delivery_id, translate, verify
from omnibridge_square.settings import SquareSettings
from square.utils.webhooks_helper import verify_signature

from omnibridge.connector import (
    Inbound,
    Lookup,
    Occurrence,
    Snapshot,
    Verdict,
    dump_observations,
    hmac_base64,
    load_observations,
)
from omnibridge.errors import InvalidMessage
from omnibridge.model import Consent, Customer, InventoryLevel, Payment, Refund, consent_key

SETTINGS = SquareSettings.model_validate({"access_token": "t", "signature_keys": ["asdf1234", "older"], "region": "DK"})
URL = "https://bridge.example.com/in/till?a=b"
HEADER = "x-square-hmacsha256-signature"


GAN = "7783320007480908"
# Square's own example of `gift_card.activity.created` (developer.squareup.com, webhooks reference); the vendored
# samples have none of gift cards.
ACTIVITY = {
    "id": "gcact_c8f8cbf1f24b448d8ecf39ed03f97864",
    "gift_card_id": "gftc:00113070ba5745f0b2377c1b9570cb03",
    "gift_card_gan": GAN,
    "type": "ACTIVATE",
    "gift_card_balance_money": {"amount": 1000, "currency": "USD"},
    "location_id": "81FN9BNFZTKS4",
    "activate_activity_details": {
        "amount_money": {"amount": 1000, "currency": "USD"},
        "order_id": "jJNGHm4gLI6XkFbwtiSLqK72KkAZY",
        "line_item_uid": "eIWl7X0nMuO9Ewbh0ChIx",
    },
    "created_at": "2020-12-17T01:41:35.157Z",
}


def inbound(body: bytes, headers: dict[str, str] | None = None, url: str = URL) -> Inbound:
    return Inbound("till", url, headers or {}, body, datetime(2026, 11, 22, tzinfo=UTC))


def event(type_: str, object_: Any, **data: Any) -> bytes:
    return json.dumps(
        {
            "merchant_id": "M1",
            "type": type_,
            "event_id": "e-1",
            "created_at": "2026-11-22T10:00:00Z",
            "data": {"type": "x", "id": "y", "object": object_, **data},
        }
    ).encode()


def seen(body: bytes) -> list[Any]:
    found = list(translate(SETTINGS, inbound(body)))
    assert [*load_observations(dump_observations(found))] == found
    return found


# -- signatures -------------------------------------------------------------------------------------------------------


def test_the_vendors_vectors_verify_and_a_changed_byte_does_not(vendor_specs):
    vectors = json.loads((vendor_specs / "square" / "signature_vectors.json").read_text())["vectors"]
    assert vectors
    for one in vectors:
        body, headers = one["body"].encode(), {one["header"]: one["signature"]}
        now = datetime.now(UTC)
        assert verify(SETTINGS, inbound(body, headers, one["notification_url"]), now) is Verdict.OK
        assert verify(SETTINGS, inbound(body + b" ", headers, one["notification_url"]), now) is Verdict.FORGED
        assert verify(SETTINGS, inbound(body, headers, one["notification_url"] + "/"), now) is Verdict.FORGED
        assert verify(SETTINGS, inbound(body, {}, one["notification_url"]), now) is Verdict.UNSIGNED


@given(st.text(min_size=1), st.sampled_from(["asdf1234", "older"]))
def test_the_official_client_agrees_for_every_rotating_key(body: str, key: str):
    raw = body.encode("utf-8", "surrogatepass")
    signature = hmac_base64(key, URL.encode() + raw)
    assert verify(SETTINGS, inbound(raw, {HEADER: signature}), datetime.now(UTC)) is Verdict.OK
    if raw == body.encode("utf-8", "ignore"):
        assert verify_signature(request_body=body, signature_header=signature, signature_key=key, notification_url=URL)


def test_without_a_key_nothing_is_the_vendors():
    bare = SquareSettings.model_validate({"access_token": "t"})
    signed = {HEADER: hmac_base64("", URL.encode() + b"{}")}
    assert verify(bare, inbound(b"{}", signed), datetime.now(UTC)) is Verdict.FORGED


def test_the_delivery_id_is_the_event_id_and_absent_from_what_cannot_be_read():
    assert delivery_id(inbound(event("a.b", {}))) == "e-1"
    for body in (b"", b"[]", b'{"event_id":7}', b'{"event_id":""}', b'{"event_id":null}', b"\xff"):
        assert delivery_id(inbound(body)) is None


# -- customers --------------------------------------------------------------------------------------------------------

PERSON = {
    "id": "CUS1",
    "created_at": "2026-11-01T08:00:00.5Z",
    "updated_at": "2026-11-22T09:59:59Z",
    "given_name": "Given",
    "family_name": "Family",
    "company_name": "Company",
    "nickname": "Nick",
    "email_address": "Person@Example.com",
    "phone_number": "33 12 34 56",
    "address": {
        "address_line_1": "Street 1",
        "address_line_2": "2nd floor",
        "locality": "Town",
        "sublocality": "Quarter",
        "administrative_district_level_1": "Region",
        "postal_code": "1000",
        "country": "DK",
        "first_name": "Given",
        "last_name": "Family",
    },
    "birthday": "1990-02-03",
    "reference_id": "6c3a2f0e-5a0b-5c0d-8e0f-0123456789ab",
    "note": "likes tea",
    "preferences": {"email_unsubscribed": False},
    "creation_source": "DIRECTORY",
    "group_ids": ["G1"],
    "version": 7,
}


def test_a_customer_is_told_field_by_field():
    [told] = seen(event("customer.updated", {"customer": PERSON}))
    assert isinstance(told, Snapshot)
    assert (told.external_id, told.version, told.ours) == ("CUS1", 7, PERSON["reference_id"])
    assert json.loads(told.entity.model_dump_json(exclude_unset=True)) == {
        "email": "person@example.com",
        "phone": "+4533123456",
        "given_name": "Given",
        "family_name": "Family",
        "company": "Company",
        "note": "likes tea",
        "birthday": "1990-02-03",
        "addresses": [
            {
                "name": "Given Family",
                "street": "Street 1",
                "street2": "2nd floor",
                "city": "Town",
                "region": "Region",
                "postal_code": "1000",
                "country": "DK",
            }
        ],
        "created_at": "2026-11-01T08:00:00.500000Z",
        "updated_at": "2026-11-22T09:59:59Z",
        "vendor": {
            "nickname": "Nick",
            "creation_source": "DIRECTORY",
            "group_ids": ["G1"],
            "address": {"sublocality": "Quarter"},
        },
    }


def test_absent_null_and_value_are_three_things():
    [absent] = seen(event("customer.updated", {"customer": {"id": "C", "version": 1}}))
    assert absent.entity.model_fields_set == set()
    [null] = seen(event("customer.updated", {"customer": {"id": "C", "email_address": None, "note": None}}))
    assert null.entity.model_fields_set == {"email", "note"}
    assert null.entity.email is None


def test_what_is_no_email_or_phone_is_kept_raw_and_empties_nothing():
    person = {"id": "C", "email_address": "not an address", "phone_number": "12"}
    [told] = seen(event("customer.updated", {"customer": person}))
    assert told.entity.model_fields_set == {"contact_points"}
    assert [(one.medium, one.raw) for one in told.entity.contact_points] == [
        ("email", "not an address"),
        ("phone", "12"),
    ]


def test_a_birthday_without_a_year_is_kept_as_it_came():
    [told] = seen(event("customer.updated", {"customer": {"id": "C", "birthday": "0000-09-21"}}))
    assert told.entity.vendor == {"birthday": "0000-09-21"}
    assert "birthday" not in told.entity.model_fields_set


def test_another_applications_reference_is_no_canonical_id():
    for foreign in ("12345", "6C3A2F0E-5A0B-5C0D-8E0F-0123456789AB", "6c3a2f0e-5a0b-4c0d-8e0f-0123456789ab"):
        [told] = seen(event("customer.updated", {"customer": {"id": "C", "reference_id": foreign}}))
        assert told.ours is None
        assert told.entity.vendor == {"reference_id": foreign}


def test_unsubscribed_withdraws_and_subscribed_says_nothing():
    person = {"id": "C", "email_address": "a@example.com", "preferences": {"email_unsubscribed": True}}
    customer, consent = seen(event("customer.updated", {"customer": person}))
    assert isinstance(customer.entity, Customer)
    assert isinstance(consent.entity, Consent)
    assert consent.external_id == consent_key("a@example.com", consent.entity.medium)
    assert (consent.entity.state, consent.entity.purpose) == ("withdrawn", "marketing")
    assert consent.version is None
    person["preferences"] = {"email_unsubscribed": False}
    assert len(seen(event("customer.updated", {"customer": person}))) == 1
    assert (
        len(seen(event("customer.updated", {"customer": {"id": "C", "preferences": {"email_unsubscribed": True}}})))
        == 1
    )


def test_a_merge_points_the_deleted_profile_at_the_survivor():
    context = {"merge": {"from_customer_ids": ["OLD1", "OLD2"], "to_customer_id": "NEW"}}
    merged, gone = seen(
        event("customer.deleted", {"customer": {"id": "OLD1", "version": 4}, "event_context": context}, deleted=True)
    )
    assert (merged.deleted, gone.deleted) == (False, True)
    assert merged.entity.merged_into.external_id == "NEW"
    [made] = seen(event("customer.created", {"customer": {"id": "NEW", "version": 0}, "event_context": context}))
    assert (made.deleted, set(made.aliases)) == (False, {"OLD1", "OLD2"})
    assert "merged_into" not in made.entity.model_fields_set


def test_a_plain_deletion():
    [gone] = seen(event("customer.deleted", {"customer": {"id": "C", "version": 3}}, deleted=True))
    assert (gone.external_id, gone.version, gone.deleted) == ("C", 3, True)


# -- everything else --------------------------------------------------------------------------------------------------


def test_order_notifications_are_lookups():
    stub = {"order_id": "O1", "version": 2, "state": "OPEN", "location_id": "L"}
    for type_, name in (
        ("order.created", "order_created"),
        ("order.updated", "order_updated"),
        ("order.fulfillment.updated", "order_fulfillment_updated"),
    ):
        assert seen(event(type_, {name: stub})) == [Lookup("order", "O1")]


def test_a_payment_keeps_cards_to_itself():
    paid = {
        "id": "P1",
        "created_at": "2026-11-22T10:00:00Z",
        "updated_at": "2026-11-22T10:00:01.123Z",
        "amount_money": {"amount": 1999, "currency": "DKK"},
        "tip_money": {"amount": 0, "currency": "DKK"},
        "status": "COMPLETED",
        "source_type": "CARD",
        "order_id": "O1",
        "customer_id": "C1",
        "location_id": "L1",
        "card_details": {"card": {"card_brand": "VISA", "last_4": "4242", "bin": "424242", "fingerprint": "sq-1"}},
        "version_token": "opaque",
    }
    [told] = seen(event("payment.updated", {"payment": paid}))
    payment = told.entity
    assert isinstance(payment, Payment)
    assert str(payment.amount) == "19.99 DKK"
    assert (payment.method, payment.method_raw, payment.state, payment.state_raw) == (
        "card",
        "CARD",
        "captured",
        "COMPLETED",
    )
    assert payment.vendor == {"card_details": {"card": {"card_brand": "VISA"}}}
    assert told.version == datetime(2026, 11, 22, 10, 0, 1, 123000, UTC)
    assert all(secret not in dump_observations([told]).decode() for secret in ("4242", "sq-1", "opaque"))


@pytest.mark.parametrize(
    ("source", "brand", "method"),
    [
        ("CARD", "SQUARE_GIFT_CARD", "gift_card"),
        ("CASH", None, "cash"),
        ("BANK_ACCOUNT", None, "bank"),
        ("WALLET", None, "wallet"),
        ("SQUARE_ACCOUNT", None, "wallet"),
        ("EXTERNAL", None, "other"),
        ("SOMETHING_NEW", None, "other"),
    ],
)
def test_tenders(source: str, brand: str | None, method: str):
    paid = {"id": "P1", "amount_money": {"amount": 5, "currency": "JPY"}, "source_type": source, "status": "NEW_WORD"}
    if brand:
        paid["card_details"] = {"card": {"card_brand": brand}}
    [told] = seen(event("payment.created", {"payment": paid}))
    assert (told.entity.method, told.entity.method_raw) == (method, source)
    assert (told.entity.state, told.entity.state_raw) == ("other", "NEW_WORD")
    assert str(told.entity.amount) == "5 JPY"


def test_a_refund():
    money = {"amount": 1000, "currency": "KWD"}
    back = {"id": "R", "amount_money": money, "status": "REJECTED", "payment_id": "P", "order_id": "O", "version": 7}
    [told] = seen(event("refund.updated", {"refund": back}))
    assert isinstance(told.entity, Refund)
    assert (str(told.entity.amount), told.entity.state, told.entity.state_raw) == ("1.000 KWD", "rejected", "REJECTED")


def test_stock_of_many_counts_keeps_nanoseconds_in_order_and_states_apart():
    def one(at: str, quantity: str, state: str = "IN_STOCK") -> dict[str, str]:
        return {
            "catalog_object_id": "V1",
            "location_id": "L1",
            "state": state,
            "quantity": quantity,
            "calculated_at": at,
        }

    first, second, sold, odd = seen(
        event(
            "inventory.count.updated",
            {
                "inventory_counts": [
                    one("2026-11-22T10:00:00.455006797Z", "10"),
                    one("2026-11-22T10:00:00.45500680Z", "9.25"),
                    one("2026-11-22T10:00:01Z", "3", "SOLD"),
                    one("2026-11-22T10:00:01Z", "-2", "NEW_STATE"),
                ]
            },
        )
    )
    assert first.external_id == second.external_id == "V1:L1"
    assert first.version == "2026-11-22T10:00:00.455006797Z" < second.version == "2026-11-22T10:00:00.455006800Z"
    assert isinstance(first.entity, InventoryLevel)
    assert (str(first.entity.available), str(second.entity.available)) == ("10", "9.25")
    assert "on_hand" not in first.entity.model_fields_set
    for other, key in ((sold, "e-1:2"), (odd, "e-1:3")):
        assert isinstance(other, Occurrence)
        assert (other.key, other.type) == (key, "square.inventory.count.updated")


def test_a_catalogue_change_is_a_lookup_with_its_time():
    body = event("catalog.version.updated", {"catalog_version": {"updated_at": "2026-11-22T10:00:00Z"}})
    assert seen(body) == [Lookup("catalog", "catalog", {"updated_at": "2026-11-22T10:00:00Z"})]


@pytest.mark.parametrize(
    ("type_", "object_", "wanted"),
    [
        ("loyalty.account.created", {"loyalty_account": {"id": "A", "balance": 0}}, Lookup("loyalty", "A")),
        ("loyalty.account.updated", {"loyalty_account": {"id": "A", "balance": 7}}, Lookup("loyalty", "A")),
        ("loyalty.event.created", {"loyalty_event": {"id": "E", "loyalty_account_id": "A"}}, Lookup("loyalty", "A")),
        ("loyalty.account.deleted", {"loyalty_account": {"id": "A"}}, Snapshot.gone("loyalty", "A")),
        ("gift_card.created", {"gift_card": {"id": "gftc:1", "gan": GAN}}, Lookup("giftcard", "gftc:1")),
        ("gift_card.updated", {"gift_card": {"id": "gftc:1", "gan": GAN}}, Lookup("giftcard", "gftc:1")),
        (
            "gift_card.customer_linked",
            {"gift_card": {"id": "gftc:1", "gan": GAN}, "linked_customer_id": "C"},
            Lookup("giftcard", "gftc:1"),
        ),
        (
            "gift_card.customer_unlinked",
            {"gift_card": {"id": "gftc:1", "gan": GAN}, "unlinked_customer_id": "C"},
            Lookup("giftcard", "gftc:1"),
        ),
        ("gift_card.activity.created", {"gift_card_activity": ACTIVITY}, Lookup("giftcard", ACTIVITY["gift_card_id"])),
        ("gift_card.activity.updated", {"gift_card_activity": ACTIVITY}, Lookup("giftcard", ACTIVITY["gift_card_id"])),
    ],
)
def test_points_and_gift_cards_are_looked_up_with_their_ledger(type_, object_, wanted):
    assert type_ in EVENT_TYPES
    assert seen(event(type_, object_)) == [wanted]


def test_unknown_types_are_occurrences_without_a_gift_cards_number():
    [new] = seen(event("gift_card.dreamt", {"customer": {"customer_id": 7}, "loyalty_account": [1.5]}))
    assert (new.type, new.subject) == ("square.gift_card.dreamt", None)
    assert new.data["data"]["object"] == {"customer": {"customer_id": 7}, "loyalty_account": ["1.5"]}
    [of_one] = seen(event("loyalty.tier.reached", {"loyalty_account": {"customer_id": "C1"}}))
    assert of_one.subject.external_id == "C1"
    whole = {"gift_card": {"id": "gftc:1", "gan": GAN}, "several": [{"gift_card_gan": GAN, "left": 1}]}
    [told] = seen(event("gift_card.dreamt", whole))
    assert told.data["data"]["object"] == {"gift_card": {"id": "gftc:1"}, "several": [{"left": 1}]}
    assert GAN.encode() not in dump_observations([told])


# -- malformed input --------------------------------------------------------------------------------------------------


def only_invalid(body: bytes) -> None:
    try:
        found = translate(SETTINGS, inbound(body))
    except InvalidMessage:
        return
    assert [*load_observations(dump_observations(found))] == list(found)


@given(st.binary(max_size=200))
def test_any_bytes_give_observations_or_invalid_message(body: bytes):
    only_invalid(body)


LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["2026-11-22T10:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z", "1e5", "-0", "EUR"]),
    st.just([]),
    st.just({}),
)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [p for key, one in value.items() for p in paths(one, (*prefix, key))] + [prefix] * bool(prefix)
    if isinstance(value, list):
        return [p for index, one in enumerate(value) for p in paths(one, (*prefix, index))] + [prefix]
    return [prefix]


def put(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    if isinstance(value, dict):
        return {key: put(one, path[1:], leaf) if key == path[0] else one for key, one in value.items()}
    return [put(one, path[1:], leaf) if index == path[0] else one for index, one in enumerate(value)]


@given(st.data())
def test_any_field_of_any_shape_gives_observations_or_invalid_message(data: st.DataObject):
    from_types = [
        event("customer.deleted", {"customer": PERSON, "event_context": {"merge": {"from_customer_ids": ["a"]}}}),
        event("payment.updated", {"payment": {"id": "P", "amount_money": {"amount": 1, "currency": "EUR"}}}),
        event(
            "inventory.count.updated",
            {
                "inventory_counts": [
                    {"catalog_object_id": "V", "location_id": "L", "state": "IN_STOCK", "quantity": "1"}
                ]
            },
        ),
        event("order.updated", {"order_updated": {"order_id": "O"}}),
        event("catalog.version.updated", {"catalog_version": {"updated_at": "2026-11-22T10:00:00Z"}}),
        event("loyalty.account.created", {"loyalty_account": {"id": "A", "customer_id": "C"}}),
        event("gift_card.activity.created", {"gift_card_activity": ACTIVITY}),
    ]
    body = json.loads(data.draw(st.sampled_from(from_types)))
    path = data.draw(st.sampled_from([p for p in paths(body) if p]))
    only_invalid(json.dumps(put(body, path, data.draw(LEAF))).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"type":"customer.created","event_id":"e"}',
        b'{"type":"customer.created","event_id":"e","data":{"object":{"customer":{}}}}',
        b'{"type":"inventory.count.updated","event_id":"e","data":{"object":{}}}',
        event("payment.created", {"payment": {"id": "P"}}),
        event("x.y", {"a": "\ud800"}),
        b'{"type":"x.y","event_id":"e","data":' + b"[" * 200 + b"]" * 200 + b"}",
    ],
)
def test_malformed(body: bytes):
    with pytest.raises(InvalidMessage):
        translate(SETTINGS, inbound(body))


# -- leaf accounting --------------------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, (dict, list)) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, one in items for leaf in leaves(one, (*path, key))]
    return [path]


def pattern(path: tuple[Any, ...]) -> str:
    out = ""
    for step in path:
        out += "[]" if isinstance(step, int) else f".{step}"
    return out.lstrip(".")


def changed(value: Any) -> list[Any]:
    """Other values of the same kind; at least one must be seen."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, str):
        return [value + "1", "2021-02-03T04:05:06Z", "2021-02-03", "EUR", "other@example.com", "+4533123457", "7"]
    return ["changed"]


def test_every_leaf_of_every_sample_is_seen_or_listed_as_dropped(vendor_specs):
    samples = sorted((vendor_specs / "square" / "webhooks").glob("*.json"))
    assert len(samples) >= 13
    unseen: set[str] = set()
    visible: set[str] = set()
    card = {"id": "gftc:1", "gan": GAN, "state": "ACTIVE"}
    bodies = [
        *(json.loads(sample.read_text()) for sample in samples),
        json.loads(event("gift_card.activity.created", {"gift_card_activity": ACTIVITY})),
        json.loads(event("gift_card.customer_linked", {"gift_card": card, "linked_customer_id": "C"})),
        json.loads(event("gift_card.customer_unlinked", {"gift_card": card, "unlinked_customer_id": "C"})),
    ]
    for body in bodies:
        before = dump_observations(translate(SETTINGS, inbound(json.dumps(body).encode())))
        for path in leaves(body):
            value = body
            for step in path:
                value = value[step]
            told = False
            for other in changed(value):
                try:
                    after = translate(SETTINGS, inbound(json.dumps(put(body, path, other)).encode()))
                except InvalidMessage:
                    continue
                told = told or dump_observations(after) != before
            (visible if told else unseen).add(pattern(path))

    def below(leaf: str) -> set[str]:
        """The entries that speak of a leaf: its own, or that of something around it."""
        return {one for one in DROPPED if leaf == one or leaf.startswith((f"{one}.", f"{one}["))}

    assert {leaf for leaf in unseen if not below(leaf)} == set(), "neither mapped nor kept nor listed"
    stale = DROPPED.keys() - {one for leaf in unseen for one in below(leaf)}
    assert stale == set(), f"listed as dropped, and yet seen or in no sample: {stale}"


def test_what_it_emits_is_declared():
    assert set(CONNECTOR.emits) >= {"customer", "consent", "order", "inventory", "loyalty", "giftcard"}
