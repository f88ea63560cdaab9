"""Finds what is unmatched between channels, and notes what an operator matched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from omnibridge.channel import Channel
from omnibridge.connector import Term
from omnibridge.errors import InvalidMessage, UnknownItem
from omnibridge.journal import EntityKey, Journal
from omnibridge.matching.needs import needs_of
from omnibridge.matching.things import STOCK, THINGS, Likely, things_of
from omnibridge.matching.unmatched import Offer, Unmatched, clear
from omnibridge.model import WORDS, full_type, named_in
from omnibridge.routing import Route

__all__ = ["KINDS", "Accepted", "Matching"]

KINDS = (*THINGS, *sorted(WORDS))
"""What is matched once per channel."""
_LATELY = 500
"""So many of the newest events of a type are looked at for the words in them."""
_TELLING = {"tax": ("order.placed",), "payment_method": ("payment.created",), "price_list": ("product.created",)}
"""The events that words of a kind come in."""
Pair = tuple[EntityKey, EntityKey]


class Accepted(NamedTuple):
    """A match: `one` and `other` as people name them. `number` is what `undo` takes; a word's has none."""

    kind: str
    one: str
    other: str
    number: int | None = None


class Matching:
    """Works on any journal, one that a daemon runs on included. `decided` is called after each change."""

    def __init__(
        self,
        journal: Journal,
        routes: Iterable[Route],
        channels: Mapping[str, Channel],
        decided: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._channels = channels
        self._needs = needs_of(routes, channels)
        self._decided = decided

    # -- looking ---------------------------------------------------------------------------------------------------

    async def unmatched(
        self, *, channel: str | None = None, kind: str | None = None, terms: Mapping[str, Sequence[Term]] | None = None
    ) -> Sequence[Unmatched]:
        """What routes may bring to a channel (default: any) that does not know it, with proposals.

        `terms` are the words that the channels' systems have, where somebody asked them: without, no word is proposed
        or missed.
        """
        found: list[Unmatched] = []
        for one in THINGS:
            if kind in (None, one):
                found += await self._things(one, channel)
        for one in sorted(WORDS):
            if kind in (None, one):
                found += await self._words(one, channel, terms or {})
        return sorted(found, key=lambda one: (one.channel, one.kind, one.of or "", one.name, one.external_id))

    async def matches(self, limit: int = 100) -> Sequence[Accepted]:
        """What was matched, records newest first, then words."""
        found: list[Accepted] = []
        for made in await self._journal.matches(limit):
            shown = await self._journal.showings([made.a, made.b])
            names = {one.root: f"{one.channel}:{one.external_id}" for one in shown if one.kind == made.kind}
            found.append(Accepted(made.kind, names.get(made.a, made.a), names.get(made.b, made.b), made.number))
        words = await self._journal.words()
        return [*found, *(Accepted(one.kind, one.word, f"{one.channel}:{one.external_id}") for one in words)]

    async def _things(self, kind: str, channel: str | None) -> list[Unmatched]:
        needs = [need for need in self._needs if need.kind == kind and channel in (None, need.to)]
        names = sorted({name for need in needs for name in (need.of, need.to)})
        things = {name: await things_of(self._journal, name, kind) for name in names}
        shows: defaultdict[str, set[str]] = defaultdict(set)
        for name, those in things.items():
            for thing in those:
                shows[thing.id].add(name)
        found: list[Unmatched] = []
        for need in needs:
            likely = Likely(thing for thing in things[need.to] if need.of not in shows[thing.id])
            for thing in things[need.of] if things[need.to] else ():
                if need.to not in shows[thing.id]:
                    why, those = likely.like(thing)
                    offers = tuple(Offer(one.key.external_id, one.name or one.sku or "", why) for one in those)
                    named = thing.name or thing.sku or ""
                    found.append(Unmatched(need.to, kind, need.of, thing.key.external_id, named, thing.sku, offers))
        return found

    async def _words(self, kind: str, channel: str | None, terms: Mapping[str, Sequence[Term]]) -> list[Unmatched]:
        known = {(one.channel, one.word) for one in await self._journal.words() if one.kind == kind}
        needs = {(need.of, need.to) for need in self._needs if need.kind == kind and channel in (None, need.to)}
        wanted = {(of, to) for of, to in needs if any(term.kind == kind for term in terms.get(to, ()))}
        used = await self._used(kind) if wanted else dict[str, set[str]]()
        missing = {(to, word) for of, to in wanted for word in used.get(of, set[str]())} - known
        return [
            Unmatched(to, kind, None, word, word, None, tuple(_terms(kind, word, terms[to])))
            for to, word in sorted(missing)
        ]

    async def _used(self, kind: str) -> Mapping[str, set[str]]:
        """The words that channels lately said something with."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for type_ in _TELLING[kind]:
            for stored in await self._journal.events(type=full_type(type_), limit=_LATELY):
                try:
                    said = stored.event.parse()
                except InvalidMessage:
                    continue  # of somebody who was erased, or of another version
                found[stored.channel].update(word for of, word in named_in(said) if of == kind)
        return found

    # -- deciding --------------------------------------------------------------------------------------------------

    async def accept(self, unmatched: Iterable[Unmatched]) -> Sequence[Accepted]:
        """Match each of these with its one proposal; what has several, or one that others want too, is left."""
        things, made = list[Pair](), list[Accepted]()
        for one in clear(unmatched):
            offered = one.offers[0].external_id
            if one.of is None:
                await self._journal.set_word(one.channel, one.kind, one.external_id, offered)
                made.append(Accepted(one.kind, one.own, f"{one.channel}:{offered}"))
                continue
            things.append((EntityKey(one.of, one.kind, one.external_id), EntityKey(one.channel, one.kind, offered)))
        return [*made, *await self._note(list(_needed(things)))]

    async def match(self, one: str, other: str, kind: str | None = None) -> Sequence[Accepted]:
        """Match two records, `till:V-1` and `erp:17`, or a word of ours, `0.25`, with `erp:3`.

        Raises UnknownItem for what no channel has shown, two of one channel, and where `kind` must be said.
        """
        key = self._key(other)
        if key is None:
            raise UnknownItem(
                f"{other!r} names nothing of a channel", remedy="CHANNEL:ID, as omnibridge match shows it"
            )
        if kind in WORDS:
            await self._journal.set_word(key[0], kind, one, key[1])
            self._decided()
            return [Accepted(kind, one, other)]
        mine = self._key(one)
        if mine is None:
            words = ", ".join(sorted(WORDS))
            raise UnknownItem(f"{one!r} names nothing of a channel", remedy=f"CHANNEL:ID; for a word, --kind {words}")
        if mine[0] == key[0]:
            raise UnknownItem("two records of one channel are not the same", remedy="name one of each channel")
        pairs = [
            (EntityKey(mine[0], of, mine[1]), EntityKey(key[0], of, key[1])) for of in THINGS if kind in (None, of)
        ]
        found = [pair for pair in pairs if await self._shown(pair[0]) and await self._shown(pair[1])]
        if len(found) != 1:
            what = (
                "both locations and variants" if found else f"no two {kind or 'location or variant'}s that were shown"
            )
            raise UnknownItem(f"{one} and {other} are {what}", remedy="check the ids, or say --kind")
        return await self._note(found)

    async def forget(self, word: str, channel: str, kind: str) -> None:
        """A word is matched with nothing of a channel any more. Raises UnknownItem where it was not."""
        if not await self._journal.set_word(channel, kind, word, None):
            raise UnknownItem(f"{word!r} is not matched in {channel}", remedy="omnibridge match --matched lists them")
        self._decided()

    def _key(self, text: str) -> tuple[str, str] | None:
        channel, colon, external_id = text.partition(":")
        return (channel, external_id) if colon and external_id and channel in self._channels else None

    async def _shown(self, key: EntityKey) -> bool:
        return any(thing.key == key for thing in await things_of(self._journal, key.channel, key.kind))

    async def _note(self, pairs: Sequence[Pair]) -> Sequence[Accepted]:
        numbers = await self._journal.match(pairs, await self._twins(pairs))
        self._decided()
        return [
            Accepted(one.kind, f"{one.channel}:{one.external_id}", f"{other.channel}:{other.external_id}", number)
            for (one, other), number in zip(pairs, numbers, strict=True)
        ]

    async def _twins(self, pairs: Iterable[Pair]) -> Sequence[Pair]:
        """Variants whose stock has an id of its own, each with that: a match of the one is a match of the other."""
        keys = {key for pair in pairs for key in pair if key.kind == "variant"}
        found: list[Pair] = []
        for channel in sorted({key.channel for key in keys}):
            for thing in await things_of(self._journal, channel, "variant"):
                if thing.key in keys and thing.stock is not None:
                    found.append((thing.key, EntityKey(channel, STOCK, thing.stock)))
        return found


def _needed(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Those that say something which the ones before do not say already."""
    group: dict[EntityKey, set[EntityKey]] = {}
    for one, other in pairs:
        mine, theirs = group.get(one, {one}), group.get(other, {other})
        if mine is not theirs:
            mine |= theirs
            group.update(dict.fromkeys(mine, mine))
            yield one, other


def _terms(kind: str, word: str, terms: Iterable[Term]) -> Iterator[Offer]:
    """What a system has for a word: what surely means it, else what is called so."""
    of_kind = [term for term in terms if term.kind == kind]
    sure = [Offer(term.external_id, term.name, "says so") for term in of_kind if term.word == word]
    yield from sure or [
        Offer(term.external_id, term.name, "equal name") for term in of_kind if term.name.casefold() == word.casefold()
    ]
