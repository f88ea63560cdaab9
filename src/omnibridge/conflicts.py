"""Conflicts between channels, as an operator sees them, and what becomes of a side that one chose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic_core import from_json

from omnibridge.connector import Snapshot, dump_observations
from omnibridge.errors import UnknownItem
from omnibridge.journal import ConflictRow, Journal, NewInbox, Origin, opened
from omnibridge.model import entity_class
from omnibridge.reconcile import OPERATOR, Json, Shadow, Source, flat, sources_in, whole

__all__ = ["Dispute", "open_conflicts", "settle_conflict", "take_up"]


class Dispute(NamedTuple):
    """A conflict with the two values: what holds, and what the loser had."""

    row: ConflictRow
    holds: object
    lost: object


async def open_conflicts(journal: Journal, *, limit: int = 50) -> Sequence[Dispute]:
    """The conflicts that still are ones, newest first: the field has not changed since, and nobody chose a side."""
    found: list[Dispute] = []
    for row in await journal.conflicts(chosen=False, limit=limit):
        document = await _document(journal, row)
        if document is None or sources_in(document).get(row.field) != Source(row.winner, row.stamp):
            continue
        fields = flat(row.kind, document["entity"])
        found.append(Dispute(row, fields.get(row.field), await _claimed(journal, row, row.loser)))
    return found


async def settle_conflict(journal: Journal, conflict: int, side: str, now: datetime | None = None) -> None:
    """Choose whose value holds. It is taken in now, or without a time soon, by the bridge that runs on the journal.

    Raises UnknownItem where there is no such conflict, or side of it.
    """
    if not await journal.choose(conflict, side):
        raise UnknownItem(
            f"there is no conflict {conflict} between {side!r} and another channel",
            remedy="omnibridge conflicts lists them, with their two sides",
        )
    if now is not None:
        await take_up(journal, now)


async def take_up(journal: Journal, now: datetime) -> int:
    """Take in what operators chose, as a claim of their own that is newer than any; how many."""
    chosen = await journal.conflicts(chosen=True)
    for row in reversed(chosen):
        document = await _document(journal, row)
        if document is not None:
            await journal.accept(await _told(journal, row, document, now))
        await journal.forget_conflict(row.id)
    return len(chosen)


async def _told(journal: Journal, row: ConflictRow, document: Json, now: datetime) -> NewInbox:
    """What an operator says: everything as it is, but for the field, which is as the chosen side had it."""
    fields = flat(row.kind, document["entity"])
    if row.side == row.loser:
        fields[row.field] = await _claimed(journal, row, row.loser)
    entity = entity_class(row.kind).model_validate(whole(row.kind, fields))
    seen = Snapshot(entity, row.entity, ours=row.entity)
    # Not deduplicated by its number alone: a row that is forgotten may leave it to another one.
    dedupe = f"conflict\x1f{row.id}\x1f{row.at.isoformat()}"
    return NewInbox(OPERATOR, Origin.READ, dump_observations([seen]), now, dedupe)


async def _document(journal: Journal, row: ConflictRow) -> Json | None:
    found = (await journal.entities([(row.kind, row.entity)])).get((row.kind, row.entity))
    return from_json(found[0]) if found else None


async def _claimed(journal: Journal, row: ConflictRow, channel: str) -> object:
    """What a channel itself last said about the field of a conflict."""
    found = (await journal.references(channel, [(row.kind, row.entity)])).get((row.kind, row.entity))
    if found is None or found[1] is None:
        return None
    fields, claims = opened(found[1])
    for claim in Shadow(channel, fields, claims).stated(row.kind):
        if claim.field == row.field:
            return claim.value
    return flat(row.kind, fields).get(row.field)
