"""What comes in: who sent it, and the events that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from omnibridge.connector import Inbound, Observation, Occurrence, Reply, Verdict, read_events, same
from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge_cloudevents import signature
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["delivery_id", "greet", "translate", "verify"]


def identity(event: Event) -> str:
    """What identifies an event: its source and id together (CloudEvents core, "id")."""
    return f"{event.source}\x1f{event.id}"


def verify(settings: CloudEventsSettings, inbound: Inbound, now: datetime) -> Verdict:
    """Every proof that is configured must be there: a signature for `secrets`, a token for `access_tokens`.

    Without any of them only `accept_unsigned` lets a delivery in.
    """
    if not settings.secrets and not settings.access_tokens:
        return Verdict.OK if settings.accept_unsigned else Verdict.UNSIGNED
    if settings.access_tokens:
        given = _token(inbound)
        if given is None:
            return Verdict.UNSIGNED
        matched = False
        for token in settings.access_tokens:
            matched |= same(token.get_secret_value(), given)
        if not matched:
            return Verdict.FORGED
    if settings.secrets:
        return signature.check(settings.inbound_keys, inbound.headers, inbound.body, now)
    return Verdict.OK


def _token(inbound: Inbound) -> str | None:
    """The token, in either place where a delivery target must look (CloudEvents WebHook, section 3)."""
    scheme, _, credentials = (inbound.header("authorization") or "").strip().partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    for name, value in parse_qsl(urlsplit(inbound.url).query):
        if name == "access_token":
            return value
    return None


def delivery_id(inbound: Inbound) -> str | None:
    """`webhook-id`, which repeats of one delivery share; else the event's identity; None for a batch without one."""
    given = inbound.header(signature.ID)
    if given:
        return given
    try:
        events = read_events(inbound.headers, inbound.body)
    except CodecError:
        return None
    return identity(events[0]) if len(events) == 1 else None


def translate(settings: CloudEventsSettings, inbound: Inbound) -> Sequence[Observation]:
    """One occurrence for each event, in order; equal source and id is the same event. Raises CodecError."""
    events = read_events(inbound.headers, inbound.body, raw=settings.raw_headers)
    return [Occurrence(key=identity(event), event=event) for event in events]


def greet(settings: CloudEventsSettings, inbound: Inbound) -> Reply:
    """The answer to a sender that asks before it delivers (CloudEvents WebHook, section 4).

    Consent is nothing but the presence of `WebHook-Allowed-Origin`.
    """
    allow = {"allow": "POST, OPTIONS"}
    if inbound.method != "OPTIONS":
        return Reply(405, headers=allow)
    origin = (inbound.header("webhook-request-origin") or "").strip()
    allowed = settings.webhook_origins
    if not origin or not ("*" in allowed or origin.lower() in {name.lower() for name in allowed}):
        return Reply(200, headers=allow)
    # A wildcard is answered as such: what a stranger sent does not go back into a header.
    named = "*" if "*" in allowed else origin
    return Reply(200, headers={**allow, "webhook-allowed-origin": named, "webhook-allowed-rate": "*"})
