"""Metrics for Prometheus, read off the stages when somebody asks; never a person's data."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from omnibridge.bridge import Bridge
from omnibridge.errors import StorageError
from omnibridge.journal import Counts

__all__ = ["render"]


class _Snapshot(Collector):
    def __init__(self, bridge: Bridge, counts: Counts | None) -> None:
        self._bridge = bridge
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        bridge = self._bridge
        inbound = CounterMetricFamily(
            "omnibridge_inbound", "Deliveries that came in, by what became of them.", labels=["channel", "outcome"]
        )
        for (channel, what), number in sorted(bridge.ingress.accepted.items()):
            inbound.add_metric([channel, what], number)
        yield inbound
        yield CounterMetricFamily("omnibridge_processed", "Inbox rows processed.", value=bridge.processor.handled)
        yield CounterMetricFamily("omnibridge_invalid", "Inbox rows not understood.", value=bridge.processor.invalid)
        attempts = CounterMetricFamily(
            "omnibridge_attempts", "Attempts at outbound work, by outcome.", labels=["channel", "outcome"]
        )
        breaker = GaugeMetricFamily(
            "omnibridge_breaker_open", "1 while a channel's breaker is open.", labels=["channel"]
        )
        red = GaugeMetricFamily(
            "omnibridge_channel_red", "1 while refused signatures burst, or it is disabled.", labels=["channel"]
        )
        now = bridge.clock.monotonic()
        for name, worker in sorted(bridge.workers.items()):
            for outcome, number in sorted(worker.outcomes.items()):
                attempts.add_metric([name, outcome], number)
            breaker.add_metric([name], float(worker.held))
            seen = bridge.ingress.forgeries.get(name)
            red.add_metric([name], float(seen is not None and seen.red(now)))
        for name in sorted(bridge.config.disabled):
            red.add_metric([name], 1.0)
        yield from (attempts, breaker, red)
        if self._counts is None:
            yield GaugeMetricFamily("omnibridge_journal_up", "0 while the journal cannot answer or store.", value=0)
            return
        up = 0.0 if bridge.ingress.trouble.seen(now) else 1.0
        yield GaugeMetricFamily("omnibridge_journal_up", "0 while the journal cannot answer or store.", value=up)
        yield GaugeMetricFamily("omnibridge_journal_bytes", "The journal's size.", value=self._counts.bytes)
        waiting = GaugeMetricFamily(
            "omnibridge_deliveries", "Deliveries in the journal, by state.", labels=["channel", "state"]
        )
        for (channel, state), number in sorted(self._counts.deliveries.items()):
            waiting.add_metric([channel, state], number)
        yield waiting
        inbox = GaugeMetricFamily(
            "omnibridge_inbox", "Inbox rows in the journal, by state.", labels=["channel", "state"]
        )
        for (channel, state), number in sorted(self._counts.inbox.items()):
            inbox.add_metric([channel, state], number)
        yield inbox
        lag = GaugeMetricFamily("omnibridge_lag_seconds", "How long the oldest due delivery waits.", labels=["channel"])
        wall = bridge.clock.now()
        for channel, due in sorted(self._counts.oldest_ready.items()):
            lag.add_metric([channel], max(0.0, (wall - due).total_seconds()))
        yield lag


async def render(bridge: Bridge) -> bytes:
    """The exposition text."""
    try:
        counts: Counts | None = await bridge.journal.counts()
    except StorageError:
        counts = None
    registry = CollectorRegistry()
    registry.register(_Snapshot(bridge, counts))
    return generate_latest(registry)
