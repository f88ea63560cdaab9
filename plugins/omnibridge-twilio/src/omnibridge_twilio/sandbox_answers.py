"""How the sandbox answers: error bodies as Twilio writes them, and pages of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from omnibridge.connector import Response, SandboxRequest, json_response
from omnibridge_twilio.wire import instant

__all__ = ["Record", "error", "page", "within"]

Record = dict[str, Any]
"""A resource as Twilio tells it."""


def error(status: int, code: int, message: str) -> Response:
    """An error body."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_response({"code": code, "message": message, "more_info": more, "status": status}, status)


def page(request: SandboxRequest, name: str, rows: Sequence[Record], largest: int) -> Response:
    """The page of `rows` that a request asks for, under `name`, with the relative addresses of the others."""
    query = request.query
    size = min(max(int(query.get("PageSize", "50")), 1), largest)
    token = query.get("PageToken", "").removeprefix("PA")
    sids = [made["sid"] for made in rows]
    if token and token not in sids:
        return error(400, 20001, "Invalid page token")
    start = sids.index(token) + 1 if token else 0
    shown, number = rows[start : start + size], int(query.get("Page", "0"))
    kept = {key: value for key, value in query.items() if key not in ("Page", "PageToken")}
    kept["PageSize"] = str(size)

    def uri(index: int, after: str | None) -> str:
        place = {"Page": str(index), **({"PageToken": f"PA{after}"} if after else {})}
        return f"{request.path}?{urlencode({**kept, **place})}"

    more = start + size < len(rows)
    return json_response(
        {
            name: shown,
            "page": number,
            "page_size": size,
            "start": start,
            "end": max(start + len(shown) - 1, 0),
            "uri": uri(number, token or None),
            "first_page_uri": uri(0, None),
            "previous_page_uri": uri(number - 1, None) if number else None,
            "next_page_uri": uri(number + 1, shown[-1]["sid"]) if more else None,
        }
    )


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
