"""The statements of retention: what may go, in transactions short enough to stand between two commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from omnibridge.journal.seal import key_of
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_values import Row

__all__ = [
    "NEVER",
    "SWEEPS",
    "Sweep",
    "Swept",
    "dedupe_ranges",
    "over_size",
    "sweep_attempts",
    "sweep_dedupe",
    "sweep_deliveries",
    "sweep_events",
    "sweep_inbox",
    "vacuum",
]

_ROWS = 250
"""How many rows a sweep looks at in one transaction: a few milliseconds."""

NEVER = 2**62
"""Later than every time."""

_PAGES = 500
_SPARE_PAGES = 1_000


class Swept(NamedTuple):
    """How many rows went, and the id to go on after; None when what follows is too young."""

    gone: int
    after: int | None


# The newest row of each table always stays, so that its id is not given a second time after a restart.


def sweep_deliveries(ledger: Ledger, after: int, before: int) -> Swept:
    """Done, refused and superseded deliveries that came to rest before a time, with their attempts, steps and keys."""
    rows = ledger.rows(
        "SELECT id, created, channel, state, open, coalesce(at, created), substr(payload, 1, 8) FROM deliveries"
        " WHERE id > ? AND id < (SELECT max(id) FROM deliveries) ORDER BY id LIMIT ?",
        (after, _ROWS),
    )
    gone, keys = 0, list[int]()
    for id, _, channel, state, open, rested, head in rows:
        if not open and rested < before and state in ("done", "refused", "superseded"):
            ledger.execute("DELETE FROM attempts WHERE delivery = ?", (id,))
            ledger.execute("DELETE FROM steps WHERE delivery = ?", (id,))
            ledger.execute("DELETE FROM deliveries WHERE id = ?", (id,))
            ledger.count("delivery", channel, state, -1)
            gone += 1
            if head is not None and (key := key_of(head)) is not None:
                keys.append(key)
    ledger.destroy(keys)
    return Swept(gone, _next(rows, before))


def sweep_events(ledger: Ledger, after: int, before: int) -> Swept:
    """Events recorded before a time that no delivery needs."""
    rows = ledger.rows(
        "SELECT seq, recorded, EXISTS (SELECT 1 FROM deliveries WHERE event = seq) FROM events WHERE seq > ?"
        " AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?",
        (after, _ROWS),
    )
    old = [(seq,) for seq, recorded, needed in rows if recorded < before and not needed]
    for key in old:
        ledger.execute("DELETE FROM events WHERE seq = ?", key)
    ledger.count("event", "", "", -len(old))
    return Swept(len(old), _next(rows, before))


def sweep_inbox(ledger: Ledger, after: int, before: int) -> Swept:
    """Processed inbox rows received before a time, with their keys: so they end in backups too."""
    rows = ledger.rows(
        "SELECT id, received, channel, EXISTS (SELECT 1 FROM inbox_open o WHERE o.id = inbox.id), substr(body, 1, 8)"
        " FROM inbox WHERE id > ? AND id < (SELECT max(id) FROM inbox) ORDER BY id LIMIT ?",
        (after, _ROWS),
    )
    old = [row for row in rows if row[1] < before and not row[3]]
    ledger.destroy([key for key in (key_of(row[4]) for row in old) if key is not None])
    for id, _, channel, _, _ in old:
        ledger.execute("DELETE FROM inbox WHERE id = ?", (id,))
        ledger.execute("DELETE FROM inbox_party WHERE inbox = ?", (id,))
        ledger.count("inbox", channel, "done", -1)
    return Swept(len(old), _next(rows, before))


Sweep = Callable[[Ledger, int, int], Swept]
"""Sweeps some rows after an id that came to rest before a time, both as the ledger has them."""

SWEEPS: Sequence[Sweep] = (sweep_deliveries, sweep_events, sweep_inbox)
"""In this order: an event goes once its deliveries have gone."""


def _next(rows: list[Row], before: int) -> int | None:
    # Rows stand in the order in which they came, so all that follow a young one are young.
    return None if len(rows) < _ROWS or rows[-1][1] >= before else rows[-1][0]


def dedupe_ranges() -> Iterator[tuple[bytes, bytes]]:
    """The hashes in 256 ranges: the table has no index by time, which every accept would pay for."""
    for first in range(256):
        yield bytes([first]), bytes([first + 1]) if first < 255 else b"\xff" * 17


def sweep_dedupe(ledger: Ledger, low: bytes, high: bytes, before: int) -> int:
    """Dedupe keys of one range that are older than a time; how many."""
    ledger.execute("DELETE FROM dedupe WHERE hash >= ? AND hash < ? AND at < ?", (low, high, before))
    return ledger.db.changes()


def sweep_attempts(ledger: Ledger, delivery: int, keep: int) -> int:
    """All but the newest attempts of one delivery, its last one included; how many."""
    ledger.execute(
        "DELETE FROM attempts WHERE delivery = ?1 AND id NOT IN"
        " (SELECT id FROM attempts WHERE delivery = ?1 ORDER BY id DESC LIMIT ?2)",
        (delivery, max(keep - 1, 0)),
    )
    return ledger.db.changes()


def over_size(ledger: Ledger, most: int) -> bool:
    """Whether the pages in use are more than so many bytes."""
    pages, free, size = (int(ledger.db.pragma(name)) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size > most


def vacuum(ledger: Ledger, most: int | None) -> bool:
    """Give some free pages back to the disk, while there are many or the file is too large; whether there are more."""
    pages, free, size = (int(ledger.db.pragma(name)) for name in ("page_count", "freelist_count", "page_size"))
    too_many = free > max(_SPARE_PAGES, pages // 10)
    too_large = most is not None and free > 0 and pages * size > most
    if not (too_many or too_large):
        return False
    ledger.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return True
