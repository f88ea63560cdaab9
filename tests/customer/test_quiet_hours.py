"""Quiet hours hold marketing until they end, and caps refuse or hold what is too much; nothing else waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from small_shop import ShopSandbox, one_shop, seen, small_shop, webhook

from omnibridge.connector import Fault, Response
from omnibridge.model import (
    Address,
    Consent,
    ConsentState,
    Customer,
    Medium,
    Proof,
    Purpose,
    Ref,
    SendMessage,
    consent_key,
)
from omnibridge.testing import ManualClock, TestBridge

pytestmark = pytest.mark.both_backends
DANE, AMERICAN = "+4533123456", "+12125550123"
EVENING = datetime(2026, 1, 10, 21, 30, tzinfo=UTC)  # 22:30 in Copenhagen, 16:30 in New York; a Saturday
QUIET = '[consent]\ntimezone = "Europe/Copenhagen"\n[consent.quiet_hours]\nsms = "21:00-08:00"\n'
HOURS = 3600.0


def bridge(consent: str = QUIET, at: datetime = EVENING) -> tuple[TestBridge, ShopSandbox]:
    box = ShopSandbox()
    toml = one_shop("collects_consent = true", consent)
    running = TestBridge(
        toml, connectors=[small_shop()], sandboxes={"shop.example": box}, clock=ManualClock(at), look_every=3600
    )
    return running, box


async def allow(running: TestBridge, *contacts: str, medium: Medium = Medium.SMS, state: str = "granted") -> None:
    at = running.clock.now()
    for contact in contacts:
        proof = Proof(source="form", at=at)
        said = Consent(contact=contact, medium=medium, state=ConsentState(state), proof=proof, changed_at=at)
        await running.receive(webhook(seen(said, consent_key(contact, medium), at)))
    await running.settle(1)


async def send(running: TestBridge, id: str, to: str = DANE, purpose: str = "marketing", **more: Any) -> None:
    message = SendMessage(to=to, medium=Medium.SMS, body=id, purpose=Purpose(purpose), **more)
    await running.send(message, "shop", id=id)
    await running.settle(1)


async def standing(running: TestBridge, id: str) -> tuple[str, str | None]:
    [row] = await running.journal.deliveries(event=id)
    return row.state.value, row.last.text if row.last is not None else None


def sent(box: ShopSandbox) -> list[str]:
    return [message["body"] for message in box.messages]


# -- quiet hours -----------------------------------------------------------------------------------------------------


async def test_marketing_waits_visibly_until_it_is_morning_there():
    running, box = bridge()
    async with running:
        await allow(running, DANE, AMERICAN)
        await send(running, "to Denmark")
        await send(running, "to New York", AMERICAN)
        assert sent(box) == ["to New York"]
        assert await standing(running, "to Denmark") == (
            "ready",
            "quiet hours for sms until 2026-01-11 08:00 Europe/Copenhagen",
        )
        await running.settle(9 * HOURS)
        assert sent(box) == ["to New York"]
        await running.settle(1 * HOURS)
        [row] = await running.journal.deliveries(event="to Denmark")
    assert sent(box) == ["to New York", "to Denmark"]
    assert (row.state, row.attempts) == ("done", 0)  # waiting was no failure


async def test_it_holds_up_nothing_else_of_the_same_customer():
    running, box = bridge()
    customer: Any = {"kind": "customer", "id": "c1"}
    async with running:
        await allow(running, DANE)
        await send(running, "sale", customer=customer)
        await send(running, "your parcel", purpose="transactional", customer=customer)
        await send(running, "your answer", purpose="service", customer=customer)
    assert sent(box) == ["your parcel", "your answer"]


async def test_where_they_live_counts_more_than_their_number():
    running, box = bridge()
    async with running:
        await running.receive(webhook(seen(Customer(addresses=(Address(country="JP"),)), "c1", 1)))
        await allow(running, DANE)
        [stored] = await running.journal.events(type="io.omnibridge.customer.created.v1")
        await send(running, "sale", customer={"kind": "customer", "id": stored.event.subject})
        state, text = await standing(running, "sale")
    assert (state, text) == ("ready", "quiet hours for sms until 2026-01-11 08:00 Asia/Tokyo")
    assert sent(box) == []


async def test_whose_the_address_is_says_where_they_live_where_the_command_does_not():
    running, box = bridge()
    async with running:
        await running.receive(webhook(seen(Customer(addresses=(Address(country="JP"),)), "c1", 1)))
        owner = Ref(kind="customer", external_id="c1")
        at = running.clock.now()
        said = Consent(
            contact=DANE, medium=Medium.SMS, state=ConsentState.GRANTED, customer=owner,
            proof=Proof(source="form", at=at), changed_at=at,
        )  # fmt: skip
        await running.receive(webhook(seen(said, consent_key(DANE, Medium.SMS), at)))
        await running.settle(1)
        await send(running, "sale")
        assert (await standing(running, "sale"))[1] == "quiet hours for sms until 2026-01-11 08:00 Asia/Tokyo"
    assert sent(box) == []


async def test_a_withdrawal_in_the_night_stops_what_waits_for_the_morning():
    running, box = bridge()
    async with running:
        await allow(running, DANE)
        await send(running, "sale")
        await running.publish(running.event("consent.withdrawn", {"contact": DANE, "medium": "sms"}, id="w"))
        await running.settle(12 * HOURS)
        assert await standing(running, "sale") == (
            "refused",
            "no granted consent for marketing by sms: it is withdrawn",
        )
    assert sent(box) == []


@pytest.mark.parametrize(
    ("hours", "state", "text"),
    [
        (-1, "refused", "it expired at 2026-01-10T20:30:00+00:00"),
        (5, "refused", "2026-01-11 08:00 Europe/Copenhagen, and it expires before, at 2026-01-11T02:30:00+00:00"),
        (11, "ready", "quiet hours for sms until 2026-01-11 08:00 Europe/Copenhagen"),
    ],
)
async def test_what_expires_before_the_morning_is_refused_at_once(hours, state, text):
    running, _ = bridge()
    async with running:
        await allow(running, DANE)
        message = SendMessage(to=DANE, medium=Medium.SMS, body="sale", purpose=Purpose.MARKETING)
        expires = (EVENING + timedelta(hours=hours)).isoformat()
        event = running.event("command.message.send", message, id="sale", target="shop", expirytime=expires)
        await running.publish(event)
        await running.settle(1)
        found, said = await standing(running, "sale")
    assert found == state
    assert said is not None
    assert said.endswith(text)


async def test_other_media_do_not_wait():
    running, box = bridge()
    async with running:
        await allow(running, "ann@example.com", medium=Medium.EMAIL)
        message = SendMessage(to="ann@example.com", medium=Medium.EMAIL, body="sale", purpose=Purpose.MARKETING)
        await running.send(message, "shop", id="sale")
        await running.settle(1)
    assert sent(box) == ["sale"]


# -- caps ------------------------------------------------------------------------------------------------------------

CAPS = '[consent]\ntimezone = "Europe/Copenhagen"\nbeyond_cap = "{}"\n[consent.caps.sms]\nday = 2\nweek = 3\n'
MIDDAY = datetime(2026, 1, 5, 11, tzinfo=UTC)  # a Monday


async def test_what_is_too_much_is_refused_and_says_so():
    running, box = bridge(CAPS.format("refuse"), MIDDAY)
    async with running:
        await allow(running, DANE, AMERICAN)
        for id in ("1", "2", "3"):
            await send(running, id)
        await send(running, "other", AMERICAN)
        await send(running, "parcel", purpose="transactional")
        assert await standing(running, "3") == ("refused", "2 marketing by sms this day already, which is the most")
        await running.settle(12 * HOURS)  # Tuesday, 00:00 in Copenhagen
        await send(running, "4")
        await running.settle(24 * HOURS)
        await send(running, "5")
        assert (await standing(running, "5"))[1] == "3 marketing by sms this week already, which is the most"
        await running.settle(5 * 24 * HOURS)
        await send(running, "6")
    assert sent(box) == ["1", "2", "other", "parcel", "4", "6"]


async def test_a_day_is_the_persons_own_and_not_the_companys():
    """It is Monday noon in Copenhagen, which is 06:00 in New York; midnight comes there eighteen hours later."""
    running, box = bridge(CAPS.format("refuse"), MIDDAY)
    async with running:
        await allow(running, AMERICAN)
        for id in ("1", "2"):
            await send(running, id, AMERICAN)
        await running.settle(13 * HOURS)  # Tuesday in Copenhagen
        await send(running, "3", AMERICAN)
        assert (await standing(running, "3"))[0] == "refused"
        await running.settle(5 * HOURS)
        await send(running, "4", AMERICAN)
    assert sent(box) == ["1", "2", "4"]


async def test_or_waits_for_the_next_day_there():
    running, box = bridge(CAPS.format("wait") + '[consent.quiet_hours]\nsms = "21:00-08:00"\n', MIDDAY)
    async with running:
        await allow(running, DANE)
        for id in ("1", "2", "3"):
            await send(running, id)
        state, text = await standing(running, "3")
        assert (state, text) == (
            "ready",
            "2 marketing by sms this day already, which is the most; until 2026-01-06 00:00 Europe/Copenhagen",
        )
        await running.settle(12 * HOURS)
        assert (await standing(running, "3"))[1] == "quiet hours for sms until 2026-01-06 08:00 Europe/Copenhagen"
        await running.settle(9 * HOURS)
    assert sent(box) == ["1", "2", "3"]


async def test_a_retry_counts_once_and_what_came_to_nothing_does_not_count():
    running, box = bridge(CAPS.format("refuse").replace("day = 2", "day = 1"), MIDDAY)
    async with running:
        await allow(running, DANE)
        box.faults.append(Fault(Response(422), path_prefix="/messages"))
        await send(running, "dead")
        box.faults.append(Fault(Response(503, {"retry-after": "60"}), path_prefix="/messages"))
        await send(running, "late")
        await running.settle(300)
        assert (await standing(running, "dead"))[0] == "dead"
        assert (await standing(running, "late"))[0] == "done"
        await send(running, "too much")
        assert (await standing(running, "too much"))[0] == "refused"
    assert sent(box) == ["late"]


async def test_two_at_the_same_moment_are_counted_as_two():
    running, box = bridge(CAPS.format("refuse").replace("day = 2", "day = 1"), MIDDAY)
    async with running:
        await allow(running, DANE)
        for id in ("a", "b", "c"):
            customer: Any = {"kind": "customer", "id": f"c{id}"}  # lanes of their own
            message = SendMessage(to=DANE, medium=Medium.SMS, body=id, purpose=Purpose.MARKETING, customer=customer)
            await running.send(message, "shop", id=id)
        await running.settle(1)
        states = sorted([(await standing(running, id))[0] for id in "abc"])
    assert states == ["done", "refused", "refused"]
    assert len(sent(box)) == 1


async def test_the_count_is_forgotten_when_no_span_needs_it():
    running, _ = bridge(CAPS.format("refuse"), MIDDAY)
    async with running:
        await allow(running, DANE)
        await send(running, "1")
        before = await running.retain()
        await running.settle(10 * 24 * HOURS)
        assert await running.retain() >= before
        await send(running, "2")
        await send(running, "3")
        assert (await standing(running, "3"))[0] == "done"


# -- the section -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ('timezone = "Mars/Base"', "there is no time zone 'Mars/Base'"),
        ('quiet_hours.sms = "9-5"', "not two times of a day"),
        ('quiet_hours.sms = "21:00-21:00"', "not two times of a day"),
        ('quiet_hours.pigeon = "21:00-08:00"', "Input should be 'email'"),
        ("caps.sms = {}", "says no number"),
        ("caps.sms = { day = 0 }", "greater than or equal to 1"),
        ("caps.sms = { day = 4, week = 3 }", "allows more in a day than in its week"),
    ],
)
async def test_what_is_wrong_with_it_is_said(section, what):
    problems = bridge(f"[consent]\n{section}\n")[0].config.problems
    assert any(what in problem.what and "bridge.toml:" in problem.where for problem in problems), problems
