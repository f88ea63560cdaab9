"""Calling the Admin API: one endpoint, three layers of errors, and a bucket of points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from omnibridge.connector import (
    Class,
    Http,
    Learned,
    Limits,
    Outcome,
    Protection,
    Request,
    Response,
    Window,
    classify_http,
    retry_after,
)
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_shopify.document import Document
from omnibridge_shopify.documents import DOCUMENTS
from omnibridge_shopify.settings import Shopify

__all__ = ["LIMITS", "Json", "as_object", "ask", "change", "classify", "problems"]

Json = dict[str, Any]
"""A JSON object."""

_OPERATION = re.compile(rb'"operationName":"(\w+)"')
_CLOSED = timedelta(hours=1)
_SHORTEST = timedelta(seconds=1)
_REMEDIES = {
    "ACCESS_DENIED": "give the app the access scope and have the merchant approve it",
    "MAX_COST_EXCEEDED": "the query asks for too much at once; report this as a bug of the connector",
    "402": "the shop is frozen for an unpaid bill",
    "403": "give the app the access scope and have the merchant approve it",
    "404": "check the shop's domain and the API version",
}


def _payload(document: Document, variables: Mapping[str, object]) -> Json:
    return {"operationName": document.name, "query": document.text, "variables": dict(variables)}


async def ask(settings: Shopify, http: Http, document: Document, variables: Mapping[str, object]) -> Json:
    """Send a query; its `data`. Raises Permanent when Shopify refuses it."""
    response = await http.query(settings.graphql_path, json=_payload(document, variables))
    return _data(document, response)


async def change(
    settings: Shopify,
    http: Http,
    document: Document,
    variables: Mapping[str, object],
    *,
    step: str,
    protection: Protection | None = None,
) -> Json:
    """Send a mutation of one field; that field's payload, its `userErrors` not judged. Raises Permanent otherwise."""
    response = await http.post(
        settings.graphql_path, json=_payload(document, variables), step=step, protection=protection
    )
    data = _data(document, response)
    payload: Json | None = next(iter(data.values()), None)
    if payload is None:
        raise Permanent(f"{document.name}: Shopify answered nothing")
    return payload


def _data(document: Document, response: Response) -> Json:
    body = _body(response)
    errors = _errors(body)
    if not response.ok or errors or not isinstance(body.get("data"), dict):
        first: Json = errors[0] if errors else {}
        code = str(as_object(first.get("extensions")).get("code") or response.status)
        what = str(first.get("message") or body.get("errors") or f"answered {response.status}")
        raise Permanent(f"{document.name}: {what[:300]}", code=code, remedy=_REMEDIES.get(code))
    data: Json = body["data"]
    return data


def problems(payload: Json) -> list[tuple[str, str, str]]:
    """The `userErrors` of a mutation as (code, field path, message); an empty code where the mutation has none."""
    return [
        (str(item.get("code") or ""), ".".join(item.get("field") or ()), str(item.get("message") or ""))
        for item in _objects(payload, "userErrors")
    ]


def as_object(value: object) -> Json:
    """The value if it is a JSON object, else an empty one."""
    return cast(Json, value) if isinstance(value, dict) else {}


def _objects(holder: Json, name: str) -> list[Json]:
    value = holder.get(name)
    if value is None or isinstance(value, (str, int, Decimal)):
        return []
    return [found for item in value if (found := as_object(item))]


def _body(response: Response) -> Json:
    try:
        return as_object(response.json())
    except InvalidMessage:
        return {}


def _errors(body: Json) -> list[Json]:
    return _objects(body, "errors")


def _codes(errors: Sequence[Json]) -> set[str]:
    return {str(as_object(error.get("extensions")).get("code") or "") for error in errors}


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """Shopify's three layers: HTTP, then `errors` beside HTTP 200, then `userErrors` inside the mutation's payload.

    Source: documentation, "GraphQL Admin API reference", status and error codes. A frozen (402) or locked (423) shop
    comes back when its owner has acted, so its work waits; 430 is a shield against suspected attacks.
    """
    if not response.ok:
        if response.status in (402, 423):
            return Outcome(Class.RETRY, after=_CLOSED, code=str(response.status), reason="the shop is closed")
        if response.status == 430:
            wait = retry_after(response, now) or timedelta(minutes=1)
            return Outcome(Class.RETRY, after=wait, code="430", reason="refused as suspicious")
        return classify_http(request, response, now)
    if "graphql" not in request.path:
        return Outcome(Class.OK)
    body = _body(response)
    if errors := _errors(body):
        return _top_level(request, body, errors)
    if not isinstance(body.get("data"), dict):
        harmless = request.reads or request.protection is not None
        return Outcome(Class.RETRY if harmless else Class.AMBIGUOUS, reason="an answer without data")
    return _user_errors(body["data"])


def _top_level(request: Request, body: Json, errors: Sequence[Json]) -> Outcome:
    codes = _codes(errors)
    reason = str(errors[0].get("message") or "")[:300]
    if "THROTTLED" in codes:
        return Outcome(Class.RETRY, after=_wait(body), code="THROTTLED", reason=reason)
    if "SHOP_INACTIVE" in codes:
        return Outcome(Class.RETRY, after=_CLOSED, code="SHOP_INACTIVE", reason=reason)
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        harmless = request.reads or request.protection is not None
        kind = Class.RETRY if harmless else Class.AMBIGUOUS
        return Outcome(kind, code=min(codes - {""}, default=None), reason=reason)
    return Outcome(Class.PERMANENT, code=min(codes - {""}, default=None), reason=reason)


def _user_errors(data: Json) -> Outcome:
    for payload in data.values():
        found = problems(as_object(payload))
        if not found:
            continue
        code, field, message = found[0]
        reason = f"{field}: {message}" if field else message
        if code in ("IDEMPOTENCY_CONCURRENT_REQUEST", "INTERNAL_ERROR"):
            return Outcome(Class.RETRY, after=_SHORTEST, code=code, reason=reason[:300])
        return Outcome(Class.PERMANENT, code=code or None, reason=reason[:300])
    return Outcome(Class.OK)


def _cost(body: Json) -> Json:
    return as_object(as_object(body.get("extensions")).get("cost"))


def _wait(body: Json) -> timedelta:
    """How long until the bucket holds what the query asked for."""
    cost = _cost(body)
    status = as_object(cost.get("throttleStatus"))
    try:
        missing = float(cost.get("requestedQueryCost") or 0) - float(status.get("currentlyAvailable") or 0)
        seconds = missing / float(status.get("restoreRate") or 50)
    except (TypeError, ValueError, ZeroDivisionError):
        return _SHORTEST
    return max(_SHORTEST, min(timedelta(seconds=seconds), timedelta(minutes=1)))


def _weight(request: Request) -> float:
    """What a request is expected to cost, told by its operation's name."""
    found = _OPERATION.search(request.body, 0, 200)
    document = DOCUMENTS.get(found[1].decode()) if found else None
    return document.cost if document else 1.0


def _learn(response: Response) -> Learned | None:
    """What the bucket holds after this answer."""
    status = as_object(_cost(_body(response)).get("throttleStatus"))
    left = status.get("currentlyAvailable")
    if left is None:
        return None
    try:
        return Learned(remaining=float(left))
    except (TypeError, ValueError):
        return None


def _scope(settings: Shopify) -> str:
    return settings.shop


LIMITS: Limits[Shopify] = Limits(
    concurrency=8,
    windows=(Window(2000, timedelta(seconds=20)),),
    scope=_scope,
    cost=_weight,
    learn=_learn,
    source='Shopify documentation, "Shopify API limits": 100 points a second on the Standard plan and twenty times that'
    " in the bucket; other plans have more, which each answer tells. A bucket belongs to one app in one shop",
)
