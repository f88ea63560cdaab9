"""Whatever a vendor sends: a documented answer, no bug, and nothing that was accepted is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from asgi_client import ask
from vendor_webhooks import VENDORS, Vendor

from omnibridge.connector import Outgoing
from omnibridge.journal import ClearSeal, InboxState, open_journal
from omnibridge.registry import Registry
from omnibridge.testing import ManualClock, TestBridge

vendors = pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)

BROKEN = (
    b"",
    b" ",
    b"{",
    b"[]",
    b"{}",
    b"[{}]",
    b"null",
    b"true",
    b'"text"',
    b"1",
    b"1e999999",
    b"-0",
    b"NaN",
    b"9" * 5000,
    b"\xff\xfe\x00",
    b'{"id": "\xc3\x28"}',
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b'{"id": 1, "id": 2}',
    b'{"id": 900719925474099300000001}',
    b'{"type": null, "data": null}',
    b'{"type": {}, "data": [], "event_id": 7}',
    b"a=1&a=2&%zz=%ff",
    b"=&&==",
    b"type=subscribe&data=text",
    b"type=subscribe&type[x]=1&data[email]=1&data[email][x]=2",
    b"data[" + b"x][" * 2000 + b"]=1",
    b"<xml/>",
    b"\0",
)
WRONG: tuple[Any, ...] = (
    None, [], {}, [None], "", "x", "unheard_of", 0, -1, True, 2**53 + 1, 10**40, 1e300, "9" * 60, "\ud800", "\0",
    "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "1e400", "-12.345678901234567890",
)  # fmt: skip


async def answers(vendor: Vendor, deliveries: list[Outgoing]) -> tuple[list[int], list[str]]:
    """The status of each delivery, and what became of each row, in order: `done`, or the reason why not."""
    async with TestBridge(vendor.toml) as bridge:
        statuses = [(await bridge.receive(delivery)).status for delivery in deliveries]
        while await bridge.processor.step():
            pass
        rows = [row for row in await bridge.journal.inbox(limit=10_000) if row.origin == "webhook"]
        assert len(rows) == bridge.ingress.accepted.get(("vendor", "stored"), 0)
        assert all(row.state in (InboxState.DONE, InboxState.INVALID) for row in rows)
        return statuses, [row.error or "done" for row in reversed(rows)]


def bugs(reasons: list[str]) -> list[str]:
    return [reason for reason in reasons if "in the connector" in reason]


@vendors
async def test_genuine_deliveries_are_understood(vendor):
    deliveries = [vendor.sign(body, number, topic) for number, (topic, body) in enumerate(vendor.samples.items())]
    statuses, reasons = await answers(vendor, deliveries)
    assert set(statuses) == {vendor.taken}
    assert set(reasons) == {"done"}


@vendors
async def test_bodies_of_another_shape_are_kept_and_shown_never_lost(vendor):
    deliveries = [
        vendor.sign(body, number, topic) for number, body in enumerate(BROKEN) for topic in list(vendor.samples)[:1]
    ]
    statuses, reasons = await answers(vendor, deliveries)
    # What a signature over fields cannot be checked on is not the vendor's; everything else is stored first.
    assert set(statuses) <= ({vendor.taken, 401} if vendor.form else {vendor.taken})
    assert bugs(reasons) == []
    assert all(reason == "done" or len(reason) > 5 for reason in reasons)


def changed(value: Any, depth: int = 5) -> Iterator[Any]:
    """`value` with one thing in it missing, or wrong."""
    if depth == 0 or not isinstance(value, dict | list):
        return
    places = list(value) if isinstance(value, dict) else range(min(len(value), 1))
    for place in places:
        for wrong in WRONG:
            other = deepcopy(value)
            other[place] = wrong
            yield other
        if isinstance(value, dict):
            yield {name: item for name, item in value.items() if name != place}
        for inner in changed(value[place], depth - 1):
            other = deepcopy(value)
            other[place] = inner
            yield other


def named(vendor: Vendor, body: bytes, number: int) -> bytes:
    """The body with a delivery id of its own, where that stands in it."""
    return re.sub(vendor.id, b"%032d" % number, body) if vendor.id else body


def bodies(vendor: Vendor, body: bytes) -> Iterator[bytes]:
    if not vendor.form:
        yield from (json.dumps(made).encode() for made in changed(json.loads(body)))
        return
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    for place, (name, _) in enumerate(pairs):
        without = pairs[:place] + pairs[place + 1 :]
        yield urlencode(without).encode()
        yield urlencode([*pairs, (name, "again")]).encode()
        for wrong in WRONG:
            if isinstance(wrong, str | int):
                text = str(wrong).encode("utf-8", "surrogatepass")
                yield urlencode([*without, (name, text)]).encode()


@pytest.mark.parametrize(
    ("vendor", "topic"),
    [pytest.param(v, topic, id=f"{v.name}-{topic}") for v in VENDORS.values() for topic in v.samples],
)
async def test_one_field_that_is_missing_or_wrong_is_no_bug_anywhere(vendor, topic):
    made = list(bodies(vendor, vendor.samples[topic]))
    step = max(1, len(made) // 1500)  # the large ones in a sample that covers every field
    deliveries = [vendor.sign(named(vendor, body, n), n, topic) for n, body in enumerate(made[::step])]
    assert len(deliveries) > 50
    statuses, reasons = await answers(vendor, deliveries)
    assert set(statuses) <= ({vendor.taken, 401} if vendor.form else {vendor.taken})
    assert len(reasons) > 0.8 * statuses.count(vendor.taken)  # few were taken for a repetition of another
    assert bugs(reasons) == []


@vendors
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "nonsense", "application/json; charset=x", ""])
async def test_a_wrong_content_type_has_an_answer(vendor, kind):
    genuine = vendor.genuine()
    headers = {**genuine.headers, "content-type": kind}
    statuses, reasons = await answers(vendor, [Outgoing(genuine.url, headers, genuine.body)])
    assert set(statuses) <= {vendor.taken, 401, 415}
    assert bugs(reasons) == []


@vendors
async def test_headers_that_are_missing_or_nonsense_have_an_answer(vendor):
    genuine = vendor.genuine()
    made = []
    for name in genuine.headers:
        without = {other: value for other, value in genuine.headers.items() if other != name}
        made.append(Outgoing(genuine.url, without, genuine.body))
        for wrong in ("", "x", "ÿ" * 20, "9" * 400, "\t", "v1,", "v1,x v1,y", "-1"):
            made.append(Outgoing(genuine.url, {**without, name: wrong}, genuine.body))
    statuses, reasons = await answers(vendor, made)
    assert set(statuses) <= {vendor.taken, 401, 415}
    assert bugs(reasons) == []


@vendors
async def test_a_wrong_signature_is_refused_everywhere(vendor):
    genuine = vendor.genuine()
    if vendor.name == "mailchimp":
        forged = [Outgoing(genuine.url[:-1] + "x", genuine.headers, genuine.body),
                  Outgoing(genuine.url.rpartition("/")[0], genuine.headers, genuine.body)]  # fmt: skip
    else:
        other = vendor.sign(genuine.body + b" ", 1, next(iter(vendor.samples))) if not vendor.form else genuine
        body = genuine.body if not vendor.form else genuine.body.replace(b"blue", b"red")
        forged = [Outgoing(genuine.url, other.headers, body)]
        if vendor.name in ("square", "twilio"):  # these sign the address
            forged.append(Outgoing(genuine.url + "?x=1", genuine.headers, genuine.body))
    async with TestBridge(vendor.toml) as bridge:
        assert [(await bridge.receive(delivery)).status for delivery in forged] == [401] * len(forged)
        assert await bridge.journal.inbox() == []
        assert (await bridge.receive(genuine)).status == vendor.taken


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_signature_of_another_time_is_refused(seconds):
    """Of these vendors only Standard Webhooks signs a time."""
    vendor = VENDORS["cloudevents"]
    clock = ManualClock(ManualClock().now().replace(year=2026, hour=0))
    clock._start = clock._start.fromtimestamp(clock._start.timestamp() + seconds, clock._start.tzinfo)
    async with TestBridge(vendor.toml, clock=clock) as bridge:
        reply = await bridge.receive(vendor.genuine())
        assert reply.status == 401
        assert b"expired" in reply.body


@vendors
async def test_a_repeated_header_is_refused(vendor):
    genuine = vendor.genuine()
    async with TestBridge(vendor.toml) as bridge:
        for name, value in genuine.headers.items():
            target = genuine.url.removeprefix("https://bridge.example")
            headers = [*genuine.headers.items(), (name.upper(), value)]
            answer = await ask(bridge.asgi(), "POST", target, genuine.body, headers)
            assert answer is not None
            assert answer.status == 400
        assert await bridge.journal.inbox() == []


@vendors
async def test_a_repeated_delivery_is_stored_once_everywhere(vendor):
    async with TestBridge(vendor.toml) as bridge:
        for _ in range(3):
            assert (await bridge.receive(vendor.genuine())).status == vendor.taken
        assert bridge.ingress.accepted == {("vendor", "stored"): 1, ("vendor", "duplicate"): 2}


@vendors
async def test_what_was_not_understood_becomes_events_with_a_mended_connector(vendor):
    connector = Registry().connector(vendor.name)
    assert connector.webhook is not None

    def broken(settings: Any, inbound: Any) -> Any:
        raise KeyError("kim@example.com")

    bad = replace(connector, webhook=replace(connector.webhook, translate=broken))
    async with open_journal(None, seal=ClearSeal(), clock=ManualClock()) as journal:
        async with TestBridge(vendor.toml, connectors=[bad], journal=journal) as bridge:
            assert (await bridge.receive(vendor.genuine())).status == vendor.taken
            await bridge.settle()
            [row] = await bridge.journal.inbox(state="invalid")
            assert row.error == "KeyError in the connector; replay after it is mended"
            assert await bridge.journal.events() == []
        async with TestBridge(vendor.toml, journal=journal) as bridge:
            await bridge.settle()
            assert await bridge.journal.events() == []  # it waits to be replayed
            assert await bridge.journal.replay_inbox([row.id]) == 1
            bridge.wake()
            await bridge.settle()
            assert await bridge.journal.events() != []
            assert await bridge.journal.inbox(state="invalid") == []
