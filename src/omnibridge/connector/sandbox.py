"""The base of a connector's imitation of its vendor: pure request in, response out, with faults on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from omnibridge.clock import SystemClock
from omnibridge.connector.body import Json, json_bytes, parse_form, parse_json
from omnibridge.connector.exchange import Response

__all__ = ["Fault", "LostAnswer", "Outgoing", "Sandbox", "SandboxRequest", "json_response"]


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """A request as the vendor would see it; header names in lower case, `target` is path and query string."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query string."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of a repeated one, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Json:
        """The body as JSON. Raises InvalidMessage."""
        return parse_json(self.body)

    def form(self) -> dict[str, str]:
        """The body as form fields; of a repeated one, the last. Raises InvalidMessage."""
        return dict(parse_form(self.body))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A webhook that the vendor would send now, signed as the vendor signs."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Fault:
    """What the next `times` matching requests get instead. `lost` performs the request and then drops the answer."""

    response: Response | None = None
    times: int = 1
    method: str | None = None
    path_prefix: str = ""
    lost: bool = False


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(status, {"content-type": "application/json", **(headers or {})}, json_bytes(value))


class LostAnswer(Exception):
    """The request took effect and its answer never arrives; the harness closes the connection."""


class Sandbox:
    """Subclass it with `respond`. State lives in memory; every request is logged, so that tests can count them.

    `outbox` collects the webhooks the vendor would send; the harness posts them. `now` is injected.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now: Callable[[], datetime] = now or SystemClock().now
        self.log: list[SandboxRequest] = []
        self.faults: deque[Fault] = deque()
        self.outbox: deque[Outgoing] = deque()

    def respond(self, request: SandboxRequest) -> Response:
        """What the vendor answers. Override."""
        raise NotImplementedError

    def records(self) -> Mapping[str, list[dict[str, Any]]]:
        """What the vendor holds, by the name of a table, for people and tests to look at. Override."""
        return {}

    def handle(self, request: SandboxRequest) -> Response:
        """Log it, apply a fault if one matches, else `respond`. Raises LostAnswer for a lost answer."""
        self.log.append(request)
        for fault in self.faults:
            if fault.method not in (None, request.method) or not request.path.startswith(fault.path_prefix):
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
            if fault.lost:
                self.respond(request)
                raise LostAnswer
            return fault.response or Response(503)
        return self.respond(request)
