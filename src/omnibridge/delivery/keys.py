"""The identities of deliveries and of their requests: derived, so that no retry changes a key."""

from __future__ import annotations

from uuid import UUID

from omnibridge.model.identity import name_uuid

__all__ = ["delivery_key", "step_key", "task_key"]

_DELIVERY = UUID("b7a3a2f4-6a5e-5d0b-8d55-3a9c6f0e2b11").bytes


def delivery_key(source: str, event_id: str, channel: str, operation: str) -> str:
    """UUIDv5 of event, channel and operation: a second matching route gives the same key."""
    return name_uuid(_DELIVERY, f"{source}\x1f{event_id}\x1f{channel}\x1f{operation}")


def task_key(channel: str, operation: str, subject: str = "") -> str:
    """The key of work that no event asked for: a poll, a subscription check, a lookup."""
    return name_uuid(_DELIVERY, f"task\x1f{channel}\x1f{operation}\x1f{subject}")


def step_key(delivery: str, step: str, generation: int) -> str:
    """UUIDv5 of delivery key, step name and generation: 36 characters, short enough for every vendor."""
    return name_uuid(UUID(delivery).bytes, f"{step}\x1f{generation}")
