"""Handlers: an integrator's own functions as channels, as durable as any delivery; and all channels of a bridge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from omnibridge.channel import Channel
from omnibridge.config import Config
from omnibridge.connector import AnyConnector, Connector, Delivery, Http, Later, Limits, Receipt, Settings, deliver
from omnibridge.delivery.outcome import Done
from omnibridge.errors import OmniBridgeError, Permanent, Retryable, StorageError
from omnibridge.event import Event
from omnibridge.ingress import EVENTS_CHANNEL
from omnibridge.journal import Claimed
from omnibridge.model import lookup
from omnibridge.reconcile import OPERATOR
from omnibridge.routing import Route, type_filter

__all__ = ["Handler", "HandlerTasks", "all_channels", "handler_channel", "handler_routes"]

_log = structlog.get_logger("omnibridge")


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for events of some types."""

    name: str
    events: tuple[str, ...]
    function: Callable[..., Awaitable[None]]


class HandlerTasks:
    """Runs claimed deliveries by calling the function."""

    together = None

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def run(self, claimed: Claimed) -> Done | Later:
        """One call. Raises Permanent as the function does; any other error comes back later as Retryable."""
        event = claimed.event
        if event is None:
            raise Permanent("the event of this delivery is gone")
        data: Any = event.parse() if lookup(event.type) is not None else event.data
        try:
            await self._handler.function(data, event)
        except (Permanent, Retryable, StorageError):
            raise
        except Exception as error:
            # The name only: a message may hold somebody's data. Ours say what happened without any.
            what = error.what if isinstance(error, OmniBridgeError) else type(error).__name__
            raise Retryable(f"handler {self._handler.name} raised {what}") from error
        return Done()

    def can_look(self, claimed: Claimed) -> bool:
        """A handler cannot be asked afterwards; it is written to bear a repetition."""
        return False


def handler_channel(handler: Handler, tenant: str) -> Channel:
    """The channel that stands for a handler; its name is `handler:<name>`."""
    connector = Connector(
        name="handler",
        title="Handler",
        settings=Settings,
        base_url=lambda _: "",
        limits=Limits[Settings](concurrency=8),
        delivers=(deliver(Event, _never),),
    )
    return Channel(f"handler:{handler.name}", connector, Settings(), tenant)


async def _never(settings: Settings, event: Event, delivery: Delivery, http: Http) -> Receipt:
    raise Permanent("a handler is called directly")


def all_channels(config: Config, handlers: Iterable[Handler]) -> dict[str, Channel]:
    """Every channel of a bridge by name: configured, disabled, one for what programs publish, one for what
    operators decide, and the handlers'."""
    channels, tenant = dict(config.channels), config.file.bridge.tenant
    events: AnyConnector = Connector(name="events", title="Events", settings=Settings)
    channels[EVENTS_CHANNEL] = Channel(EVENTS_CHANNEL, events, Settings(), tenant)
    operator: AnyConnector = Connector(name=OPERATOR, title="Operator", settings=Settings)
    channels[OPERATOR] = Channel(OPERATOR, operator, Settings(), tenant)
    for name, reason in config.disabled.items():
        # Without a worker: what is routed there waits in the journal until the connector is mended.
        absent: AnyConnector = Connector(name=config.file.channels[name].connector, title="Disabled", settings=Settings)
        channels[name] = Channel(name, absent, Settings(), tenant)
        _log.error("a channel is disabled", channel=name, reason=reason)
    for handler in handlers:
        channel = handler_channel(handler, tenant)
        channels[channel.name] = channel
    return channels


def handler_routes(handlers: Iterable[Handler]) -> Iterator[Route]:
    """The routes that bring handlers their events."""
    for handler in handlers:
        for event in handler.events:
            target = f"handler:{handler.name}"
            yield Route(f"{target} {event}", type_filter(event), (target,), echo=True)
