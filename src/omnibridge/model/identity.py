"""Ids that come out the same wherever they are computed: of entities from their first reference, of events."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID, uuid5

from omnibridge.model.consent import Consent

__all__ = ["canonical_id", "event_id"]

_SPACE = UUID("6e2f6d5c-7f0a-5b8e-9b7e-0d1f3a5c7e90")


def canonical_id(channel: str, kind: str, external_id: str) -> str:
    """The canonical id that an entity gets when `channel` is the first to show it.

    A consent is about a contact point and not about a channel's record, so every channel gives it the same id.
    """
    scope = "" if kind == Consent.KIND else channel
    return str(uuid5(_SPACE, f"{scope}\x1f{kind}\x1f{external_id}"))


def event_id(channel: str, kind: str, external_id: str, version: str, type_: str) -> str:
    """The id of the event that a change causes: the same from a webhook, a poll or a read of it (32 hex digits)."""
    text = "\x1f".join((channel, kind, external_id, version, type_))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
