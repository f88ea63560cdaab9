"""Deliveries of different lanes that leave in one request; each is settled on its own.

What protects a request of one delivery cannot protect one of many: its bytes belong to a company that a restart would
have to bring together again, and they hold what is about many persons. So only the start is committed, for each item,
and an item whose request was not answered is a case for `find` or its route, as any is that nothing protects.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic_core import to_json

from omnibridge.channel import Channel
from omnibridge.connector import (
    Alone,
    Class,
    Credential,
    Deliver,
    Delivery,
    Emit,
    Later,
    Request,
    Response,
    Settings,
    Upsert,
    dump_observations,
)
from omnibridge.delivery.exchange import Exchange, Vendor
from omnibridge.delivery.frozen import freeze, freeze_response
from omnibridge.delivery.keys import step_key
from omnibridge.delivery.outcome import Done
from omnibridge.delivery.paper import Paper
from omnibridge.delivery.sender import Sent
from omnibridge.errors import Ambiguous, OmniBridgeError, Permanent, Retryable
from omnibridge.journal import Claimed, Origin, Step, Task
from omnibridge.model import Entity

__all__ = ["Company", "Ended", "Together"]

_ALONE = {"omnibridge": "alone"}
"""The state of an item that is to go by itself."""


class Company(NamedTuple):
    """Who leaves together: what is done, in which state, how many at most, and from how many on."""

    operation: str
    state: bytes
    most: int
    least: int


class Ended(NamedTuple):
    """How an item's attempt ended. `free`: nothing of it is in doubt, and a next attempt begins from nothing."""

    result: Done | Later | Exception
    free: bool


class _Item(NamedTuple):
    claimed: Claimed
    entity: Entity
    delivery: Delivery


class Together:
    """Runs companies of claimed deliveries of one channel."""

    def __init__(self, channel: Channel, vendor: Vendor, paper: Paper) -> None:
        self._channel = channel
        self._vendor = vendor
        self._paper = paper

    def company(self, claimed: Claimed) -> Company | None:
        """With whom it may leave; None where it goes by itself."""
        slot = self._channel.slot(claimed.event) if claimed.task is Task.DELIVER and claimed.event else None
        if slot is None or slot.together is None or claimed.state == _ALONE:
            return None
        # What waits for an answer to a company comes back to it, also when the others have gone.
        least = slot.least if claimed.state is None else 1
        return Company(claimed.operation, to_json(claimed.state), slot.most, least)

    async def run(self, company: Sequence[Claimed]) -> Sequence[Ended]:
        """One attempt of each, in their order."""
        begun = self._vendor.clock.now()
        slot = self._channel.slot(company[0].event) if company[0].event is not None else None
        ended: dict[int, Ended] = {}
        items: list[_Item] = []
        for claimed in company:
            try:
                item = await self._item(claimed)
                found = await self._found(item, slot, begun)
            except Exception as error:
                ended[claimed.id] = Ended(error, free=False)
                continue
            if found is None:
                items.append(item)
            else:
                ended[claimed.id] = Ended(found, free=True)
        if items and slot is not None:
            ended |= await self._send(items, slot, begun)
        return [ended[claimed.id] for claimed in company]

    async def _item(self, claimed: Claimed) -> _Item:
        event = claimed.event
        if event is None:
            raise Permanent("the event of this delivery is gone")
        subject, delivery = await self._paper.brief(claimed, event, event.parse())
        if not isinstance(subject, Entity):
            raise Permanent(f"{event.name} is no state of an entity")
        return _Item(claimed, subject, delivery)

    async def _found(self, item: _Item, slot: Deliver[Settings] | None, begun: datetime) -> Done | None:
        """Whether an attempt that was cut short took effect. Raises Ambiguous where nobody can tell."""
        claimed, entity, delivery = item
        doubtful = [s.name for s in claimed.steps if s.generation == claimed.generation and s.response is None]
        if not doubtful or slot is None:
            return None
        find, settings = slot.find, self._channel.settings
        if find is None:
            raise Ambiguous("an attempt was cut short, and it may have taken effect", where=doubtful[0])
        key = step_key(claimed.key, "find", claimed.generation)
        exchange = Exchange(self._vendor, delivery=claimed.id, key=key)
        found = await exchange.run(lambda http: find(settings, entity, delivery, http))
        if found is None:
            return None
        return self._paper.done(claimed, entity, found, begun, "found at the vendor; not sent again")

    async def _send(self, items: Sequence[_Item], slot: Deliver[Settings], begun: datetime) -> Mapping[int, Ended]:
        settings, together = self._channel.settings, slot.together
        if together is None:
            return {}
        exchange = _Shared(self._vendor, [item.claimed for item in items], self._emit(items[0].claimed))
        pairs = [(item.entity, item.delivery) for item in items]
        try:
            results = await exchange.run(lambda http: together(settings, pairs, http))
        except Exception as error:
            return {item.claimed.id: Ended(error, free=False) for item in items}
        ended: dict[int, Ended] = {}
        for item, result in zip(items, results, strict=True):
            if isinstance(result, Alone):
                ended[item.claimed.id] = Ended(Later(result.after, _ALONE), free=True)
            elif isinstance(result, Later | Permanent | Retryable):
                ended[item.claimed.id] = Ended(result, free=True)
            else:
                done = self._paper.done(item.claimed, item.entity, result, begun)
                ended[item.claimed.id] = Ended(done, free=True)
        return ended

    def _emit(self, lead: Claimed) -> Callable[[Emit], Awaitable[None]]:
        async def emit(effect: Emit) -> None:
            item = self._paper.inbox(Origin.READ, dump_observations(effect.observations))
            await self._vendor.journal.emit(lead.id, item, None)

        return emit


class _Shared(Exchange):
    """An exchange of many deliveries. Its key is as new as the attempt."""

    def __init__(self, vendor: Vendor, company: Sequence[Claimed], emit: Callable[[Emit], Awaitable[None]]) -> None:
        lead, now = company[0], vendor.clock.now()
        who = "\x1f".join(f"{one.key}{one.generation}" for one in company)
        super().__init__(vendor, key=step_key(lead.key, f"{who}\x1f{now.isoformat()}", lead.generation), emit=emit)
        self._company = company

    async def _write(self, request: Request) -> Response:
        if request.step in self._used:
            raise Permanent(f"the step {request.step!r} is used twice", remedy="name each writing request differently")
        self._used.add(request.step)
        if isinstance(request.protection, Upsert):
            return self._answer(await self._send(request), request)
        await self._mark(request)
        doubt = False

        async def attempt(credential: Credential | None) -> Sent:
            nonlocal doubt
            sent = await self._vendor.sender.send(request, credential, line=self._line)
            doubt = doubt or self._doubtful(request, sent)
            return sent

        try:
            sent = await self._send(request, attempt)
        except OmniBridgeError:
            if not doubt:
                await self._mark(request, taken=False)
            raise
        kind = sent.outcome.kind
        if kind is not Class.OK and not doubt:
            await self._mark(request, taken=False)
        if kind is Class.RETRY and doubt:
            raise Ambiguous(sent.outcome.reason or "no answer that says what became of it", where=request.step)
        return self._answer(sent, request)

    def _doubtful(self, request: Request, sent: Sent) -> bool:
        """Whether it may have taken effect without our knowing, were there no key."""
        if sent.response is None:
            return sent.arrived
        bare, now = request._replace(protection=None), self._vendor.clock.now()
        return self._vendor.sender.channel.connector.classify(bare, sent.response, now).kind is Class.AMBIGUOUS

    async def _mark(self, request: Request, *, taken: bool = True) -> None:
        """Commit for every item that the request leaves now, or that it was not taken. Nobody's data is kept.

        The step has a name that no request of a single item has: what is kept is not what such a one would send again.
        """
        step = f"together:{request.step}"
        plain = Request(request.method, request.path.partition("?")[0], step=step)
        frozen = freeze(plain, self._vendor.clock.now())
        response = None if taken else freeze_response(None)
        key = self._step_key(request.step)
        steps = [(one.id, Step(step, one.generation, key, frozen, response)) for one in self._company]
        await self._vendor.journal.finish_all(steps)
