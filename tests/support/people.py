"""People as three channels show them, and a bridge between those: for tests of who is whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from omnibridge.connector import (
    Connector,
    Hint,
    Observation,
    Redelivery,
    Settings,
    Snapshot,
    Verdict,
    Webhook,
    dump_observations,
    load_observations,
)
from omnibridge.model import Customer, canonical_id
from omnibridge.testing import TestBridge

__all__ = ["ANN", "SHOP", "SMS", "SOURCE", "TILL", "TOML", "bridge", "person", "say"]

TOML = """
[channels.shop]
connector = "source"
[channels.sms]
connector = "source"
[channels.till]
connector = "source"
"""

SOURCE = Connector(
    name="source",
    title="Source",
    settings=Settings,
    webhook=Webhook(
        delivery_id=Hint(),
        verify=lambda settings, inbound, now: Verdict.OK,
        translate=lambda settings, inbound: load_observations(inbound.body),
        redelivery=Redelivery(True, timedelta(hours=1)),
    ),
)


def bridge(more: str = "") -> TestBridge:
    """With channels that tell what they are told to tell, and more TOML."""
    return TestBridge(TOML + more, connectors=[SOURCE])


async def say(running: TestBridge, channel: str, *seen: Observation) -> None:
    """One delivery from a channel, processed."""
    reply = await running.ingress.webhook(channel, None, "POST", "", {}, dump_observations(seen))
    assert reply.status == 200
    await running.settle()


def person(id: str, **more: Any) -> Snapshot:
    """A record of somebody; `phone` is verified."""
    fields = {name: value for name, value in more.items() if name in Customer.model_fields}
    if "phone" in fields:
        fields.setdefault("phone_verified", True)
    rest = {name: value for name, value in more.items() if name not in fields}
    return Snapshot(Customer(**fields), id, **rest)


SHOP, TILL, SMS = (canonical_id(channel, "customer", "1") for channel in ("shop", "till", "sms"))
ANN = "+4520123456"
