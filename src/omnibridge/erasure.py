"""Erasing and exporting a customer: every channel is asked, and when all have answered the journal forgets them too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

import structlog
from pydantic_core import from_json, to_json

from omnibridge.channel import Channel
from omnibridge.customer import Customers
from omnibridge.errors import UnknownItem
from omnibridge.event import Event
from omnibridge.journal import (
    CONTACT,
    Belongings,
    DeliveryState,
    EntityKey,
    Erasure,
    ErasureState,
    InboxState,
    Journal,
    Shredding,
)
from omnibridge.model import (
    WHOLLY,
    Consent,
    Customer,
    EraseCustomer,
    Medium,
    Purpose,
    Ref,
    canonical_id,
    consent_key,
    email_or_none,
    phone_or_none,
    without_person,
)
from omnibridge.reconcile import Json

__all__ = ["REQUESTS", "Erasures", "Whom", "ask_erasure", "export", "settle_erasure"]

REQUESTS = "omnibridge.privacy"
"""The name of the bridge's own handler of what channels ask for; it keeps nothing."""

_log = structlog.get_logger("omnibridge.erasure")
_COMMAND = f"command.{EraseCustomer.KIND}"
_EMAILS = ("email", "buyer_email", "contact", "sender", "recipient", "caller", "callee")
_ASKED, _ERASED, _CANNOT, _FAILED, _BY_HAND = "asked", "erased", "cannot", "failed", "by hand"


class Whom(TypedDict):
    """Who shall be erased: a customer's roots, addresses of theirs, and further parties that are about them.

    `records`: (channel, kind, external id) that must not come back. `asker`: the channel that asked for it itself.
    `request`: what it is the answer to.
    """

    roots: list[str]
    contacts: list[str]
    parties: NotRequired[list[str]]
    records: NotRequired[list[list[str]]]
    asker: NotRequired[str]
    request: NotRequired[str]


async def _whom(journal: Journal, text: str) -> Whom:
    """The roots and addresses that a text means. Raises UnknownItem for nobody, and for several."""
    text = text.strip()
    people = await Customers(journal).find(text)
    if len(people) > 1:
        raise UnknownItem(
            f"{len(people)} customers have this address",
            remedy=f"name one of them: {', '.join(person.id for person in people)}",
        )
    address = email_or_none(text) or phone_or_none(text)
    if people:
        return {"roots": sorted({people[0].id, *people[0].roots}), "contacts": []}
    if address is None:
        raise UnknownItem(
            "nobody is known by that", remedy="give a mail address, a phone number with its country, or an id"
        )
    return {"roots": [], "contacts": [address]}


async def ask_erasure(journal: Journal, text: str, wake: Callable[[], None] | None = None) -> int:
    """Ask for the erasure of a customer by id, mail address or phone number; the number to follow it by.

    It is carried out by the bridge that runs, or by the next that is started. Raises UnknownItem for nobody known.
    """
    number = await journal.ask_erasure(to_json(await _whom(journal, text)))
    if wake is not None:
        wake()
    return number


async def settle_erasure(journal: Journal, number: int) -> None:
    """An operator's word that what a channel cannot do, or failed to do, was done by hand, or is given up.

    Raises UnknownItem when no erasure waits for that.
    """
    for erasure in await journal.erasures(open_only=True):
        if erasure.number == number and erasure.state is ErasureState.WAITING:
            report = {
                channel: word if word.startswith(_ERASED) else f"{_BY_HAND}, or given up"
                for channel, word in erasure.report.items()
            }
            await journal.note_erasure(number, ErasureState.CHANNELS, report)
            return
    raise UnknownItem(f"erasure {number} does not wait for anybody", remedy="omnibridge erase --status lists them")


async def export(journal: Journal, text: str) -> Json:
    """Everything that is known about a customer, as JSON values. Raises UnknownItem for nobody known."""
    whom = await _whom(journal, text)
    parties, found = await _gather(journal, whom)
    entities: dict[str, list[Json]] = {}
    for (kind, _), content in found.entities.items():
        entities.setdefault(kind, []).append(from_json(content)["entity"])
    return {
        "customer": whom["roots"],
        "addresses": sorted(party.removeprefix(CONTACT) for party in parties if party.startswith(CONTACT)),
        "entities": entities,
        "channels": [
            {
                "channel": reference.channel,
                "kind": reference.kind,
                "external_id": reference.external_id,
                "id": reference.id,
                "fields": from_json(found.shadows[key]) if key in found.shadows else None,
            }
            for reference in found.references
            for key in (EntityKey(reference.channel, reference.kind, reference.external_id),)
        ],
        "events": [
            {
                **stored.event.attributes(),
                "recorded": stored.recorded.isoformat(),
                "data": stored.event.data if stored.event.content is not None else None,
            }
            for stored in found.events
        ],
        "deliveries": [{"channel": name, "state": state, "count": n} for (name, state), n in found.deliveries.items()],
    }


def _addresses(documents: Iterable[Json]) -> set[str]:
    """Mail addresses and phone numbers in entities' JSON."""
    found: set[str] = set()
    for data in documents:
        values = [data.get(name) for name in (*_EMAILS, "phone", "buyer_phone")]
        points: Sequence[Json] = data.get("contact_points") or ()
        values += [point.get("value") for point in points]
        for value in values:
            if value:
                found.add(email_or_none(value) or phone_or_none(value) or str(value))
    return found


async def _gather(journal: Journal, whom: Whom) -> tuple[list[str], Belongings]:
    """The parties that a customer comes to, and what belongs to them: also what only names their addresses.

    An address that another customer has as well stays theirs.
    """
    roots, contacts = list(whom["roots"]), set(whom["contacts"])
    found = await journal.belongings(roots)
    customers = [from_json(content)["entity"] for (kind, _), content in found.entities.items() if kind == Customer.KIND]
    shown = [from_json(content) for key, content in found.shadows.items() if key.kind == Customer.KIND]
    for address in _addresses([*customers, *shown]):
        holders = set(await journal.holders(Customers(journal).key(address)))
        if holders <= set(roots):
            contacts.add(address)
    permissions = [
        canonical_id("", Consent.KIND, consent_key(contact, medium, purpose))
        for contact in sorted(contacts)
        for medium in Medium
        for purpose in Purpose
    ]
    parties = [*roots, *whom.get("parties", ()), *permissions, *(CONTACT + contact for contact in sorted(contacts))]
    return parties, await journal.belongings(parties)


class Erasures:
    """Carries erasures on, a step at a time, between two batches of processing: nothing is written meanwhile.

    `publish` stores a command. What is done, and what is not, stands in the journal, so a restart goes on.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        journal: Journal,
        publish: Callable[[Event], Awaitable[object]],
        event: Callable[..., Event],
    ) -> None:
        self._channels = channels
        self._journal = journal
        self._publish = publish
        self._event = event

    async def start(self) -> None:
        """Finish what a crash interrupted; and forget again whom a restored backup brought back."""
        await self._journal.finish_shredding()
        again = await self._journal.returned()
        if again:
            _log.warning("this journal is older than some erasures: they are applied again", parties=len(again))
            number = await self._journal.ask_erasure(to_json({"roots": list(again), "contacts": []}))
            await self._journal.note_erasure(number, ErasureState.CHANNELS, {})

    async def advance(self) -> bool:
        """One step of every erasure that is not done; whether anything moved."""
        moved = False
        for erasure in await self._journal.erasures(open_only=True):
            if erasure.content is None:
                await self._journal.finish_shredding()
                moved = True
            elif erasure.state is ErasureState.ASKED:
                moved = await self._ask(erasure, from_json(erasure.content)) or moved
            else:
                moved = await self._look(erasure, from_json(erasure.content)) or moved
        return moved

    async def _ask(self, erasure: Erasure, whom: Whom) -> bool:
        """Give every channel that has something its command."""
        parties, found = await _gather(self._journal, whom)
        told = {channel for channel, _ in found.deliveries} - {f"handler:{REQUESTS}"}
        records: dict[str, list[Ref]] = {channel: [] for channel in sorted(told)}
        for reference in found.references:
            records.setdefault(reference.channel, []).append(
                Ref(kind=reference.kind, external_id=reference.external_id, id=reference.id)
            )
        addresses = [party.removeprefix(CONTACT) for party in parties if party.startswith(CONTACT)]
        report: dict[str, str] = {}
        for name, refs in records.items():
            if name == whom.get("asker"):
                report[name] = f"{_ERASED}: it asked for this itself"
                continue
            channel = self._channels.get(name)
            slot = channel.slot_for(_COMMAND) if channel is not None else None
            if channel is None or slot is None or name.startswith("handler:"):
                report[name] = _unable(name, channel)
                continue
            root = whom["roots"][0] if whom["roots"] else None
            command = EraseCustomer(
                customer=Ref(kind=Customer.KIND, id=root) if root else None,
                emails=tuple(address for address in addresses if "@" in address),
                phones=tuple(address for address in addresses if "@" not in address),
                records=tuple(refs),
            )
            lane = {"partitionkey": root} if root else {}
            await self._publish(
                self._event(_COMMAND, command, id=_event_id(erasure, name), subject=root, target=name, **lane)
            )
            report[name] = _ASKED
        await self._journal.note_erasure(erasure.number, ErasureState.CHANNELS, report)
        return True

    async def _look(self, erasure: Erasure, whom: Whom) -> bool:
        """See how far the channels are; shred when all are done, or an operator answers for the rest."""
        report = dict(erasure.report)
        for name, word in report.items():
            if word.startswith((_ASKED, _FAILED)):
                report[name] = await self._answer(erasure, name)
        words = {word.partition(":")[0].partition(",")[0] for word in report.values()}
        if _ASKED in words:
            return await self._note(erasure, ErasureState.CHANNELS, report)
        if words & {_CANNOT, _FAILED}:
            return await self._note(erasure, ErasureState.WAITING, report)
        return await self._shred(erasure, whom, report)

    async def _note(self, erasure: Erasure, state: ErasureState, report: Mapping[str, str]) -> bool:
        if (state, report) == (erasure.state, erasure.report):
            return False
        await self._journal.note_erasure(erasure.number, state, report)
        return True

    async def _answer(self, erasure: Erasure, name: str) -> str:
        rows = await self._journal.deliveries(channel=name, event=_event_id(erasure, name), limit=1)
        if not rows or rows[0].state in (DeliveryState.READY, DeliveryState.QUEUED):
            return _ASKED
        if rows[0].state is DeliveryState.DONE:
            return _ERASED
        return f"{_FAILED}: see `omnibridge deliveries {rows[0].id}`; replay it, or erase there by hand"

    async def _shred(self, erasure: Erasure, whom: Whom, report: Mapping[str, str]) -> bool:
        parties, found = await _gather(self._journal, whom)
        entities: dict[tuple[str, str], bytes] = {}
        for key, content in found.entities.items():
            document = from_json(content)
            bare = without_person(key[0], document["entity"]) if document["entity"] else None
            if bare is not None:
                entities[key] = to_json({"origin": document["origin"], "entity": bare})
        shadows = {
            key: to_json(bare)
            for key, content in found.shadows.items()
            if (bare := without_person(key.kind, from_json(content))) is not None
        }
        events: dict[int, bytes] = {}
        for stored in found.events:
            kind = stored.event.name.partition(".")[0]
            if stored.event.content is not None and stored.event.type.startswith("io.omnibridge."):
                bare = without_person(kind, from_json(stored.event.content))
                if bare is not None:
                    events[stored.seq] = to_json(bare)
        addresses = [party.removeprefix(CONTACT) for party in parties if party.startswith(CONTACT)]
        await self._journal.bury(
            [
                *((one.channel, one.kind, one.external_id) for one in found.references),
                *(("contact", address) for address in addresses),
                *(tuple(record) for record in whom.get("records", ())),
            ]
        )
        needles = [*addresses, *(one.external_id for one in found.references if one.kind in WHOLLY)]
        inbox = await self._not_understood(needles)
        what = Shredding(tuple(parties), entities, shadows, events, inbox)
        if not await self._journal.shred(erasure.number, what, report):
            return False  # a delivery of theirs is under way: at the next step
        _log.info("a customer is erased", erasure=erasure.number)
        return True

    async def _not_understood(self, needles: Sequence[str]) -> tuple[int, ...]:
        """Rows that nobody could translate, and so link to anybody, but that name the person."""
        wanted = [needle.encode() for needle in needles if len(needle) >= 6]
        rows = await self._journal.inbox(state=InboxState.INVALID, limit=10_000)
        return tuple(row.id for row in rows if any(needle in row.body for needle in wanted))


def _event_id(erasure: Erasure, channel: str) -> str:
    return f"erasure-{erasure.number}-{erasure.at:%Y%m%dT%H%M%S}-{channel}"


def _unable(name: str, channel: Channel | None) -> str:
    if name.startswith("handler:"):
        return f"{_CANNOT}: your own function was told of them; forget what it kept"
    if channel is None:
        return f"{_CANNOT}: there is no such channel any more; erase them in that system by hand"
    return f"{_CANNOT}: {channel.connector.name} erases nobody by its API; erase them there by hand"
