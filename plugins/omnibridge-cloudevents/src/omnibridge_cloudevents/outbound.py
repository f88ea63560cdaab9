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
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["auth_headers", "classify", "message", "probe", "send"]

_SAME_AGAIN = Upsert()
_DONE = Receipt()

_REFUSALS = {
    404: ("there is nothing at the address", "correct url"),
    410: ("the receiver wants no more events at this address", "remove the channel or give it a new url"),
    413: ("the receiver finds the event too large", "leave large events out by the route's filter"),
    415: ("the receiver does not understand this form of an event", "set mode to the other one"),
}


def message(settings: CloudEventsSettings, event: Event) -> HttpMessage:
    """The event as it leaves: `hops` one higher, `channel` left out, as it names something inside this bridge.

    A pure function: the same event gives the same bytes.
    """
    extensions: dict[str, AttributeValue] = dict(event.extensions)
    extensions.pop("channel", None)
    hops = extensions.get("hops", 0)
    extensions["hops"] = min(hops + 1, MAX_INTEGER) if isinstance(hops, int) and hops >= 0 else 1
    if settings.mode == "structured":
        return write_structured(event, extensions=extensions)
    return write_binary(event, extensions=extensions, raw=settings.raw_headers)


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
    raise _refused(response)


def _refused(response: Response) -> Permanent:
    status = response.status
    if 300 <= status < 400:
        what, remedy = "the receiver redirects, which a webhook sender does not follow", "set url to where it points"
    else:
        what, remedy = _REFUSALS.get(status, ("the receiver refuses the event", "see what it answered"))
    said = "".join(sign if sign.isprintable() else " " for sign in response.text[:200]).strip()
    return Permanent(f"{what}: {status} {said}".rstrip(), code=str(status), remedy=remedy)


def auth_headers(
    settings: CloudEventsSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    """The token, and the signature over the body as it was stored, with the time of this attempt."""
    headers: dict[str, str] = {}
    if settings.authorization is not None:
        headers["authorization"] = settings.authorization
    id_ = request.headers.get(signature.ID)
    if id_ is not None and settings.outbound_keys:
        seconds = str(int(now.timestamp()))
        headers[signature.TIMESTAMP] = seconds
        headers[signature.SIGNATURE] = signature.sign(settings.outbound_keys, id_, seconds, request.body)
    return headers


def classify(request: Request, response: Response, now: datetime) -> Outcome:
    """HTTP's own meaning; a refusal says in words what it is (CloudEvents WebHook, section 2.2)."""
    outcome = classify_http(request, response, now)
    if outcome.kind is not Class.PERMANENT:
        return outcome
    reason = _REFUSALS.get(response.status)
    return Outcome(Class.PERMANENT, code=outcome.code, reason=reason[0]) if reason else outcome


async def probe(settings: CloudEventsSettings, http: Http) -> None:
    """Ask the receiver as the WebHook specification does; nothing is delivered. Raises Permanent.

    A receiver that knows no such question (405, 501) is there all the same. With `origin` set it must agree.
    """
    if settings.url is None:
        return
    asked = {"webhook-request-origin": settings.origin} if settings.origin else {}
    response = await http.request("OPTIONS", settings.path, headers=asked, step="probe", protection=_SAME_AGAIN)
    if not response.ok and response.status not in (405, 501):
        raise _refused(response)
    if response.ok and settings.origin:
        allowed = (response.header("webhook-allowed-origin") or "").strip().lower()
        if allowed not in ("*", settings.origin.lower()):
            raise Permanent(
                f"the receiver does not agree to deliveries from {settings.origin!r}",
                remedy="allow that origin at the receiver, or unset origin",
            )
