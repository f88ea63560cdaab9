"""What is asked of a journal about records that mean the same, and about words of ours: a part of its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from omnibridge.journal.identity_rows import Showing
from omnibridge.journal.match_rows import Match, Word
from omnibridge.journal.rows import EntityKey

__all__ = ["Matches"]


class Matches(Protocol):
    """What an operator matches once per channel."""

    async def shown(self, channel: str, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Showing]:
        """What a channel shows of one kind, by external id, from behind `after` on."""
        ...

    async def match(
        self, pairs: Sequence[tuple[EntityKey, EntityKey]], twins: Sequence[tuple[EntityKey, EntityKey]] = ()
    ) -> Sequence[int | None]:
        """The two records of each pair mean the same, as an operator says; the numbers of what was stored.

        One that nobody has shown yet gets its reference; None stands for two that are one already. `undo` takes a
        number back. `twins` are two ids of one record in one system.
        """
        ...

    async def matches(self, limit: int = 100) -> Sequence[Match]:
        """Which records were matched, newest first."""
        ...

    async def set_word(self, channel: str, kind: str, word: str, external_id: str | None) -> bool:
        """Set a channel's id for a word of ours, or with None forget it; False when it was so already."""
        ...

    async def words(self) -> Sequence[Word]:
        """Every channel's ids for words of ours."""
        ...
