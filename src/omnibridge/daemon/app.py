"""What the daemon serves: the ingress, and beside it health and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import to_json

from omnibridge.bridge import Bridge
from omnibridge.daemon.metrics import render
from omnibridge.errors import StorageError

__all__ = ["DaemonApp"]

Message = MutableMapping[str, Any]


class DaemonApp:
    """`/livez`, `/readyz`, `/metrics`, and everything that the ingress serves."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._ingress = bridge.asgi(impatient=False)
        self.stopping = False

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """One connection scope."""
        if scope["type"] == "http":
            path = scope["path"]
            if path == "/livez":
                return await _reply(send, 200, b"alive\n", "text/plain")
            if path == "/readyz":
                status, report = await self._ready()
                return await _reply(send, status, to_json(report), "application/json")
            if path == "/metrics":
                return await _reply(send, 200, await render(self._bridge), "text/plain; version=0.0.4; charset=utf-8")
        return await self._ingress(scope, receive, send)

    async def _ready(self) -> tuple[int, dict[str, Any]]:
        bridge = self._bridge
        report: dict[str, Any] = {"ready": not self.stopping, "channels": {}}
        try:
            await bridge.journal.event("000000")
        except StorageError as error:
            report.update(ready=False, journal=error.what)
        now = bridge.clock.monotonic()
        trouble = bridge.ingress.trouble.seen(now)
        if trouble is not None:
            report.update(ready=False, journal=trouble)
        for name, worker in bridge.workers.items():
            seen = bridge.ingress.forgeries.get(name)
            if seen is not None and seen.red(now):
                report["channels"][name] = "red: many deliveries fail their signature; is our webhook secret right?"
            elif worker.stopped is not None:
                report["channels"][name] = f"stopped: {worker.stopped}; its deliveries are dead letters until a restart"
            elif worker.held:
                report["channels"][name] = "amber: its system does not answer; deliveries wait"
            else:
                report["channels"][name] = "green"
        for name, reason in bridge.config.disabled.items():
            report["channels"][name] = f"disabled: {reason}"
        return (200 if report["ready"] else 503), report


async def _reply(send: Callable[[Message], Awaitable[None]], status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
