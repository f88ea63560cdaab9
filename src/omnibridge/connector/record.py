"""The connector record: everything that one kind of system needs, as plain functions in named slots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Generic, TypeVar

from omnibridge.connector.delivery import Alone, Delivery, Later, Receipt
from omnibridge.connector.effects import Cursor
from omnibridge.connector.exchange import Outcome, Request, Response, classify_http
from omnibridge.connector.http import Http
from omnibridge.connector.inbound import DeliveryId, Inbound, Redelivery, Reply, Verdict
from omnibridge.connector.observation import Lookup, Observation
from omnibridge.connector.sandbox import Sandbox
from omnibridge.connector.settings import Settings
from omnibridge.errors import Permanent, Retryable
from omnibridge.event import Event
from omnibridge.model import Command, Entity

__all__ = [
    "AnyConnector",
    "Auth",
    "Connector",
    "Credential",
    "Deliver",
    "Learned",
    "Limits",
    "Poll",
    "Result",
    "Subscription",
    "Subscriptions",
    "Term",
    "Transmit",
    "Webhook",
    "Window",
    "deliver",
    "deliver_many",
]

S = TypeVar("S", bound=Settings)
E = TypeVar("E", bound=Entity | Command | Event)
M = TypeVar("M", bound=Entity)
T = TypeVar("T")
Co = Coroutine[Any, Any, T]
Result = Receipt | Later | Alone | Permanent | Retryable
"""What became of one item of many. The errors are returned here, not raised: they are that item's alone."""


Transmit = Callable[[Request], Awaitable[Response]]
"""Performs one request by other means than HTTP, with I/O of its own.

It raises Retryable where nothing can have arrived, Permanent for a refusal; any other error counts as an answer that
was lost, so that what nothing protects is not repeated blindly."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or session obtained at run time; kept sealed in the journal. `expires` is wall time."""

    values: Mapping[str, str] = field(repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Auth(Generic[S]):
    """How requests prove who sends them.

    `headers(settings, credential, request, now)` gives the headers of one request. `obtain(settings, old, http)`
    gets or renews a credential with requests that carry no auth; the core calls it once for all who wait, commits
    the result and only then uses it. Leave it out where settings are enough. `fits` says whether a credential from
    before a restart was obtained under these settings (default: it was); one that does not fit is forgotten.
    `agreed` reads a credential that the other side gives by itself, by a request to the channel's own address (None:
    the request is an ordinary one); the core commits it before it answers 200.
    """

    headers: Callable[[S, Credential | None, Request, datetime], Mapping[str, str]]
    obtain: Callable[[S, Credential | None, Http], Co[Credential]] | None = None
    fits: Callable[[S, Credential], bool] | None = None
    agreed: Callable[[S, Inbound], Credential | None] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """At most `amount` of cost in `per`, refilled evenly (a leaky bucket of that size)."""

    amount: float
    per: timedelta


@dataclass(frozen=True, slots=True)
class Learned:
    """What an answer told about the limit: how much is left now, or how long to stay away."""

    remaining: float | None = None
    pause: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Limits(Generic[S]):
    """What the vendor bears. `scope` names who shares it (an account, not a list): channels of it share one throttle.

    `cost` weighs a request (default 1). `learn` reads what an answer says about the limit. `granted` is a further
    window that a credential brings along.
    """

    concurrency: int = 8
    windows: tuple[Window, ...] = ()
    scope: Callable[[S], str] | None = None
    cost: Callable[[Request], float] | None = None
    learn: Callable[[Response], Learned | None] | None = None
    granted: Callable[[S, Credential], Window | None] | None = None
    timeout: timedelta = timedelta(seconds=30)
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Webhook(Generic[S]):
    """What the vendor sends. All functions are pure and do no I/O.

    `verify` judges raw bytes. `translate` says what was seen; a raised InvalidMessage keeps the delivery, visible
    and replayable. `reply` is the answer to an accepted delivery (default: 200, empty). `greet` answers GET, HEAD
    and OPTIONS, where a vendor checks the address so. `refuse` may answer an authentic delivery instead of storing it,
    where a protocol asks for that. `rate` is how many a minute are taken; more are answered 429 (None: any number).
    """

    delivery_id: DeliveryId
    verify: Callable[[S, Inbound, datetime], Verdict]
    translate: Callable[[S, Inbound], Sequence[Observation]]
    redelivery: Redelivery
    reply: Callable[[S, Inbound], Reply] | None = None
    greet: Callable[[S, Inbound], Reply] | None = None
    refuse: Callable[[S, Inbound], Reply | None] | None = None
    rate: Callable[[S], int | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Poll(Generic[S]):
    """A regular question: `run` emits pages with cursors; without a cursor it is the first, and reads what is there.

    `Later(after)` instead of nothing says that the vendor is still preparing the answer: `run` comes again by then,
    with the cursor that it left, and not only at its next turn.
    """

    name: str
    every: timedelta
    run: Callable[[S, Cursor | None, Http], Co[Later | None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One webhook subscription at the vendor. Two are the same when `topic` and `url` are; `id` is the vendor's."""

    topic: str
    url: str
    id: str | None = field(default=None, compare=False)
    detail: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, kw_only=True)
class Subscriptions(Generic[S]):
    """How webhook subscriptions are kept right. `desired(settings, url)` is pure; the rest ask the vendor.

    Only subscriptions that point at this channel's address are ever deleted.
    """

    desired: Callable[[S, str], Sequence[Subscription]]
    list: Callable[[S, Http], Co[Sequence[Subscription]]]
    create: Callable[[S, Subscription, Http], Co[None]]
    delete: Callable[[S, Subscription, Http], Co[None]]


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a system has and that the canonical model names by a word: a tax, a price list, a tender.

    `kind` is `tax`, `price_list` or `payment_method`; `name` is what people there call it. `word` is the word of ours
    that it surely means, so that it is proposed: a tax's rate as a fraction (`0.25`), else left out.
    """

    kind: str
    external_id: str
    name: str
    word: str | None = None


@dataclass(frozen=True)
class Deliver(Generic[S]):
    """One thing the channel takes; made by `deliver()` or `deliver_many()`, which check the types.

    `run` takes one. Where there is a `together`, it takes up to `most` at a time, and the core prefers it from `least`
    on.
    """

    accepts: type[Entity] | type[Command] | type[Event]
    run: Callable[[S, Any, Delivery, Http], Co[Receipt | Later]]
    verbs: frozenset[str] | None
    find: Callable[[S, Any, Delivery, Http], Co[Receipt | None]] | None
    normal: Callable[[S, Any], Any] | None
    collapse: bool
    together: Callable[[S, Sequence[tuple[Entity, Delivery]], Http], Co[Sequence[Result]]] | None = None
    most: int = 1
    least: int = 1

    @property
    def operation(self) -> str:
        """The name of what is done, part of the delivery's key: the entity or command kind, or `event`."""
        if issubclass(self.accepts, Event):
            return "event"
        return self.accepts.KIND + ("" if self.verbs is None else ":" + "+".join(sorted(self.verbs)))


def deliver(
    accepts: type[E],
    run: Callable[[S, E, Delivery, Http], Co[Receipt] | Co[Later] | Co[Receipt | Later]],
    *,
    verbs: Sequence[str] | None = None,
    find: Callable[[S, E, Delivery, Http], Co[Receipt | None]] | None = None,
    normal: Callable[[S, E], E] | None = None,
    collapse: bool | None = None,
) -> Deliver[S]:
    """A slot of `Connector.delivers`: `run` takes what `accepts` names.

    For an entity, `verbs` are the past participles it is called for (default: every one but `deleted`). `Event`
    accepts any event, foreign ones too. `find` looks up whether an attempt whose answer was lost took effect (None:
    it did not). `normal` maps an entity to what the vendor would keep of it: idempotent, and used to compare.
    `collapse` lets a newer queued state of one entity replace an older one (default: for entities).
    """
    return Deliver(
        accepts=accepts,
        run=run,
        verbs=frozenset(verbs) if verbs is not None else None,
        find=find,
        normal=normal,
        collapse=issubclass(accepts, Entity) if collapse is None else collapse,
    )


def deliver_many(
    accepts: type[M],
    run: Callable[[S, Sequence[tuple[M, Delivery]], Http], Co[Sequence[Result]]],
    *,
    most: int,
    least: int = 1,
    one: Callable[[S, M, Delivery, Http], Co[Receipt] | Co[Later] | Co[Receipt | Later]] | None = None,
    verbs: Sequence[str] | None = None,
    find: Callable[[S, M, Delivery, Http], Co[Receipt | None]] | None = None,
    normal: Callable[[S, M], M] | None = None,
    collapse: bool = True,
) -> Deliver[S]:
    """A slot of `Connector.delivers` for a vendor that takes many entities in one request.

    `run` gets what is due at the moment, up to `most` items, each the next one of its lane and all with the same
    `delivery.state`; nothing waits to be joined. It gives a result for each, in their order; an error that it raises is
    everybody's. Commands go one by one, as each is asked for separately whether it may leave.

    With `one`, which takes a single item as in `deliver`, fewer than `least` that are due go by it, each by itself; so
    does an item for which `run` answered `Alone`. What has said `Later` comes back to `run`, however few there are.

    A request with `Upsert()` is simply sent again, in whatever company. Any other marks every item as begun before it
    leaves. A `NativeKey` is good for as long as the attempt lasts, in which the same bytes go under the same key. After
    that, or after a crash, the company is not brought together again: each item whose request was not answered is
    looked up by `find`, or else decided by its route. So write once in a `run`, and last. The rest is as in `deliver`.
    """
    kind: type = accepts  # what a type checker sees may not be what comes
    if not issubclass(kind, Entity) or not 1 <= least <= most:
        raise TypeError("deliver_many takes an entity, at least one at a time, and at most `most`")
    if least > 1 and one is None:
        raise TypeError("deliver_many needs `one` for what goes by itself")

    async def together(settings: S, items: Sequence[tuple[Entity, Delivery]], http: Http) -> Sequence[Result]:
        mine: list[tuple[M, Delivery]] = []
        for entity, delivery in items:
            if isinstance(entity, accepts):
                mine.append((entity, delivery))
        results = await run(settings, mine, http)
        if len(results) != len(items):
            raise ValueError(f"{len(results)} results for {len(items)} items")
        if one is None and any(isinstance(result, Alone) for result in results):
            raise ValueError("`Alone`, and there is no `one` to go by")
        return results

    @wraps(run)
    async def company_of_one(settings: S, entity: M, delivery: Delivery, http: Http) -> Receipt | Later:
        (result,) = await together(settings, [(entity, delivery)], http)
        if isinstance(result, Permanent | Retryable):
            raise result
        return Later(result.after) if isinstance(result, Alone) else result

    slot: Deliver[S] = deliver(accepts, one or company_of_one, verbs=verbs, find=find, normal=normal, collapse=collapse)
    return replace(slot, together=together, most=most, least=least)


@dataclass(frozen=True, kw_only=True)
class Connector(Generic[S]):
    """How to talk to one kind of system. What is filled in is what it can do; the core never tests `name`.

    `base_url(settings)` is the API root; `hosts(settings)` are further hosts that credentials may go to. `emits`
    names every entity kind and event type it can produce. `terms` lists what the vendor has of what is named by words
    of ours, for `omnibridge match`. `dropped` lists vendor fields left out, with the reason.
    `line(settings)` is for systems that do not speak HTTP (a folder of files, a mail server): it gives what performs
    requests, and is the one place where a connector does I/O. It is opened at an exchange's first request, in the
    same task, and closed when the exchange ends; `limits.timeout` bounds opening it and each request.
    """

    name: str
    title: str
    settings: type[S]
    api_version: str = ""
    base_url: Callable[[S], str] | None = None
    hosts: Callable[[S], Sequence[str]] | None = None
    auth: Auth[S] | None = None
    limits: Limits[S] = field(default_factory=lambda: Limits())
    classify: Callable[[Request, Response, datetime], Outcome] = classify_http
    probe: Callable[[S, Http], Co[None]] | None = None
    webhook: Webhook[S] | None = None
    subscriptions: Subscriptions[S] | None = None
    polls: tuple[Poll[S], ...] = ()
    read: Callable[[S, Lookup, Http], Co[Sequence[Observation]]] | None = None
    delivers: tuple[Deliver[S], ...] = ()
    terms: Callable[[S, Http], Co[Sequence[Term]]] | None = None
    emits: tuple[str, ...] = ()
    line: Callable[[S], AbstractAsyncContextManager[Transmit]] | None = None
    sandbox: Callable[[S], Sandbox] | None = None
    dropped: Mapping[str, str] = field(default_factory=dict[str, str])


AnyConnector = Connector[Any]
"""A connector whose settings type is known only to itself."""
