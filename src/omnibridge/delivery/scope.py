"""What channels of one vendor account share: throttle, breaker and retry budget."""

from __future__ import annotations

from dataclasses import dataclass

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.delivery.breaker import Breaker
from omnibridge.delivery.retry import RetryBudget
from omnibridge.delivery.throttle import Throttle

__all__ = ["Scope", "Scopes"]


@dataclass(slots=True)
class Scope:
    """One vendor account as the vendor counts it."""

    throttle: Throttle
    breaker: Breaker
    budget: RetryBudget


class Scopes:
    """The scopes of a bridge, made when first asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scopes: dict[tuple[str, str], Scope] = {}

    def of(self, channel: Channel) -> Scope:
        """The scope of a channel: its own, unless the connector names one that it shares."""
        connector = channel.connector
        name = connector.limits.scope(channel.settings) if connector.limits.scope else f"channel:{channel.name}"
        key = (connector.name, name)
        found = self._scopes.get(key)
        if found is None:
            found = Scope(Throttle(connector, self._clock), Breaker(self._clock), RetryBudget())
            self._scopes[key] = found
        return found
