"""Handlers: an integrator's own functions as channels, so that they are as durable as any delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from omnibridge.channel import Channel
from omnibridge.connector import Connector, Delivery, Http, Later, Limits, Receipt, Settings, deliver
from omnibridge.delivery.outcome import Done
from omnibridge.errors import OmniBridgeError, Permanent, Retryable, StorageError
from omnibridge.event import Event
from omnibridge.journal import Claimed
from omnibridge.model import lookup

__all__ = ["Handler", "HandlerTasks", "handler_channel"]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for events of some types."""

    name: str
    events: tuple[str, ...]
    function: Callable[..., Awaitable[None]]


class HandlerTasks:
    """Runs claimed deliveries by calling the function."""

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
