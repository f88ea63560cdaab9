"""Conversations: messages of one customer that follow one another belong together, whatever way they travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from omnibridge.customer.context import contacts_of
from omnibridge.customer.customers import Customers
from omnibridge.journal import CONTACT, Journal
from omnibridge.model import Customer, Instant, Message, Ref, canonical_id

__all__ = ["Speaker", "Threads", "listen"]

_KIND = "conversation"
_NEWEST = 20
"""How many of somebody's newest messages are looked at."""


class Speaker(NamedTuple):
    """Who is in a message beside us: the customer it names, else the address that it came from or went to."""

    customer: str | None = None
    address: str | None = None


class _Spoken(BaseModel):
    """What must be known of a message, whatever else it holds."""

    conversation: Ref | None = None
    sent_at: Instant | None = None
    updated_at: Instant | None = None


class _Document(BaseModel):
    entity: _Spoken


class Threads:
    """What some people said lately, and where it belongs. Made by `listen` for a batch, and told of each message."""

    def __init__(
        self, gap: timedelta, who: Mapping[Speaker, str], said: Mapping[str, list[tuple[datetime, str]]]
    ) -> None:
        self._gap = gap
        self._who = who
        self._said = said

    def place(self, speaker: Speaker, at: datetime, message: str, named: str | None = None) -> str:
        """The conversation of a message (a canonical id): that of the nearest one within the gap, else a new one.

        `named` is the conversation that the vendor says it is, where that is known already.
        """
        said = self._said.get(self._who.get(speaker, ""), [])
        near = [(abs(at - then), -then.timestamp(), thread) for then, thread in said if abs(at - then) <= self._gap]
        found = named or (min(near)[2] if near else canonical_id("", _KIND, message))
        said.append((at, found))
        return found


async def listen(journal: Journal, speakers: Sequence[Speaker], gap: timedelta) -> Threads:
    """What is known of the newest messages of these people, under all their ids and addresses."""
    people, who = Customers(journal), dict[Speaker, str]()
    roots: dict[str, Sequence[str]] = {}
    addresses: dict[str, set[str]] = {}
    for speaker in dict.fromkeys(speakers):
        person = await journal.person(speaker.customer) if speaker.customer is not None else None
        if person is None and speaker.address is not None:
            found = await people.find(speaker.address)
            person = found[0] if len(found) == 1 else None
        name = person.id if person is not None else CONTACT + (speaker.address or "")
        who[speaker] = name
        roots[name] = person.roots if person is not None else ()
        addresses.setdefault(name, set()).update([speaker.address] if speaker.address is not None else [])
    known = await journal.entities([(Customer.KIND, name) for name in roots if roots[name]])
    said: dict[str, list[tuple[datetime, str]]] = {}
    for name, ids in roots.items():
        stored = known.get((Customer.KIND, name))
        every = addresses[name] | set(contacts_of(stored[0]) if stored is not None else ())
        parties = [*ids, *(CONTACT + address for address in sorted(every))]
        about = await journal.about(parties, kinds={Message.KIND: _NEWEST}, limit=0)
        said[name] = list(_spoken([content for _, _, content in about.entities]))
    return Threads(gap, who, said)


def _spoken(contents: Sequence[bytes]) -> Sequence[tuple[datetime, str]]:
    found: list[tuple[datetime, str]] = []
    for content in contents:
        message = _Document.model_validate_json(content).entity
        at = message.sent_at or message.updated_at
        if at is not None and message.conversation is not None and message.conversation.id is not None:
            found.append((at, message.conversation.id))
    return found
