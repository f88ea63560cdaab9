"""The embeddable bridge: publish, send and handle, durably, on both backends, and clear errors before the start."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from small_shop import NOW, ShopSandbox, one_shop, seen, small_shop, webhook
from structlog.testing import capture_logs
from toy_shop import Shop, ShopSettings, bridge_to, tell, toy

import omnibridge
from omnibridge import Bridge, ConfigError, Event, Permanent, SendMessage
from omnibridge.config import Config, parse
from omnibridge.connector import Delivery, Http, Receipt
from omnibridge.errors import StorageError, UnknownItem
from omnibridge.journal import ClearSeal, open_journal
from omnibridge.model import Customer, Order
from omnibridge.registry import Registry
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

pytestmark = pytest.mark.both_backends
HELLO = SendMessage.model_validate({"to": "+4533123456", "medium": "sms", "body": "Hello"})


def event(id_: str = "1", type_: str = "com.example.done", **data: Any) -> Event:
    return Event.make(type_, data or {"n": 1}, id=id_, source="/mine", subject="s")


# -- without configuration -------------------------------------------------------------------------------------------


async def test_a_bridge_needs_no_configuration():
    seen_: list[Any] = []
    bridge = Bridge()

    @bridge.handler("com.example.done")
    async def note(data: Any, event: Event) -> None:
        seen_.append((data, event.id, event.extensions["channel"]))

    async with bridge:
        assert await bridge.publish(event(n=7))
        await bridge.idle()
    assert seen_ == [({"n": 7}, "1", "events")]


async def test_nothing_is_asked_of_it_before_its_start():
    bridge = Bridge()
    for question in (lambda: bridge.journal, lambda: bridge.ingress, lambda: bridge.processor):
        with pytest.raises(RuntimeError, match="use `async with`"):
            question()
    with pytest.raises(RuntimeError):
        await bridge.publish(event())
    running = TestBridge(one_shop(), connectors=[small_shop()])
    with pytest.raises(RuntimeError):
        await running.send(HELLO, "shop", id="1")


async def test_after_its_end_it_stores_nothing():
    bridge = Bridge()
    async with bridge:
        pass
    with pytest.raises(StorageError):
        await bridge.publish(event())


async def test_a_wrong_configuration_is_refused_at_the_start(tmp_path):
    config = parse('[channels.x]\nconnector = "nowhere"\n', {}, Registry(), name="bridge.toml", folder=tmp_path)
    with pytest.raises(ConfigError, match="nowhere"):
        async with Bridge(config):
            raise AssertionError("it must not start")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError):
        Bridge(tmp_path / "nowhere.toml")


async def test_the_errors_of_its_user_come_out_as_they_are():
    with pytest.raises(KeyError, match="mine"):
        async with Bridge():
            raise KeyError("mine")


async def test_it_closes_when_it_is_cancelled_at_any_moment():
    for waits in (False, True):
        bridge = Bridge()
        with anyio.CancelScope() as scope:
            async with bridge:
                scope.cancel()
                if waits:
                    await anyio.sleep_forever()
        with pytest.raises(StorageError):
            await bridge.journal.counts()


# -- publish ---------------------------------------------------------------------------------------------------------


async def test_an_event_is_published_once():
    async with TestBridge() as running:
        assert await running.publish(event()) is True
        assert await running.publish(event()) is False
        assert await running.publish(event("2")) is True
        await running.settle()
        assert [stored.event.id for stored in await running.journal.events()] == ["2", "1"]


async def test_an_event_of_the_catalogue_carries_its_schema_and_source():
    toml = '[bridge]\ntenant = "acme"\n'
    async with TestBridge(toml) as running:
        made = running.event("customer.created", Customer(given_name="Ann"), id="1", subject="c1", partitionkey="k")
        assert made.type == "io.omnibridge.customer.created.v1"
        assert made.source == "/acme/events"
        assert made.dataschema == "urn:omnibridge:schema:Customer:v1"
        assert made.time == "2026-01-01T00:00:00Z"
        await running.publish(made)
        await running.settle()
        [stored] = await running.journal.events()
        assert stored.event == made.with_extensions(channel="events")


# -- send ------------------------------------------------------------------------------------------------------------


async def test_a_command_goes_to_its_channel_once():
    box = ShopSandbox()
    async with TestBridge(one_shop(), connectors=[small_shop()], sandboxes={"shop.example": box}) as running:
        assert await running.send(HELLO, "shop", id="m1") is True
        assert await running.send(HELLO, "shop", id="m1") is False
        await running.settle(5)
        assert box.messages == [{"to": "+4533123456", "body": "Hello"}]


@pytest.mark.parametrize("channel", ["nobody", "", "events", "handler:f"])
async def test_a_command_to_nobody_is_an_error_that_names_the_channels(channel):
    async with TestBridge(one_shop(), connectors=[small_shop()]) as running:
        with pytest.raises(UnknownItem) as error:
            await running.send(HELLO, channel, id="m1")
        assert error.value.remedy == "one of shop"
        assert await running.journal.inbox() == []


# -- handlers --------------------------------------------------------------------------------------------------------


async def test_a_handler_gets_the_model_of_known_types_and_the_data_of_others():
    running = TestBridge(one_shop(), connectors=[small_shop()])
    got: list[Any] = []

    @running.handler("customer.*", "com.example.done")
    async def note(data: Any, event: Event) -> None:
        got.append(data)

    async with running:
        await running.receive(webhook(seen(Customer(given_name="Ann"), "1", 1)))
        await running.publish(event(n=1))
        await running.publish(event("2", "com.example.other"))
        await running.settle()
    assert [type(data) for data in got] == [Customer, dict]
    assert got[0].given_name == "Ann"


async def test_a_handler_that_fails_gets_the_event_again():
    running, tries = TestBridge(), []

    @running.handler("com.example.done")
    async def flaky(data: Any, event: Event) -> None:
        tries.append(running.time.monotonic())
        if len(tries) < 3:
            raise OSError("the disk of somebody else")

    async with running:
        await running.publish(event())
        await running.settle(3600)
        assert len(tries) == 3
        assert tries == sorted(set(tries))  # each later than the one before
        [row] = await running.journal.deliveries()
        assert row.state == "done"
        detail = await running.journal.delivery(row.id)
        assert detail is not None
        assert "the disk of somebody else" not in repr(detail.history)


async def test_permanent_makes_a_dead_letter_and_others_go_on():
    running, got = TestBridge(), []

    @running.handler("com.example.done")
    async def picky(data: Any, event: Event) -> None:
        if data["n"] == 1:
            raise Permanent("not one")
        got.append(data["n"])

    async with running:
        await running.publish(event("1", n=1))
        await running.publish(event("2", n=2))
        await running.settle(60)
        assert got == [2]
        assert sorted(row.state.value for row in await running.journal.deliveries()) == ["dead", "done"]


async def test_data_of_another_shape_is_a_dead_letter_for_a_handler():
    running = TestBridge()

    @running.handler("order.placed")
    async def never(data: Order, event: Event) -> None:
        raise AssertionError("the data is no order")

    async with running:
        await running.publish(event("1", "io.omnibridge.order.placed.v1", n=1))
        await running.settle(60)
        [row] = await running.journal.deliveries()
        assert row.state == "dead"


async def test_a_handler_has_one_name_and_comes_before_the_start():
    bridge = Bridge()

    @bridge.handler("order.placed")
    async def same(data: Any, event: Event) -> None: ...

    with pytest.raises(ValueError, match="same"):
        bridge.handler("order.paid", name="same")(same)
    bridge.handler("order.paid", name="other")(same)
    async with bridge:
        with pytest.raises(ValueError, match="late"):
            bridge.handler("order.paid", name="late")(same)


# -- durability ------------------------------------------------------------------------------------------------------


async def test_what_was_published_reaches_its_handler_after_a_restart(tmp_path):
    """A real file; the first process ends before its handler has done anything."""
    (tmp_path / "bridge.toml").write_text('[bridge]\ntenant = "acme"\ndrain_seconds = 0\n')
    got: list[str] = []

    def bridge(works: bool) -> Bridge:
        made = Bridge(tmp_path / "bridge.toml")

        @made.handler("com.example.done")
        async def note(data: Any, event: Event) -> None:
            if not works:
                raise RuntimeError("not today")
            got.append(event.id)

        return made

    async with bridge(works=False) as first:
        for number in range(20):
            await first.publish(event(str(number)))
        await first.idle()
    assert got == []
    assert (tmp_path / "omnibridge.db").exists()

    async with bridge(works=True) as second:
        assert await second.publish(event("0")) is False  # it remembers
        assert len(await second.journal.deliveries()) == 20
        await second.journal.replay([row.id for row in await second.journal.deliveries()], second.clock.now())
        with anyio.fail_after(20):
            while len(got) < 20:  # noqa: ASYNC110 - a real clock: the retries come when they are due
                await anyio.sleep(0.02)
    assert sorted(got, key=int) == [str(number) for number in range(20)]


async def test_a_clean_restart_repeats_nothing(tmp_path):
    (tmp_path / "bridge.toml").write_text("")
    got: list[str] = []
    for _ in range(3):
        bridge = Bridge(tmp_path / "bridge.toml")

        @bridge.handler("com.example.done")
        async def note(data: Any, event: Event) -> None:
            got.append(event.id)

        async with bridge:
            await bridge.publish(event())
            await bridge.idle()
    assert got == ["1"]


async def test_the_payload_is_not_readable_in_the_file(tmp_path):
    (tmp_path / "bridge.toml").write_text("")
    async with Bridge(tmp_path / "bridge.toml") as bridge:
        await bridge.publish(event(name="c4n4ry-of-anna"))
        await bridge.idle()
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert b"c4n4ry-of-anna" not in file.read_bytes()
    assert (tmp_path / "omnibridge.db.keyring").stat().st_mode & 0o077 == 0


async def test_a_journal_without_its_keyring_is_refused(tmp_path):
    (tmp_path / "bridge.toml").write_text("")
    async with Bridge(tmp_path / "bridge.toml"):
        pass
    (tmp_path / "omnibridge.db.keyring").unlink()
    with pytest.raises(ConfigError, match="keyring is missing"):
        async with Bridge(tmp_path / "bridge.toml"):
            raise AssertionError("it must not start")


async def test_a_journal_is_used_by_one_bridge_at_a_time(tmp_path):
    (tmp_path / "bridge.toml").write_text("")
    async with Bridge(tmp_path / "bridge.toml"):
        with pytest.raises(StorageError) as error:
            async with Bridge(tmp_path / "bridge.toml"):
                raise AssertionError("it must not start")
        assert error.value.remedy


# -- the stop --------------------------------------------------------------------------------------------------------


async def test_what_is_under_way_is_finished_before_it_stops():
    began, steps = anyio.Event(), []
    bridge = Bridge()

    @bridge.handler("com.example.done")
    async def slow(data: Any, event: Event) -> None:
        began.set()
        await anyio.sleep(0.05)
        steps.append("done")

    async with bridge:
        await bridge.publish(event())
        await began.wait()
    assert steps == ["done"]


async def test_it_does_not_wait_for_ever_for_what_is_under_way(tmp_path):
    toml = "[bridge]\ndrain_seconds = 0.05\n"
    config: Config = parse(toml, {}, Registry(), name="bridge.toml", folder=Path(tmp_path))
    bridge, began = Bridge(config, memory=True), anyio.Event()

    @bridge.handler("com.example.done")
    async def endless(data: Any, event: Event) -> None:
        began.set()
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with bridge:
            await bridge.publish(event())
            await began.wait()


# -- upkeep ----------------------------------------------------------------------------------------------------------


async def test_settled_work_is_forgotten_in_time_and_undelivered_work_never():
    toml, later = one_shop("[retention]\nsettled_days = 2"), ManualClock(NOW + timedelta(days=3))
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        boxes = {"shop.example": ShopSandbox()}
        async with TestBridge(toml, connectors=[small_shop()], sandboxes=boxes, journal=journal) as running:
            await running.send(HELLO, "shop", id="done")
            await running.settle(10)
            running.vendors.down.add("shop.example")
            await running.send(HELLO, "shop", id="waiting")
            await running.settle(10)
        async with TestBridge(toml, connectors=[small_shop()], clock=later, journal=journal) as running:
            await running.settle(3700)  # it looks every hour
            assert [stored.event.id for stored in await running.journal.events()] == ["waiting"]
            assert await running.send(HELLO, "shop", id="done") is False  # repetitions are known for longer


async def test_every_vendor_is_asked_something_harmless_without_a_start():
    async def probe(settings: Any, http: Any) -> None:
        answer = await http.get("/ping")
        if not answer.ok:
            raise Permanent("no such shop", code=str(answer.status))

    toml = one_shop('[channels.down]\nconnector = "down"\nsettings.url = "https://down.example"')
    connectors = [small_shop(probe=probe), small_shop("down", probe=probe)]
    vendors = SandboxTransport({"shop.example": ShopSandbox()})
    running = TestBridge(toml, connectors=connectors, vendors=vendors)
    found: dict[str, Exception] = {}

    async def ask() -> None:
        found.update(await running.probe())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        while not found:
            await running.time.advance(1)
    assert isinstance(found["shop"], Permanent)
    assert set(found) == {"shop", "down"}


async def test_the_journal_may_be_anothers():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        async with Bridge(journal=journal) as bridge:
            await bridge.publish(event())
            await bridge.idle()
        assert len(await journal.events()) == 1  # still open


def test_the_names_at_the_top_are_few_and_sorted():
    assert omnibridge.__all__ == sorted(omnibridge.__all__)
    assert all(hasattr(omnibridge, name) for name in omnibridge.__all__)
    assert len(omnibridge.__all__) < 20


async def test_a_connectors_bug_is_logged_by_its_places_alone():
    """Whoever embeds a bridge has a logging of their own, and structlog's usual one prints everybody's variables."""

    async def broken(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        secret = "a-canary-in-a-variable"
        raise KeyError(f"{secret} in a message")

    with capture_logs() as logs:
        async with bridge_to(Shop(), toy(broken)) as bridge:
            await tell(bridge, "c1", "Ann")
            await bridge.settle()
    (entry,) = [entry for entry in logs if entry["event"] == "connector bug"]
    assert re.fullmatch(r"KeyError at .*broken:\d+", entry["exception"])
    assert "exc_info" not in entry
    assert "canary" not in repr(logs)
