"""The catalogue as data: which event types exist, what each means, and which model its data has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

from omnibridge.errors import UnknownItem
from omnibridge.model.base import Entity
from omnibridge.model.call import Call, PlaceCall
from omnibridge.model.cart import Cart
from omnibridge.model.conflict import Conflict
from omnibridge.model.consent import Consent
from omnibridge.model.customer import Customer
from omnibridge.model.erasure import EraseCustomer
from omnibridge.model.fulfilment import Fulfilment
from omnibridge.model.gift_card import GiftCard
from omnibridge.model.inventory import InventoryLevel
from omnibridge.model.location import Location
from omnibridge.model.loyalty import LoyaltyAccount
from omnibridge.model.message import Command, Message, SendMessage
from omnibridge.model.order import Order
from omnibridge.model.payment import Payment
from omnibridge.model.points import AdjustPoints
from omnibridge.model.privacy_request import PrivacyRequest
from omnibridge.model.product import Product
from omnibridge.model.returns import Refund, Return
from omnibridge.model.touch import Touch
from omnibridge.model.upcast import SUPERSEDED, Upcaster

__all__ = [
    "COMMANDS",
    "ENTITIES",
    "PREFIX",
    "EventType",
    "catalogue",
    "entity_class",
    "full_type",
    "lookup",
    "short_type",
]

PREFIX = "io.omnibridge."
"""Every type of ours begins so; people write the part after it, without the version."""

_VERBS: dict[type[Entity], dict[str, str]] = {
    Customer: {
        "created": "A system has a customer that was not known before.",
        "updated": "Something about a customer changed.",
        "deleted": "A system no longer has this customer.",
        "merged": "Two customers turned out to be one; `id` is the one that ends, `merged_into` the survivor.",
        "unmerged": "A customer turned out to be somebody else than `unmerged_from`, and has the old `id` again.",
    },
    Consent: {
        "granted": "A person allowed messages of a purpose by a medium.",
        "withdrawn": "A person took a permission back, or a vendor reports that they did.",
        "denied": "A person was asked and said no.",
        "pending": "A person was asked and has not confirmed yet.",
        "updated": "A permission changed in another way: expired, or its proof was completed.",
    },
    Cart: {
        "created": "Somebody began to buy.",
        "updated": "A cart changed.",
        "completed": "A cart became an order.",
        "deleted": "A system no longer has this cart.",
    },
    Order: {
        "placed": "An order was made, or first seen.",
        "updated": "An order changed in a way that no other event tells.",
        "paid": "All the money for an order has come.",
        "fulfilled": "All the goods of an order have left.",
        "cancelled": "An order was called off.",
        "refunded": "All the money of an order has gone back.",
        "deleted": "A system no longer has this order.",
    },
    Fulfilment: {
        "created": "Goods of an order are set in motion.",
        "updated": "A fulfilment changed.",
        "ready": "Goods wait for the customer at the counter.",
        "completed": "Goods were shipped or handed over.",
        "cancelled": "A fulfilment was called off.",
        "deleted": "A system no longer has this fulfilment.",
    },
    Payment: {
        "created": "Money for an order is on its way.",
        "updated": "A payment changed.",
        "captured": "Money for an order has come.",
        "failed": "A payment failed.",
        "deleted": "A system no longer has this payment.",
    },
    Return: {
        "requested": "A customer wants to send goods back, or has.",
        "updated": "A return changed.",
        "received": "Goods have come back.",
        "deleted": "A system no longer has this return.",
    },
    Refund: {
        "created": "Money is going back.",
        "updated": "A refund changed.",
        "completed": "Money has gone back.",
        "failed": "A refund failed.",
        "deleted": "A system no longer has this refund.",
    },
    Product: {
        "created": "There is a new product.",
        "updated": "A product, a variant or a price changed.",
        "deleted": "A product is no longer there.",
    },
    InventoryLevel: {
        "changed": "The stock of a variant at a location is different from before.",
        "deleted": "A variant is no longer kept at a location.",
    },
    LoyaltyAccount: {
        "created": "A customer has a loyalty account that was not known before.",
        "earned": "A customer earned points.",
        "spent": "A customer exchanged points for a reward.",
        "returned": "Points came back from a reward that was not taken.",
        "expired": "Points were lost by age.",
        "adjusted": "Points were given or taken in another way.",
        "updated": "Something else about a loyalty account changed.",
        "deleted": "A system no longer has this loyalty account.",
    },
    GiftCard: {
        "created": "There is a gift card that was not known before.",
        "activated": "A gift card can be paid with, for the first time or again.",
        "loaded": "Money was put on a gift card.",
        "redeemed": "Something was paid with a gift card.",
        "refunded": "Money went back onto a gift card.",
        "blocked": "A gift card cannot be paid with for now.",
        "deactivated": "A gift card has ended.",
        "updated": "A gift card changed in another way.",
        "deleted": "A system no longer has this gift card.",
    },
    Message: {
        "received": "A person wrote to the company.",
        "accepted": "A channel took a message for sending.",
        "sent": "A message left.",
        "delivered": "A message arrived.",
        "failed": "A message did not arrive.",
        "read": "A person opened a message.",
        "updated": "A message changed in another way.",
        "deleted": "A system no longer has this message.",
    },
    Call: {
        "started": "A call began: it rings, or waits to be dialled.",
        "answered": "Somebody answered a call.",
        "ended": "A call that was answered is over.",
        "missed": "A call is over and nobody answered: busy, called off, failed or no answer.",
        "updated": "A call changed in another way.",
        "deleted": "A system no longer has this call.",
    },
    Touch: {
        "opened": "Somebody, or their mail program, opened what was sent to them.",
        "clicked": "Somebody followed a link in what was sent to them.",
        "bounced": "What was sent to somebody came back.",
        "recorded": "Somebody did something else with what was sent to them.",
        "updated": "A touch was corrected.",
        "deleted": "A system no longer has this touch.",
    },
    Location: {
        "created": "There is a new location.",
        "updated": "A location changed.",
        "deleted": "A location is no longer there.",
    },
}

ENTITIES: Mapping[str, type[Entity]] = {entity.KIND: entity for entity in _VERBS}
"""Entity kind → model."""

COMMANDS: Mapping[str, type[Command]] = {
    command.KIND: command for command in (SendMessage, PlaceCall, EraseCustomer, AdjustPoints)
}
"""Command kind (`message.send`) → model."""

NOTICES: Mapping[str, tuple[type[BaseModel], str]] = {
    "conflict.found": (Conflict, "Two channels state different values for one field; the winner's holds."),
    "erasure.requested": (PrivacyRequest, "A system passes on that somebody is to be erased; the bridge begins it."),
    "export.requested": (PrivacyRequest, "A system passes on that somebody asks what is known of them."),
}
"""Events that are no state of an entity: name → model and meaning."""

_NOTHING: Mapping[str, Upcaster] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry: the short name people write, the full CloudEvents type, what it means, and the model of its data.

    `replaces` maps each older full type to the function that turns its data into this one's.
    """

    name: str
    type: str
    meaning: str
    model: type[BaseModel]
    command: bool = False
    replaces: Mapping[str, Upcaster] = field(default_factory=lambda: _NOTHING, hash=False)

    @property
    def dataschema(self) -> str:
        """The `dataschema` attribute: names the model and its major version; resolved by `omnibridge schema`."""
        return f"urn:omnibridge:schema:{self.model.__name__}:v1"


def full_type(name: str) -> str:
    """`order.placed` → `io.omnibridge.order.placed.v1`; a name that is full already, or foreign, stays as it is."""
    if name.startswith(PREFIX) or name not in _BY_NAME:
        return name
    return _BY_NAME[name].type


def short_type(type_: str) -> str:
    """`io.omnibridge.order.placed.v1` → `order.placed`; a foreign type stays as it is."""
    entry = _BY_TYPE.get(type_)
    return entry.name if entry else type_


def lookup(type_: str) -> EventType | None:
    """The entry for a short or full type, superseded ones included, or None for a foreign one."""
    return _BY_TYPE.get(type_) or _BY_NAME.get(type_)


def catalogue() -> tuple[EventType, ...]:
    """Every entry, by name."""
    return tuple(_BY_NAME[name] for name in sorted(_BY_NAME))


def entity_class(kind: str) -> type[Entity]:
    """The model of an entity kind. Raises UnknownItem for a kind that does not exist."""
    try:
        return ENTITIES[kind]
    except KeyError:
        raise UnknownItem(f"no entity kind {kind!r}", remedy=f"one of {', '.join(sorted(ENTITIES))}") from None


def _entries() -> Iterator[EventType]:
    for entity, verbs in _VERBS.items():
        for verb, meaning in verbs.items():
            name = f"{entity.KIND}.{verb}"
            yield EventType(name, f"{PREFIX}{name}.v1", meaning, entity, replaces=SUPERSEDED.get(name, _NOTHING))
    for kind, command in COMMANDS.items():
        meaning = (command.__doc__ or "").split("\n", 1)[0]
        yield EventType(f"command.{kind}", f"{PREFIX}command.{kind}.v1", meaning, command, command=True)
    for name, (notice, meaning) in NOTICES.items():
        yield EventType(name, f"{PREFIX}{name}.v1", meaning, notice)


_BY_NAME: dict[str, EventType] = {entry.name: entry for entry in _entries()}
_BY_TYPE: dict[str, EventType] = {
    type_: entry for entry in _BY_NAME.values() for type_ in (*entry.replaces, entry.type)
}
