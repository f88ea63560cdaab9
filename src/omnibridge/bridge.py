"""The one file that knows all stages: opens the journal, puts the stages together, and is the SDK that others embed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.abc
import httpx
import structlog
from pydantic import BaseModel

from omnibridge.channel import Channel
from omnibridge.clock import Clock, SystemClock
from omnibridge.config import Config, load, parse, retention, rules
from omnibridge.conflicts import Dispute, open_conflicts, settle_conflict
from omnibridge.connector import AnyConnector, Occurrence, Term, dump_observations
from omnibridge.customer import Card, ConsentGate, Deciding, Permission, card, permissions
from omnibridge.delivery import (
    Credentials,
    Flights,
    Scopes,
    Tasks,
    Wire,
    Worker,
    make_wire,
    probe_all,
    recurring_tasks,
    terms_of,
    vendor_of,
)
from omnibridge.erasure import Erasures, ask_erasure, export
from omnibridge.errors import StorageError, UnknownItem
from omnibridge.event import Event
from omnibridge.handlers import Handler, HandlerTasks, all_channels, handler_routes
from omnibridge.ingress import EVENTS_CHANNEL, Ingress, IngressApp, Limits
from omnibridge.journal import ClearSeal, Journal, KeyringSeal, NewInbox, Origin, open_journal
from omnibridge.matching import Matching
from omnibridge.model import Command, full_type, lookup
from omnibridge.privacy import REQUESTS, privacy_handler
from omnibridge.process import Processor
from omnibridge.registry import Registry
from omnibridge.routing import Router

__all__ = ["Bridge"]

_log = structlog.get_logger("omnibridge")
_CARE_EVERY = timedelta(hours=1)


class Bridge:
    """A running bridge: `async with Bridge("bridge.toml") as bridge: ...`.

    `config` is a path, TOML text in a `Config`, or nothing for a bridge without channels. `connectors` are used beside
    the installed ones. `memory` keeps the journal in memory; `journal` is one that the caller opened and closes.
    `transport` replaces the network, `clock` replaces time.
    Raises ConfigError when the configuration cannot be used, StorageError when the journal cannot.
    """

    def __init__(
        self,
        config: Config | Path | str | None = None,
        *,
        connectors: Iterable[AnyConnector] = (),
        memory: bool = False,
        journal: Journal | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.registry = Registry(connectors)
        if isinstance(config, Config):
            self.config = config
        elif config is None:
            self.config = parse("", {}, self.registry, name="(no configuration)", folder=Path())
        else:
            self.config = load(Path(config), os.environ if env is None else env, self.registry)
        self.clock: Clock = clock or SystemClock()
        self._memory = memory or config is None
        self._given_journal = journal
        self._transport = transport
        self._handlers: dict[str, Handler] = {}
        self._stack = AsyncExitStack()
        self._tasks: anyio.abc.TaskGroup | None = None
        self._journal: Journal | None = None
        self._ingress: Ingress | None = None
        self._processor: Processor | None = None
        self._router = Router(())
        self.workers: dict[str, Worker] = {}
        self._held: dict[str, Credentials] = {}
        self.scopes = Scopes(self.clock)

    # -- before the start ------------------------------------------------------------------------------------------

    def handler(
        self, *events: str, name: str | None = None
    ) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
        """Decorator: run an `async def f(data, event)` for each event of these types, durably.

        `data` is the canonical model (the parsed data of a foreign type). The function runs at least once; an error
        brings the event back later, `Permanent` makes it a dead letter. `name` must stay the same between restarts
        (default: the function's name).
        """

        def register(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
            called = name or getattr(function, "__name__", "handler")
            if called in self._handlers or self._tasks is not None:
                raise ValueError(f"handler {called!r} is registered twice, or after the start")
            self._handlers[called] = Handler(called, tuple(events), function)
            return function

        return register

    # -- running ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.config.require()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if isinstance(error, Exception) and group.exceptions == (error,):
                return False  # the caller's own error, as the caller raised it
            raise

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.drain()
        finally:
            if self._tasks is not None:
                self._tasks.cancel_scope.cancel()

    async def _start(self) -> None:
        file = self.config.file
        if self._given_journal is not None:
            journal: Journal = self._given_journal
        elif self._memory:
            journal = await self._stack.enter_async_context(open_journal(None, seal=ClearSeal(), clock=self.clock))
        else:
            path = self.config.journal_path
            seal = KeyringSeal.load(self.config.keyring_path, create=not path.exists())
            journal = await self._stack.enter_async_context(open_journal(path, seal=seal, clock=self.clock))
        self._journal = journal
        self._handlers[REQUESTS] = privacy_handler(journal, self._settled)
        channels = all_channels(self.config, self._handlers.values())
        self._router = Router((*self.config.routes, *handler_routes(self._handlers.values())))
        erasures = Erasures(channels, journal, self.publish, self.event)
        await erasures.start()
        self._processor = Processor(
            channels,
            journal,
            lambda: self._router,
            self.clock,
            flights=Flights(self.workers),
            stored=self._stored,
            between=erasures.advance,
            disabled=frozenset(self.config.disabled),
            gap=timedelta(hours=file.bridge.conversation_gap_hours),
            ownership=self.config.ownership,
            rules=rules(file.identity, journal.key),
        )
        token = file.server.token
        self._ingress = Ingress(
            channels,
            journal,
            self.clock,
            public_url=file.bridge.public_url,
            token=token.get_secret_value() if token else None,
            stored=self._processor.wake,
            agreed=lambda channel, given: self._held[channel].take(given),
            origins=tuple(file.server.allowed_origins),
            rate=file.server.events_rate,
            disabled=frozenset(self.config.disabled),
        )
        wire = make_wire(self._transport)
        self._stack.push_async_callback(wire.aclose)
        gate = ConsentGate(journal, self.config.consent)
        for name, channel in channels.items():
            if name not in self.config.disabled:
                self.workers[name] = self._worker(channel, journal, wire, gate)
        now = self.clock.now()
        await journal.ensure([task for channel in channels.values() for task in recurring_tasks(channel, now)])
        for worker in self.workers.values():
            await worker.recall()
        await self._processor.start()
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.push_async_exit(self._leave)
        self._tasks.start_soon(self._processor.run)
        for worker in self.workers.values():
            self._tasks.start_soon(worker.run)
        self._tasks.start_soon(self._care)

    def _worker(self, channel: Channel, journal: Journal, wire: Wire, gate: ConsentGate) -> Worker:
        scope = self.scopes.of(channel)
        handler = self._handlers.get(channel.name.removeprefix("handler:")) if ":" in channel.name else None
        if handler is not None:
            tasks: Tasks | HandlerTasks = HandlerTasks(handler)
        else:
            tasks = Tasks(channel, vendor := vendor_of(channel, self.scopes, wire, journal, self.clock), gate)
            self._held[channel.name] = vendor.credentials
        return Worker(channel, tasks, journal, scope.breaker, self.clock, self._settled)

    # -- the stages' signals ---------------------------------------------------------------------------------------

    def _stored(self, channels: set[str]) -> None:
        for name in channels & self.workers.keys():
            self.workers[name].wake()

    def _settled(self) -> None:
        if self._processor is not None:
            self._processor.wake()

    async def _care(self) -> None:
        while True:
            await self.clock.sleep(_CARE_EVERY.total_seconds())
            try:
                await self.retain()
            except StorageError as error:
                _log.warning("retention did not run", reason=error.what)

    # -- the SDK ---------------------------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        """The journal. Raises RuntimeError before the start."""
        if self._journal is None:
            raise RuntimeError("the bridge is not running; use `async with`")
        return self._journal

    @property
    def ingress(self) -> Ingress:
        """The ingress stage. Raises RuntimeError before the start."""
        if self._ingress is None:
            raise RuntimeError("the bridge is not running; use `async with`")
        return self._ingress

    @property
    def processor(self) -> Processor:
        """The process stage. Raises RuntimeError before the start."""
        if self._processor is None:
            raise RuntimeError("the bridge is not running; use `async with`")
        return self._processor

    @property
    def customers(self) -> Deciding:
        """Who is whom: `find`, and what an operator decides. Raises RuntimeError before the start."""
        return Deciding(self.journal, self.processor.wake)

    @property
    def matching(self) -> Matching:
        """What is unmatched between channels, and what was matched. Raises RuntimeError before the start."""
        return Matching(self.journal, self.config.routes, self.config.channels, self.processor.wake)

    @property
    def router(self) -> Router:
        """The routes in force."""
        return self._router

    async def publish(self, event: Event) -> bool:
        """Store an event; it is routed as if a channel had caused it. False when its (source, id) was known already.

        Returns after the event is synced to disk.
        """
        seen = Occurrence(key=f"{event.source}\x1f{event.id}", event=event)
        item = NewInbox(
            EVENTS_CHANNEL, Origin.EVENT, dump_observations([seen]), self.clock.now(), dedupe=f"sdk\x1f{seen.key}"
        )
        accepted = await self.journal.accept(item)
        self.processor.wake()
        return not accepted.duplicate

    def event(
        self, type: str, data: BaseModel | Mapping[str, Any], *, id: str, subject: str | None = None, **extensions: str
    ) -> Event:
        """An event of this bridge's tenant, now; `type` may be a short name."""
        entry = lookup(type)
        return Event.make(
            full_type(type),
            data if isinstance(data, BaseModel) else dict(data),
            id=id,
            source=f"/{self.config.file.bridge.tenant}/{EVENTS_CHANNEL}",
            subject=subject,
            time=self.clock.now(),
            dataschema=entry.dataschema if entry else None,
            extensions=extensions,
        )

    async def send(self, command: Command, channel: str, *, id: str) -> bool:
        """Ask one channel to do something, once per `id`. Raises UnknownItem for a channel that does not exist."""
        if channel not in self.config.channels and channel not in self.config.disabled:
            there = ", ".join(sorted(self.config.channels))
            raise UnknownItem(f"there is no channel {channel!r}", remedy=f"one of {there}")
        customer = command.customer.id if command.customer else None
        lane = {"partitionkey": customer} if customer else {}
        return await self.publish(self.event(f"command.{command.KIND}", command, id=id, target=channel, **lane))

    async def consent(self, contact: str) -> Sequence[Permission]:
        """What an email address or phone number has allowed, by medium and purpose, with every decision and its proof.

        Empty where nobody ever said anything. Raises UnknownItem for what is no contact point.
        """
        return await permissions(self.journal, self.config.channels, contact)

    async def context(self, customer: str, *, before: int | None = None, limit: int = 50) -> Card:
        """The card of a customer: profile, timeline, open orders, conversation, consents, points, gift cards.

        `customer` as `customers.find` takes it. Raises UnknownItem where it leads to nobody, or to several.
        """
        return await card(self.journal, await self.customers.one(customer), before=before, limit=limit)

    async def erase(self, customer: str) -> int:
        """Have every channel and the journal forget a customer; its number. Raises UnknownItem for nobody known."""
        return await ask_erasure(self.journal, customer, self.processor.wake)

    async def export(self, customer: str) -> Mapping[str, object]:
        """Everything that is known about a customer, as JSON values. Raises UnknownItem for nobody known."""
        return await export(self.journal, customer)

    async def conflicts(self) -> Sequence[Dispute]:
        """Fields that two channels state differently, newest first, with both values."""
        return await open_conflicts(self.journal)

    async def settle_conflict(self, conflict: int, side: str) -> None:
        """Let what one channel of a conflict says hold. Raises UnknownItem without such a conflict or side."""
        await settle_conflict(self.journal, conflict, side, self.clock.now())
        self.processor.wake()

    def asgi(self, *, impatient: bool = True) -> IngressApp:
        """The HTTP face as an ASGI application, to serve alone or to mount in Starlette or FastAPI.

        `impatient` False leaves slow bodies to a server that ends them itself, as the daemon's does.
        """
        server = self.config.file.server
        seconds = server.body_seconds if impatient else None
        limits = Limits(body=server.max_body_bytes, unpacked=server.max_unpacked_bytes, seconds=seconds)
        return IngressApp(lambda: self._ingress, limits)

    def wake(self) -> None:
        """Look at the journal now: somebody changed it from outside (a replay)."""
        self.processor.wake()
        self._stored(set(self.workers))

    async def idle(self) -> None:
        """Return when nothing is left to do at this moment: for the end of a script."""
        while True:
            await anyio.sleep(0.005)
            if not self._still() or await self._due() or await self.journal.pending(0, 1):
                continue
            if self._still():  # while the journal was asked, somebody may have claimed the last of it
                return

    def _still(self) -> bool:
        return self.processor.idle and all(worker.idle for worker in self.workers.values())

    async def _due(self) -> bool:
        now = self.clock.now()
        for name, worker in self.workers.items():
            if not worker.held and (due := await self.journal.next_due(name)) and due <= now:
                worker.wake()
                return True
        return False

    async def probe(self) -> dict[str, Exception]:
        """Ask the system of every channel something harmless; the errors by channel. Works without a start."""
        return await probe_all(self.config.channels.values(), self.clock, make_wire(self._transport))

    async def terms(self) -> Mapping[str, Sequence[Term]]:
        """Ask the channels' systems for their taxes, price lists and tenders, by channel. Works without a start."""
        return await terms_of(self.config.channels.values(), self.clock, make_wire(self._transport))

    async def drain(self) -> None:
        """Stop in order: no new batch, what is under way is finished, within `drain_seconds`."""
        self.processor.stop()
        for worker in self.workers.values():
            worker.stop()
        with anyio.move_on_after(self.config.file.bridge.drain_seconds):
            while not all(worker.idle for worker in self.workers.values()):  # noqa: ASYNC110
                await anyio.sleep(0.01)

    async def retain(self) -> int:
        """Remove what the retention policy lets go; how many rows went."""
        return await self.journal.retain(retention(self.config.file.retention, self.clock.now()))
