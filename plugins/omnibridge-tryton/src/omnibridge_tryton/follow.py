"""Following tables by the instant of their last change, so that a poll misses nothing and ends.

Tryton tells of nothing by itself. A poll follows `last_modified_at` of some tables, in pages ordered by that instant
and the id, and keeps for each table where it stands. A change of an address or a sale line leaves its party or sale
as it was, so those tables are followed as well. Instants are those of a transaction's begin: one that was still open
during a poll turns up behind its back. So a run starts `overlap` before the last change seen, until a run has ended
well after that change; what is met again has the same version. Records that are deleted, rather than made inactive,
leave no trace that a poll could find.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from omnibridge.connector import Cursor, Observation
from omnibridge.errors import InvalidMessage
from omnibridge_tryton.rows import Owner
from omnibridge_tryton.rpc import Rpc

__all__ = ["Source", "follow", "newest_place"]

_START = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER = (("last_modified_at", "ASC"), ("id", "ASC"))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a table was read up to; `settled` when nothing can turn up before it any more."""

    at: datetime = _START
    id: int = 0
    settled: bool = field(default=False, compare=False)

    def after(self) -> list[object]:
        """The records behind this place."""
        same = [["last_modified_at", "=", self.at], ["id", ">", self.id]]
        return ["OR", [["last_modified_at", ">", self.at]], same]


@dataclass(frozen=True, slots=True)
class Source:
    """A table to follow, and which field of its records leads to the entity (None: their own id).

    `domain` narrows it down to what belongs to the channel.
    """

    model: str
    owner: str | None = None
    domain: tuple[object, ...] = ()

    def owner_of(self, row: Owner) -> int | None:
        """The id of the record that a change of `row` is a change of."""
        owners = {"party": row.party, "sale": row.sale, "template": row.template, "product": row.product}
        return row.id if self.owner is None else owners[self.owner]

    @property
    def fields(self) -> list[str]:
        """What is read to follow the table."""
        return ["last_modified_at", *([self.owner] if self.owner else [])]


Observe = Callable[[Mapping[int, datetime]], Awaitable[Sequence[Observation]]]
"""Reads the entities with these ids; the instants are those of the changes that led to them."""


async def newest_place(rpc: Rpc, source: Source) -> Place:
    """Where the table ends now."""
    last = [["last_modified_at", "DESC"], ["id", "DESC"]]
    found = await rpc.find(source.model, Owner, source.domain, source.fields, limit=1, order=last)
    if not found or found[0].last_modified_at is None:
        return Place()
    return Place(found[0].last_modified_at, found[0].id)


def _places(cursor: Cursor | None) -> dict[str, Place]:
    try:
        return {
            str(model): Place(datetime.fromisoformat(place["at"]), int(place["id"]), bool(place["settled"]))
            for model, place in (cursor or {}).items()
        }
    except (KeyError, TypeError, ValueError):
        raise InvalidMessage("a cursor that this connector did not write", where="cursor") from None


def _cursor(places: Mapping[str, Place]) -> Cursor:
    return {
        model: {"at": place.at.isoformat(), "id": place.id, "settled": place.settled} for model, place in places.items()
    }


async def follow(rpc: Rpc, cursor: Cursor | None, sources: Sequence[Source], observe: Observe) -> None:
    """Emit what changed in `sources` since `cursor`, page by page.

    Without a cursor the first source is read from its beginning. The others then start at their end: what belongs to
    an entity is read together with it. Raises InvalidMessage for a cursor or a page that makes no sense.
    """
    places = _places(cursor)
    for source in sources[1:]:
        if source.model not in places:
            places[source.model] = await newest_place(rpc, source)
    for source in sources:
        await _follow_one(rpc, places, source, observe)


async def _follow_one(rpc: Rpc, places: dict[str, Place], source: Source, observe: Observe) -> None:
    size, overlap = rpc.settings.page_size, rpc.settings.overlap
    begun = await rpc.http.now()
    reached = places.get(source.model, Place())
    here = reached
    if reached.at > _START and not reached.settled:
        here = Place(max(reached.at - overlap, _START))
    while True:
        page = await rpc.find(
            source.model, Owner, [*source.domain, here.after()], source.fields, limit=size, order=_ORDER
        )
        changed: dict[int, datetime] = {}
        if page:
            last = Place(page[-1].last_modified_at or _START, page[-1].id)
            if last <= here:
                raise InvalidMessage("a page that lies before the one asked for", where=source.model)
            here, reached = last, max(last, reached)
        for row in page:
            owner = source.owner_of(row)
            if owner is not None:
                changed.pop(owner, None)  # the latest change decides its turn
                changed[owner] = row.last_modified_at or here.at
        ended = len(page) < size
        # Twice the overlap, as the server's clock need not be ours.
        settled = reached.settled or (ended and reached.at > _START and begun >= reached.at + 2 * overlap)
        reached = Place(reached.at, reached.id, settled)
        if page or (settled and places.get(source.model) == reached and not places[source.model].settled):
            places[source.model] = reached
            await rpc.http.emit(await observe(changed) if changed else (), _cursor(places))
        if ended:
            break
