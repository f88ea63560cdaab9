"""Vendors that write to each other through a bridge, and people who edit there what they keep.

Every edit has a value of its own, so that each value at a vendor tells which edit it is, and which edits it came after.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ring_vendors import KINDS, Kind, Manner, Slow, Vendor, connector

from omnibridge.connector import Outgoing
from omnibridge.journal import EntityKey
from omnibridge.testing import ManualClock, TestBridge

__all__ = ["KINDS", "Kind", "Manner", "Part", "Ring"]


class Part(NamedTuple):
    """A field of the record at a place."""

    place: str
    field: str


class Edit(NamedTuple):
    """What somebody changed where, and the edits that they could see then."""

    part: Part
    by: str
    seen: set[int]


class Ring:
    """Channels that all get what any of them changes. `async with ring.bridge:` runs it.

    `owners` as `[ownership]` has them, without the kind: `note`, `available@b/2`, or nothing or `@b/2` for all fields.
    """

    def __init__(self, kind: str, manners: Mapping[str, Manner], owners: Mapping[str, str] | None = None) -> None:
        self.kind = KINDS[kind]
        self.clock = ManualClock()
        self.manners = manners
        self.owners = owners or {}
        self.vendors = {name: Vendor(name, self.kind, manner, self.clock) for name, manner in manners.items()}
        names = json.dumps(list(manners))
        toml = "".join(f'[channels.{name}]\nconnector = "{name}"\n' for name in manners)
        if owners:
            lines = ((f"{kind}.{of}" if of and of[0] != "@" else f"{kind}{of}", owner) for of, owner in owners.items())
            toml += "[ownership]\n" + "".join(f'"{line}" = "{owner}"\n' for line, owner in lines)
        toml += f'[[routes]]\nname = "ring"\nevents = ["{kind}.*"]\nto = {names}\n'
        self.bridge = TestBridge(
            toml,
            connectors=[connector(name, self.kind, manner) for name, manner in manners.items()],
            clock=self.clock,
            vendors=Slow({f"{name}.example": vendor for name, vendor in self.vendors.items()}, self.clock),
            look_every=3600,
        )
        self.edits: dict[int, Edit] = {}
        self.acts: Counter[str] = Counter()
        """How often somebody edited anything at a place."""
        self.lately: list[list[Edit]] = []
        """The acts since it was at rest, each with what it edited."""
        self.untellable: set[Part] = set()
        self.owned: set[Part] = set()
        """Where an owner had said something when it was last at rest."""
        self.expected: Counter[tuple[str, str, str]] = Counter()
        """So many conflicts at least must be told: the entity's place, the field, and who loses."""

    def owner(self, part: Part) -> str | None:
        """Who owns a field at a place: what is said of both goes before what is said of one, or of all."""
        found = {line.partition("@")[0::2]: owner for line, owner in self.owners.items()}
        at = {place: owner for (field, place), owner in found.items() if field == part.field}
        whole = {place: owner for (field, place), owner in found.items() if not field}
        for rules in (at, whole):
            for place, owner in rules.items():
                if place.rpartition("/")[2] == part.place:
                    return owner
        return at.get("", whole.get(""))

    def part(self, which: int) -> Part:
        """The fields of all places by number."""
        return Part(self.kind.places[which // 2 % len(self.kind.places)], self.kind.fields[which % 2])

    # -- what may happen ---------------------------------------------------------------------------------------------

    async def match(self) -> None:
        """An operator says which places and variants are the same, where the kind has such."""
        first, *others = self.manners
        named = [(of, id_ or place) for place in self.kind.places for of, id_ in self.kind.base.items()]
        pairs = [(EntityKey(first, *one), EntityKey(other, *one)) for other in others for one in dict.fromkeys(named)]
        await self.bridge.journal.match(pairs)
        self.bridge.processor.wake()
        await self.wait(0.001)

    async def edit(self, name: str, which: int) -> None:
        """Somebody changes a field at a vendor, where there is a record; the first makes it."""
        vendor = self.vendors[name]
        part = self.part(which)
        place = part.place
        there = self.acts[place] > 0
        if place not in vendor.kept and there:
            return
        self.acts[place] += 1
        number = self.acts.total()
        seen = self.kind.number(vendor.kept.get(place, {}).get(part.field))
        made = {number: Edit(part, name, {seen, *self.edits[seen].seen} if seen in self.edits else set())}
        if not there:
            other = self.kind.fields[1 - which % 2]
            made[1000 + number] = Edit(Part(place, other), name, set())
        vendor.store(place, {edit.part.field: self.kind.value(edited) for edited, edit in made.items()})
        self.edits.update(made)
        self.lately.append([*made.values()])

    async def hear(self, name: str, index: int, *, again: bool = False) -> None:
        """One of the things that a vendor has to tell arrives, not always in order, sometimes once more."""
        vendor = self.vendors[name]
        if again:
            if vendor.told and vendor.manner.versions in ("counter", "time"):
                _, outgoing = vendor.told[index % len(vendor.told)]
                await self._tell(Outgoing(outgoing.url, {"x-id": f"{outgoing.headers['x-id']}-again"}, outgoing.body))
            return
        if not vendor.untold:
            return
        # Without versions that tell, nobody could say which came first.
        ordered = vendor.manner.versions in ("none", "second")
        outgoing = vendor.untold.pop(0 if ordered else index % len(vendor.untold))
        vendor.told.append((None, outgoing))
        await self._tell(outgoing)

    async def _tell(self, outgoing: Outgoing) -> None:
        reply = await self.bridge.receive(outgoing)
        assert reply.status == 200

    async def wait(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        await self.bridge.settle(seconds)

    # -- what must hold ----------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Hear everything and let everything happen, until nothing does any more. Fails where that never comes."""
        for _ in range(30):
            for name, vendor in self.vendors.items():
                while vendor.untold:
                    await self.hear(name, 0)
            await self.wait(5)
            if not any(vendor.untold for vendor in self.vendors.values()):
                self._rested()
                return
        raise AssertionError("it does not come to rest")

    def _rested(self) -> None:
        """Without versions nobody can tell an edit that was overwritten on its way from one that was taken back."""
        lately = [edit for act in self.lately for edit in act]
        untellable = {edit.part for edit in lately if self.manners[edit.by].versions in ("none", "second")}
        if len(self.lately) > 1:
            self.untellable |= untellable
        for part, times in Counter(edit.part for edit in lately).items():
            [by, *_] = (edit.by for edit in lately if edit.part == part)
            # Where a vendor refuses a field, it had no value to change.
            told = part not in self.untellable and part.field != self.manners[by].refuses
            if times == 1 and told and part in self.owned and by != self.owner(part):
                self.expected[part.place, part.field, by] += 1
        self.owned |= {edit.part for edit in lately if edit.by == self.owner(edit.part)}
        self.lately.clear()

    async def check(self) -> None:
        """All ends are equal as each keeps it; no edit was swallowed; nobody was written to more than need be."""
        kind = self.kind.model.KIND
        conflicts: Counter[tuple[str, str, str]] = Counter()
        found = await self._entities()
        for stored in await self.bridge.journal.events(limit=10_000):
            if stored.event.name == "conflict.found":
                data: Any = stored.event.data
                part = Part(found[data["entity"]["id"]][0], data["field"])
                assert self.owner(part) != data["loser"], f"the owner of {part} lost it to {data['winner']}"
                conflicts[*part, data["loser"]] += 1
        assert conflicts >= self.expected, f"{self.expected - conflicts} were not told"
        for place, entity in found.values():
            self._equal(place, entity)
            for field in self.kind.fields:
                if (part := Part(place, field)) not in self.untellable:
                    self._kept(part, self.kind.number(entity[field]))
        rows = await self.bridge.journal.deliveries(limit=10_000)
        assert [row for row in rows if row.state in ("dead", "unknown")] == [], kind

    async def _entities(self) -> dict[str, tuple[str, Any]]:
        """The place and the document of each entity, by its id. All channels must mean the same by a place."""
        kind = self.kind.model.KIND
        keys = {
            EntityKey(name, kind, f"{name}-{place}"): place
            for name, vendor in self.vendors.items()
            for place in vendor.kept
        }
        known = await self.bridge.journal.known(list(keys))
        ids = {(str(known[key].id), place) for key, place in keys.items()}
        assert len(ids) == len({place for _, place in ids}), "one record has several entities"
        documents = await self.bridge.journal.entities([(kind, id_) for id_, _ in ids])
        return {id_: (place, json.loads(documents[kind, id_][0])["entity"]) for id_, place in ids}

    def _equal(self, place: str, entity: Any) -> None:
        for name, vendor in self.vendors.items():
            record = vendor.kept.get(place)
            for field in self.kind.fields:
                if field == vendor.manner.refuses or record is None:
                    continue
                assert record.get(field) == vendor.manner.normal(entity.get(field)), (name, place, field)
            assert vendor.writes[place] <= 2 * self.acts[place], (name, place, vendor.writes, self.acts)

    def _kept(self, part: Part, held: int | None) -> None:
        """What holds is an edit that nobody changed again who may; and the owner's, if there is one by now."""
        owner = self.owner(part)
        owned = [number for number, edit in self.edits.items() if edit.part == part and edit.by == owner]
        if owned:
            assert held in owned, f"{part} is edit {held}, and not one of {owner}'s: {owned}"
        later = [number for number in owned or self.edits if held in self.edits[number].seen]
        assert not later, f"{part} is edit {held} although {later} came after it"
