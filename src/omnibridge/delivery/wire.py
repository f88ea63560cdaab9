"""The wire: one request out, one capped answer back; our own on asyncio, any httpx transport elsewhere and in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
    too_large,
    unpacked,
)

__all__ = ["HttpxWire", "Wire", "make_wire"]


class Wire(Protocol):
    """Sends parcels. Follows no redirect, keeps no cookies."""

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange. Raises NeverSent, Lost, BadAddress."""
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
                    content = await _capped(cast("httpx.AsyncByteStream", response.stream).__aiter__())
                finally:
                    await response.aclose()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, unpacked(content, headers))
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


def make_wire(transport: httpx.AsyncBaseTransport | None = None) -> Wire:
    """The wire for the running event loop, or over `transport` where one is given."""
    if transport is not None:
        return HttpxWire(transport)
    if sniffio.current_async_library() == "asyncio":
        return AsyncioWire()
    return HttpxWire(httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=8, max_keepalive_connections=8)))


async def _capped(chunks: AsyncIterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_ANSWER:
            raise too_large()
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)
