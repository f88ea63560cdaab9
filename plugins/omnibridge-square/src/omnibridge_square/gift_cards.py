"""Gift cards at Square: state, balance and activities. The number stays there, but for its last four digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from omnibridge.connector import Http, Observation, Snapshot
from omnibridge.model import GiftCard, GiftCardAct, GiftCardActivity, GiftCardState, Money
from omnibridge_square.classify import missing, succeeded
from omnibridge_square.entities import link
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Fields, Json, Node, parsed, wire_instant

__all__ = ["MOST", "NUMBERS", "card", "read_card"]

NUMBERS = frozenset({"gan", "gift_card_gan"})
"""Fields with a card's number (Square, GiftCard and GiftCardActivity): whoever has it can pay with it."""
MOST = 300
"""How many activities are read, the newest: each event of a card carries them."""
_PAGE = 100
_LONG = 12
"""Digits of a number of which four can be told without giving the rest away."""
_BEGINNING = wire_instant(datetime(2010, 1, 1, tzinfo=UTC))
"""Before Square had gift cards; without a beginning it lists the last year only (Square, ListGiftCardActivities)."""

_STATES = {
    "PENDING": GiftCardState.PENDING,
    "ACTIVE": GiftCardState.ACTIVE,
    "BLOCKED": GiftCardState.BLOCKED,
    "DEACTIVATED": GiftCardState.DEACTIVATED,
}
_ACTS: Mapping[str, tuple[GiftCardAct, int]] = {
    "ACTIVATE": (GiftCardAct.LOADED, 1),
    "LOAD": (GiftCardAct.LOADED, 1),
    "IMPORT": (GiftCardAct.LOADED, 1),
    "IMPORT_REVERSAL": (GiftCardAct.ADJUSTED, -1),
    "REDEEM": (GiftCardAct.REDEEMED, -1),
    "REFUND": (GiftCardAct.REFUNDED, 1),
    "UNLINKED_ACTIVITY_REFUND": (GiftCardAct.REFUNDED, 1),
    "ADJUST_INCREMENT": (GiftCardAct.ADJUSTED, 1),
    "ADJUST_DECREMENT": (GiftCardAct.ADJUSTED, -1),
    "TRANSFER_BALANCE_TO": (GiftCardAct.TRANSFERRED, 1),
    "TRANSFER_BALANCE_FROM": (GiftCardAct.TRANSFERRED, -1),
    "CLEAR_BALANCE": (GiftCardAct.CLEARED, 0),
    "DEACTIVATE": (GiftCardAct.DEACTIVATED, 0),
    "BLOCK": (GiftCardAct.BLOCKED, 0),
    "UNBLOCK": (GiftCardAct.UNBLOCKED, 0),
}
"""Type of activity → what was done, and the sign of its amount, which Square writes without one (GiftCardActivityType).

A transfer *to* adds money that came from another card. Those with 0 tell no amount, only the balance after them.
"""


def card(node: Node, activities: Sequence[Node] | None = None, *, complete: bool = False) -> Snapshot:
    """A card of the Gift Cards API; `activities`, the newest first, only where they were asked for.

    Square gives cards no version: what is read is what is there now.
    """
    id_, number = node.need("id"), node.text("gan")
    fields: Fields = {}
    state, kind = node.text("state"), node.text("type")
    if state is not None:
        fields |= {"state": _STATES.get(state, GiftCardState.OTHER), "state_raw": state}
    if kind is not None:
        fields["digital"] = kind == "DIGITAL"
    if number is not None and len(number) >= _LONG:
        fields["last_four"] = number[-4:]
    if node.has("balance_money"):
        fields["balance"] = node.money("balance_money")
    holders = node.texts("customer_ids")
    fields["customer"] = link("customer", holders[0] if holders else None)
    if len(holders) > 1:
        node.leave("customer_ids")
    if node.has("created_at"):
        fields["created_at"] = node.instant("created_at")
    if activities is not None:
        done = tuple(_activity(one) for one in reversed(activities))
        # Money that a till has asked for and not yet taken may or may not be missing from the balance.
        fields |= {"activities": done, "complete": complete and not any(_pending(one) for one in activities)}
        if done and done[-1].at is not None:
            fields["updated_at"] = done[-1].at
    rest = node.rest()
    if rest:
        fields["vendor"] = rest
    return Snapshot(GiftCard(**fields), id_)


def _details(node: Node) -> Node | None:
    return node.node(f"{(node.text('type') or '').lower()}_activity_details")


def _pending(node: Node) -> bool:
    details = _details(node)
    return details is not None and details.text("status") == "PENDING"


def _activity(node: Node) -> GiftCardActivity:
    raw = node.text("type") or ""
    kind, sign = _ACTS.get(raw, (GiftCardAct.OTHER, 0))
    details = _details(node)
    fields: Fields = {"id": node.need("id"), "kind": kind, "kind_raw": raw, "at": node.instant("created_at")}
    fields |= {"balance": node.money("gift_card_balance_money"), "location": link("location", node.text("location_id"))}
    if details is not None:
        fields |= {
            "amount": _amount(details, sign),
            "order": link("order", details.text("order_id")),
            "payment": link("payment", details.text("payment_id")),
        }
    return GiftCardActivity(**{name: value for name, value in fields.items() if value is not None})


def _amount(details: Node, sign: int) -> Money | None:
    amount = details.money("amount_money")
    if amount is None or not sign:
        return None
    return amount * (0 if details.text("status") == "CANCELED" else sign)


async def read_card(settings: SquareSettings, id_: str, http: Http) -> Sequence[Observation]:
    """The card with its activities. Where the two disagree, something happened in between: both are read again."""
    seen = await _read(id_, http)
    if seen is not None and seen.entity.check():
        seen = await _read(id_, http)
    return [seen] if seen is not None else ()


async def _read(id_: str, http: Http) -> Snapshot | None:
    answer = await http.get(f"/v2/gift-cards/{id_}")
    if missing(answer):
        return Snapshot.gone(GiftCard.KIND, id_)
    found = succeeded(f"to show the gift card {id_}", answer).node("gift_card")
    if found is None:
        return None
    done, complete = await _activities(id_, http)
    return parsed("answer.gift_card", lambda: card(found, done, complete=complete))


async def _activities(id_: str, http: Http) -> tuple[list[Node], bool]:
    """The newest activities of a card, newest first, and whether they are all there were."""
    found: list[Node] = []
    ask: Json = {"gift_card_id": id_, "begin_time": _BEGINNING, "sort_order": "DESC", "limit": str(_PAGE)}
    while len(found) < MOST:
        body = succeeded("to list gift card activities", await http.get("/v2/gift-cards/activities", params=ask))
        found += body.nodes("gift_card_activities")
        following = body.text("cursor")
        if not following or following == ask.get("cursor"):
            return found, True
        ask["cursor"] = following
    return found[:MOST], False
