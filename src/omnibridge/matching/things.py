"""The locations and variants of a channel, as it shows them, and which of two channels' are likely the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

from omnibridge.journal import EntityKey, Journal, Showing, opened
from omnibridge.model import canonical_id
from omnibridge.reconcile import Json

__all__ = ["STOCK", "THINGS", "Likely", "Thing", "things_of"]

THINGS = ("location", "variant")
"""Kinds of records that are matched with each other."""
STOCK = "inventory_item"
"""The kind of the id by which some systems count a variant's stock."""
_PAGE, _MANY = 1000, 500


class Thing(NamedTuple):
    """One record: its canonical id in force, what people call it, and what may tell that another is the same."""

    key: EntityKey
    id: str
    name: str
    sku: str | None = None
    barcode: str | None = None
    stock: str | None = None

    def signs(self) -> Iterator[tuple[str, str]]:
        """What it may be known by elsewhere, the surest first, as (why, sign)."""
        if self.sku and (sku := self.sku.strip().casefold()):
            yield "equal SKU", sku
        if self.barcode and (code := self.barcode.strip().lstrip("0")):
            yield "equal barcode", code
        if self.name and (name := "".join(filter(str.isalnum, self.name)).casefold()):
            yield "equal name", name


async def things_of(journal: Journal, channel: str, kind: str) -> Sequence[Thing]:
    """Every record of a kind that a channel has shown or named, as far as it is still there."""
    found: dict[str, Thing] = {}
    async for one in _shown(journal, channel, kind):
        if not one.deleted:
            said = opened(one.shadow)[0] if one.shadow is not None else {}
            found[one.external_id] = Thing(EntityKey(*one[:3]), "", str(said.get("name") or ""))
    if kind == "variant":
        async for one in _shown(journal, channel, "product"):
            if one.shadow is not None and not one.deleted:
                found.update(_variants(channel, opened(one.shadow)[0]))
    every = list(found.values())
    for start in range(0, len(every), _MANY):
        part = every[start : start + _MANY]
        known = await journal.known([thing.key for thing in part])
        every[start : start + _MANY] = [
            thing._replace(id=known[thing.key].id or canonical_id(*thing.key)) for thing in part
        ]
    return every


async def _shown(journal: Journal, channel: str, kind: str) -> AsyncIterator[Showing]:
    after = ""
    while page := await journal.shown(channel, kind, after=after, limit=_PAGE):
        for one in page:
            yield one
        after = page[-1].external_id


def _variants(channel: str, product: Json) -> Iterator[tuple[str, Thing]]:
    variants: Iterable[Json] = product.get("variants") or ()
    for variant in variants:
        id_: str | None = variant.get("external_id")
        if id_ is not None:
            words = [product.get("title"), *([variant.get("title")] if len(product["variants"]) > 1 else [])]
            yield (
                id_,
                Thing(
                    EntityKey(channel, "variant", id_),
                    "",
                    " ".join(str(word) for word in words if word),
                    variant.get("sku"),
                    variant.get("barcode"),
                    variant.get("inventory_external_id"),
                ),
            )


class Likely:
    """Looks for what is likely the same among one channel's things."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self._by_sign: defaultdict[tuple[str, str], list[Thing]] = defaultdict(list)
        for thing in things:
            for sign in thing.signs():
                self._by_sign[sign].append(thing)

    def like(self, thing: Thing) -> tuple[str, Sequence[Thing]]:
        """Why, and which ones: those that share the surest sign, where no surer one speaks against it."""
        for why, sign in thing.signs():
            found = [one for one in self._by_sign.get((why, sign), ()) if not _differ(thing, one, why)]
            if found:
                return why, found
        return "", ()


def _differ(one: Thing, other: Thing, why: str) -> bool:
    """Whether a surer sign speaks against it: two records with a SKU each, and not the same."""
    theirs = dict(other.signs())
    return any(theirs.get(word, sign) != sign for word, sign in _before(one, why))


def _before(thing: Thing, why: str) -> Iterator[tuple[str, str]]:
    for word, sign in thing.signs():
        if word == why:
            return
        yield word, sign
