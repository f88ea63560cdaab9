"""Makes one customer of what belongs together, and takes apart what does not: documents, events, lanes, at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from pydantic_core import from_json, to_json

from omnibridge.clock import Clock
from omnibridge.connector import json_bytes
from omnibridge.customer.facts import Json
from omnibridge.customer.identity import Rules
from omnibridge.customer.neighbourhood import Neighbourhood, gather
from omnibridge.event import JSON, Event
from omnibridge.journal import (
    Conflict,
    Dirty,
    EntityWrite,
    FactsWrite,
    Identified,
    Journal,
    NewDelivery,
    Showing,
    StoredEvent,
)
from omnibridge.model import Customer, event_id, lookup

__all__ = ["Resolver", "Stages"]

_ROUND = 64
_LANES = ("", "marketing:")
"""What stands before a customer's id in the names of lanes; a consent's lane has the address, which stays."""
_STAMPS = frozenset({"created_at", "updated_at", "vendor"})


class Stages(NamedTuple):
    """What resolving needs of the stages around it."""

    document: Callable[[str, str, Sequence[Showing]], Awaitable[bytes | None]]
    """The stored document of an entity (kind, id) that these references show; None where none of them showed it."""
    source: Callable[[str], str]
    """The `source` of a channel's events, of one that is no longer configured as well."""
    route: Callable[[Event, datetime], Sequence[NewDelivery]]
    """The deliveries of an event."""
    stored: Callable[[set[str]], None]
    """Called with the names of channels that got work."""


class _Group(NamedTuple):
    """One customer (or other entity) as it is from now on, or was: its references, its document."""

    id: str
    kind: str
    showings: tuple[Showing, ...]

    @property
    def channels(self) -> list[str]:
        """Who shows it."""
        return sorted({one.channel for one in self.showings if one.shadow is not None})


class Resolver:
    """Works off what is marked in the journal."""

    def __init__(self, journal: Journal, rules: Rules, clock: Clock, stages: Stages) -> None:
        self._journal = journal
        self._rules = rules
        self._clock = clock
        self._stages = stages

    async def start(self) -> None:
        """Have what other rules joined, or kept apart, looked at again when there is time."""
        rules = self._rules
        words = [rules.priority, sorted(rules.unique), sorted((k, sorted(v)) for k, v in rules.trusted.items())]
        words += [sorted(rules.limits.items()), rules.limit, sorted(map(repr, rules.blocked))]
        await self._journal.adopt(blake2b(repr(words).encode(), digest_size=16).hexdigest())

    async def learn(self, facts: Sequence[FactsWrite]) -> None:
        """Take in what records say, before what they say of anything else is: so nobody is made twice."""
        if await self._journal.learn(facts):
            while await self.resolve(later=False):
                pass

    async def resolve(self, *, later: bool = True) -> bool:
        """Resolve some of what is marked; whether there was anything."""
        dirty = await self._journal.unresolved(_ROUND, later=later)
        if dirty:
            try:
                outcome = await self._outcome(dirty)
                await self._journal.identify(outcome)
            except Conflict:
                return True
            self._stages.stored({delivery.channel for delivery in outcome.deliveries})
        return bool(dirty)

    async def _outcome(self, dirty: Sequence[Dirty]) -> Identified:
        hood = await gather(self._journal, dirty, self._rules)
        outcome = Identified(
            hood.rev,
            hood.moved,
            roots=hood.before.keys(),
            reviews=hood.reviews,
            blocked=hood.newly,
            unblocked=hood.no_longer,
            dirty=tuple(dirty),
        )
        return await self._change(hood, outcome) if hood.moved else outcome

    async def _change(self, hood: Neighbourhood, outcome: Identified) -> Identified:
        """The documents, events and lanes of customers of whom any root has moved."""
        touched = {hood.before[root] for root in hood.moved} | set(hood.moved.values())
        roots = [r for r in hood.before if hood.before[r] in touched or hood.after[r] in touched]
        showings = await self._journal.showings(roots)
        kinds = {one.root: one.kind for one in showings}
        in_force = {(kinds[id], id) for id in {hood.before[root] for root in roots} if id in kinds}
        documents = await self._journal.entities(sorted(in_force))
        groups: defaultdict[str, list[Showing]] = defaultdict(list)
        for one in sorted(showings, key=lambda one: one[:3]):
            groups[hood.after[one.root]].append(one)
        entities: list[EntityWrite] = []
        events: list[StoredEvent] = []
        tell = _Telling(self._stages, self._clock.now(), hood.rev)
        gone = [(kind, id) for kind, id in sorted(documents) if hood.after[id] != id]
        for kind, id in gone:
            if kind == Customer.KIND:
                old: Json = from_json(documents[kind, id][0])["entity"]
                into = {"kind": kind, "id": hood.after[id]}
                mine = [one for one in showings if hood.before[one.root] == id]
                events += tell(_Group(id, kind, tuple(mine)), "merged", {**old, "merged_into": into}, first=True)
        for id, shown in sorted(groups.items()):
            group = _Group(id, kinds[shown[0].root], tuple(shown))
            content = await self._stages.document(group.kind, id, group.showings)
            if content is None:
                continue
            had = documents.get((group.kind, id))
            party = id if group.kind == Customer.KIND else None
            entities.append(EntityWrite(group.kind, id, had[1] if had else 0, content, party))
            data: Json = from_json(content)["entity"]
            before: Json | None = from_json(had[0])["entity"] if had else None
            apart = hood.before[id] != id
            if apart and group.kind == Customer.KIND:
                from_ = {"kind": group.kind, "id": hood.before[id]}
                events += tell(group, "unmerged", {**data, "unmerged_from": from_}, first=True)
            if before is None or any(before.get(name) != data.get(name) for name in {*before, *data} - _STAMPS):
                events += tell(group, "changed" if group.kind == "inventory" else "updated", data)
        return outcome._replace(
            entities=tuple(entities),
            gone=tuple(gone),
            lanes={lane + id: lane + hood.after[id] for _, id in gone for lane in _LANES},
            events=tuple(events),
            deliveries=tuple(d for one in events for d in self._stages.route(one.event, one.recorded)),
        )


class _Telling:
    """Makes the events: as if every channel that shows a customer had told the new state, so that every one gets it."""

    def __init__(self, stages: Stages, now: datetime, rev: int) -> None:
        self._stages = stages
        self._now = now
        self._rev = rev

    def __call__(self, group: _Group, verb: str, data: Json, *, first: bool = False) -> list[StoredEvent]:
        channels = group.channels or sorted({one.channel for one in group.showings})
        return [self._event(group, channel, verb, data) for channel in (channels[:1] if first else channels)]

    def _event(self, group: _Group, channel: str, verb: str, data: Json) -> StoredEvent:
        entry = lookup(f"{group.kind}.{verb}")
        type_ = entry.type if entry else f"{group.kind}.{verb}"
        body = _bytes(data)
        told = f"{self._rev} {blake2b(body, digest_size=8).hexdigest()}"
        event = Event(
            id=event_id(channel, group.kind, group.id, told, type_),
            source=self._stages.source(channel),
            type=type_,
            subject=group.id,
            time=self._now.isoformat().replace("+00:00", "Z"),
            datacontenttype=JSON,
            dataschema=entry.dataschema if entry else None,
            content=body,
            extensions={"channel": channel, "partitionkey": _lane(group.id, data)},
        )
        party = group.id if group.kind == Customer.KIND else None
        return StoredEvent(event, channel, self._now, party=party)


def _lane(id: str, data: Json) -> str:
    """The merged one's last word leaves by the survivor's lane: what is about one person leaves in order."""
    into: Mapping[str, str] = data.get("merged_into") or {}
    return into.get("id") or id


def _bytes(value: Json) -> bytes:
    try:
        return json_bytes(value)
    except TypeError:
        return to_json(value)
