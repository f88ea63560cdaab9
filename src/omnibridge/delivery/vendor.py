"""Puts together the means to talk to one channel's system."""

from __future__ import annotations

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.delivery.credentials import Credentials
from omnibridge.delivery.exchange import Vendor
from omnibridge.delivery.scope import Scopes
from omnibridge.delivery.sender import Sender
from omnibridge.delivery.wire import Wire
from omnibridge.journal import Journal

__all__ = ["vendor_of"]


def vendor_of(channel: Channel, scopes: Scopes, wire: Wire, journal: Journal, clock: Clock) -> Vendor:
    """The means to talk to a channel's system; `journal` keeps its credential."""
    scope = scopes.of(channel)
    sender = Sender(channel, scope, wire, clock)
    return Vendor(sender, Credentials(channel, journal, clock), scope.budget, journal, clock)
