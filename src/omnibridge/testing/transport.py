"""An httpx transport that hands requests to sandboxes in the same process: no sockets, no network."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from omnibridge.connector import LostAnswer, Sandbox, SandboxRequest

__all__ = ["SandboxTransport"]


class SandboxTransport(httpx.AsyncBaseTransport):
    """`sandboxes` by host (with the port, where there is one). An unknown host refuses the connection."""

    def __init__(self, sandboxes: Mapping[str, Sandbox]) -> None:
        self.sandboxes = dict(sandboxes)
        self.down: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        host = request.url.netloc.decode()
        sandbox = self.sandboxes.get(host)
        if sandbox is None or host in self.down:
            raise httpx.ConnectError(f"nothing listens at {host}", request=request)
        body = await request.aread()
        try:
            answer = sandbox.handle(
                SandboxRequest(
                    request.method,
                    request.url.raw_path.decode("ascii"),
                    {name.lower(): value for name, value in request.headers.items()},
                    body,
                )
            )
        except LostAnswer:
            raise httpx.ReadTimeout("the answer was lost", request=request) from None
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content, request=request)
