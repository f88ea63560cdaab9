"""What each kind of outbound work does: deliver an event, look something up, poll, keep subscriptions right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from omnibridge.channel import Channel
from omnibridge.connector import (
    Emit,
    Http,
    Keep,
    Later,
    Lookup,
    dump_observations,
)
from omnibridge.delivery.exchange import Exchange, Vendor
from omnibridge.delivery.frozen import thaw
from omnibridge.delivery.keys import task_key
from omnibridge.delivery.outcome import Done
from omnibridge.delivery.paper import Paper
from omnibridge.delivery.together import Together
from omnibridge.errors import Ambiguous, InvalidMessage, Permanent
from omnibridge.event import Event
from omnibridge.journal import (
    Claimed,
    NewDelivery,
    Origin,
    Priority,
    Task,
)
from omnibridge.model import Command, Entity

__all__ = ["Gate", "Held", "Refused", "Stop", "Tasks", "recurring_tasks"]

DAILY = timedelta(hours=24)


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
        self._paper = Paper(channel, vendor)
        many = any(slot.together is not None for slot in channel.connector.delivers)
        self.together = Together(channel, vendor, self._paper) if many else None
        """How deliveries go many at a time; None where each goes by itself."""

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
        subject, delivery = await self._paper.brief(claimed, event, subject)
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
                return self._paper.done(claimed, subject, found, begun, "found at the vendor; not sent again")
        if unfinished and slot.find is None and slot.together is not None:
            raise Ambiguous("an attempt in company was cut short, and it may have taken effect", where=unfinished[0])
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
        return self._paper.done(claimed, subject, result, begun)

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
            await self._vendor.journal.keep(
                claimed.id, self._channel.name, reference, self._paper.meaning(reference, own)
            )

        async def emit(effect: Emit) -> None:
            # What the vendor let slip while it answered, such as an opt-out, is as true as a webhook of it.
            await self._vendor.journal.emit(
                claimed.id, self._paper.inbox(Origin.READ, dump_observations(effect.observations)), None
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
        return Done(inbox=(self._paper.inbox(Origin.READ, dump_observations(seen)),))

    async def _poll(self, claimed: Claimed) -> Done | Later:
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
                item = self._paper.inbox(Origin.POLL, dump_observations(effect.observations))
                await journal.emit(claimed.id, item, after)

        exchange, settings = Exchange(self._vendor, emit=emit), self._channel.settings
        return await exchange.run(lambda http: poll.run(settings, cursor, http)) or Done(f"{pages} pages")

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
