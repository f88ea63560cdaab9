"""What a vendor bears: throttles and breakers, shared by the channels of one account; nothing is ever discarded."""

from __future__ import annotations

import itertools
from datetime import timedelta

import anyio
import pytest
from toy_shop import HOST, Gated, Shop, ShopSettings, bridge_to, posting, tell, toy

from omnibridge.connector import (
    Delivery,
    Fault,
    Http,
    Later,
    Learned,
    Limits,
    Receipt,
    Response,
    SandboxRequest,
    Upsert,
    Window,
    json_response,
)
from omnibridge.errors import Permanent
from omnibridge.journal import DeliveryState
from omnibridge.model import Customer
from omnibridge.testing import ManualClock

pytestmark = pytest.mark.both_backends


def limited(**limits) -> Limits:
    return Limits[ShopSettings](**limits)


class Timed(Shop):
    """Notes when each request came."""

    def __init__(self, clock: ManualClock, answer=None) -> None:
        super().__init__(answer)
        self.clock = clock
        self.at: list[float] = []

    def respond(self, request: SandboxRequest) -> Response:
        self.at.append(self.clock.monotonic())
        return super().respond(request)

    def most_within(self, seconds: float) -> int:
        """The most requests in any span of so many seconds."""
        return max(sum(start <= at < start + seconds for at in self.at) for start in self.at)


async def tell_many(bridge, n: int) -> None:
    for place in range(n):
        await tell(bridge, f"c{place}")


async def states(bridge, channel: str = "shop") -> dict[str, int]:
    found = (await bridge.journal.counts()).deliveries
    return {state: n for (name, state), n in found.items() if name == channel and n}


# -- throttle ------------------------------------------------------------------------------------------------------


async def test_no_window_is_ever_exceeded():
    clock = ManualClock()
    shop = Timed(clock)
    windows = (Window(4, timedelta(seconds=2)), Window(10, timedelta(seconds=20)))
    async with bridge_to(shop, toy(limits=limited(windows=windows)), clock=clock) as bridge:
        await tell_many(bridge, 30)
        await bridge.settle(120)
        assert await states(bridge) == {"done": 30}
    # A bucket that is full at first lets its content through, and refills while it does.
    assert shop.most_within(2) <= 4 + 4
    assert shop.most_within(20) <= 10 + 10
    assert shop.at[-1] >= 40 - 1


@pytest.mark.parametrize("amount", [3, 7, 10])
async def test_a_bucket_that_lacks_a_rounding_error_is_full_enough(amount):
    windows = (Window(amount, timedelta(seconds=1)),)
    async with bridge_to(Shop(), toy(limits=limited(windows=windows))) as bridge:
        await tell_many(bridge, 30)
        with anyio.fail_after(20):  # of real time: a wait too short for the clock to move would go on for ever
            await bridge.settle(30)
        assert await states(bridge) == {"done": 30}


async def test_a_request_takes_what_it_costs():
    clock = ManualClock()
    shop = Timed(clock)
    limits = limited(windows=(Window(10, timedelta(seconds=10)),), cost=lambda request: 5.0)
    async with bridge_to(shop, toy(limits=limits), clock=clock) as bridge:
        await tell_many(bridge, 6)
        await bridge.settle(60)
    assert len(shop.at) == 6
    assert shop.at[-1] >= 20 - 1


async def test_a_request_that_costs_more_than_there_ever_is_goes_when_the_bucket_is_full():
    shop = Shop()
    limits = limited(windows=(Window(10, timedelta(seconds=10)),), cost=lambda request: 50.0)
    async with bridge_to(shop, toy(limits=limits)) as bridge:
        await tell_many(bridge, 2)
        await bridge.settle(30)
        assert await states(bridge) == {"done": 2}


@pytest.mark.parametrize("most", [1, 3])
async def test_no_more_requests_at_the_same_time_than_the_vendor_bears(most):
    shop = Shop()
    wire = Gated(shop)
    async with bridge_to(shop, toy(limits=limited(concurrency=most)), vendors=wire) as bridge:
        await tell_many(bridge, 10)
        await bridge.settle()
        assert wire.now == most
        wire.gate.set()
        await bridge.settle()
    assert wire.most == most
    assert len(shop.log) == 10


SECOND = """
[channels.second]
connector = "toy"
settings.account = "{}"

[[routes]]
name = "second"
events = ["customer.*"]
to = ["second"]
"""


@pytest.mark.parametrize(("account", "together"), [("one", 2), ("two", 4)])
async def test_channels_of_one_account_share_what_it_bears(account, together):
    shop = Shop()
    wire = Gated(shop)
    limits = limited(concurrency=2, scope=lambda settings: settings.account)
    async with bridge_to(shop, toy(limits=limits), more=SECOND.format(account), vendors=wire) as bridge:
        await tell_many(bridge, 5)
        await bridge.settle()
        assert wire.now == together
        wire.gate.set()
        await bridge.settle()
    assert len(shop.log) == 10


async def test_what_an_answer_tells_about_the_limit_is_learned():
    clock = ManualClock()
    shop = Timed(clock, lambda request: json_response({}, headers={"x-left": "1"}))
    limits = limited(
        concurrency=1,
        windows=(Window(100, timedelta(seconds=100)),),
        learn=lambda response: Learned(remaining=float(response.headers["x-left"])),
    )
    async with bridge_to(shop, toy(limits=limits), clock=clock) as bridge:
        await tell_many(bridge, 6)
        await bridge.settle(10)
    assert len(shop.at) == 6
    assert shop.at[-1] >= 3


async def test_a_pause_that_an_answer_asks_for_holds_for_the_whole_account():
    shop = Shop()
    shop.answer = lambda request: json_response({}, headers={} if len(shop.log) > 1 else {"x-pause": "50"})
    limits = limited(
        scope=lambda settings: settings.account,
        concurrency=1,
        learn=lambda response: (
            Learned(pause=timedelta(seconds=float(response.headers["x-pause"])))
            if "x-pause" in response.headers
            else None
        ),
    )
    async with bridge_to(shop, toy(limits=limits), more=SECOND.format("one")) as bridge:
        await tell_many(bridge, 3)
        await bridge.settle(49)
        assert len(shop.log) == 1
        await bridge.settle(30)
        assert await states(bridge) == await states(bridge, "second") == {"done": 3}


async def test_too_many_requests_pauses_the_account_not_only_the_delivery():
    shop = Shop()
    shop.faults.append(Fault(Response(429, {"retry-after": "30"})))
    async with bridge_to(shop, toy(limits=limited(concurrency=1))) as bridge:
        await tell_many(bridge, 4)
        await bridge.settle(29)
        assert len(shop.log) == 1
        await bridge.settle(20)
        assert await states(bridge) == {"done": 4}


async def test_waiting_long_for_the_limit_ends_the_attempt_and_counts_for_nothing():
    shop = Shop()
    limits = limited(concurrency=1, windows=(Window(1, timedelta(seconds=60)),))
    async with bridge_to(shop, toy(limits=limits)) as bridge:
        await tell(bridge, "c1")
        await bridge.settle()
        await tell(bridge, "c2")
        await bridge.settle(30)
        (waiting,) = await bridge.journal.deliveries(channel="shop", state="ready")
        assert waiting.attempts == 0
        assert len(shop.log) == 1
        await bridge.settle(60)
        assert await states(bridge) == {"done": 2}


async def test_an_unprotected_request_that_waited_for_the_limit_never_left_and_is_not_unknown():
    shop = Shop()
    limits = limited(concurrency=1, windows=(Window(1, timedelta(seconds=30)),))
    async with bridge_to(shop, toy(posting(None), limits=limits)) as bridge:
        await tell_many(bridge, 3)
        await bridge.settle(120)
        assert await states(bridge) == {"done": 3}
    assert len(shop.made) == 3


async def test_dead_letters_of_any_age_wait_for_the_limit_when_they_are_replayed():
    shop = Shop(lambda request: Response(400))

    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        answer = await http.put(f"/customers/{customer.id}", json={}, protection=Upsert())
        if not answer.ok:
            raise Permanent(f"answered {answer.status}")
        return Receipt()

    limits = limited(windows=(Window(1, timedelta(seconds=30)),))
    async with bridge_to(shop, toy(run, limits=limits), channel="give_up_hours = 1") as bridge:
        await tell_many(bridge, 4)
        await bridge.settle(3 * 3600)
        assert await states(bridge) == {"dead": 4}
        shop.answer = None
        dead = [row.id for row in await bridge.journal.deliveries(channel="shop", state="dead")]
        await bridge.journal.replay(dead, bridge.clock.now())
        await bridge.settle(300)
        assert await states(bridge) == {"done": 4}


# -- breaker -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hands", [1, 4])
async def test_after_failures_in_a_row_the_vendor_is_left_alone_and_nothing_is_discarded(hands):
    shop = Shop()
    async with bridge_to(shop, toy(limits=limited(concurrency=hands))) as bridge:
        shop.answer = lambda request: Response(503)
        await tell_many(bridge, 100)
        await bridge.settle(2)
        assert bridge.scopes.of(bridge.config.channels["shop"]).breaker.open
        assert len(shop.log) < 5 + hands  # what was under way when it opened; what was claimed only, is given back
        assert await states(bridge) == {"ready": 100}
        shop.answer = None
        await bridge.settle(120)
        assert await states(bridge) == {"done": 100}
        assert not bridge.scopes.of(bridge.config.channels["shop"]).breaker.open
    assert len(shop.made) == 100


async def test_of_two_channels_of_one_account_one_tries():
    shop = Shop(lambda request: Response(503))
    wire = Gated(shop)
    wire.gate.set()
    limits = limited(scope=lambda settings: settings.account)
    async with bridge_to(shop, toy(limits=limits), more=SECOND.format("one"), vendors=wire) as bridge:
        await tell_many(bridge, 20)
        await bridge.settle(3)
        wire.gate = anyio.Event()
        await bridge.settle(30)
        assert wire.now == 1
        shop.answer = None
        wire.gate.set()
        await bridge.settle(60)
        assert await states(bridge) == await states(bridge, "second") == {"done": 20}


@pytest.mark.parametrize("hands", [1, 8])
async def test_an_open_breaker_lets_one_request_try_now_and_then(hands):
    clock = ManualClock()
    shop = Timed(clock, lambda request: Response(500))
    async with bridge_to(shop, toy(posting(None), limits=limited(concurrency=hands)), clock=clock) as bridge:
        await tell_many(bridge, 30)
        await bridge.settle(4)
        opened = len(shop.at)
        await bridge.settle(200)
        probes = shop.at[opened:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
    assert 3 <= len(probes) <= 8
    assert all(later > earlier for earlier, later in itertools.pairwise(gaps)), gaps


@pytest.mark.parametrize("hands", [1, 8])
async def test_when_the_vendor_is_well_again_everything_leaves(hands):
    shop = Shop()
    async with bridge_to(shop, toy(posting(Upsert()), limits=limited(concurrency=hands))) as bridge:
        bridge.vendors.down.add(HOST)
        await tell_many(bridge, 30)
        await bridge.settle(30)
        bridge.vendors.down.clear()
        await bridge.settle(120)
        assert await states(bridge) == {"done": 30}
    assert len(shop.made) == 30


async def quietly_later(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
    if customer.given_name == "Quiet":
        return Receipt() if delivery.state else Later(timedelta(seconds=1), {"seen": True})
    return await posting(Upsert())(settings, customer, delivery, http)


async def quietly_done(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
    if customer.given_name == "Quiet":
        return Receipt(note="nothing to do")
    return await posting(Upsert())(settings, customer, delivery, http)


async def quietly_dead(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | Later:
    if customer.given_name == "Quiet":
        raise Permanent("it will never do")
    return await posting(Upsert())(settings, customer, delivery, http)


@pytest.mark.parametrize("run", [quietly_later, quietly_done, quietly_dead])
async def test_a_probe_that_asks_nothing_does_not_keep_the_breaker_open_for_ever(run):
    shop = Shop()
    async with bridge_to(shop, toy(run, limits=limited(concurrency=1))) as bridge:
        shop.answer = lambda request: Response(503, {"retry-after": "60"})
        for n in range(5):
            await tell(bridge, f"c{n}", "Loud")
        await bridge.settle(3)
        assert bridge.scopes.of(bridge.config.channels["shop"]).breaker.open
        for n in range(3):
            await tell(bridge, f"q{n}", "Quiet")
        shop.answer = None
        await bridge.settle(20)
        assert await states(bridge) == {"ready": 5, "dead" if run is quietly_dead else "done": 3}
        await bridge.settle(60)
        assert "ready" not in await states(bridge)
    assert len(shop.made) == 5


async def test_a_refusal_says_that_the_vendor_is_well():
    shop = Shop(lambda request: Response(422))
    async with bridge_to(shop, toy()) as bridge:
        await tell_many(bridge, 20)
        await bridge.settle()
        assert len(shop.log) == 20
        assert (await only_states(bridge)) == {DeliveryState.DONE}


async def only_states(bridge) -> set[DeliveryState]:
    return {row.state for row in await bridge.journal.deliveries(channel="shop")}
