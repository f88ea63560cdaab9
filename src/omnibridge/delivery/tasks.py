"""What each kind of outbound work does: deliver an event, look something up, poll, keep subscriptions right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from omnibridge.channel import Channel
from omnibridge.connector import (
    Delivery,
    Emit,
    Http,
    Keep,
    Later,
    Lookup,
    Receipt,
    Reference,
    dump_observations,
)
from omnibridge.delivery.exchange import Exchange, Vendor
from omnibridge.delivery.frozen import thaw
from omnibridge.delivery.keys import task_key
from omnibridge.delivery.outcome import Done
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.event import Event
from omnibridge.journal import (
    Claimed,
    NewDelivery,
    NewInbox,
    Origin,
    Priority,
    ReferenceWrite,
    Task,
    moved,
    opened,
    stamp,
)
from omnibridge.model import ENTITIES, Command, Entity, canonical_id, entity_class, named_in

__all__ = ["Gate", "Held", "Refused", "Stop", "Tasks", "recurring_tasks"]

DAILY = timedelta(hours=24)
_TWINS = {"variant": "inventory_item", "inventory_item": "variant"}
"""Some systems count the stock of a variant under an id of its own."""


class Stop(Protocol):
    """Why a command must not leave now; `until` when it may be asked again, None for a refusal."""

    @property
    def reason(self) -> str:
        """In words, without anybody's data."""
        ...

    @property
    def until(self) -> datetime | None:
        """When it may be asked again."""
        ...


class Gate(Protocol):
    """Says why a command must not go out now, or None."""

    async def stop(self, command: Command, delivery: int, now: datetime, expires: datetime | None) -> Stop | None:
        """The reason, or None when it may."""
        ...


class Refused(Exception):
    """The gate said no; `str()` is the reason."""


class Held(Exception):
    """The gate said not yet; `str()` is the reason."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class Tasks:
    """Runs the claimed work of one channel."""

    def __init__(self, channel: Channel, vendor: Vendor, gate: Gate) -> None:
        self._channel = channel
        self._vendor = vendor
        self._gate = gate

    async def run(self, claimed: Claimed) -> Done | Later:
        """One attempt. Raises the errors of `omnibridge.errors`, Refused and Held."""
        if claimed.task is Task.DELIVER:
            return await self._deliver(claimed)
        if claimed.task is Task.LOOKUP:
            return await self._lookup(claimed)
        if claimed.task is Task.POLL:
            return await self._poll(claimed)
        return await self._subscribe(claimed)

    def can_look(self, claimed: Claimed) -> bool:
        """Whether the vendor can be asked about an ambiguous attempt of this delivery."""
        slot = self._channel.slot(claimed.event) if claimed.event is not None else None
        return slot is not None and slot.find is not None

    # -- deliver ---------------------------------------------------------------------------------------------------

    async def _deliver(self, claimed: Claimed) -> Done | Later:
        event = claimed.event
        if event is None:
            raise Permanent("the event of this delivery is gone")
        slot = self._channel.slot(event)
        if slot is None:
            raise Permanent(
                f"{self._channel.connector.name} takes no {event.name}",
                where=self._channel.name,
                remedy="mend the route, then replay",
            )
        subject: Any = event if issubclass(slot.accepts, Event) else event.parse()
        if isinstance(subject, Command):
            await self._ask(claimed, subject, event)
        begun = self._vendor.clock.now()
        subject, delivery = await self._briefing(claimed, event, subject)
        steps = {step.name: step for step in claimed.steps if step.generation == claimed.generation}
        now = self._vendor.clock.now()
        unfinished = [
            step.name for step in steps.values() if step.response is None and thaw(step.request).doubtful(now)
        ]
        settings = self._channel.settings
        if unfinished and slot.find is not None:
            find = slot.find
            found = await self._exchange(claimed, subject, read_only=True).run(
                lambda http: find(settings, subject, delivery, http)
            )
            if found is not None:
                return self._done(claimed, subject, found, begun, "found at the vendor; not sent again")
        cleared = frozenset(unfinished) if slot.find is not None else frozenset[str]()
        exchange = self._exchange(claimed, subject, steps=steps, cleared=cleared)
        try:
            result = await exchange.run(lambda http: slot.run(settings, subject, delivery, http))
        except Exception:
            await exchange.flush()
            raise
        if isinstance(result, Later):
            await exchange.flush()
            return result
        return self._done(claimed, subject, result, begun)

    async def _ask(self, claimed: Claimed, command: Command, event: Event) -> None:
        stop = await self._gate.stop(command, claimed.id, self._vendor.clock.now(), _expires(event))
        if stop is not None:
            raise Refused(stop.reason) if stop.until is None else Held(stop.reason, stop.until)

    def _exchange(
        self,
        claimed: Claimed,
        subject: Any,
        *,
        steps: dict[str, Any] | None = None,
        cleared: frozenset[str] = frozenset(),
        read_only: bool = False,
    ) -> Exchange:
        own = subject.id if isinstance(subject, Entity) else None

        async def keep(effect: Keep) -> None:
            reference = effect.reference
            await self._vendor.journal.keep(claimed.id, self._channel.name, reference, self._id(reference, own))

        async def emit(effect: Emit) -> None:
            # What the vendor let slip while it answered, such as an opt-out, is as true as a webhook of it.
            await self._vendor.journal.emit(
                claimed.id, self._inbox(Origin.READ, dump_observations(effect.observations)), None
            )

        return Exchange(
            self._vendor,
            delivery=claimed.id,
            key=claimed.key,
            generation=claimed.generation,
            steps=steps,
            keep=None if read_only else keep,
            emit=None if read_only else emit,
            cleared=cleared,
        )

    async def _briefing(self, claimed: Claimed, event: Event, subject: Any) -> tuple[BaseModel | Event, Delivery]:
        """What to deliver, and what the author is told about it."""
        if isinstance(subject, Event):
            return subject, Delivery(
                key=claimed.key,
                channel=self._channel.name,
                event=event,
                attempt=claimed.attempts + 1,
                generation=claimed.generation,
                state=claimed.state,
            )
        refs = list(dict.fromkeys(named_in(subject)))
        refs += [(twin, id_) for kind, id_ in refs if (twin := _TWINS.get(kind)) is not None]
        own = (subject.KIND, subject.id) if isinstance(subject, Entity) and subject.id else None
        journal = self._vendor.journal
        known = await journal.references(self._channel.name, [*refs, own] if own else refs)
        related = await journal.entities([ref for ref in refs if ref[0] in ENTITIES])
        shadow, claims = opened(known[own][1] or b"{}") if own and own in known else ({}, None)
        if own and moved(claims) >= stamp(claimed.created):
            # The channel said something since, or got something newer: what holds now, not what held then.
            current = (await journal.entities([own])).get(own)
            if current is not None:
                subject = entity_class(own[0]).model_validate(from_json(current[0])["entity"])
        outward = {ours: theirs for theirs, ours in self._channel.inward.items()}
        attributes = subject.attributes if isinstance(subject, Entity) else {}
        return subject, Delivery(
            key=claimed.key,
            channel=self._channel.name,
            event=event,
            attempt=claimed.attempts + 1,
            generation=claimed.generation,
            own=known[own][0] if own and own in known else None,
            references={key: external for key, (external, _) in known.items()},
            custom={outward[name]: value for name, value in attributes.items() if name in outward},
            known=entity_class(subject.KIND).model_validate(shadow) if shadow else None,
            related={
                key: entity_class(key[0]).model_validate(from_json(content)["entity"])
                for key, (content, _) in related.items()
            },
            state=claimed.state,
        )

    def _done(self, claimed: Claimed, subject: Any, receipt: Receipt, begun: datetime, text: str | None = None) -> Done:
        channel, own = self._channel.name, subject.id if isinstance(subject, Entity) else None
        references = tuple(
            ReferenceWrite(channel, reference.kind, reference.external_id, self._id(reference, own))
            for reference in receipt.references
        )
        inbox: tuple[NewInbox, ...] = ()
        if receipt.snapshots:
            origin = Origin.RECEIPT if isinstance(subject, Entity) else Origin.READ
            # When the delivery was made tells what it knew: a claim that came later is not one that it overrules.
            meta = {"made": claimed.created.isoformat(), "begun": begun.isoformat()}
            inbox = (self._inbox(origin, dump_observations(receipt.snapshots))._replace(meta=meta),)
        return Done(text or receipt.note, references, inbox)

    def _id(self, reference: Reference, own: str | None) -> str:
        """What a reference means: the entity delivered, or for a command the new thing that it made."""
        return reference.id or own or canonical_id(self._channel.name, reference.kind, reference.external_id)

    def _inbox(self, origin: Origin, body: bytes) -> NewInbox:
        return NewInbox(self._channel.name, origin, body, self._vendor.clock.now())

    # -- ask -------------------------------------------------------------------------------------------------------

    async def _lookup(self, claimed: Claimed) -> Done:
        read = self._channel.connector.read
        if read is None:
            raise Permanent(f"{self._channel.connector.name} cannot look anything up", where=self._channel.name)
        wanted = from_json(claimed.payload or b"{}")
        lookup = Lookup(wanted["kind"], wanted["id"], wanted["hint"])
        seen = await Exchange(self._vendor).run(lambda http: read(self._channel.settings, lookup, http))
        if not seen:
            return Done("nothing there")
        return Done(inbox=(self._inbox(Origin.READ, dump_observations(seen)),))

    async def _poll(self, claimed: Claimed) -> Done:
        name = claimed.operation.partition(":")[2]
        poll = next((p for p in self._channel.connector.polls if p.name == name), None)
        if poll is None:
            raise Permanent(f"there is no poll {name!r} any more", where=self._channel.name)
        journal, pages = self._vendor.journal, 0
        stored = await journal.cursor(self._channel.name, name)
        cursor = from_json(stored) if stored is not None else None

        async def emit(effect: Emit) -> None:
            nonlocal pages
            pages += 1
            after = (name, to_json(effect.cursor)) if effect.cursor is not None else None
            if effect.observations or after:
                item = self._inbox(Origin.POLL, dump_observations(effect.observations))
                await journal.emit(claimed.id, item, after)

        await Exchange(self._vendor, emit=emit).run(lambda http: poll.run(self._channel.settings, cursor, http))
        return Done(f"{pages} pages")

    # -- subscribe -------------------------------------------------------------------------------------------------

    async def _subscribe(self, claimed: Claimed) -> Done:
        wanted = self._channel.connector.subscriptions
        url = self._channel.url
        if wanted is None or url is None:
            return Done("nothing to do")
        settings = self._channel.settings

        async def reconcile(http: Http) -> str:
            desired = list(wanted.desired(settings, url))
            present = list(await wanted.list(settings, http))
            missing = [s for s in desired if s not in present]
            stale = [s for s in present if s not in desired and _ours(s.url, url)]
            stale.extend(s for place, s in enumerate(present) if s in desired and present.index(s) != place)
            for subscription in missing:
                await wanted.create(settings, subscription, http)
            for subscription in stale:
                await wanted.delete(settings, subscription, http)
            return f"{len(missing)} made, {len(stale)} removed, {len(desired)} wanted"

        # A day's look has keys of its own: by the old ones a vendor would answer with what it has deleted since.
        key = task_key(self._channel.name, claimed.key, self._vendor.clock.now().date().isoformat())
        return Done(await Exchange(self._vendor, delivery=claimed.id, key=key).run(reconcile))


def _expires(event: Event) -> datetime | None:
    """The time after which nobody wants it any more. Raises InvalidMessage for one that is none."""
    said = event.extensions.get("expirytime")
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(str(said))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidMessage("not a time with its zone", where="expirytime")
    return at


def _ours(given: str, url: str) -> bool:
    """Whether an address is this channel's, with or without a path secret or a query; `/in/news2` is not `/in/news`."""
    return given == url or given.startswith((f"{url}/", f"{url}?"))


def recurring_tasks(channel: Channel, now: datetime) -> Sequence[NewDelivery]:
    """The rows that a channel always has, one for each poll and one for its subscriptions, and one for this start.

    Subscriptions are looked at when the bridge starts, since its address may have changed and vendors drop those that
    failed meanwhile, and then daily.
    """

    def task(kind: Task, operation: str, due: datetime) -> NewDelivery:
        return NewDelivery(
            key=task_key(channel.name, operation),
            channel=channel.name,
            task=kind,
            operation=operation,
            lane=operation,
            due=due,
            priority=Priority.CARE,
            recurring=True,
        )

    tasks = [task(Task.POLL, f"poll:{poll.name}", now) for poll in channel.connector.polls]
    if channel.connector.subscriptions is not None and channel.url is not None:
        daily = task(Task.SUBSCRIBE, "subscribe", now + DAILY)
        key = task_key(channel.name, "subscribe", now.isoformat())
        tasks += [daily, daily._replace(key=key, lane="subscribe:start", due=now, recurring=False)]
    return tasks
