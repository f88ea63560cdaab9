"""What follows an answer, by its class: done, again later, a dead letter, a new credential, or nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from toy_shop import Shop, ShopSettings, bridge_to, only, posting, tell, toy

from omnibridge.connector import (
    Class,
    Delivery,
    Fault,
    Http,
    NativeKey,
    Outcome,
    Receipt,
    Request,
    Response,
    Upsert,
    classify_http,
    retry_after,
)
from omnibridge.delivery.retry import RetryBudget, backoff
from omnibridge.errors import Permanent, Retryable
from omnibridge.journal import DeliveryState
from omnibridge.model import Customer
from omnibridge.testing import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATE = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
READ = Request("GET", "/", reads=True)
BARE = Request("POST", "/")
KEYED = Request("POST", "/", protection=NativeKey())


# -- HTTP's own meaning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "read", "keyed", "bare"),
    [
        (200, Class.OK, Class.OK, Class.OK),
        (204, Class.OK, Class.OK, Class.OK),
        (302, Class.PERMANENT, Class.PERMANENT, Class.PERMANENT),
        (400, Class.PERMANENT, Class.PERMANENT, Class.PERMANENT),
        (401, Class.EXPIRED, Class.EXPIRED, Class.EXPIRED),
        (403, Class.PERMANENT, Class.PERMANENT, Class.PERMANENT),
        (408, Class.RETRY, Class.RETRY, Class.RETRY),
        (422, Class.PERMANENT, Class.PERMANENT, Class.PERMANENT),
        (425, Class.RETRY, Class.RETRY, Class.RETRY),
        (429, Class.RETRY, Class.RETRY, Class.RETRY),
        (500, Class.RETRY, Class.RETRY, Class.AMBIGUOUS),
        (502, Class.RETRY, Class.RETRY, Class.AMBIGUOUS),
        (503, Class.RETRY, Class.RETRY, Class.RETRY),
        (504, Class.RETRY, Class.RETRY, Class.AMBIGUOUS),
    ],
)
def test_the_class_of_an_answer(status, read, keyed, bare):
    found = [classify_http(request, Response(status), NOW).kind for request in (READ, KEYED, BARE)]
    assert found == [read, keyed, bare]


@pytest.mark.parametrize(
    ("raw", "wait"),
    [
        ("30", 30),
        ("0.5", 0.5),
        (" 7 ", 7),
        (DATE, 90),
        ("-5", 0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        ("99999999999", 7 * 86400),
        ("1e400", 7 * 86400),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(raw, wait):
    found = retry_after(Response(503, {"retry-after": raw} if raw is not None else {}), NOW)
    assert found == (None if wait is None else timedelta(seconds=wait))


# -- how long ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "ceiling"), [(0, 2), (1, 2), (2, 4), (3, 8), (10, 1024), (12, 3600), (13, 3600), (5000, 3600)]
)
def test_backoff_has_full_jitter_below_a_capped_ceiling(attempts, ceiling):
    def wait(chance: float) -> float:
        return backoff(attempts, ManualClock(chance=chance)).total_seconds()

    assert wait(0.0) == 0.25
    assert wait(0.5) == pytest.approx(ceiling / 2)
    assert ceiling * 0.99 < wait(0.999999) < ceiling


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999999])
@pytest.mark.parametrize("after", [0, 3, 90_000])
def test_what_the_vendor_asks_for_is_waited_and_at_most_a_second_more(after, chance):
    wait = backoff(9, ManualClock(chance=chance), timedelta(seconds=after)).total_seconds()
    assert after <= wait < after + 1


def test_retries_in_place_are_a_tenth_of_the_requests():
    budget = RetryBudget()
    spent = 0
    for _ in range(1000):
        budget.request()
        spent += budget.spend()
    assert 100 <= spent <= 110


# -- through the bridge --------------------------------------------------------------------------------------------

both = pytest.mark.both_backends


def classing(kind: Class, **more) -> object:
    return lambda request, response, now: (
        Outcome(kind, code="E1", reason="as told", **more) if response.status == 418 else Outcome(Class.OK)
    )


@both
@pytest.mark.parametrize(
    ("kind", "state", "word"),
    [
        (Class.OK, DeliveryState.DONE, "ok"),
        (Class.PERMANENT, DeliveryState.DONE, "ok"),  # it reaches the author, who may know what to do
        (Class.RETRY, DeliveryState.READY, "retry"),
        (Class.EXPIRED, DeliveryState.READY, "expired"),
        (Class.AMBIGUOUS, DeliveryState.UNKNOWN, "ambiguous"),
    ],
)
async def test_what_each_class_leads_to(kind, state, word):
    shop = Shop(lambda request: Response(418))
    async with bridge_to(shop, toy(classify=classing(kind))) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert row.state is state
    assert row.last is not None
    assert row.last.outcome == word
    assert len(shop.log) == 1
    if kind in (Class.OK, Class.PERMANENT):
        assert row.last.text == "answered 418"
    else:
        assert row.last.text == "as told"


@both
@pytest.mark.parametrize("raw", ["90", DATE], ids=["seconds", "date"])
async def test_retry_after_wins_over_backoff(raw):
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": raw})))
    clock = ManualClock(NOW, chance=0.0)
    async with bridge_to(shop, toy(posting(Upsert())), clock=clock) as bridge:
        await tell(bridge)
        await bridge.settle(89)
        assert len(shop.log) == 1
        await bridge.settle(2)
    assert len(shop.log) == 2


@both
async def test_attempts_are_further_and_further_apart_and_all_are_recorded():
    shop = Shop(lambda request: Response(503))
    async with bridge_to(shop, toy(posting()), clock=ManualClock(chance=0.999)) as bridge:
        await tell(bridge)
        await bridge.settle(40)
        row = await only(bridge)
    gaps = [(b.at - a.at).total_seconds() for a, b in zip(row.history, row.history[1:], strict=False)]
    assert gaps == pytest.approx([2, 4, 8, 16], abs=0.2)
    assert row.attempts == 5


@both
async def test_it_is_given_up_after_the_channels_time():
    shop = Shop(lambda request: Response(503, {"retry-after": "80"}))
    async with bridge_to(shop, toy(posting()), channel="give_up_hours = 0.05") as bridge:
        await tell(bridge)
        await bridge.settle(179)
        assert (await only(bridge)).state is DeliveryState.READY
        await bridge.settle(80)
        row = await only(bridge)
        assert row.state is DeliveryState.DEAD
        assert row.last is not None
        assert "gave up after 0.05 hours" in (row.last.text or "")
        seen = len(shop.log)
        await bridge.settle(200)
    assert len(shop.log) == seen


@both
@pytest.mark.parametrize(
    ("protection", "requests"), [(None, 1), (NativeKey(), 2), (Upsert(), 2)], ids=["bare", "keyed", "upsert"]
)
async def test_only_what_may_go_twice_is_repeated_in_place(protection, requests):
    shop = Shop()
    shop.faults.append(Fault(Response(503)))
    async with bridge_to(shop, toy(posting(protection)), clock=ManualClock(chance=0.5)) as bridge:
        await tell(bridge)
        await bridge.settle(0.5)
        assert len(shop.log) == requests
        await bridge.settle(5)
        row = await only(bridge)
    assert row.state is DeliveryState.DONE
    assert len(row.history) == (2 if protection is None else 1)


@both
async def test_a_read_is_repeated_in_place():
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        await http.get("/customers")
        await http.query("/search", json={"id": customer.id})
        return Receipt()

    shop = Shop()
    shop.faults.append(Fault(Response(502), method="GET"))
    shop.faults.append(Fault(lost=True, method="POST"))
    async with bridge_to(shop, toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle(1)
        row = await only(bridge)
    assert shop.asked == ["GET /customers"] * 2 + ["POST /search"] * 2
    assert len(row.history) == 1


@both
async def test_a_wait_longer_than_a_second_is_not_waited_in_place():
    shop = Shop()
    shop.faults.append(Fault(Response(503, {"retry-after": "2"})))
    async with bridge_to(shop, toy(posting(Upsert()))) as bridge:
        await tell(bridge)
        await bridge.settle(0.5)
        row = await only(bridge)
        assert row.state is DeliveryState.READY
        assert row.last is not None
        await bridge.settle(5)
    assert len(shop.log) == 2


@both
async def test_a_sick_vendor_gets_few_requests_more_than_there_are_attempts():
    shop = Shop(lambda request: Response(429))
    async with bridge_to(shop, toy(posting(Upsert())), clock=ManualClock(chance=0.1)) as bridge:
        for n in range(20):
            await tell(bridge, f"c{n}")
        await bridge.settle(60)
        counts = [(await bridge.journal.delivery(row.id)) for row in await bridge.journal.deliveries(channel="shop")]
    attempts = sum(len(row.history) for row in counts if row is not None)
    assert attempts > 50
    assert len(shop.log) <= attempts * 1.1 + 10


@both
@pytest.mark.parametrize(
    ("error", "state"), [(Retryable("not now"), DeliveryState.READY), (Permanent("never"), DeliveryState.DEAD)]
)
async def test_an_author_may_class_by_raising(error, state):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        raise error

    async with bridge_to(Shop(), toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert (row.state, row.last and row.last.text) == (state, error.what)


@both
@pytest.mark.parametrize("fault", [Fault(Response(503)), Fault(Response(401)), Fault(lost=True)])
async def test_an_author_cannot_swallow_what_is_the_cores_to_handle(fault):
    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        try:
            return await posting()(settings, customer, delivery, http)  # type: ignore[return-value]
        except Exception:
            return Receipt(note="swallowed")

    shop = Shop()
    shop.faults.append(fault)
    async with bridge_to(shop, toy(run)) as bridge:
        await tell(bridge)
        await bridge.settle()
        row = await only(bridge)
    assert row.state is not DeliveryState.DONE
