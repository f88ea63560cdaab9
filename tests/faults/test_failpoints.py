"""A crash at every named point: around each commit and each send, for each kind of protection, then a restart.

A run without a crash names the points that it passes. Then the world is built anew for each point, ended there as a
power switch would end it, started again on the same journal, and looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from failpoints import Crash, Failing, FailingWire, Switch

from omnibridge.connector import (
    Connector,
    Delivery,
    Http,
    Inbound,
    Native,
    NativeKey,
    Protection,
    Receipt,
    Redelivery,
    Reference,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Snapshot,
    Upsert,
    Verdict,
    Webhook,
    deliver,
    json_response,
    parse_json,
)
from omnibridge.errors import StorageFailed
from omnibridge.journal import ClearSeal, DeliveryState, Journal, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, TestBridge

TOML = """
[channels.shop]
connector = "shop"

[channels.target]
connector = "target"

[[routes]]
name = "customers"
events = ["customer.*"]
to = ["target"]
on_unknown = "{on_unknown}"
"""


class Vendor(Sandbox):
    """Keeps records; knows idempotency keys where `keyed`, replaces by our id where `upsert`."""

    def __init__(self, *, keyed: bool, upsert: bool) -> None:
        super().__init__()
        self.keyed = keyed
        self.upsert = upsert
        self.made: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.answers: dict[str, Response] = {}

    def respond(self, request: SandboxRequest) -> Response:
        if request.method == "GET":
            return json_response([m for m in self.made if m["ours"] == request.query.get("ours")])
        body = request.json()
        key = request.headers.get("idempotency-key", "")
        if self.keyed and key in self.answers:
            return self.answers[key]
        table = self.notes if request.path == "/notes" else self.made
        there = next((record for record in table if record["ours"] == body["ours"]), None) if self.upsert else None
        if there is not None:
            there.update(body)  # replaced, with the id that it has
        else:
            table.append(there := {**body, "id": f"{request.path}-{len(table) + 1}"})
        answer = json_response(there)
        self.answers[key] = answer
        return answer


def verify(settings: Settings, inbound: Inbound, now: Any) -> Verdict:
    return Verdict.OK


def translate(settings: Settings, inbound: Inbound) -> list[Snapshot]:
    body = parse_json(inbound.body)
    return [Snapshot(Customer(email=body["email"], given_name=body["name"]), body["id"], version=body["version"])]


SHOP = Connector(
    name="shop",
    title="Shop",
    settings=Settings,
    webhook=Webhook(
        delivery_id=Native("x-id"), verify=verify, translate=translate, redelivery=Redelivery(True, timedelta(hours=1))
    ),
)
Find = Callable[[Settings, Customer, Delivery, Http], Coroutine[Any, Any, Receipt | None]]


def target(protection: Protection | None, *, find: bool) -> Connector[Settings]:
    """A system whose customers are made in two steps, the record and then a note about it."""

    async def upsert(settings: Settings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        body = {"ours": customer.id, "email": customer.email}
        own = delivery.own
        if own is None:
            made = await http.post(
                "/customers",
                json=body,
                step="create",
                protection=protection,
                headers={"idempotency-key": http.key("create")},
            )
            own = made.json()["id"]
            await http.keep(Reference("customer", own))
        await http.post(
            "/notes", json=body, step="note", protection=protection, headers={"idempotency-key": http.key("note")}
        )
        return Receipt((Reference("customer", own),))

    async def look(settings: Settings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
        found = (await http.get("/customers", params={"ours": customer.id or ""})).json()
        return Receipt((Reference("customer", found[0]["id"]),)) if found else None

    return Connector(
        name="target",
        title="Target",
        settings=Settings,
        base_url=lambda _: "http://target.example",
        delivers=(deliver(Customer, upsert, find=look if find else None),),
    )


@dataclass
class World:
    """Everything that outlives a crash: the journal's contents, the vendor, the clock."""

    journal: Journal
    clock: ManualClock
    vendor: Vendor
    connector: Connector[Settings]
    on_unknown: str
    acknowledged: set[str] = field(default_factory=set[str])

    async def run(self, switch: Switch, deliveries: list[dict[str, Any]]) -> None:
        """One life of the process: take the webhooks in, and work until nothing moves or the switch ends it."""
        bridge = TestBridge(
            TOML.format(on_unknown=self.on_unknown),
            connectors=[SHOP, self.connector],
            clock=self.clock,
            journal=Failing(self.journal, switch),  # type: ignore[arg-type]
            vendors=FailingWire({"target.example": self.vendor}, switch),
        )
        try:
            async with bridge:
                for body in deliveries:
                    reply = await bridge.ingress.webhook("shop", None, "POST", "", {"x-id": body["id"]}, dumps(body))
                    if reply.status == 200:
                        self.acknowledged.add(body["id"])
                await bridge.settle(70)
        except BaseExceptionGroup as group:
            rest = group.split((Crash, StorageFailed))[1]
            if rest is not None:
                raise rest from None
        except Crash:
            pass
        # The dead process's claims died with it.
        self.journal.release(range(1, 1000))  # type: ignore[arg-type]


def dumps(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


CASES = {
    "native key": (NativeKey(), True, False, False, "hold"),
    "upsert": (Upsert(), False, True, False, "hold"),
    "nothing, looked up": (None, False, False, True, "hold"),
    "nothing, held": (None, False, False, False, "hold"),
}


@asynccontextmanager
async def world(name: str) -> AsyncGenerator[World]:
    protection, keyed, upsert, find, on_unknown = CASES[name]
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        vendor = Vendor(keyed=keyed, upsert=upsert)
        yield World(journal, clock, vendor, target(protection, find=find), on_unknown)


ORDERS = [
    {"id": "c1", "email": "one@example.com", "name": "One", "version": 1},
    {"id": "c2", "email": "two@example.com", "name": "Two", "version": 1},
]


def check_requests(vendor: Vendor) -> None:
    """A repetition under a key has the same bytes."""
    bodies: dict[str, set[bytes]] = {}
    for request in vendor.log:
        key = request.headers.get("idempotency-key")
        if key:
            bodies.setdefault(key, set()).add(request.body)
    assert all(len(different) == 1 for different in bodies.values()), bodies


async def points(name: str, deliveries: list[dict[str, Any]]) -> list[str]:
    """The points that a run without a crash passes."""
    switch = Switch()
    async with world(name) as clean:
        await clean.run(switch, deliveries)
        assert [len(clean.vendor.made), len(clean.vendor.notes)] == [len(deliveries), len(deliveries)]
    assert len(switch.passed) > 10, switch.passed
    return switch.passed


@pytest.mark.both_backends
@pytest.mark.parametrize("name", CASES)
async def test_a_crash_at_every_point_loses_nothing_and_doubles_nothing(name: str) -> None:
    passed = await points(name, ORDERS)
    shown = 0
    for at in range(1, len(passed) + 1):
        async with world(name) as now:
            await now.run(Switch(at), ORDERS)
            before = set(now.acknowledged)
            # The shop repeats what was not acknowledged, and, as shops do, what was.
            await now.run(Switch(), ORDERS)
            shown += await check(name, now, before, f"{name}, crash at {at}: {passed[at - 1]}")
    # Only a write that nothing protects and nobody can look up may end as unknown; then it is shown, not sent again.
    assert (shown > 0) is (name == "nothing, held")


async def check(name: str, now: World, acknowledged: set[str], where: str) -> bool:
    """What must hold after the restart; whether a delivery's fate is unknown and shown."""
    rows = await now.journal.deliveries()
    states = Counter(row.state for row in rows)
    made = Counter(record["ours"] for record in now.vendor.made)
    notes = Counter(record["ours"] for record in now.vendor.notes)
    events = await now.journal.events(limit=100)
    assert acknowledged <= now.acknowledged, where
    assert len({stored.event.subject for stored in events}) == len(ORDERS), where
    check_requests(now.vendor)
    assert all(count == 1 for count in made.values()), (where, made)
    assert all(count == 1 for count in notes.values()), (where, notes)
    if name.startswith("nothing") and states[DeliveryState.UNKNOWN]:
        return True
    assert states[DeliveryState.DONE] == len(rows), (where, states, [row.last for row in rows])
    assert len(made) == len(ORDERS), where
    if name != "nothing, looked up":  # the record is found at the vendor; of the note nobody can tell
        assert len(notes) == len(ORDERS), where
    return False


@pytest.mark.both_backends
async def test_two_crashes_in_a_row_are_no_different() -> None:
    passed = await points("native key", ORDERS[:1])
    for first in range(1, len(passed) + 1, 2):
        for second in range(1, len(passed) + 1, 3):
            async with world("native key") as now:
                await now.run(Switch(first), ORDERS[:1])
                await now.run(Switch(second), ORDERS[:1])
                await now.run(Switch(), ORDERS[:1])
                assert len(now.vendor.made) == len(now.vendor.notes) == 1, (first, second)
                check_requests(now.vendor)


@pytest.mark.both_backends
async def test_the_switch_really_ends_the_process() -> None:
    async with world("native key") as now:
        await now.run(Switch(1), ORDERS)
        assert now.acknowledged == set()
        assert now.vendor.log == []
