"""The channel behind the author's one: takes every event, so that what would be sent on can be looked at."""

from __future__ import annotations

from omnibridge.connector import (
    Connector,
    Delivery,
    Http,
    Receipt,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Upsert,
    deliver,
    write_structured,
)
from omnibridge.event import Event

__all__ = ["HOST", "SINK", "SinkSandbox"]

HOST = "sink.example"


class SinkSettings(Settings):
    """It needs none."""


class SinkSandbox(Sandbox):
    """Takes everything."""

    def respond(self, request: SandboxRequest) -> Response:
        """Thanks."""
        return Response(204)


async def _send(settings: SinkSettings, event: Event, delivery: Delivery, http: Http) -> Receipt:
    message = write_structured(event)
    await http.post(
        "/events", content=message.body, content_type=message.content_type or "", step="send", protection=Upsert()
    )
    return Receipt()


SINK: Connector[SinkSettings] = Connector(
    name="sink",
    title="Sink",
    settings=SinkSettings,
    base_url=lambda settings: f"https://{HOST}",
    delivers=(deliver(Event, _send),),
)
