"""What the journal keeps about who is whom, as values: keys, facts, links, decisions, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from omnibridge.journal.rows import EntityWrite, NewDelivery, StoredEvent

__all__ = [
    "Decision",
    "Dirty",
    "Fact",
    "FactsWrite",
    "Identified",
    "Key",
    "Link",
    "Neighbours",
    "Person",
    "Review",
    "Showing",
    "Shown",
    "Verb",
]


class Key(NamedTuple):
    """One value that may identify a customer. `value` is compared and never read: a hash in the journal."""

    kind: str
    value: str | bytes


class Fact(NamedTuple):
    """A record of a channel, which belongs to `root`, has this key.

    `verified`: the vendor, or what the channel is, says that the person controls it. `counts` is False for a record
    that is gone there: it still tells who somebody was, but is no further holder of the key.
    """

    channel: str
    record: str | bytes
    root: str
    key: Key
    verified: bool
    counts: bool = True


class Link(NamedTuple):
    """A vendor says that two roots are one: it merged them, or keeps our id."""

    a: str
    b: str


class Verb(StrEnum):
    """What an operator may decide. The later one about the same pair, or the same key, is in force."""

    LINK = "link"
    SPLIT = "split"
    BLOCK = "block"
    UNBLOCK = "unblock"


class Decision(NamedTuple):
    """An operator's word about a pair of roots (`a`, `b`) or a `key`; `number` grows with each decision."""

    number: int
    verb: Verb
    a: str = ""
    b: str = ""
    key: Key | None = None
    at: datetime | None = None


class Review(NamedTuple):
    """Two customers that something would have joined, and why it did not: an operator should decide.

    `kind` names the key (`phone`), or is `vendor` or `link`. `a` and `b` are survivors, `a` the smaller one.
    """

    a: str
    b: str
    kind: str
    reason: str


class Shown(NamedTuple):
    """A key as a record shows it, readable; the journal keeps its hash."""

    kind: str
    value: str
    verified: bool


class FactsWrite(NamedTuple):
    """What a record says about whose it is. Its reference is made with `root` where there is none yet.

    `fields` replaces what the record said by these fields; `confirmed` only changes whether it is verified. `aliases`
    are further ids of the record in its system; `links` are records there that it became, None leaves what was said.
    `counts` is False for a record that is gone there.
    """

    channel: str
    kind: str
    external_id: str
    root: str
    fields: Mapping[str, tuple[Shown, ...]] = MappingProxyType({})
    confirmed: Mapping[str, bool] = MappingProxyType({})
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] | None = None
    counts: bool = True


class Dirty(NamedTuple):
    """What must be resolved again: a root whose facts changed, or a key whose holders did."""

    root: str = ""
    key: Key | None = None


class Neighbours(NamedTuple):
    """What is known around some roots and keys at one moment; `rev` changes with everything that could change it.

    `survivors` has an entry for each of the roots, and for all roots of their customers. `blocked`: those of the keys
    that were blocked when they were resolved last.
    """

    facts: tuple[Fact, ...]
    links: tuple[Link, ...]
    decisions: tuple[Decision, ...]
    survivors: Mapping[str, str]
    blocked: Set[Key]
    rev: int


class Showing(NamedTuple):
    """A reference with what its channel last said; `shadow` is JSON, None where it never showed it."""

    channel: str
    kind: str
    external_id: str
    root: str
    shadow: bytes | None
    version: str | None
    deleted: bool


class Identified(NamedTuple):
    """What resolving came to, for one transaction. `rev` is that of the `Neighbours` it was made from.

    `survivors`: roots whose customer changed. `entities` are written, those of `gone` (kind, id) removed. `lanes`
    maps an old lane to the one that its open rows move to. `reviews` replaces all about `roots`.
    """

    rev: int
    survivors: Mapping[str, str]
    roots: Set[str] = frozenset[str]()
    entities: tuple[EntityWrite, ...] = ()
    gone: tuple[tuple[str, str], ...] = ()
    lanes: Mapping[str, str] = MappingProxyType({})
    events: tuple[StoredEvent, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    reviews: tuple[Review, ...] = ()
    blocked: Mapping[Key, str] = MappingProxyType({})
    unblocked: Set[Key] = frozenset[Key]()
    dirty: tuple[Dirty, ...] = ()


class Person(NamedTuple):
    """A customer: the id in force, and every root that belongs to it, the id's own included."""

    id: str
    roots: tuple[str, ...]
