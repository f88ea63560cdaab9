"""The wire: one request out, one capped answer back; our own on asyncio, any httpx transport elsewhere and in tests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, cast

import anyio
import httpx
import sniffio

from omnibridge.delivery.http1 import AsyncioWire
from omnibridge.delivery.parcel import (
    CONNECT_SECONDS,
    MAX_ANSWER,
    Answer,
    BadAddress,
    Lost,
    NeverSent,
    Parcel,
    Unpacking,
    packing,
    too_large,
    unpacked,
)

__all__ = ["HttpxWire", "Sink", "Wire", "make_wire"]

Sink = Callable[[bytes], Awaitable[None]]
"""Takes a body piece by piece; nothing more is read until it has returned."""


class Wire(Protocol):
    """Sends parcels. Follows no redirect, keeps no cookies."""

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange. Raises NeverSent, Lost, BadAddress."""
        ...

    async def stream(self, parcel: Parcel, sink: Sink, pause: float) -> Answer:
        """One exchange whose body goes to `sink`, so the answer has none; no pause in it may last longer than `pause`.

        Raises NeverSent, Lost, BadAddress, and what `sink` raises.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class HttpxWire:
    """Any httpx transport: httpx's own on trio, a mock or a sandbox in tests."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange."""
        async with self._asked(parcel) as response:
            content = await _capped(_body(response))
            headers = _headers(response)
            return Answer(response.status_code, headers, unpacked(content, headers))

    async def stream(self, parcel: Parcel, sink: Sink, pause: float) -> Answer:
        """One exchange whose body goes to `sink`."""
        async with self._asked(parcel) as response:
            headers = _headers(response)
            encoding = packing(headers)
            unpacking = Unpacking(encoding) if encoding else None
            chunks = _body(response)
            while True:
                with anyio.fail_after(pause):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                if unpacking is None:
                    await sink(chunk)
                    continue
                for piece in unpacking.feed(chunk):
                    await sink(piece)
            if unpacking is not None and not unpacking.done:
                raise Lost("damaged compression: cut short")
            return Answer(response.status_code, headers, b"")

    @asynccontextmanager
    async def _asked(self, parcel: Parcel) -> AsyncGenerator[httpx.Response]:
        limits = {"connect": CONNECT_SECONDS, "pool": parcel.seconds / 2, "read": None, "write": None}
        try:
            request = httpx.Request(
                parcel.method,
                parcel.url,
                headers=list(parcel.headers),
                stream=httpx.ByteStream(parcel.body),
                extensions={"timeout": limits},
            )
            # One limit for the whole: httpx's own would let an answer drip for ever.
            with anyio.fail_after(parcel.seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NeverSent(type(error).__name__) from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise BadAddress(type(error).__name__) from error
        except TimeoutError as error:
            raise Lost("no answer in time") from error
        except httpx.TransportError as error:
            raise Lost(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


class _OwnWire(AsyncioWire):
    """Our own for requests; for a file, which no connection is kept open for and which time matters less to, httpx."""

    def __init__(self) -> None:
        super().__init__()
        self._files: HttpxWire | None = None

    async def stream(self, parcel: Parcel, sink: Sink, pause: float) -> Answer:
        """One exchange whose body goes to `sink`."""
        if self._files is None:
            few = httpx.Limits(max_connections=8, max_keepalive_connections=0)
            self._files = HttpxWire(httpx.AsyncHTTPTransport(verify=ssl.create_default_context(), limits=few))
        return await self._files.stream(parcel, sink, pause)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._files is not None:
            await self._files.aclose()
        await super().aclose()


def make_wire(transport: httpx.AsyncBaseTransport | None = None) -> Wire:
    """The wire for the running event loop, or over `transport` where one is given."""
    if transport is not None:
        return HttpxWire(transport)
    if sniffio.current_async_library() == "asyncio":
        return _OwnWire()
    return HttpxWire(httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=8, max_keepalive_connections=8)))


def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    return cast("httpx.AsyncByteStream", response.stream).__aiter__()


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


async def _capped(chunks: AsyncIterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_ANSWER:
            raise too_large()
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)
