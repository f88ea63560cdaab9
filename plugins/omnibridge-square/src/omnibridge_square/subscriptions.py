"""The webhook subscription at Square, one for all event types, so that there is one signature key."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.connector import Http, NativeKey, Subscription, Upsert
from omnibridge_square.classify import succeeded
from omnibridge_square.inbound import EVENT_TYPES
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Node

__all__ = ["create", "delete", "desired", "existing"]

_NAME = "OmniBridge"
_PATH = "/v2/webhooks/subscriptions"


def desired(settings: SquareSettings, url: str) -> Sequence[Subscription]:
    """One subscription; its topic is all event types, so that a new type makes it another one."""
    if not settings.subscribe:
        return ()
    return (Subscription(",".join(EVENT_TYPES), url, detail={"api_version": settings.api_version}),)


async def existing(settings: SquareSettings, http: Http) -> Sequence[Subscription]:
    """The application's enabled subscriptions, all pages; none where this channel leaves them to people."""
    if not settings.subscribe:
        return ()
    return [_read(one) for one in await _all(http) if one.truth("enabled") is not False]


async def _all(http: Http) -> list[Node]:
    found: list[Node] = []
    page: str | None = None
    while True:
        answer = await http.get(_PATH, params={"include_disabled": "true", **({"cursor": page} if page else {})})
        body = succeeded("to list webhook subscriptions", answer)
        found += body.nodes("subscriptions")
        following = body.text("cursor")
        if not following or following == page:
            return found
        page = following


def _read(node: Node) -> Subscription:
    detail = {"api_version": node.text("api_version") or ""}
    return Subscription(
        ",".join(sorted(node.texts("event_types"))), node.text("notification_url") or "", node.text("id"), detail
    )


async def create(settings: SquareSettings, wanted: Subscription, http: Http) -> None:
    """Make the subscription, or bring one with the same address up to date in place, as that keeps its signature key.

    Square disables a subscription whose address failed for weeks; it is enabled again here. A new one has a new
    signature key: it stands in the developer console and belongs into `signature_keys`.
    """
    told = {
        "name": _NAME,
        "enabled": True,
        "event_types": wanted.topic.split(","),
        "notification_url": wanted.url,
        "api_version": settings.api_version,
    }
    for one in await _all(http):
        if one.text("notification_url") == wanted.url:
            path = f"{_PATH}/{one.need('id')}"
            answer = await http.put(path, json={"subscription": told}, step="update", protection=Upsert())
            succeeded("the change of the webhook subscription", answer)
            return
    body = {"idempotency_key": http.key("create"), "subscription": told}
    succeeded("the webhook subscription", await http.post(_PATH, json=body, step="create", protection=NativeKey()))


async def delete(settings: SquareSettings, unwanted: Subscription, http: Http) -> None:
    """Delete the subscription, unless it was brought up to date in place since it was listed."""
    if unwanted.id is None:
        return
    path = f"{_PATH}/{unwanted.id}"
    answer = await http.get(path)
    if answer.status == 404:
        return
    found = succeeded("to show the webhook subscription", answer).node("subscription")
    if found is None or _read(found) != unwanted:
        return
    gone = await http.delete(path, step="delete", protection=Upsert())
    if gone.status != 404:
        succeeded("the end of the webhook subscription", gone)
