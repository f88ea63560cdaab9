"""HTTP/1.1 on asyncio for one purpose: a whole request out, a whole answer back, and the truth about what came between.

httptools parses; here is only the pool and the judgement of what can have arrived. A general client costs eight times
as much for each request, and it repeats, redirects and remembers what a delivery must not.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httptools

from omnibridge.delivery.parcel import (
    CONNECT_SECONDS,
    MAX_ANSWER,
    Answer,
    BadAddress,
    Lost,
    NeverSent,
    Parcel,
    too_large,
    unpacked,
)

__all__ = ["AsyncioWire"]

KEEP_SECONDS = 4.0
"""How long an unused connection is kept: shorter than the five seconds after which common servers drop one, so that a
request seldom leaves on a connection that is just being closed and then nobody can tell whether it arrived."""
_MAX_HEAD = 128 * 1024
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_PLAIN = re.compile(r"[!-~]*")
_PORTS = {"http": 80, "https": 443}


class _Origin(NamedTuple):
    secure: bool
    host: str
    port: int


class _Connection(asyncio.Protocol):
    """One connection; one request at a time. httptools calls the `on_` methods."""

    transport: asyncio.Transport
    """Set as soon as the connection stands."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._bare = False
        self._head = 0
        self._headers: dict[str, str] | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size = 0
        self.idle_since = 0.0
        self.usable = False

    # -- asking ----------------------------------------------------------------------------------------------------

    async def ask(self, parcel: Parcel, head: bytes, seconds: float) -> Answer:
        """Send one request on this idle connection and read its answer. Raises Lost."""
        transport = self.transport
        self._bare = parcel.method == "HEAD"
        self._forget()
        waiter = self._waiter = self._loop.create_future()
        self.usable = False
        timer = self._loop.call_later(seconds, self._give_up, "no answer in time")
        try:
            if len(parcel.body) < 65536:
                transport.write(head + parcel.body)
            else:
                transport.writelines((head, parcel.body))
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None
            if not self.usable:
                transport.abort()

    def close(self) -> None:
        """Hang up."""
        self.usable = False
        self.transport.abort()

    def _forget(self) -> None:
        self._head = self._size = 0
        self._headers = None
        self._fields = []
        self._parts = []

    def _give_up(self, why: str | Lost) -> None:
        self.usable = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(why if isinstance(why, Lost) else Lost(why))
        self.transport.abort()

    # -- what the transport says -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self._waiter is None or self._waiter.done():
            self.usable = False  # nobody asked
            return
        if self._headers is None:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._give_up(f"not HTTP: {type(error).__name__}")
            return
        if self._headers is None and self._head > _MAX_HEAD:
            self._give_up("a head without an end")

    def eof_received(self) -> None:
        """The other side is done; asyncio closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, which may be how an answer without a length ends."""
        headers, self.usable = self._headers, False
        if self._waiter is None or self._waiter.done():
            return
        if exc is None and headers is not None and not ("content-length" in headers or "transfer-encoding" in headers):
            self._finish()
        else:
            self._give_up(type(exc).__name__ if exc is not None else "the connection was closed without an answer")

    # -- what the parser says --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody asked for ends the trust in this connection."""
        if self._waiter is None or self._waiter.done():
            self.usable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head, or of a trailer, which nobody reads."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._parser.get_status_code() < 200:
            self._fields = []
            return
        headers: dict[str, str] = {}
        for name, value in self._fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self._headers = headers
        if self._bare:
            self._finish()

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self._size += len(body)
        if self._size > MAX_ANSWER:
            self._give_up(too_large())
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """All of it is there; after `100 Continue` and its like the answer proper follows."""
        if self._headers is not None and not self._bare:
            # An answer before the whole request was written is one, but the rest would be read as the next request.
            self.usable = self._parser.should_keep_alive() and not self.transport.get_write_buffer_size()
            self._finish()

    def _finish(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        headers: Mapping[str, str] = self._headers or {}
        content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        try:
            answer = Answer(self._parser.get_status_code(), headers, unpacked(content, headers))
        except Lost as error:
            self._give_up(error)
        else:
            self._waiter.set_result(answer)


class AsyncioWire:
    """A pool of kept connections by origin. As many are open as workers send at the same time."""

    def __init__(self) -> None:
        self._idle: dict[_Origin, list[_Connection]] = {}
        self._addresses: dict[str, tuple[_Origin, str]] = {}
        self._tls: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange. Raises NeverSent, Lost, BadAddress."""
        origin, target = self._addresses.get(parcel.url) or self._address(parcel.url)
        head = _head(parcel, target)
        loop = asyncio.get_running_loop()
        seconds = parcel.seconds
        connection = self._kept(origin, loop.time())
        if connection is None:
            begun = loop.time()
            connection = await self._connect(loop, origin, min(CONNECT_SECONDS, seconds))
            seconds = max(0.001, seconds - (loop.time() - begun))
        answer = await connection.ask(parcel, head, seconds)
        if connection.usable:
            connection.idle_since = loop.time()
            self._idle.setdefault(origin, []).append(connection)
            if self._sweeping is None:
                self._sweeping = loop.call_later(KEEP_SECONDS, self._sweep, loop)
        return answer

    async def aclose(self) -> None:
        """Close every connection."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in (one for kept in self._idle.values() for one in kept):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # a hung-up transport is closed in the loop's next round

    def _kept(self, origin: _Origin, now: float) -> _Connection | None:
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if connection.usable and now - connection.idle_since < KEEP_SECONDS:
                return connection
            connection.close()
        return None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeping, now = None, loop.time()
        for origin, kept in list(self._idle.items()):
            fresh = [one for one in kept if one.usable and now - one.idle_since < KEEP_SECONDS]
            for connection in kept:
                if connection not in fresh:
                    connection.close()
            if fresh:
                self._idle[origin] = fresh
            else:
                del self._idle[origin]
        if self._idle:
            self._sweeping = loop.call_later(KEEP_SECONDS / 2, self._sweep, loop)

    async def _connect(self, loop: asyncio.AbstractEventLoop, origin: _Origin, seconds: float) -> _Connection:
        if origin.secure and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(seconds):
                transport, connection = await loop.create_connection(
                    lambda: _Connection(loop), origin.host, origin.port, ssl=self._tls if origin.secure else None
                )
        except TimeoutError as error:
            raise NeverSent("no connection in time") from error
        except OSError as error:
            raise NeverSent(type(error).__name__) from error
        except (UnicodeError, OverflowError, ValueError) as error:
            raise BadAddress("no name of a host") from error
        connection.transport, connection.usable = transport, not transport.is_closing()
        return connection

    def _address(self, url: str) -> tuple[_Origin, str]:
        if _CONTROL.search(url):
            raise BadAddress("a control character or a space in the address")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise BadAddress("no http or https address") from None
        if not host:
            raise BadAddress("an address without a host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not _PLAIN.fullmatch(target):
            target = quote(target, safe="/?%:@!$&'()*+,;=~-._[]")
        found = _Origin(parts.scheme == "https", host, port), target
        if len(self._addresses) < 256:
            self._addresses[url] = found
        return found


def _head(parcel: Parcel, target: str) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in parcel.headers])
    ends = len(parcel.headers)
    if lines.count("\r") != ends or lines.count("\n") != ends or "\0" in lines:
        raise BadAddress("a control character in a header")
    return f"{parcel.method} {target} HTTP/1.1\r\n{lines}\r\n".encode()
