"""Gives each message its conversation before anything is made of it: its customer's, or the vendor's own, linked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic_core import from_json

from omnibridge.customer import Speaker, Threads, listen
from omnibridge.journal import EntityKey, Journal, Known, ReferenceWrite
from omnibridge.model import Customer, Direction, Message, canonical_id, email_or_none
from omnibridge.reconcile import Derived, Prepared

__all__ = ["Talk", "overhear"]

_KIND = "conversation"


class Talk:
    """The conversations that the messages of one batch belong to. Made by `overhear`."""

    def __init__(self, known: dict[EntityKey, Known], threads: Threads | None) -> None:
        self._known = known
        self._threads = threads

    def joined(self, item: Prepared, received: datetime, derived: Derived) -> Prepared:
        """A message with its conversation; anything else as it is.

        A conversation that the vendor names is linked to the thread of its first message here, by a reference, and
        keeps its later ones, however long nobody spoke.
        """
        entity, known = item.snapshot.entity, self._known
        if self._threads is None or not isinstance(entity, Message) or not _new(item, known):
            return item
        vendors = entity.conversation.external_id if entity.conversation is not None else None
        theirs = EntityKey(item.key.channel, _KIND, vendors) if vendors is not None else None
        named = _id(known, theirs) if theirs is not None else None
        version = item.snapshot.version
        at = entity.sent_at or (version if isinstance(version, datetime) else received)
        message = _id(known, item.key) or item.snapshot.ours or canonical_id(*item.key)
        thread = self._threads.place(_speaker(item, known), at, message, named)
        if theirs is not None and named is None:
            derived.references.append(ReferenceWrite(*theirs, thread))
            known[theirs] = Known(id=thread)
        said = {**item.said, "conversation": {"kind": _KIND, "id": thread}}
        if entity.sent_at is None and entity.updated_at is None:
            said["sent_at"] = at.isoformat()  # the next one is placed by it
        return item._replace(said=said)


async def overhear(journal: Journal, items: Iterable[object], known: dict[EntityKey, Known], gap: timedelta) -> Talk:
    """What must be known to place the messages among these. Where there are none, nothing is read."""
    speakers = [_speaker(item, known) for item in items if isinstance(item, Prepared) and _new(item, known)]
    return Talk(known, await listen(journal, speakers, gap) if speakers else None)


def _new(item: Prepared, known: Mapping[EntityKey, Known]) -> bool:
    """A message that has no conversation yet."""
    if item.key.kind != Message.KIND or item.snapshot.deleted:
        return False
    found = known.get(item.key)
    return found is None or found.entity is None or not from_json(found.entity)["entity"].get("conversation")


def _speaker(item: Prepared, known: Mapping[EntityKey, Known]) -> Speaker:
    message = item.snapshot.entity
    if not isinstance(message, Message):
        return Speaker()
    customer = None
    if message.customer is not None:
        external = message.customer.external_id
        customer = message.customer.id
        if external is not None:
            key = EntityKey(item.key.channel, Customer.KIND, external)
            customer = _id(known, key) or canonical_id(*key)
    address = message.sender if message.direction is Direction.INBOUND else message.recipient
    return Speaker(customer, email_or_none(address) or address)


def _id(known: Mapping[EntityKey, Known], key: EntityKey) -> str | None:
    found = known.get(key)
    return found.id if found is not None else None
