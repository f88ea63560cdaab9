"""Asks each channel's system something harmless: whether it is there, and lets us in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from omnibridge.channel import Channel
from omnibridge.delivery.exchange import Exchange, Vendor

__all__ = ["probe_all"]


async def probe_all(channels: Iterable[Channel], vendor: Callable[[Channel], Vendor]) -> dict[str, Exception]:
    """The errors by channel; those whose connector has nothing harmless to ask are left out."""
    found: dict[str, Exception] = {}
    for channel in channels:
        if channel.connector.probe is not None:
            try:
                await Exchange(vendor(channel)).run(functools.partial(channel.connector.probe, channel.settings))
            except Exception as error:
                found[channel.name] = error
    return found
