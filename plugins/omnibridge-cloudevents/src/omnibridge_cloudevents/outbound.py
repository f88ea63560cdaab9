"""What goes out: any event, as one signed POST that may be repeated, as source and id say that it is the same event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from omnibridge.connector import (
    Class,
    Credential,
    Delivery,
    Http,
    HttpMessage,
    Outcome,
    Receipt,
    Request,
    Response,
    Upsert,
    classify_http,
    write_binary,
    write_structured,
)
from omnibridge.errors import Permanent
from omnibridge.event import MAX_INTEGER, AttributeValue, Event
from omnibridge_cloudevents import signature
from omnibridge_cloudevents.consent import ORIGIN, ask, consented
from omnibridge_cloudevents.refusals import REFUSALS, refused
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["auth_headers", "classify", "message", "probe", "send"]

_SAME_AGAIN = Upsert()
_DONE = Receipt()


def message(settings: CloudEventsSettings, event: Event) -> HttpMessage:
    """The event as it leaves: `hops` one higher, `channel` left out, as it names something inside this bridge.

    A webhook has a payload and says what it is, so an event without either goes out as a JSON document in binary mode
    too (CloudEvents WebHook, section 2.1). A pure function: the same event gives the same bytes.
    """
    extensions: dict[str, AttributeValue] = dict(event.extensions)
    extensions.pop("channel", None)
    hops = extensions.get("hops", 0)
    extensions["hops"] = min(hops + 1, MAX_INTEGER) if isinstance(hops, int) and hops >= 0 else 1
    if settings.mode == "binary" and event.content:
        made = write_binary(event, extensions=extensions, raw=settings.raw_headers)
        if made.content_type is not None:
            return made
    return write_structured(event, extensions=extensions)


async def send(settings: CloudEventsSettings, event: Event, delivery: Delivery, http: Http) -> Receipt:
    """One POST. Its `webhook-id` is the same in every attempt. Raises Permanent when the receiver refuses for good."""
    if settings.url is None:
        raise Permanent("this channel has no address to send to", remedy="set url")
    made = message(settings, event)
    if settings.outbound_keys:
        made.headers[signature.ID] = http.key("send")
    response = await http.request(
        "POST",
        settings.path,
        content=made.body,
        content_type=made.content_type,
        headers=made.headers,
        step="send",
        protection=_SAME_AGAIN,
    )
    if response.ok:
        return _DONE
    raise refused(response)


def auth_headers(
    settings: CloudEventsSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    """The token, our name, and the signature over the body as it was stored, with the time of this attempt."""
    headers: dict[str, str] = {}
    if settings.origin is not None:
        headers[ORIGIN] = settings.origin
    if settings.authorization is not None:
        headers["authorization"] = settings.authorization
    id_ = request.headers.get(signature.ID)
    if id_ is not None and settings.outbound_keys:
        seconds = str(int(now.timestamp()))
        headers[signature.TIMESTAMP] = seconds
        headers[signature.SIGNATURE] = signature.sign(settings.outbound_keys, id_, seconds, request.body)
    return headers


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """HTTP's own meaning; a refusal says in words what it is, and 410 ends it all (CloudEvents WebHook, 2.2)."""
    outcome = classify_http(request, response, now)
    gone = response.status == 410
    if request.method == "OPTIONS" and ORIGIN in request.headers and not gone:
        return consented(request, response) if outcome.kind in (Class.OK, Class.PERMANENT) else outcome
    if outcome.kind is not Class.PERMANENT:
        return outcome
    reason = REFUSALS.get(response.status)
    return Outcome(Class.PERMANENT, code=outcome.code, reason=reason[0], stops=gone) if reason else outcome


async def probe(settings: CloudEventsSettings, http: Http) -> None:
    """Ask the receiver whether it is there, and with `origin` for its consent; nothing is delivered. Raises Permanent.

    A receiver that knows no such question (405, 501) is there all the same. The consent is asked for by the core.
    """
    if settings.url is None:
        return
    response = await ask(settings, http, {})
    if not response.ok and response.status not in (405, 501):
        raise refused(response)
