"""What the writing side keeps in memory beside the file: the next ids, who runs what, and how many rows are where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_values import Row, Value

__all__ = ["Claim", "Ledger"]

_COUNT = """INSERT INTO tally VALUES (?, ?, ?, ?)
    ON CONFLICT (what, channel, state) DO UPDATE SET n = n + excluded.n"""


class Claim(NamedTuple):
    """A delivery that a worker of this process runs. `tried`: it has an attempt on record."""

    channel: str
    lane: str
    tried: bool


class Ledger:
    """The writing connection and the memory that belongs to it; both follow a transaction to its end or back.

    Only the journal's writer touches it. Ids are counted here, since no other process may add rows: so a row is
    told its id without asking SQLite. Others may mend rows, so counts are written as differences. `alone` is False
    for such another. `destroy` ends keys on disk, before the rows that they sealed go: so that none is forgotten.
    """

    destroy: Callable[[Sequence[int]], None]

    def __init__(self, db: Connection, *, alone: bool = True) -> None:
        self.db = db
        self.alone = alone
        self.destroy = lambda _: None
        self.cursor = db.cursor()
        self.execute = self.cursor.execute
        self.claims: dict[int, Claim] = {}
        self._taken: list[int] = []
        self._dropped: list[tuple[int, Claim]] = []
        self.moving: dict[tuple[str, str], str] = {}
        """Lanes, as (channel, lane), that join another one once their head has settled."""
        self._replaced: list[tuple[int, Claim]] = []
        self._moving_changed = False
        self._moves: Counter[tuple[str, str, str]] = Counter()
        self.inbox_id = self._newest("inbox", "id")
        self.event_seq = self._newest("events", "seq")
        self.delivery_id = self._newest("deliveries", "id")
        self._load_moving()

    def _load_moving(self) -> None:
        rows: list[Row] = self.db.execute("SELECT channel, lane, survivor FROM lane_moves").fetchall()
        self.moving = {(channel, lane): survivor for channel, lane, survivor in rows}

    def _newest(self, table: str, column: str) -> int:
        found: Row = next(self.db.execute(f"SELECT coalesce(max({column}), 0) FROM {table}"))  # noqa: S608
        return int(found[0])

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """All rows of a statement."""
        return self.execute(sql, values).fetchall()

    # -- claims ----------------------------------------------------------------------------------------------------

    def take(self, id: int, claim: Claim) -> None:
        """A worker runs this delivery from now on."""
        self.claims[id] = claim
        self._taken.append(id)

    def drop(self, id: int) -> None:
        """The worker is done with it, or gives it back."""
        claim = self.claims.pop(id, None)
        if claim is not None:
            self._dropped.append((id, claim))

    def move_claim(self, id: int, lane: str) -> None:
        """The lane of a delivery has another name now; who runs it need not know."""
        claim = self.claims.get(id)
        if claim is not None:
            self._replaced.append((id, claim))
            self.claims[id] = claim._replace(lane=lane)

    def move_later(self, channel: str, lane: str, survivor: str) -> None:
        """Let a lane join another one when its head has settled, after a restart as well."""
        self.execute("INSERT OR REPLACE INTO lane_moves VALUES (?, ?, ?)", (channel, lane, survivor))
        self.moving[channel, lane] = survivor
        self._moving_changed = True

    def forget_move(self, channel: str, lane: str) -> None:
        """The lane has joined the other, or is not to any more."""
        self.execute("DELETE FROM lane_moves WHERE channel = ? AND lane = ?", (channel, lane))
        self.moving.pop((channel, lane), None)
        self._moving_changed = True

    # -- how much is where -----------------------------------------------------------------------------------------

    def count(self, what: str, channel: str, state: str, n: int = 1) -> None:
        """So many more rows are in a state."""
        self._moves[what, channel, state] += n

    def move(self, what: str, channel: str, old: str, new: str) -> None:
        """One row changed its state."""
        self._moves[what, channel, old] -= 1
        self._moves[what, channel, new] += 1

    # -- transactions ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction that nothing else can get between."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write the counts and commit; returns when it is on disk."""
        for key, n in self._moves.items():
            if n:
                self.execute(_COUNT, (*key, n))
        self.execute("COMMIT")
        self._forget()

    def save(self) -> None:
        """A point to come back to within the transaction, before anything was counted or claimed after it."""
        self.execute("SAVEPOINT guarded")

    def back(self) -> None:
        """Undo what came after that point."""
        self.execute("ROLLBACK TO guarded; RELEASE guarded")

    def rollback(self) -> None:
        """Undo the transaction and what was remembered in it."""
        for id in self._taken:
            self.claims.pop(id, None)
        taken = set(self._taken)
        # A claim both taken and dropped in here was not there before.
        self.claims.update((id, claim) for id, claim in self._dropped if id not in taken)
        for id, claim in reversed(self._replaced):
            if id in self.claims:
                self.claims[id] = claim
        changed = self._moving_changed
        self._forget()
        if self.db.in_transaction:
            self.execute("ROLLBACK")
        if changed:
            self._load_moving()

    def _forget(self) -> None:
        self._taken.clear()
        self._dropped.clear()
        self._replaced.clear()
        self._moving_changed = False
        self._moves.clear()
