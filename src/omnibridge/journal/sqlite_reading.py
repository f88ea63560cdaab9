"""The statements that only read; each call sees one state of the journal."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from omnibridge.journal.rows import DeliveryState, InboxState
from omnibridge.journal.sqlite_conflicts import CONFLICTS
from omnibridge.journal.sqlite_connection import Connection
from omnibridge.journal.sqlite_values import Row, Value
from omnibridge.model import WORDS

__all__ = ["EVENT", "STORED", "Reading"]

EVENT = "id, source, type, subject, time, datacontenttype, dataschema, extensions, content"
"""The columns of an event as `sqlite_rows.event` takes them."""

STORED = f"SELECT {EVENT}, channel, recorded, seq, inbox_id, party FROM events "  # noqa: S608 - only constants
_INBOX = "SELECT i.id, i.channel, i.origin, coalesce(o.state, 'done'), i.received, i.meta, i.body, o.error "
_DELIVERY = """SELECT d.id, d.key, d.generation, d.channel, d.task, d.operation, d.lane, d.state, d.attempts, d.created,
    d.due, d.route, e.id, e.source, e.type, d.at, d.outcome, d.seconds, d.code, d.text
    FROM deliveries d {hint} LEFT JOIN events e ON e.seq = d.event """

# Above this many rows in one state, walking the table from its newest end meets them sooner than sorting an index.
_MANY = 10_000
_LATEST = 2**63 - 1
_TROUBLE = ("dead", "unknown", "parked", "refused")
# SQLite takes a partial index only for a query that says its condition in the same words.
_IN_TROUBLE = "d.state IN ('dead', 'unknown', 'parked', 'refused')"


class Reading:
    """A connection and the questions it answers, as rows. It runs on the reading thread, or inline in memory."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._execute = db.cursor().execute

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """All rows of a statement."""
        return self._execute(sql, values).fetchall()

    # -- for the stages --------------------------------------------------------------------------------------------

    def pending(self, after: int, limit: int, at_hand: Container[int]) -> list[tuple[int, Row | None]]:
        """Ids of pending inbox rows above an id, each with its row, but for those that the caller has at hand."""
        ids = "SELECT id FROM inbox_open WHERE state = 'pending' AND id > ? ORDER BY id LIMIT ?"
        row = _INBOX + "FROM inbox_open o CROSS JOIN inbox i ON i.id = o.id WHERE o.id = ?"
        return [(id, None if id in at_hand else self.rows(row, (id,))[0]) for (id,) in self.rows(ids, (after, limit))]

    def known(self, keys: Sequence[tuple[str, str, str]]) -> list[list[Row]]:
        """For each (channel, kind, external id) none or one row."""
        sql = """SELECT k.id, k.shadow, k.rev, k.version, k.deleted, e.content, e.rev, e.party, k.root,
            k.channel, k.external_id, k.named
            FROM known k LEFT JOIN entities e ON e.id = k.id AND e.kind = k.kind
            WHERE k.channel = ? AND k.kind = ? AND k.external_id = ?"""
        return [self.rows(sql, key) for key in keys]

    def entities(self, ids: Sequence[tuple[str, str]]) -> list[list[Row]]:
        """For each (kind, id) none or one row of content and revision."""
        sql = "SELECT content, rev FROM entities WHERE kind = ? AND id = ?"
        return [self.rows(sql, key) or self._merged(sql, key) for key in ids]

    def _merged(self, sql: str, key: tuple[str, str], *more: Value) -> list[Row]:
        """What a statement gives for the id in force, where (kind, id) is an older one."""
        kind, id = key
        found = self.rows("SELECT survivor FROM survivors WHERE root = ?", (id,))
        return self.rows(sql, (kind, found[0][0], *more)) if found else []

    def references(self, channel: str, ids: Sequence[tuple[str, str]]) -> list[list[Row]]:
        """For each (kind, id) none or one row of external id and shadow: of several, the newest that is still there.

        A kind of words has a word where others have an id.
        """
        sql = """SELECT external_id, shadow, named FROM known INDEXED BY known_id
            WHERE kind = ? AND id = ? AND channel = ?
            ORDER BY deleted, shadow IS NULL, rowid DESC LIMIT 1"""
        words = "SELECT external_id, NULL, NULL FROM words WHERE kind = ? AND word = ? AND channel = ?"
        return [
            self.rows(words, (*key, channel))
            if key[0] in WORDS
            else self.rows(sql, (*key, channel)) or self._merged(sql, key, channel)
            for key in ids
        ]

    def begun(self, channel: str, limit: int, now: int) -> list[Row]:
        """Lane and operation of heads that may have left already: with a request on record, or first in turn."""
        sql = """SELECT DISTINCT d.lane, d.operation FROM deliveries d
            WHERE d.channel = ?1 AND d.state = 'ready' AND d.task = 'deliver' AND (
            EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.generation = d.generation)
            OR d.id IN (SELECT id FROM deliveries WHERE channel = ?1 AND state = 'ready' AND due <= ?2
                ORDER BY priority, due, id LIMIT ?3))"""
        return self.rows(sql, (channel, now, limit))

    def parties(self, ids: Sequence[str]) -> list[Row]:
        """The (id, key) of those parties that have a key."""
        return [row for id in ids for row in self.rows("SELECT id, key FROM parties WHERE id = ?", (id,))]

    def cursor(self, channel: str, name: str) -> list[Row]:
        """A cursor's content."""
        return self.rows("SELECT content FROM cursors WHERE channel = ? AND name = ?", (channel, name))

    def credential(self, channel: str) -> list[Row]:
        """A credential's content."""
        return self.rows("SELECT content FROM credentials WHERE channel = ?", (channel,))

    # -- for people ------------------------------------------------------------------------------------------------

    def event(self, id: str) -> list[Row]:
        """Events with this id; else up to two whose ids begin so."""
        found = self.rows(STORED + "WHERE id = ? ORDER BY seq DESC", (id,))
        if found or len(id) < 6:
            return found[:1]
        found = self.rows(STORED + "WHERE id > ? AND id < ? LIMIT 2", (id, id + "\U0010ffff"))
        return found if len(found) == 1 else []

    def events(
        self, type: str | None, channel: str | None, subject: str | None, before: int | None, limit: int
    ) -> list[Row]:
        """Events, newest first."""
        terms: list[str] = []
        values: list[Value] = []
        # The plus keeps SQLite from the indexes of what selects less.
        for column, value in (("subject", subject), ("type", type), ("channel", channel)):
            if value is not None:
                terms.append(f"{'+' if terms else ''}{column} = ?")
                values.append(value)
        if before is not None:
            terms.append("seq < ?")
            values.append(before)
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        return self.rows(STORED + where + "ORDER BY seq DESC LIMIT ?", (*values, limit))

    def about(
        self, parties: Sequence[str], kinds: Mapping[str, int], before: int | None, limit: int
    ) -> tuple[list[Row], list[Row]]:
        """The newest events of some parties, and the newest entities of each kind as kind, id, content."""
        # By the index alone for each party first: whoever has thousands of events is asked for a page of rows only.
        mine = "SELECT seq FROM events WHERE party = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        newest = _LATEST if before is None else before
        found = sorted((seq for party in parties for (seq,) in self.rows(mine, (party, newest, limit))), reverse=True)
        events = [row for seq in found[:limit] for row in self.rows(STORED + "WHERE seq = ?", (seq,))]
        theirs = "SELECT rowid FROM entities WHERE party = ? AND kind = ? ORDER BY rowid DESC LIMIT ?"
        places: list[int] = []
        for kind, most in kinds.items():
            held = [place for party in parties for (place,) in self.rows(theirs, (party, kind, most))]
            places += sorted(held, reverse=True)[:most]
        one = "SELECT kind, id, content FROM entities WHERE rowid = ?"
        return events, [row for place in places for row in self.rows(one, (place,))]

    def had(self, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those entities (kind, id) of which there is a record that is not deleted."""
        sql = "SELECT 1 FROM known INDEXED BY known_id WHERE kind = ? AND id = ? AND deleted = 0 LIMIT 1"
        return {key for key in ids if self.rows(sql, key)}

    def inbox(self, channel: str | None, state: str | None, limit: int) -> list[Row]:
        """Inbox rows, newest first. Raises ValueError for a state that there is not."""
        mine, values = (" AND i.channel = ?", (channel,)) if channel is not None else ("", ())
        if state is None or InboxState(state) is InboxState.DONE:
            done = " AND o.id IS NULL" if state else ""
            sql = (
                f"FROM inbox i LEFT JOIN inbox_open o ON o.id = i.id WHERE true{done}{mine} ORDER BY i.id DESC LIMIT ?"
            )
        else:
            # As text, not as a parameter: so SQLite sees that the partial index holds.
            sql = f"""FROM inbox_open o CROSS JOIN inbox i ON i.id = o.id
                WHERE o.state = '{InboxState(state).value}'{mine} ORDER BY o.id DESC LIMIT ?"""
        return self.rows(_INBOX + sql, (*values, limit))

    def deliveries(self, channel: str | None, state: str | None, event: str | None, limit: int) -> list[Row]:
        """Deliveries, newest first. Raises ValueError for a state that there is not."""
        terms: list[str] = []
        values: list[Value] = []
        hint = ""
        if event is not None:
            terms.append("d.event IN (SELECT seq FROM events WHERE id = ?)")
            values.append(event)
        if state is not None:
            terms.append(f"d.state = '{DeliveryState(state).value}'")
        if channel is not None:
            terms.append("d.channel = ?")
            values.append(channel)
        if state is not None and event is None and self._few(state, channel):
            if state in _TROUBLE:
                terms.append(_IN_TROUBLE)
                hint = "INDEXED BY deliveries_trouble"
            elif state in ("ready", "queued"):
                terms.append("d.open = 1")
                hint = "INDEXED BY deliveries_lane"
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        return self.rows(_DELIVERY.format(hint=hint) + where + "ORDER BY d.id DESC LIMIT ?", (*values, limit))

    def _few(self, state: str, channel: str | None) -> bool:
        found = self.rows(
            "SELECT coalesce(sum(n), 0) FROM tally WHERE what = 'delivery' AND state = ?1"
            " AND channel = coalesce(?2, channel)",
            (state, channel),
        )
        return bool(found[0][0] < _MANY)

    def delivery(self, id: int) -> tuple[list[Row], list[Row], list[Row]]:
        """One delivery, its earlier attempts, its steps."""
        return (
            self.rows(_DELIVERY.format(hint="") + "WHERE d.id = ?", (id,)),
            self.rows("SELECT at, outcome, seconds, code, text FROM attempts WHERE delivery = ? ORDER BY id", (id,)),
            self.rows(
                "SELECT name, generation, key, request, response FROM steps WHERE delivery = ? ORDER BY id", (id,)
            ),
        )

    def links(self, kind: str, id: str) -> list[Row]:
        """The references of an entity, named by any of its ids."""
        sql = """SELECT channel, kind, external_id, id, named FROM known INDEXED BY known_id WHERE kind = ? AND id = ?
            ORDER BY channel, external_id"""
        return self.rows(sql, (kind, id)) or self._merged(sql, (kind, id))

    def conflicts(self, chosen: bool | None, limit: int) -> list[Row]:
        """Conflicts, newest first."""
        return self.rows(CONFLICTS, (chosen, limit))

    def many_attempts(self, most: int) -> list[Row]:
        """The deliveries with more attempts on record than these, their last ones included."""
        return self.rows("SELECT delivery FROM attempts GROUP BY delivery HAVING count(*) >= ?", (most,))

    def counts(self) -> tuple[list[Row], dict[str, int], int]:
        """The table of counts, the oldest due time of each channel's heads, the size of the file."""
        tally = self.rows("SELECT what, channel, state, n FROM tally WHERE n != 0")
        oldest: dict[str, int] = {}
        for what, channel, state, _ in tally:
            if what == "delivery" and state == "ready":
                # One jump in the index a priority: the first row of each is its oldest.
                sql = """WITH RECURSIVE levels (priority) AS (
                    SELECT min(priority) FROM deliveries WHERE channel = ?1 AND state = 'ready'
                    UNION ALL SELECT (SELECT min(priority) FROM deliveries WHERE channel = ?1 AND state = 'ready'
                        AND priority > levels.priority) FROM levels WHERE levels.priority IS NOT NULL)
                    SELECT min((SELECT min(due) FROM deliveries WHERE channel = ?1 AND state = 'ready'
                        AND priority = levels.priority)) FROM levels"""
                due = self.rows(sql, (channel,))[0][0]
                if due is not None:
                    oldest[channel] = due
        size = int(self.db.pragma("page_count")) * int(self.db.pragma("page_size"))
        return tally, oldest, size
