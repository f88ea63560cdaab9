"""The statements that keep what an operator matched: links between records of two channels, and ids for words."""

from __future__ import annotations

from collections.abc import Iterable

from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_references import ReferenceRow, dirty, link, refer, survivor

__all__ = ["MATCHES", "SHOWN", "WORDS", "match", "set_word"]

SHOWN = """SELECT channel, kind, external_id, coalesce(root, id), shadow, version, deleted, named FROM known
    WHERE channel = ? AND kind = ? AND external_id > ? AND id IS NOT NULL ORDER BY external_id LIMIT ?"""
MATCHES = """SELECT number, kind, a, b, at FROM identity_decisions WHERE kind IS NOT NULL AND hash IS NULL
    ORDER BY number DESC LIMIT ?"""
WORDS = "SELECT channel, kind, word, external_id FROM words ORDER BY channel, kind, word"
_DECISION = """INSERT INTO identity_decisions (verb, a, b, kind, hash, at) VALUES ('link', ?, ?, ?, NULL, ?)
    RETURNING number"""
_LAST = "SELECT verb FROM identity_decisions WHERE a = ? AND b = ? ORDER BY number DESC LIMIT 1"
_WORD = """INSERT INTO words (channel, kind, word, external_id) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (channel, kind, word) DO UPDATE SET external_id = excluded.external_id"""


Rows = Iterable[tuple[ReferenceRow, ReferenceRow]]


def match(ledger: Ledger, pairs: Rows, twins: Rows, at: int) -> list[int | None]:
    """Note that the two records of each pair mean the same; the numbers of what was noted, None for what was known.

    A record that no snapshot showed yet gets its reference. `twins` are two ids of one record of one system.
    """
    for one, other in twins:
        if (root := refer(ledger, one)) != (twin := refer(ledger, other)):
            link(ledger, root, twin, b"")
    return [_noted(ledger, refer(ledger, one), refer(ledger, other), one[1], at) for one, other in pairs]


def _noted(ledger: Ledger, a: str, b: str, kind: str, at: int) -> int | None:
    low, high = sorted((a, b))
    if survivor(ledger, low) == survivor(ledger, high) or ledger.rows(_LAST, (low, high)) == [("link",)]:
        return None
    dirty(ledger, root=low)
    dirty(ledger, root=high)
    return int(ledger.rows(_DECISION, (low, high, kind, at))[0][0])


def set_word(ledger: Ledger, channel: str, kind: str, word: str, external_id: str | None) -> bool:
    """Set a channel's id for a word of ours, or with None forget it; whether anything changed."""
    if external_id is None:
        ledger.execute("DELETE FROM words WHERE channel = ? AND kind = ? AND word = ?", (channel, kind, word))
    else:
        ledger.execute(_WORD, (channel, kind, word, external_id))
    return bool(ledger.db.changes())
