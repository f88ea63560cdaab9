"""A crash at every named point of a bulk write, for each kind of protection, then a restart that may regroup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from failpoints import Crash, Failing, FailingWire, Switch

from omnibridge.connector import (
    Connector,
    Delivery,
    Http,
    NativeKey,
    Protection,
    Receipt,
    Reference,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Upsert,
    deliver_many,
    json_response,
)
from omnibridge.errors import StorageFailed
from omnibridge.journal import ClearSeal, DeliveryState, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, TestBridge

PEOPLE = ("p1", "p2", "p3", "p4", "p5")
TOML = """
[channels.target]
connector = "target"

[[routes]]
name = "customers"
events = ["customer.*"]
to = ["target"]
"""


class Bulk(Sandbox):
    """Takes many records at a time; knows idempotency keys where `keyed`, replaces by our id where `upsert`."""

    def __init__(self, *, keyed: bool, upsert: bool) -> None:
        super().__init__()
        self.keyed = keyed
        self.upsert = upsert
        self.made: list[str] = []
        self.answers: dict[str, tuple[bytes, Response]] = {}

    def respond(self, request: SandboxRequest) -> Response:
        if request.method == "GET":
            return json_response([ours for ours in self.made if ours == request.query["ours"]])
        key = request.headers.get("idempotency-key", "")
        if self.keyed and key in self.answers:
            body, answer = self.answers[key]
            assert body == request.body, "one key for two requests"
            return answer
        ours = [record["ours"] for record in request.json()]
        self.made.extend(one for one in ours if not (self.upsert and one in self.made))
        answer = json_response([{"id": f"t-{one}"} for one in ours])
        self.answers[key] = request.body, answer
        return answer


def target(protection: Protection | None, *, find: bool) -> Connector[Settings]:
    async def together(settings: Settings, items: Sequence[tuple[Customer, Delivery]], http: Http) -> Sequence[Receipt]:
        made = await http.post(
            "/bulk",
            json=[{"ours": customer.id, "name": customer.given_name} for customer, _ in items],
            headers={"idempotency-key": http.key()},
            protection=protection,
        )
        return [Receipt((Reference("customer", record["id"]),)) for record in made.json()]

    async def look(settings: Settings, customer: Customer, delivery: Delivery, http: Http) -> Receipt | None:
        there = (await http.get("/records", params={"ours": customer.id or ""})).json()
        return Receipt((Reference("customer", f"t-{customer.id}"),)) if there else None

    return Connector(
        name="target",
        title="Target",
        settings=Settings,
        base_url=lambda _: "http://target.example",
        delivers=(deliver_many(Customer, together, most=3, find=look if find else None),),
    )


CASES = {
    "native key, looked up": (NativeKey(), True, False, True),
    "upsert": (Upsert(), False, True, False),
    "nothing, looked up": (None, False, False, True),
    "native key, held": (NativeKey(), True, False, False),
}


async def life(name: str, journal: Any, clock: ManualClock, vendor: Bulk, switch: Switch, tell: bool) -> None:
    """One life of the process: events come in, and it works until nothing moves or the switch ends it."""
    protection, _, _, find = CASES[name]
    bridge = TestBridge(
        TOML,
        connectors=[target(protection, find=find)],
        clock=clock,
        journal=Failing(journal, switch),  # type: ignore[arg-type]
        vendors=FailingWire({"target.example": vendor}, switch),
    )
    try:
        async with bridge:
            for who in PEOPLE if tell else ():
                customer = Customer(id=who, given_name=who.upper())
                await bridge.publish(bridge.event("customer.created", customer, id=who, subject=who))
            await bridge.settle(100)
    except BaseExceptionGroup as group:
        rest = group.split((Crash, StorageFailed))[1]
        if rest is not None:
            raise rest from None
    except Crash:
        pass
    journal.release(range(1, 1000))  # the dead process's claims died with it


async def lives(name: str, *switches: Switch) -> tuple[Bulk, Counter[str]]:
    """Lives one after the other on one journal, the events told anew in each; what the vendor has, and the states."""
    _, keyed, upsert, _ = CASES[name]
    clock, vendor = ManualClock(), Bulk(keyed=keyed, upsert=upsert)
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        for switch in switches:
            await life(name, journal, clock, vendor, switch, tell=True)
        return vendor, Counter(row.state for row in await journal.deliveries(limit=100))


@pytest.mark.both_backends
@pytest.mark.parametrize("name", CASES)
async def test_a_crash_at_every_point_loses_nothing_and_doubles_nothing(name: str) -> None:
    clean = Switch()
    vendor, states = await lives(name, clean)
    assert sorted(vendor.made) == list(PEOPLE)
    writes = [request for request in vendor.log if request.method == "POST"]
    assert max(len(request.json()) for request in writes) > 1  # some did leave together
    shown = 0
    for at in range(1, len(clean.passed) + 1):
        where = f"{name}, crash at {at}: {clean.passed[at - 1]}"
        vendor, states = await lives(name, Switch(at), Switch())
        assert all(count == 1 for count in Counter(vendor.made).values()), (where, vendor.made)
        assert states.total() == len(PEOPLE), where
        if name.endswith("held") and states[DeliveryState.UNKNOWN]:
            # Nobody can tell, so nobody repeats it. The others went their way.
            shown += 1
            assert states[DeliveryState.UNKNOWN] + states[DeliveryState.DONE] == len(PEOPLE), (where, states)
            assert len(vendor.made) >= states[DeliveryState.DONE], where
            continue
        assert states[DeliveryState.DONE] == len(PEOPLE), (where, states)
        assert sorted(vendor.made) == list(PEOPLE), where
    assert (shown > 0) is name.endswith("held")
