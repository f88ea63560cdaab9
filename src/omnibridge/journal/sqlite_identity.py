"""The statements that keep who is whom: what records show, what operators decide, and what resolving came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from omnibridge.journal.protocol import Conflict
from omnibridge.journal.sqlite_intake import Batch, write_entities, write_events, write_parties
from omnibridge.journal.sqlite_lanes import join_lanes
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_references import ReferenceRow, dirty, link, refer
from omnibridge.journal.sqlite_values import Value

__all__ = ["FactRows", "Outcome", "adopt", "decide", "identify", "learn", "undo"]

_KEYS = "SELECT hash, verified, counts FROM identity_keys WHERE record = ? AND field = ?"
_FORGET_KEYS = "DELETE FROM identity_keys WHERE record = ? AND field = ?"
_KEY = """INSERT INTO identity_keys (hash, channel, record, field, kind, root, verified, counts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_IN_COMPANY = (
    "SELECT 1 FROM survivors WHERE root = ? LIMIT 1",
    "SELECT 1 FROM survivors WHERE survivor = ? LIMIT 1",
    "SELECT 1 FROM identity_keys k WHERE k.root = ? AND EXISTS"
    " (SELECT 1 FROM identity_keys o WHERE o.hash = k.hash AND o.root != k.root) LIMIT 1",
)
"""Whether a root shares anything with anybody."""


class FactRows(NamedTuple):
    """What a record says, as columns: its fields with (hash, kind, verified), and the references it is linked to."""

    reference: ReferenceRow
    record: bytes
    fields: Sequence[tuple[str, Sequence[tuple[bytes, str, bool]]]]
    confirmed: Sequence[tuple[str, bool]]
    aliases: Sequence[ReferenceRow]
    links: Sequence[ReferenceRow] | None
    counts: bool


class Outcome(NamedTuple):
    """What resolving came to, as columns; entities, events and deliveries as of a batch."""

    rev: int
    survivors: Sequence[tuple[str, str]]
    roots: Sequence[str]
    batch: Batch
    gone: Sequence[tuple[str, str]]
    lanes: Sequence[tuple[str, str]]
    reviews: Sequence[tuple[str, str, str, str]]
    blocked: Sequence[tuple[bytes, str, str]]
    unblocked: Sequence[tuple[bytes]]
    dirty: Sequence[tuple[str, bytes]]


def learn(ledger: Ledger, facts: Iterable[FactRows]) -> bool:
    """Store what records say; whether anything of it must be resolved (a customer who shares nothing need not)."""
    before = _revision(ledger)
    for one in facts:
        _learn(ledger, one)
    return _revision(ledger) != before


def adopt(ledger: Ledger, rules: str) -> bool:
    """Have every shared key looked at again, when there is time, if these are not the rules so far."""
    if [(rules,)] == ledger.rows("SELECT value FROM identity_state WHERE name = 'rules'"):
        return False
    ledger.execute("INSERT OR REPLACE INTO identity_state VALUES ('rules', ?)", (rules,))
    ledger.execute(
        "INSERT OR IGNORE INTO identity_dirty (root, kind, hash, later) SELECT '', kind, hash, 1 FROM identity_keys"
        " GROUP BY hash HAVING min(root) != max(root)"
    )
    ledger.execute("UPDATE identity_state SET value = value + 1 WHERE name = 'rev'")
    return True


def _revision(ledger: Ledger) -> int:
    return int(ledger.rows("SELECT value FROM identity_state WHERE name = 'rev'")[0][0])


def _learn(ledger: Ledger, facts: FactRows) -> None:
    root = refer(ledger, facts.reference)
    channel = facts.reference[0]
    changed: set[tuple[bytes, str]] = set()
    if facts.counts is False:
        changed.update(ledger.rows("SELECT hash, kind FROM identity_keys WHERE record = ? AND counts", (facts.record,)))
        ledger.execute("UPDATE identity_keys SET counts = 0 WHERE record = ?", (facts.record,))
    for field, keys in facts.fields:
        old = {hash: (verified, counts) for hash, verified, counts in ledger.rows(_KEYS, (facts.record, field))}
        new = {hash: (int(verified), int(facts.counts)) for hash, _, verified in keys}
        if old == new:
            continue
        kinds = {hash: kind for hash, kind, _ in keys}
        for hash in old.keys() | new.keys():
            if old.get(hash) != new.get(hash):
                changed.add((hash, kinds.get(hash, "")))
        ledger.execute(_FORGET_KEYS, (facts.record, field))
        for hash, (verified, counts) in new.items():
            ledger.execute(_KEY, (hash, channel, facts.record, field, kinds[hash], root, verified, counts))
    for field, verified in facts.confirmed:
        sql = "SELECT hash, kind FROM identity_keys WHERE record = ? AND field = ? AND verified != ?"
        changed.update(ledger.rows(sql, (facts.record, field, verified)))
        ledger.execute(
            "UPDATE identity_keys SET verified = ? WHERE record = ? AND field = ?", (verified, facts.record, field)
        )
    for hash, kind in changed:
        others = ledger.rows("SELECT kind FROM identity_keys WHERE hash = ? AND root != ? LIMIT 1", (hash, root))
        if others:
            dirty(ledger, kind=kind or others[0][0], hash=hash)
            dirty(ledger, root=root)
    # A key that nobody else has may still speak against one that others have.
    if changed and any(ledger.rows(sql, (root,)) for sql in _IN_COMPANY):
        dirty(ledger, root=root)
    for alias in facts.aliases:
        refer(ledger, (*alias[:3], root, alias[4]))
    if facts.links is not None:
        old_links = ledger.rows("SELECT a, b FROM identity_links WHERE record = ?", (facts.record,))
        others = {refer(ledger, other) for other in facts.links}
        new_links = {(min(root, other), max(root, other)) for other in others if other != root}
        for a, b in old_links:
            if (a, b) not in new_links:
                ledger.execute("DELETE FROM identity_links WHERE a = ? AND b = ? AND record = ?", (a, b, facts.record))
                dirty(ledger, root=a)
        for a, b in sorted(new_links):
            link(ledger, a, b, facts.record)


# -- operators -----------------------------------------------------------------------------------------------------


def decide(
    ledger: Ledger, verb: str, pairs: Sequence[tuple[str, str]], key: tuple[str, bytes] | None, at: int, last: int
) -> list[int]:
    """Store decisions; their numbers. Raises Conflict when one about the same came after `last`."""
    numbers: list[int] = []
    for a, b in pairs:
        _unchanged(ledger, "a = ? AND b = ?", (a, b), last)
        numbers.append(_decision(ledger, (verb, a, b, None, None, at)))
        dirty(ledger, root=a)
        dirty(ledger, root=b)
    if key is not None:
        kind, hash = key
        _unchanged(ledger, "hash = ?", (hash,), last)
        numbers.append(_decision(ledger, (verb, "", "", kind, hash, at)))
        dirty(ledger, kind=kind, hash=hash)
    return numbers


def _unchanged(ledger: Ledger, where: str, values: tuple[Value, ...], last: int) -> None:
    sql = f"SELECT number FROM identity_decisions WHERE {where} AND number > ?"  # noqa: S608 - only constants
    if ledger.rows(sql, (*values, last)):
        raise Conflict("somebody else has decided about this in between")


def _decision(ledger: Ledger, values: tuple[Value, ...]) -> int:
    sql = "INSERT INTO identity_decisions (verb, a, b, kind, hash, at) VALUES (?, ?, ?, ?, ?, ?) RETURNING number"
    return int(ledger.rows(sql, values)[0][0])


def undo(ledger: Ledger, number: int) -> bool:
    """Take a decision back as if it had never been made; False when there is none with this number."""
    for a, b, kind, hash in ledger.rows(
        "DELETE FROM identity_decisions WHERE number = ? RETURNING a, b, kind, hash", (number,)
    ):
        if hash is not None:
            dirty(ledger, kind=kind, hash=hash)
        else:
            dirty(ledger, root=a)
            dirty(ledger, root=b)
        return True
    return False


# -- what resolving came to ----------------------------------------------------------------------------------------


def identify(ledger: Ledger, outcome: Outcome) -> set[tuple[Value, Value]]:
    """Store what resolving came to; (source, id) of the events that are new.

    Raises Conflict, before anything is counted, when anything it was made from has moved.
    """
    if _revision(ledger) != outcome.rev:
        raise Conflict("what is known about these customers has moved")
    write_parties(ledger, outcome.batch)
    write_entities(ledger, outcome.batch.entities)
    for kind, id in outcome.gone:
        ledger.execute("DELETE FROM entities WHERE kind = ? AND id = ?", (kind, id))
    for root, survivor in outcome.survivors:
        if root == survivor:
            ledger.execute("DELETE FROM survivors WHERE root = ?", (root,))
        else:
            ledger.execute(
                "INSERT INTO survivors VALUES (?, ?) ON CONFLICT (root) DO UPDATE SET survivor = excluded.survivor",
                (root, survivor),
            )
        # First those that moved before, then those that stand where they were made.
        ledger.execute("UPDATE known SET id = ?2, root = nullif(?1, ?2) WHERE root = ?1", (root, survivor))
        ledger.execute(
            "UPDATE known SET id = ?2, root = nullif(?1, ?2) WHERE id = ?1 AND root IS NULL", (root, survivor)
        )
    for root in outcome.roots:
        ledger.execute("DELETE FROM identity_reviews WHERE a = ?", (root,))
        ledger.execute("DELETE FROM identity_reviews WHERE b = ?", (root,))
    for review in outcome.reviews:
        ledger.execute("INSERT OR IGNORE INTO identity_reviews VALUES (?, ?, ?, ?)", review)
    for blocked in outcome.blocked:
        ledger.execute("INSERT OR REPLACE INTO identity_blocked VALUES (?, ?, ?)", blocked)
    for unblocked in outcome.unblocked:
        ledger.execute("DELETE FROM identity_blocked WHERE hash = ?", unblocked)
    for done in outcome.dirty:
        ledger.execute("DELETE FROM identity_dirty WHERE root = ? AND hash = ?", done)
    for old, new in outcome.lanes:
        join_lanes(ledger, old, new)
    return write_events(ledger, outcome.batch)
