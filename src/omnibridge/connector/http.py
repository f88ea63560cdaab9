"""The handle that an author's coroutine is given: every method is an effect that the core performs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from omnibridge.connector.body import form_bytes, json_bytes
from omnibridge.connector.delivery import Reference
from omnibridge.connector.exchange import Protection, Request, Response
from omnibridge.connector.observation import Observation

__all__ = ["Cursor", "Effect", "Emit", "Http", "Keep", "Now", "Send"]

R = TypeVar("R")
Cursor = Mapping[str, Any]
"""Where a poll stands: a JSON object that the connector understands, `{}` never being one."""
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


@dataclass(frozen=True, slots=True)
class Send:
    """Perform a request."""

    request: Request


@dataclass(frozen=True, slots=True)
class Keep:
    """Commit a reference before going on."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Emit:
    """Commit observations together with the cursor that comes after them."""

    observations: tuple[Observation, ...]
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Now:
    """Tell the wall time."""


Effect = Send | Keep | Emit | Now


class _Await(Generic[R]):
    __slots__ = ("_effect",)

    def __init__(self, effect: Effect) -> None:
        self._effect = effect

    def __await__(self) -> Generator[Effect, R, R]:
        return (yield self._effect)


def _sent(request: Request) -> _Await[Response]:
    return _Await(Send(request))  # not `_Await[Response](...)`: a subscript is worked out anew at each call


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

    async def keep(self, reference: Reference) -> None:
        """Commit a reference now; after a restart it is in `delivery.references` from the start."""
        await _Await(Keep(reference))

    async def emit(self, observations: Sequence[Observation], cursor: Cursor | None = None) -> None:
        """Commit a page of observations and the cursor after it, in one transaction."""
        await _Await(Emit(tuple(observations), cursor))

    async def now(self) -> datetime:
        """Wall time, aware, in UTC."""
        now: _Await[datetime] = _Await(Now())
        return await now
