"""The handle that an author's coroutine is given: every method is an effect that the core performs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from omnibridge.connector.body import form_bytes, json_bytes
from omnibridge.connector.delivery import Reference
from omnibridge.connector.download import MAX_DOWNLOAD, Download
from omnibridge.connector.effects import Await, Cursor, Emit, Fetch, Keep, Now, Send
from omnibridge.connector.exchange import Protection, Request, Response
from omnibridge.connector.observation import Observation

__all__ = ["Http"]

Params = Mapping[str, str | int | Sequence[str]]
Form = Mapping[str, str] | Sequence[tuple[str, str]]
JsonBody = Any
"""Anything with a JSON form; `Decimal`s become exact numbers."""


class WriteOptions(TypedDict, total=False):
    """What `request` takes beside method and path."""

    json: JsonBody
    form: Form | None
    content: bytes | None
    content_type: str | None
    params: Params | None
    headers: Mapping[str, str] | None
    step: str
    protection: Protection | None


def _sent(request: Request) -> Await[Response]:
    return Await(Send(request))  # not `Await[Response](...)`: a subscript is worked out anew at each call


def _params(params: Params | None) -> tuple[tuple[str, str], ...]:
    if not params:
        return ()
    flat: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, (str, int)):
            flat.append((name, str(value)))
        else:
            flat.extend((name, item) for item in value)
    return tuple(flat)


class Http:
    """Requests to the channel's own system. The core adds base URL, auth, throttle, retries, keys and timeouts.

    An answer that arrives is OK or a permanent refusal: throttling, expired credentials and server trouble never
    reach the author. `step` names a writing request within its exchange and must be unique there and stable from
    release to release, as the request's key is made from it.
    """

    __slots__ = ("_key",)

    def __init__(self, key: Callable[[str], str]) -> None:
        self._key = key

    def key(self, step: str = "send") -> str:
        """The idempotency key of a step: a UUID as text (36 characters), the same in every attempt of a generation."""
        return self._key(step)

    async def get(
        self, path: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A GET."""
        return await _sent(Request("GET", path, _params(params), headers or {}, reads=True))

    async def query(
        self,
        path: str,
        *,
        json: JsonBody = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A POST of JSON that only reads: a search, a GraphQL query, a session call."""
        request = Request(
            "POST", path, _params(params), headers or {}, json_bytes(json), "application/json", reads=True
        )
        return await _sent(request)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: JsonBody = None,
        form: Form | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        step: str = "send",
        protection: Protection | None = None,
    ) -> Response:
        """A request that writes. At most one of `json`, `form` and `content`; `Decimal`s in `json` become numbers.

        Without a `protection` the start of the attempt is committed before the first byte leaves, and a lost answer
        is never blindly repeated.
        """
        body, kind = content or b"", content_type
        if json is not None:
            body, kind = json_bytes(json), content_type or "application/json"
        elif form is not None:
            pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
            body, kind = form_bytes(pairs), "application/x-www-form-urlencoded"
        request = Request(method, path, _params(params), headers or {}, body, kind, step=step, protection=protection)
        return await _sent(request)

    async def post(self, path: str, **options: Unpack[WriteOptions]) -> Response:
        """`request("POST", ...)`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Unpack[WriteOptions]) -> Response:
        """`request("PUT", ...)`."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Unpack[WriteOptions]) -> Response:
        """`request("PATCH", ...)`."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Unpack[WriteOptions]) -> Response:
        """`request("DELETE", ...)`."""
        return await self.request("DELETE", path, **options)

    async def download(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        gzip: bool = False,
        signed: bool = False,
        most: int = MAX_DOWNLOAD,
        within: timedelta = timedelta(minutes=15),
    ) -> Download:
        """A GET of a file, which is put on disk and read from there: a bulk export, the results of a batch.

        Of at most `most` bytes, more is Permanent; with `gzip` they are those that are packed in it. A refusal is
        given back like any answer: look at `ok`. With `signed`, the address alone is the permission, and it may
        stand on any host: no credential goes there, the connection is as safe as to the channel's own system, and
        neither `limits` nor `classify` are asked. The file is gone when the coroutine has ended.
        """
        request = Request("GET", path, _params(params), headers or {}, reads=True, timeout=within.total_seconds())
        fetched: Await[Download] = Await(Fetch(request, most, gzip, signed))
        return await fetched

    async def keep(self, reference: Reference) -> None:
        """Commit a reference now; after a restart it is in `delivery.references` from the start."""
        await Await(Keep(reference))

    async def emit(self, observations: Sequence[Observation], cursor: Cursor | None = None) -> None:
        """Commit a page of observations and the cursor after it, in one transaction."""
        await Await(Emit(tuple(observations), cursor))

    async def now(self) -> datetime:
        """Wall time, aware, in UTC."""
        now: Await[datetime] = Await(Now())
        return await now
