"""From inbox rows to events and deliveries: translate, reconcile, route, and store it all in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog
from pydantic_core import to_json

from omnibridge.channel import Channel
from omnibridge.clock import Clock
from omnibridge.conflicts import take_up
from omnibridge.connector import Lookup, Occurrence
from omnibridge.converse import Talk, overhear
from omnibridge.customer import Resolver, Rules, Stages
from omnibridge.delivery import Flights
from omnibridge.delivery.keys import task_key
from omnibridge.dispatch import Dispatcher
from omnibridge.errors import InvalidMessage, StorageError
from omnibridge.introduce import Unclear, document, introduce, still_there
from omnibridge.journal import (
    Conflict,
    EntityKey,
    InboxRow,
    Journal,
    Known,
    NewDelivery,
    Origin,
    Priority,
    Processed,
    StoredEvent,
    Task,
)
from omnibridge.model import Consent, canonical_id
from omnibridge.reconcile import (
    SHARED,
    ChannelView,
    Derived,
    Ownership,
    Prepared,
    Reconciler,
    in_turn,
)
from omnibridge.routing import Router
from omnibridge.translate import Translated, Translator, reason_of

__all__ = ["BATCH", "Processor"]

_log = structlog.get_logger("omnibridge.process")
BATCH = 64
PATIENCE = timedelta(minutes=1)
"""How long a change of something that was never seen waits for the whole of it."""
IDLE = 5.0
"""Seconds after which an idle processor looks at the inbox unasked: an operator may have replayed something."""


class _Unfit(Exception):
    """The row at this place of a batch says what cannot be: an event without a zone in its time, half a character."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


class Processor:
    """Works off the inbox in order. `between` is called where nothing is left to do, and says whether it did anything.

    `flights` tell whether an entity is being written somewhere, for which its snapshots must wait, or any of a kind,
    for which unknown ones must: it may be a create. `stored` is called with the names of channels that got work;
    `disabled` ones get it all the same. `rules` say who is whom.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        journal: Journal,
        router: Callable[[], Router],
        clock: Clock,
        *,
        flights: Flights,
        stored: Callable[[set[str]], None],
        between: Callable[[], Awaitable[bool]] | None = None,
        disabled: Container[str] = (),
        gap: timedelta = timedelta(hours=24),
        ownership: Ownership | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._channels = channels
        self._gap = gap
        views = {
            name: ChannelView(name, channel.source, channel.inward, channel.collects_consent, channel.kept)
            for name, channel in channels.items()
        }
        self._translator = Translator(channels, views, journal.grave)
        self._journal = journal
        self._dispatcher = Dispatcher(channels, router, disabled)
        self._clock = clock
        self._flights = flights
        self._ownership = ownership or Ownership()
        self._stored = stored
        self._between = between
        stages = Stages(partial(document, journal, self._ownership.of), self._source, self._dispatcher.route, stored)
        self._resolver = Resolver(journal, rules or Rules(), clock, stages)
        self._awake = anyio.Event()
        self._stopping = False
        self._waiting: set[int] = set()
        self.idle = True
        self.look_every = IDLE
        self.handled = 0
        self.invalid = 0

    def wake(self) -> None:
        """There may be work."""
        self._awake.set()

    def stop(self) -> None:
        """Finish the batch under way and return from `run`."""
        self._stopping = True
        self._awake.set()

    async def start(self) -> None:
        """Before the first `run`: other rules about who is whom take hold."""
        await self._resolver.start()
        await self._places()

    async def run(self) -> None:
        """Until stopped."""
        unasked = True
        while not self._stopping:
            self._awake = anyio.Event()
            try:
                if unasked:  # an operator may have decided something, in another process
                    await take_up(self._journal, self._clock.now())
                busy = await self.step()
                if not busy and self._between is not None:
                    busy = await self._between()
            except StorageError:
                if getattr(self._journal, "failed", False):
                    raise
                busy = False
                await self._clock.sleep(1.0)
            if not busy:
                self.idle = True
                unasked = not await self._clock.wait(self._awake, self.look_every)
                self.idle = False

    async def step(self) -> bool:
        """Process one batch; whether there was anything to do."""
        self.idle = False
        landed, after, moved = self._flights.landed(), 0, False
        while True:
            rows = await self._journal.pending(after, BATCH)
            if not rows:
                self._flights.forget(landed)
                if landed and self._waiting:
                    return True  # what waited for their receipts need not wait any more
                return await self._resolve() or moved
            after = rows[-1].id
            moved = await self._batch(rows) or moved

    async def _resolve(self) -> bool:
        resolved = await self._resolver.resolve()
        if resolved:
            await self._places()
        return resolved

    async def _places(self) -> None:
        """A location that was matched with another one has the owners of both."""
        people = [await self._journal.person(place) for place in sorted(self._ownership.places)]
        self._ownership.same({root: place.id for place in people for root in place.roots})

    async def _batch(self, rows: Sequence[InboxRow]) -> bool:
        read = [self._translator.translate(row) for row in rows]
        keys = [(item.row, item.ordered(waited=item.row.id in self._waiting)) for item in read]
        read = [read[place] for place in in_turn(keys, self._waiting)]
        while True:
            try:
                processed = await self._understand(read)
                if not processed:
                    return False
                await self._journal.process(processed)
            except _Unfit as unfit:  # what its row left in the batch's state goes with the batch
                read[unfit.place] = Translated(read[unfit.place].row, invalid=unfit.reason)
                continue
            except Conflict:
                continue
            break
        self.handled += len(processed)
        self.invalid += sum(1 for item in processed if item.invalid is not None)
        self._stored({delivery.channel for item in processed for delivery in item.deliveries})
        return True

    # -- understand ------------------------------------------------------------------------------------------------

    async def _understand(self, batch: Sequence[Translated]) -> list[Processed]:
        keys: set[EntityKey] = set()
        for read in batch:
            for item in read.seen:
                if isinstance(item, Prepared):
                    keys.add(item.key)
                    keys.update(item.links)
                elif isinstance(item, Occurrence) and item.subject is not None and item.subject.external_id:
                    keys.add(EntityKey(read.row.channel, item.subject.kind, item.subject.external_id))
        rows = [(read.row.origin, read.seen) for read in batch]
        try:
            known = await introduce(self._journal, self._resolver, rows, keys, partial(self._must_wait, batch))
        except Unclear as unclear:
            raise _Unfit(unclear.place, reason_of(batch[unclear.place].row, unclear.error)) from None
        entities: dict[tuple[str, str], tuple[bytes, int]] = {
            (key.kind, found.id): (found.entity, found.entity_rev)
            for key, found in known.items()
            if found.id is not None and found.entity is not None
        }
        unseen = self._unseen(batch, known, entities)
        if unseen:
            entities.update(await self._journal.entities(unseen))
        there = await still_there(self._journal, rows, known)
        talk = await overhear(self._journal, (item for read in batch for item in read.seen), known, self._gap)
        reconciler = Reconciler(known, entities, now=self._clock.now(), owners=self._ownership.of, still_there=there)
        result: list[Processed] = []
        blocked: set[EntityKey] = set()
        for place, read in enumerate(batch):
            if self._must_wait(batch, place, known, blocked):
                self._waiting.add(read.row.id)
                continue
            self._waiting.discard(read.row.id)
            try:
                result.append(self._one(read, reconciler, talk, known))
            except Exception as error:  # nor may one delivery stop all the others
                raise _Unfit(place, reason_of(read.row, error)) from None
        return result

    def _unseen(
        self,
        batch: Sequence[Translated],
        known: Mapping[EntityKey, object],
        entities: Mapping[tuple[str, str], object],
    ) -> list[tuple[str, str]]:
        """Canonical entities that are there although this channel never showed them.

        A vendor's field names one as ours, or it is a permission, which has the same id in every channel.
        """
        found: list[tuple[str, str]] = []
        for item in (item for read in batch for item in read.seen if isinstance(item, Prepared)):
            kind, id_ = item.key.kind, item.snapshot.ours
            if id_ is None and kind == Consent.KIND:
                id_ = canonical_id(item.key.channel, kind, item.key.external_id)
            if id_ is not None and (kind, id_) not in entities:
                found.append((kind, id_))
        return found

    def _must_wait(
        self, batch: Sequence[Translated], place: int, known: Mapping[EntityKey, Known], blocked: set[EntityKey]
    ) -> bool:
        """What is being written there waits for the receipt: its echo is no news, and what else is told is newer.

        An unknown entity of a kind that is just being created may be that one, also where the vendor names it as ours.
        """
        read, whole = batch[place], set[EntityKey]()
        for item in read.seen:
            if not isinstance(item, Prepared) or read.row.origin is Origin.RECEIPT or item.key.kind == Consent.KIND:
                continue  # a permission has one id everywhere, and a withdrawal waits for nothing
            found = known.get(item.key)
            early = item.key not in whole and _of_the_unseen(item, found)
            if early and self._clock.now() < read.row.received + PATIENCE:
                return True
            whole.add(item.key)
            id_ = found.id if found is not None else None
            # What an exchange has kept under way has a reference, and no shadow before its receipt. Without a version
            # it could not be told afterwards whether the write or this came first.
            unseen = found is None or found.shadow is None
            may_wait = unseen or (item.key.kind in SHARED and item.snapshot.version is not None)
            if item.key in blocked or (may_wait and self._flights.in_flight(item.key.channel, item.key.kind, id_)):
                blocked.add(item.key)
                return True
        return False

    def _one(self, read: Translated, reconciler: Reconciler, talk: Talk, known: Mapping[EntityKey, Known]) -> Processed:
        row = read.row
        if read.invalid is not None:
            return Processed(row.id, invalid=read.invalid)
        view, derived = self._translator.views[row.channel], Derived()
        lookups: list[NewDelivery] = []
        for item in read.seen:
            if isinstance(item, Prepared) and item.event is not None:
                reconciler.told(view, item, item.event, row.origin, row.received, derived)
            elif isinstance(item, Prepared) and _of_the_unseen(item, known.get(item.key)):
                lookups.append(self._asked(row, item))
            elif isinstance(item, Prepared):
                made = row.meta.get("made")
                at = datetime.fromisoformat(made) if made else None
                told = talk.joined(item, row.received, derived)
                reconciler.snapshot(view, told, row.origin, row.received, derived, at)
            elif isinstance(item, Occurrence):
                reconciler.occurrence(view, item, row.received, derived)
            else:
                lookups.append(self._lookup(row, item))
        now = self._clock.now()
        priority = Priority.BACKFILL if row.origin is Origin.POLL else Priority.FRESH
        events = list(derived.events)
        deliveries = [d for event in events for d in self._dispatcher.route(event, now, priority)]
        for event, channel in derived.restores:
            if back := [d for d in self._dispatcher.route(event, now, priority) if d.channel == channel]:
                events.append(event)
                deliveries += back
        stored = tuple(
            StoredEvent(event, row.channel, now, inbox_id=row.id, party=derived.party(event)) for event in events
        )
        return Processed(
            inbox_id=row.id,
            references=tuple(derived.references),
            shadows=tuple(derived.shadows),
            entities=tuple(derived.entities),
            events=stored,
            deliveries=(*deliveries, *lookups),
            conflicts=tuple(derived.conflicts),
            parties=tuple(derived.about.union(event.party for event in stored if event.party is not None)),
            shred=read.erased,
        )

    def _asked(self, row: InboxRow, item: Prepared) -> NewDelivery:
        """Nobody has told the whole in time, so it is asked for. Raises InvalidMessage where nobody can ask."""
        channel = self._channels.get(row.channel)
        if channel is None or channel.connector.read is None:
            what = f"a change of a {item.key.kind} that was never seen, and its system cannot be asked"
            raise InvalidMessage(what, where=row.channel, remedy="replay it when the whole has come")
        return self._lookup(row, Lookup(item.key.kind, item.key.external_id))

    def _lookup(self, row: InboxRow, wanted: Lookup) -> NewDelivery:
        what = f"{wanted.kind}:{wanted.external_id}"
        return NewDelivery(
            key=task_key(row.channel, "lookup", f"{what}:{row.id}"),
            channel=row.channel,
            task=Task.LOOKUP,
            operation="lookup",
            lane=f"lookup:{what}",
            due=self._clock.now(),
            payload=to_json({"kind": wanted.kind, "id": wanted.external_id, "hint": dict(wanted.hint)}),
            collapse=what,
        )

    def _source(self, channel: str) -> str:
        view = self._translator.views.get(channel)
        return view.source if view is not None else f"/{channel}"


def _of_the_unseen(item: Prepared, found: Known | None) -> bool:
    """Whether this tells only what changed of something of which the whole was never told."""
    return item.snapshot.patch and not item.snapshot.deleted and (found is None or found.shadow is None)
