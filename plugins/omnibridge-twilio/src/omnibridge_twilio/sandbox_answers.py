"""How the sandbox answers: error bodies as Twilio writes them, and pages of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from omnibridge.connector import Response, SandboxRequest, json_response
from omnibridge_twilio.wire import instant

__all__ = ["Record", "error", "meta_page", "page", "within"]

Record = dict[str, Any]
"""A resource as Twilio tells it."""


def error(status: int, code: int, message: str) -> Response:
    """An error body."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_response({"code": code, "message": message, "more_info": more, "status": status}, status)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A page cut out of `rows`: what is shown, and the addresses of it and of the pages around it."""

    shown: Sequence[Record]
    start: int
    number: int
    size: int
    here: str
    first: str
    before: str | None
    after: str | None


def _cut(request: SandboxRequest, rows: Sequence[Record], largest: int, root: str = "") -> _Cut | None:
    """The page that a request asks for; None for a token that stands for no row."""
    query = request.query
    size = min(max(int(query.get("PageSize", "50")), 1), largest)
    token = query.get("PageToken", "").removeprefix("PA")
    sids = [made["sid"] for made in rows]
    if token and token not in sids:
        return None
    start = sids.index(token) + 1 if token else 0
    shown, number = rows[start : start + size], int(query.get("Page", "0"))
    kept = {key: value for key, value in query.items() if key not in ("Page", "PageToken")}
    kept["PageSize"] = str(size)

    def address(index: int, after: str | None) -> str:
        place = {"Page": str(index), **({"PageToken": f"PA{after}"} if after else {})}
        return f"{root}{request.path}?{urlencode({**kept, **place})}"

    return _Cut(
        shown=shown,
        start=start,
        number=number,
        size=size,
        here=address(number, token or None),
        first=address(0, None),
        before=address(number - 1, None) if number else None,
        after=address(number + 1, shown[-1]["sid"]) if start + size < len(rows) else None,
    )


def _lost() -> Response:
    return error(400, 20001, "Invalid page token")


def page(request: SandboxRequest, name: str, rows: Sequence[Record], largest: int) -> Response:
    """The page of `rows` that a request asks for, under `name`, with the relative addresses of the others."""
    cut = _cut(request, rows, largest)
    if cut is None:
        return _lost()
    return json_response(
        {
            name: cut.shown,
            "page": cut.number,
            "page_size": cut.size,
            "start": cut.start,
            "end": max(cut.start + len(cut.shown) - 1, 0),
            "uri": cut.here,
            "first_page_uri": cut.first,
            "previous_page_uri": cut.before,
            "next_page_uri": cut.after,
        }
    )


def meta_page(request: SandboxRequest, root: str, name: str, rows: Sequence[Record], largest: int) -> Response:
    """The page as newer APIs tell it: the addresses of the others are whole, below `root`, and stand in `meta`."""
    cut = _cut(request, rows, largest, root)
    if cut is None:
        return _lost()
    meta = {
        "key": name,
        "page": cut.number,
        "page_size": cut.size,
        "url": cut.here,
        "first_page_url": cut.first,
        "previous_page_url": cut.before,
        "next_page_url": cut.after,
    }
    return json_response({name: cut.shown, "meta": meta})


def within(query: Mapping[str, str], name: str, date: str | None) -> bool:
    """Whether a time of a resource is where `name`, `name>` and `name<` of a query want it."""
    at = instant(date)
    for sign in ("", ">", "<"):
        text = query.get(name + sign)
        if text is None:
            continue
        if at is None:
            return False
        bound = datetime.fromisoformat(text)
        bound = bound.replace(tzinfo=UTC) if bound.tzinfo is None else bound
        if (sign == ">" and at < bound) or (sign == "<" and at > bound) or (not sign and at.date() != bound.date()):
            return False
    return True
