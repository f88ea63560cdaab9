"""What an operator decides about who is whom: merge, split, block, and undo. The running bridge then acts on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

from omnibridge.customer.customers import Customers, readable_key
from omnibridge.customer.identity import pair
from omnibridge.errors import Retryable, UnknownItem
from omnibridge.journal import Conflict, Decision, Journal, Key, Review, Verb

__all__ = ["Blocked", "Deciding"]


class Blocked(NamedTuple):
    """A value that joins nobody: its kind, why, and some customers who have it."""

    kind: str
    reason: str
    customers: tuple[str, ...]


class Deciding(Customers):
    """Finds customers, and takes decisions about them. `decided` is called after each."""

    def __init__(self, journal: Journal, decided: Callable[[], None] = lambda: None) -> None:
        super().__init__(journal)
        self._decided = decided

    async def reviews(self, limit: int = 100) -> Sequence[Review]:
        """Pairs of customers that something would have joined, with why it did not: somebody should decide."""
        return await self._journal.reviews(limit)

    async def blocked(self, limit: int = 100) -> Sequence[Blocked]:
        """Values that join nobody, as too many have them or somebody said so."""
        return [
            Blocked(kind, reason, tuple([(await self._journal.person(root)).id for root in roots]))
            for kind, reason, roots in await self._journal.blocked(limit)
        ]

    async def decisions(self, limit: int = 100) -> Sequence[Decision]:
        """What was decided, newest first."""
        return await self._journal.decisions(limit)

    async def merge(self, one: str, other: str) -> Sequence[int]:
        """These two are one customer, whatever their keys say; earlier splits between them end.

        Both as `find` takes them. The numbers of the decisions. Raises UnknownItem where one names nobody or several,
        or both the same; Retryable when somebody else decided about them at the same moment.
        """
        a, b = await self.one(one), await self.one(other)
        if a == b:
            raise UnknownItem("these are one customer already", where=a.id)
        made = (await self._journal.neighbours([*a.roots, *b.roots], [], {}, 1)).decisions
        last = {d[2:4]: d for d in sorted(made) if d.key is None}
        apart = {two for two, decision in last.items() if decision.verb is Verb.SPLIT}
        pairs = {pair(*two) for two in product(a.roots, b.roots)} & apart | {pair(a.id, b.id)}
        return await self._decide(Verb.LINK, made, pairs=sorted(pairs))

    async def split(self, text: str) -> Sequence[int]:
        """What `text` names is somebody else than all the others of its customer, from now on.

        `text` as `find` takes it: a record (`till:7`), one of the customer's older ids, or an address that only the
        one of them has. The numbers of the decisions. Raises UnknownItem where it names nobody, or nobody is left to
        be apart from; Retryable when somebody else decided about them at the same moment.
        """
        person = await self.one(text)
        named = set(await self.roots(text)) & set(person.roots)
        others = set(person.roots) - named
        if not named or not others:
            raise UnknownItem(
                "there is nobody to split it from",
                where=person.id,
                remedy="name one of its records, as in till:7: omnibridge customer shows them",
            )
        made = (await self._journal.neighbours(person.roots, [], {}, 1)).decisions
        return await self._decide(Verb.SPLIT, made, pairs=sorted(pair(*two) for two in product(named, others)))

    async def block(self, value: str) -> Sequence[int]:
        """A mail address or number joins nobody from now on; whom it joined comes apart. Raises as `merge` does."""
        return await self._about(Verb.BLOCK, value)

    async def unblock(self, value: str) -> Sequence[int]:
        """An operator's `block` ends; the limit and the configuration hold all the same. Raises as `merge` does."""
        return await self._about(Verb.UNBLOCK, value)

    async def undo(self, number: int) -> None:
        """Take a decision back as if it had never been made. Raises UnknownItem where there is none."""
        if not await self._journal.undo(number):
            raise UnknownItem(f"there is no decision {number}", remedy="omnibridge review lists them")
        self._decided()

    async def _about(self, verb: Verb, value: str) -> Sequence[int]:
        if readable_key(value) is None:
            raise UnknownItem("that is no mail address, phone number or loyalty number", remedy="check the spelling")
        key = self.key(value)
        made = (await self._journal.neighbours([], [key], {}, 1)).decisions
        return await self._decide(verb, made, key=key)

    async def _decide(
        self, verb: Verb, made: Sequence[Decision], *, pairs: Sequence[tuple[str, str]] = (), key: Key | None = None
    ) -> Sequence[int]:
        last = max((decision.number for decision in made), default=0)
        try:
            numbers = await self._journal.decide(verb, pairs=pairs, key=key, last=last)
        except Conflict:
            raise Retryable("somebody else decided about this at the same moment; look again") from None
        self._decided()
        return numbers
