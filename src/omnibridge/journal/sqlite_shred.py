"""The statements that take a person out of the journal, and what is left of them to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from omnibridge.journal.seal import key_of
from omnibridge.journal.sqlite_lanes import promote
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_reading import STORED, Reading
from omnibridge.journal.sqlite_values import Row, Value, to_json

__all__ = ["Shreds", "ask", "belongings", "dead_ends", "destroyed", "drop", "erasures", "note", "shred", "visit"]

_ABOUT = (
    ("identity_keys", ("root",)),
    ("identity_links", ("a", "b")),
    ("identity_decisions", ("a", "b")),
    ("identity_reviews", ("a", "b")),
    ("identity_dirty", ("root",)),
    ("survivors", ("root", "survivor")),
)
"""Tables that say who is whom, by the columns that hold roots."""
_NOT_KNOWN = "DELETE FROM known WHERE id = ? AND kind = ? RETURNING channel, kind, external_id, named"
_NOBODY = """DELETE FROM known WHERE kind = 'customer' AND (id = ?1 OR root = ?1)
    RETURNING channel, kind, external_id, named"""


class Shreds(NamedTuple):
    """A shredding as columns; what is kept is sealed by the general key already."""

    parties: tuple[str, ...]
    entities: Sequence[tuple[bytes, str, str]]
    shadows: Sequence[tuple[bytes, str, str, str]]
    events: dict[int, bytes]
    inbox: tuple[int, ...]


def ask(ledger: Ledger, at: int, content: bytes) -> int:
    """Store that somebody shall be erased; its number."""
    ledger.execute("INSERT INTO erasures (at, state, content, report) VALUES (?, 'asked', ?, '{}')", (at, content))
    return int(ledger.rows("SELECT last_insert_rowid()")[0][0])


def note(ledger: Ledger, number: int, state: str, report: str) -> None:
    """Store how far an erasure is."""
    ledger.execute("UPDATE erasures SET state = ?, report = ? WHERE id = ?", (state, report, number))


def destroyed(ledger: Ledger, number: int) -> None:
    """Nothing is left of whom it was about."""
    ledger.execute("UPDATE erasures SET state = 'done', content = NULL, keys = NULL WHERE id = ?", (number,))


def erasures(reading: Reading, *, open_only: bool) -> list[Row]:
    """Erasures, oldest first."""
    some = "WHERE state != 'done' " if open_only else ""
    return reading.rows(f"SELECT id, at, state, content, report, keys FROM erasures {some}ORDER BY id")  # noqa: S608


def visit(ledger: Ledger, graves: int) -> bool:
    """Whether these many graves are others than those that this file was last brought in line with."""
    known = ledger.rows("SELECT n FROM graves")
    if known and known[0][0] == graves:
        return False
    ledger.execute("DELETE FROM graves")
    ledger.execute("INSERT INTO graves VALUES (?)", (graves,))
    return True


def dead_ends(reading: Reading) -> tuple[list[Row], list[Row]]:
    """Every (party, key), and every reference of a customer: an older file may hold whom it should not."""
    return (
        reading.rows("SELECT id, key FROM parties"),
        reading.rows("SELECT channel, external_id, id, named FROM known WHERE kind = 'customer' AND id IS NOT NULL"),
    )


def belongings(reading: Reading, parties: Sequence[str]) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Entities (kind, id, content), events, references (channel, kind, external id, id, shadow, sealed id), and how
    many deliveries there are."""
    entities = [
        r for p in parties for r in reading.rows("SELECT kind, id, content FROM entities WHERE party = ?", (p,))
    ]
    events = [r for p in parties for r in reading.rows(STORED + "WHERE party = ? ORDER BY seq", (p,))]
    named: dict[tuple[Value, ...], Row] = {}
    sql = "SELECT channel, kind, external_id, id, shadow, named FROM known WHERE "
    for kind, id, _ in entities:
        for row in reading.rows(sql + "id = ? AND kind = ?", (id, kind)):
            named[row[:3]] = row
    for party in parties:
        for row in reading.rows(sql + "id = ?1 AND kind = 'customer'", (party,)) + reading.rows(
            sql + "root = ?1 AND kind = 'customer'", (party,)
        ):
            named[row[:3]] = row
    counts = [
        r
        for party in parties
        for r in reading.rows(
            "SELECT d.channel, d.state, count(*) FROM events e JOIN deliveries d ON d.event = e.seq WHERE e.party = ?"
            " GROUP BY 1, 2",
            (party,),
        )
    ]
    return entities, events, list(named.values()), counts


def shred(ledger: Ledger, number: int, what: Shreds, report: str) -> list[int] | None:
    """Take the parties out; the keys that must be destroyed now. None while a delivery about them is under way."""
    execute, rows = ledger.execute, ledger.rows
    events = [s for p in what.parties for (s,) in rows("SELECT seq FROM events WHERE party = ?", (p,))]
    work = {
        seq: rows("SELECT id, channel, lane, state, open FROM deliveries WHERE event = ?", (seq,)) for seq in events
    }
    for seq, deliveries in work.items():
        for id, _, _, _, open in deliveries:
            begun = seq in what.events and open and rows("SELECT 1 FROM steps WHERE delivery = ? LIMIT 1", (id,))
            if begun or id in ledger.claims:
                return None
    # What stood in clear, such as a vendor's ids, is overwritten and not only let go.
    execute("PRAGMA secure_delete = on").fetchall()
    try:
        for seq in events:
            kept = what.events.get(seq)
            if kept is None:
                _forget(ledger, seq, work[seq])
            else:
                _strip(ledger, seq, kept, work[seq])
        references = _entities(ledger, what)
        sealed: list[bytes] = []
        for channel, kind, external_id, named in references:
            asked = "DELETE FROM deliveries WHERE open = 0 AND channel = ? AND lane = ? RETURNING state, payload"
            for state, payload in rows(asked, (channel, f"lookup:{kind}:{external_id}")):
                ledger.count("delivery", channel, state, -1)
                sealed += [] if payload is None else [payload]
            sealed += [] if named is None else [named]
        keys = [*_inbox(ledger, what), *(key for key in map(key_of, sealed) if key is not None)]
        for party in what.parties:
            keys += [key for (key,) in rows("DELETE FROM parties WHERE id = ? RETURNING key", (party,))]
            for table, columns in _ABOUT:
                for column in columns:
                    execute(f"DELETE FROM {table} WHERE {column} = ?", (party,))  # noqa: S608 - only constants
        execute("UPDATE identity_state SET value = value + 1 WHERE name = 'rev'")
        for (content,) in rows("SELECT content FROM erasures WHERE id = ? AND content IS NOT NULL", (number,)):
            key = key_of(content)
            keys += [] if key is None else [key]
        execute(
            "UPDATE erasures SET state = 'shredding', report = ?, keys = ?, content = NULL WHERE id = ?",
            (report, to_json(keys), number),
        )
        return keys
    finally:
        execute("PRAGMA secure_delete = fast").fetchall()


def _forget(ledger: Ledger, seq: int, deliveries: Sequence[Row]) -> None:
    """An event that is nothing without the person, and what was to be delivered of it."""
    for id, channel, lane, state, open in deliveries:
        for table in ("attempts", "steps", "sendings"):
            ledger.execute(f"DELETE FROM {table} WHERE delivery = ?", (id,))  # noqa: S608 - only constants
        ledger.execute("DELETE FROM deliveries WHERE id = ?", (id,))
        ledger.count("delivery", channel, state, -1)
        if open and state != "queued":
            promote(ledger, channel, lane)
    ledger.execute("DELETE FROM events WHERE seq = ?", (seq,))
    ledger.count("event", "", "", -1)


def _strip(ledger: Ledger, seq: int, content: bytes, deliveries: Sequence[Row]) -> None:
    """An event of which goods and money stay."""
    ledger.execute(
        "UPDATE events SET content = ?, party = NULL, extensions = json_remove(CAST(extensions AS TEXT),"
        " '$.partitionkey') WHERE seq = ?",
        (content, seq),
    )
    for id, _, _, _, open in deliveries:
        ledger.execute("UPDATE attempts SET text = NULL WHERE delivery = ?", (id,))
        ledger.execute("UPDATE deliveries SET text = NULL, later = NULL WHERE id = ?", (id,))
        if not open:
            ledger.execute("DELETE FROM steps WHERE delivery = ?", (id,))
            ledger.execute("UPDATE deliveries SET lane = 'erased' WHERE id = ?", (id,))


def _entities(ledger: Ledger, what: Shreds) -> list[Row]:
    """Entities, references and shadows; the references that went."""
    execute, rows = ledger.execute, ledger.rows
    for content, kind, id in what.entities:
        execute(
            "UPDATE entities SET content = ?, party = NULL, rev = rev + 1 WHERE kind = ? AND id = ?",
            (content, kind, id),
        )
    for shadow in what.shadows:
        execute("UPDATE known SET shadow = ? WHERE channel = ? AND kind = ? AND external_id = ?", shadow)
    gone: list[Row] = []
    for party in what.parties:
        for kind, id in rows("DELETE FROM entities WHERE party = ? RETURNING kind, id", (party,)):
            gone += rows(_NOT_KNOWN, (id, kind))
        gone += rows(_NOBODY, (party,))
    return gone


def _inbox(ledger: Ledger, what: Shreds) -> list[int]:
    """Raw rows of parties and others; the keys that sealed them."""
    mine = "SELECT inbox FROM inbox_party WHERE party = ?"
    linked = [id for party in what.parties for (id,) in ledger.rows(mine, (party,))]
    return drop(ledger, (*linked, *what.inbox))


def drop(ledger: Ledger, inbox: Sequence[int]) -> list[int]:
    """Remove raw rows; the keys that sealed them."""
    keys: list[int] = []
    for id in dict.fromkeys(inbox):
        state = ledger.rows("DELETE FROM inbox_open WHERE id = ? RETURNING state", (id,))
        for channel, head in ledger.rows("DELETE FROM inbox WHERE id = ? RETURNING channel, substr(body, 1, 8)", (id,)):
            ledger.count("inbox", channel, state[0][0] if state else "done", -1)
            key = key_of(head)
            keys += [] if key is None else [key]
        ledger.execute("DELETE FROM inbox_party WHERE inbox = ?", (id,))
    return keys
