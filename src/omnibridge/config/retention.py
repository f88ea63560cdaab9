"""What the journal forgets now, by the configuration's days."""

from __future__ import annotations

from datetime import datetime, timedelta

from omnibridge.config.model import RetentionSection
from omnibridge.journal import Retention

__all__ = ["retention"]


def retention(section: RetentionSection, now: datetime) -> Retention:
    """The policy of `[retention]` at this time. Raw deliveries never outlast what they came to."""
    return Retention(
        settled_before=now - timedelta(days=section.settled_days),
        dedupe_before=now - timedelta(days=section.dedupe_days),
        max_bytes=section.max_bytes,
        raw_before=now - timedelta(days=min(section.raw_days, section.settled_days)),
    )
