"""Handlers: an integrator's own functions, as durable as any delivery."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from toy_shop import Crash, crashing

from omnibridge.errors import Ambiguous, InvalidMessage, Permanent, Retryable, UnknownItem
from omnibridge.event import Event
from omnibridge.journal import ClearSeal, DeliveryState, Journal, open_journal
from omnibridge.model import Consent, ConsentState, Customer, Medium
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends

Handler = Callable[[Any, Event], Any]


@asynccontextmanager
async def handling(
    function: Handler,
    *types: str,
    name: str = "mine",
    journal: Journal | None = None,
    clock: ManualClock | None = None,
) -> AsyncGenerator[TestBridge]:
    """A running bridge with one handler."""
    bridge = TestBridge("", journal=journal, clock=clock)
    bridge.handler(*(types or ("customer.*",)), name=name)(function)
    async with bridge:
        yield bridge


async def tell(bridge: TestBridge, name: str = "Ann", who: str = "c1") -> None:
    event = bridge.event("customer.updated", Customer(id=who, given_name=name), id=f"{who}-{name}", subject=who)
    await bridge.publish(event)


class Seen:
    """A handler that notes what it gets, and raises what it is told to, once each."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.got: list[tuple[Any, Event]] = []

    async def __call__(self, data: Any, event: Event) -> None:
        self.got.append((data, event))
        if self.errors:
            raise self.errors.pop(0)

    @property
    def names(self) -> list[str]:
        return [data.given_name for data, _ in self.got]


async def test_a_handler_gets_the_canonical_model_and_the_event():
    seen = Seen()
    async with handling(seen) as bridge:
        await tell(bridge)
        await bridge.settle()
    ((data, event),) = seen.got
    assert data == Customer(id="c1", given_name="Ann")
    assert (event.name, event.subject) == ("customer.updated", "c1")


async def test_a_foreign_event_gives_its_data_as_it_is():
    seen = Seen()
    async with handling(seen, "com.example.door.opened") as bridge:
        await bridge.publish(bridge.event("com.example.door.opened", {"door": 7}, id="d1"))
        await bridge.settle()
    assert [data for data, _ in seen.got] == [{"door": 7}]


async def test_it_runs_once_for_an_event_told_twice_and_only_for_its_types():
    seen = Seen()
    async with handling(seen, "customer.updated", "customer.*") as bridge:
        await tell(bridge)
        await tell(bridge)
        await bridge.publish(bridge.event("com.example.other", {}, id="o1"))
        await bridge.settle()
    assert len(seen.got) == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("ann@example.com"),
        KeyError("x"),
        Retryable("busy"),
        OSError("disk"),
        ExceptionGroup("two", [OSError()]),
    ],
)
async def test_an_error_brings_the_event_back(error):
    seen = Seen(error, error)
    async with handling(seen) as bridge:
        await tell(bridge)
        await bridge.settle(30)
        (row,) = await bridge.journal.deliveries(channel="handler:mine")
        whole = await bridge.journal.delivery(row.id)
    assert len(seen.got) == 3
    assert row.state is DeliveryState.DONE
    assert whole is not None
    assert [attempt.outcome for attempt in whole.history] == ["retry", "retry", "ok"]
    assert not any("ann@example.com" in (attempt.text or "") for attempt in whole.history)


async def test_permanent_makes_it_a_dead_letter_that_can_be_replayed():
    seen = Seen(Permanent("there is no such till"))
    async with handling(seen) as bridge:
        await tell(bridge)
        await bridge.settle(60)
        (row,) = await bridge.journal.deliveries(channel="handler:mine")
        assert row.state is DeliveryState.DEAD
        assert row.last is not None
        assert row.last.text == "there is no such till"
        assert len(seen.got) == 1
        assert await bridge.journal.replay([row.id], bridge.clock.now()) == 1
        bridge.wake()
        await bridge.settle()
    assert len(seen.got) == 2


@pytest.mark.parametrize("error", [UnknownItem("no channel"), InvalidMessage("not JSON"), Ambiguous("who knows")])
async def test_any_other_error_of_ours_brings_it_back_too(error):
    """A handler that sends to a channel which is not there yet must not lose the event for that."""
    seen = Seen(error)
    async with handling(seen) as bridge:
        await tell(bridge)
        await bridge.settle(60)
        (row,) = await bridge.journal.deliveries(channel="handler:mine")
    assert row.state is DeliveryState.DONE
    assert len(seen.got) == 2


async def test_events_of_one_subject_stay_in_order_and_others_go_on():
    seen = Seen(ValueError())
    async with handling(seen) as bridge:
        for name in ("Ann", "Bea"):
            await tell(bridge, name)
        await tell(bridge, "Zoe", "c2")
        await bridge.settle(30)
    assert [name for name in seen.names if name != "Zoe"] == ["Ann", "Ann", "Bea"]
    assert seen.names.index("Zoe") <= 2


async def test_every_event_is_handled_none_collapses():
    seen = Seen(ValueError())
    async with handling(seen) as bridge:
        for n in range(5):
            await tell(bridge, f"n{n}")
            await bridge.settle()
        await bridge.settle(30)
    assert seen.names == ["n0", "n0", "n1", "n2", "n3", "n4"]


async def test_several_handlers_get_the_same_event_each_on_its_own():
    good, bad = Seen(), Seen(*[ValueError()] * 100)
    bridge = TestBridge("")
    bridge.handler("customer.*", name="good")(good)
    bridge.handler("customer.*", name="bad")(bad)
    async with bridge:
        await tell(bridge, "Ann")
        await tell(bridge, "Bea")
        await bridge.settle(20)
    assert good.names == ["Ann", "Bea"]
    assert set(bad.names) == {"Ann"}


async def test_a_name_can_be_taken_once_and_not_after_the_start():
    async def greet(data: Any, event: Event) -> None: ...

    bridge = TestBridge("")
    assert bridge.handler("customer.*")(greet) is greet
    with pytest.raises(ValueError, match="'greet'"):
        bridge.handler("order.*")(greet)
    async with bridge:
        with pytest.raises(ValueError, match="after the start"):
            bridge.handler("order.*", name="late")(greet)


# -- restarts ------------------------------------------------------------------------------------------------------


async def test_what_was_not_handled_is_handled_after_a_restart_under_the_same_name():
    clock = ManualClock()
    before, after = Seen(*[ValueError()] * 100), Seen()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with handling(before, journal=journal, clock=clock) as bridge:
            await tell(bridge)
            await bridge.settle(3)
        async with handling(after, name="another", journal=journal, clock=clock) as bridge:
            await bridge.settle(30)
        assert after.got == []  # a new name is a new handler: it gets what comes from now on
        async with handling(after, journal=journal, clock=clock) as bridge:
            await bridge.settle(30)
    assert after.names == ["Ann"]


async def test_what_was_cut_short_is_handled_again():
    """At least once: a handler is written to bear a repetition."""
    clock = ManualClock()
    cut, after = Seen(Crash()), Seen()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with crashing(), handling(cut, journal=journal, clock=clock) as bridge:
            await tell(bridge)
            await bridge.settle(1)
        journal.release(range(1, 9))
        async with handling(after, journal=journal, clock=clock) as bridge:
            await bridge.settle(1)
            (row,) = await bridge.journal.deliveries(channel="handler:mine")
    assert (cut.names, after.names, row.state) == (["Ann"], ["Ann"], DeliveryState.DONE)


async def test_what_was_handled_is_not_handled_again_after_a_restart():
    clock = ManualClock()
    seen = Seen()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for _ in range(2):
            async with handling(seen, journal=journal, clock=clock) as bridge:
                await tell(bridge)
                await bridge.settle(10)
    assert len(seen.got) == 1


async def test_a_handler_may_publish_and_the_chain_is_durable():
    seen: list[str] = []
    bridge = TestBridge("")

    @bridge.handler("customer.*")
    async def ask(data: Customer, event: Event) -> None:
        consent = Consent(contact="+4520123456", medium=Medium.SMS, state=ConsentState.PENDING)
        assert await bridge.publish(bridge.event("consent.pending", consent, id=f"for {event.id}", subject="k1"))

    @bridge.handler("consent.pending")
    async def note(data: Consent, event: Event) -> None:
        seen.append(f"{data.state} {event.id}")

    async with bridge:
        await tell(bridge)
        await bridge.settle()
    assert seen == ["pending for c1-Ann"]
