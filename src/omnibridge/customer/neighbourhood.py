"""Gathers everything that may be joined with what changed, and nothing else, however large the world around it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from omnibridge.customer.identity import Rules, blocked_keys, resolve
from omnibridge.journal import Conflict, Decision, Dirty, Fact, Journal, Key, Link, Neighbours, Review, Verb

__all__ = ["Neighbourhood", "gather"]

_SPARE = 64
"""So many records may take up a key at once before all who had it are told."""


class Neighbourhood(NamedTuple):
    """Whole customers: every root that an edge leads to, and every root of the customers that they were so far.

    `before` and `after` have the survivor of each. `newly` and `no_longer` are the keys whose blocking changed.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    reviews: tuple[Review, ...]
    newly: Mapping[Key, str]
    no_longer: frozenset[Key]
    rev: int

    @property
    def moved(self) -> Mapping[str, str]:
        """The roots that belong to another customer than before."""
        return {root: id for root, id in self.after.items() if self.before[root] != id}


async def gather(journal: Journal, dirty: Sequence[Dirty], rules: Rules) -> Neighbourhood:
    """What must be resolved together, resolved. Raises Conflict when it moves meanwhile."""
    search = _Search(journal, rules)
    holders = await search.keys({one.key for one in dirty if one.key is not None}, changed=True)
    await search.roots(holders | {one.root for one in dirty if one.root})
    return search.found()


class _Search:
    """A walk along everything that joins: round after round, until no new root comes up."""

    def __init__(self, journal: Journal, rules: Rules) -> None:
        self._journal = journal
        self._rules = rules
        self._most = 2 * max([rules.limit, *rules.limits.values()]) + _SPARE
        self._rev: int | None = None
        self._facts: set[Fact] = set()
        self._links: set[Link] = set()
        self._decisions: set[Decision] = set()
        self._before: dict[str, str] = {}
        self._asked: set[Key] = set()
        self._was_blocked: set[Key] = set()

    async def keys(self, keys: Set[Key], *, changed: bool = False) -> set[str]:
        """The roots that these keys lead to; a blocked one leads nowhere, unless it was open until it `changed`."""
        new = sorted(keys - self._asked)
        if not new:
            return set()
        self._asked.update(new)
        near = await self._ask([], new)
        self._was_blocked |= near.blocked
        blocked = blocked_keys(near.facts, near.decisions, self._rules)
        return {
            fact.root for fact in near.facts if fact.key not in blocked or (changed and fact.key not in near.blocked)
        }

    async def roots(self, todo: set[str]) -> None:
        """Ask about these roots, and about all that anything leads to from there."""
        done: set[str] = set()
        while todo:
            near = await self._ask(sorted(todo), [])
            done |= todo
            self._before.update(near.survivors)
            links = {root for link in near.links for root in link}
            links |= {root for d in near.decisions if d.verb is Verb.LINK for root in (d.a, d.b)}
            holders = await self.keys({fact.key for fact in near.facts if self._rules.links(fact)})
            todo = (near.survivors.keys() | links | holders) - done

    async def _ask(self, roots: Sequence[str], keys: Sequence[Key]) -> Neighbours:
        near = await self._journal.neighbours(roots, keys, self._rules.trusted, self._most)
        if self._rev not in (None, near.rev):
            raise Conflict("what is known about these customers has moved")
        self._rev = near.rev
        self._facts.update(near.facts)
        self._links.update(near.links)
        self._decisions.update(near.decisions)
        return near

    def found(self) -> Neighbourhood:
        """The neighbourhood, when the walk has ended."""
        inside = self._before.keys()
        decisions = [d for d in self._decisions if d.key is not None or {d.a, d.b} <= inside]
        found = resolve(self._facts, self._links, decisions, self._rules)
        return Neighbourhood(
            self._before,
            {root: found.survivors.get(root, root) for root in self._before},
            tuple(one for one in found.reviews if {one.a, one.b} <= inside),
            {key: why for key, why in found.blocked.items() if key in self._asked - self._was_blocked},
            frozenset(self._was_blocked - found.blocked.keys()),
            self._rev or 0,
        )
