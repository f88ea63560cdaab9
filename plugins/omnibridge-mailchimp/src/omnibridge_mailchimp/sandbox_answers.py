"""How the sandbox answers: error documents as Mailchimp writes them, a table of routes, and projections of fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from omnibridge.connector import Response, SandboxRequest, json_bytes, json_response
from omnibridge_mailchimp.wire import Json, is_array, is_object

__all__ = ["Refused", "Route", "Rows", "answer", "dispatch", "page", "required"]

Handler = Callable[..., Response]
_DOCS = "https://mailchimp.com/developer/marketing/docs/errors/"


class Refused(Exception):
    """An answer that is an error document."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors
        self.headers: dict[str, str] = {}

    def response(self, count: int) -> Response:
        """The error document; `instance` is also the header that support asks for."""
        instance = str(uuid5(NAMESPACE_URL, f"{self.title}/{count}"))
        body: Json = {
            "type": _DOCS,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            body["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        headers = {"content-type": "application/problem+json; charset=utf-8", "x-request-id": instance, **self.headers}
        return Response(self.status, headers, json_bytes(body))


@dataclass(frozen=True, slots=True)
class Route:
    """One operation; the path's `{}` are the handler's arguments."""

    method: str
    path: str
    handler: Handler

    def match(self, path: str) -> tuple[str, ...] | None:
        """The arguments in a path, or None where it is another one."""
        found = re.fullmatch(re.sub(r"\{\}", "([^/]+)", self.path), path)
        return tuple(found.groups()) if found else None


def dispatch(routes: Iterable[Route], request: SandboxRequest, path: str) -> Response:
    """The answer of the route that fits. Raises Refused with 404, or 405 and the methods that the path has."""
    allowed: list[str] = []
    for route in routes:
        arguments = route.match(path)
        if arguments is None:
            continue
        if route.method == request.method:
            return route.handler(request, *arguments)
        allowed.append(route.method)
    if not allowed:
        raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
    refused = Refused(405, "Method Not Allowed", f"Use one of: {', '.join(allowed)}.")
    refused.headers["allow"] = ", ".join(allowed)
    raise refused


def required(body: object, *names: str) -> Json:
    """The JSON object of a request with these fields in it. Raises Refused with 400."""
    if not is_object(body):
        raise Refused(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.")
    missing = [(name, "Required fields were not provided") for name in names if body.get(name) in (None, "", [])]
    if missing:
        raise Refused(400, "Invalid Resource", "The resource submitted could not be validated.", missing)
    return body


def answer(request: SandboxRequest, value: Json) -> Response:
    """A JSON answer, with the fields that `fields` names or without those of `exclude_fields` (dotted, commas)."""
    query = request.query
    if query.get("fields"):
        value = _only(value, [name.split(".") for name in query["fields"].split(",")])
    elif query.get("exclude_fields"):
        value = _without(value, [name.split(".") for name in query["exclude_fields"].split(",")])
    return json_response(value, headers={"content-type": "application/json; charset=utf-8"})


def _each(value: object, change: Callable[[Json], Json]) -> object:
    if is_object(value):
        return change(value)
    if is_array(value):
        return [_each(item, change) for item in value]
    return value


def _only(value: Json, paths: list[list[str]]) -> Json:
    kept: Json = {}
    for name, item in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        if below:
            kept[name] = item if [] in below else _each(item, lambda found, below=below: _only(found, below))
    return kept


def _without(value: Json, paths: list[list[str]]) -> Json:
    kept: Json = {}
    for name, item in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        if [] not in below:
            kept[name] = _each(item, lambda found, below=below: _without(found, below)) if below else item
    return kept


Rows = list[Json]


def page(request: SandboxRequest, rows: Rows) -> Rows:
    """The rows that `offset` and `count` (ten by default, a thousand at most) ask for. Raises Refused with 400."""
    query = request.query
    try:
        offset, count = int(query.get("offset", "0")), int(query.get("count", "10"))
    except ValueError:
        offset, count = -1, -1
    if offset < 0 or not 0 <= count <= 1000:
        message = [("count", "This value should be between 0 and 1000.")]
        raise Refused(400, "Invalid Resource", "The resource submitted could not be validated.", message)
    return rows[offset : offset + count]
