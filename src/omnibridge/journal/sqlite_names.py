"""How the file calls what a channel calls a person: by a keyed digest, with the id itself sealed beside it.

Such an id may tell who somebody is (Twilio's is the phone number, Mailchimp's the hash of the address), and columns
that are searched stand in backups as they are. Each id has a key of its own, which ends with the person.
"""

from __future__ import annotations

from omnibridge.journal.rows import NewDelivery, Task
from omnibridge.journal.seal import GENERAL, Seal, Shredded, filed
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_values import Row

__all__ = ["Names", "name_anew"]

_CONTEXT = "known.named"
_NAMED = frozenset({"customer"})
_REMEMBERED = 16_384


class Names:
    """The ids of people as the journal's file has them. Belongs to the event loop's side."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._there: set[tuple[str, str]] = set()

    def filed(self, kind: str, external_id: str) -> str:
        """How the file calls a channel's id."""
        return filed(self._seal, kind, external_id)

    def sealed(self, channel: str, kind: str, external_id: str, name: str) -> bytes | None:
        """The id for the file, where it is `name`; None where it has it, and for kinds that stand as they are."""
        if kind not in _NAMED or (channel, name) in self._there:
            return None
        return self._seal.seal(external_id.encode(), _CONTEXT, self._seal.take("party"))

    def met(self, channel: str, name: str, sealed: bytes | None) -> None:
        """The file has this one."""
        if sealed is not None:
            if len(self._there) >= _REMEMBERED:
                self._there.clear()
            self._there.add((channel, name))

    def missed(self, channel: str, name: str) -> None:
        """The file has not, or no longer."""
        self._there.discard((channel, name))

    def opened(self, channel: str, kind: str, name: str, sealed: bytes | None) -> str | None:
        """The channel's id, by how the file calls it; None for one of somebody who was erased."""
        if sealed is None:
            return None if kind in _NAMED else name
        self.met(channel, name, sealed)
        try:
            return self._seal.open(sealed, _CONTEXT).decode()
        except Shredded:
            return None

    def forget(self) -> None:
        """Some of them are no longer there."""
        self._there.clear()

    def asked(self, new: NewDelivery) -> tuple[str, str | None, int]:
        """Lane, what it collapses with, and the key of what a delivery holds: a question about a person names them."""
        kind, _, external_id = (new.collapse or "").partition(":")
        if new.task is not Task.LOOKUP or kind not in _NAMED:
            return new.lane, new.collapse, GENERAL
        what = f"{kind}:{self.filed(kind, external_id)}"
        return f"lookup:{what}", what, self._seal.take("row")


def name_anew(db: Connection, seal: Seal) -> None:
    """Take out of a file the ids that stand in clear, from before they had digests; after a crash again."""
    if not db.execute("SELECT 1 FROM identity_state WHERE name = 'names in clear'").fetchall():
        return
    names = Names(seal)
    db.execute("PRAGMA secure_delete = on; BEGIN IMMEDIATE").fetchall()
    try:
        known: list[Row] = db.execute(
            "SELECT rowid, channel, kind, external_id FROM known WHERE kind = 'customer'"
        ).fetchall()
        for rowid, channel, kind, id in known:
            name = names.filed(kind, id)
            new = (name, names.sealed(channel, kind, id, name), rowid)
            db.execute("UPDATE known SET external_id = ?, named = ? WHERE rowid = ?", new).fetchall()
        asked: list[Row] = db.execute(
            "SELECT id, collapse FROM deliveries WHERE task = 'lookup' AND collapse GLOB 'customer:*'"
        ).fetchall()
        for id, collapse in asked:
            what = "customer:" + names.filed("customer", collapse.partition(":")[2])
            row = (f"lookup:{what}", what, id)
            db.execute("UPDATE deliveries SET lane = ?, collapse = ? WHERE id = ?", row).fetchall()
        db.execute("DELETE FROM identity_state WHERE name = 'names in clear'").fetchall()
        db.execute("COMMIT").fetchall()
    except BaseException:
        db.execute("ROLLBACK").fetchall()
        raise
    finally:
        db.execute("PRAGMA secure_delete = fast").fetchall()
