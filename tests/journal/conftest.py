"""Values for the journal's tests, a clock whose hands they move, and a journal of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import anyio
import pytest

from omnibridge.event import Event
from omnibridge.journal import (
    Attempt,
    ClearSeal,
    DeliveryState,
    EntityKey,
    EntityWrite,
    NewDelivery,
    NewInbox,
    Origin,
    Processed,
    ReferenceWrite,
    Settled,
    ShadowWrite,
    SqliteJournal,
    StoredEvent,
    Task,
    open_journal,
)
from omnibridge.journal.seal import GENERAL

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def wait(self, event: anyio.Event, seconds: float | None) -> bool:
        await event.wait()
        return True

    def random(self) -> float:
        return 0.5


class MarkSeal(ClearSeal):
    """Stores payloads mirrored behind their context, so that a forgotten seal, open or context is seen."""

    def seal(self, payload: bytes, context: str, key: int = GENERAL) -> bytes:
        return context.encode() + b":" + payload[::-1]

    def open(self, sealed: bytes, context: str) -> bytes:
        mark = context.encode() + b":"
        assert sealed.startswith(mark), (sealed, context)
        return sealed[len(mark) :][::-1]


class Make:
    """Values with what a test does not care about filled in."""

    now = START

    def after(self, **parts: float) -> datetime:
        return START + timedelta(**parts)

    def key(self, name: str) -> str:
        return str(uuid5(UUID(int=1), name))

    def inbox(self, body: bytes = b"body", dedupe: str | None = None, channel: str = "shop", **more) -> NewInbox:
        return NewInbox(channel, more.pop("origin", Origin.WEBHOOK), body, more.pop("received", START), dedupe, **more)

    def entity_key(self, id: str = "1", channel: str = "shop", kind: str = "order") -> EntityKey:
        return EntityKey(channel, kind, id)

    def reference(self, external: str = "1", id: str = "o1", channel: str = "shop", kind: str = "order"):
        return ReferenceWrite(channel, kind, external, id)

    def shadow(self, external: str = "1", rev: int = 0, content: bytes = b"{}", version: str | None = "1", **more):
        return ShadowWrite(more.pop("channel", "shop"), "order", external, rev, content, version, **more)

    def entity(self, id: str = "o1", rev: int = 0, content: bytes = b"{}") -> EntityWrite:
        return EntityWrite("order", id, rev, content)

    def event(self, id: str = "event-1", channel: str = "shop", **more) -> StoredEvent:
        recorded = more.pop("recorded", START)
        inbox_id = more.pop("inbox_id", None)
        return StoredEvent(
            Event(**{"id": id, "source": "/t/acme/shop", "type": "x.placed", "subject": "o1", **more}),
            channel,
            recorded,
            inbox_id=inbox_id,
        )

    def delivery(self, name: str, lane: str | None = None, channel: str = "erp", **more) -> NewDelivery:
        return NewDelivery(
            key=self.key(name),
            channel=channel,
            task=more.pop("task", Task.DELIVER),
            operation=more.pop("operation", "order"),
            lane=name if lane is None else lane,
            due=more.pop("due", START),
            **more,
        )

    def attempt(self, outcome: str = "success", at: datetime = START, **more) -> Attempt:
        return Attempt(at, outcome, more.pop("seconds", 0.25), **more)

    def settled(self, id: int, state: str = "done", **more) -> Settled:
        return Settled(id, DeliveryState(state), more.pop("attempt", self.attempt()), **more)

    def processed(self, inbox_id: int, **more) -> Processed:
        return Processed(inbox_id, **more)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def seal() -> MarkSeal:
    return MarkSeal()


@pytest.fixture
def opened(clock: HandClock, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[SqliteJournal]]:
    """Opens a journal in a file of this test."""

    def open_one(name: str = "journal.db", **more) -> AbstractAsyncContextManager[SqliteJournal]:
        return open_journal(tmp_path / name, seal=more.pop("seal", ClearSeal()), clock=clock, **more)

    return open_one


@pytest.fixture(params=["file", "memory"])
async def journal(
    request: pytest.FixtureRequest, clock: HandClock, seal: MarkSeal, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[SqliteJournal]:
    path = tmp_path / "journal.db" if request.param == "file" else None
    async with open_journal(path, seal=seal, clock=clock) as one:
        yield one
        assert await one.check_integrity() == []
