"""The statements about conflicts between channels: noted when found, chosen by an operator, gone when taken in."""

from __future__ import annotations

from collections.abc import Iterable

from omnibridge.journal.conflict_rows import ConflictRow, ConflictWrite
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_values import Row, Value, micros, moment

__all__ = ["CONFLICTS", "choose", "conflict", "forget_conflict", "note"]

CONFLICTS = """SELECT id, kind, entity, field, winner, loser, stamp, at, side FROM conflicts
    WHERE ?1 IS NULL OR (side IS NOT NULL) = ?1 ORDER BY id DESC LIMIT ?2"""
_NOTE = """INSERT INTO conflicts (kind, entity, field, winner, loser, stamp, at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, entity, field, loser) DO UPDATE
    SET winner = excluded.winner, stamp = excluded.stamp, at = excluded.at, side = NULL"""


def columns(write: ConflictWrite) -> tuple[Value, ...]:
    """A conflict as columns."""
    return (write.kind, write.entity, write.field, write.winner, write.loser, write.stamp, micros(write.at))


def note(ledger: Ledger, writes: Iterable[ConflictWrite]) -> None:
    """Note conflicts; a newer one about the same field and loser takes the older one's place."""
    for write in writes:
        ledger.execute(_NOTE, columns(write))


def choose(ledger: Ledger, id: int, side: str) -> bool:
    """An operator chose a side; whether there is such a conflict with such a side."""
    ledger.execute("UPDATE conflicts SET side = ?2 WHERE id = ?1 AND ?2 IN (winner, loser)", (id, side))
    return bool(ledger.db.changes())


def forget_conflict(ledger: Ledger, id: int) -> None:
    """It is settled, or over."""
    ledger.execute("DELETE FROM conflicts WHERE id = ?", (id,))


def conflict(row: Row) -> ConflictRow:
    """A conflict from its columns."""
    id, kind, entity, field, winner, loser, stamp, at, side = row
    return ConflictRow(id, kind, entity, field, winner, loser, stamp, moment(at), side)
