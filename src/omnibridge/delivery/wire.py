"""The wire: one request out, one capped answer back; aiohttp on asyncio, any httpx transport elsewhere and in tests."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol, cast

import aiohttp
import anyio
import httpx
import sniffio
import yarl
from multidict import CIMultiDict

__all__ = ["AiohttpWire", "Answer", "BadAddress", "HttpxWire", "Lost", "NeverSent", "Parcel", "Wire", "make_wire"]

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer's body, packed and unpacked; more is an error, not a fuller memory."""
CONNECT_SECONDS = 10.0
_GZIP = 16 + zlib.MAX_WBITS


class Parcel(NamedTuple):
    """A request ready to leave: absolute address, headers with Host and Content-Length, seconds for the whole."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float


class Answer(NamedTuple):
    """What came back; header names in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NeverSent(Exception):
    """No connection: the request cannot have arrived."""


class Lost(Exception):
    """It left, and no trustworthy answer came back: it may have arrived."""


class BadAddress(Exception):
    """The address, or a header, cannot be written at all: nothing left."""


class Wire(Protocol):
    """Sends parcels. Follows no redirect, keeps no cookies."""

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange. Raises NeverSent, Lost, BadAddress."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class AiohttpWire:
    """aiohttp's connection pool, without its conveniences: on asyncio, several times cheaper than httpx's own."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._urls: dict[str, yarl.URL] = {}

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, limit_per_host=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            middlewares=(_never_twice,),
            trust_env=False,
        )
        return self._session

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(seconds)
        if found is None:
            found = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, connect=seconds)
            self._timeouts[seconds] = found
        return found

    def _url(self, text: str) -> yarl.URL:
        found = self._urls.get(text)
        if found is None:
            found = yarl.URL(text, encoded=True)
            if len(self._urls) < 256:
                self._urls[text] = found
        return found

    async def send(self, parcel: Parcel) -> Answer:
        """One exchange."""
        session = self._session or self._open()
        try:
            async with session.request(
                parcel.method,
                self._url(parcel.url),
                data=parcel.body or None,
                headers=CIMultiDict(parcel.headers),
                allow_redirects=False,
                timeout=self._timeout(parcel.seconds),
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                at_once = response.content.at_eof() or response.content_length == 0
                content = b"" if at_once else await _capped(response.content.iter_any())
                return Answer(response.status, headers, _unpacked(content, headers))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NeverSent(type(error).__name__) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise BadAddress(type(error).__name__) from error
        except TimeoutError as error:
            raise Lost("no answer in time") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Lost(type(error).__name__) from error
        except ValueError as error:
            raise BadAddress("a control character in a header") from error

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _never_twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp would send what HTTP calls idempotent (GET, PUT, DELETE) once more by itself; what may go twice is for the
    # exchange to say, by the request's protection.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Lost(type(error).__name__) from error


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
            return Answer(response.status_code, headers, _unpacked(content, headers))
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
        return AiohttpWire()
    return HttpxWire(httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=8, max_keepalive_connections=8)))


async def _capped(chunks: AsyncIterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_ANSWER:
            raise Lost(f"the answer is larger than {MAX_ANSWER} bytes")
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpacked(content: bytes, headers: Mapping[str, str]) -> bytes:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity") or not content:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Lost(f"an encoding nobody asked for: {encoding[:32]}")
    unpack = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else _GZIP)
    try:
        made = unpack.decompress(content, MAX_ANSWER)
    except zlib.error as error:
        raise Lost(f"damaged compression: {error}") from None
    if unpack.unconsumed_tail:
        raise Lost(f"the answer is larger than {MAX_ANSWER} bytes")
    if not unpack.eof:
        raise Lost("damaged compression: cut short")
    return made
