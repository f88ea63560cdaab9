"""What the Square tests share: settings, a sandbox with a clock, deliveries, and exchanges that can be interrupted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from omnibridge_square.connector import CONNECTOR
from omnibridge_square.sandbox import SquareSandbox
from omnibridge_square.settings import SquareSettings

from omnibridge.connector import Delivery, Emit, Http, Inbound, Keep, Receipt, Reference, Request, Response, Send
from omnibridge.event import Event
from omnibridge.model import Command, Entity, canonical_id
from omnibridge.testing import Drive

URL = "https://bridge.example.com/in/till"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Rig:
    """A channel with its sandbox; `deliver` runs an entity's delivery with what was kept before."""

    settings: SquareSettings
    sandbox: SquareSandbox
    now: datetime = NOW
    references: dict[tuple[str, str], str] = field(default_factory=dict)
    related: dict[tuple[str, str], Entity] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    answers: list[tuple[Request, Response]] = field(default_factory=list)
    known: Entity | None = None

    def id(self, kind: str, name: str = "1") -> str:
        """A canonical id."""
        return canonical_id("shop", kind, name)

    def drive(self) -> Drive[SquareSettings]:
        return Drive(CONNECTOR, self.settings, self.sandbox, self.now)

    def run(self, make: Callable[[Http], Coroutine[Any, Any, Any]]) -> Any:
        drive = self.drive()
        try:
            return drive.run(make)
        finally:
            self.requests += drive.requests

    def delivery(self, entity: Entity, key: str | None = None, verb: str = "updated") -> Delivery:
        id_ = entity.id or self.id(entity.KIND)
        event = Event.make(
            f"io.omnibridge.{entity.KIND}.{verb}.v1", entity, id="evt-1", source="/t/shopify/shop", subject=id_
        )
        own = self.references.get((entity.KIND, id_))
        return Delivery(
            key or "key",
            "till",
            event,
            own=own,
            references=dict(self.references),
            related=dict(self.related),
            known=self.known,
        )

    def deliver(self, entity: Entity, key: str | None = None, crash_at: int | None = None) -> Receipt:
        """One attempt; the effect number `crash_at` is not performed, or performed and its answer lost (negative)."""
        key = key or str(uuid5(NAMESPACE_URL, f"{entity.KIND} {entity.model_dump_json(exclude_unset=True)}"))
        delivery = self.delivery(entity, key)
        [deliver] = [one for one in CONNECTOR.delivers if one.accepts is type(entity)]
        http = Http(lambda step: f"{key[: -len(step)]}{step}" if len(step) < 20 else step)
        coroutine = deliver.run(self.settings, entity, delivery, http)
        drive, answer, number = self.drive(), None, 0
        done = Driven()
        try:
            while True:
                try:
                    effect = coroutine.send(answer)
                except StopIteration as stop:
                    self._settle(stop.value, entity)
                    return stop.value
                number += 1
                if crash_at == number:
                    raise Crash
                answer = drive._perform(effect, done)  # pyright: ignore[reportArgumentType, reportPrivateUsage]
                if isinstance(effect, Send):
                    self.answers.append((effect.request, answer))
                if isinstance(effect, Keep):
                    self._keep(effect.reference, entity)
                if isinstance(effect, Emit):
                    raise AssertionError("a delivery emits nothing")
                if crash_at == -number:
                    raise Crash
        finally:
            coroutine.close()
            self.requests += drive.requests

    def _keep(self, reference: Reference, entity: Entity) -> None:
        id_ = reference.id or entity.id or self.id(entity.KIND)
        self.references[reference.kind, id_] = reference.external_id

    def _settle(self, receipt: Receipt, entity: Entity) -> None:
        for reference in receipt.references:
            self._keep(reference, entity)

    def command(self, command: Command, key: str = "key") -> Receipt:
        """A command carried out, in one attempt."""
        event = Event.make(f"io.omnibridge.command.{command.KIND}.v1", command, id="evt-1", source="/t/desk")
        delivery = Delivery(key, "till", event, references=dict(self.references), related=dict(self.related))
        [deliver] = [one for one in CONNECTOR.delivers if one.accepts is type(command)]
        http = Http(lambda step: f"{key}-{step}"[:45])
        return self.run(lambda _: deliver.run(self.settings, command, delivery, http)).result

    def inbound(self, body: bytes, headers: dict[str, str] | None = None, url: str = URL) -> Inbound:
        return Inbound("till", url, headers or {}, body, self.now)

    def later(self, **span: float) -> None:
        """Time passes."""
        self.now += timedelta(**span)


@dataclass
class Driven:
    """What `Drive` notes an exchange in."""

    result: Any = None
    requests: list[Request] = field(default_factory=list)
    kept: list[Reference] = field(default_factory=list)
    pages: list[Any] = field(default_factory=list)


@pytest.fixture
def rig() -> Rig:
    settings = SquareSettings(
        access_token="test-token",  # pyright: ignore[reportArgumentType]
        signature_keys=("new-key", "old-key"),  # pyright: ignore[reportArgumentType]
        location_id="L-MAIN",
        region="DK",
    )
    made = Rig(settings, SquareSandbox(token="test-token", signature_key="new-key", webhook_url=URL))
    made.sandbox.now = lambda: made.now
    return made


@pytest.fixture
def crash() -> type[Crash]:
    return Crash


@pytest.fixture
def url() -> str:
    return URL
