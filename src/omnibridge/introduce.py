"""Says whose the records in a batch are before anything else is made of them: so no customer is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from omnibridge.customer import Resolver, Seen, introduced
from omnibridge.journal import EntityKey, FactsWrite, Journal, Known, Origin, Showing
from omnibridge.model import Customer
from omnibridge.reconcile import Json, Owner, Prepared, links_of, refolded, version_text

__all__ = ["Row", "Unclear", "document", "introduce", "still_there"]

Row = tuple[Origin, Sequence[object]]
"""How an inbox row came, and what was seen in it."""


class Unclear(Exception):
    """What the row at this place of the batch says of a customer cannot be; `error` says why."""

    def __init__(self, place: int, error: Exception) -> None:
        super().__init__(str(error))
        self.place = place
        self.error = error


async def introduce(
    journal: Journal,
    resolver: Resolver,
    batch: Sequence[Row],
    keys: set[EntityKey],
    waits: Callable[[int, Mapping[EntityKey, Known], set[EntityKey]], bool],
) -> dict[EntityKey, Known]:
    """What is known about these keys, once it is clear whose the customers in the batch are.

    `waits(place, known, blocked)` tells whether a row must wait. A row without customers, and a customer of whom
    nothing new is told, cost nothing. Raises Unclear.
    """
    people = {place: _people(row) for place, row in enumerate(batch)}
    for item in (item for items in people.values() for item in items):
        keys.update(item.key._replace(external_id=alias) for alias in item.snapshot.aliases)
    known = dict(await journal.known(list(keys))) if keys else {}
    blocked: set[EntityKey] = set()
    seen: list[tuple[int, Seen]] = []
    for place, items in people.items():
        if items and not waits(place, known, blocked):
            receipt = batch[place][0] is Origin.RECEIPT
            seen += [(place, _seen(item, receipt=receipt)) for item in items]
    news: list[FactsWrite] = []
    telling = introduced((one for _, one in seen), known)
    for place, _ in seen:
        try:
            found = next(telling)
        except Exception as error:
            raise Unclear(place, error) from None
        if found is not None:
            news.append(found)
    if news:
        await resolver.learn(news)
        known = dict(await journal.known(list(keys)))
    return known


def _people(row: Row) -> list[Prepared]:
    return [item for item in row[1] if isinstance(item, Prepared) and item.key.kind == Customer.KIND]


def _seen(item: Prepared, *, receipt: bool) -> Seen:
    return Seen(item.key, item.snapshot, item.said, version_text(item.snapshot.version), receipt)


async def document(
    journal: Journal, owners: Callable[[str, Json], Owner], kind: str, id_: str, showings: Sequence[Showing]
) -> bytes | None:
    """The stored document of an entity that these references show; None where none of them showed it."""
    links = links_of(showings)
    known: Mapping[EntityKey, Known] = await journal.known(list(links)) if links else {}
    return refolded(kind, id_, showings, {key: one.id for key, one in known.items()}, owners)


async def still_there(journal: Journal, batch: Iterable[Row], known: Mapping[EntityKey, Known]) -> set[EntityKey]:
    """Records that are gone, of something of which their channel has another record: that is not gone there."""
    found: set[EntityKey] = set()
    for key in {item.key for _, seen in batch for item in seen if isinstance(item, Prepared) and item.deletes}:
        id_ = known[key].id
        links = await journal.links(key.kind, id_) if id_ is not None else ()
        others = [EntityKey(*one[:3]) for one in links if one.channel == key.channel and one[:3] != key]
        if others and not all(one.deleted for one in (await journal.known(others)).values()):
            found.add(key)
    return found
