"""Webhooks: who is let in, what is the same delivery, and what each of the six says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_mailchimp import MailchimpSettings, omnibridge_connectors
from omnibridge_mailchimp import inbound as written
from omnibridge_mailchimp.inbound import delivery_text, greet, verify
from omnibridge_mailchimp.wire import nested, subscriber_hash

from omnibridge.connector import (
    Inbound,
    Lookup,
    Occurrence,
    Verdict,
    dump_observations,
    form_bytes,
    load_observations,
    parse_form,
)
from omnibridge.errors import InvalidMessage
from omnibridge.model import Basis, ConsentState

CONNECTOR: Any = omnibridge_connectors()[0]
BARE: Any = {"api_key": "key-us1", "list_id": "a1b2c3d4e5", "path_secrets": ("0123456789abcdef",)}
translate: Any = written.translate

EMAIL = "anna@example.com"
HASH = subscriber_hash(EMAIL)
AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
PROFILE = {
    "id": "8a25ff1d98",
    "email": "Anna@Example.com",
    "email_type": "html",
    "ip_opt": "192.0.2.7",
    "merges": {"EMAIL": EMAIL, "FNAME": "Anna", "LNAME": "", "PHONE": "33 12 34 56", "LOYALTY": "L-77"},
}


# ── Who is let in ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("secret", "verdict"),
    [
        ("newest-path-secret-01", Verdict.OK),
        ("older-path-secret-01", Verdict.OK),
        ("newest-path-secret-0", Verdict.FORGED),
        ("newest-path-secret-012", Verdict.FORGED),
        ("\udcff", Verdict.FORGED),
        ("", Verdict.UNSIGNED),
        (None, Verdict.UNSIGNED),
    ],
)
def test_the_address_must_end_in_a_secret(settings, kit, secret, verdict):
    body = kit.form("profile", PROFILE).body
    assert verify(settings, kit.inbound(body, secret), AT) is verdict


def test_another_audience_is_not_let_in(settings, kit):
    body = kit.form("profile", {**PROFILE, "list_id": "ffffffffff"}).body
    assert verify(settings, kit.inbound(body), AT) is Verdict.FORGED
    both = kit.form("profile", PROFILE).body + b"&data%5Blist_id%5D=ffffffffff"
    assert verify(settings, kit.inbound(both), AT) is Verdict.FORGED


@pytest.mark.parametrize("body", [b"", b"\xff", b"type=x"])
def test_what_cannot_be_read_is_kept_and_shown(settings, kit, body):
    assert verify(settings, kit.inbound(body), AT) is Verdict.OK
    with pytest.raises(InvalidMessage):
        translate(settings, kit.inbound(body))


def test_the_address_answers_a_get(settings, kit):
    for method in ("GET", "HEAD"):
        assert greet(settings, kit.inbound(b"", method=method)).status == 200
        assert greet(settings, kit.inbound(b"", "older-path-secret-01", method)).status == 200
        assert greet(settings, kit.inbound(b"", "wrong-path-secret-01", method)).status == 404
        assert greet(settings, kit.inbound(b"", None, method)).status == 404


def test_a_redelivery_is_the_same_and_a_change_is_not(kit):
    first = kit.form("profile", PROFILE, AT)
    pairs = parse_form(first.body)
    assert delivery_text(first) == delivery_text(kit.inbound(form_bytes(reversed(pairs))))
    for index, (key, value) in enumerate(pairs):
        changed = [*pairs[:index], (key, value + "x"), *pairs[index + 1 :]]
        assert delivery_text(kit.inbound(form_bytes(changed))) != delivery_text(first), key


@given(st.binary(max_size=200))
def test_any_bytes_have_an_identity(body):
    assert delivery_text(Inbound("c", "https://x.example.com", {}, body, AT))


# ── What each says ────────────────────────────────────────────────────────────────────────────────────────────


def said(settings, inbound):
    return json.loads(dump_observations(translate(settings, inbound)))


def test_subscribe(settings, kit):
    seen = said(settings, kit.form("subscribe", {**PROFILE, "ip_signup": "192.0.2.8", "web_id": "12"}, AT))
    version = {"t": "2026-02-03T04:05:06+00:00"}
    assert seen == [
        {
            "snapshot": "customer",
            "id": HASH,
            "version": version,
            "deleted": False,
            "custom": {"merges.LOYALTY": "L-77"},
            "aliases": [],
            "ours": None,
            "entity": {
                "email": EMAIL,
                "given_name": "Anna",
                "family_name": None,
                "phone": "+4533123456",
                "vendor": {
                    "unique_email_id": "8a25ff1d98",
                    "email_type": "html",
                    "ip_opt": "192.0.2.7",
                    "ip_signup": "192.0.2.8",
                    "web_id": 12,
                },
            },
        },
        {
            "snapshot": "consent",
            "id": f"email:marketing:{EMAIL}",
            "version": version,
            "deleted": False,
            "custom": {},
            "aliases": [],
            "ours": None,
            "entity": {
                "contact": EMAIL,
                "medium": "email",
                "purpose": "marketing",
                "state": "granted",
                "basis": None,
                "proof": {
                    "source": "mailchimp:a1b2c3d4e5",
                    "at": "2026-02-03T04:05:06Z",
                    "ip": "192.0.2.7",
                    "detail": None,
                },
                "customer": {"kind": "customer", "external_id": HASH},
                "changed_at": "2026-02-03T04:05:06Z",
            },
        },
        {"lookup": "customer", "id": HASH, "hint": {"at": "2026-02-03T04:05:06+00:00"}},
    ]


def test_profile_says_nothing_about_a_permission(settings, kit):
    customer, lookup = translate(settings, kit.form("profile", PROFILE, AT))
    assert customer.entity.given_name == "Anna"
    assert customer.entity.family_name is None
    assert "family_name" in customer.entity.model_fields_set
    assert lookup == Lookup("customer", HASH, {"at": AT.isoformat()})


@pytest.mark.parametrize(
    ("reason", "basis"), [("manual", Basis.VENDOR_OPT_OUT), ("abuse", Basis.COMPLAINT), ("", Basis.VENDOR_OPT_OUT)]
)
def test_unsubscribe_withdraws_at_once(settings, kit, reason, basis):
    inbound = kit.form("unsubscribe", {"action": "unsub", "reason": reason, "campaign_id": "cb398d21d2", **PROFILE}, AT)
    customer, consent, lookup = translate(settings, inbound)
    assert (consent.entity.state, consent.entity.basis) == (ConsentState.WITHDRAWN, basis)
    assert consent.entity.proof.detail == f"unsub {reason}".strip()
    assert consent.entity.proof.ip is None  # ip_opt is where they opted in, not where they left
    assert consent.entity.changed_at == consent.version == AT
    assert not customer.deleted
    assert customer.entity.vendor["campaign_id"] == "cb398d21d2"
    assert lookup.external_id == HASH


def test_unsubscribe_with_removal_says_that_the_member_is_gone(settings, kit):
    customer, consent = translate(
        settings, kit.form("unsubscribe", {"action": "delete", "reason": "manual", **PROFILE}, AT)
    )
    assert customer.deleted
    assert consent.entity.state is ConsentState.WITHDRAWN


@pytest.mark.parametrize(("reason", "basis"), [("hard", Basis.BOUNCE), ("abuse", Basis.COMPLAINT)])
def test_cleaned_withdraws(settings, kit, reason, basis):
    data = {"campaign_id": "c1", "reason": reason, "email": EMAIL}
    customer, consent = translate(settings, kit.form("cleaned", data, AT))
    assert (consent.entity.state, consent.entity.basis) == (ConsentState.WITHDRAWN, basis)
    assert consent.entity.customer.external_id == customer.external_id == HASH


def test_upemail_ties_the_new_address_to_the_old(settings, kit):
    data = {"new_id": "51da8c3259", "new_email": "new@example.com", "old_email": EMAIL}
    customer, consent, lookup = translate(settings, kit.form("upemail", data, AT))
    new = subscriber_hash("new@example.com")
    assert (customer.external_id, customer.aliases, lookup.external_id) == (new, (HASH,), new)
    assert customer.entity.model_dump(exclude_unset=True) == {
        "email": "new@example.com",
        "vendor": {"old_email": EMAIL, "unique_email_id": "51da8c3259"},
    }
    assert (consent.entity.contact, consent.entity.state) == (EMAIL, ConsentState.EXPIRED)


def test_campaign_is_an_occurrence(settings, kit):
    data = {"id": "5aa2102003", "subject": "Spring", "status": "sent", "reason": ""}
    (seen,) = translate(settings, kit.form("campaign", data, AT))
    assert seen == Occurrence(
        key="campaign:5aa2102003:sent",
        type="mailchimp.campaign.changed",
        data={"list_id": "a1b2c3d4e5", **data},
        at=AT,
    )
    assert seen.type in CONNECTOR.emits


def test_what_cannot_be_parsed_is_kept_raw(settings, kit):
    merges = {"PHONE": "call me", "ADDRESS": "Nygade 1  8000 Aarhus"}
    customer, _ = translate(settings, kit.form("profile", {"email": "not an address", "merges": merges}, AT))
    points = [(point.medium, point.raw) for point in customer.entity.contact_points]
    assert points == [("email", "not an address"), ("phone", "call me")]
    assert not {"email", "phone", "addresses"} & customer.entity.model_fields_set
    assert customer.custom == {"merges.ADDRESS": "Nygade 1  8000 Aarhus"}


def test_an_address_comes_in_parts(settings, kit):
    parts = {"addr1": "Nygade 1", "addr2": "", "city": "Aarhus", "state": "", "zip": "8000", "country": "DK"}
    customer, _ = translate(settings, kit.form("profile", {"email": EMAIL, "merges": {"ADDRESS": parts}}, AT))
    (address,) = customer.entity.addresses
    assert address.model_dump(exclude_unset=True) == {
        "street": "Nygade 1",
        "city": "Aarhus",
        "postal_code": "8000",
        "country": "DK",
    }
    emptied, _ = translate(settings, kit.form("profile", {"email": EMAIL, "merges": {"ADDRESS": ""}}, AT))
    assert emptied.entity.addresses == ()
    assert "addresses" in emptied.entity.model_fields_set


# ── Malformed input ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b"type=profile",
        b"type=profile&data=x",
        b"type[x]=profile&data[email]=a%40example.com",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[email]=",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[email][x]=a",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[email]=a&data[merges]=x",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[email]=a&data[email][x]=a",
        b"type=profile&fired_at=2026-02-30+04:05:06&data[list_id]=a1b2c3d4e5&data[email]=a",
        b"type=profile&fired_at=&data[list_id]=a1b2c3d4e5&data[email]=a",
        b"type=profile&fired_at=2026-02-03+04:05:06&data[list_id]=ffffffffff&data[email]=a",
        b"type=renamed&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[email]=a",
        b"type=upemail&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5&data[new_email]=a",
        b"type=campaign&fired_at=2026-02-03+04:05:06&data[list_id]=a1b2c3d4e5",
        b"data" + b"[a]" * 20 + b"=1",
        b"[x]=1",
    ],
)
def test_malformed_input_is_invalid_and_nothing_else(settings, kit, body):
    with pytest.raises(InvalidMessage):
        translate(settings, kit.inbound(body))


KEYS = [
    "type",
    "fired_at",
    "data[list_id]",
    "data[id]",
    "data[email]",
    "data[new_email]",
    "data[old_email]",
    "data[merges][FNAME]",
    "data[merges][PHONE]",
    "data[merges][ADDRESS]",
    "data[merges][ADDRESS][zip]",
    "data[merges][]",
    "data[reason]",
    "data[status]",
    "data",
]
VALUES = ["subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"]
VALUES += ["a1b2c3d4e5", "2026-02-03 04:05:06", EMAIL, "+49 123456789012345", "0001-01-01T00:00:00+14:00"]
TYPED = {"type": st.sampled_from(VALUES), "data[list_id]": st.just("a1b2c3d4e5"), "fired_at": st.sampled_from(VALUES)}


@given(
    st.fixed_dictionaries(TYPED, optional={key: st.sampled_from(VALUES) | st.text(max_size=20) for key in KEYS[3:]}),
    st.binary(max_size=20),
)
def test_any_form_gives_observations_or_is_invalid(fields, tail):
    settings = MailchimpSettings.model_validate(BARE | {"phone_region": "DE"})
    whole = form_bytes(fields.items())
    for body in (whole, whole + tail, tail):
        try:
            seen = translate(settings, Inbound("c", "https://x.example.com", {}, body, AT))
        except InvalidMessage:
            continue
        assert load_observations(dump_observations(seen)) == tuple(seen)


def test_nested_keys_are_read_as_php_writes_them():
    assert nested([("a[b][c]", "1"), ("a[b][d]", "2"), ("a[b][c]", "3"), ("e", "")]) == {
        "a": {"b": {"c": "3", "d": "2"}},
        "e": "",
    }
    assert nested([("a[]", "1"), ("a[]", "2")]) == {"a": {"0": "1", "1": "2"}}
    with pytest.raises(InvalidMessage):
        nested([("a", "1"), ("a[b]", "2")])
    with pytest.raises(InvalidMessage):
        nested([("a[b]", "1"), ("a", "2")])


# ── Every field of Mailchimp's own samples is accounted for ───────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe", "profile", "upemail", "cleaned", "campaign"])
def test_every_leaf_of_the_samples_is_used_or_dropped_with_a_reason(vendor_specs, kit, kind):
    body = (vendor_specs / f"mailchimp/webhooks/{kind}.form").read_bytes().strip()
    settings = kit.make_settings(list_id="a6b5da1054")
    pairs = parse_form(body)

    def outcome(fields):
        try:
            return dump_observations(translate(settings, kit.inbound(form_bytes(fields))))
        except InvalidMessage as error:
            return str(error)

    whole = outcome(pairs)
    assert json.loads(whole), kind
    unused = {
        key.replace("][", ".").replace("[", ".").rstrip("]")
        for index, (key, value) in enumerate(pairs)
        if outcome([*pairs[:index], (key, value + "7"), *pairs[index + 1 :]]) == whole
    }
    assert unused <= set(CONNECTOR.dropped)
    if any(key == "data[merges][EMAIL]" for key, _ in pairs):
        assert unused == {"data.merges.EMAIL"}
