"""Customers into the sandbox: the right party, only what was given, and never over somebody else's change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnibridge_tryton import outbound, parties

from omnibridge.connector import Reference
from omnibridge.errors import Retryable
from omnibridge.model import Address, ContactPoint, Customer


def mechanisms(sandbox) -> list[tuple[str, str, bool]]:
    return [(row["type"], row["value"], row["active"]) for row in sandbox.records()["party.contact_mechanism"]]


def writes(done) -> list[str]:
    return [request.step for request in done.requests if not request.reads]


def test_a_customer_becomes_a_party(erp, sandbox, things):
    done = erp.put(things.customer())
    [party] = sandbox.records()["party.party"]
    assert party["name"] == "Kim Example"
    assert mechanisms(sandbox) == [("email", "c-1@example.com", True), ("phone", "+4533123456", True)]
    [address] = sandbox.records()["party.address"]
    assert (address["street"], address["party_name"]) == ("Road 1", None)  # the name is the party's own
    assert done.kept == [Reference("customer", "1")]
    [snapshot] = done.result.snapshots
    assert (snapshot.ours, snapshot.entity.email) == ("c-1", "c-1@example.com")


def test_the_same_again_writes_nothing(erp, things):
    erp.put(things.customer())
    assert writes(erp.put(things.customer())) == []


def test_only_what_is_given_is_written(erp, sandbox, things):
    erp.put(things.customer())
    known = things.customer()
    change = Customer(id="c-1", email="new@example.com")
    done = erp.put(change, things.delivery(change, "updated", own="1", known=known))
    assert writes(done) == ["write"]
    assert sandbox.records()["party.party"][0]["name"] == "Kim Example"
    assert mechanisms(sandbox) == [("email", "new@example.com", True), ("phone", "+4533123456", True)]
    assert done.result.snapshots[0].entity.model_fields_set == {"email", "updated_at"}


def test_an_email_that_is_taken_away_ends(erp, sandbox, things):
    erp.put(things.customer())
    change = Customer(id="c-1", email=None)
    erp.put(change, things.delivery(change, "updated", own="1", known=things.customer()))
    assert mechanisms(sandbox)[0] == ("email", "c-1@example.com", False)


def test_addresses_come_and_go(erp, sandbox, things):
    erp.put(things.customer())
    new = Address(street="Lane 2", city="Odense", region="83", country="DK")
    change = Customer(id="c-1", addresses=(new,))
    erp.put(change, things.delivery(change, "updated", own="1", known=things.customer()))
    assert [(row["street"], row["active"]) for row in sandbox.records()["party.address"]] == [
        ("Road 1", False),
        ("Lane 2", True),
    ]
    assert writes(erp.put(change, things.delivery(change, "updated", own="1", known=change))) == []


def test_a_party_with_the_same_email_is_taken(erp, sandbox, things):
    party = sandbox.store.create("party.party", {"name": "Was here"})
    sandbox.store.create("party.contact_mechanism", {"party": party, "type": "email", "value": "C-1@Example.com"})
    done = erp.put(things.customer())
    assert done.kept == [Reference("customer", str(party))]
    assert [row["name"] for row in sandbox.records()["party.party"]] == ["Kim Example"]
    assert [row["code"] for row in sandbox.store.table("party.identifier").values()] == ["omnibridge:c-1"]


@pytest.mark.parametrize("why", ["shared", "somebody else's", "inactive", "switched off"])
def test_a_party_with_the_same_email_is_not_always_taken(sandbox, things, make_channel, make_erp, why):
    erp = make_erp(sandbox, make_channel("http://127.0.0.1:8000", adopt_by_email=why != "switched off"))
    for _ in range(2 if why == "shared" else 1):
        party = sandbox.store.create("party.party", {"name": "Was here", "active": why != "inactive"})
        sandbox.store.create("party.contact_mechanism", {"party": party, "type": "email", "value": "c-1@example.com"})
        if why == "somebody else's":
            sandbox.store.create("party.identifier", {"party": party, "code": "omnibridge:c-7"})
    before = len(sandbox.records()["party.party"])
    erp.put(things.customer())
    assert len(sandbox.records()["party.party"]) == before + 1


def test_a_wildcard_in_an_email_is_no_wildcard(erp, sandbox, things):
    party = sandbox.store.create("party.party", {"name": "Was here"})
    sandbox.store.create("party.contact_mechanism", {"party": party, "type": "email", "value": "axb@example.com"})
    erp.put(things.customer(email="a_b@example.com"))
    assert len(sandbox.records()["party.party"]) == 2


def test_a_merged_party_is_followed_to_its_survivor(erp, sandbox, things):
    erp.put(things.customer())
    survivor = sandbox.store.create("party.party", {"name": "Survivor"})
    sandbox.store.write("party.party", 1, {"active": False, "replaced_by": survivor})
    change = things.customer()
    done = erp.put(change, things.delivery(change, "updated", own="1"))
    assert done.kept == [Reference("customer", str(survivor))]


def test_a_party_that_is_gone_is_made_again(erp, sandbox, things):
    change = things.customer()
    done = erp.put(change, things.delivery(change, "updated", own="99"))
    assert done.kept == [Reference("customer", "1")]


def test_a_change_in_between_is_not_overwritten(erp, sandbox, things):
    erp.put(things.customer())
    respond, seen = sandbox.respond, []

    def meddling(request):
        if b"party.party.write" in request.body and not seen:
            seen.append(1)
            sandbox.store.write("party.party", 1, {"name": "Changed there"})
        return respond(request)

    sandbox.respond = meddling
    change = Customer(id="c-1", email="new@example.com")
    told = things.delivery(change, "updated", own="1", known=things.customer())
    with pytest.raises(Retryable):
        erp.put(change, told)
    assert mechanisms(sandbox)[0][1] == "c-1@example.com"
    erp.put(change, told)
    assert sandbox.records()["party.party"][0]["name"] == "Changed there"
    assert mechanisms(sandbox)[0][1] == "new@example.com"


def test_an_ended_session_is_renewed_once(erp, sandbox, things):
    erp.put(things.customer())
    sandbox.expire()
    erp.put(things.customer())
    logins = [request for request in sandbox.log if b"common.db.login" in request.body]
    assert len(logins) == 2


# ── What Tryton keeps ────────────────────────────────────────────────────────────────────────────────────────────

TEXT = st.none() | st.text(st.characters(codec="utf-8", categories=("L", "Zs")), max_size=8)
ADDRESSES = st.builds(Address, name=TEXT, company=TEXT, street=TEXT, street2=TEXT, city=TEXT, country=st.just("DK"))
CUSTOMERS = st.builds(
    Customer,
    given_name=TEXT,
    family_name=TEXT,
    company=TEXT,
    email=st.none() | st.just("kim@example.com"),
    addresses=st.lists(ADDRESSES, max_size=2).map(tuple),
    contact_points=st.lists(
        st.builds(ContactPoint, medium=st.sampled_from(["email", "sms", "fax"]), value=st.just("+4533123456")),
        max_size=2,
    ).map(tuple),
)


@given(customer=CUSTOMERS)
def test_normal_is_idempotent(make_channel, customer):
    settings = make_channel("http://127.0.0.1")
    once = parties.normal(settings, customer)
    assert parties.normal(settings, once) == once


def test_normal_of_an_order_is_idempotent(settings, things):
    once = outbound.normal(settings, things.order())
    assert outbound.normal(settings, once) == once
    assert once.totals.total == things.eur("47.93")
    assert not once.lines


def test_normal_tells_what_is_not_kept(settings, things):
    kept = parties.normal(settings, things.customer(given_name="Ann Marie", family_name="van Lund", tags=("vip",)))
    assert (kept.given_name, kept.family_name) == ("Ann Marie van", "Lund")
    assert "tags" not in kept.model_fields_set
