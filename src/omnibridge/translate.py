"""From an inbox row to what it says: the connector translates it, and what nobody may show any more is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from omnibridge.channel import Channel
from omnibridge.connector import Inbound, Lookup, Observation, Occurrence, load_observations
from omnibridge.errors import InvalidMessage, trail
from omnibridge.journal import EntityKey, InboxRow, Origin
from omnibridge.reconcile import ChannelView, Grave, Prepared, laid_to_rest, readied

__all__ = ["Translated", "Translator", "reason_of"]

_log = structlog.get_logger("omnibridge.process")

Seen = Prepared | Occurrence | Lookup
"""What a connector saw, a snapshot readied."""


@dataclass(slots=True)
class Translated:
    """An inbox row with what its connector made of it."""

    row: InboxRow
    seen: tuple[Seen, ...] = ()
    invalid: str | None = None
    erased: bool = False
    """Whether it names somebody who was erased."""

    def ordered(self, *, waited: bool) -> list[EntityKey]:
        """The entities of which it, or a receipt, tells a version, so that they have an order; all if it `waited`."""
        every = waited or self.row.origin is Origin.RECEIPT
        seen = (item for item in self.seen if isinstance(item, Prepared))
        return [item.key for item in seen if every or item.snapshot.version is not None]


def reason_of(row: InboxRow, error: Exception) -> str:
    """Why a row is invalid, in words that quote nothing of it."""
    if isinstance(error, InvalidMessage):
        return str(error)[:500]
    _log.error("translator bug", channel=row.channel, inbox=row.id, exception=trail(error))
    return f"{type(error).__name__} in the connector; replay after it is mended"


class Translator:
    """Translates rows of every channel. `grave` tells when somebody was erased."""

    def __init__(self, channels: Mapping[str, Channel], views: Mapping[str, ChannelView], grave: Grave) -> None:
        self._channels = channels
        self.views = views
        self._grave = grave
        self.erased = 0
        """Snapshots of whom was erased: left out, or taken in without them."""

    def translate(self, row: InboxRow) -> Translated:
        """What a row says; of what its connector cannot translate, why."""
        if row.shredded:
            return Translated(row, invalid="its key is destroyed: somebody was erased, or it is older than `raw_days`")
        channel = self._channels.get(row.channel)
        if channel is None:
            return Translated(row, invalid=f"there is no channel {row.channel!r} any more")
        try:
            seen = self._observations(channel, row)
            view = self.views[row.channel]
            return self._living(row, [readied(view, item) for item in seen])
        except Exception as error:  # a translator's bug must never lose a delivery
            return Translated(row, invalid=reason_of(row, error))

    def _living(self, row: InboxRow, seen: Sequence[Seen]) -> Translated:
        """What was seen, but for those who were erased."""
        left = [laid_to_rest(item, self._grave) if isinstance(item, Prepared) else item for item in seen]
        erased = sum(one is not other for one, other in zip(seen, left, strict=True))
        if erased:
            self.erased += erased
            _log.info("somebody who was erased was shown again: left out", channel=row.channel, inbox=row.id)
        return Translated(row, tuple(item for item in left if item is not None), erased=bool(erased))

    def _observations(self, channel: Channel, row: InboxRow) -> Sequence[Observation]:
        if row.origin is not Origin.WEBHOOK:
            return load_observations(row.body)
        webhook = channel.connector.webhook
        if webhook is None:
            raise InvalidMessage("the connector takes no webhooks any more")
        inbound = Inbound(
            channel=row.channel,
            url=row.meta.get("url", ""),
            headers=row.meta.get("headers", {}),
            body=row.body,
            received=row.received,
            method=row.meta.get("method", "POST"),
        )
        return webhook.translate(channel.settings, inbound)
