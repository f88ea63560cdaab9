"""An audience member as customer and consent: what is mapped, what is kept, and that nothing falls away unseen."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_mailchimp import MailchimpSettings, omnibridge_connectors
from omnibridge_mailchimp.members import consent_snapshot, customer_snapshot, member_snapshots, state_of
from omnibridge_mailchimp.wire import Member, instant, plain, read_model, subscriber_hash

from omnibridge.connector import dump_observations, load_observations, parse_json
from omnibridge.errors import InvalidMessage
from omnibridge.model import Basis, ConsentState

CONNECTOR: Any = omnibridge_connectors()[0]
BARE: Any = {"api_key": "key-us1", "list_id": "a1b2c3d4e5", "path_secrets": ("0123456789abcdef",)}

EMAIL = "anna@example.com"
MEMBER = {
    "id": subscriber_hash(EMAIL),
    "email_address": "Anna@Example.com",
    "unique_email_id": "8a25ff1d98",
    "contact_id": "d359892dd9809a1fde05a6ec157c8f5f",
    "full_name": "Anna Example",
    "web_id": 9007199254740993,
    "email_type": "html",
    "status": "subscribed",
    "unsubscribe_reason": "N/A",
    "consents_to_one_to_one_messaging": True,
    "sms_phone_number": "",
    "merge_fields": {
        "FNAME": "Anna",
        "LNAME": "",
        "PHONE": "33 12 34 56",
        "COMPANY": "Example ApS",
        "ADDRESS": {
            "addr1": "Nygade 1",
            "addr2": "2. th",
            "city": "Aarhus",
            "state": "Midtjylland",
            "zip": "8000",
            "country": "DK",
        },
        "LOYALTY": "L-77",
        "POINTS": 12.50,
    },
    "interests": {"9143cf3bd1": True},
    "stats": {
        "avg_open_rate": 0.4,
        "avg_click_rate": 0.1,
        "ecommerce_data": {"total_revenue": 12.5, "number_of_orders": 1, "currency_code": "DKK"},
    },
    "ip_signup": "192.0.2.8",
    "timestamp_signup": "2026-01-02T03:04:05+00:00",
    "ip_opt": "192.0.2.7",
    "timestamp_opt": "2026-01-02T04:04:05+01:00",
    "member_rating": 2,
    "last_changed": "2026-02-03T04:05:06+00:00",
    "language": "pt_PT",
    "vip": True,
    "email_client": "Thunderbird",
    "location": {"latitude": 56.1, "longitude": 10.2, "gmtoff": 1, "dstoff": 2, "country_code": "DK", "timezone": "x"},
    "marketing_permissions": [{"marketing_permission_id": "295e0c", "text": "Email", "enabled": True}],
    "last_note": {"note_id": 11, "created_at": "2026-02-01T00:00:00+00:00", "created_by": "staff", "note": "hello"},
    "source": "Signup Form",
    "tags_count": 1,
    "tags": [{"id": 7, "name": "web"}],
    "list_id": "a1b2c3d4e5",
    "_links": [{"rel": "self", "href": "https://us21.api.mailchimp.com/3.0/lists/x", "method": "GET"}],
    "a_field_of_tomorrow": "kept",
}


def seen(settings, **changes) -> Any:
    return member_snapshots(settings, member(**changes))


def member(**changes):
    merges = {**MEMBER["merge_fields"], **changes.pop("merges", {})}
    return read_model(Member, parse_json(json.dumps({**MEMBER, "merge_fields": merges, **changes}).encode()), "member")


def test_a_member_is_a_customer(settings):
    customer, _ = seen(settings)
    assert json.loads(dump_observations([customer])) == [
        {
            "snapshot": "customer",
            "id": subscriber_hash(EMAIL),
            "version": {"t": "2026-02-03T04:05:06+00:00"},
            "deleted": False,
            "custom": {"merges.LOYALTY": "L-77", "merges.POINTS": "12.5", "interests.9143cf3bd1": True},
            "aliases": ["d359892dd9809a1fde05a6ec157c8f5f"],
            "ours": None,
            "entity": {
                "email": EMAIL,
                "phone": "+4533123456",
                "given_name": "Anna",
                "family_name": None,
                "company": "Example ApS",
                "locale": "pt-PT",
                "tags": ["web"],
                "addresses": [
                    {
                        "street": "Nygade 1",
                        "street2": "2. th",
                        "city": "Aarhus",
                        "region": "Midtjylland",
                        "postal_code": "8000",
                        "country": "DK",
                    }
                ],
                "created_at": "2026-01-02T03:04:05Z",
                "updated_at": "2026-02-03T04:05:06Z",
                "vendor": {
                    "status": "subscribed",
                    "contact_id": "d359892dd9809a1fde05a6ec157c8f5f",
                    "source": "Signup Form",
                    "unsubscribe_reason": "N/A",
                    "ip_opt": "192.0.2.7",
                    "timestamp_opt": "2026-01-02T04:04:05+01:00",
                    "timestamp_signup": "2026-01-02T03:04:05+00:00",
                    "unique_email_id": "8a25ff1d98",
                    "web_id": 9007199254740993,
                    "email_type": "html",
                    "consents_to_one_to_one_messaging": True,
                    "ip_signup": "192.0.2.8",
                    "vip": True,
                    "marketing_permissions": [{"marketing_permission_id": "295e0c", "text": "Email", "enabled": True}],
                    "last_note": {
                        "note_id": 11,
                        "created_at": "2026-02-01T00:00:00+00:00",
                        "created_by": "staff",
                        "note": "hello",
                    },
                    "a_field_of_tomorrow": "kept",
                },
            },
        }
    ]


def test_a_subscribed_member_is_a_permission_with_its_proof(settings):
    _, consent = seen(settings)
    assert consent.external_id == f"email:marketing:{EMAIL}"
    assert consent.entity.model_dump(exclude_unset=True, mode="json") == {
        "contact": EMAIL,
        "medium": "email",
        "purpose": "marketing",
        "state": "granted",
        "proof": {
            "source": "mailchimp:a1b2c3d4e5",
            "at": "2026-01-02T03:04:05Z",
            "ip": "192.0.2.7",
            "detail": "Signup Form",
        },
        "customer": {"kind": "customer", "external_id": subscriber_hash(EMAIL)},
        "changed_at": "2026-01-02T03:04:05Z",
    }


@pytest.mark.parametrize(
    ("status", "reason", "state", "basis"),
    [
        ("unsubscribed", "N/A (Unsubscribed by an admin)", ConsentState.WITHDRAWN, None),
        ("unsubscribed", "abuse", ConsentState.WITHDRAWN, Basis.COMPLAINT),
        ("cleaned", "", ConsentState.WITHDRAWN, Basis.BOUNCE),
        ("pending", "", ConsentState.PENDING, None),
    ],
)
def test_other_states_tell_the_state_and_leave_an_earlier_proof_alone(settings, status, reason, state, basis):
    _, consent = seen(settings, status=status, unsubscribe_reason=reason)
    assert (consent.entity.state, consent.entity.basis) == (state, basis)
    assert not {"proof", "changed_at"} & consent.entity.model_fields_set


@pytest.mark.parametrize("status", ["transactional", "invented tomorrow"])
def test_no_word_about_a_permission_is_no_permission_and_overrules_none(settings, status):
    _, consent = seen(settings, status=status)
    assert consent.entity.state is ConsentState.UNKNOWN
    assert "state" not in consent.entity.model_fields_set
    assert state_of(None) is ConsentState.UNKNOWN


def test_an_archived_member_is_gone_and_says_nothing_about_a_permission(settings):
    (customer,) = seen(settings, status="archived")
    assert customer.deleted


def test_absent_empty_and_value_are_three_things(settings):
    bare = read_model(Member, {"id": "x", "email_address": EMAIL}, "member")
    customer = customer_snapshot(settings, bare)
    assert customer.entity.model_fields_set == {"email", "vendor"}
    assert customer.version is None
    assert consent_snapshot(settings, bare) is None
    emptied, _ = seen(
        settings, merges={"PHONE": "", "ADDRESS": ""}, language="", timestamp_signup="", tags=[], tags_count=0
    )
    for name, value in {"phone": None, "addresses": (), "locale": None, "created_at": None, "tags": ()}.items():
        assert name in emptied.entity.model_fields_set
        assert getattr(emptied.entity, name) == value


def test_some_of_the_tags_are_no_tags(settings):
    customer, _ = seen(settings, tags_count=51)
    assert "tags" not in customer.entity.model_fields_set


def test_a_read_is_at_least_as_new_as_the_webhook_that_asked_for_it(settings):
    later = datetime(2026, 2, 3, 4, 5, 7, tzinfo=UTC)
    for found in member_snapshots(settings, member(), later):
        assert found.version == later
    for found in member_snapshots(settings, member(), datetime(2020, 1, 1, tzinfo=UTC)):
        assert found.version == instant(MEMBER["last_changed"])


# ── Every field is accounted for ──────────────────────────────────────────────────────────────────────────────


def leaves(value, path=()):
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def changed(document, path):
    document = copy.deepcopy(document)
    here = document
    for part in path[:-1]:
        here = here[part]
    value = here[path[-1]]
    times = str(path[-1]).startswith(("timestamp", "last_changed"))
    here[path[-1]] = (
        not value
        if isinstance(value, bool)
        else value + 1
        if isinstance(value, int | float)
        else "2020-01-01T00:00:00+00:00"
        if times
        else {"subscribed": "pending"}.get(value, value + "7")
    )
    return document


def pattern(path):
    return "".join(f"[{'' if isinstance(p, int) else p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def dropped_as(path):
    name = pattern(path)
    for known in CONNECTOR.dropped:
        if known == name or (known.endswith(".*") and name.startswith(known[:-1])):
            return known
    return None


def test_every_leaf_is_used_or_dropped_with_a_reason(settings):
    def outcome(document):
        row = parse_json(json.dumps(document).encode())
        return dump_observations(member_snapshots(settings, read_model(Member, row, "member")))

    whole, used_reasons = outcome(MEMBER), set()
    for path in leaves(MEMBER):
        if path == ("tags_count",):
            continue  # whether the tags are all there: the test above
        if outcome(changed(MEMBER, path)) == whole:
            reason = dropped_as(path)
            assert reason, f"{pattern(path)} is neither used nor dropped"
            used_reasons.add(reason)
        else:
            assert not dropped_as(path), f"{pattern(path)} is used, so its reason is stale"
    assert used_reasons == set(CONNECTOR.dropped) - {"data.merges.EMAIL"}


def test_the_sample_has_every_field_of_the_specification(vendor_specs):
    text = (vendor_specs / "mailchimp/openapi/mailchimp_marketing_3.0.55.commerce.json").read_text("utf-8")
    operation = json.loads(text)["paths"]["/lists/{list_id}/members/{subscriber_hash}"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert not set(schema["properties"]) - set(MEMBER)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(MEMBER)), json_values, max_size=6))
def test_any_member_gives_snapshots_or_is_invalid(changes):
    settings = MailchimpSettings.model_validate(BARE)
    document = {**parse_json(json.dumps(MEMBER).encode()), **changes}
    try:
        found = member_snapshots(settings, read_model(Member, document, "member"))
    except InvalidMessage:
        return
    assert load_observations(dump_observations(found)) == tuple(found)


@given(json_values)
def test_plain_values_are_json(value):
    json.dumps(plain(value))
