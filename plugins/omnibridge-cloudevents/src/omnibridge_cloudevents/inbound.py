"""What comes in: who sent it, and the events that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from omnibridge.connector import (
    Inbound,
    Observation,
    Occurrence,
    Reply,
    Verdict,
    bearer_token,
    consent,
    read_events,
    same,
    unknown_form,
    without_token,
)
from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge_cloudevents import signature
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["accepted", "delivery_id", "greet", "rate", "refuse", "translate", "verify"]


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
        given = bearer_token(inbound.headers, urlsplit(inbound.url).query)
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


def rate(settings: CloudEventsSettings) -> int | None:
    """How many deliveries a minute are taken."""
    return settings.webhook_rate


def refuse(settings: CloudEventsSettings, inbound: Inbound) -> Reply | None:
    """415 for a form that is not understood (CloudEvents WebHook, section 2.2); what is wrong inside is kept."""
    why = unknown_form(inbound.headers)
    return None if why is None else Reply(415, f"{why}\n".encode(), "text/plain; charset=utf-8")


def accepted(settings: CloudEventsSettings, inbound: Inbound) -> Reply:
    """202: it is stored and not processed yet. An answer to an address that holds a token is nobody else's."""
    query = urlsplit(inbound.url).query
    return Reply(202, headers={"cache-control": "private"} if without_token(query) != query else {})


def greet(settings: CloudEventsSettings, inbound: Inbound) -> Reply:
    """The answer to a sender that asks before it delivers (CloudEvents WebHook, section 4).

    Whether it may is decided and said at once, so an address for a later answer (`WebHook-Request-Callback`) is never
    called: nobody can make the bridge send requests to an address of his choice.
    """
    allow = {"allow": "POST, OPTIONS"}
    if inbound.method != "OPTIONS":
        return Reply(405, headers=allow)
    return Reply(200, headers={**allow, **consent(settings.webhook_origins, settings.webhook_rate, inbound.headers)})
