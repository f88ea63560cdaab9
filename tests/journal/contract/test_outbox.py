"""The outbox: lanes in order, claims, outcomes, and mending."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnibridge.connector import Reference
from omnibridge.errors import UnknownItem
from omnibridge.journal import Attempt, DeliveryState, Origin, Priority, Step, Task

pytestmark = pytest.mark.both_backends


@pytest.fixture
def claim(journal, make):
    async def claim(limit=10, channel="erp", at=None):
        return await journal.claim(channel, limit, at or make.now)

    return claim


@pytest.fixture
def states(journal):
    async def states():
        return [row.state.value for row in reversed(await journal.deliveries())]

    return states


async def test_a_claimed_delivery_carries_all_that_its_worker_needs(journal, make, clock, claim):
    event = make.event(content=b"data", extensions={"partitionkey": "p"})
    full = make.delivery(
        "d",
        "lane",
        event=("/t/acme/shop", "event-1"),
        payload=b"payload",
        route="r",
        on_poison="park",
        on_unknown="resend",
        collapse="c",
    )
    await journal.process([make.processed(1, events=(event,), deliveries=(full,))])
    await journal.ensure([make.delivery("poll", task=Task.POLL, operation="orders", recurring=True)])
    one, two = await claim()
    assert (one.key, one.generation, one.channel, one.task, one.operation, one.lane, one.attempts, one.created) == (
        make.key("d"), 0, "erp", Task.DELIVER, "order", "lane", 0, make.now,
    )  # fmt: skip
    assert (one.event, one.payload, one.route, one.on_poison, one.on_unknown, one.recurring, one.state, one.steps) == (
        event.event, b"payload", "r", "park", "resend", False, None, (),
    )  # fmt: skip
    assert (two.task, two.operation, two.event, two.payload, two.recurring) == (Task.POLL, "orders", None, None, True)


async def test_ensure_leaves_what_is_there(journal, make, claim):
    await journal.ensure([make.delivery("poll", recurring=True)])
    (one,) = await claim()
    await journal.settle(make.settled(one.id, "ready", due=make.after(minutes=5)))
    await journal.ensure([make.delivery("poll", recurring=True), make.delivery("other")])
    assert [row.due for row in await journal.deliveries()] == [make.now, make.after(minutes=5)]


async def test_a_key_that_is_no_uuid_is_kept_as_it_is(journal, make, claim):
    odd = ["poll:orders", "0" * 36, make.key("x").upper(), make.key("x").replace("-", ""), "-" * 36]
    await journal.ensure([make.delivery("x")])
    for key in odd:
        row = make.delivery("x", lane=key)
        await journal.ensure([type(row)(key, row.channel, row.task, row.operation, row.lane, row.due)])
    assert [one.key for one in await claim()] == [make.key("x"), *odd]


# -- claiming ------------------------------------------------------------------------------------------------------


async def test_heads_leave_by_priority_due_time_and_age(journal, make, claim):
    await journal.ensure(
        [
            make.delivery("late", due=make.after(seconds=-1)),
            make.delivery("early", due=make.after(seconds=-9)),
            make.delivery("urgent", priority=-3),
            make.delivery("backfill", priority=9, due=make.after(days=-1)),
            make.delivery("same", due=make.after(seconds=-1)),
            make.delivery("future", due=make.after(microseconds=1)),
            make.delivery("elsewhere", channel="mail"),
        ]
    )
    first = await claim(limit=2)
    rest = await claim()
    assert [one.lane for one in (*first, *rest)] == ["urgent", "early", "late", "same", "backfill"]
    assert await claim() == []
    assert [one.lane for one in await claim(at=make.after(microseconds=1))] == ["future"]
    assert [one.lane for one in await claim(channel="mail")] == ["elsewhere"]


async def test_a_lane_lets_one_out_at_a_time_in_order(journal, make, claim, states):
    await journal.ensure([make.delivery(name, "lane") for name in "abc"])
    assert await states() == ["ready", "queued", "queued"]
    for name in "abc":
        (one,) = await claim()
        assert one.key == make.key(name)
        assert await claim() == []
        await journal.settle(make.settled(one.id))
    assert await states() == ["done", "done", "done"]


async def test_lanes_of_two_channels_are_two_lanes(journal, make, claim):
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane", channel="mail")])
    assert len(await claim()) == len(await claim(channel="mail")) == 1


async def test_released_claims_can_be_taken_again_at_once(journal, make, claim):
    await journal.ensure([make.delivery("a"), make.delivery("b")])
    one, two = await claim()
    journal.release([one.id, 99])
    assert [again.id for again in await claim()] == [one.id]
    journal.release([one.id, two.id])
    assert [again.id for again in await claim()] == [one.id, two.id]


async def test_next_due_is_of_what_nobody_runs(journal, make, claim):
    assert await journal.next_due("erp") is None
    await journal.ensure(
        [
            make.delivery("a", "lane"),
            make.delivery("b", "lane", due=make.after(days=-9)),  # behind another
            make.delivery("c", due=make.after(minutes=3), priority=-1),
            make.delivery("d", due=make.after(minutes=2), priority=5),
        ]
    )
    assert await journal.next_due("erp") == make.now
    (one,) = await claim()
    assert await journal.next_due("erp") == make.after(minutes=2)
    journal.release([one.id])
    assert await journal.next_due("erp") == make.now
    assert await journal.next_due("mail") is None


# -- settling ------------------------------------------------------------------------------------------------------


async def test_a_retry_keeps_its_place_and_counts(journal, make, claim, states):
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane")])
    (one,) = await claim()
    failed = make.attempt("retry", seconds=1.5, code="503", text="bad gateway")
    await journal.settle(make.settled(one.id, "ready", due=make.after(minutes=1), attempt=failed))
    assert await claim() == []
    assert await states() == ["ready", "queued"]
    (again,) = await claim(at=make.after(minutes=1))
    assert (again.id, again.attempts) == (one.id, 1)
    second = make.attempt("later", at=make.after(minutes=1))
    await journal.settle(make.settled(one.id, "ready", due=make.after(minutes=2), attempt=second, count=False))
    (third,) = await claim(at=make.after(minutes=2))
    assert third.attempts == 1
    row = await journal.delivery(one.id)
    assert row.last == second
    assert row.history == (failed, second)


async def test_what_later_left_is_given_back_until_the_next_run(journal, make, claim):
    await journal.ensure([make.delivery("a")])
    (one,) = await claim()
    await journal.start(one.id, Step("s", 0, "k", b"r"))
    await journal.settle(make.settled(one.id, "ready", due=make.now, later={"job": [1, None]}))
    (one,) = await claim()
    assert one.state == {"job": [1, None]}
    await journal.settle(make.settled(one.id, "ready", due=make.now))  # a failure in between
    (one,) = await claim()
    assert one.state == {"job": [1, None]}
    assert len(one.steps) == 1
    await journal.settle(make.settled(one.id, "ready", due=make.now, keep_steps=False))
    (one,) = await claim()
    assert (one.state, one.steps) == (None, ())


async def test_an_outcome_goes_in_with_all_it_caused(journal, make, claim):
    await journal.ensure([make.delivery("a")])
    (one,) = await claim()
    receipt = make.inbox(b"receipt", "r1", channel="erp", origin=Origin.RECEIPT)
    await journal.settle(
        make.settled(one.id, references=(make.reference("99", "o1", channel="erp"),), inbox=(receipt, receipt))
    )
    assert await journal.references("erp", [("order", "o1")]) == {("order", "o1"): ("99", None)}
    assert [row.body for row in await journal.pending(0, 10)] == [b"receipt"]


@pytest.mark.parametrize(
    ("state", "more", "follower"),
    [
        ("done", {}, "ready"),
        ("dead", {}, "ready"),
        ("refused", {}, "ready"),
        ("superseded", {}, "ready"),
        ("unknown", {}, "ready"),
        ("unknown", {"holds_lane": True}, "queued"),
        ("parked", {}, "queued"),
    ],
)
async def test_a_final_state_frees_the_lane_or_holds_it(journal, make, claim, states, state, more, follower):
    await journal.ensure([make.delivery(name, "lane") for name in "abc"])
    (one,) = await claim()
    await journal.settle(make.settled(one.id, state, **more))
    assert await states() == [state, follower, "queued"]
    assert len(await claim()) == (follower == "ready")
    await journal.ensure([make.delivery("d", "lane")])
    assert (await states())[-1] == "queued"


async def test_nobody_settles_what_nobody_runs(journal, make, claim):
    await journal.ensure([make.delivery("a")])
    with pytest.raises(UnknownItem):
        await journal.settle(make.settled(1))
    (one,) = await claim()
    await journal.settle(make.settled(one.id))
    with pytest.raises(UnknownItem):
        await journal.settle(make.settled(one.id, inbox=(make.inbox(),)))
    assert await journal.pending(0, 1) == []


async def test_a_delivery_is_settled_ready_with_a_time_and_never_queued(journal, make, claim):
    await journal.ensure([make.delivery("a")])
    (one,) = await claim()
    for wrong in ("queued", "ready"):
        with pytest.raises(ValueError, match="READY"):
            await journal.settle(make.settled(one.id, wrong))


# -- collapsing ----------------------------------------------------------------------------------------------------


async def test_a_newer_state_takes_the_place_of_an_untouched_one(journal, make, claim, states):
    await journal.ensure(
        [
            make.delivery("head", "lane"),
            make.delivery("old", "lane", collapse="c"),
            make.delivery("behind", "lane"),
            make.delivery("new", "lane", collapse="c"),
        ]
    )
    assert await states() == ["ready", "superseded", "queued", "queued"]
    left = []
    for _ in range(3):
        (one,) = await claim()
        left.append(one.key)
        await journal.settle(make.settled(one.id))
    assert left == [make.key(name) for name in ("head", "new", "behind")]


async def test_a_head_that_is_collapsed_hands_its_headship_on(journal, make, claim, states):
    await journal.ensure([make.delivery(name, "lane", collapse="c") for name in "abc"])
    assert await states() == ["superseded", "superseded", "ready"]
    assert [one.key for one in await claim()] == [make.key("c")]


async def test_only_the_same_channel_lane_and_name_collapse(journal, make, states):
    await journal.ensure(
        [
            make.delivery("a", "lane", collapse="c"),
            make.delivery("b", "lane", collapse="other"),
            make.delivery("c", "lane2", collapse="c"),
            make.delivery("d", "lane", collapse="c", channel="mail"),
            make.delivery("e", "lane"),
        ]
    )
    assert await states() == ["ready", "queued", "ready", "ready", "queued"]


@pytest.mark.parametrize("touch", ["claimed", "tried", "stepped"])
async def test_what_was_touched_is_not_collapsed(journal, make, claim, states, touch):
    await journal.ensure([make.delivery("a", "lane", collapse="c")])
    (one,) = await claim()
    if touch == "tried":
        await journal.settle(make.settled(one.id, "ready", due=make.now, count=False))
    elif touch == "stepped":
        await journal.start(one.id, Step("s", 0, "k", b"r"))
        journal.release([one.id])
    await journal.ensure([make.delivery("b", "lane", collapse="c"), make.delivery("c", "lane", collapse="c")])
    assert await states() == ["ready", "superseded", "queued"]


async def test_a_released_one_is_untouched_again(journal, make, claim, states):
    await journal.ensure([make.delivery("a", "lane", collapse="c")])
    (one,) = await claim()
    journal.release([one.id])
    await journal.ensure([make.delivery("b", "lane", collapse="c")])
    assert await states() == ["superseded", "ready"]


async def test_a_row_that_is_ignored_collapses_nothing(journal, make, claim, states):
    await journal.ensure([make.delivery("a", "other")])
    await journal.ensure([make.delivery("b", "lane", collapse="c"), make.delivery("a", "lane", collapse="c")])
    assert await states() == ["ready", "ready"]


# -- exchanges -----------------------------------------------------------------------------------------------------


async def test_a_request_stays_as_it_was_frozen(journal, make, claim):
    await journal.ensure([make.delivery("a")])
    (one,) = await claim()
    first = Step("create", 0, "key-1", b"request")
    await journal.start(one.id, first)
    await journal.start(one.id, Step("create", 0, "key-2", b"other"))
    await journal.start(one.id, Step("create", 1, "key-3", b"again"))
    await journal.finish(one.id, Step("create", 0, "key-1", b"request", b"response"))
    await journal.finish(one.id, Step("upsert", 0, "key-4", b"unstarted", b"answer"))
    steps = (
        Step("create", 0, "key-1", b"request", b"response"),
        Step("create", 1, "key-3", b"again"),
        Step("upsert", 0, "key-4", b"unstarted", b"answer"),
    )
    journal.release([one.id])
    assert (await claim())[0].steps == steps
    assert (await journal.delivery(one.id)).steps == steps
    await journal.settle(make.settled(one.id))
    assert (await journal.delivery(one.id)).steps == steps


async def test_a_reference_is_kept_in_the_middle(journal, make):
    await journal.keep(1, "erp", Reference("order", "7"), "o1")
    await journal.keep(1, "erp", Reference("erp.field", "8"), "o1")
    assert await journal.references("erp", [("order", "o1"), ("erp.field", "o1")]) == {
        ("order", "o1"): ("7", None),
        ("erp.field", "o1"): ("8", None),
    }


# -- looking and mending -------------------------------------------------------------------------------------------


async def test_deliveries_are_found_newest_first_by_channel_state_and_event(journal, make, claim):
    events = (make.event("e1"), make.event("e2"))
    await journal.process(
        [
            make.processed(
                1,
                events=events,
                deliveries=(
                    make.delivery("a", event=("/t/acme/shop", "e1")),
                    make.delivery("b", channel="mail", event=("/t/acme/shop", "e1")),
                    make.delivery("c", event=("/t/acme/shop", "e2")),
                    make.delivery("d", "c"),
                ),
            )
        ]
    )
    one, _ = await claim()
    await journal.settle(make.settled(one.id, "dead", attempt=make.attempt("permanent", code="422")))

    async def found(**wanted):
        return "".join(next(n for n in "abcd" if make.key(n) == row.key) for row in await journal.deliveries(**wanted))

    assert await found() == "dcba"
    assert await found(limit=2) == "dc"
    assert await found(channel="erp") == "dca"
    assert await found(state="dead") == "a"
    assert await found(state="dead", channel="mail") == ""
    assert await found(state="ready") == "cb"
    assert await found(state="queued", channel="erp") == "d"
    assert await found(event="e1") == "ba"
    assert await found(event="e1", state="ready") == "b"
    assert await found(event="e9") == ""
    (dead,) = await journal.deliveries(state="dead")
    assert dead.last == make.attempt("permanent", code="422")
    assert dead.history == ()
    with pytest.raises(ValueError):
        await journal.deliveries(state="lost")
    assert await journal.delivery(99) is None


@pytest.mark.parametrize("state", ["dead", "unknown", "parked", "refused"])
async def test_what_failed_is_replayed_with_a_fresh_count_and_the_same_key(journal, make, claim, states, state):
    await journal.ensure([make.delivery("a", "lane")])
    (one,) = await claim()
    await journal.settle(make.settled(one.id, state, holds_lane=True))
    later = make.after(days=1)
    assert await journal.replay([one.id, 99], later) == 1
    assert await states() == ["ready"]
    assert await claim() == []
    (again,) = await claim(at=later)
    assert (again.key, again.generation, again.attempts) == (one.key, 0, 0)
    assert (await journal.delivery(one.id)).history == (make.attempt(),)


async def test_a_replayed_row_waits_for_the_head_and_goes_before_what_is_younger(journal, make, claim, states):
    await journal.ensure([make.delivery(name, "lane") for name in "abc"])
    (a,) = await claim()
    await journal.settle(make.settled(a.id, "dead"))
    assert await journal.replay([a.id], make.now) == 1
    assert await states() == ["queued", "ready", "queued"]
    left = []
    for _ in range(3):
        (one,) = await claim()
        left.append(one.key)
        await journal.settle(make.settled(one.id))
    assert left == [make.key(name) for name in "bac"]


async def test_what_is_open_or_done_is_not_replayed(journal, make, claim):
    await journal.ensure([make.delivery(name, "lane") for name in "abc"])
    (a,) = await claim()
    await journal.settle(make.settled(a.id))
    assert await journal.replay([1, 2, 3], make.now) == 0


async def test_a_resent_one_has_the_next_generation(journal, make, claim, states):
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane")])
    (a,) = await claim()
    await journal.settle(make.settled(a.id, "ready", due=make.now, later=1))
    (a,) = await claim()
    await journal.settle(make.settled(a.id))
    assert await journal.resend(99, make.now) is None
    assert await journal.resend(2, make.now) is None  # still on its way
    assert await journal.resend(a.id, make.now) == 1
    assert await states() == ["queued", "ready"]
    (b,) = await claim()
    await journal.settle(make.settled(b.id))
    (again,) = await claim()
    assert (again.id, again.key, again.generation, again.attempts, again.state) == (a.id, a.key, 1, 0, None)
    await journal.settle(make.settled(a.id, "parked"))
    assert await journal.resend(a.id, make.now) == 2
    assert await states() == ["ready", "done"]


@pytest.mark.parametrize("holds", [True, False])
async def test_an_unknown_one_is_closed_and_its_lane_goes_on(journal, make, claim, states, holds):
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane"), make.delivery("c", "lane")])
    (a,) = await claim()
    await journal.settle(make.settled(a.id, "unknown", holds_lane=holds))
    at = make.after(hours=1)
    assert await journal.close_unknown(a.id, at)
    assert await states() == ["done", "ready", "queued"]
    assert not await journal.close_unknown(a.id, at)
    assert not await journal.close_unknown(99, at)
    row = await journal.delivery(a.id)
    assert row.history == (make.attempt(), Attempt(at, "closed", 0.0))


async def test_a_parked_one_is_given_up_and_its_lane_goes_on(journal, make, claim, states):
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane"), make.delivery("c", "lane")])
    (a,) = await claim()
    await journal.settle(make.settled(a.id, "parked"))
    at = make.after(hours=1)
    assert not await journal.give_up(2, at)
    assert await journal.give_up(a.id, at)
    assert await states() == ["dead", "ready", "queued"]
    assert not await journal.give_up(a.id, at)
    row = await journal.delivery(a.id)
    assert row.history == (make.attempt(), Attempt(at, "given up", 0.0))
    assert await journal.replay([a.id], at) == 1


async def test_fresh_ones_leave_before_retries_those_before_replays_and_these_before_a_backfill(journal, make, claim):
    names = {"backfill": Priority.BACKFILL, "replay": Priority.FRESH, "retry": Priority.FRESH}
    await journal.ensure([make.delivery(name, name, priority=priority) for name, priority in names.items()])
    for claimed in await claim(3):
        name = claimed.lane
        if name == "replay":
            await journal.settle(make.settled(claimed.id, "dead"))
            await journal.replay([claimed.id], make.now)
        else:
            # Waiting is no failure: it costs no place.
            await journal.settle(make.settled(claimed.id, "ready", due=make.now, count=name == "retry"))
    await journal.ensure([make.delivery("fresh", "fresh"), make.delivery("consent", "c", priority=Priority.CONSENT)])
    assert [claimed.lane for claimed in await claim(9)] == ["c", "fresh", "retry", "replay", "backfill"]


async def test_counts_are_exact(journal, make, claim):
    empty = await journal.counts()
    assert (empty.inbox, empty.deliveries, empty.oldest_ready, empty.events) == ({}, {}, {}, 0)
    assert empty.bytes > 0
    ids = [(await journal.accept(make.inbox(channel=name))).id for name in ("shop", "shop", "till")]
    await journal.process(
        [
            make.processed(
                ids[0],
                events=(make.event("e1"), make.event("e2")),
                deliveries=(
                    make.delivery("a", "lane", collapse="c"),
                    make.delivery("b", "lane", collapse="c"),
                    make.delivery("c", "lane", due=make.after(days=-1)),
                    make.delivery("d", due=make.after(minutes=-5), priority=3),
                    make.delivery("e", channel="mail", due=make.after(minutes=5)),
                ),
            ),
            make.processed(ids[2], invalid="bad"),
        ]
    )
    (mail,) = await claim(channel="mail", at=make.after(days=1))
    await journal.settle(make.settled(mail.id, "dead"))
    found = await journal.counts()
    assert found.inbox == {("shop", "done"): 1, ("shop", "pending"): 1, ("till", "invalid"): 1}
    assert found.deliveries == {
        ("erp", "superseded"): 1,
        ("erp", "ready"): 2,
        ("erp", "queued"): 1,
        ("mail", "dead"): 1,
    }
    assert found.oldest_ready == {"erp": make.now - timedelta(minutes=5)}
    assert found.events == 2
    assert DeliveryState.DONE not in {state for _, state in found.deliveries}


# -- after a restart -----------------------------------------------------------------------------------------------


async def test_what_an_earlier_process_may_have_begun_is_told(journal, make, claim):
    names = ["first", "second", "third", "poll", "later", "waits"]
    rows = [make.delivery(name, operation=f"order:{name}") for name in names]
    rows[3] = rows[3]._replace(task=Task.POLL, priority=-1)
    rows[4] = rows[4]._replace(due=make.after(hours=1))
    rows[5] = rows[5]._replace(lane="first")
    await journal.ensure(rows)
    begun = {row.lane: row.id for row in await journal.deliveries()}
    await journal.start(begun["later"], Step("create", 0, "k", b"request"))
    assert sorted(await journal.begun("erp", 2, make.now)) == [("first", "order:first"), ("later", "order:later")]
    assert await journal.begun("other", 2, make.now) == []
    for one in await claim():
        await journal.settle(make.settled(one.id))
    assert sorted(await journal.begun("erp", 9, make.now)) == [("first", "order:waits"), ("later", "order:later")]
