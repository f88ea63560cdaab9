"""Customers on their way to Mailchimp: what is asked, what is kept, and what is never done."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_mailchimp import omnibridge_connectors, outbound
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Fault, Reference, Response, Upsert
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Address, Customer

CONNECTOR: Any = omnibridge_connectors()[0]
normal_customer: Any = outbound.normal_customer

OLD, NEW = "anna@example.com", "anna.new@example.com"
ADDRESS = Address(street="Nygade 1", city="Aarhus", region="Midtjylland", postal_code="8000", country="DK")


def customer(**fields):
    return Customer(**{"id": "c-1", "email": OLD, "given_name": "Anna", "family_name": "Example", **fields})


def calls(done):
    return [f"{request.method} {request.path.partition('/members/')[2]}" for request in done.requests]


def bodies(done):
    return [json.loads(request.body) for request in done.requests if request.body]


def test_a_new_customer_becomes_a_member_who_is_not_subscribed(channel, sandbox):
    done = channel.deliver(
        customer(phone="+4533123456", locale="da-DK", addresses=(ADDRESS,), tags=("web", "vip")),
        "created",
        custom={"merges.LOYALTY": "L-77", "interests.9143cf3bd1": True},
    )

    hashed = subscriber_hash(OLD)
    assert calls(done) == [f"PUT {hashed}", f"POST {hashed}/tags"]
    assert done.requests[0].params == (("skip_merge_validation", "true"),)
    assert bodies(done) == [
        {
            "email_address": OLD,
            "status_if_new": "transactional",
            "merge_fields": {
                "FNAME": "Anna",
                "LNAME": "Example",
                "PHONE": "+4533123456",
                "ADDRESS": {
                    "addr1": "Nygade 1",
                    "addr2": "",
                    "city": "Aarhus",
                    "state": "Midtjylland",
                    "zip": "8000",
                    "country": "DK",
                },
                "LOYALTY": "L-77",
            },
            "interests": {"9143cf3bd1": True},
            "language": "da",
        },
        {"tags": [{"name": "vip", "status": "active"}, {"name": "web", "status": "active"}]},
    ]
    assert all(isinstance(request.protection, Upsert) for request in done.requests)
    assert sandbox.audience.members[hashed]["status"] == "transactional"
    assert done.result.references == (Reference("customer", hashed),)
    assert done.kept == [Reference("customer", hashed)]

    (snapshot,) = done.result.snapshots
    assert snapshot.entity.model_dump(exclude_unset=True) == {
        "email": OLD,
        "given_name": "Anna",
        "family_name": "Example",
        "phone": "+4533123456",
        "locale": "da",
        "tags": ("vip", "web"),
        "addresses": (ADDRESS.model_dump(exclude_unset=True),),
    }
    assert snapshot.custom == {"merges.LOYALTY": "L-77", "interests.9143cf3bd1": True}
    assert snapshot.version == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"])
def test_the_status_of_a_member_is_never_touched(channel, sandbox, status):
    sandbox.audience.joins(OLD)["status"] = status
    done = channel.deliver(customer(given_name="Anne"), own=subscriber_hash(OLD))
    assert sandbox.audience.find(OLD)["status"] == status
    assert sandbox.audience.find(OLD)["merge_fields"]["FNAME"] == "Anne"
    assert all("status" not in body for body in bodies(done))
    assert not done.kept  # nothing new to remember


def test_only_what_is_set_is_written_and_what_is_empty_is_emptied(channel, sandbox):
    sandbox.audience.joins(OLD, {"FNAME": "Anna", "LNAME": "Example", "PHONE": "+4533123456"})
    done = channel.deliver(Customer(id="c-1", email=OLD, family_name=None))
    assert bodies(done)[0]["merge_fields"] == {"LNAME": ""}
    merges = sandbox.audience.find(OLD)["merge_fields"]
    assert (merges["FNAME"], merges["LNAME"], merges["PHONE"]) == ("Anna", "", "+4533123456")
    assert done.result.snapshots[0].entity.model_fields_set == {"email", "family_name"}


def test_a_changed_address_moves_the_member(channel, sandbox):
    member = sandbox.audience.joins(OLD)
    contact = member["contact_id"]
    done = channel.deliver(customer(email=NEW), own=subscriber_hash(OLD))
    assert calls(done) == [f"PATCH {subscriber_hash(OLD)}"]
    assert "status_if_new" not in bodies(done)[0]
    assert list(sandbox.audience.members) == [subscriber_hash(NEW)]
    assert sandbox.audience.find(NEW)["contact_id"] == contact
    assert sandbox.audience.find(NEW)["status"] == "subscribed"
    assert done.kept == [Reference("customer", subscriber_hash(NEW))]


def test_a_changed_address_that_is_a_member_already_is_written_there(channel, sandbox):
    sandbox.audience.joins(OLD)
    sandbox.audience.joins(NEW)
    done = channel.deliver(customer(email=NEW), own=subscriber_hash(OLD))
    assert calls(done) == [f"PATCH {subscriber_hash(OLD)}", f"PUT {subscriber_hash(NEW)}"]
    assert sandbox.audience.find(NEW)["merge_fields"]["FNAME"] == "Anna"


def test_a_stale_reference_is_replaced(channel, sandbox):
    done = channel.deliver(customer(), own=subscriber_hash("gone@example.com"))
    assert calls(done) == [f"PATCH {subscriber_hash('gone@example.com')}", f"PUT {subscriber_hash(OLD)}"]
    assert done.kept == [Reference("customer", subscriber_hash(OLD))]


def test_tags_that_we_had_set_are_taken_off_and_other_peoples_stay(channel, sandbox):
    channel.deliver(customer(tags=("a", "b")))
    sandbox.audience.find(OLD)["tags"].append({"id": 5, "name": "by hand"})
    done = channel.deliver(customer(tags=("b", "c")), own=subscriber_hash(OLD), known=customer(tags=("a", "b")))
    assert bodies(done)[1] == {"tags": [{"name": "c", "status": "active"}, {"name": "a", "status": "inactive"}]}
    assert {tag["name"] for tag in sandbox.audience.find(OLD)["tags"]} == {"b", "c", "by hand"}
    assert done.result.snapshots[0].entity.tags == ("b", "by hand", "c")


def test_unchanged_tags_ask_nothing(channel):
    channel.deliver(customer(tags=("a",)))
    done = channel.deliver(customer(tags=("a",)), own=subscriber_hash(OLD), known=customer(tags=("a",)))
    assert calls(done) == [f"PUT {subscriber_hash(OLD)}"]


def test_the_tags_of_a_member_with_too_many_to_show_are_not_told(channel, sandbox):
    sandbox.audience.joins(OLD)["tags"] = [{"id": n, "name": f"t{n}"} for n in range(60)]
    done = channel.deliver(customer(tags=("new",)), known=customer(tags=("t59",)))
    names = {tag["name"] for tag in sandbox.audience.find(OLD)["tags"]}
    assert "new" in names
    assert "t59" not in names
    assert "t58" in names
    assert "tags" not in done.result.snapshots[0].entity.model_fields_set


def test_who_has_no_address_is_not_written_and_no_failure(channel):
    done = channel.deliver(Customer(id="c-1", given_name="Anna"))
    assert not done.requests
    assert "e-mail address" in done.result.note


def test_a_member_without_an_address_of_ours_is_still_changed(channel, sandbox):
    sandbox.audience.joins(OLD)
    done = channel.deliver(Customer(id="c-1", email=None, given_name="Anne"), own=subscriber_hash(OLD))
    assert calls(done) == [f"PATCH {subscriber_hash(OLD)}"]
    assert sandbox.audience.find(OLD)["merge_fields"]["FNAME"] == "Anne"
    gone = channel.deliver(Customer(id="c-1", email=None), own="0" * 32)
    assert "gone" in gone.result.note


def test_an_address_that_mailchimp_would_refuse_is_left_out(channel, sandbox):
    done = channel.deliver(customer(addresses=(Address(street="Nygade 1", city="Aarhus"),)))
    assert "ADDRESS" not in bodies(done)[0]["merge_fields"]
    assert "addresses" not in done.result.snapshots[0].entity.model_fields_set


@pytest.mark.parametrize("name", ["loyalty", "merges.", "tags.x", "interests.9143cf3bd1"])
def test_a_map_to_nothing_is_refused_with_a_remedy(channel, name):
    with pytest.raises(Permanent, match="no field of a Mailchimp member") as caught:
        channel.deliver(customer(), custom={name: "x"})
    assert "merges.<TAG>" in (caught.value.remedy or "")


def test_a_mapped_field_can_be_emptied(channel):
    assert bodies(channel.deliver(customer(), custom={"merges.LOYALTY": None}))[0]["merge_fields"]["LOYALTY"] == ""


def test_a_forgotten_address_is_a_final_refusal(channel, sandbox):
    sandbox.audience.forgotten.add(subscriber_hash(OLD))
    with pytest.raises(Permanent) as caught:
        channel.deliver(customer())
    assert caught.value.code == "Forgotten Email Not Subscribed"
    assert "form" in (caught.value.remedy or "")


def test_a_throttled_write_comes_back_later(channel, sandbox):
    sandbox.faults.append(Fault(Response(403)))
    with pytest.raises(Retryable):
        channel.deliver(customer())
    assert not sandbox.audience.members
    channel.deliver(customer())
    assert len(sandbox.audience.members) == 1


def test_a_deleted_customer_is_archived(channel, sandbox):
    sandbox.audience.joins(OLD)
    channel.deliver(customer(), "deleted", own=subscriber_hash(OLD))
    assert sandbox.audience.find(OLD)["status"] == "archived"
    channel.deliver(customer(), "deleted", own=subscriber_hash(OLD))  # again: 405, which is done
    channel.deliver(customer(email=NEW), "deleted")  # never there: 404, which is done


def test_a_deleted_customer_is_erased_where_that_is_wanted(fresh):
    channel = fresh(erase_on_delete=True)
    channel.answers.audience.joins(OLD)
    for _ in range(2):
        channel.deliver(customer(), "deleted", own=subscriber_hash(OLD))
        assert channel.answers.audience.find(OLD) is None
    assert subscriber_hash(OLD) in channel.answers.audience.forgotten


def test_an_archived_member_is_written_again_without_a_permission(channel, sandbox):
    sandbox.audience.joins(OLD)
    sandbox.audience.leaves(OLD, action="delete")
    channel.deliver(customer())
    assert sandbox.audience.find(OLD)["status"] == "transactional"


@pytest.mark.parametrize("moved", [False, True])
def test_a_crash_anywhere_makes_nothing_twice(fresh, kit, moved):
    def begin():
        channel = fresh()
        if moved:
            channel.answers.audience.joins(OLD)
        return channel

    def seen(channel):
        return [
            (m["email_address"], m["status"], m["merge_fields"], sorted(t["name"] for t in m["tags"]))
            for m in channel.answers.audience.members.values()
        ]

    target = customer(email=NEW if moved else OLD, tags=("a", "b"))
    delivery = {"own": subscriber_hash(OLD)} if moved else {}
    assert kit.survives_every_crash(begin, target, seen, **delivery) > 3


def test_our_own_writes_do_not_come_back(channel, sandbox):
    subscriptions = CONNECTOR.subscriptions
    wanted = subscriptions.desired(channel.settings, "https://bridge.example.com/in/news")
    channel.drive(lambda http: subscriptions.create(channel.settings, wanted[0], http))
    channel.deliver(customer())
    channel.deliver(customer(email=NEW), own=subscriber_hash(OLD))
    assert not sandbox.outbox
    sandbox.audience.changes(NEW, {"FNAME": "Anne"})
    assert len(sandbox.outbox) == 1


texts = st.text(max_size=300) | st.none()
customers = st.builds(
    Customer,
    email=st.sampled_from([OLD, NEW, None]),
    given_name=texts,
    company=texts,
    phone=st.sampled_from(["+4533123456", None]),
    locale=st.sampled_from(["da", "da-DK", "fr-CA", "pt_PT", "zh-Hant-TW", "", None]),
    tags=st.lists(st.text(max_size=5), max_size=4).map(tuple),
    addresses=st.lists(
        st.builds(Address, street=texts, street2=texts, city=texts, region=texts, postal_code=texts, country=texts),
        max_size=2,
    ).map(tuple),
)


@given(customers)
def test_normal_is_idempotent(entity):
    once = normal_customer(None, entity)
    assert normal_customer(None, once) == once


def test_what_is_written_comes_back_as_normal_says(channel):
    entity = customer(
        given_name=" Anna ",
        company="x" * 300,
        locale="fr-CA",
        tags=("b", " a", "b"),
        addresses=(Address(city="Aarhus"), ADDRESS),
        note="not for Mailchimp",
        loyalty_number="77",
    )
    done = channel.deliver(entity)
    wanted = normal_customer(channel.settings, entity).model_dump(exclude={"id"}, exclude_unset=True)
    assert done.result.snapshots[0].entity.model_dump(exclude_unset=True) == wanted
    assert wanted["locale"] == "fr-CA"
    assert wanted["tags"] == ("a", "b")
    assert len(wanted["company"]) == 255
