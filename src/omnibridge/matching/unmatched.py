"""What a channel will be told of and does not know, with what is proposed for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Offer", "Unmatched", "clear"]


class Offer(NamedTuple):
    """Something of a channel that is proposed, and why."""

    external_id: str
    name: str
    why: str


class Unmatched(NamedTuple):
    """Something that `channel` may be told of and does not know.

    It is `name` in the channel `of`, with the id `external_id` there; where `of` is None, a word of ours.
    """

    channel: str
    kind: str
    of: str | None
    external_id: str
    name: str
    sku: str | None = None
    offers: tuple[Offer, ...] = ()

    @property
    def own(self) -> str:
        """How a person names it: `till:V-1`, or the word."""
        return self.external_id if self.of is None else f"{self.of}:{self.external_id}"


def clear(unmatched: Iterable[Unmatched]) -> Sequence[Unmatched]:
    """Those whose one proposal is proposed for nothing else of the same channel: they need no look."""
    single = [one for one in unmatched if len(one.offers) == 1]
    wanted = Counter((one.channel, one.kind, one.of, one.offers[0].external_id) for one in single)
    return [
        one for one in single if one.of is None or wanted[one.channel, one.kind, one.of, one.offers[0].external_id] == 1
    ]
