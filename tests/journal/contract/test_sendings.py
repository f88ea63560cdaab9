"""Counting what is sent to whom: a limit is a limit whoever asks at the same moment."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from omnibridge.journal import Attempt, DeliveryState, Settled

pytestmark = pytest.mark.both_backends


async def test_no_more_than_the_limits_and_the_first_that_is_reached_is_told(journal, make):
    ann, day, week = journal.key("sending", "ann"), make.now - timedelta(days=1), make.now - timedelta(days=7)
    limits = [(day, 2), (week, 3)]
    early = make.now - timedelta(days=2)
    assert await journal.send_to(ann, 1, early, limits) is None
    assert await journal.send_to(ann, 2, make.now, limits) is None
    assert await journal.send_to(ann, 3, make.now, limits) is None
    assert await journal.send_to(ann, 4, make.now, limits) == 0
    assert await journal.send_to(ann, 4, make.now, limits[1:]) == 0
    assert await journal.send_to(journal.key("sending", "bob"), 4, make.now, limits) is None


async def test_a_delivery_that_is_tried_again_counts_once(journal, make):
    ann, limits = journal.key("sending", "ann"), [(make.now - timedelta(days=1), 1)]
    for _ in range(3):
        assert await journal.send_to(ann, 1, make.now, limits) is None
    assert await journal.send_to(ann, 2, make.now, limits) == 0


@pytest.mark.parametrize("state", ["dead", "refused", "unknown", "done"])
async def test_what_came_to_nothing_does_not_count(journal, make, state):
    await journal.ensure([make.delivery("d", "lane")])
    [claimed] = await journal.claim("erp", 1, make.now)
    ann, limits = journal.key("sending", "ann"), [(make.now - timedelta(days=1), 1)]
    assert await journal.send_to(ann, claimed.id, make.now, limits) is None
    await journal.settle(Settled(claimed.id, DeliveryState(state), Attempt(make.now, state, 0.0)))
    nothing = state in ("dead", "refused")
    assert await journal.send_to(ann, claimed.id + 1, make.now, limits) == (None if nothing else 0)


async def test_of_many_at_the_same_moment_as_many_as_may(journal, make):
    ann, limits = journal.key("sending", "ann"), [(make.now - timedelta(days=1), 3)]
    told: list[int | None] = []

    async def one(delivery: int) -> None:
        told.append(await journal.send_to(ann, delivery, make.now, limits))

    async with anyio.create_task_group() as tasks:
        for delivery in range(10):
            tasks.start_soon(one, delivery)
    assert sorted(place is None for place in told) == [False] * 7 + [True] * 3
