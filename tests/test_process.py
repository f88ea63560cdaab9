"""From inbox to events: nothing is lost by a bug, by an end of the process at any point, or by two who work at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from small_shop import NOW, ShopSandbox, ask, one_shop, polled, seen, small_shop, webhook

from omnibridge.connector import Inbound, Limits, Occurrence, Snapshot
from omnibridge.event import Event
from omnibridge.journal import ClearSeal, Conflict, open_journal
from omnibridge.model import Customer
from omnibridge.routing.router import MAX_HOPS
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

pytestmark = pytest.mark.both_backends


def anna(version: int = 1, id_: str = "1", name: str = "Anna") -> dict[str, Any]:
    return seen(Customer(given_name=name), id_, version)


def bridge(journal: Any = None, **changes: Any) -> TestBridge:
    return TestBridge(one_shop(), connectors=[small_shop(**changes)], journal=journal)


async def told(running: TestBridge) -> list[tuple[str, str]]:
    """Name and given name of each event, oldest first."""
    stored = await running.journal.events(limit=1000)
    return [(found.event.name, found.event.data.get("given_name")) for found in reversed(stored)]


# -- bugs ------------------------------------------------------------------------------------------------------------


async def test_a_bug_keeps_its_delivery_and_costs_no_other():
    async with bridge() as running:
        await running.receive(webhook(anna(1, "1")))
        await running.receive(webhook(anna(1, "2", "Bo"), bug=True))
        await running.receive(webhook(anna(1, "3", "Cy")))
        await running.settle()
        assert await told(running) == [("customer.created", "Anna"), ("customer.created", "Cy")]
        [row] = await running.journal.inbox(state="invalid")
        assert row.error == "ZeroDivisionError in the connector; replay after it is mended"
        assert (running.processor.handled, running.processor.invalid) == (3, 1)


async def test_what_is_not_understood_says_why_and_where():
    async with bridge() as running:
        await running.receive(webhook({"kind": "customer", "id": "1", "entity": {}}, seen={}))
        await running.settle()
        [row] = await running.journal.inbox(state="invalid")
        assert row.error == "body: expected seen"


def _naive(inbound: Inbound) -> Any:
    return Occurrence("k", "shop.clicked", {}, at=NOW.replace(tzinfo=None))


def _nameless(inbound: Inbound) -> Any:
    return Occurrence("k", "", {})


def _control(inbound: Inbound) -> Any:
    return Occurrence("k", "shop.\0", {})


def _object(inbound: Inbound) -> Any:
    return Occurrence("k", "shop.clicked", {"it": object()})  # type: ignore[dict-item]


def _half(inbound: Inbound) -> Any:
    return Snapshot(Customer(given_name="x"), "\ud800")


def _naive_version(inbound: Inbound) -> Any:
    return Snapshot(Customer(given_name="x"), "9", NOW.replace(tzinfo=None), deleted=True)


def _nonsense(inbound: Inbound) -> Any:
    return "text"


@pytest.mark.parametrize("made", [_naive, _nameless, _control, _object, _half, _naive_version, _nonsense])
async def test_what_cannot_be_an_event_stops_nothing_else(made):
    """The translator returned; only later turns out that what it said cannot be."""

    def translate(settings: Any, inbound: Inbound) -> Any:
        body = inbound.json()
        assert isinstance(body, dict)
        if "bad" in body:
            return [Snapshot(Customer(given_name="Half done"), "1", 2), made(inbound)]
        return [Snapshot(Customer(given_name=body["name"]), "1", body["version"])]

    async with bridge(translate=translate) as running:
        await running.receive(webhook(name="Anna", version=1))
        await running.receive(webhook(bad=True))
        await running.receive(webhook(name="Annie", version=3))
        await running.settle()
        assert await told(running) == [("customer.created", "Anna"), ("customer.updated", "Annie")]
        [row] = await running.journal.inbox(state="invalid")
        assert row.error
        await running.receive(webhook(name="Anne", version=4))
        await running.settle()
        assert (await told(running))[-1] == ("customer.updated", "Anne")


async def test_rows_of_a_channel_that_is_no_longer_configured_wait():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        async with bridge(journal) as running:
            running.processor.stop()
            await running.receive(webhook(anna()))
        async with TestBridge("", journal=journal) as running:
            await running.settle()
            [row] = await running.journal.inbox(state="invalid")
            assert row.error == "there is no channel 'shop' any more"
        async with bridge(journal) as running:
            await running.journal.replay_inbox([row.id])
            running.wake()
            await running.settle()
            assert await told(running) == [("customer.created", "Anna")]


# -- ends and beginnings ---------------------------------------------------------------------------------------------


class Ending:
    """A journal under which the process ends: at the call number `at` of `process`, before it is stored or after."""

    def __init__(self, journal: Any, at: int, stored: bool) -> None:
        self._journal = journal
        self._left = at
        self._stored = stored
        self.ended = anyio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def process(self, batch: Any) -> None:
        self._left -= 1
        if self._left or self._stored:
            await self._journal.process(batch)
        if not self._left:
            self.ended.set()
            await anyio.sleep_forever()


@pytest.mark.parametrize("stored", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_an_end_of_the_process_at_any_batch_loses_and_doubles_nothing(at, stored):
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        ending = Ending(journal, at, stored)
        deliveries = [webhook(anna(number, str(number % 5), f"N{number}")) for number in range(1, 150)]
        with anyio.CancelScope() as process:
            async with bridge(ending) as running:
                for delivery in deliveries:
                    await running.receive(delivery)
                await ending.ended.wait()
                process.cancel()
        async with bridge(journal) as running:
            await running.settle()
            assert [name for _, name in await told(running)] == [f"N{number}" for number in range(1, 150)]
            assert await running.journal.inbox(state="pending") == []


class Racing:
    """A journal into which somebody else writes just before what was computed is stored."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.redone = 0
        self.rival: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def process(self, batch: Any) -> None:
        rival, self.rival = self.rival, None
        if rival is not None:
            await rival()
        try:
            await self._journal.process(batch)
        except Conflict:
            self.redone += 1
            raise


async def test_what_somebody_else_wrote_in_between_is_read_and_counted_in():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        racing = Racing(journal)
        async with bridge(racing) as running, bridge(journal) as other:
            other.processor.stop()
            running.processor.stop()
            await running.receive(webhook(anna(1, name="Anna")))
            await running.processor.step()
            await running.receive(webhook(anna(2, name="Annie")))

            async def rival() -> None:
                await other.receive(webhook(anna(3, name="Anne")))
                await other.processor.step()

            racing.rival = rival
            await running.processor.step()
            assert racing.redone == 1
            # The rival worked off both, in order; what we had computed was thrown away and came to nothing.
            assert [name for _, name in await told(running)] == ["Anna", "Annie", "Anne"]


async def test_a_conflict_is_redone_at_once():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        racing = Racing(journal)
        async with bridge(racing) as running:
            running.processor.stop()

            async def rival() -> None:
                raise Conflict

            await running.receive(webhook(anna(1)))
            racing.rival = rival
            await running.processor.step()
            assert await told(running) == [("customer.created", "Anna")]


async def test_two_who_work_on_one_journal_tell_everything_once():
    opened = open_journal(None, seal=ClearSeal(), clock=ManualClock())
    async with opened as journal, bridge(journal) as one, bridge(journal) as two:
        for number in range(1, 100):
            await one.receive(webhook(anna(number, name=f"N{number}")))
            two.wake()
        await one.settle()
        await two.settle()
        assert [name for _, name in await told(one)] == [f"N{number}" for number in range(1, 100)]


# -- ways in ---------------------------------------------------------------------------------------------------------


async def test_a_webhook_a_poll_and_a_lookup_of_one_change_are_one_event():
    sandbox = ShopSandbox()
    sandbox.things["/customers/1"] = sandbox.changes = [anna(1)]
    shop = small_shop(polls=polled())
    async with TestBridge(one_shop(), connectors=[shop], sandboxes={"shop.example": sandbox}) as running:
        await running.settle()
        await running.receive(webhook(anna(1)))
        await running.receive(webhook(ask("customer", "1")))
        await running.settle(600)
        assert await told(running) == [("customer.created", "Anna")]


class Held(SandboxTransport):
    """The first request waits until it is let go."""

    def __init__(self, sandboxes: Any) -> None:
        super().__init__(sandboxes)
        self.let_go = anyio.Event()
        self.began = anyio.Event()

    async def handle_async_request(self, request: Any) -> Any:
        if request.method == "PUT":
            self.began.set()
            await self.let_go.wait()
        return await super().handle_async_request(request)


async def test_what_just_happened_leaves_before_what_a_poll_found():
    shop, mail = ShopSandbox(), ShopSandbox()
    toml = one_shop(
        '[channels.mail]\nconnector = "mail"\nsettings.url = "https://mail.example"',
        '[[routes]]\nname = "r"\nevents = ["customer.*"]\nto = ["mail"]',
    )
    vendors = Held({"shop.example": shop, "mail.example": mail})
    connectors = [small_shop(polls=polled()), small_shop("mail", limits=Limits(concurrency=1))]
    async with TestBridge(toml, connectors=connectors, vendors=vendors) as running:
        await running.settle()
        await running.receive(webhook(anna(1, "held", "Held")))
        await running.settle()
        assert vendors.began.is_set()
        shop.changes = [anna(1, f"p{number}", f"Polled {number}") for number in range(4)]
        await running.settle(300)
        await running.receive(webhook(anna(1, "fresh", "Fresh")))
        await running.settle()
        vendors.let_go.set()
        await running.settle(5)
        order = [body["given_name"] for _, body in mail.puts]
        assert sorted(order) == ["Fresh", "Held", "Polled 0", "Polled 1", "Polled 2", "Polled 3"]
        assert order.index("Fresh") <= 2  # one was taken already when it came


# -- loops -----------------------------------------------------------------------------------------------------------

ROUTED = """
[channels.mail]
connector = "mail"
settings.url = "https://mail.example"
[[routes]]
name = "all to all"
events = ["customer.*", "com.example.*"]
to = ["shop", "mail"]
"""


@pytest.mark.parametrize(("echo", "expected"), [(False, ["mail"]), (True, ["mail", "shop"])])
async def test_an_event_does_not_go_back_where_it_came_from_unless_asked(echo, expected):
    toml = one_shop(ROUTED) + ("echo = true\n" if echo else "")
    boxes = {"shop.example": ShopSandbox(), "mail.example": ShopSandbox()}
    async with TestBridge(toml, connectors=[small_shop(), small_shop("mail")], sandboxes=boxes) as running:
        await running.receive(webhook(anna()))
        await running.settle(60)
        assert sorted(row.channel for row in await running.journal.deliveries()) == expected


@pytest.mark.parametrize(
    ("hops", "goes"), [(None, True), (MAX_HOPS - 1, True), (MAX_HOPS, False), (MAX_HOPS + 9, False)]
)
async def test_an_event_that_was_passed_on_too_often_goes_no_further(hops, goes):
    boxes = {"shop.example": ShopSandbox(), "mail.example": ShopSandbox()}
    connectors = [small_shop(), small_shop("mail")]
    async with TestBridge(one_shop(ROUTED), connectors=connectors, sandboxes=boxes) as running:
        extensions = {} if hops is None else {"hops": hops}
        event = Event.make("com.example.done", {}, id="1", source="/else", extensions=extensions)
        await running.publish(event)
        await running.settle(60)
        assert len(await running.journal.events()) == 1
        assert bool(await running.journal.deliveries()) is goes


async def test_two_systems_that_write_to_each_other_come_to_rest():
    """Each write comes back as a webhook of the other system; the second round has nothing to say."""
    boxes = {"shop.example": ShopSandbox(), "mail.example": ShopSandbox()}
    connectors = [small_shop(), small_shop("mail")]
    async with TestBridge(one_shop(ROUTED), connectors=connectors, sandboxes=boxes) as running:
        await running.receive(webhook(anna(1, "1")))
        await running.settle(60)
        [(path, body)] = boxes["mail.example"].puts
        echo = Customer.model_validate({**body, "updated_at": NOW + timedelta(seconds=1)})
        await running.receive(webhook(seen(echo, path.rpartition("/")[2], 1), channel="mail"))
        await running.settle(60)
        assert boxes["shop.example"].puts == []
        assert await told(running) == [("customer.created", "Anna")]
