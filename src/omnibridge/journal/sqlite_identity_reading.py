"""The questions about who is whom, as rows; each call sees one state of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from omnibridge.journal.sqlite_matches import MATCHES, SHOWN, WORDS
from omnibridge.journal.sqlite_reading import Reading
from omnibridge.journal.sqlite_values import Row

__all__ = ["Around", "IdentityReading"]

_FACT = "SELECT channel, record, root, kind, hash, verified, counts FROM identity_keys "

Around = tuple[list[Row], list[Row], list[Row], dict[str, str], list[Row], int]
"""Facts, links, decisions, survivors by root, blocked hashes, revision."""


class IdentityReading:
    """Asks on the connection of a `Reading`."""

    def __init__(self, reading: Reading) -> None:
        self._rows = reading.rows

    def unresolved(self, limit: int, later: bool) -> list[Row]:
        """What is marked to be resolved again; what can wait only when asked for, and when nothing else is."""
        sql = "SELECT root, kind, hash FROM identity_dirty WHERE later = 0 LIMIT ?"
        found = self._rows(sql, (limit,))
        return found or (self._rows(sql.replace("= 0", "= 1"), (limit,)) if later else [])

    def around(
        self, roots: Sequence[str], keys: Sequence[tuple[str, bytes]], trusted: Callable[[str, str], bool], most: int
    ) -> Around:
        """What is known about these roots, and who holds these keys: of each channel at most `most` records."""
        facts = [row for root in roots for row in self._rows(_FACT + "WHERE root = ?", (root,))]
        for kind, hash in keys:
            facts += self._holders(kind, hash, trusted, most)
        links: list[Row] = []
        decisions: list[Row] = []
        columns = "SELECT number, verb, a, b, kind, hash, at FROM identity_decisions WHERE "
        for root in roots:
            for column in ("a", "b"):
                links += self._rows(f"SELECT a, b FROM identity_links WHERE {column} = ?", (root,))  # noqa: S608
                decisions += self._rows(f"{columns}{column} = ?", (root,))
        for _, hash in keys:
            decisions += self._rows(columns + "hash = ?", (hash,))
        survivors: dict[str, str] = {}
        for root in roots:
            if root not in survivors:
                survivor, mates = self.person(root)
                survivors.update((mate, survivor) for mate in mates)
        blocked = [
            row
            for _, hash in keys
            for row in self._rows("SELECT kind, hash FROM identity_blocked WHERE hash = ?", (hash,))
        ]
        return facts, links, decisions, survivors, blocked, self.revision()

    def _holders(self, kind: str, hash: bytes, trusted: Callable[[str, str], bool], most: int) -> Iterable[Row]:
        # A jump in the index for each channel: of a key that thousands have, only enough to see that it is too many.
        channel = ""
        while True:
            found = self._rows("SELECT min(channel) FROM identity_keys WHERE hash = ? AND channel > ?", (hash, channel))
            channel = found[0][0]
            if channel is None:
                return
            every = "" if trusted(channel, kind) else "AND verified "
            yield from self._rows(_FACT + f"WHERE hash = ? AND channel = ? {every}LIMIT ?", (hash, channel, most))

    def revision(self) -> int:
        """Grows with everything that may change who is whom."""
        return int(self._rows("SELECT value FROM identity_state WHERE name = 'rev'")[0][0])

    def person(self, id: str) -> tuple[str, list[str]]:
        """The id in force of any root, and all roots of that customer."""
        found = self._rows("SELECT survivor FROM survivors WHERE root = ?", (id,))
        survivor: str = found[0][0] if found else id
        others = self._rows("SELECT root FROM survivors WHERE survivor = ?", (survivor,))
        return survivor, sorted([survivor, *(root for (root,) in others)])

    def holders(self, hash: bytes, limit: int) -> list[str]:
        """The roots that a value leads to, verified or not."""
        rows = self._rows("SELECT DISTINCT root FROM identity_keys WHERE hash = ? LIMIT ?", (hash, limit))
        return [root for (root,) in rows]

    def showings(self, roots: Sequence[str]) -> list[Row]:
        """All references of these roots, with their shadows."""
        sql = """SELECT channel, kind, external_id, coalesce(root, id), shadow, version, deleted, named
            FROM known WHERE """
        return [
            row
            for root in roots
            for where in ("root = ?", "id = ? AND root IS NULL")
            for row in self._rows(sql + where, (root,))
        ]

    def decisions(self, limit: int) -> list[Row]:
        """Decisions about customers, newest first."""
        sql = """SELECT number, verb, a, b, kind, hash, at FROM identity_decisions
            WHERE kind IS NULL OR hash IS NOT NULL ORDER BY number DESC LIMIT ?"""
        return self._rows(sql, (limit,))

    def shown(self, channel: str, kind: str, after: str, limit: int) -> list[Row]:
        """The references of one channel and kind whose external ids sort behind `after`, with their shadows."""
        return self._rows(SHOWN, (channel, kind, after, limit))

    def matches(self, limit: int) -> list[Row]:
        """Which records were matched, newest first."""
        return self._rows(MATCHES, (limit,))

    def words(self) -> list[Row]:
        """Every channel's ids for words of ours."""
        return self._rows(WORDS)

    def reviews(self, limit: int) -> list[Row]:
        """What needs a decision."""
        return self._rows("SELECT a, b, kind, reason FROM identity_reviews ORDER BY a, b, kind LIMIT ?", (limit,))

    def blocked(self, limit: int) -> list[Row]:
        """Keys that link nobody, each with why and some of those who hold it."""
        return [
            (kind, reason, self.holders(hash, 3))
            for kind, hash, reason in self._rows("SELECT kind, hash, reason FROM identity_blocked LIMIT ?", (limit,))
        ]
