"""A conflict between channels: stored, shown with both values, and settled by an operator whose word is the newest."""

from __future__ import annotations

from typing import Any

import pytest
from ring import Manner, Ring

from omnibridge.errors import UnknownItem

pytestmark = pytest.mark.both_backends
PLAIN = {"a": Manner(), "b": Manner(), "c": Manner()}


async def contested(ring: Ring) -> None:
    """`a` owns the note; everybody has it; then somebody changes it at `b`."""
    await ring.edit("a", 1)
    await ring.rest()
    await ring.edit("b", 1)
    await ring.rest()


def notes(ring: Ring) -> set[Any]:
    return {(vendor.record or {}).get("note") for vendor in ring.vendors.values()}


async def test_who_does_not_own_a_field_loses_and_a_conflict_says_so():
    ring = Ring("customer", PLAIN, {"note": "a"})
    async with ring.bridge as bridge:
        await contested(ring)
        assert notes(ring) == {" Value 1"}
        [found] = [stored.event for stored in await bridge.journal.events() if stored.event.name == "conflict.found"]
        data = found.data
        assert (data["kind"], data["field"], data["winner"], data["loser"]) == ("customer", "note", "a", "b")
        assert "Value" not in str(data)
        [dispute] = await bridge.conflicts()
        assert (dispute.holds, dispute.lost) == (" Value 1", " Value 2")
        assert {name: vendor.writes.total() for name, vendor in ring.vendors.items()} == {"a": 0, "b": 2, "c": 1}


@pytest.mark.parametrize(("side", "holds"), [("a", " Value 1"), ("b", " Value 2")])
async def test_an_operator_chooses_a_side_and_it_holds_everywhere(side, holds):
    ring = Ring("customer", PLAIN, {"note": "a"})
    async with ring.bridge as bridge:
        await contested(ring)
        [dispute] = await bridge.conflicts()
        await bridge.settle_conflict(dispute.row.id, side)
        await ring.rest()
        assert notes(ring) == {holds}
        assert await bridge.conflicts() == []
        await ring.edit("a", 1)  # the owner's next word is newer again
        await ring.rest()
        assert notes(ring) == {" Value 3"}


async def test_what_another_process_chose_is_taken_up_unasked():
    ring = Ring("customer", PLAIN, {"note": "a"})
    async with ring.bridge as bridge:
        await contested(ring)
        [dispute] = await bridge.conflicts()
        await bridge.journal.choose(dispute.row.id, "b")
        await ring.wait(2 * bridge.processor.look_every)
        assert notes(ring) == {" Value 2"}
        assert await bridge.journal.conflicts() == []


async def test_a_conflict_is_over_once_the_field_has_changed_again():
    ring = Ring("customer", PLAIN, {"note": "a"})
    async with ring.bridge as bridge:
        await contested(ring)
        await ring.edit("a", 1)
        await ring.rest()
        assert await bridge.conflicts() == []


async def test_a_side_that_there_is_not_is_refused():
    ring = Ring("customer", PLAIN, {"note": "a"})
    async with ring.bridge as bridge:
        await contested(ring)
        [dispute] = await bridge.conflicts()
        for number, side in ((dispute.row.id, "c"), (99, "a")):
            with pytest.raises(UnknownItem):
                await bridge.settle_conflict(number, side)
        assert len(await bridge.conflicts()) == 1
