"""The statements of the outbox: inserting into lanes, claiming their heads, settling, mending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from omnibridge.errors import UnknownItem
from omnibridge.journal.rows import DeliveryState, Priority
from omnibridge.journal.sqlite_ledger import Claim, Ledger
from omnibridge.journal.sqlite_values import Row, Value

__all__ = [
    "NewRow",
    "Outcome",
    "claim",
    "close_unknown",
    "give_up",
    "insert",
    "join_lanes",
    "next_due",
    "promote",
    "release",
    "replay",
    "resend",
    "settle",
]

# In each lane one open row is the head (ready, parked, or unknown and holding); the others are queued behind it by
# `place`. Only heads that are ready stand in the index that claims read, so a million queued rows cost them nothing.
_HAS_OPEN = "SELECT 1 FROM deliveries WHERE channel = ? AND lane = ? AND open = 1 LIMIT 1"
_HEAD = """SELECT id, state, place FROM deliveries WHERE channel = ? AND lane = ? AND open = 1
    AND state != 'queued'"""
_MOVE = "UPDATE deliveries SET lane = ? WHERE channel = ? AND lane = ? AND open = 1"
_NEXT = """SELECT id FROM deliveries WHERE channel = ? AND lane = ? AND open = 1 AND state = 'queued'
    ORDER BY place, id LIMIT 1"""
_UNTOUCHED = """SELECT id, state, place FROM deliveries INDEXED BY deliveries_collapse
    WHERE channel = ? AND lane = ? AND collapse = ? AND open = 1 AND state IN ('ready', 'queued') AND at IS NULL
    AND NOT EXISTS (SELECT 1 FROM steps WHERE delivery = deliveries.id) ORDER BY place DESC"""
_INSERT = """INSERT INTO deliveries (id, key, channel, task, operation, lane, place, state, open, priority, due,
    created, event, collapse, route, on_poison, on_unknown, recurring, payload)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"""
_PRIORITY = "SELECT min(priority) FROM deliveries WHERE channel = ? AND state = 'ready' AND priority > ?"
_HEADS = """SELECT id, due FROM deliveries WHERE channel = ? AND state = 'ready' AND priority = ? AND due <= ?
    ORDER BY due, id"""
_HEADS_DOING = """SELECT id, operation FROM deliveries
    WHERE channel = ? AND state = 'ready' AND priority = ? AND due <= ? ORDER BY due, id"""
_CLAIMED = """SELECT d.id, d.key, d.generation, d.channel, d.task, d.operation, d.lane, d.attempts, d.created,
    d.payload, d.route, d.on_poison, d.on_unknown, d.recurring, d.later, d.at IS NOT NULL,
    EXISTS (SELECT 1 FROM steps WHERE delivery = d.id),
    e.id, e.source, e.type, e.subject, e.time, e.datacontenttype, e.dataschema, e.extensions, e.content, e.party
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE d.id = ?"""
_STEPS = "SELECT name, generation, key, request, response FROM steps WHERE delivery = ? ORDER BY id"
_ARCHIVE = """INSERT INTO attempts (delivery, at, outcome, seconds, code, text)
    SELECT id, at, outcome, seconds, code, text FROM deliveries WHERE id = ? AND at IS NOT NULL"""
_SETTLE = """UPDATE deliveries SET state = ?, open = ?, due = coalesce(?, due), attempts = attempts + ?,
    later = CASE WHEN ? THEN ? ELSE later END, priority = CASE WHEN priority = ? THEN ? ELSE priority END,
    at = ?, outcome = ?, seconds = ?, code = ?, text = ? WHERE id = ?"""
_REOPEN = """UPDATE deliveries SET state = ?, open = 1, attempts = 0, due = ?,
    priority = CASE WHEN priority BETWEEN ? AND ? THEN ? ELSE priority END WHERE id = ?"""

_PASSED = 1000
"""How many heads are looked at for one that does a certain thing, before those that do are left for later."""
_LOWEST = -(2**63)
_LATEST = 2**63 - 1
_MENDABLE = frozenset({"dead", "unknown", "parked", "refused"})


class NewRow(NamedTuple):
    """A new delivery as columns, apart from what only the writer knows: id, place, state, and the event's number."""

    key: bytes | str
    channel: str
    task: str
    operation: str
    lane: str
    priority: int
    due: int
    created: int
    event: tuple[str, str] | None
    collapse: str | None
    rest: tuple[Value, ...]


class Outcome(NamedTuple):
    """The outcome of an attempt as columns."""

    id: int
    state: str
    open: bool
    due: int | None
    counts: bool
    set_later: bool
    later: bytes | None
    attempt: tuple[Value, ...]
    keep_steps: bool


def insert(ledger: Ledger, new: NewRow, event: int | None) -> None:
    """Put a row at the end of its lane, unless its key is known; it may take the place of one that it replaces."""
    id = place = ledger.delivery_id + 1
    state = "ready"
    if ledger.rows(_HAS_OPEN, (new.channel, new.lane)):
        state = "queued"
        if new.collapse is not None:
            older = next(
                (
                    row
                    for row in ledger.execute(_UNTOUCHED, (new.channel, new.lane, new.collapse)).fetchall()
                    if row[0] not in ledger.claims
                ),
                None,
            )
            if older is not None and not ledger.rows("SELECT 1 FROM deliveries WHERE key = ?", (new.key,)):
                ledger.execute("UPDATE deliveries SET state = 'superseded', open = 0 WHERE id = ?", (older[0],))
                ledger.move("delivery", new.channel, older[1], "superseded")
                state, place = older[1], older[2]
    ledger.execute(
        _INSERT,
        (
            id, new.key, new.channel, new.task, new.operation, new.lane, place, state, new.priority, new.due,
            new.created, event, new.collapse, *new.rest,
        ),
    )  # fmt: skip
    if ledger.db.changes():
        ledger.delivery_id = id
        ledger.count("delivery", new.channel, state)


def _priorities(ledger: Ledger, channel: str) -> Iterable[int]:
    """The priorities of a channel's ready rows, smallest first, a jump in the index for each."""
    least = _LOWEST
    while True:
        found = ledger.rows(_PRIORITY, (channel, least))[0][0]
        if found is None:
            return
        yield found
        least = found


def _due(ledger: Ledger, channel: str, now: int) -> Iterator[int]:
    # Of what stands before the rows that are taken, all is in other workers' hands, and that is bounded.
    for priority in _priorities(ledger, channel):
        for id, _ in ledger.db.execute(_HEADS, (channel, priority, now)):
            yield id


def _doing(ledger: Ledger, channel: str, now: int, operation: str) -> Iterator[int]:
    passed = 0
    for priority in _priorities(ledger, channel):
        for id, does in ledger.db.execute(_HEADS_DOING, (channel, priority, now)):
            if does == operation:
                yield id
            elif (passed := passed + 1) >= _PASSED:
                return


def claim(
    ledger: Ledger, channel: str, limit: int, now: int, operation: str | None = None
) -> list[tuple[Row, list[Row]]]:
    """Take heads of lanes: each with its event's columns, and its steps."""
    ids: list[int] = []
    for id in _due(ledger, channel, now) if operation is None else _doing(ledger, channel, now, operation):
        if id not in ledger.claims:
            ids.append(id)
            if len(ids) >= limit:
                break
    taken: list[tuple[Row, list[Row]]] = []
    for id in ids:
        row = ledger.rows(_CLAIMED, (id,))[0]
        ledger.take(id, Claim(channel, row[6], bool(row[15])))
        taken.append((row, ledger.rows(_STEPS, (id,)) if row[16] else []))
    return taken


def next_due(ledger: Ledger, channel: str) -> int | None:
    """The earliest due time of a ready row that nobody runs."""
    earliest: int | None = None
    for priority in _priorities(ledger, channel):
        for id, due in ledger.db.execute(_HEADS, (channel, priority, _LATEST)):
            if id not in ledger.claims:
                earliest = due if earliest is None else min(earliest, due)
                break
    return earliest


def release(ledger: Ledger, ids: Sequence[int]) -> None:
    """Give claims back."""
    for id in ids:
        ledger.drop(id)


def promote(ledger: Ledger, channel: str, lane: str) -> None:
    """Make the next row of a lane its head, or let it join the lane that waits for it. Its head must have gone."""
    survivor = ledger.moving.get((channel, lane)) if ledger.moving else None
    if survivor is not None:
        ledger.forget_move(channel, lane)
        _join(ledger, channel, lane, survivor)
        lane = survivor
        if ledger.rows(_HEAD, (channel, lane)):
            return
    for (id,) in ledger.rows(_NEXT, (channel, lane)):
        ledger.execute("UPDATE deliveries SET state = 'ready' WHERE id = ?", (id,))
        ledger.move("delivery", channel, "queued", "ready")


def join_lanes(ledger: Ledger, lane: str, survivor: str) -> None:
    """Let the open rows of a lane leave by another one, in each channel, all in the order in which they came in."""
    for (channel,) in ledger.rows("SELECT DISTINCT channel FROM tally WHERE what = 'delivery' AND n > 0"):
        if ledger.moving.get((channel, survivor)) is not None:
            ledger.forget_move(channel, survivor)  # it was to go elsewhere, before a split
        if ledger.rows(_HAS_OPEN, (channel, lane)):
            _join(ledger, channel, lane, survivor)


def _join(ledger: Ledger, channel: str, lane: str, survivor: str) -> None:
    """A head that runs is not disturbed, and one that holds its lane goes on holding it: then the move waits."""
    mine = ledger.rows(_HEAD, (channel, lane))
    theirs = ledger.rows(_HEAD, (channel, survivor))
    if mine and theirs:
        (id, state, place), (other, their_state, their_place) = mine[0], theirs[0]
        fixed = id in ledger.claims or state != "ready"
        their_fixed = other in ledger.claims or their_state != "ready"
        if fixed and their_fixed:
            ledger.move_later(channel, lane, survivor)
            return
        back = id if their_fixed or (not fixed and their_place < place) else other
        ledger.execute("UPDATE deliveries SET state = 'queued' WHERE id = ?", (back,))
        ledger.move("delivery", channel, "ready", "queued")
    ledger.execute(_MOVE, (survivor, channel, lane))
    for id, _, _ in mine:
        ledger.move_claim(id, survivor)


def settle(ledger: Ledger, outcome: Outcome) -> None:
    """Record an attempt and what state it left."""
    held = ledger.claims.get(outcome.id)
    if held is None:
        raise UnknownItem(
            "nobody runs this delivery", where=f"delivery {outcome.id}", remedy="claim it before settling it"
        )
    if held.tried:
        ledger.execute(_ARCHIVE, (outcome.id,))
    retried = outcome.counts and outcome.state == DeliveryState.READY
    ledger.execute(
        _SETTLE,
        (
            outcome.state, outcome.open, outcome.due, outcome.counts, outcome.set_later, outcome.later,
            Priority.FRESH, Priority.RETRY if retried else Priority.FRESH, *outcome.attempt, outcome.id,
        ),
    )  # fmt: skip
    if not outcome.keep_steps:
        ledger.execute("DELETE FROM steps WHERE delivery = ?", (outcome.id,))
    if outcome.state != DeliveryState.READY:
        ledger.move("delivery", held.channel, "ready", outcome.state)
        if not outcome.open:
            promote(ledger, held.channel, held.lane)
    ledger.drop(outcome.id)


# -- mending -------------------------------------------------------------------------------------------------------


def _reopen(ledger: Ledger, id: int, channel: str, lane: str, state: str, open: bool, now: int) -> None:
    # A row that is still open holds its lane, so it is the head; one that is not must see who is there.
    new = "ready" if open or not ledger.rows(_HAS_OPEN, (channel, lane)) else "queued"
    ledger.execute(_REOPEN, (new, now, Priority.FRESH, Priority.REPLAY, Priority.REPLAY, id))
    ledger.move("delivery", channel, state, new)


def replay(ledger: Ledger, ids: Sequence[int], now: int) -> int:
    """Open dead, unknown, parked and refused rows again, at their old places; how many."""
    n = 0
    for id in ids:
        for channel, lane, state, open in ledger.rows(
            "SELECT channel, lane, state, open FROM deliveries WHERE id = ?", (id,)
        ):
            if state in _MENDABLE:
                _reopen(ledger, id, channel, lane, state, bool(open), now)
                n += 1
    return n


def resend(ledger: Ledger, id: int, now: int) -> int | None:
    """Open a settled row again under the next generation, which is returned; None when it is open or not there."""
    for channel, lane, state, open, generation in ledger.rows(
        "SELECT channel, lane, state, open, generation FROM deliveries WHERE id = ?", (id,)
    ):
        if state not in ("ready", "queued"):
            _reopen(ledger, id, channel, lane, state, bool(open), now)
            ledger.execute("UPDATE deliveries SET generation = ?, later = NULL WHERE id = ?", (generation + 1, id))
            if not open:
                # At the lane's end, as it is sent anew; besides, the place of a superseded row is another's now.
                ledger.delivery_id += 1
                ledger.execute("UPDATE deliveries SET place = ? WHERE id = ?", (ledger.delivery_id, id))
            return generation + 1
    return None


def close_unknown(ledger: Ledger, id: int, now: int) -> bool:
    """Mark an unknown row done, and free its lane when it held it."""
    for channel, lane, open in ledger.rows(
        "SELECT channel, lane, open FROM deliveries WHERE id = ? AND state = 'unknown'", (id,)
    ):
        ledger.execute(_ARCHIVE, (id,))
        ledger.execute(
            "UPDATE deliveries SET state = 'done', open = 0, at = ?, outcome = 'closed', seconds = 0, code = NULL,"
            " text = NULL WHERE id = ?",
            (now, id),
        )
        ledger.move("delivery", channel, "unknown", "done")
        if open:
            promote(ledger, channel, lane)
        return True
    return False


def give_up(ledger: Ledger, id: int, now: int) -> bool:
    """Make a parked row a dead letter, and let its lane go on."""
    for channel, lane in ledger.rows("SELECT channel, lane FROM deliveries WHERE id = ? AND state = 'parked'", (id,)):
        ledger.execute(_ARCHIVE, (id,))
        ledger.execute(
            "UPDATE deliveries SET state = 'dead', open = 0, at = ?, outcome = 'given up', seconds = 0, code = NULL,"
            " text = NULL WHERE id = ?",
            (now, id),
        )
        ledger.move("delivery", channel, "parked", "dead")
        promote(ledger, channel, lane)
        return True
    return False
