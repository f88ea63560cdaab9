"""The statements that make references: of what several systems write, one that is found taken joins two entities."""

from __future__ import annotations

from omnibridge.journal.sqlite_ledger import Ledger

__all__ = ["LINKED", "ReferenceRow", "dirty", "link", "refer", "survivor"]

LINKED = frozenset({"customer", "inventory", "inventory_item", "location", "product", "variant"})
"""Kinds of which several systems have the same thing: there two ids that turn out to be one are joined, and may come
apart again. Of all others the one who writes a reference last is right."""

ReferenceRow = tuple[str, str, str, str, bytes | None]
"""Channel, kind, external id as the file has it, canonical id, and the external id of a person, sealed, where it may
not be there yet."""

_REFERENCE = "SELECT coalesce(root, id), id FROM known WHERE channel = ? AND kind = ? AND external_id = ?"
_NEW = """INSERT INTO known (channel, kind, external_id, id, root, named) VALUES (?1, ?2, ?3, ?4, nullif(?5, ?4), ?6)
    ON CONFLICT (channel, kind, external_id) DO UPDATE
    SET id = excluded.id, root = excluded.root, named = coalesce(named, excluded.named) WHERE id IS NULL"""
_NAME = "UPDATE known SET named = ? WHERE channel = ? AND kind = ? AND external_id = ? AND named IS NULL"
_OVERWRITE = """INSERT INTO known (channel, kind, external_id, id) VALUES (?, ?, ?, ?)
    ON CONFLICT (channel, kind, external_id) DO UPDATE SET id = excluded.id WHERE id IS NOT excluded.id"""
_DIRTY = """INSERT INTO identity_dirty (root, kind, hash, later) VALUES (?, ?, ?, 0)
    ON CONFLICT (root, hash) DO UPDATE SET later = 0"""
_REV = "UPDATE identity_state SET value = value + 1 WHERE name = 'rev'"


def survivor(ledger: Ledger, root: str) -> str:
    """The id in force of a root."""
    for (id,) in ledger.rows("SELECT survivor FROM survivors WHERE root = ?", (root,)):
        return str(id)
    return root


def dirty(ledger: Ledger, *, root: str = "", kind: str = "", hash: bytes = b"") -> None:
    """Have a root, or all who hold a key, resolved again."""
    ledger.execute(_DIRTY, (root, kind, hash))
    ledger.execute(_REV)


def refer(ledger: Ledger, reference: ReferenceRow) -> str:
    """Make a reference unless it is there; its root. Where it is there as another's, the two are one from now on."""
    *key, id, named = reference
    if reference[1] not in LINKED:
        ledger.execute(_OVERWRITE, (*key, id))
        return id
    for root, found in ledger.rows(_REFERENCE, tuple(key)):
        if root is None:
            break
        if named is not None:
            ledger.execute(_NAME, (named, *key))
        if id not in (found, root) and survivor(ledger, id) != found:
            link(ledger, root, id, b"")
        return str(root)
    ledger.execute(_NEW, (*key, survivor(ledger, id), id, named))
    return id


def link(ledger: Ledger, a: str, b: str, record: bytes) -> None:
    """Two roots are one, as the vendor of a record says."""
    low, high = sorted((a, b))
    ledger.execute("INSERT OR IGNORE INTO identity_links VALUES (?, ?, ?)", (low, high, record))
    if ledger.db.changes():
        dirty(ledger, root=low)
