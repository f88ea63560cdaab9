"""Whatever the order in which facts and decisions arrive: the same customers, with the same ids, as from scratch."""

from __future__ import annotations

from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnibridge.clock import SystemClock
from omnibridge.customer import Resolver, Rules, Stages
from omnibridge.customer.identity import resolve
from omnibridge.journal import ClearSeal, Decision, Fact, FactsWrite, Journal, Link, Shown, Verb, open_journal

CHANNELS = ("shop", "till")
RECORDS = [(channel, id) for channel in CHANNELS for id in "123"]
KINDS = ("loyalty", "email", "phone")


def root_of(record: tuple[str, str]) -> str:
    return f"{record[1]}-{record[0]}"


SHOWN = st.builds(
    Shown, st.sampled_from(KINDS), st.sampled_from(["x", "y"]), st.sampled_from([True, True, True, False])
)
TELLING = st.tuples(
    st.just("facts"), st.sampled_from(RECORDS), st.sampled_from(KINDS), st.lists(SHOWN, min_size=1, max_size=2)
)
GONE = st.tuples(st.just("gone"), st.sampled_from(RECORDS))
TWO = st.lists(st.sampled_from(RECORDS), min_size=2, max_size=2, unique=True)
DECIDING = st.tuples(st.just("decide"), st.sampled_from([Verb.LINK, Verb.SPLIT]), TWO)
BLOCKING = st.tuples(
    st.just("block"), st.sampled_from([Verb.BLOCK, Verb.UNBLOCK]), st.sampled_from(KINDS), st.sampled_from(["x", "y"])
)
UNDOING = st.tuples(st.just("undo"), st.integers(1, 4))
VENDOR = st.tuples(st.just("taken"), st.sampled_from(RECORDS), st.sampled_from(RECORDS))
OTHER = GONE | DECIDING | BLOCKING | UNDOING | VENDOR
STEPS = st.tuples(st.lists(TELLING, min_size=5, max_size=9), st.lists(OTHER, max_size=4)).flatmap(
    lambda two: st.permutations([*two[0], *two[1]])
)
RULES = st.builds(
    Rules,
    priority=st.permutations(KINDS).map(tuple),
    unique=st.sets(st.sampled_from(["loyalty", "email"])),
    trusted=st.just({"till": {"phone"}}),
    limit=st.integers(1, 3),
)


async def nothing(kind: str, id: str, showings: Any) -> None:
    """No documents here: only who is whom."""


async def do(journal: Journal, step: tuple[Any, ...]) -> None:
    """One thing that happens."""
    if step[0] == "facts":
        (channel, id), field, keys = step[1:]
        keys = [key._replace(kind=field) for key in {key.value: key for key in keys}.values()]
        await journal.learn([FactsWrite(channel, "customer", id, root_of((channel, id)), {field: tuple(keys)})])
    elif step[0] == "gone":
        channel, id = step[1]
        await journal.learn([FactsWrite(channel, "customer", id, root_of((channel, id)), counts=False)])
    elif step[0] == "taken":
        (channel, id), (by, its) = step[1:]
        await journal.learn([FactsWrite(channel, "customer", id, root_of((channel, id)))])
        await journal.learn([FactsWrite(by, "customer", its, root_of((by, its)))])
        await journal.learn([FactsWrite(channel, "customer", id, root_of((by, its)))])
    elif step[0] == "decide":
        await journal.decide(step[1], pairs=[(root_of(step[2][0]), root_of(step[2][1]))])
    elif step[0] == "block":
        await journal.decide(step[1], key=journal.key(step[2], step[3]))
    else:
        await journal.undo(step[1])


async def world(journal: Journal) -> tuple[set[Fact], set[Link], set[Decision], list[str]]:
    """All that is known, at once."""
    roots = [root_of(record) for record in RECORDS]
    everything = {channel: frozenset(KINDS) for channel in CHANNELS}
    keys = [journal.key(kind, value) for kind in KINDS for value in "xy"]
    found = await journal.neighbours(roots, keys, everything, 99)
    return set(found.facts), set(found.links), set(found.decisions), roots


async def compare(steps: list[tuple[Any, ...]], rules: Rules) -> None:
    async with open_journal(None, seal=ClearSeal(), clock=SystemClock()) as journal:
        stages = Stages(nothing, lambda channel: channel, lambda event, now: [], lambda channels: None)
        resolver = Resolver(journal, rules, SystemClock(), stages)
        for step in steps:
            await do(journal, step)
            while await resolver.resolve():
                pass
            facts, links, decisions, roots = await world(journal)
            whole = resolve(facts, links, decisions, rules)
            for root in roots:
                assert (await journal.person(root)).id == whole.survivors.get(root, root)
            assert set(await journal.reviews()) == set(whole.reviews)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, RULES)
def test_step_by_step_comes_to_what_all_at_once_comes_to(steps, rules):
    anyio.run(compare, steps, rules)
