"""What a customer has in hand: points in each program, and gift cards, with the newest of what moved them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import TypeVar

from pydantic import BaseModel, Field, JsonValue

from omnibridge.model import (
    Entity,
    GiftCard,
    GiftCardActivity,
    GiftCardState,
    Instant,
    LoyaltyAccount,
    LoyaltyEntry,
    Model,
    Money,
    Quantity,
)

__all__ = ["HELD", "GiftMoney", "Points", "gift_money", "points"]

HELD = {LoyaltyAccount.KIND: 10, GiftCard.KIND: 10}
"""How many of each a card shows."""
_NEWEST = 5
Found = Sequence[tuple[str, str, bytes]]
E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class Points(Model):
    """Points in one program, which `channel` keeps. `entries` are the newest of its ledger, newest first."""

    id: str
    channel: str
    program: str | None = None
    balance: Quantity
    lifetime: Quantity | None = None
    entries: tuple[LoyaltyEntry, ...] = ()
    at: Instant | None = None


class GiftMoney(Model):
    """What is left on a gift card, which `channel` keeps. `activities` are the newest, newest first."""

    id: str
    channel: str
    last_four: str | None = None
    state: GiftCardState
    balance: Money | None = None
    activities: tuple[GiftCardActivity, ...] = ()
    expires_at: Instant | None = None


class _Kept(BaseModel):
    """An entity as the journal keeps it, and who showed it first."""

    origin: str = ""
    entity: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


def points(found: Found, there: Set[tuple[str, str]]) -> tuple[Points, ...]:
    """The points among entities (kind, id, content); `there` are those that some channel still has."""
    return tuple(
        [
            Points(
                id=id_,
                channel=channel,
                program=account.program,
                balance=account.balance,
                lifetime=account.lifetime,
                entries=_newest(account.entries),
                at=account.updated_at,
            )
            for id_, channel, account in _held(found, there, LoyaltyAccount)
        ]
    )


def gift_money(found: Found, there: Set[tuple[str, str]]) -> tuple[GiftMoney, ...]:
    """The gift cards among entities (kind, id, content); `there` are those that some channel still has."""
    return tuple(
        [
            GiftMoney(
                id=id_,
                channel=channel,
                last_four=card.last_four,
                state=card.state,
                balance=card.balance,
                activities=_newest(card.activities),
                expires_at=card.expires_at,
            )
            for id_, channel, card in _held(found, there, GiftCard)
        ]
    )


def _newest(ledger: tuple[T, ...]) -> tuple[T, ...]:
    return ledger[: -_NEWEST - 1 : -1]


def _held(found: Found, there: Set[tuple[str, str]], model: type[E]) -> Iterator[tuple[str, str, E]]:
    """Id, channel and entity of what some system still has; the document of what is gone stays for its events."""
    for kind, id_, content in found:
        if kind == model.KIND and (kind, id_) in there:
            kept = _Kept.model_validate_json(content)
            yield id_, kept.origin, model.model_validate(kept.entity)
