"""Who is whom: what records show, what is decided and what it came to, stored in one piece and found again."""

from __future__ import annotations

import pytest

from omnibridge.journal import (
    Conflict,
    Dirty,
    EntityKey,
    EntityWrite,
    FactsWrite,
    Identified,
    Known,
    Link,
    Person,
    Review,
    Shown,
    Verb,
)

pytestmark = pytest.mark.both_backends


def facts(channel: str, id: str, root: str, *, email: str | None = None, verified: bool = True, **more) -> FactsWrite:
    keys = (Shown("email", email, verified),) if email else ()
    return FactsWrite(channel, "customer", id, root, {"email": keys}, **more)


async def test_what_a_record_shows_is_found_and_makes_its_reference(journal):
    assert not await journal.learn([facts("shop", "1", "a", email="x@example.com")])
    assert await journal.holders(journal.key("email", "x@example.com")) == ["a"]
    assert await journal.holders(journal.key("phone", "x@example.com")) == []
    key = EntityKey("shop", "customer", "1")
    assert await journal.known([key]) == {key: Known("a")}
    assert await journal.unresolved(10) == []
    assert await journal.person("a") == Person("a", ("a",))
    assert await journal.person("nobody") == Person("nobody", ("nobody",))


async def test_what_is_shared_must_be_resolved_and_what_is_not_need_not(journal):
    await journal.learn([facts("shop", "1", "a", email="x@example.com")])
    assert await journal.learn([facts("till", "7", "b", email="x@example.com", verified=False)])
    key = journal.key("email", "x@example.com")
    assert set(await journal.unresolved(10)) == {Dirty(key=key), Dirty("b")}
    trusting = await journal.neighbours(["b"], [key], {"till": {"email"}}, 10)
    assert {fact.root for fact in trusting.facts} == {"a", "b"}
    sceptical = await journal.neighbours(["a"], [key], {}, 10)
    assert {fact.root for fact in sceptical.facts} == {"a"}
    # Saying the same again is no news; saying something else is.
    rev = sceptical.rev
    assert not await journal.learn([facts("shop", "1", "a", email="x@example.com")])
    assert (await journal.neighbours(["a"], [], {}, 10)).rev == rev
    assert await journal.learn([facts("shop", "1", "a", email="y@example.com")])
    assert await journal.holders(key) == ["b"]


async def test_of_a_key_that_thousands_have_only_some_are_read(journal):
    await journal.learn([facts("shop", str(n), f"r{n:03}", email="x@example.com") for n in range(40)])
    key = journal.key("email", "x@example.com")
    assert len((await journal.neighbours([], [key], {}, 6)).facts) == 6


async def test_a_record_that_is_gone_no_longer_counts_and_still_tells(journal):
    await journal.learn([facts("shop", "1", "a", email="x@example.com")])
    await journal.learn([FactsWrite("shop", "customer", "1", "a", {}, counts=False)])
    [fact] = (await journal.neighbours(["a"], [], {}, 10)).facts
    assert not fact.counts


async def test_a_reference_found_taken_joins_the_two(journal, make):
    await journal.learn([facts("shop", "1", "b")])
    await journal.learn([facts("shop", "1", "a")])
    found = await journal.neighbours(["a"], [], {}, 10)
    assert found.links == (Link("a", "b"),)
    assert await journal.unresolved(10) == [Dirty("a")]
    key = EntityKey("shop", "customer", "1")
    assert (await journal.known([key]))[key].id == "b"  # until it is resolved


async def merged(journal, **more) -> int:
    """Roots a and b, shown by shop and till, of which b goes."""
    await journal.learn([facts("shop", "1", "a"), facts("till", "7", "b"), facts("till", "7", "a")])
    rev = (await journal.neighbours(["a", "b"], [], {}, 10)).rev
    await journal.identify(
        Identified(rev, {"b": "a"}, roots={"a", "b"}, dirty=tuple(await journal.unresolved(9)), **more)
    )
    return rev


async def test_every_id_leads_to_the_customer_and_comes_back_from_it(journal):
    entity = EntityWrite("customer", "a", 0, b"{}")
    rev = await merged(journal, entities=(entity,), gone=(("customer", "b"),))
    key = EntityKey("till", "customer", "7")
    assert (await journal.known([key]))[key].id == "a"
    for id in ("a", "b"):
        assert await journal.person(id) == Person("a", ("a", "b"))
        assert await journal.entities([("customer", id)]) == {("customer", id): (b"{}", 1)}
        assert [link.external_id for link in await journal.links("customer", id)] == ["1", "7"]
        assert (await journal.references("till", [("customer", id)]))["customer", id][0] == "7"
    assert [(one.channel, one.root) for one in await journal.showings(["b"])] == [("till", "b")]
    assert await journal.unresolved(10) == []
    # A receipt for the old id makes a reference of the customer, whose root it remembers.
    await journal.learn([facts("news", "n", "b")])
    key = EntityKey("news", "customer", "n")
    assert (await journal.known([key]))[key].id == "a"
    await journal.identify(Identified(rev, {"b": "b"}))
    assert (await journal.known([key]))[key].id == "b"
    assert await journal.person("a") == Person("a", ("a",))
    assert [link.channel for link in await journal.links("customer", "a")] == ["shop"]
    assert [link.channel for link in await journal.links("customer", "b")] == ["news", "till"]


async def test_what_was_resolved_from_an_old_state_is_refused_whole(journal):
    rev = await merged(journal)
    await journal.decide(Verb.SPLIT, pairs=[("b", "a")])
    with pytest.raises(Conflict):
        await journal.identify(Identified(rev, {"b": "b"}, reviews=(Review("a", "b", "phone", "why"),)))
    assert await journal.person("b") == Person("a", ("a", "b"))
    assert await journal.reviews() == []


async def test_of_two_who_decide_at_once_one_must_look_again(journal):
    [first] = await journal.decide(Verb.SPLIT, pairs=[("b", "a")], last=0)
    with pytest.raises(Conflict):
        await journal.decide(Verb.LINK, pairs=[("a", "b")], last=0)
    [second] = await journal.decide(Verb.LINK, pairs=[("a", "b")], last=first)
    key = journal.key("phone", "+4500000000")
    [third] = await journal.decide(Verb.BLOCK, key=key, last=0)
    with pytest.raises(Conflict):
        await journal.decide(Verb.UNBLOCK, key=key, last=second)
    made = await journal.decisions()
    assert [(d.number, d.verb) for d in made] == [(third, Verb.BLOCK), (second, Verb.LINK), (first, Verb.SPLIT)]
    assert (made[0].key, made[1][2:4]) == (key, ("a", "b"))
    assert await journal.undo(second)
    assert not await journal.undo(second)
    found = await journal.neighbours(["a"], [key], {}, 10)
    assert {d.number for d in found.decisions} == {first, third}


async def test_reviews_and_blocked_keys_are_replaced_by_what_comes_after(journal):
    await journal.learn([facts("shop", "1", "a", email="x@example.com")])
    rev = (await journal.neighbours(["a"], [], {}, 10)).rev
    key, review = journal.key("email", "x@example.com"), Review("a", "b", "email", "why")
    await journal.identify(Identified(rev, {}, roots={"a"}, reviews=(review,), blocked={key: "too many"}))
    assert await journal.reviews() == [review]
    assert await journal.blocked() == [("email", "too many", ["a"])]
    assert (await journal.neighbours([], [key], {}, 10)).blocked == {key}
    await journal.identify(Identified(rev, {}, roots={"b"}, unblocked={key}))
    assert (await journal.reviews(), await journal.blocked()) == ([], [])


# -- lanes -----------------------------------------------------------------------------------------------------------


async def fill(journal, make, *rows: tuple[str, str]) -> None:
    """Deliveries by (name, lane)."""
    await journal.ensure([make.delivery(name, lane) for name, lane in rows])


async def heads(journal, make) -> list[str]:
    return [one.key for one in await journal.claim("erp", 9, make.now)]


async def drained(journal, make) -> list[str]:
    """The names in the order in which they leave, one at a time."""
    found: list[str] = []
    while claimed := await journal.claim("erp", 9, make.now):
        for one in claimed:
            found.append(one.key)
            await journal.settle(make.settled(one.id))
    return found


async def test_the_rows_of_a_lane_join_the_other_in_the_order_in_which_they_came(journal, make):
    await fill(journal, make, ("1", "b"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "other"))
    await merged(journal, lanes={"b": "a"})
    assert await drained(journal, make) == [make.key(name) for name in ("1", "5", "2", "3", "4")]


@pytest.mark.parametrize("running", ["a", "b"])
async def test_a_head_that_runs_is_not_disturbed(journal, make, running):
    await fill(journal, make, ("1", running), ("2", "b" if running == "a" else "a"), ("3", "b"))
    [first] = await journal.claim("erp", 1, make.now)
    assert first.key == make.key("1")
    await merged(journal, lanes={"b": "a"})
    assert await journal.claim("erp", 9, make.now) == []
    await journal.settle(make.settled(first.id))
    assert await drained(journal, make) == [make.key("2"), make.key("3")]


async def test_two_heads_that_run_end_before_what_followed_them(journal, make):
    await fill(journal, make, ("1", "a"), ("2", "b"), ("3", "b"), ("4", "a"))
    one, two = await journal.claim("erp", 9, make.now)
    await merged(journal, lanes={"b": "a"})
    await journal.settle(make.settled(one.id))
    [four] = await journal.claim("erp", 9, make.now)
    assert four.key == make.key("4")
    await journal.settle(make.settled(two.id))
    assert await journal.claim("erp", 9, make.now) == []
    await journal.settle(make.settled(four.id))
    assert await drained(journal, make) == [make.key("3")]
