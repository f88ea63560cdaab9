"""The vendors of a ring: each keeps records in its own way, tells of them late, and is written to by its connector.

Stock is kept at two places, which have the same ids everywhere; of all else there is one record.
"""

from __future__ import annotations

import json
from collections import Counter
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
from omnibridge.testing import ManualClock, SandboxTransport

__all__ = ["KINDS", "Kind", "Manner", "Slow", "Vendor", "connector"]


@dataclass(frozen=True)
class Kind:
    """What the vendors keep: the model, the fields that people edit, and what else a record must have."""

    model: type[Entity]
    fields: tuple[str, str]
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    places: tuple[str, ...] = ("1",)
    value: Callable[[int], Any] = lambda number: f" Value {number}"
    nothing: Any = None

    def number(self, value: Any) -> int | None:
        """Which edit a value is, as any vendor keeps it."""
        digits = "".join(c for c in str(value).partition(".")[0] if c.isdigit())
        return int(digits) if digits else None

    def made(self, place: str, record: Mapping[str, Any]) -> Entity:
        """The entity that a record is."""
        base = {name: Ref(kind=name, external_id=value or place) for name, value in self.base.items()}
        return self.model.model_validate({**base, **record})


KINDS = {
    "customer": Kind(Customer, ("given_name", "note")),
    "product": Kind(Product, ("title", "description")),
    "inventory": Kind(
        InventoryLevel,
        ("available", "on_hand"),
        {"variant": "v", "location": None},
        ("1", "2"),
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
    """One vendor with a record for each place; what it would tell of them stands in `untold` until it is told."""

    def __init__(self, name: str, kind: Kind, manner: Manner, clock: ManualClock) -> None:
        super().__init__(clock.now)
        self.name, self.kind, self.manner = name, kind, manner
        self.kept: dict[str, dict[str, Any]] = {}
        self.changes: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.untold: list[Outgoing] = []
        self.told: list[tuple[Any, Outgoing]] = []

    @property
    def record(self) -> dict[str, Any] | None:
        """The record, of a kind that has one."""
        [place] = self.kind.places
        return self.kept.get(place)

    def version(self, place: str) -> Any:
        """The version of a record now."""
        now, changes = self.now(), self.changes[place]
        return {"counter": changes, "time": now.isoformat(), "second": now.replace(microsecond=0).isoformat()}.get(
            self.manner.versions
        )

    def respond(self, request: SandboxRequest) -> Response:
        place = request.path.rpartition("/")[2]
        self.writes[place] += 1
        self.store(place, {name: value for name, value in request.json().items() if name != self.manner.refuses})
        return json_response(self.shown(place))

    def store(self, place: str, values: Mapping[str, Any]) -> None:
        """Change a record, whoever asks for it, and have something to tell."""
        kept = {name: self.manner.normal(value) for name, value in values.items()}
        record = self.kept.get(place)
        if record is not None and all(record.get(name) == value for name, value in kept.items()):
            return
        self.kept[place] = {**(record or {}), **kept}
        self.changes[place] += 1
        body = json.dumps(self.shown(place)).encode()
        headers = {"x-id": f"{self.name}-{place}-{self.changes[place]}"}
        self.untold.append(Outgoing(f"http://b/in/{self.name}", headers, body))

    def shown(self, place: str) -> dict[str, Any]:
        """A record with its version and what this vendor stamps by itself."""
        version, changed = self.version(place), self.now().isoformat()
        return {"place": place, "record": self.kept[place], "version": version, "changed": changed}


def _snapshot(kind: Kind, manner: Manner, name: str, shown: dict[str, Any], only: set[str] | None = None) -> Snapshot:
    record = {field: value for field, value in shown["record"].items() if only is None or field in only}
    if "updated_at" in kind.model.model_fields and only is None:
        record["updated_at"] = shown["changed"]
    version, place = shown["version"], shown["place"]
    if only is None:
        record["vendor"] = {f"{name}_at": shown["changed"]}
    return Snapshot(
        kind.made(place, record),
        f"{name}-{place}",
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
        place = delivery.external(entity.location) if isinstance(entity, InventoryLevel) else "1"
        answer: Any = (await http.put(f"/record/{place}", json=body, step="put", protection=Upsert())).json()
        seen = (_snapshot(kind, manner, name, answer, set(body)),) if manner.answers else ()
        return Receipt((Reference(kind.model.KIND, f"{name}-{place}"),), seen)

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
