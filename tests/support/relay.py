"""A vendor that listens on loopback, for bridges and drives that are handed a sandbox: requests go over a socket."""

from __future__ import annotations

import gzip
import http.client

from omnibridge.connector import Response, Sandbox, SandboxRequest

__all__ = ["Relay"]


class Relay(Sandbox):
    """Whoever listens at a port of this machine, as a sandbox."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.encoding: str | None = None
        """How the last answer was compressed; what is handed on is plain."""

    def respond(self, request: SandboxRequest) -> Response:
        """The answer of whoever listens there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            got = connection.getresponse()
            body = got.read()
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in got.getheaders()}
        self.encoding = headers.pop("content-encoding", None)
        if self.encoding == "gzip":
            body = gzip.decompress(body)
        return Response(got.status, headers, body)
