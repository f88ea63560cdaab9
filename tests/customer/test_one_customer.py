"""From what channels show to one customer: references, documents, events, lanes and what each channel is told."""

from __future__ import annotations

from typing import Any

import pytest
from people import ANN, SHOP, SMS, TILL, bridge, person, say
from pydantic_core import from_json

from omnibridge.connector import Snapshot, dump_observations
from omnibridge.customer import Customers
from omnibridge.journal import NewInbox, Origin, Person, Verb
from omnibridge.model import Message, Order, OrderTotals, Ref, canonical_id
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends


async def told(running: TestBridge) -> list[tuple[str, str]]:
    """Name and channel of each event, oldest first."""
    stored = await running.journal.events(limit=1000)
    return [(one.event.name, one.channel) for one in reversed(stored)]


async def document(running: TestBridge, id: str) -> dict[str, Any]:
    found = await running.journal.entities([("customer", id)])
    return from_json(found["customer", id][0])["entity"]


async def test_whoever_has_a_verified_key_of_somebody_known_is_that_customer():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, given_name="Ann"))
        await say(running, "till", person("1", phone=ANN, note="likes linen"))
        id = min(SHOP, TILL)
        for old in (SHOP, TILL):
            assert await running.journal.person(old) == Person(id, tuple(sorted((SHOP, TILL))))
            found = await document(running, old)
            assert (found["id"], found["given_name"], found["note"]) == (id, "Ann", "likes linen")
        # Nobody is made twice, and no third record of Ann is heard of anywhere.
        names = [name for name, _ in await told(running)]
        assert names.count("customer.created") == 1
        assert set(names) <= {"customer.created", "customer.merged", "customer.updated"}


async def test_a_known_customer_who_says_nothing_new_costs_no_transaction():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, given_name="Ann", version=1))
        rev = (await running.journal.neighbours([SHOP], [], {}, 9)).rev
        calls: list[Any] = []
        learn = running.journal.learn
        running.journal.learn = lambda facts: calls.append(facts) or learn(facts)  # type: ignore[method-assign]
        await say(running, "shop", person("1", phone=ANN, given_name="Anne", version=2))
        assert calls == []
        assert (await running.journal.neighbours([SHOP], [], {}, 9)).rev == rev


async def test_two_who_were_known_apart_become_one_and_everybody_hears_it():
    async with bridge() as running:
        await say(running, "shop", person("1", given_name="Ann", email="ann@example.com", version=1))
        await say(running, "till", person("1", phone=ANN, note="likes linen", version=1))
        await say(running, "shop", person("1", phone=ANN, version=2))
        id, other = sorted((SHOP, TILL))
        assert await running.journal.person(other) == Person(id, (id, other))
        events = {one.event.name: one.event for one in await running.journal.events()}
        merged = events["customer.merged"]
        assert (merged.subject, merged.data["id"], merged.data["merged_into"]["id"]) == (other, other, id)
        updates = [one for one in await running.journal.events() if one.event.name == "customer.updated"]
        assert {"shop", "till"} <= {one.channel for one in updates}
        newest = updates[0].event.data
        assert (newest["id"], newest["email"], newest["note"]) == (id, "ann@example.com", "likes linen")


async def test_an_order_and_a_message_name_the_customer_in_force():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, given_name="Ann"))
        total = OrderTotals.model_validate({"total": {"amount": "1.00", "currency": "DKK"}})
        buyer = Ref(kind="customer", external_id="1")
        await say(running, "sms", person("1", phone=ANN), Snapshot(
            Message.model_validate({
                "direction": "inbound", "medium": "sms", "state": "received", "sender": ANN, "body": "hi",
                "customer": {"kind": "customer", "external_id": "1"},
            }), "m1"))  # fmt: skip
        await say(running, "shop", Snapshot(Order(currency="DKK", totals=total, buyer=buyer), "o1"))
        id = min(SHOP, SMS)
        events = {one.event.name: one.event for one in await running.journal.events()}
        assert events["message.received"].data["customer"] == {"kind": "customer", "id": id}
        assert events["message.received"].extensions["partitionkey"] == id
        assert events["order.placed"].data["buyer"]["id"] == id


async def test_a_split_takes_them_apart_and_what_each_said_goes_with_it():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, given_name="Ann"))
        await say(running, "till", person("1", phone=ANN, given_name="Bo"))
        await running.journal.decide(Verb.SPLIT, pairs=[(SHOP, TILL)])
        running.wake()
        await running.settle()
        assert await running.journal.person(SHOP) == Person(SHOP, (SHOP,))
        assert (await document(running, SHOP))["given_name"] == "Ann"
        assert (await document(running, TILL))["given_name"] == "Bo"
        [apart] = [one.event for one in await running.journal.events() if one.event.name == "customer.unmerged"]
        low, high = sorted((SHOP, TILL))
        assert (apart.subject, apart.data["unmerged_from"]["id"]) == (high, low)
        # They stay apart, whatever comes.
        await say(running, "till", person("1", phone=ANN, given_name="Bob", version=9))
        assert (await document(running, TILL))["given_name"] == "Bob"
        assert (await document(running, SHOP))["given_name"] == "Ann"


async def test_an_undone_decision_leaves_no_trace():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN))
        await say(running, "till", person("1", phone=ANN))
        for _ in range(2):
            [number] = await running.journal.decide(Verb.SPLIT, pairs=[(SHOP, TILL)])
            running.wake()
            await running.settle()
            assert await running.journal.person(TILL) == Person(TILL, (TILL,))
            await running.journal.undo(number)
            running.wake()
            await running.settle()
            assert (await running.journal.person(TILL)).roots == tuple(sorted((SHOP, TILL)))


async def test_a_key_that_comes_to_be_shared_by_too_many_lets_go_of_those_that_it_joined():
    async with bridge() as running:
        people = [canonical_id("till", "customer", str(n)) for n in range(7)]
        for n in range(5):
            await say(running, "till", person(str(n), phone=ANN, note=str(n)))
        assert (await running.journal.person(people[4])).roots == tuple(sorted(people[:5]))
        await say(running, "till", person("5", phone=ANN), person("6", phone=ANN))
        for id in people:
            assert await running.journal.person(id) == Person(id, (id,))
        [(kind, reason, _)] = await running.journal.blocked()
        assert (kind, reason) == ("phone", "more than 5 records of till have it")
        # Two of them turn out to have another number: then few enough are left.
        await say(running, "till", person("5", phone="+4520999999"), person("6", phone="+4520999998"))
        assert (await running.journal.person(people[4])).roots == tuple(sorted(people[:5]))
        assert await running.journal.blocked() == []


async def test_a_vendors_merge_moves_its_references():
    async with bridge() as running:
        new = canonical_id("till", "customer", "2")
        await say(running, "till", person("1", note="old", version=1))
        await say(running, "till", person("2", note="new", version=1, aliases=("1",)))
        await say(running, "till", person("1", merged_into=Ref(kind="customer", external_id="2"), version=2))
        await say(running, "till", Snapshot.gone("customer", "1", 3))
        assert (await running.journal.person(TILL)).roots == tuple(sorted((TILL, new)))
        assert ("customer.deleted", "till") not in await told(running)
        assert "merged_into" not in await document(running, new)


def named(id: str) -> Ref:
    return Ref(kind="customer", external_id=id)


def order(buyer: str, id: str) -> Snapshot:
    total = OrderTotals.model_validate({"total": {"amount": "1.00", "currency": "DKK"}})
    return Snapshot(Order(currency="DKK", totals=total, number=id, buyer=named(buyer)), id)


async def test_a_vendor_that_merges_twice_leads_every_old_name_to_the_last_and_back():
    """The till merges 1 into 2 and later 2 into 3; then it takes the second merge back, and then the first."""
    first, second, third = (canonical_id("till", "customer", id) for id in "123")
    async with bridge() as running:
        for id, note in (("1", "linen"), ("2", "silk"), ("3", "wool")):
            await say(running, "till", person(id, note=note, given_name=f"Ann {id}", version=1))
        await say(running, "till", order("1", "o1"))
        await say(running, "till", person("1", merged_into=named("2"), version=2))
        await say(running, "till", person("2", merged_into=named("3"), version=2))
        id = min(first, second, third)
        whole = Person(id, tuple(sorted((first, second, third))))
        for old in (first, second, third):
            assert await running.journal.person(old) == whole
        # What comes late under the first name is about all three: a state, an order, a message.
        await say(running, "till", person("1", note="velvet", merged_into=named("2"), version=3))
        await say(running, "till", order("1", "o2"), order("2", "o3"))
        links = {link.external_id for link in await running.journal.links("customer", id)}
        assert links == {"1", "2", "3"}
        for text in ("till:1", "till:2", "till:3", first, second, third):
            card = await running.context(text)
            assert (card.id, set(card.roots)) == (id, {first, second, third})
            assert {one.number for one in card.orders} == {"o1", "o2", "o3"}
            assert card.profile["note"].value == "velvet"
        placed = [one.event for one in await running.journal.events() if one.event.name == "order.placed"]
        assert {one.extensions["partitionkey"] for one in placed[:2]} == {id}
        assert {one.data["buyer"]["id"] for one in placed[:2]} == {id}

        await say(running, "till", person("2", note="silk", merged_into=None, version=4))
        pair = Person(min(first, second), tuple(sorted((first, second))))
        assert [await running.journal.person(old) for old in (first, second, third)] == [
            pair,
            pair,
            Person(third, (third,)),
        ]
        await say(running, "till", person("1", note="velvet", merged_into=None, version=5))
        for root, note, orders in ((first, "velvet", {"o1", "o2"}), (second, "silk", {"o3"}), (third, "wool", set())):
            assert await running.journal.person(root) == Person(root, (root,))
            card = await running.context(root)
            assert (card.profile["note"].value, {one.number for one in card.orders}) == (note, orders)


async def test_a_record_that_names_our_id_is_that_customers():
    async with bridge() as running:
        await say(running, "shop", person("1", given_name="Ann"))
        await say(running, "till", person("1", note="x", ours=SHOP))
        assert await running.journal.person(SHOP) == Person(SHOP, (SHOP,))
        assert (await document(running, SHOP))["note"] == "x"
        assert [name for name, _ in await told(running)] == ["customer.created", "customer.updated"]


@pytest.mark.parametrize("by", ["till", "bridge"])
async def test_what_we_copied_somewhere_identifies_nobody(by):
    """Two share a phone, and the mail address of one comes to stand in the other's record; then the phone is blocked.

    What the till said itself holds them together; what we wrote there does not, nor does its echo.
    """
    async with bridge('\n[identity]\ntrusted = {till = ["email"], shop = ["email"]}\n') as running:
        await say(running, "shop", person("1", phone=ANN, email="ann@example.com", version=1))
        await say(running, "till", person("1", phone=ANN, note="x", version=1))
        written = dump_observations([person("1", email="ann@example.com", version=2)])
        if by == "bridge":
            await running.journal.accept(NewInbox("till", Origin.RECEIPT, written, running.clock.now()))
            running.wake()
            await running.settle()
        await say(running, "till", person("1", phone=ANN, email="ann@example.com", note="x", version=3))
        await running.journal.decide(Verb.BLOCK, key=running.journal.key("phone", ANN))
        running.wake()
        await running.settle()
        assert len((await running.journal.person(SHOP)).roots) == (2 if by == "till" else 1)


async def test_customers_are_found_by_whatever_is_known_of_them():
    async with bridge() as running:
        await say(running, "shop", person("1", phone=ANN, email="ann@example.com"))
        await say(running, "till", person("1", phone=ANN, loyalty_number="L-7"))
        customers = Customers(running.journal)
        whole = Person(min(SHOP, TILL), tuple(sorted((SHOP, TILL))))
        for text in (ANN, "Ann@Example.com ", "L-7", SHOP, TILL, "till:1", "shop:1"):
            assert await customers.find(text) == [whole], text
        for text in ("+4520999999", "bo@example.com", "L-8", "nobody", "till:2"):
            assert await customers.find(text) == [], text
