"""Subscriptions are made what they must be, at the start and daily; what is not this channel's is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from toy_shop import Shop, ShopSettings, bridge_to, toy, webhook

from omnibridge.connector import Fault, Http, Response, SandboxRequest, Subscription, Subscriptions, json_response
from omnibridge.journal import ClearSeal, open_journal
from omnibridge.testing import ManualClock

pytestmark = pytest.mark.both_backends

PUBLIC = "https://bridge.example"
OURS = f"{PUBLIC}/in/shop"
DAY = 86400


class Registry(Shop):
    """Keeps subscriptions as (topic, url) by id."""

    def __init__(self, *present: tuple[str, str]) -> None:
        super().__init__()
        self.there: dict[str, tuple[str, str]] = {f"s{n}": sub for n, sub in enumerate(present)}
        self.made = [*present]

    def respond(self, request: SandboxRequest) -> Response:
        if request.method == "POST":
            body = request.json()
            self.made.append((body["topic"], body["url"]))
            self.there[f"s{len(self.made)}"] = (body["topic"], body["url"])
            return json_response({}, 201)
        if request.method == "DELETE":
            del self.there[request.path.rpartition("/")[2]]
            return Response(204)
        return json_response([{"id": id, "topic": topic, "url": url} for id, (topic, url) in self.there.items()])

    @property
    def now_there(self) -> list[tuple[str, str]]:
        return sorted(self.there.values())

    @property
    def writes(self) -> list[str]:
        return [asked for asked in self.asked if not asked.startswith("GET")]


def desired(settings: ShopSettings, url: str) -> Sequence[Subscription]:
    return [Subscription("created", url), Subscription("updated", url)]


async def listed(settings: ShopSettings, http: Http) -> Sequence[Subscription]:
    found: Any = (await http.get("/subscriptions")).json()
    return [Subscription(one["topic"], one["url"], one["id"]) for one in found]


async def create(settings: ShopSettings, wanted: Subscription, http: Http) -> None:
    body = {"topic": wanted.topic, "url": wanted.url}
    await http.post("/subscriptions", json=body, step=f"create {wanted.topic}")


async def delete(settings: ShopSettings, stale: Subscription, http: Http) -> None:
    await http.delete(f"/subscriptions/{stale.id}", step=f"delete {stale.id}")


SUBSCRIBING = toy(
    webhook=webhook(), subscriptions=Subscriptions(desired=desired, list=listed, create=create, delete=delete)
)
WANTED = [("created", OURS), ("updated", OURS)]


async def test_what_is_missing_is_made_and_then_left_alone():
    shop = Registry()
    async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC) as bridge:
        await bridge.settle(60)
    assert shop.now_there == WANTED
    assert shop.asked == ["GET /subscriptions", "POST /subscriptions", "POST /subscriptions"]


async def test_without_a_public_address_nothing_is_subscribed():
    shop = Registry()
    async with bridge_to(shop, SUBSCRIBING) as bridge:
        await bridge.settle(60)
    assert shop.log == []


@pytest.mark.parametrize(
    "stale",
    [
        ("gone", OURS),  # a topic that this release does not want
        ("created", f"{OURS}/old-secret"),  # the path secret was changed
        ("created", f"{OURS}?v=1"),
        ("created", OURS),  # the same once more
    ],
)
async def test_what_is_stale_and_ours_is_removed(stale):
    shop = Registry(("created", OURS), stale, ("updated", OURS))
    async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC) as bridge:
        await bridge.settle(1)
    assert shop.now_there == WANTED
    assert len(shop.writes) == 1


@pytest.mark.parametrize(
    "foreign",
    [
        ("created", "https://other.example/in/shop"),
        ("created", f"{PUBLIC}/in/shop2"),
        ("created", f"{PUBLIC}/in/shop-dk/secret"),
        ("created", f"{PUBLIC}/in/sho"),
        ("created", PUBLIC),
        ("created", "https://bridge.example.evil.example/in/shop"),
        ("created", f"https://other.example/?u={OURS}"),
    ],
)
async def test_what_is_not_this_channels_is_never_touched(foreign):
    shop = Registry(foreign)
    async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC) as bridge:
        await bridge.settle(1)
    assert shop.now_there == sorted([foreign, *WANTED])
    assert not any(asked.startswith("DELETE") for asked in shop.asked)


async def test_it_is_looked_at_again_every_day_and_what_the_vendor_dropped_comes_back():
    shop = Registry()
    async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC, look_every=DAY) as bridge:
        await bridge.settle(1)
        for _ in range(3):
            shop.there.popitem()
            await bridge.settle(DAY - 60)
            assert len(shop.there) == 1
            await bridge.settle(60)
            assert shop.now_there == WANTED


async def test_it_is_looked_at_when_the_bridge_starts():
    shop, clock = Registry(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for _ in range(3):
            async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC, journal=journal, clock=clock) as bridge:
                await bridge.settle(60)
            assert shop.now_there == WANTED
            shop.there.popitem()


async def test_a_new_public_address_is_subscribed_at_the_next_start():
    shop, clock = Registry(), ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for url in (PUBLIC, "https://new.example"):
            async with bridge_to(shop, SUBSCRIBING, public_url=url, journal=journal, clock=clock) as bridge:
                await bridge.settle(5)
            there = f"{url}/in/shop"
            assert {("created", there), ("updated", there)} <= set(shop.now_there)


@pytest.mark.parametrize(
    "fault", [Fault(Response(503)), Fault(Response(500)), Fault(lost=True)], ids=["503", "500", "lost"]
)
async def test_after_trouble_it_is_tried_again_until_it_is_right(fault):
    shop = Registry()
    shop.faults.append(Fault(fault.response, lost=fault.lost, method="POST", times=2))
    async with bridge_to(shop, SUBSCRIBING, public_url=PUBLIC) as bridge:
        await bridge.settle(120)
    assert shop.now_there == WANTED


async def test_what_is_made_again_on_another_day_has_another_key():
    """A vendor that knows idempotency keys would else answer with the subscription that it has deleted since."""
    keys: list[str] = []

    async def keyed(settings: ShopSettings, wanted: Subscription, http: Http) -> None:
        keys.append(http.key(f"create {wanted.topic}"))
        await create(settings, wanted, http)

    subscriptions = Subscriptions(desired=desired, list=listed, create=keyed, delete=delete)
    shop = Registry()
    async with bridge_to(shop, toy(webhook=webhook(), subscriptions=subscriptions), public_url=PUBLIC) as bridge:
        await bridge.settle(60)
        for _ in range(2):
            shop.there.clear()
            await bridge.settle(DAY)
    assert shop.now_there == WANTED
    assert len(keys) == len(set(keys)) == 6
