"""Loyalty accounts at Square: the balance, and the ledger of events that it is the sum of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from omnibridge.connector import Http, Observation, Snapshot
from omnibridge.model import LoyaltyAccount, LoyaltyEntry, LoyaltyKind, phone_or_none
from omnibridge_square.classify import missing, succeeded
from omnibridge_square.entities import link
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Fields, Json, Node, parsed

__all__ = ["MOST", "account", "read_account"]

MOST = 300
"""How much of a ledger is read, the newest: each event of an account carries it."""
_PAGE = 30


def _signed(points: int) -> int:
    return points


def _gone(points: int) -> int:
    return -abs(points)


_KINDS: dict[str, tuple[LoyaltyKind, str, Callable[[int], int]]] = {
    "ACCUMULATE_POINTS": (LoyaltyKind.EARNED, "accumulate_points", abs),
    "ACCUMULATE_PROMOTION_POINTS": (LoyaltyKind.EARNED, "accumulate_promotion_points", abs),
    "CREATE_REWARD": (LoyaltyKind.REDEEMED, "create_reward", _gone),
    "REDEEM_REWARD": (LoyaltyKind.REDEEMED, "redeem_reward", _signed),
    "DELETE_REWARD": (LoyaltyKind.RETURNED, "delete_reward", abs),
    "ADJUST_POINTS": (LoyaltyKind.ADJUSTED, "adjust_points", _signed),
    "EXPIRE_POINTS": (LoyaltyKind.EXPIRED, "expire_points", _gone),
    "OTHER": (LoyaltyKind.OTHER, "other_event", _signed),
}
"""Type of event → kind, the field with its details, and the sign (Square, LoyaltyEventType and the types of details).

Points leave an account when a reward is made, and come back when it is deleted; that it is redeemed moves none.
"""


def account(node: Node, events: Sequence[Node], region: str | None, *, complete: bool) -> Snapshot:
    """An account of the Loyalty API with its events, the newest first; `updated_at` is the version."""
    id_ = node.need("id")
    entries = tuple(_entry(one) for one in reversed(events))
    fields: Fields = {"balance": Decimal(node.whole("balance") or 0), "entries": entries, "complete": complete}
    lifetime = node.whole("lifetime_points")
    if lifetime is not None:
        fields["lifetime"] = Decimal(lifetime)
    fields["customer"] = link("customer", node.text("customer_id"))
    fields["program"] = node.text("program_id")
    mapping = node.node("mapping")
    if mapping is not None:
        fields["phone"] = phone_or_none(mapping.text("phone_number"), region)
        if fields["phone"] is None:
            mapping.leave("phone_number")
    for name in ("enrolled_at", "created_at", "updated_at"):
        if node.has(name):
            fields[name] = node.instant(name)
    rest = node.rest()
    if rest:
        fields["vendor"] = rest
    return Snapshot(LoyaltyAccount(**fields), id_, fields.get("updated_at"))


def _entry(node: Node) -> LoyaltyEntry:
    raw = node.text("type") or ""
    kind, place, sign = _KINDS.get(raw, (LoyaltyKind.OTHER, "other_event", _signed))
    details = node.node(place)
    points = details.whole("points") if details is not None else None
    fields: Fields = {"id": node.need("id"), "kind": kind, "kind_raw": raw, "points": Decimal(sign(points or 0))}
    if details is not None:
        fields |= {"order": link("order", details.text("order_id")), "reason": details.text("reason")}
    fields |= {"location": link("location", node.text("location_id")), "source": node.text("source")}
    fields["at"] = node.instant("created_at")
    return LoyaltyEntry(**{name: value for name, value in fields.items() if value is not None})


async def read_account(settings: SquareSettings, id_: str, http: Http) -> Sequence[Observation]:
    """The account with its ledger. Where the two disagree, points may have come in between: both are read again."""
    seen = await _read(settings, id_, http)
    if seen is not None and seen.entity.check():
        seen = await _read(settings, id_, http)
    return [seen] if seen is not None else ()


async def _read(settings: SquareSettings, id_: str, http: Http) -> Snapshot | None:
    answer = await http.get(f"/v2/loyalty/accounts/{id_}")
    if missing(answer):
        return Snapshot.gone(LoyaltyAccount.KIND, id_)
    found = succeeded(f"to show the loyalty account {id_}", answer).node("loyalty_account")
    if found is None:
        return None
    events, complete = await _events(id_, http)
    return parsed("answer.loyalty_account", lambda: account(found, events, settings.region, complete=complete))


async def _events(id_: str, http: Http) -> tuple[list[Node], bool]:
    """The newest events of an account, newest first, and whether they are all there were."""
    found: list[Node] = []
    page: str | None = None
    while len(found) < MOST:
        ask: Json = {
            "query": {"filter": {"loyalty_account_filter": {"loyalty_account_id": id_}}},
            "limit": _PAGE,
        }
        if page:
            ask["cursor"] = page
        body = succeeded("to show a loyalty ledger", await http.query("/v2/loyalty/events/search", json=ask))
        found += body.nodes("events")
        following = body.text("cursor")
        if not following or following == page:
            return found, True
        page = following
    return found[:MOST], False
