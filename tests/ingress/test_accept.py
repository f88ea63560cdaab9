"""A delivery is answered with success only after the journal has it, once, and nothing forged is ever stored."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from asgi_client import ask as request
from small_shop import NOW, ShopSandbox, ask, one_shop, seen, small_shop, webhook

from omnibridge.connector import Derived, Hint, Native, Outgoing, Reply, Verdict
from omnibridge.daemon import DaemonApp
from omnibridge.errors import StorageError
from omnibridge.journal import ClearSeal, Origin, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends
ANNA = seen(Customer(email="anna@example.com"), "1", 1)


def bridge(*more: str, sandbox: ShopSandbox | None = None, journal: Any = None, **changes: Any) -> TestBridge:
    return TestBridge(
        one_shop(*more),
        connectors=[small_shop(**changes)],
        sandboxes={"shop.example": sandbox or ShopSandbox()},
        journal=journal,
    )


class SlowJournal:
    """A journal whose commits wait for `disk`, or fail with it."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.disk = anyio.Event()
        self.trouble: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def accept(self, item: Any) -> Any:
        await self.disk.wait()
        if self.trouble is not None:
            raise self.trouble
        return await self._journal.accept(item)


async def test_success_is_said_only_after_the_commit():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as real:
        slow = SlowJournal(real)
        async with bridge(journal=slow) as running:
            answers: list[Reply] = []

            async def post() -> None:
                answers.append(await running.receive(webhook(ANNA, id_="d1")))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(post)
                await running.idle()
                assert answers == []
                slow.disk.set()
            assert [answer.status for answer in answers] == [200]
            assert len(await running.journal.inbox()) == 1


async def test_storage_trouble_is_answered_503_and_the_repetition_is_taken():
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as real:
        slow = SlowJournal(real)
        slow.trouble = StorageError("no room")
        slow.disk.set()
        async with bridge(journal=slow) as running:
            refused = await running.receive(webhook(ANNA, id_="d1"))
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
            assert b"no room" not in refused.body
            slow.trouble = None
            assert (await running.receive(webhook(ANNA, id_="d1"))).status == 200
            await running.settle()
            assert [stored.event.name for stored in await running.journal.events()] == ["customer.created"]


@pytest.mark.parametrize("door", ["/in/shop", "/events"])
async def test_storage_trouble_is_seen_from_outside_until_it_is_over(door):
    """A full disk lets everything be read: only what could not be stored tells of it."""
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as real:
        slow: Any = SlowJournal(real)
        slow.disk.set()
        token = [("authorization", "Bearer t"), ("content-type", "application/cloudevents+json")]
        async with TestBridge(
            one_shop('[server]\ntoken = "t"\n'), connectors=[small_shop()], journal=slow, clock=clock
        ) as running:
            app = DaemonApp(running)

            async def post(number: int) -> int:
                if door == "/events":
                    body = b'{"specversion":"1.0","id":"%d","source":"/s","type":"com.example.x"}' % number
                    reply = await request(app, "POST", door, body, token)
                else:
                    made = webhook(ANNA, id_=f"d{number}")
                    reply = await request(app, "POST", door, made.body, list(made.headers.items()))
                assert reply is not None
                return reply.status

            async def ready() -> tuple[int, dict[str, Any]]:
                reply = await request(app, "GET", "/readyz")
                assert reply is not None
                return reply.status, json.loads(reply.body)

            async def metrics() -> bytes:
                reply = await request(app, "GET", "/metrics")
                assert reply is not None
                return reply.body

            assert (await ready())[0] == 200
            assert b"omnibridge_journal_up 1.0" in (await metrics())
            slow.trouble = StorageError("no room for the journal")
            assert [await post(1), await post(1)] == [503, 503]
            status, report = await ready()
            assert (status, report["ready"], report["journal"]) == (503, False, "no room for the journal")
            assert running.ingress.accepted[door.rpartition("/")[2], "unstored"] == 2
            assert b"omnibridge_journal_up 0.0" in (await metrics())
            await clock.advance(31)
            assert (await ready())[0] == 200, "who sends nothing because of it would never learn that it is over"
            assert await post(1) == 503
            slow.trouble = None
            assert await post(1) < 300
            status, report = await ready()
            assert (status, "journal" in report) == (200, False)


async def test_a_repeated_delivery_is_answered_with_success_and_stored_once():
    async with bridge() as running:
        for _ in range(3):
            assert (await running.receive(webhook(ANNA, id_="d1"))).status == 200
        assert len(await running.journal.inbox()) == 1
        assert running.ingress.accepted == {("shop", "stored"): 1, ("shop", "duplicate"): 2}


async def test_the_same_id_of_another_channel_is_another_delivery():
    toml = one_shop('[channels.other]\nconnector = "shop"')
    async with TestBridge(toml, connectors=[small_shop()]) as running:
        await running.receive(webhook(ANNA, id_="d1"))
        await running.receive(webhook(ANNA, id_="d1", channel="other"))
        assert len(await running.journal.inbox()) == 2


@pytest.mark.parametrize("id_", [None, ""])
async def test_a_delivery_without_its_id_is_stored_each_time(id_):
    async with bridge() as running:
        for _ in range(2):
            assert (await running.receive(webhook(ANNA, id_=id_))).status == 200
        assert len(await running.journal.inbox()) == 2


async def test_a_bug_in_finding_the_id_loses_no_delivery():
    def broken(inbound: Any) -> str:
        raise ZeroDivisionError

    async with bridge(delivery_id=Native(broken)) as running:
        assert (await running.receive(webhook(ANNA, id_="d1"))).status == 200
        await running.settle()
        assert [stored.event.name for stored in await running.journal.events()] == ["customer.created"]


async def test_equal_content_is_one_delivery_within_its_window_only():
    async with bridge(delivery_id=Derived(lambda inbound: inbound.body.hex(), timedelta(hours=2))) as running:
        await running.receive(webhook(ANNA))
        await running.settle(3600)
        await running.receive(webhook(ANNA))
        assert len(await running.journal.inbox()) == 1
        await running.settle(2 * 3600)
        await running.receive(webhook(ANNA))
        assert len(await running.journal.inbox()) == 2


async def test_a_hint_is_never_deduplicated_and_waiting_lookups_are_one():
    sandbox = ShopSandbox()
    sandbox.things["/customers/1"] = [ANNA]
    async with bridge(sandbox=sandbox, delivery_id=Hint()) as running:
        running.vendors.down.add("shop.example")
        for _ in range(3):
            assert (await running.receive(webhook(ask("customer", "1"), id_="d1"))).status == 200
            await running.settle()
        hints = [row for row in await running.journal.inbox() if row.origin is Origin.WEBHOOK]
        assert len(hints) == 3
        running.vendors.down.clear()
        await running.settle(600)
        assert [r.target for r in sandbox.log].count("/customers/1") <= 2  # the one under way, and the newest after it
        assert [stored.event.name for stored in await running.journal.events()] == ["customer.created"]


async def test_stock_that_goes_and_comes_back_is_seen_twice():
    """5 → 4 → 5: the third notice has the first one's content, and must not be taken for its repetition."""
    sandbox = ShopSandbox()
    async with bridge(sandbox=sandbox, delivery_id=Hint()) as running:
        for version, name in enumerate(["Five", "Four", "Five"], 1):
            sandbox.things["/customers/1"] = [seen(Customer(given_name=name), "1", version)]
            await running.receive(webhook(ask("customer", "1")))
            await running.settle()
        names = [stored.event.data["given_name"] for stored in await running.journal.events()]
        assert names == ["Five", "Four", "Five"]


# -- what is not the vendor's ----------------------------------------------------------------------------------------


def _unsigned() -> Outgoing:
    made = webhook(ANNA)
    return Outgoing(made.url, {}, made.body)


def _expired() -> Outgoing:
    made = webhook(ANNA)
    return Outgoing(made.url, {**made.headers, "x-time": str(NOW.timestamp() - 301)}, made.body)


def _changed() -> Outgoing:
    made = webhook(ANNA)
    return Outgoing(made.url, made.headers, made.body + b" ")


@pytest.mark.parametrize(
    ("delivery", "word"),
    [(_unsigned, "unsigned"), (lambda: webhook(ANNA, secret="other"), "forged"), (_changed, "forged"),
     (_expired, "expired")],
    ids=["unsigned", "another secret", "changed", "expired"],
)  # fmt: skip
async def test_what_is_not_the_vendors_is_refused_and_only_counted(delivery, word):
    async with bridge() as running:
        reply = await running.receive(delivery())
        assert reply.status == 401
        assert word in reply.body.decode()
        assert await running.journal.inbox() == []
        assert running.ingress.accepted == {("shop", word): 1}


async def test_a_signature_check_that_cannot_read_the_delivery_refuses_it():
    def verify(settings: Any, inbound: Any, now: Any) -> Any:
        return inbound.json()

    async with bridge(verify=verify) as running:
        made = webhook(ANNA)
        assert (await running.receive(Outgoing(made.url, {}, b"{"))).status == 401


async def test_a_burst_of_forgeries_turns_the_channel_red_and_time_green_again():
    async with bridge() as running:
        app = DaemonApp(running)

        async def look() -> tuple[str, bytes]:
            ready, metrics = await request(app, "GET", "/readyz"), await request(app, "GET", "/metrics")
            assert ready is not None
            assert metrics is not None
            assert ready.status == 200  # the bridge serves; it is one channel that is in doubt
            return ready.body.decode(), metrics.body

        for _ in range(9):
            await running.receive(webhook(ANNA, secret="other"))
        readiness, _ = await look()
        assert '"shop":"green"' in readiness
        await running.receive(webhook(ANNA, secret="other"))
        readiness, metrics = await look()
        assert '"shop":"red' in readiness
        assert b'omnibridge_channel_red{channel="shop"} 1.0' in metrics
        assert b'omnibridge_inbound_total{channel="shop",outcome="forged"} 10.0' in metrics
        await running.time.advance(601)
        readiness, metrics = await look()
        assert '"shop":"green"' in readiness
        assert b'omnibridge_channel_red{channel="shop"} 0.0' in metrics


# -- addresses and methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["nobody", "", "events", "SHOP", "handler:f", "silent"])
async def test_a_channel_that_takes_no_webhooks_is_not_found(channel):
    silent = small_shop("silent", webhook=None)
    toml = one_shop('[channels.silent]\nconnector = "silent"')
    running = TestBridge(toml, connectors=[small_shop(), silent])

    @running.handler("customer.created")
    async def f(data: Any, event: Any) -> None: ...

    async with running:
        made = webhook(ANNA, channel=channel)
        assert (await running.receive(made)).status == 404
        assert await running.journal.inbox() == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_deliveries_are_posted(method):
    async with bridge() as running:
        answer = await request(running.asgi(), method, "/in/shop")
        assert answer is not None
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        events = await request(running.asgi(), method, "/events")
        assert events is not None
        assert (events.status, events.headers["allow"]) == (405, "POST")


async def test_a_vendor_that_looks_first_is_greeted():
    def greet(settings: Any, inbound: Any) -> Reply:
        return Reply(200, f"{inbound.method} {inbound.path_secret}".encode(), "text/plain")

    async with bridge(greet=greet) as running:
        for method, body in (("GET", b"GET s3"), ("OPTIONS", b"OPTIONS s3"), ("HEAD", b"")):
            answer = await request(running.asgi(), method, "/in/shop/s3")
            assert answer is not None
            assert (answer.status, answer.body) == (200, body)
        refused = await request(running.asgi(), "PUT", "/in/shop/s3")
        assert refused is not None
        assert refused.status == 405
        assert await running.journal.inbox() == []


async def test_the_connector_words_its_own_answer():
    def reply(settings: Any, inbound: Any) -> Reply:
        return Reply(202, b"<ok/>", "text/xml", {"x-mark": "1"})

    async with bridge(reply=reply) as running:
        made = webhook(ANNA, id_="d1")
        for _ in range(2):
            answer = await request(running.asgi(), "POST", "/in/shop", made.body, made.headers.items())
            assert answer is not None
            assert (answer.status, answer.body, answer.headers["x-mark"]) == (202, b"<ok/>", "1")
            assert answer.headers["content-type"] == "text/xml"


@pytest.mark.parametrize("target", ["/", "/in", "/event", "/events/1", "/livez", "//in/shop"])
async def test_nothing_else_is_there(target):
    async with bridge() as running:
        answer = await request(running.asgi(), "POST", target)
        assert answer is not None
        assert answer.status == 404


# -- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "SEsEcReT0123456789"


@pytest.mark.parametrize("secret", [SECRET, "shop", "in", "bridge.example", "s"])
async def test_a_path_secret_is_not_in_what_is_stored(secret):
    async with bridge() as running:
        made = webhook(ANNA)
        target = f"/in/shop/{secret}?n=1"
        answer = await request(running.asgi(), "POST", target, made.body, made.headers.items())
        assert answer is not None
        assert answer.status == 200
        [row] = await running.journal.inbox()
        assert row.meta["url"] == "https://bridge.example/in/shop/-?n=1"
        if secret == SECRET:
            assert SECRET not in repr(row)


async def test_an_access_token_in_the_address_is_not_stored():
    async with bridge() as running:
        made = webhook(ANNA)
        for query in (f"a=1&access_token={SECRET}&b=2", f"access_token={SECRET}"):
            await request(running.asgi(), "POST", f"/in/shop?{query}", made.body, made.headers.items())
        rows = await running.journal.inbox()
        assert SECRET not in repr(rows)
        assert "a=1" in rows[1].meta["url"]
        assert "b=2" in rows[1].meta["url"]


@pytest.mark.parametrize("header", ["authorization", "cookie", "proxy-authorization"])
async def test_credentials_in_headers_are_not_stored(header):
    async with bridge() as running:
        made = webhook(ANNA)
        await request(running.asgi(), "POST", "/in/shop", made.body, [*made.headers.items(), (header, SECRET)])
        [row] = await running.journal.inbox()
        assert SECRET not in repr(row)
        assert row.meta["headers"]["x-signature"]


async def test_the_connector_sees_the_address_that_the_vendor_was_told():
    told: list[Any] = []

    def verify(settings: Any, inbound: Any, now: Any) -> Any:
        told.append(inbound)
        return Verdict.OK

    async with bridge(verify=verify) as running:
        headers = [("Host", "internal:8080"), ("X-Forwarded-Host", "evil.example")]
        await request(running.asgi(), "POST", "/in/shop/s3?a=1&b=%20", b'{"seen": []}', headers)
        [inbound] = told
        assert inbound.url == "https://bridge.example/in/shop/s3?a=1&b=%20"
        assert inbound.path_secret == "s3"
        assert "s3" not in repr(inbound).replace(inbound.url, "")


async def test_a_check_that_breaks_tells_nothing_and_is_repeated():
    def verify(settings: Any, inbound: Any, now: Any) -> Any:
        raise ZeroDivisionError(inbound.url)

    async with bridge(verify=verify) as running:
        answer = await request(running.asgi(), "POST", f"/in/shop/{SECRET}", b"{}")
        assert answer is not None
        assert answer.status == 500  # the vendor repeats it
        assert b"ZeroDivision" not in answer.body
        assert SECRET.encode() not in answer.body
