"""What snapshots come to, whatever their order, number and completeness."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibridge.connector import (
    Connector,
    Hint,
    Http,
    Inbound,
    Observation,
    Poll,
    Redelivery,
    Settings,
    Snapshot,
    Verdict,
    Webhook,
    dump_observations,
    load_observations,
)
from omnibridge.model import (
    Basis,
    Consent,
    ConsentState,
    Customer,
    Medium,
    Money,
    Order,
    OrderTotals,
    PaymentStatus,
    Proof,
    Ref,
    consent_key,
)
from omnibridge.reconcile.turn import version_text
from omnibridge.testing import TestBridge

START = datetime(2026, 1, 1, tzinfo=UTC)
TOML = """
[channels.shop]
connector = "source"
collects_consent = true
[channels.till]
connector = "source"
"""


def verify(settings: Settings, inbound: Inbound, now: datetime) -> Verdict:
    return Verdict.OK


def translate(settings: Settings, inbound: Inbound) -> tuple[Observation, ...]:
    return load_observations(inbound.body)


POLLED: dict[str, list[Observation]] = {}


async def poll(settings: Settings, cursor: Any, http: Http) -> None:
    seen = POLLED.pop("next", None)
    if seen:
        await http.emit(seen, {"at": 1})


SOURCE = Connector(
    name="source",
    title="Source",
    settings=Settings,
    webhook=Webhook(
        delivery_id=Hint(), verify=verify, translate=translate, redelivery=Redelivery(True, timedelta(hours=1))
    ),
    polls=(Poll(name="all", every=timedelta(hours=1), run=poll),),
)


async def say(bridge: TestBridge, channel: str, *seen: Observation) -> None:
    """One delivery from a channel, processed."""
    reply = await bridge.ingress.webhook(channel, None, "POST", "", {}, dump_observations(seen))
    assert reply.status == 200
    await bridge.settle()


async def names(bridge: TestBridge) -> list[str]:
    """The events so far, in order."""
    return [stored.event.name for stored in reversed(await bridge.journal.events(limit=1000))]


async def last(bridge: TestBridge) -> dict[str, Any]:
    """The newest event's data."""
    return (await bridge.journal.events(limit=1))[0].event.data


def customer(version: int, **fields: Any) -> Snapshot:
    return Snapshot(Customer(**fields), "c1", version=version)


def order(version: int | datetime, **fields: Any) -> Snapshot:
    total = Money(amount=fields.pop("total", "10.00"), currency="EUR")
    return Snapshot(Order(currency="EUR", totals=OrderTotals(total=total), **fields), "o1", version=version)


def bridge() -> TestBridge:
    return TestBridge(TOML, connectors=[SOURCE])


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "given_name": st.sampled_from(["One", "Two", None]),
        "email": st.sampled_from(["one@example.com", "two@example.com", None]),
        "note": st.sampled_from(["a", "b", None]),
        "tags": st.sampled_from([("x",), ("y", "z"), ()]),
    },
)


@settings(max_examples=40)
@given(st.lists(VALUES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_newest_version_wins_in_whatever_order_they_come(states: list[dict[str, Any]], chance: Any) -> None:
    # Complete snapshots: each names every field, so the newest alone says how it is.
    full = {"given_name": None, "email": None, "note": None, "tags": ()}
    snapshots = [customer(place + 1, **{**full, **state}) for place, state in enumerate(states)]
    shuffled = list(snapshots)
    chance.shuffle(shuffled)

    async def run(seen: list[Snapshot]) -> dict[str, Any]:
        async with bridge() as made:
            for snapshot in seen:
                await say(made, "shop", snapshot)
            subject = (await made.journal.events(limit=1))[0].event.subject or ""
            content = (await made.journal.entities([("customer", subject)]))["customer", subject][0]
            return json.loads(content)["entity"]

    assert anyio.run(run, shuffled) == anyio.run(run, snapshots)


@settings(max_examples=40)
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_absent_fields_change_nothing_and_null_empties(states: list[dict[str, Any]]) -> None:
    expected: dict[str, Any] = {}

    async def run() -> dict[str, Any]:
        async with bridge() as made:
            await say(made, "shop", customer(1, given_name="First", email="first@example.com", note="n", tags=("t",)))
            expected.update(given_name="First", email="first@example.com", note="n", tags=["t"])
            for place, state in enumerate(states):
                await say(made, "shop", customer(place + 2, **state))
                expected.update({k: list(v) if isinstance(v, tuple) else v for k, v in state.items()})
            subject = (await made.journal.events(limit=1))[0].event.subject or ""
            content = (await made.journal.entities([("customer", subject)]))["customer", subject][0]
            return json.loads(content)["entity"]

    found = anyio.run(run)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.both_backends
async def test_saying_the_same_again_is_no_event() -> None:
    async with bridge() as made:
        for _ in range(3):
            await say(made, "shop", customer(1, given_name="One"))
        await say(made, "shop", customer(2, given_name="One"))
        assert await names(made) == ["customer.created"]


@pytest.mark.both_backends
async def test_a_webhook_and_a_poll_of_one_change_are_one_event() -> None:
    POLLED["next"] = [customer(1, given_name="One")]
    async with bridge() as made:
        await made.settle(1)
        await say(made, "shop", customer(1, given_name="One"), customer(1, given_name="One"))
        assert (await names(made)).count("customer.created") <= 2  # one for each channel that told of it
        ids = [stored.event.id for stored in await made.journal.events(limit=10)]
        assert len(ids) == len(set(ids))
    POLLED["next"] = [customer(1, given_name="One")]
    async with bridge() as again:
        await say(again, "shop", customer(1, given_name="One"))
        first = {(s.channel, s.event.id) for s in await again.journal.events(limit=10)}
        await again.settle(7200)
        assert {(s.channel, s.event.id) for s in await again.journal.events(limit=10) if s.channel == "shop"} == {
            pair for pair in first if pair[0] == "shop"
        }


@pytest.mark.both_backends
async def test_two_changes_within_one_second_are_two_events() -> None:
    at = START
    async with bridge() as made:
        for note in ("a", "b", "c"):
            await say(made, "shop", order(at, note=note))
        assert await names(made) == ["order.placed", "order.updated", "order.updated"]
        assert (await last(made))["note"] == "c"


@pytest.mark.both_backends
async def test_an_older_version_changes_nothing() -> None:
    async with bridge() as made:
        await say(made, "shop", order(5, note="new"))
        await say(made, "shop", order(4, note="old"))
        assert await names(made) == ["order.placed"]


@pytest.mark.both_backends
async def test_gone_and_back_again() -> None:
    async with bridge() as made:
        await say(made, "shop", customer(1, given_name="One"))
        await say(made, "shop", Snapshot(Customer(), "c1", version=2, deleted=True))
        await say(made, "shop", Snapshot(Customer(), "c1", version=2, deleted=True))
        await say(made, "shop", customer(3, given_name="One"))
        assert (await names(made))[:2] == ["customer.created", "customer.deleted"]
        assert (await names(made)).count("customer.deleted") == 1


def statuses() -> list[tuple[dict[str, Any], dict[str, Any], list[str]]]:
    paid, unpaid = {"payment_status": PaymentStatus.PAID}, {"payment_status": PaymentStatus.UNPAID}
    return [
        (unpaid, paid, ["order.paid"]),
        (unpaid, {"fulfilment_status": "fulfilled"}, ["order.fulfilled"]),
        (unpaid, {"status": "cancelled"}, ["order.cancelled"]),
        (paid, {"payment_status": "refunded"}, ["order.refunded"]),
        (unpaid, {**paid, "note": "and more"}, ["order.paid", "order.updated"]),
        (unpaid, {**paid, "fulfilment_status": "fulfilled"}, ["order.paid", "order.fulfilled"]),
        (unpaid, {"note": "only this"}, ["order.updated"]),
        (paid, {"payment_status": "partially_refunded"}, ["order.updated"]),
    ]


@pytest.mark.both_backends
@pytest.mark.parametrize(("before", "after", "events"), statuses())
async def test_what_happened_is_read_off_the_difference(
    before: dict[str, Any], after: dict[str, Any], events: list[str]
) -> None:
    async with bridge() as made:
        await say(made, "shop", order(1, **before))
        first = len(await names(made))
        await say(made, "shop", order(2, **after))
        assert (await names(made))[first:] == events


@pytest.mark.both_backends
async def test_an_order_first_seen_paid_was_placed_and_paid() -> None:
    async with bridge() as made:
        await say(made, "shop", order(1, payment_status=PaymentStatus.PAID))
        assert await names(made) == ["order.placed", "order.paid"]


@pytest.mark.both_backends
async def test_references_are_canonical_and_no_vendor_id_travels() -> None:
    async with bridge() as made:
        await say(made, "shop", order(1, buyer=Ref(kind="customer", external_id="c1")), customer(1, given_name="One"))
        events = {s.event.name: s.event for s in await made.journal.events(limit=10)}
        buyer = events["order.placed"].data["buyer"]
        assert buyer == {"kind": "customer", "id": events["customer.created"].subject}
        assert events["order.placed"].extensions["partitionkey"] == buyer["id"]


@pytest.mark.both_backends
async def test_a_broken_sum_is_recorded_and_never_refused() -> None:
    async with bridge() as made:
        totals = OrderTotals(total=Money.from_minor(1000, "EUR"), subtotal=Money.from_minor(9900, "EUR"))
        await say(made, "shop", Snapshot(Order(currency="EUR", totals=totals), "o1", version=1))
        data = await last(made)
        assert data["totals"]["total"]["amount"] == "10.00"
        assert [wrong["rule"] for wrong in data["discrepancies"]] == ["parts = total"]


def consent(state: ConsentState, at: datetime | None = START, version: int = 1) -> Snapshot:
    proof = Proof(source="form", at=at) if at else None
    made = Consent(
        contact="one@example.com",
        medium=Medium.EMAIL,
        state=state,
        basis=Basis.SINGLE_OPT_IN,
        proof=proof,
        changed_at=at,
    )
    return Snapshot(made, consent_key("one@example.com", Medium.EMAIL), version=version)


async def state(made: TestBridge) -> str:
    return str((await last(made))["state"])


@pytest.mark.both_backends
async def test_only_a_channel_that_collects_consent_grants_it() -> None:
    async with bridge() as made:
        await say(made, "till", consent(ConsentState.GRANTED))
        assert "consent.granted" not in await names(made)
        await say(made, "shop", consent(ConsentState.GRANTED))
        assert await names(made) == [*(await names(made))[:-1], "consent.granted"]


@pytest.mark.both_backends
async def test_a_grant_without_time_and_proof_is_none() -> None:
    async with bridge() as made:
        await say(made, "shop", consent(ConsentState.GRANTED, at=None))
        assert "consent.granted" not in await names(made)


@pytest.mark.both_backends
async def test_a_backfill_never_grants() -> None:
    POLLED["next"] = [consent(ConsentState.GRANTED)]
    async with bridge() as made:
        await made.settle(1)
        assert "consent.granted" not in await names(made)


@pytest.mark.both_backends
async def test_a_withdrawal_counts_from_anywhere_and_an_old_grant_does_not_undo_it() -> None:
    later = START + timedelta(days=1)
    async with bridge() as made:
        await say(made, "shop", consent(ConsentState.GRANTED))
        await say(made, "till", consent(ConsentState.WITHDRAWN, at=later))
        assert (await names(made))[-1] == "consent.withdrawn"
        await say(made, "shop", consent(ConsentState.GRANTED, version=2))
        assert (await names(made))[-1] == "consent.withdrawn"
        await say(made, "shop", consent(ConsentState.GRANTED, at=later + timedelta(days=1), version=3))
        assert (await names(made))[-1] == "consent.granted"


@pytest.mark.both_backends
async def test_orders_belong_to_who_made_them_and_customers_to_all() -> None:
    async with bridge() as made:
        await say(made, "shop", order(1, note="the shop's"))
        subject = (await made.journal.events(limit=1))[0].event.subject
        theirs = Snapshot(
            Order(currency="EUR", totals=OrderTotals(total=Money.from_minor(100, "EUR")), note="x", number="T1"),
            "t1",
            version=1,
            ours=subject,
        )
        await say(made, "till", theirs)
        data = await last(made)
        assert (data["note"], data["number"], data["totals"]["total"]["amount"]) == ("the shop's", "T1", "10.00")
        await say(made, "shop", customer(1, given_name="One", note="keep"))
        person = (await made.journal.events(limit=1))[0].event.subject
        await say(made, "till", Snapshot(Customer(given_name="Two", note=None), "c9", version=1, ours=person))
        data = await last(made)
        assert (data["given_name"], data["note"]) == ("Two", "keep")  # a first sight of nothing removes nothing


def test_versions_sort_as_text_as_they_do_as_values() -> None:

    numbers = [0, 5, 10, 99, 100, 2**40]
    assert sorted(numbers) == sorted(numbers, key=lambda number: version_text(number) or "")
    times = [START + timedelta(seconds=s) for s in (0, 0.000001, 1, 86400 * 365)]
    for left, right in itertools.pairwise(times):
        assert (version_text(left) or "") < (version_text(right) or "")
