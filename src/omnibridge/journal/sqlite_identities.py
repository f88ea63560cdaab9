"""The journal's methods for who is whom: the contract is the Journal protocol's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from functools import partial

from omnibridge.journal import sqlite_identity as identity
from omnibridge.journal import sqlite_matches as matches
from omnibridge.journal.identity_rows import (
    Decision,
    Dirty,
    Fact,
    FactsWrite,
    Identified,
    Key,
    Link,
    Neighbours,
    Person,
    Review,
    Showing,
    Verb,
)
from omnibridge.journal.match_rows import Match, Word
from omnibridge.journal.rows import EntityKey, Processed
from omnibridge.journal.seal import Seal
from omnibridge.journal.sqlite_identity_reading import IdentityReading
from omnibridge.journal.sqlite_ledger import Ledger
from omnibridge.journal.sqlite_looking import Looking
from omnibridge.journal.sqlite_reading import Reading
from omnibridge.journal.sqlite_references import ReferenceRow
from omnibridge.journal.sqlite_values import Row, micros, moment
from omnibridge.model import canonical_id

__all__ = ["Identities"]


class Identities(Looking):
    """What resolving customers, and operators who decide about them, ask for."""

    def __init__(self, ledger: Ledger, reading: Reading, seal: Seal) -> None:
        super().__init__(ledger, reading, seal)
        self._seal = seal
        self._identities = IdentityReading(reading)

    def key(self, kind: str, value: str) -> Key:
        """The key of a readable value: a hash that only who has the seal can make."""
        return Key(kind, self._hash(kind, value))

    def _hash(self, kind: str, value: str) -> bytes:
        return self._seal.digest("identity", kind, value)

    # -- facts -----------------------------------------------------------------------------------------------------

    async def learn(self, facts: Sequence[FactsWrite]) -> bool:
        """Store what records say about whose they are; whether anything of it must be resolved."""
        rows = [self._facts(one) for one in facts]
        return await self._write(partial(identity.learn, self._ledger, rows))

    def _facts(self, facts: FactsWrite) -> identity.FactRows:
        return identity.FactRows(
            self._columns.reference(facts.channel, facts.kind, facts.external_id, facts.root),
            self._seal.digest("record", facts.channel, facts.kind, facts.external_id),
            [
                (field, [(self._hash(key.kind, key.value), key.kind, key.verified) for key in keys])
                for field, keys in facts.fields.items()
            ],
            tuple(facts.confirmed.items()),
            [self._columns.reference(facts.channel, facts.kind, alias, facts.root) for alias in facts.aliases],
            None if facts.links is None else [self._own(facts.channel, facts.kind, other) for other in facts.links],
            facts.counts,
        )

    def _own(self, channel: str, kind: str, external_id: str) -> ReferenceRow:
        """A record with the canonical id that it gets where nobody has shown it yet."""
        return self._columns.reference(channel, kind, external_id, canonical_id(channel, kind, external_id))

    async def adopt(self, rules: str) -> bool:
        """Have every shared key looked at again when there is time, if these are not the rules so far."""
        return await self._write(partial(identity.adopt, self._ledger, rules))

    async def unresolved(self, limit: int, *, later: bool = True) -> Sequence[Dirty]:
        """What must be resolved again: after `learn`, a decision, a reference found taken; or `later`, other rules."""
        rows = await self._read(partial(self._identities.unresolved, limit, later))
        return [Dirty(root, Key(kind, hash) if hash else None) for root, kind, hash in rows]

    async def neighbours(
        self, roots: Sequence[str], keys: Sequence[Key], trusted: Mapping[str, Set[str]], most: int
    ) -> Neighbours:
        """What is known about these roots, and who holds these keys: of each channel at most `most` records.

        `trusted`: kinds of keys by channel whose unverified holders are given as well.
        """

        def trusts(channel: str, kind: str) -> bool:
            return kind in trusted.get(channel, ())

        hashes = [(key.kind, _bytes(key)) for key in keys]
        facts, links, decisions, survivors, blocked, rev = await self._read(
            partial(self._identities.around, tuple(roots), hashes, trusts, most)
        )
        return Neighbours(
            tuple(
                Fact(channel, record, root, Key(kind, hash), bool(verified), bool(counts))
                for channel, record, root, kind, hash, verified, counts in facts
            ),
            tuple(Link(a, b) for a, b in links),
            tuple(map(_decision, decisions)),
            survivors,
            {Key(kind, hash) for kind, hash in blocked},
            rev,
        )

    async def shown(self, channel: str, kind: str, *, after: str = "", limit: int = 1000) -> Sequence[Showing]:
        """What a channel shows of one kind, by external id, from behind `after` on."""
        behind = self._columns.names.filed(kind, after) if after else after
        return self._showings(await self._read(partial(self._identities.shown, channel, kind, behind, limit)))

    async def showings(self, roots: Sequence[str]) -> Sequence[Showing]:
        """All references of these roots, with what their channels last said."""
        return self._showings(await self._read(partial(self._identities.showings, tuple(roots))))

    def _showings(self, rows: Sequence[Row]) -> Sequence[Showing]:
        return [
            Showing(channel, kind, id, root, self._columns.open(shadow, "known.shadow"), version, bool(deleted))
            for channel, kind, name, root, shadow, version, deleted, named in rows
            if (id := self._columns.names.opened(channel, kind, name, named)) is not None
        ]

    async def identify(self, outcome: Identified) -> None:
        """Store what resolving came to, all or nothing. Raises Conflict when anything it was made from has moved."""
        done = Processed(0, entities=outcome.entities, events=outcome.events, deliveries=outcome.deliveries)
        rows = identity.Outcome(
            outcome.rev,
            tuple(outcome.survivors.items()),
            tuple(outcome.roots),
            self._columns.batch([done], self._now()),
            outcome.gone,
            tuple(outcome.lanes.items()),
            outcome.reviews,
            tuple((_bytes(key), key.kind, reason) for key, reason in outcome.blocked.items()),
            tuple((_bytes(key),) for key in outcome.unblocked),
            tuple((dirty.root, b"" if dirty.key is None else _bytes(dirty.key)) for dirty in outcome.dirty),
        )
        await self._store(rows.batch, partial(identity.identify, self._ledger, rows))

    def _now(self) -> datetime:
        raise NotImplementedError

    # -- operators -------------------------------------------------------------------------------------------------

    async def decide(
        self, verb: Verb, *, pairs: Sequence[tuple[str, str]] = (), key: Key | None = None, last: int | None = None
    ) -> Sequence[int]:
        """Store an operator's decision about pairs of roots or a key; the numbers of what was stored.

        Raises Conflict when a later one than number `last` is about the same (None: whatever there is).
        """
        ordered = [(min(two), max(two)) for two in pairs]
        about = None if key is None else (key.kind, _bytes(key))
        until = 2**62 if last is None else last
        work = partial(identity.decide, self._ledger, verb.value, ordered, about, micros(self._now()), until)
        return await self._mend(work, guarded=True)

    async def undo(self, number: int) -> bool:
        """Take a decision back as if it had never been made; False when there is none with this number."""
        return await self._mend(partial(identity.undo, self._ledger, number))

    async def match(
        self, pairs: Sequence[tuple[EntityKey, EntityKey]], twins: Sequence[tuple[EntityKey, EntityKey]] = ()
    ) -> Sequence[int | None]:
        """The two records of each pair mean the same; the numbers of what was stored, None for what was known."""
        rows, own = ([(self._own(*one), self._own(*other)) for one, other in those] for those in (pairs, twins))
        return await self._mend(partial(matches.match, self._ledger, rows, own, micros(self._now())))

    async def matches(self, limit: int = 100) -> Sequence[Match]:
        """Which records were matched, newest first."""
        rows = await self._read(partial(self._identities.matches, limit))
        return [Match(number, kind, a, b, moment(at)) for number, kind, a, b, at in rows]

    async def set_word(self, channel: str, kind: str, word: str, external_id: str | None) -> bool:
        """Set a channel's id for a word of ours, or with None forget it; False when it was so already."""
        return await self._mend(partial(matches.set_word, self._ledger, channel, kind, word, external_id))

    async def words(self) -> Sequence[Word]:
        """Every channel's ids for words of ours."""
        return [Word(*row) for row in await self._read(self._identities.words)]

    async def decisions(self, limit: int = 100) -> Sequence[Decision]:
        """Decisions about customers, newest first."""
        return [_decision(row) for row in await self._read(partial(self._identities.decisions, limit))]

    async def reviews(self, limit: int = 100) -> Sequence[Review]:
        """Pairs of customers that need a decision."""
        return [Review(*row) for row in await self._read(partial(self._identities.reviews, limit))]

    async def blocked(self, limit: int = 100) -> Sequence[tuple[str, str, Sequence[str]]]:
        """Keys that link nobody: kind, reason, and some of the roots that hold one."""
        return [(kind, why, who) for kind, why, who in await self._read(partial(self._identities.blocked, limit))]

    async def person(self, id: str) -> Person:
        """The customer that any of its roots names; an id that nobody knows stands for itself."""
        survivor, roots = await self._read(partial(self._identities.person, id))
        return Person(survivor, tuple(roots))

    async def holders(self, key: Key, limit: int = 100) -> Sequence[str]:
        """The roots that a value leads to, verified or not."""
        return await self._read(partial(self._identities.holders, _bytes(key), limit))


def _bytes(key: Key) -> bytes:
    return key.value if isinstance(key.value, bytes) else key.value.encode()


def _decision(row: Row) -> Decision:
    number, verb, a, b, kind, hash, at = row
    return Decision(number, Verb(verb), a, b, None if hash is None else Key(kind, hash), moment(at))
