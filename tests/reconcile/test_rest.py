"""Systems that write to each other come to rest: equal, with no edit swallowed, and with few writes.

`OMNIBRIDGE_REST_EXAMPLES=5000 pytest tests/reconcile/test_rest.py` looks longer, and at other examples each time.
"""

from __future__ import annotations

import os
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring import KINDS, Manner, Ring

EXAMPLES = int(os.environ.get("OMNIBRIDGE_REST_EXAMPLES", "60"))
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


names, small = st.sampled_from(NAMES), st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("edit"), names, st.integers(0, 1)),
    st.tuples(st.just("hear"), names, small),
    st.tuples(st.just("again"), names, small),
    st.tuples(st.just("wait"), st.just("a"), st.sampled_from([0.1, 0.3, 0.5, 2.0])),
    st.tuples(st.just("rest"), st.just("a"), st.just(0)),
)


async def play(kind: str, channels: dict[str, Manner], happens: list[Any], owners: dict[str, str]) -> None:
    ring = Ring(kind, channels, owners)
    async with ring.bridge:
        await ring.edit("a", 0)
        await ring.wait(0.001)
        for what, name, detail in happens:
            if name not in channels:
                continue
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


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, derandomize="OMNIBRIDGE_REST_EXAMPLES" not in os.environ)
def test_a_ring_comes_to_rest(kind, data):
    size = data.draw(st.integers(2, 3), label="channels")
    channels = {name: data.draw(manners(kind), label=name) for name in NAMES[:size]}
    happens = data.draw(st.lists(steps, max_size=20), label="steps")
    anyio.run(play, kind, channels, happens, {})


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
