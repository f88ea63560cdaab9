"""Who may change what: orders belong to the channel that made them, customers to all, permissions to the person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from itertools import permutations
from typing import Any

import pytest
from told import NOW, SHOP, TILL, Told

from omnibridge.journal import Origin
from omnibridge.model import (
    Basis,
    Consent,
    ConsentState,
    Customer,
    Medium,
    Money,
    Order,
    OrderTotals,
    Proof,
    consent_key,
)
from omnibridge.reconcile import ChannelView

EUR = Money.model_validate({"amount": "10.00", "currency": "EUR"})
COLLECTS = replace(SHOP, collects_consent=True)
KEY = consent_key("ann@example.com", Medium.EMAIL)


def two(channel: ChannelView = SHOP, **fields: Any) -> tuple[Told, str]:
    """A customer that the shop made, and its canonical id."""
    told = Told()
    told(channel, Customer(**fields), "s1", NOW)
    return told, told.id(channel, external_id="s1")


# -- customers -------------------------------------------------------------------------------------------------------


def test_a_shared_customer_is_what_was_told_last():
    told, id_ = two(given_name="Ann", note="old")
    assert told(TILL, Customer(given_name="Anna"), "t1", ours=id_) == ["customer.updated"]
    assert told(SHOP, Customer(given_name="Annie"), "s1", NOW + timedelta(1)) == ["customer.updated"]
    assert told.entity() == {"id": id_, "given_name": "Annie", "note": "old"}
    assert {event.subject for event in told.events} == {id_}


@pytest.mark.parametrize("nothing", [{"phone": None}, {"tags": ()}, {"note": ""}, {"attributes": {}}])
def test_the_first_sight_of_nothing_removes_nothing(nothing):
    told, id_ = two(phone="+4533123456", tags=("vip",), note="knows us", attributes={"size": "M"})
    before = told.entity()
    assert told(TILL, Customer.model_validate(nothing), "t1", ours=id_) == []
    assert told.entity() == before


def test_what_a_channel_had_and_took_away_is_removed():
    told, id_ = two(phone="+4533123456")
    told(TILL, Customer(phone="+4533123456"), "t1", ours=id_)
    assert told(TILL, Customer(phone=None), "t1") == ["customer.updated"]
    assert told.entity()["phone"] is None


def test_custom_fields_of_two_channels_stand_side_by_side():
    shop, till = replace(SHOP, inward={"shoe": "size"}), replace(TILL, inward={"hat": "head"})
    told = Told()
    told(shop, Customer(given_name="Ann"), "s1", custom={"shoe": 41, "secret": "x"})
    id_ = told.id(shop, external_id="s1")
    told(till, Customer(given_name="Ann"), "t1", ours=id_, custom={"hat": "L"})
    assert told.entity()["attributes"] == {"size": 41, "head": "L"}


# -- orders ----------------------------------------------------------------------------------------------------------


def order(**more: Any) -> Order:
    return Order(currency="EUR", totals=OrderTotals(total=EUR), **more)


def test_an_order_belongs_to_the_channel_that_made_it():
    told = Told()
    told(SHOP, order(number="1", note="leave at the door"), "s1")
    id_ = told.id(SHOP, "order", "s1")
    assert told(TILL, order(number="T-77", note="x"), "t1", ours=id_) == []
    assert told.entity("order")["number"] == "1"
    assert told(SHOP, order(number="1", note="ring twice"), "s1") == ["order.updated"]


def test_another_channel_fills_in_what_the_owner_left_open():
    told = Told()
    told(SHOP, order(number="1"), "s1")
    id_ = told.id(SHOP, "order", "s1")
    assert told(TILL, order(note="paid with coins"), "t1", ours=id_) == ["order.updated"]
    assert told(TILL, order(note="changed there"), "t1") == []  # it is no longer open
    assert told.entity("order")["note"] == "paid with coins"


# -- consent ---------------------------------------------------------------------------------------------------------


def consent(state: str, at: Any = NOW, proof: bool = True, **more: Any) -> Consent:
    stamped = {"changed_at": at} if at is not None else {}
    told = {"proof": Proof(source="form", at=at)} if proof else {}
    return Consent(
        contact="ann@example.com", medium=Medium.EMAIL, state=ConsentState(state), **stamped, **told, **more
    )  # fmt: skip


def state_after(*steps: tuple[ChannelView, Consent, Origin]) -> str:
    told = Told()
    for version, (channel, what, origin) in enumerate(steps):
        told(channel, what, KEY, version, origin=origin)
    return told.entity("consent")["state"]


HOOK, POLL, READ = Origin.WEBHOOK, Origin.POLL, Origin.READ


@pytest.mark.parametrize("state", ["granted", "pending"])
@pytest.mark.parametrize(
    ("channel", "origin", "proven", "counts"),
    [
        (COLLECTS, HOOK, True, True),
        (SHOP, HOOK, True, False),
        (COLLECTS, POLL, True, False),
        (COLLECTS, READ, True, False),
        (COLLECTS, HOOK, False, False),
    ],
    ids=["attested", "another channel", "backfill", "read", "no proof"],
)
def test_only_an_attested_permission_counts(state, channel, origin, proven, counts):
    what = consent(state, NOW if proven else None, proof=proven)
    told = Told()
    names = told(channel, what, KEY, origin=origin)
    assert told.entity("consent")["state"] == (state if counts else "unknown")
    assert names == ([f"consent.{state}"] if counts else [])


@pytest.mark.parametrize("channel", [SHOP, COLLECTS, TILL])
@pytest.mark.parametrize("origin", [HOOK, POLL, READ])
@pytest.mark.parametrize("state", ["withdrawn", "denied", "expired"])
def test_a_withdrawal_counts_from_anywhere(channel, origin, state):
    assert state_after((COLLECTS, consent("granted"), HOOK), (channel, consent(state, None, False), origin)) == state


def test_a_copy_of_the_old_permission_does_not_undo_a_withdrawal():
    granted, later = consent("granted"), NOW + timedelta(hours=1)
    withdrawn = consent("withdrawn", later)
    for copy in ((SHOP, granted, HOOK), (COLLECTS, granted, POLL), (TILL, granted, HOOK), (COLLECTS, granted, HOOK)):
        told = Told()
        told(COLLECTS, granted, KEY, 1)
        told(TILL, withdrawn, KEY, 1)
        told(copy[0], copy[1], KEY, 2, origin=copy[2])
        assert told.entity("consent")["state"] == "withdrawn"


def test_a_new_permission_after_a_withdrawal_counts_again():
    told = Told()
    told(COLLECTS, consent("granted"), KEY, 1)
    told(TILL, consent("withdrawn", NOW + timedelta(days=1)), KEY, 1)
    told(COLLECTS, consent("withdrawn", NOW + timedelta(days=1)), KEY, 2, origin=Origin.RECEIPT)  # it was written there
    assert told(COLLECTS, consent("granted", NOW + timedelta(days=2)), KEY, 3) == ["consent.granted"]


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=5)), timezone(timedelta(hours=-5)), UTC])
@pytest.mark.parametrize("apart", [timedelta(hours=1), timedelta(milliseconds=500)])
def test_which_decision_is_newer_is_a_matter_of_time_not_of_how_it_is_written(zone, apart):
    second = replace(TILL, collects_consent=True)
    for later in (True, False):
        told = Told()
        told(COLLECTS, consent("withdrawn", NOW), KEY, 1)
        at = NOW.astimezone(zone) + (apart if later else -apart)
        assert told(second, consent("granted", at), KEY, 1) == (["consent.granted"] if later else [])


@pytest.mark.parametrize("steps", list(permutations([(COLLECTS, HOOK), (COLLECTS, POLL), (TILL, POLL)])))
def test_who_is_first_to_see_a_permission_makes_no_difference(steps):
    """A poll that runs just before the webhook must not take the permission from it."""
    told = Told()
    for channel, origin in steps:
        told(channel, consent("granted"), KEY, NOW, origin=origin)
    assert told.entity("consent")["state"] == "granted"
    assert [event.name for event in told.events].count("consent.granted") == 1


def test_channels_share_a_permission_without_sharing_a_record():
    told = Told()
    told(COLLECTS, consent("granted"), KEY, 1)
    assert told(TILL, consent("withdrawn", NOW + timedelta(1), basis=Basis.VENDOR_OPT_OUT), KEY, 1) == [
        "consent.withdrawn"
    ]
    assert len({event.subject for event in told.events}) == 1
