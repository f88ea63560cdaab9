"""The HTTP face as a plain ASGI application: caps on everything, clear answers, no framework in between."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import structlog

from omnibridge.connector import Reply
from omnibridge.errors import trail
from omnibridge.ingress.ingress import Ingress

__all__ = ["IngressApp", "Limits"]

_log = structlog.get_logger("omnibridge.ingress")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Limits:
    """Bounds of one request: `body` and `unpacked` in bytes, `headers` in bytes over all, `seconds` for the body
    (None: the server sees to that itself, by one timer a connection instead of one a request).

    An event of 64 KiB must be forwarded, and in binary mode all of it but its data is headers.
    """

    __slots__ = ("body", "headers", "seconds", "unpacked")

    def __init__(
        self,
        *,
        body: int = 2 * 1024 * 1024,
        unpacked: int = 8 * 1024 * 1024,
        headers: int = 72 * 1024,
        seconds: float | None = 15.0,
    ) -> None:
        self.body = body
        self.unpacked = unpacked
        self.headers = headers
        self.seconds = seconds


class _TooMuch(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Gone(Exception):
    """The client hung up before its body was complete."""


class IngressApp:
    """Serves `/in/{channel}[/{secret}]` and `/events`; mount it in any ASGI framework.

    `ingress()` is None while the bridge does not run; everything is answered 503 then.
    """

    def __init__(self, ingress: Callable[[], Ingress | None], limits: Limits | None = None) -> None:
        self._ingress = ingress
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection scope."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        try:
            reply = await self._answer(scope, path, receive)
        except _TooMuch as error:
            # What is left of the request is not read, so nothing can follow it on this connection.
            ending = {"connection": "close"} if scope.get("http_version", "1.1")[0] == "1" else {}
            reply = Reply(error.status, f"{error}\n".encode(), "text/plain; charset=utf-8", ending)
        except _Gone:
            return
        except Exception as error:
            _log.error("request failed", exception=trail(error))
            reply = Reply(500, b"internal error; nothing was stored\n", "text/plain; charset=utf-8")
        await _send(send, reply, scope["method"])

    async def _answer(self, scope: Scope, path: str, receive: Receive) -> Reply:
        method: str = scope["method"]
        ingress = self._ingress()
        if ingress is None:
            return Reply(503, b"not running yet; try again\n", "text/plain; charset=utf-8", {"retry-after": "5"})
        if path.startswith("/in/"):
            channel, _, secret = path[4:].partition("/")
            headers = self._headers(scope)
            body = await self._body(headers, receive) if method == "POST" else b""
            query = scope["query_string"].decode("latin-1")
            return await ingress.webhook(channel, secret or None, method, query, headers, body)
        if path == "/events":
            if method == "OPTIONS":
                return ingress.greet_events(self._headers(scope))
            if method != "POST":
                return Reply(405, b"events are POSTed\n", "text/plain; charset=utf-8", {"allow": "POST"})
            headers = self._headers(scope)
            body = await self._body(headers, receive)
            return await ingress.events(headers, scope["query_string"].decode("latin-1"), body)
        return Reply(404, b"nothing is here\n", "text/plain; charset=utf-8")

    def _headers(self, scope: Scope) -> dict[str, str]:
        found: dict[str, str] = {}
        size = 0
        for raw_name, raw_value in scope["headers"]:
            size += len(raw_name) + len(raw_value)
            if size > self._limits.headers:
                raise _TooMuch(431, f"headers are larger than {self._limits.headers} bytes")
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in found and name not in _LISTS:
                raise _TooMuch(400, f"the header {name[:64]!r} came twice")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        most = self._limits.body
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > most):
            raise _TooMuch(413, f"the body is larger than {most} bytes")
        if self._limits.seconds is None:
            raw = await _collect(receive, most)
        else:
            try:
                with anyio.fail_after(self._limits.seconds):
                    raw = await _collect(receive, most)
            except TimeoutError:
                raise _TooMuch(408, "the body did not come in time") from None
        return self._unpacked(raw, headers.get("content-encoding", "").strip().lower())

    def _unpacked(self, raw: bytes, encoding: str) -> bytes:
        if encoding in ("", "identity"):
            return raw
        if encoding not in ("gzip", "deflate"):
            raise _TooMuch(415, "content-encoding must be gzip or deflate")
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS if encoding == "gzip" else zlib.MAX_WBITS)
        try:
            body = unpack.decompress(raw, self._limits.unpacked)
        except zlib.error:
            raise _TooMuch(400, "the compressed body is damaged") from None
        if unpack.unconsumed_tail:
            raise _TooMuch(413, f"the unpacked body is larger than {self._limits.unpacked} bytes")
        if not unpack.eof or unpack.unused_data:
            raise _TooMuch(400, "the compressed body is cut short, or something follows it")
        return body


_LISTS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)


async def _collect(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _TooMuch(413, f"the body is larger than {most} bytes")
        parts.append(chunk)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, reply: Reply, method: str) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode())]
    if reply.content_type:
        headers.append((b"content-type", reply.content_type.encode("latin-1")))
    headers.extend((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items())
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
