"""The wire: an httpx transport over aiohttp for asyncio, httpx's own for trio, both without redirects and with caps."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import httpx
import sniffio
import yarl
from multidict import CIMultiDict

__all__ = ["AiohttpTransport", "make_transport", "read_capped"]

_GZIP = 16 + zlib.MAX_WBITS


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx's types in front, aiohttp's connection pool behind.

    A request that never left raises ConnectError (or ConnectTimeout, PoolTimeout); one that may have arrived raises
    ReadTimeout, ReadError, WriteError or RemoteProtocolError, so that the two never look alike.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[tuple[float | None, ...], aiohttp.ClientTimeout] = {}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limit, limit_per_host=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                trust_env=False,
            )
        return self._session

    def _timeout(self, request: httpx.Request) -> aiohttp.ClientTimeout:
        given: dict[str, float | None] = request.extensions.get("timeout") or {}
        key = (given.get("connect"), given.get("read"), given.get("pool"))
        found = self._timeouts.get(key)
        if found is None:
            connect, read, pool = key
            found = aiohttp.ClientTimeout(total=read, sock_connect=connect, connect=pool)
            self._timeouts[key] = found
        return found

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange; the response's body streams."""
        stream = request.stream
        if isinstance(stream, httpx.ByteStream):
            body = b"".join(stream)
        else:
            body = await request.aread()
        headers = CIMultiDict((name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw)
        try:
            response = await self._open().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout(request),
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout(str(error), request=request) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise httpx.UnsupportedProtocol(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise httpx.RemoteProtocolError(str(error) or type(error).__name__, request=request) from error
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Stream(response, request),
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer stopped coming", request=self._request) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise httpx.ReadError(str(error) or type(error).__name__, request=self._request) from error

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def make_transport() -> httpx.AsyncBaseTransport:
    """The transport for the running event loop."""
    if sniffio.current_async_library() == "asyncio":
        return AiohttpTransport()
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=8, max_keepalive_connections=8))


async def read_capped(response: httpx.Response, most: int) -> bytes:
    """The body, decompressed, at most `most` bytes of it either way. Raises httpx.RemoteProtocolError beyond that."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        unpack = None
    elif encoding in ("gzip", "x-gzip"):
        unpack = zlib.decompressobj(_GZIP)
    elif encoding == "deflate":
        unpack = zlib.decompressobj()
    else:
        raise httpx.RemoteProtocolError(f"an encoding nobody asked for: {encoding[:32]}")
    parts: list[bytes] = []
    size = raw = 0
    async for chunk in cast("httpx.AsyncByteStream", response.stream):
        raw += len(chunk)
        if unpack is not None:
            try:
                chunk = unpack.decompress(chunk, most + 1 - size)
            except zlib.error as error:
                raise httpx.RemoteProtocolError(f"damaged compression: {error}") from None
        size += len(chunk)
        if size > most or raw > most:
            raise httpx.RemoteProtocolError(f"the answer is larger than {most} bytes")
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)
