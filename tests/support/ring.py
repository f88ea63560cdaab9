"""Vendors that write to each other through a bridge: each keeps one record in its own way, and people edit it there.

Every edit has a value of its own, so that each value at a vendor tells which edit it is, and which edits it came after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from omnibridge.connector import (
    AnyConnector,
    Connector,
    Deliver,
    Delivery,
    Http,
    Inbound,
    Native,
    Outgoing,
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
)
from omnibridge.model import Customer, Entity, InventoryLevel, Product, Ref
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

__all__ = ["KINDS", "Kind", "Manner", "Ring"]


@dataclass(frozen=True)
class Kind:
    """What the vendors keep: the model, the fields that people edit, and what else a record must have."""

    model: type[Entity]
    fields: tuple[str, str]
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    value: Callable[[int], Any] = lambda number: f" Value {number}"
    nothing: Any = None

    def number(self, value: Any) -> int | None:
        """Which edit a value is, as any vendor keeps it."""
        digits = "".join(c for c in str(value).partition(".")[0] if c.isdigit())
        return int(digits) if digits else None

    def made(self, record: Mapping[str, Any]) -> Entity:
        """The entity that a record is."""
        base = {
            name: Ref(kind=value["kind"], external_id=value["external_id"]) if isinstance(value, dict) else value
            for name, value in self.base.items()
        }
        return self.model.model_validate({**base, **record})


KINDS = {
    "customer": Kind(Customer, ("given_name", "note")),
    "product": Kind(Product, ("title", "description")),
    "inventory": Kind(
        InventoryLevel,
        ("available", "on_hand"),
        {"variant": {"kind": "variant", "external_id": "v"}, "location": {"kind": "location", "external_id": "l"}},
        value=lambda number: f"{number}.4",
    ),
}


@dataclass(frozen=True)
class Manner:
    """How a vendor is: `versions` by `counter`, `time`, `second` or `none`; what it does to values; what it refuses;
    whether its answer to a write tells what it has now."""

    versions: str = "counter"
    keeps: str = "plain"
    refuses: str | None = None
    answers: bool = True

    def normal(self, value: Any) -> Any:
        """A value as this vendor keeps it."""
        if not isinstance(value, str):
            return value
        if self.keeps == "trim":
            return value.strip()
        if self.keeps == "fold":
            return value.strip().upper()
        if self.keeps == "round" and value.replace(".", "").isdigit():
            return value.partition(".")[0]
        return value


class Vendor(Sandbox):
    """One vendor with one record; what it would tell of it stands in `untold` until it is told."""

    def __init__(self, name: str, kind: Kind, manner: Manner, clock: ManualClock) -> None:
        super().__init__(clock.now)
        self.name, self.kind, self.manner = name, kind, manner
        self.record: dict[str, Any] | None = None
        self.changes = 0
        self.writes = 0
        self.untold: list[Outgoing] = []
        self.told: list[tuple[Any, Outgoing]] = []

    @property
    def version(self) -> Any:
        """The version of the record now."""
        now = self.now()
        return {"counter": self.changes, "time": now.isoformat(), "second": now.replace(microsecond=0).isoformat()}.get(
            self.manner.versions
        )

    def respond(self, request: SandboxRequest) -> Response:
        self.writes += 1
        self.store({name: value for name, value in request.json().items() if name != self.manner.refuses})
        return json_response(self.shown())

    def store(self, values: Mapping[str, Any]) -> None:
        """Change the record, whoever asks for it, and have something to tell."""
        kept = {name: self.manner.normal(value) for name, value in values.items()}
        if self.record is not None and all(self.record.get(name) == value for name, value in kept.items()):
            return
        self.record = {**(self.record or {}), **kept}
        self.changes += 1
        body = json.dumps(self.shown()).encode()
        headers = {"x-id": f"{self.name}-{self.changes}"}
        self.untold.append(Outgoing(f"http://b/in/{self.name}", headers, body))

    def shown(self) -> dict[str, Any]:
        """The record with its version and what this vendor stamps by itself."""
        return {"record": self.record, "version": self.version, "changed": self.now().isoformat()}


def _snapshot(kind: Kind, manner: Manner, name: str, shown: dict[str, Any], only: set[str] | None = None) -> Snapshot:
    record = {field: value for field, value in shown["record"].items() if only is None or field in only}
    if "updated_at" in kind.model.model_fields and only is None:
        record["updated_at"] = shown["changed"]
    version = shown["version"]
    return Snapshot(
        kind.made({**record, "vendor": {f"{name}_at": shown["changed"]}}) if only is None else kind.made(record),
        f"{name}-1",
        datetime.fromisoformat(version) if isinstance(version, str) else version,
    )


def connector(name: str, kind: Kind, manner: Manner) -> AnyConnector:
    """A connector for one such vendor."""

    def translate(settings: Settings, inbound: Inbound) -> list[Snapshot]:
        shown: Any = inbound.json()
        return [_snapshot(kind, manner, name, shown)]

    async def write(settings: Settings, entity: Any, delivery: Delivery, http: Http) -> Receipt:
        told: Any = entity.model_dump(mode="json", exclude_unset=True)
        body = {field: told[field] for field in kind.fields if field in told}
        answer: Any = (await http.put("/record", json=body, step="put", protection=Upsert())).json()
        seen = (_snapshot(kind, manner, name, answer, set(body)),) if manner.answers else ()
        return Receipt((Reference(kind.model.KIND, f"{name}-1"),), seen)

    def normal(settings: Settings, entity: Any) -> Any:
        kept = {
            field: manner.normal(str(getattr(entity, field)) if getattr(entity, field) is not None else None)
            for field in kind.fields
            if field in entity.model_fields_set
        }
        return type(entity).model_validate({**entity.model_dump(exclude_unset=True), **kept})

    slot: Deliver[Any] = deliver(kind.model, write, normal=normal)
    return Connector(
        name=name,
        title=name,
        settings=Settings,
        base_url=lambda settings: f"http://{name}.example",
        webhook=Webhook(
            delivery_id=Native("x-id"),
            verify=lambda settings, inbound, now: Verdict.OK,
            translate=translate,
            redelivery=Redelivery(on_5xx=True, lasts=timedelta(hours=1)),
        ),
        delivers=(slot,),
        emits=(kind.model.KIND,),
    )


class Slow(SandboxTransport):
    """Requests take a while to arrive, and their answers a while to come back."""

    def __init__(self, sandboxes: Mapping[str, Sandbox], clock: ManualClock) -> None:
        super().__init__(sandboxes)
        self.clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.clock.sleep(0.3)
        answer = await super().handle_async_request(request)
        await self.clock.sleep(0.3)
        return answer


class Ring:
    """Channels that all get what any of them changes. `async with ring.bridge():` runs it."""

    def __init__(self, kind: str, manners: Mapping[str, Manner], owners: Mapping[str, str] | None = None) -> None:
        self.kind = KINDS[kind]
        self.clock = ManualClock()
        self.manners = manners
        self.vendors = {name: Vendor(name, self.kind, manner, self.clock) for name, manner in manners.items()}
        names = json.dumps(list(manners))
        toml = "".join(f'[channels.{name}]\nconnector = "{name}"\n' for name in manners)
        if owners:
            toml += "[ownership]\n" + "".join(f'"{kind}.{name}" = "{owner}"\n' for name, owner in owners.items())
        toml += f'[[routes]]\nname = "ring"\nevents = ["{kind}.*"]\nto = {names}\n'
        self.bridge = TestBridge(
            toml,
            connectors=[connector(name, self.kind, manner) for name, manner in manners.items()],
            clock=self.clock,
            vendors=Slow({f"{name}.example": vendor for name, vendor in self.vendors.items()}, self.clock),
            look_every=3600,
        )
        self.edits = 0
        self.lately: list[tuple[str, str]] = []
        """Where and in which field there were edits since it was at rest."""
        self.untellable: set[str] = set()
        self.parents: dict[int, tuple[str, set[int]]] = {}
        """For each edit its field, and the edits that whoever made it could see."""

    # -- what may happen ---------------------------------------------------------------------------------------------

    async def edit(self, name: str, which: int) -> None:
        """Somebody changes a field at a vendor, where there is a record."""
        vendor = self.vendors[name]
        if vendor.record is None and self.edits:
            return
        field = self.kind.fields[which]
        self.edits += 1
        seen = self.kind.number((vendor.record or {}).get(field))
        before = {seen, *self.parents[seen][1]} if seen is not None and seen in self.parents else set[int]()
        self.parents[self.edits] = (field, before)
        first = {} if self.edits > 1 else dict.fromkeys(self.kind.fields, self.kind.value(0))
        vendor.store({**first, field: self.kind.value(self.edits)})
        self.lately.append((name, field))

    async def hear(self, name: str, index: int, *, again: bool = False) -> None:
        """One of the things that a vendor has to tell arrives, not always in order, sometimes once more."""
        vendor = self.vendors[name]
        if again:
            if vendor.told and vendor.manner.versions in ("counter", "time"):
                _, outgoing = vendor.told[index % len(vendor.told)]
                await self._tell(Outgoing(outgoing.url, {"x-id": f"{outgoing.headers['x-id']}-again"}, outgoing.body))
            return
        if not vendor.untold:
            return
        # Without versions that tell, nobody could say which came first.
        ordered = vendor.manner.versions in ("none", "second")
        outgoing = vendor.untold.pop(0 if ordered else index % len(vendor.untold))
        vendor.told.append((None, outgoing))
        await self._tell(outgoing)

    async def _tell(self, outgoing: Outgoing) -> None:
        reply = await self.bridge.receive(outgoing)
        assert reply.status == 200

    async def wait(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        await self.bridge.settle(seconds)

    # -- what must hold ----------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Hear everything and let everything happen, until nothing does any more. Fails where that never comes."""
        for _ in range(30):
            for name, vendor in self.vendors.items():
                while vendor.untold:
                    await self.hear(name, 0)
            await self.wait(5)
            if not any(vendor.untold for vendor in self.vendors.values()):
                self._rested()
                return
        raise AssertionError("it does not come to rest")

    def _rested(self) -> None:
        """Without versions nobody can tell an edit that was overwritten on its way from one that was taken back."""
        if len(self.lately) > 1:
            told = [part for name, part in self.lately if self.manners[name].versions in ("none", "second")]
            self.untellable.update(told)
        self.lately.clear()

    async def check(self) -> None:
        """All ends are equal as each keeps it; no edit was swallowed; nobody was written to more than need be."""
        kind = self.kind.model.KIND
        stored = await self.bridge.journal.events(limit=10_000)
        ids = {str(event.event.subject) for event in stored if event.event.name.startswith(f"{kind}.")}
        if not ids:
            return
        [id_] = ids
        [(content, _)] = (await self.bridge.journal.entities([(kind, id_)])).values()
        entity = json.loads(content)["entity"]
        for name, vendor in self.vendors.items():
            for part in self.kind.fields:
                if part == vendor.manner.refuses or vendor.record is None:
                    continue
                assert vendor.record.get(part) == vendor.manner.normal(entity.get(part)), (name, part)
            assert vendor.writes <= 2 * self.edits, (name, vendor.writes, self.edits)
        for part in {*self.kind.fields} - self.untellable:
            held = self.kind.number(entity[part])
            later = [edit for edit, (of, seen) in self.parents.items() if of == part and held in seen]
            assert not later, f"{part} is edit {held} although {later} came after it"
        assert [
            row for row in await self.bridge.journal.deliveries(limit=10_000) if row.state in ("dead", "unknown")
        ] == []
