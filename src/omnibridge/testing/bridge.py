"""An in-memory bridge for tests: sandboxes instead of vendors, a clock in your hand, deliveries posted without HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import anyio
import anyio.lowlevel

from omnibridge.bridge import Bridge
from omnibridge.config import parse
from omnibridge.connector import AnyConnector, Outgoing, Reply, Sandbox
from omnibridge.journal import Journal
from omnibridge.registry import Registry
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.transport import SandboxTransport

__all__ = ["TestBridge"]

_STILL = 60
"""Turns of the event loop without any progress after which nothing will move until the clock does."""


class TestBridge(Bridge):
    """`TestBridge(toml, sandboxes={"shop.example": sandbox})`: everything real but network, disk and time.

    `look_every`: seconds after which it looks at its journal unasked. A test of many days takes some hours, so that
    they pass quickly; it calls `wake()` when it changed the journal itself.
    """

    __test__ = False

    def __init__(
        self,
        toml: str = "",
        *,
        sandboxes: Mapping[str, Sandbox] | None = None,
        connectors: Iterable[AnyConnector] = (),
        env: Mapping[str, str] | None = None,
        clock: ManualClock | None = None,
        journal: Journal | None = None,
        vendors: SandboxTransport | None = None,
        look_every: float = 5.0,
    ) -> None:
        self.time = clock or ManualClock()
        self._look_every = look_every
        self.vendors = vendors or SandboxTransport(sandboxes or {})
        connectors = tuple(connectors)
        config = parse(toml, env or {}, Registry(connectors), name="bridge.toml", folder=Path())
        super().__init__(
            config, connectors=connectors, memory=True, journal=journal, clock=self.time, transport=self.vendors
        )

    async def _start(self) -> None:
        await super()._start()
        for looking in (self.processor, *self.workers.values()):
            looking.look_every = self._look_every

    async def receive(self, outgoing: Outgoing) -> Reply:
        """Take in a webhook as the daemon would."""
        path, _, query = outgoing.url.partition("?")
        _, _, tail = path.partition("/in/")
        channel, _, secret = tail.partition("/")
        headers = {name.lower(): value for name, value in outgoing.headers.items()}
        return await self.ingress.webhook(channel, secret or None, "POST", query, headers, outgoing.body)

    async def settle(self, seconds: float = 0.0) -> None:
        """Let everything that is due happen, over `seconds` of the clock, vendors' webhooks included."""
        until = self.time.monotonic() + seconds
        while True:
            await self._quiet()
            alarm = self.time.next_alarm()
            left = until - self.time.monotonic()
            if alarm is None or alarm > left:
                break
            await self.time.advance(max(alarm, 0.001))
        if until > self.time.monotonic():
            await self.time.advance(until - self.time.monotonic())
            await self._quiet()

    async def idle(self) -> None:
        """Return when nothing moves any more at this moment of the clock; somebody may still sleep on it."""
        still = 0
        before = self._progress()
        while still < _STILL:
            await anyio.lowlevel.checkpoint()
            now = self._progress()
            still = still + 1 if now == before else 0
            before = now

    async def drain(self) -> None:
        """Stop in order. What sleeps on the clock is not waited for: nobody moves the hands any more."""
        self.processor.stop()
        for worker in self.workers.values():
            worker.stop()
        await self.idle()

    def _progress(self) -> tuple[int, ...]:
        settled = sum(sum(worker.outcomes.values()) for worker in self.workers.values())
        asked = sum(len(box.log) for box in self.vendors.sandboxes.values())
        return self.processor.handled, settled, asked, self.time.sleeping

    async def _quiet(self) -> None:
        while True:
            await self.idle()
            sent = [box.outbox.popleft() for box in self.vendors.sandboxes.values() for _ in range(len(box.outbox))]
            if not sent:
                return
            for outgoing in sent:
                await self.receive(outgoing)
