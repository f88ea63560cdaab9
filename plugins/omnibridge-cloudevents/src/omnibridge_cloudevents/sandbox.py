"""An endpoint that takes events, keeps each once, and can send events as a signed webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from omnibridge.connector import (
    Inbound,
    Outgoing,
    Response,
    Sandbox,
    SandboxRequest,
    Verdict,
    consent,
    json_response,
    read_events,
    write_batch,
    write_binary,
    write_structured,
)
from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge_cloudevents import inbound as receiving
from omnibridge_cloudevents import signature
from omnibridge_cloudevents.consent import CALLBACK, ORIGIN
from omnibridge_cloudevents.settings import CloudEventsSettings

__all__ = ["CloudEventsSandbox", "webhook"]


def webhook(
    url: str,
    *events: Event,
    keys: tuple[bytes, ...] = (),
    id_: str = "",
    now: datetime | None = None,
    mode: Literal["binary", "structured", "batch"] = "structured",
) -> Outgoing:
    """A webhook as a sender makes it; signed when `keys` and the time are given. Only `batch` takes several events."""
    if mode == "batch":
        made = write_batch(events)
    else:
        (event,) = events
        made = write_binary(event) if mode == "binary" else write_structured(event)
    headers = dict(made.headers)
    if made.content_type is not None:
        headers["content-type"] = made.content_type
    if keys and now is not None:
        seconds = str(int(now.timestamp()))
        headers[signature.ID] = id_ or f"msg_{events[0].id if events else seconds}"
        headers[signature.TIMESTAMP] = seconds
        headers[signature.SIGNATURE] = signature.sign(keys, headers[signature.ID], seconds, made.body)
    return Outgoing(url, headers, made.body)


class CloudEventsSandbox(Sandbox):
    """The system on the other side of a channel with these settings.

    `events` are those taken, each once by source and id; `duplicates` counts what came again. `gone` answers 410.
    Asked for its consent it gives it while `agrees`, for `allowed_rate` deliveries a minute (None: any number), and
    `confirm` gives it later, where the question named an address for that.
    """

    def __init__(self, settings: CloudEventsSettings, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.settings = settings
        self.events: dict[str, Event] = {}
        self.requests = 0
        self.duplicates = 0
        self.gone = False
        self.agrees = True
        self.allowed_rate: int | None = None
        self.callback: str | None = None

    def respond(self, request: SandboxRequest) -> Response:
        """204 for an event taken, or taken before; 400, 401, 403, 405, 410, 415 as the WebHook specification says."""
        settings = self.settings
        if self.gone:
            return Response(410)
        if settings.authorization is not None and request.headers.get("authorization") != settings.authorization:
            return Response(401)
        if request.method == "OPTIONS":
            self.callback = request.headers.get(CALLBACK)
            allowed = consent(["*"] if self.agrees else [], self.allowed_rate, request.headers)
            return Response(200, {"allow": "POST, OPTIONS", **allowed})
        if request.method != "POST":
            return Response(405, {"allow": "POST, OPTIONS"})
        if request.headers.get(ORIGIN) != settings.origin:
            return Response(403)
        self.requests += 1
        keys = settings.outbound_keys
        if keys and signature.check(keys, request.headers, request.body, self.now()) is not Verdict.OK:
            return json_response({"error": "signature"}, 401)
        try:
            events = read_events(request.headers, request.body, raw=settings.raw_headers)
        except CodecError as error:
            return json_response({"error": str(error)}, 415 if error.where == "content-type" else 400)
        for event in events:
            if self.events.setdefault(receiving.identity(event), event) is not event:
                self.duplicates += 1
        return Response(204)

    def confirm(self) -> Outgoing:
        """Put the consent by callback into the outbox: a POST to the address that the question named (4.1.3)."""
        if self.callback is None:
            raise LookupError("nobody has asked with an address for a later answer")
        rate = "*" if self.allowed_rate is None else str(self.allowed_rate)
        outgoing = Outgoing(self.callback, {"webhook-allowed-rate": rate}, b"")
        self.outbox.append(outgoing)
        return outgoing

    def emit(self, url: str, *events: Event, mode: Literal["binary", "structured", "batch"] = "structured") -> Outgoing:
        """Put a webhook for the bridge's `url` into the outbox, signed with the newest of the channel's secrets."""
        outgoing = webhook(url, *events, keys=self.settings.inbound_keys[:1], now=self.now(), mode=mode)
        self.outbox.append(outgoing)
        return outgoing

    def records(self) -> Mapping[str, list[dict[str, Any]]]:
        """The events taken, by their attributes."""
        return {"events": [dict(event.attributes()) for event in self.events.values()]}

    def inbound(self, outgoing: Outgoing, channel: str = "cloudevents") -> Inbound:
        """A webhook as the bridge would receive it now."""
        return Inbound(channel, outgoing.url, outgoing.headers, outgoing.body, self.now())
