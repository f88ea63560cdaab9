"""The rows of the journal as values: what goes in, what comes out, and the words for their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from omnibridge.event import Event
from omnibridge.journal.conflict_rows import ConflictWrite

__all__ = [
    "About",
    "Accepted",
    "Attempt",
    "Claimed",
    "Counts",
    "DeliveryRow",
    "DeliveryState",
    "EntityKey",
    "EntityWrite",
    "InboxRow",
    "InboxState",
    "Known",
    "NewDelivery",
    "NewInbox",
    "Origin",
    "Priority",
    "Processed",
    "ReferenceWrite",
    "Retention",
    "Settled",
    "ShadowWrite",
    "Step",
    "StoredEvent",
    "Task",
]


# Named tuples, not dataclasses: dozens are made for each order, and a frozen dataclass sets field by field.
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Origin(StrEnum):
    """How a row came into the inbox."""

    WEBHOOK = "webhook"
    POLL = "poll"
    READ = "read"
    EVENT = "event"
    RECEIPT = "receipt"


class InboxState(StrEnum):
    """`pending` awaits processing; `invalid` could not be understood and waits for a mended connector."""

    PENDING = "pending"
    DONE = "done"
    INVALID = "invalid"


class DeliveryState(StrEnum):
    """Where a delivery stands. `ready` heads its lane, `queued` waits behind another; both are open.

    `unknown`: an attempt may have taken effect. `parked`: a poisoned lane waits for an operator. `refused`: the
    consent gate said no. `superseded`: a newer state of the same entity replaced it before it left.
    """

    READY = "ready"
    QUEUED = "queued"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"
    PARKED = "parked"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


class Priority(IntEnum):
    """Which lane's head leaves first: the smaller. Within a lane the order is what counts.

    A withdrawal waits for nothing; what just happened leaves before what has failed before, that before what an
    operator sends anew, and that before what a poll finds. `CARE` is for the bridge's own recurring work.
    """

    CONSENT = -1
    FRESH = 0
    RETRY = 1
    REPLAY = 2
    BACKFILL = 3
    CARE = 5


class Task(StrEnum):
    """What kind of outbound work a row is; all run through one machine."""

    DELIVER = "deliver"
    LOOKUP = "lookup"
    POLL = "poll"
    SUBSCRIBE = "subscribe"


class NewInbox(NamedTuple):
    """Something that came in. `dedupe` identifies it within the channel (None: never deduplicated).

    `meta` is JSON: for a webhook `method`, `url` and the headers that its translator may read.
    """

    channel: str
    origin: Origin
    body: bytes
    received: datetime
    dedupe: str | None = None
    meta: Mapping[str, Any] = _NOTHING


class Accepted(NamedTuple):
    """`id` of the row; `duplicate` when one with the same dedupe key was accepted before (nothing stored, id 0)."""

    id: int
    duplicate: bool


class InboxRow(NamedTuple):
    """A row of the inbox. `error` says why it is invalid. `shredded`: its key is destroyed, so it has no content."""

    id: int
    channel: str
    origin: Origin
    state: InboxState
    received: datetime
    meta: Mapping[str, Any]
    body: bytes
    error: str | None = None
    shredded: bool = False


class EntityKey(NamedTuple):
    """One entity as one channel names it."""

    channel: str
    kind: str
    external_id: str


class Known(NamedTuple):
    """What the journal has about an entity key.

    `id` is the canonical id (None: no reference yet). `shadow` and `entity` are JSON; revisions count writes from 1
    (0: there is none) and guard against writes in between. `version` is the shadow's, as the connector wrote it.
    `party` is whom the entity is about. `root` is the id that the reference got first, where it is another than `id`.
    """

    id: str | None = None
    shadow: bytes | None = None
    shadow_rev: int = 0
    version: str | None = None
    deleted: bool = False
    entity: bytes | None = None
    entity_rev: int = 0
    party: str | None = None
    root: str | None = None


class ReferenceWrite(NamedTuple):
    """(channel, kind, external id) is the canonical `id`. Overwrites: a reference found taken is a merge."""

    channel: str
    kind: str
    external_id: str
    id: str


class ShadowWrite(NamedTuple):
    """The fields last known in a channel. `rev` is the revision it was computed from."""

    channel: str
    kind: str
    external_id: str
    rev: int
    content: bytes
    version: str | None
    deleted: bool = False
    party: str | None = None


class EntityWrite(NamedTuple):
    """A canonical entity as JSON. `rev` is the revision it was computed from.

    `party` here and elsewhere: whom it is about, a customer's canonical id or `contact:` with an address; None for
    what is about nobody. What belongs to one party is sealed under one key, and ends with it.
    """

    kind: str
    id: str
    rev: int
    content: bytes
    party: str | None = None


class StoredEvent(NamedTuple):
    """An event with its place: `seq` grows by storage order; `channel` is where it came from."""

    event: Event
    channel: str
    recorded: datetime
    seq: int = 0
    inbox_id: int | None = None
    party: str | None = None


class About(NamedTuple):
    """What concerns some parties: events, newest first, and entities as (kind, id, JSON), each kind newest first."""

    events: Sequence[StoredEvent]
    entities: Sequence[tuple[str, str, bytes]]


class NewDelivery(NamedTuple):
    """Work for one channel. `key` (a UUID as text) is unique: a second row with it is ignored.

    `lane` orders: rows of one lane leave one after the other. `priority` is one of `Priority`, between lanes only.
    `collapse` names what it transfers: a newer row supersedes an older untouched one with the same
    (channel, lane, collapse). `payload` is for tasks without an event. `recurring` rows never end.
    """

    key: str
    channel: str
    task: Task
    operation: str
    lane: str
    due: datetime
    priority: int = Priority.FRESH
    event: tuple[str, str] | None = None
    payload: bytes | None = None
    collapse: str | None = None
    route: str | None = None
    on_poison: str = "skip"
    on_unknown: str = "hold"
    recurring: bool = False


class Processed(NamedTuple):
    """What processing one inbox row came to. With `invalid` set, everything else is empty.

    `later` (without anything else) leaves the row pending: it must wait for a create that is under way.
    `parties`: everybody whom the row says something about. `shred`: the row must not stay, as it names somebody who
    was erased.
    """

    inbox_id: int
    invalid: str | None = None
    references: tuple[ReferenceWrite, ...] = ()
    shadows: tuple[ShadowWrite, ...] = ()
    entities: tuple[EntityWrite, ...] = ()
    events: tuple[StoredEvent, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    later: bool = False
    parties: tuple[str, ...] = ()
    shred: bool = False
    conflicts: tuple[ConflictWrite, ...] = ()


class Step(NamedTuple):
    """One writing request of an exchange, frozen: `request` is its bytes (method, path, headers, body) as sent.

    `response` is None while its outcome is unknown.
    """

    name: str
    generation: int
    key: str
    request: bytes
    response: bytes | None = None


class Claimed(NamedTuple):
    """A delivery that this worker now runs. `event` is None for tasks without one. `state` is what `Later` left."""

    id: int
    key: str
    generation: int
    channel: str
    task: Task
    operation: str
    lane: str
    attempts: int
    created: datetime
    event: Event | None
    payload: bytes | None
    route: str | None
    on_poison: str
    on_unknown: str
    recurring: bool
    state: Any = None
    steps: tuple[Step, ...] = ()


class Attempt(NamedTuple):
    """The record of one attempt. `outcome` is a `Class` or a word of the core; `seconds` its duration."""

    at: datetime
    outcome: str
    seconds: float
    code: str | None = None
    text: str | None = None


@dataclass(slots=True)  # a tuple has a `count` already
class Settled:
    """The outcome of one attempt of a claimed delivery.

    `state` READY means again at `due` (a retry, `Later`, or a recurring task). A final state promotes the lane's
    next row, except PARKED and UNKNOWN with `holds_lane`. `inbox` rows go in with it: what a read saw, what a
    receipt said, which events it caused. `keep_steps` False drops the frozen requests (a recurring task's next run
    starts afresh). `count` False does not count the attempt as a failure towards giving up (`Later`, a throttle).
    """

    id: int
    state: DeliveryState
    attempt: Attempt
    due: datetime | None = None
    later: Any = None
    references: tuple[ReferenceWrite, ...] = ()
    inbox: tuple[NewInbox, ...] = ()
    holds_lane: bool = False
    keep_steps: bool = True
    count: bool = True


class DeliveryRow(NamedTuple):
    """A delivery as people look at it."""

    id: int
    key: str
    generation: int
    channel: str
    task: Task
    operation: str
    lane: str
    state: DeliveryState
    attempts: int
    created: datetime
    due: datetime
    route: str | None
    event_id: str | None
    event_source: str | None
    event_type: str | None
    last: Attempt | None = None
    history: tuple[Attempt, ...] = ()
    steps: tuple[Step, ...] = ()


class Counts(NamedTuple):
    """How much is where: inbox rows by (channel, state), deliveries by (channel, state), the oldest open due time."""

    inbox: Mapping[tuple[str, str], int]
    deliveries: Mapping[tuple[str, str], int]
    oldest_ready: Mapping[str, datetime]
    events: int
    bytes: int


class Retention(NamedTuple):
    """What may go: settled work older than `settled_before`, dedupe keys older than `dedupe_before`.

    `max_bytes` removes the oldest settled work beyond that size of file. Undelivered work, invalid rows, dead
    letters and references are never touched. Processed inbox rows received before `raw_before`
    (default: `settled_before`) go, and their keys with them.
    """

    settled_before: datetime
    dedupe_before: datetime
    max_bytes: int | None = None
    max_attempts: int = 50
    raw_before: datetime | None = None
