"""Systems that write to each other come to rest: equal, with no edit swallowed, and with few writes.

`OMNIBRIDGE_REST_EXAMPLES=5000 pytest tests/reconcile/test_rest.py` looks longer, and at other examples each time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring import KINDS, Manner, Ring

EXAMPLES = int(os.environ.get("OMNIBRIDGE_REST_EXAMPLES", "20"))
NAMES = ("a", "b", "c")


def manners(kind: str) -> st.SearchStrategy[Manner]:
    keeps = ["plain", "round"] if kind == "inventory" else ["plain", "trim", "fold"]
    return st.builds(
        Manner,
        versions=st.sampled_from(["counter", "time", "second", "none"]),
        keeps=st.sampled_from(keeps),
        refuses=st.sampled_from([None, None, None, KINDS[kind].fields[1]]),
        answers=st.just(True),
    )


def steps(names: Sequence[str]) -> st.SearchStrategy[list[Any]]:
    """What happens in a ring: many edits, and often after all have the record, or there would be little to tell."""
    name, small = st.sampled_from(names), st.integers(0, 3)
    edit = st.tuples(st.just("edit"), name, small)
    others = st.one_of(
        st.tuples(st.just("hear"), name, small),
        st.tuples(st.just("again"), name, small),
        st.tuples(st.just("wait"), name, st.sampled_from([0.1, 0.3, 0.5, 2.0])),
    )
    rest = st.tuples(st.just("rest"), name, small)
    first = st.just([]) | st.just([("rest", "a", 0)])
    return st.builds(list.__add__, first, st.lists(edit | others | rest, min_size=3, max_size=15))


def owners(kind: str, names: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    """Of fields or of everything, and where there are places of either at a place, by the id that any channel has."""
    fields, places = KINDS[kind].fields, KINDS[kind].places
    some = st.dictionaries(st.sampled_from(["", *fields]), st.sampled_from(names), min_size=1, max_size=2)
    if len(places) == 1:
        return some
    of = st.builds(_line, st.sampled_from(fields), st.sampled_from(names), st.sampled_from(places))
    there = st.dictionaries(of, st.sampled_from(names), min_size=1, max_size=3).filter(_once)
    whole = st.fixed_dictionaries({f"@{names[-1]}/{place}": st.sampled_from(names) for place in places})
    return st.builds(lambda one, other: {**one, **other}, some, there) | whole


def _line(field: str, channel: str, place: str) -> str:
    return f"{field}@{channel}/{place}"


def _once(lines: dict[str, str]) -> bool:
    """One place has several names, and one owner."""
    named = [(field, place.rpartition("/")[2]) for field, _, place in (line.partition("@") for line in lines)]
    return len(named) == len({*named})


async def play(ring: Ring, happens: list[Any]) -> None:
    for what, name, detail in happens:
        if what == "edit":
            await ring.edit(name, detail)
        elif what == "wait":
            await ring.wait(detail)
        elif what == "rest":
            await ring.rest()
            await ring.check()
        else:
            await ring.hear(name, detail, again=what == "again")
        await ring.wait(0.001)
    await ring.rest()
    await ring.check()


async def play_alike(ring: Ring, happens: list[Any]) -> None:
    """Nobody owns anything."""
    async with ring.bridge:
        await ring.match()
        await play(ring, [("edit", "a", 0), *happens])


async def play_owned(ring: Ring, happens: list[Any], last: Any) -> None:
    """First the owners say something everywhere; in the end somebody changes one thing more."""
    async with ring.bridge:
        await ring.match()
        await play(ring, [("edit", "a", which) for which in (0, 2)])
        for part, which in {ring.part(which): which for which in range(4)}.items():
            if (owner := ring.owner(part)) is not None:
                await ring.edit(owner, which)
                await ring.rest()
        await play(ring, happens)
        await play(ring, [last])


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, derandomize="OMNIBRIDGE_REST_EXAMPLES" not in os.environ)
def test_a_ring_comes_to_rest(kind, data):
    names = NAMES[: data.draw(st.integers(2, 3), label="channels")]
    channels = {name: data.draw(manners(kind), label=name) for name in names}
    anyio.run(play_alike, Ring(kind, channels), data.draw(steps(names), label="steps"))


@pytest.mark.parametrize("kind", ["customer", "inventory"])
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, derandomize="OMNIBRIDGE_REST_EXAMPLES" not in os.environ)
def test_a_ring_with_owners_comes_to_rest_with_their_words(kind, data):
    names = NAMES[: data.draw(st.integers(2, 3), label="channels")]
    channels = {name: data.draw(manners(kind), label=name) for name in names}
    ring = Ring(kind, channels, data.draw(owners(kind, names), label="owners"))
    happens = data.draw(steps(names), label="steps")
    last = ("edit", data.draw(st.sampled_from(names)), data.draw(st.integers(0, 3)))
    anyio.run(play_owned, ring, happens, last)


@pytest.mark.both_backends
async def test_an_edit_that_our_write_overwrote_before_it_was_heard_is_written_back():
    """Somebody changes the note at `a` while another channel's is on its way there; the versions tell that it was."""
    ring = Ring("customer", {"a": Manner(), "b": Manner(), "c": Manner()})
    async with ring.bridge:
        await ring.edit("a", 0)
        await ring.rest()
        await ring.edit("c", 1)
        await ring.hear("c", 0)
        await ring.wait(0.1)
        await ring.edit("a", 1)  # the third edit, and the write of the second arrives after it
        await ring.wait(2)
        assert (ring.vendors["a"].record or {})["note"] == " Value 2"
        await ring.rest()
        assert {(vendor.record or {})["note"] for vendor in ring.vendors.values()} == {" Value 3"}
        await ring.check()
