"""What became of points and gift cards since the last time: who was touched is looked up, ledger and all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from omnibridge.connector import Cursor, Http, Lookup, Observation, Response
from omnibridge.model import GiftCard, LoyaltyAccount
from omnibridge_square.gift_cards import card
from omnibridge_square.polls import paged, polled
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, instant

__all__ = ["poll_gift_card_activities", "poll_gift_cards", "poll_loyalty_accounts", "poll_loyalty_events"]


def _touched(kind: str, ids: Iterable[str]) -> list[Observation]:
    return [Lookup(kind, id_) for id_ in dict.fromkeys(ids)]


async def poll_loyalty_accounts(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Loyalty accounts that changed. Square cannot search them by time, so all are listed, and the changed looked up.

    Without a `query` the search gives all accounts by their creation (Square, SearchLoyaltyAccounts).
    """
    if not settings.loyalty:
        return
    since: list[datetime] = []

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        since[:] = [instant(start)]
        return await http.query("/v2/loyalty/accounts/search", json=paged({"limit": 200}, page))

    def accounts(body: Node) -> list[Observation]:
        changed = [one for one in body.nodes("loyalty_accounts") if _is_newer(one, "updated_at", since[0])]
        return _touched(LoyaltyAccount.KIND, (one.need("id") for one in changed))

    await polled(settings, cursor, http, ask, accounts, everything=True)


def _is_newer(node: Node, field: str, since: datetime) -> bool:
    at = node.instant(field)
    return at is None or at >= since


async def poll_loyalty_events(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Accounts whose ledger has got entries, newest entries first; the end of the window is not part of it."""
    if not settings.loyalty:
        return

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        window = {"filter": {"date_time_filter": {"created_at": {"start_at": start, "end_at": until}}}}
        return await http.query("/v2/loyalty/events/search", json=paged({"query": window, "limit": 30}, page))

    def owners(body: Node) -> list[Observation]:
        return _touched(LoyaltyAccount.KIND, (one.need("loyalty_account_id") for one in body.nodes("events")))

    await polled(settings, cursor, http, ask, owners, everything=False)


async def poll_gift_cards(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """All gift cards, as Square cannot list them by time: new ones are looked up, of others state, money and owner."""
    if not settings.gift_cards:
        return
    since: list[datetime] = []

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        since[:] = [instant(start)]
        return await http.get("/v2/gift-cards", params=paged({"limit": "200"}, page))

    def cards(body: Node) -> list[Observation]:
        found = body.nodes("gift_cards")
        return [
            Lookup(GiftCard.KIND, one.need("id")) if _is_newer(one, "created_at", since[0]) else card(one)
            for one in found
        ]

    await polled(settings, cursor, http, ask, cards, everything=True)


async def poll_gift_card_activities(settings: SquareSettings, cursor: Cursor | None, http: Http) -> None:
    """Gift cards that something was done with, oldest first."""
    if not settings.gift_cards:
        return

    async def ask(start: str, until: str, places: list[str], page: str | None) -> Response:
        window: Json = {"begin_time": start, "end_time": until, "sort_order": "ASC", "limit": "100"}
        return await http.get("/v2/gift-cards/activities", params=paged(window, page))

    def touched(body: Node) -> list[Observation]:
        return _touched(GiftCard.KIND, (one.need("gift_card_id") for one in body.nodes("gift_card_activities")))

    await polled(settings, cursor, http, ask, touched, everything=False)
