"""What the demonstration's journal holds, read beside the running daemon, and how to wait until it has settled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from omnibridge.cli.demo_stage import Stage
from omnibridge.clock import SystemClock
from omnibridge.journal import (
    DeliveryRow,
    DeliveryState,
    InboxRow,
    Journal,
    KeyringSeal,
    StoredEvent,
    Task,
    open_journal,
)

__all__ = ["Ledger", "read", "settle"]

_ALL = 10_000
_OPEN = (DeliveryState.READY, DeliveryState.QUEUED)
_RECURRING = (Task.POLL, Task.SUBSCRIBE)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything in the journal, oldest first; deliveries that failed once or more with their history."""

    events: Sequence[StoredEvent]
    deliveries: Sequence[DeliveryRow]
    inbox: Sequence[InboxRow]


def read(stage: Stage) -> Ledger:
    """The journal as it is now."""
    return anyio.run(_read, stage)


def settle(stage: Stage, seconds: float = 40.0) -> list[str]:
    """Wait until everything is delivered and no vendor has anything to tell; what is still open after `seconds`."""
    return anyio.run(_settle, stage, seconds)


@asynccontextmanager
async def _journal(stage: Stage) -> AsyncGenerator[Journal]:
    seal = KeyringSeal.load(stage.config.keyring_path, create=False)
    async with open_journal(stage.config.journal_path, seal=seal, clock=SystemClock(), attach=True) as journal:
        yield journal


async def _read(stage: Stage) -> Ledger:
    async with _journal(stage) as journal:
        deliveries: list[DeliveryRow] = []
        for row in reversed(await journal.deliveries(limit=_ALL)):
            whole = await journal.delivery(row.id) if row.attempts else None
            deliveries.append(whole or row)
        return Ledger(
            [*reversed(await journal.events(limit=_ALL))],
            deliveries,
            [*reversed(await journal.inbox(limit=_ALL))],
        )


async def _settle(stage: Stage, seconds: float) -> list[str]:
    open_: list[str] = []
    async with _journal(stage) as journal:
        still = 0
        with anyio.move_on_after(seconds):
            while still < 3:
                open_ = await _unfinished(journal)
                if not stage.quiet:
                    open_.append("a vendor has webhooks to hand over")
                still = 0 if open_ else still + 1
                await anyio.sleep(0.1)
    return open_


async def _unfinished(journal: Journal) -> list[str]:
    now = SystemClock().now()
    rows = [row for state in _OPEN for row in await journal.deliveries(state=state.value, limit=_ALL)]
    waiting = [
        f"{row.channel}: {row.operation}" + (f" ({row.last.text})" if row.last is not None and row.last.text else "")
        for row in rows
        if row.task not in _RECURRING or row.due <= now or row.attempts > 0
    ]
    pending = await journal.inbox(state="pending", limit=_ALL)
    return waiting + [f"{row.channel}: came in and is not processed" for row in pending]
