"""The card of a customer: what an agent, a bot or a till must see at a glance, from all channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field, JsonValue, ValidationError

from omnibridge.customer.ledger import Permission, in_force
from omnibridge.customer.points import HELD, GiftMoney, Points, gift_money, points
from omnibridge.event import Event
from omnibridge.journal import CONTACT, Journal, Person, StoredEvent
from omnibridge.model import (
    Customer,
    Instant,
    Message,
    Model,
    Order,
    OrderStatus,
    email_or_none,
    phone_or_none,
)

__all__ = ["Card", "Fact", "Happening", "Reference", "card", "contacts_of"]

PAGE = 50
"""How much of a timeline a card shows."""
_ORDERS, _MESSAGES = 50, 20
"""How many of the newest orders are looked at for open ones, and how much of the conversation is shown."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNSHOWN = frozenset({"id", "vendor", "merged_into"})


class Fact(Model):
    """A field of a profile: its value, which channel says so, and since when (None: nobody kept that)."""

    value: JsonValue
    channel: str | None = None
    at: Instant | None = None


class Reference(Model):
    """One system's name for the customer."""

    channel: str
    external_id: str


class Happening(Model):
    """One event of a timeline: when it happened, where, and in a few words what it was. `seq` is its place."""

    seq: int
    id: str
    type: str
    at: Instant
    channel: str
    subject: str | None = None
    what: str = ""


class Card(Model):
    """One customer, whole. `roots` are all ids that ever meant them, `id` the one in force.

    `orders` are those that are still open, newest first. `conversation` is the newest thread, oldest message first.
    `points` and `gift_cards` are what each system keeps for them.
    `timeline` is newest first; `more` goes to the next page (`before`), None at the end of it.
    """

    id: str
    roots: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    profile: Mapping[str, Fact] = Field(default_factory=dict[str, Fact])
    orders: tuple[Order, ...] = ()
    conversation: tuple[Message, ...] = ()
    consents: tuple[Permission, ...] = ()
    points: tuple[Points, ...] = ()
    gift_cards: tuple[GiftMoney, ...] = ()
    timeline: tuple[Happening, ...] = ()
    more: int | None = None


class _Profile(BaseModel):
    """A customer as the journal keeps it: the fields, the source of each, and who showed it first."""

    origin: str = ""
    sources: dict[str, tuple[str, int]] = Field(default_factory=dict[str, tuple[str, int]])
    entity: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class _Order(BaseModel):
    entity: Order | None = None


class _Message(BaseModel):
    entity: Message | None = None


async def card(journal: Journal, person: Person, *, before: int | None = None, limit: int = PAGE) -> Card:
    """What is known about a customer; `before` is a card's `more`.

    Few reads, however much it is.
    """
    key = (Customer.KIND, person.id)
    stored = (await journal.entities([key])).get(key)
    profile = _Profile.model_validate_json(stored[0]) if stored is not None else _Profile()
    contacts = list(dict.fromkeys(_contacts(profile.entity)))
    about = await journal.about(
        [*person.roots, *(CONTACT + contact for contact in contacts)],
        kinds={Order.KIND: _ORDERS, Message.KIND: _MESSAGES, **HELD},
        before=before,
        limit=limit + 1,
    )
    orders = [_Order.model_validate_json(content).entity for kind, _, content in about.entities if kind == Order.KIND]
    messages = [
        _Message.model_validate_json(content).entity for kind, _, content in about.entities if kind == Message.KIND
    ]
    there = await journal.had([(kind, id_) for kind, id_, _ in about.entities if kind in HELD])
    page = about.events[:limit]
    return Card(
        id=person.id,
        roots=person.roots,
        references=tuple(
            Reference(channel=link.channel, external_id=link.external_id)
            for link in await journal.links(Customer.KIND, person.id)
        ),
        profile=dict(_facts(profile)),
        orders=tuple(order for order in orders if order is not None and _open(order)),
        conversation=_thread([message for message in messages if message is not None]),
        consents=tuple(await in_force(journal, contacts)),
        points=points(about.entities, there),
        gift_cards=gift_money(about.entities, there),
        timeline=tuple(_happening(event) for event in page),
        more=page[-1].seq if len(about.events) > limit else None,
    )


def _contacts(entity: Mapping[str, JsonValue]) -> Iterator[str]:
    """The addresses and numbers of a profile, as parties and permissions know them."""
    values: list[JsonValue] = [entity.get("email"), entity.get("phone")]
    further = entity.get("contact_points")
    for point in further if isinstance(further, list) else []:
        values.append(point.get("value") if isinstance(point, dict) else None)
    for value in values:
        found = (email_or_none(value) or phone_or_none(value)) if isinstance(value, str) else None
        if found is not None:
            yield found


def contacts_of(document: bytes) -> Sequence[str]:
    """The addresses and numbers of a customer as the journal keeps it."""
    return list(dict.fromkeys(_contacts(_Profile.model_validate_json(document).entity)))


def _facts(profile: _Profile) -> Iterator[tuple[str, Fact]]:
    for name, value in profile.entity.items():
        if name in _UNSHOWN or value in (None, [], {}, ""):
            continue
        if name == "attributes" and isinstance(value, dict):
            for key, item in value.items():
                yield f"{name}.{key}", _fact(profile, f"{name}.{key}", item)
        else:
            yield name, _fact(profile, name, value)


def _fact(profile: _Profile, name: str, value: JsonValue) -> Fact:
    channel, at = profile.sources.get(name, (profile.origin or None, 0))
    return Fact(value=value, channel=channel, at=_EPOCH + timedelta(microseconds=at) if at else None)


def _open(order: Order) -> bool:
    return order.status in (OrderStatus.OPEN, OrderStatus.DRAFT, OrderStatus.OTHER) and order.closed_at is None


def _thread(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Of the newest messages those that belong to the newest one's conversation, oldest first."""
    ordered = sorted(messages, key=lambda message: message.sent_at or message.updated_at or _EPOCH)
    newest = ordered[-1].conversation if ordered else None
    return tuple(message for message in ordered if message.conversation == newest)


def _happening(stored: StoredEvent) -> Happening:
    event = stored.event
    at = datetime.fromisoformat(event.time) if event.time is not None else stored.recorded
    return Happening(
        seq=stored.seq,
        id=event.id,
        type=event.name,
        at=at,
        channel=stored.channel,
        subject=event.subject,
        what=_in_words(event),
    )


class _Money(BaseModel):
    amount: str
    currency: str


class _Totals(BaseModel):
    total: _Money | None = None


class _Said(BaseModel):
    """The little in an event's data that tells one event of a kind from another."""

    number: str | None = None
    direction: str | None = None
    medium: str | None = None
    purpose: str | None = None
    state: str | None = None
    body: str | None = None
    totals: _Totals | None = None
    amount: _Money | None = None


def _in_words(event: Event) -> str:
    if event.content is None:
        return ""
    try:
        said = _Said.model_validate_json(event.content)
    except ValidationError:
        return ""  # a foreign event, whose words mean something else
    parts = [said.number, said.direction, said.medium, said.purpose, said.state, said.body]
    money = said.amount or (said.totals.total if said.totals is not None else None)
    if money is not None:
        parts.append(f"{money.amount} {money.currency}")
    return " ".join(part for part in parts if part)[:120]
