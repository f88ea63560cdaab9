"""What the stages ask of a journal: values in, values out, each call one transaction, never a callback inside one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from omnibridge.connector import Reference
from omnibridge.journal.conflict_rows import ConflictRow
from omnibridge.journal.erasure_rows import Belongings, Erasure, ErasureState, Shredding
from omnibridge.journal.identity_rows import (
    Decision,
    Dirty,
    FactsWrite,
    Identified,
    Key,
    Neighbours,
    Person,
    Review,
    Showing,
    Verb,
)
from omnibridge.journal.match_protocol import Matches
from omnibridge.journal.rows import (
    About,
    Accepted,
    Claimed,
    Counts,
    DeliveryRow,
    EntityKey,
    InboxRow,
    Known,
    NewDelivery,
    NewInbox,
    Processed,
    ReferenceWrite,
    Retention,
    Settled,
    Step,
    StoredEvent,
)

__all__ = ["Conflict", "Journal"]


class Conflict(Exception):
    """Somebody wrote in between; read again and redo. Nothing of the call was stored."""


class Journal(Matches, Protocol):
    """The durable truth. Every writing call returns after its commit is synced to disk.

    All methods raise StorageError when the store cannot take work now, and StorageFailed once a sync has failed:
    after that every call fails. A cancelled caller's write may or may not have been stored. Implementations group
    the calls that wait into one commit; a call that fails alone fails alone.
    """

    # -- accept ----------------------------------------------------------------------------------------------------

    async def accept(self, item: NewInbox) -> Accepted:
        """Store one incoming thing unless its dedupe key is known."""
        ...

    # -- process ---------------------------------------------------------------------------------------------------

    async def pending(self, after: int, limit: int) -> Sequence[InboxRow]:
        """Pending inbox rows with an id above `after`, in order."""
        ...

    async def known(self, keys: Sequence[EntityKey]) -> Mapping[EntityKey, Known]:
        """What is known about each key; every key has an entry."""
        ...

    async def entities(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[bytes, int]]:
        """Canonical entities by (kind, id): JSON and revision. Those that do not exist are absent."""
        ...

    async def process(self, batch: Sequence[Processed]) -> None:
        """Store what processing came to, all or nothing. Raises Conflict when a revision has moved."""
        ...

    # -- deliver ---------------------------------------------------------------------------------------------------

    async def ensure(self, deliveries: Sequence[NewDelivery]) -> None:
        """Insert deliveries whose keys do not exist yet (recurring tasks at start)."""
        ...

    async def claim(
        self, channel: str, limit: int, now: datetime, *, operation: str | None = None
    ) -> Sequence[Claimed]:
        """Take up to `limit` ready, due deliveries of a channel, heads of different lanes, smallest priority first.

        With `operation`, only those that do this; where others stand before them in great number, not all are found.
        A claimed delivery is not claimed again until it is settled or released, or the process has ended.
        """
        ...

    async def next_due(self, channel: str) -> datetime | None:
        """When the earliest ready, unclaimed delivery of a channel is due; None when there is none."""
        ...

    async def begun(self, channel: str, limit: int, now: datetime) -> Sequence[tuple[str, str]]:
        """Lane and operation of the heads that an earlier process may have begun and did not settle.

        Those with a request on record, and the first `limit` that are due: an upsert leaves no record, and they are
        what that process would have claimed.
        """
        ...

    def release(self, ids: Sequence[int]) -> None:
        """Give claims back without an attempt (shutdown, an open breaker)."""
        ...

    async def references(
        self, channel: str, ids: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], tuple[str, bytes | None]]:
        """External id and shadow (JSON) in `channel` of canonical entities by (kind, id). Unseen ones are absent.

        A word of ours (`tax`, `0.25`) is asked for as an id is.
        """
        ...

    async def start(self, delivery: int, step: Step) -> None:
        """Freeze a writing request before its first byte leaves. An existing (name, generation) stays as it is."""
        ...

    async def finish(self, delivery: int, step: Step) -> None:
        """Record the response of a started step."""
        ...

    async def finish_all(self, steps: Sequence[tuple[int, Step]]) -> None:
        """`finish` for steps of several deliveries, by their numbers, all or nothing."""
        ...

    async def send_to(
        self, who: Key, delivery: int, at: datetime, limits: Sequence[tuple[datetime, int]]
    ) -> int | None:
        """Note that a delivery is being sent to somebody, unless that is one too many.

        Each limit is a time and how many may be sent since then, this one included; the place of the first one that is
        reached, else None. A delivery counts once, however often it is tried, and not when it came to nothing.
        """
        ...

    async def keep(self, delivery: int, channel: str, reference: Reference, id: str) -> None:
        """Store a reference in the middle of an exchange."""
        ...

    async def emit(self, delivery: int, item: NewInbox, cursor: tuple[str, bytes] | None) -> None:
        """Store a page of observations together with the cursor (name, JSON) that comes after it."""
        ...

    async def settle(self, settled: Settled) -> None:
        """Store the outcome of one attempt with everything it caused, and free the lane as its state demands."""
        ...

    async def settle_all(self, settled: Sequence[Settled]) -> None:
        """`settle` for several deliveries, all or nothing."""
        ...

    # -- small state -----------------------------------------------------------------------------------------------

    async def cursor(self, channel: str, name: str) -> bytes | None:
        """Where a poll stands, as JSON."""
        ...

    async def credential(self, channel: str) -> bytes | None:
        """The channel's stored credential, opened."""
        ...

    async def save_credential(self, channel: str, content: bytes) -> None:
        """Store a credential, sealed."""
        ...

    # -- who is whom -----------------------------------------------------------------------------------------------

    def key(self, kind: str, value: str) -> Key:
        """The key of a readable value: a hash that only who has the seal can make."""
        ...

    async def learn(self, facts: Sequence[FactsWrite]) -> bool:
        """Store what records say about whose they are; whether anything of it must be resolved.

        A customer who shares nothing with anybody need not be.
        """
        ...

    async def adopt(self, rules: str) -> bool:
        """Have every shared key looked at again when there is time, if these are not the rules so far."""
        ...

    async def unresolved(self, limit: int, *, later: bool = True) -> Sequence[Dirty]:
        """What must be resolved again: after `learn`, a decision, a reference found taken; or `later`, other rules."""
        ...

    async def neighbours(
        self, roots: Sequence[str], keys: Sequence[Key], trusted: Mapping[str, Set[str]], most: int
    ) -> Neighbours:
        """What is known about these roots, and who holds these keys: of each channel at most `most` records.

        `trusted`: kinds of keys by channel whose unverified holders are given as well.
        """
        ...

    async def showings(self, roots: Sequence[str]) -> Sequence[Showing]:
        """All references of these roots, with what their channels last said."""
        ...

    async def identify(self, outcome: Identified) -> None:
        """Store what resolving came to, all or nothing. Raises Conflict when anything it was made from has moved.

        The references of each root get its survivor's id, and the open deliveries of an old lane join the new one in
        the order in which they came in; a delivery that runs is not disturbed.
        """
        ...

    async def decide(
        self, verb: Verb, *, pairs: Sequence[tuple[str, str]] = (), key: Key | None = None, last: int | None = None
    ) -> Sequence[int]:
        """Store an operator's decision about pairs of roots or a key; the numbers of what was stored.

        Raises Conflict when a later one than number `last` is about the same (None: whatever there is).
        """
        ...

    async def undo(self, number: int) -> bool:
        """Take a decision back as if it had never been made; False when there is none with this number."""
        ...

    async def decisions(self, limit: int = 100) -> Sequence[Decision]:
        """Decisions about customers, newest first."""
        ...

    async def reviews(self, limit: int = 100) -> Sequence[Review]:
        """Pairs of customers that need a decision."""
        ...

    async def blocked(self, limit: int = 100) -> Sequence[tuple[str, str, Sequence[str]]]:
        """Keys that link nobody: kind, reason, and some of the roots that hold one."""
        ...

    async def person(self, id: str) -> Person:
        """The customer that any of its roots names; an id that nobody knows stands for itself."""
        ...

    async def holders(self, key: Key, limit: int = 100) -> Sequence[str]:
        """The roots that a value leads to, verified or not."""
        ...

    # -- looking and mending ---------------------------------------------------------------------------------------

    async def event(self, id: str) -> StoredEvent | None:
        """An event by its id (any source), or by a unique beginning of at least 6 characters."""
        ...

    async def events(
        self,
        *,
        type: str | None = None,
        channel: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[StoredEvent]:
        """Stored events, newest first. `type` is a full type."""
        ...

    async def inbox(
        self, *, channel: str | None = None, state: str | None = None, limit: int = 50
    ) -> Sequence[InboxRow]:
        """Inbox rows, newest first."""
        ...

    async def deliveries(
        self, *, channel: str | None = None, state: str | None = None, event: str | None = None, limit: int = 50
    ) -> Sequence[DeliveryRow]:
        """Deliveries, newest first, with their last attempt."""
        ...

    async def delivery(self, id: int) -> DeliveryRow | None:
        """One delivery with its whole history and its frozen steps."""
        ...

    async def replay_inbox(self, ids: Sequence[int]) -> int:
        """Make invalid (or done) inbox rows pending again; how many."""
        ...

    async def replay(self, ids: Sequence[int], now: datetime) -> int:
        """Make dead, unknown, parked or refused deliveries ready again with the same keys; how many."""
        ...

    async def resend(self, id: int, now: datetime) -> int | None:
        """Send a settled delivery once more under new keys: the new generation, or None for an unknown id."""
        ...

    async def give_up(self, id: int, now: datetime) -> bool:
        """An operator lets a parked delivery go: it becomes a dead letter and its lane goes on."""
        ...

    async def close_unknown(self, id: int, now: datetime) -> bool:
        """An operator saw that it took effect: mark an unknown delivery done and free its lane."""
        ...

    async def conflicts(self, *, chosen: bool | None = None, limit: int = 50) -> Sequence[ConflictRow]:
        """Conflicts between channels, newest first; with `chosen`, those for which a side was chosen, or was not."""
        ...

    async def choose(self, conflict: int, side: str) -> bool:
        """An operator chose one of the two channels of a conflict; False when there is none such."""
        ...

    async def forget_conflict(self, conflict: int) -> None:
        """A conflict is settled, or over."""
        ...

    async def about(
        self, parties: Sequence[str], *, kinds: Mapping[str, int], before: int | None = None, limit: int = 50
    ) -> About:
        """What concerns these parties: the newest events (before a `seq`), and of each kind so many entities.

        A party is a customer's root, or `contact:` and an address.
        """
        ...

    async def links(self, kind: str, id: str) -> Sequence[ReferenceWrite]:
        """Every reference of a canonical entity."""
        ...

    async def had(self, ids: Sequence[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Those canonical entities (kind, id) that a channel still has."""
        ...

    async def counts(self) -> Counts:
        """How much is where."""
        ...

    # -- erasing -----------------------------------------------------------------------------------------------------

    async def ask_erasure(self, content: bytes) -> int:
        """Store that somebody shall be erased: JSON that tells whom. Its number."""
        ...

    async def erasures(self, *, open_only: bool = False) -> Sequence[Erasure]:
        """Erasures, oldest first; `open_only`: those that are not done."""
        ...

    async def note_erasure(self, number: int, state: ErasureState, report: Mapping[str, str]) -> None:
        """Store how far an erasure is."""
        ...

    async def belongings(self, parties: Sequence[str]) -> Belongings:
        """Everything about these parties; an address is a party too (`contact:` and the address)."""
        ...

    async def shred(self, number: int, what: Shredding, report: Mapping[str, str]) -> bool:
        """Take parties out, and destroy their keys, so that backups too hold nothing readable about them.

        False, with nothing done, while a delivery about them is under way.
        """
        ...

    async def finish_shredding(self) -> None:
        """Destroy the keys of erasures that a crash interrupted."""
        ...

    async def bury(self, names: Sequence[tuple[str, ...]]) -> None:
        """Remember for ever, outside the journal and its backups, what must not come back. Only digests are kept."""
        ...

    def grave(self, *name: str) -> datetime | None:
        """When something was buried, None when it never was: (channel, kind, external id), or (`contact`, address)."""
        ...

    async def returned(self) -> Sequence[str]:
        """Parties that were erased and are here again, as this file is older than their erasure. Asked at a start."""
        ...

    # -- care ------------------------------------------------------------------------------------------------------

    async def retain(self, policy: Retention) -> int:
        """Remove what may go, in short transactions; how many rows went."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while running. Raises StorageError when the file exists."""
        ...

    async def check_integrity(self) -> Sequence[str]:
        """Page and index problems in words; empty when the file is sound."""
        ...

    async def close(self) -> None:
        """Finish what waits and close. Later calls raise StorageError."""
        ...
