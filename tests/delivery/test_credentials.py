"""Credentials: obtained once for all who wait, on disk before they are used, renewed in time, told to nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from toy_shop import HOST, Crash, Shop, ShopSettings, bridge_to, crashing, only, posting, tell, toy

from omnibridge.bridge import Bridge
from omnibridge.channel import Channel
from omnibridge.connector import (
    Auth,
    Credential,
    Delivery,
    Fault,
    Http,
    NativeKey,
    Receipt,
    Request,
    Response,
    SandboxRequest,
    Upsert,
    json_response,
)
from omnibridge.delivery import Credentials
from omnibridge.errors import Retryable
from omnibridge.journal import ClearSeal, DeliveryState, KeyringSeal, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxTransport

pytestmark = pytest.mark.both_backends

HOUR = timedelta(hours=1)


def headers(
    settings: ShopSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    return {"authorization": credential.values["token"]} if credential else {}


def obtaining(lasts: timedelta | None = HOUR, *, bare: bool = False) -> Auth[Any]:
    """A token by POST /token; with `bare`, by a request that nothing protects."""

    async def obtain(settings: ShopSettings, old: Credential | None, http: Http) -> Credential:
        protection = None if bare else Upsert()
        body = {"refresh": old.values["token"] if old else None}
        told: Any = (await http.post("/token", json=body, protection=protection)).json()
        return Credential({"token": told["token"]}, await http.now() + lasts if lasts else None)

    return Auth(headers=headers, obtain=obtain)


class Guarded(Shop):
    """Gives tokens `secret-1`, `secret-2` ...; of those only the newest is good, and only while it is not `revoked`."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.revoked = False

    def respond(self, request: SandboxRequest) -> Response:
        if request.path == "/token":
            assert "authorization" not in request.headers
            self.tokens += 1
            self.revoked = False
            return json_response({"token": f"secret-{self.tokens}"})
        if request.headers.get("authorization") != f"secret-{self.tokens}" or self.revoked:
            return Response(401)
        return super().respond(request)

    @property
    def used(self) -> list[str]:
        return [request.headers.get("authorization", "") for request in self.log if request.path != "/token"]


async def test_all_who_wait_share_one_token():
    shop = Guarded()
    async with bridge_to(shop, toy(auth=obtaining())) as bridge:
        for n in range(20):
            await tell(bridge, f"c{n}")
        await bridge.settle()
        assert (await bridge.journal.counts()).deliveries["shop", "done"] == 20
    assert shop.tokens == 1
    assert set(shop.used) == {"secret-1"}


async def test_it_is_renewed_before_it_ends_and_told_the_old_one():
    shop, clock = Guarded(), ManualClock()
    async with bridge_to(shop, toy(auth=obtaining()), clock=clock) as bridge:
        for n, minutes in enumerate((0, 57, 2)):
            await clock.advance(minutes * 60)
            await tell(bridge, f"c{n}")
            await bridge.settle()
    assert shop.used == ["secret-1", "secret-1", "secret-2"]
    assert [body["refresh"] for body in shop.bodies if "refresh" in body] == [None, "secret-1"]


async def test_one_that_has_no_end_is_kept():
    shop, clock = Guarded(), ManualClock()
    async with bridge_to(shop, toy(auth=obtaining(None)), clock=clock) as bridge:
        await tell(bridge, "c1")
        await bridge.settle()
        await clock.advance(600)
        await tell(bridge, "c2")
        await bridge.settle()
    assert shop.tokens == 1


async def test_one_that_is_refused_is_renewed_once_and_the_request_repeated():
    shop = Guarded()
    async with bridge_to(shop, toy(posting(None), auth=obtaining())) as bridge:
        await tell(bridge, "c0")
        await bridge.settle()
        shop.revoked = True
        for n in range(1, 6):
            await tell(bridge, f"c{n}")
        await bridge.settle()
        rows = await bridge.journal.deliveries(channel="shop")
    assert shop.tokens == 2
    assert {row.state for row in rows} == {DeliveryState.DONE}
    assert len(shop.made) == 6
    assert all(row.attempts == 0 for row in rows)


async def test_what_is_refused_again_and_again_waits_some_minutes_and_is_not_hammered():
    shop = Shop(lambda request: json_response({"token": "x"}) if request.path == "/token" else Response(401))
    async with bridge_to(shop, toy(posting(None), auth=obtaining())) as bridge:
        await tell(bridge)
        await bridge.settle(60)
        row = await only(bridge)
    assert row.state is DeliveryState.READY
    assert row.last is not None
    assert row.last.outcome == "expired"
    assert len(shop.log) <= 6


async def test_a_refused_key_of_the_settings_waits_for_the_operator():
    shop = Shop(lambda request: Response(401))
    async with bridge_to(shop, toy(auth=Auth[Any](headers=headers))) as bridge:
        await tell(bridge)
        await bridge.settle(200)
        assert len(shop.log) == 1
        shop.answer = None
        await bridge.settle(200)
        assert (await only(bridge)).state is DeliveryState.DONE


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Response(503), path_prefix="/token"),
        Fault(Response(500), path_prefix="/token"),
        Fault(lost=True, path_prefix="/token"),
    ],
    ids=["503", "500", "lost"],
)
async def test_trouble_with_the_token_says_nothing_about_the_request_that_wanted_it(fault):
    shop = Guarded()
    shop.faults.append(Fault(fault.response, lost=fault.lost, path_prefix="/token"))
    async with bridge_to(shop, toy(posting(None), auth=obtaining(bare=True))) as bridge:
        await tell(bridge)
        await bridge.settle(30)
        assert (await only(bridge)).state is DeliveryState.DONE
    assert len(shop.made) == 1


async def test_after_a_restart_it_is_still_there():
    shop, clock = Guarded(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for who in ("c1", "c2"):
            async with bridge_to(shop, toy(auth=obtaining()), journal=journal, clock=clock) as bridge:
                await tell(bridge, who)
                await bridge.settle()
    assert shop.tokens == 1
    assert shop.used == ["secret-1", "secret-1"]


class Cut(SandboxTransport):
    """Ends the process when the first request leaves that is not for a token."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            raise Crash
        return await super().handle_async_request(request)


async def test_it_is_committed_before_it_is_used():
    """A vendor that takes back the old token on each renewal would lock out whoever crashed in between."""
    shop, clock = Guarded(), ManualClock()
    connector = toy(posting(NativeKey()), auth=obtaining())
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with crashing():
            vendors = Cut({HOST: shop})
            async with bridge_to(shop, connector, journal=journal, clock=clock, vendors=vendors) as bridge:
                await tell(bridge)
                await bridge.settle()
        assert b"secret-1" in (await journal.credential("shop") or b"")
        journal.release(range(1, 9))
        async with bridge_to(shop, connector, journal=journal, clock=clock) as bridge:
            await bridge.settle(10)
    assert shop.tokens == 1
    assert len(shop.made) == 1


async def test_it_is_sealed_on_disk(tmp_path):
    shop, clock = Guarded(), ManualClock()
    seal = KeyringSeal.load(tmp_path / "keys", create=True)
    async with (
        open_journal(tmp_path / "journal.db", seal=seal, clock=clock) as journal,
        bridge_to(shop, toy(posting(NativeKey()), auth=obtaining()), journal=journal, clock=clock) as bridge,
    ):
        await tell(bridge, "c1", "Ann-of-the-secret-name", id="e1")
        await Bridge.idle(bridge)
        assert shop.used == ["secret-1"]
        disk = b"".join(path.read_bytes() for path in tmp_path.glob("journal.db*") if path.is_file())
    assert len(disk) > 4096
    assert b"secret-1" not in disk
    assert b"Ann-of-the-secret-name" not in disk


# -- whose they are ------------------------------------------------------------------------------------------------


class Open(SandboxTransport):
    """Every host answers, and what reached any is noted."""

    def __init__(self) -> None:
        super().__init__({})
        self.reached: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reached.append(request.url)
        return httpx.Response(200, json={"token": "x"})


FOREIGN = [
    "http://evil.example/customers",
    "https://shop.example/customers",  # ours is http here; the other way round it would leave in the clear
    "http://shop.example.evil.example/",
    "http://shop.example:8080/customers",
    "http://shop.example@evil.example/",
    "http://evil.example\\@shop.example/",
    "http://evil.example#@shop.example/",
    "http://evil.example?@shop.example/",
    "//evil.example/customers",
    "@evil.example/customers",
    ".evil.example/customers",
    ":8080/customers",
    "ftp://shop.example/customers",
    "HTTP://EVIL.EXAMPLE/",
    "http:evil.example/",
    "http://[::1]/",
    "http://shop.example\r\n.evil.example/",
    "http://\tevil.example/",
]


@pytest.mark.parametrize("reads", [True, False], ids=["read", "write"])
@pytest.mark.parametrize("path", FOREIGN)
async def test_nothing_goes_to_a_host_that_is_not_the_channels(path, reads):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await (http.get(path) if reads else http.post(path, json={}))
        return Receipt()

    auth = Auth[Any](headers=lambda settings, credential, request, now: {"authorization": "secret"})
    wire = Open()
    async with bridge_to(Shop(), toy(run, auth=auth), vendors=wire) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert all((url.scheme, url.netloc) == ("http", b"shop.example") for url in wire.reached)
    if not wire.reached:
        assert row.state is DeliveryState.DEAD


@pytest.mark.parametrize(
    "path",
    [
        "/customers",
        "http://shop.example/customers?page=2",
        "HTTP://Shop.Example/customers",
        "http://files.example/customers",
        "/customers?then=http://elsewhere.example/",
    ],
)
async def test_the_channels_own_hosts_are_reached(path):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.get(path)
        return Receipt()

    wire = Open()
    async with bridge_to(Shop(), toy(run, hosts=lambda settings: ["files.example"]), vendors=wire) as bridge:
        await tell(bridge)
        await bridge.settle()
        assert (await only(bridge)).state is DeliveryState.DONE
    assert len(wire.reached) == 1


async def test_a_redirect_to_another_host_reaches_the_author_and_not_the_host():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        answer = await http.get("/customers")
        return Receipt(note=f"answered {answer.status} to {answer.header('Location')}")

    shop = Shop(lambda request: Response(302, {"location": "http://evil.example/"}))
    async with bridge_to(shop, toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert row.last is not None
    assert row.last.text == "answered 302 to http://evil.example/"


@pytest.mark.parametrize("ends", ["refused", "obtained"])
async def test_one_that_is_given_while_it_is_asked_for_is_used(ends):
    """Whoever is asked may answer at another address before answering the question, and then say no to it."""
    clock = ManualClock()
    given = Credential({"token": "given"})
    channel = channel_of(obtaining())
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        held = Credentials(channel, journal, clock)

        async def obtain(old: Credential | None) -> Credential:
            assert old is None
            await held.take(given)
            if ends == "refused":
                raise Retryable("not yet")
            return Credential({"token": "obtained"})

        assert (await held.get(obtain)) == (given if ends == "refused" else Credential({"token": "obtained"}))
        again = Credentials(channel, journal, clock)  # after a restart
        kept = await again.get(unasked)
        assert kept is not None
        assert kept.values["token"] == ("given" if ends == "refused" else "obtained")


async def test_one_that_is_given_is_used_without_asking_and_trouble_stays_trouble():
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        held = Credentials(channel_of(obtaining()), journal, clock)

        async def refuse(old: Credential | None) -> Credential:
            raise Retryable("not yet")

        with pytest.raises(Retryable):
            await held.get(refuse)
        await held.take(Credential({"token": "given"}))
        assert await held.get(unasked) == Credential({"token": "given"})


async def unasked(old: Credential | None) -> Credential:
    raise AssertionError("nobody is to be asked")


def channel_of(auth: Auth[Any]) -> Channel:
    return Channel(name="shop", connector=toy(auth=auth), settings=ShopSettings(), tenant="t")
