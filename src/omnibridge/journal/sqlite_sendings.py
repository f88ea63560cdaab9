"""The statements that count what was sent to whom lately: for caps on how often one person may be written to."""

from __future__ import annotations

from collections.abc import Sequence

from omnibridge.journal.sqlite_ledger import Ledger

__all__ = ["KEPT_DAYS", "forget_sendings", "send_to"]

KEPT_DAYS = 9
"""Longer than the longest span that is counted: a week, and a day for the time zones."""

_ROWS = 1000
# What came to nothing was not sent; a delivery that retention has removed was.
_COUNT = """SELECT count(*) FROM sendings s LEFT JOIN deliveries d ON d.id = s.delivery
    WHERE s.who = ? AND s.at >= ? AND s.delivery != ? AND coalesce(d.state, 'done') NOT IN ('dead', 'refused')"""


def send_to(ledger: Ledger, who: bytes | str, delivery: int, at: int, limits: Sequence[tuple[int, int]]) -> int | None:
    """Note that a delivery is sent, unless it would be one too many: the place of the first limit that is reached."""
    for place, (since, most) in enumerate(limits):
        if ledger.rows(_COUNT, (who, since, delivery))[0][0] >= most:
            return place
    ledger.execute("INSERT OR REPLACE INTO sendings (delivery, who, at) VALUES (?, ?, ?)", (delivery, who, at))
    return None


def forget_sendings(ledger: Ledger, before: int) -> int:
    """Remove some of those before a time; how many."""
    ledger.execute(
        "DELETE FROM sendings WHERE delivery IN (SELECT delivery FROM sendings WHERE at < ? LIMIT ?)", (before, _ROWS)
    )
    return ledger.db.changes()
