"""Who is whom: a function of facts, decisions and rules, and of nothing else."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from omnibridge.customer.identity import Rules, pair, resolve
from omnibridge.journal import Decision, Fact, Key, Link, Verb

ROOTS = "abcdefg"
CHANNELS = ("shop", "sms", "till")


def fact(root: str, kind: str, value: str, channel: str = "shop", *, verified: bool = True, **more) -> Fact:
    return Fact(channel, more.pop("record", root), root, Key(kind, value), verified, **more)


def phone(root: str, value: str = "1", **more) -> Fact:
    return fact(root, "phone", value, **more)


def together(*facts: Fact, links=(), decisions=(), rules: Rules | None = None) -> list[str]:
    """The customers as text: `["ab", "c"]`."""
    found = resolve(facts, links, decisions, rules or Rules()).customers()
    return sorted("".join(sorted(roots)) for roots in found.values())


# -- what joins ------------------------------------------------------------------------------------------------------


def test_a_verified_key_joins_and_an_unverified_one_does_not():
    assert together(phone("a"), phone("b", channel="sms")) == ["ab"]
    assert together(phone("a"), phone("b", channel="sms", verified=False)) == ["a", "b"]


def test_the_smallest_root_survives_whoever_came_first():
    assert resolve([phone("c"), phone("b")], [], [], Rules()).survivors == {"b": "b", "c": "b"}


def test_what_joins_two_and_two_joins_all():
    assert together(phone("a"), phone("b"), fact("b", "email", "x"), fact("c", "email", "x")) == ["abc"]


def test_a_channel_whose_staff_checks_is_trusted():
    facts = phone("a"), phone("b", channel="till", verified=False)
    assert together(*facts, rules=Rules(trusted={"till": {"phone"}})) == ["ab"]
    assert together(*facts, rules=Rules(trusted={"till": {"email"}})) == ["a", "b"]


def test_a_kind_that_is_not_asked_does_not_join():
    assert together(phone("a"), phone("b"), rules=Rules(priority=("email",))) == ["a", "b"]


def test_a_vendors_merge_joins_what_no_key_does():
    assert together(phone("a", "1"), phone("b", "2"), links=[Link("b", "a")]) == ["ab"]


# -- what keeps apart ------------------------------------------------------------------------------------------------


def test_a_key_that_too_many_records_of_one_channel_have_joins_nobody():
    rules = Rules(limits={"phone": 2})
    two = phone("a"), phone("b")
    assert together(*two, rules=rules) == ["ab"]
    found = resolve([*two, phone("c")], [], [], rules)
    assert found.customers() == {"a": {"a"}, "b": {"b"}, "c": {"c"}}
    assert found.blocked == {Key("phone", "1"): "more than 2 records of shop have it"}


def test_one_person_in_many_channels_is_no_crowd():
    facts = [phone(root, channel=f"channel-{root}") for root in ROOTS]
    assert together(*facts, rules=Rules(limits={"phone": 1})) == ["abcdefg"]


def test_a_record_that_is_gone_there_still_joins_and_no_longer_counts():
    facts = phone("a", counts=False), phone("b", counts=False), phone("c")
    assert together(*facts, rules=Rules(limits={"phone": 1})) == ["abc"]


def test_what_is_blocked_joins_nobody():
    facts, key = (phone("a"), phone("b")), Key("phone", "1")
    assert together(*facts, rules=Rules(blocked={key})) == ["a", "b"]
    block, unblock = Decision(1, Verb.BLOCK, key=key), Decision(2, Verb.UNBLOCK, key=key)
    assert together(*facts, decisions=[block]) == ["a", "b"]
    assert together(*facts, decisions=[unblock, block]) == ["ab"]
    assert together(*facts, decisions=[unblock, block], rules=Rules(limits={"phone": 1})) == ["a", "b"]


def test_a_split_wins_over_every_key_and_every_vendor():
    facts = phone("a"), phone("b"), fact("a", "loyalty", "9"), fact("b", "loyalty", "9")
    split = Decision(1, Verb.SPLIT, "b", "a")
    found = resolve(facts, [Link("a", "b")], [split], Rules())
    assert found.customers() == {"a": {"a"}, "b": {"b"}}
    assert found.reviews == ()  # it is decided
    assert together(*facts, decisions=[split, Decision(2, Verb.LINK, "a", "b")]) == ["ab"]


def test_nobody_guesses_on_which_side_of_a_split_a_third_belongs():
    found = resolve([phone("a"), phone("b"), phone("c")], [], [Decision(1, Verb.SPLIT, "a", "b")], Rules())
    assert len(found.customers()) == 3
    assert {(review.a, review.b) for review in found.reviews} == {("a", "c"), ("b", "c")}
    link = Decision(2, Verb.LINK, "b", "c")
    found = resolve([phone("a"), phone("b"), phone("c")], [], [Decision(1, Verb.SPLIT, "a", "b"), link], Rules())
    assert found.customers() == {"a": {"a"}, "b": {"b", "c"}}
    assert found.reviews == ()


def test_a_stronger_key_that_disagrees_asks_instead():
    facts = phone("a"), phone("b"), fact("a", "loyalty", "1"), fact("b", "loyalty", "2")
    found = resolve(facts, [], [], Rules())
    assert found.customers() == {"a": {"a"}, "b": {"b"}}
    [review] = found.reviews
    assert (review.a, review.b, review.kind) == ("a", "b", "phone")
    assert review.reason == "the same phone, but different loyalty"
    assert together(*facts, decisions=[Decision(1, Verb.LINK, "a", "b")]) == ["ab"]


def test_a_weaker_key_that_disagrees_does_not_matter():
    facts = fact("a", "email", "x"), fact("b", "email", "x"), phone("a", "1"), phone("b", "2")
    assert together(*facts, rules=Rules(unique={"phone"})) == ["ab"]
    assert together(*facts, rules=Rules(unique={"phone"}, priority=("phone", "email"))) == ["a", "b"]


# -- properties ------------------------------------------------------------------------------------------------------

KEYS = st.builds(Key, st.sampled_from(["loyalty", "email", "phone"]), st.sampled_from(["1", "2"]))
FACTS = st.builds(
    Fact, st.sampled_from(CHANNELS), st.sampled_from("xyz"), st.sampled_from(ROOTS), KEYS,
    st.sampled_from([True, True, False]), st.sampled_from([True, True, False]),
)  # fmt: skip
PAIRS = st.lists(st.sampled_from(ROOTS), min_size=2, max_size=2, unique=True).map(lambda two: pair(*two))
LINKS = PAIRS.map(lambda two: Link(*two))
PAIR_DECISIONS = st.tuples(st.sampled_from([Verb.LINK, Verb.SPLIT]), PAIRS).map(lambda d: (d[0], *d[1], None))
KEY_DECISIONS = st.tuples(st.sampled_from([Verb.BLOCK, Verb.UNBLOCK]), KEYS).map(lambda d: (d[0], "", "", d[1]))
DECISIONS = st.lists(PAIR_DECISIONS | KEY_DECISIONS, max_size=5).map(
    lambda many: [Decision(number, *one) for number, one in enumerate(many)]
)
RULES = st.builds(
    Rules,
    priority=st.permutations(["loyalty", "email", "phone"]).map(tuple),
    unique=st.sets(st.sampled_from(["loyalty", "email"])),
    trusted=st.just({"till": {"phone"}}),
    limit=st.integers(1, 3),
    blocked=st.sets(KEYS, max_size=1),
)
WORLD = (st.lists(FACTS, max_size=14), st.lists(LINKS, max_size=3), DECISIONS, RULES)


@settings(max_examples=1500, deadline=None)
@given(*WORLD, st.randoms())
def test_the_order_of_arrival_does_not_matter(facts, links, decisions, rules, random):
    found = resolve(facts, links, decisions, rules)
    for one in (facts, links, decisions):
        random.shuffle(one)
    assert resolve([*facts, *facts], links, decisions, rules) == found


@settings(max_examples=1500, deadline=None)
@given(*WORLD)
def test_every_customer_hangs_together_and_no_split_is_inside(facts, links, decisions, rules):
    found = resolve(facts, links, decisions, rules)
    for survivor, roots in found.customers().items():
        assert survivor == min(roots)
    last = {pair(d.a, d.b): d.verb for d in decisions if d.key is None}
    assert not any(found.survivors[a] == found.survivors[b] for (a, b), verb in last.items() if verb is Verb.SPLIT)
    edges = neighbours(facts, links, decisions, rules)
    for survivor, roots in found.customers().items():
        assert reach({survivor}, edges, within=roots) == roots


@settings(max_examples=1500, deadline=None)
@given(*WORLD)
def test_a_neighbourhood_resolves_as_the_whole_world_does(facts, links, decisions, rules):
    whole = resolve(facts, links, decisions, rules)
    edges = neighbours(facts, links, decisions, rules)
    for root in whole.survivors:
        roots = reach({root}, edges)
        mine = [one for one in facts if one.root in roots]
        keys = {one.key for one in mine}
        # Of a blocked key all holders are given, as they are what blocks it.
        holders = [one for one in facts if one.key in keys]
        part = resolve(
            holders,
            [link for link in links if {*link} & roots],
            [d for d in decisions if d.key in keys or {d.a, d.b} & roots],
            rules,
        )
        for one in roots & part.survivors.keys():
            assert part.survivors[one] == whole.survivors[one]
        expected = {review for review in whole.reviews if {review.a, review.b} & roots}
        assert expected <= set(part.reviews)


def neighbours(facts, links, decisions, rules) -> dict[str, set[str]]:
    """Who may be joined with whom, whatever keeps them apart."""
    blocked = resolve(facts, [], decisions, rules).blocked
    holders = defaultdict(set)
    for one in facts:
        if rules.links(one) and one.key not in blocked:
            holders[one.key].add(one.root)
    groups = [*holders.values(), *({*link} for link in links), *({d.a, d.b} for d in decisions if d.key is None)]
    edges = defaultdict(set)
    for group in groups:
        for root in group:
            edges[root] |= group
    return edges


def reach(roots: set[str], edges: dict[str, set[str]], within: frozenset[str] | None = None) -> set[str]:
    found, more = set(roots), set(roots)
    while more:
        more = {other for root in more for other in edges.get(root, set())} - found
        if within is not None:
            more &= within
        found |= more
    return found
