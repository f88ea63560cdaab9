"""The paper of a delivery: what an author is told about it, and what a receipt comes to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from omnibridge.channel import Channel
from omnibridge.connector import Delivery, Receipt, Reference, dump_observations
from omnibridge.delivery.exchange import Vendor
from omnibridge.delivery.outcome import Done
from omnibridge.event import Event
from omnibridge.journal import Claimed, NewInbox, Origin, ReferenceWrite, moved, opened, stamp
from omnibridge.model import ENTITIES, Entity, canonical_id, entity_class, named_in

__all__ = ["Paper"]

_TWINS = {"variant": "inventory_item", "inventory_item": "variant"}
"""Some systems count the stock of a variant under an id of its own."""


class Paper:
    """Reads and writes it for one channel."""

    def __init__(self, channel: Channel, vendor: Vendor) -> None:
        self._channel = channel
        self._vendor = vendor

    async def brief(self, claimed: Claimed, event: Event, subject: Any) -> tuple[BaseModel | Event, Delivery]:
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

    def done(self, claimed: Claimed, subject: Any, receipt: Receipt, begun: datetime, text: str | None = None) -> Done:
        """What a receipt says, for the journal."""
        channel, own = self._channel.name, subject.id if isinstance(subject, Entity) else None
        references = tuple(
            ReferenceWrite(channel, reference.kind, reference.external_id, self.meaning(reference, own))
            for reference in receipt.references
        )
        inbox: tuple[NewInbox, ...] = ()
        if receipt.snapshots:
            origin = Origin.RECEIPT if isinstance(subject, Entity) else Origin.READ
            # When the delivery was made tells what it knew: a claim that came later is not one that it overrules.
            meta = {"made": claimed.created.isoformat(), "begun": begun.isoformat()}
            inbox = (self.inbox(origin, dump_observations(receipt.snapshots))._replace(meta=meta),)
        return Done(text or receipt.note, references, inbox)

    def meaning(self, reference: Reference, own: str | None) -> str:
        """What a reference means: the entity delivered, or for a command the new thing that it made."""
        return reference.id or own or canonical_id(self._channel.name, reference.kind, reference.external_id)

    def inbox(self, origin: Origin, body: bytes) -> NewInbox:
        """Something for this channel's inbox."""
        return NewInbox(self._channel.name, origin, body, self._vendor.clock.now())
