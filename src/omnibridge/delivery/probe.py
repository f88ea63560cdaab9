"""Asks channels' systems what changes nothing there, without a bridge that runs: are they there, what do they have."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.connector import Term
from omnibridge.delivery.exchange import Exchange, Vendor
from omnibridge.delivery.scope import Scopes
from omnibridge.delivery.vendor import vendor_of
from omnibridge.delivery.wire import Wire
from omnibridge.journal import ClearSeal, open_journal

__all__ = ["probe_all", "terms_of"]


async def probe_all(channels: Iterable[Channel], clock: Clock, wire: Wire) -> dict[str, Exception]:
    """The errors by channel; those whose connector has nothing harmless to ask are left out. Closes the wire."""
    found: dict[str, Exception] = {}
    async with _vendors(clock, wire) as vendor:
        for channel in channels:
            if channel.connector.probe is not None:
                try:
                    await Exchange(vendor(channel)).run(partial(channel.connector.probe, channel.settings))
                except Exception as error:
                    found[channel.name] = error
    return found


async def terms_of(channels: Iterable[Channel], clock: Clock, wire: Wire) -> Mapping[str, Sequence[Term]]:
    """What words the channels' systems have, by channel; those whose connector tells of none are left out.

    Raises what the first system that cannot be asked answers. Closes the wire.
    """
    found: dict[str, Sequence[Term]] = {}
    async with _vendors(clock, wire) as vendor:
        for channel in channels:
            if channel.connector.terms is not None:
                found[channel.name] = await Exchange(vendor(channel)).run(
                    partial(channel.connector.terms, channel.settings)
                )
    return found


@asynccontextmanager
async def _vendors(clock: Clock, wire: Wire) -> AsyncGenerator[Callable[[Channel], Vendor]]:
    """How to talk to each channel's system; what is obtained on the way is forgotten at the end."""
    scopes = Scopes(clock)
    try:
        async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
            yield lambda channel: vendor_of(channel, scopes, wire, journal, clock)
    finally:
        await wire.aclose()
