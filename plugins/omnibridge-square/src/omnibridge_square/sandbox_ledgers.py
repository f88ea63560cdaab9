"""The sandbox's loyalty accounts and gift cards, each with its ledger."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from omnibridge.model import phone_or_none
from omnibridge_square.sandbox_base import matches
from omnibridge_square.sandbox_customers import CustomersSandbox
from omnibridge_square.sandbox_orders import invalid
from omnibridge_square.wire import Json, wire_instant

__all__ = ["LedgersSandbox"]

_POINTS_PER = 100
"""What the program asks for a point, in minor units."""


class LedgersSandbox(CustomersSandbox):
    """Points and gift cards."""

    # -- what people do ---------------------------------------------------------------------------------------------

    def enrol(self, phone: str, customer_id: str | None = None) -> str:
        """A person joins the program at the till; the account's id."""
        return str(self._open_account({"program_id": "PROGRAM", "mapping": {"phone_number": phone}}, customer_id)["id"])

    def move_points(self, account_id: str, type_: str, points: int, source: str = "SQUARE", **details: object) -> Json:
        """Points come or go at the till; the entry of the ledger. `points` is what the balance changes by."""
        account = self._known(self.accounts, account_id)
        told: Json = {"loyalty_program_id": account["program_id"], **details}
        if type_ != "REDEEM_REWARD":
            told["points"] = points
        event: Json = {
            "id": self._id("LEV"),
            "type": type_,
            "created_at": wire_instant(self.now()),
            "loyalty_account_id": account_id,
            "location_id": self.main_location,
            "source": source,
            _EVENT[type_]: told,
        }
        self.events.append(event)
        account["balance"] += points
        account["lifetime_points"] += points if type_.startswith("ACCUMULATE") else 0
        account["updated_at"] = event["created_at"]
        self._notify("loyalty.account.updated", "loyalty_account", account_id, {"loyalty_account": account})
        self._notify("loyalty.event.created", "loyalty_event", event["id"], {"loyalty_event": event})
        return event

    def leave_program(self, account_id: str) -> None:
        """Staff delete an account."""
        gone = self.accounts.pop(account_id)
        self._notify("loyalty.account.deleted", "loyalty_account", account_id, {"loyalty_account": gone})

    def sell_card(self, number: str, amount: int, currency: str = "EUR", **fields: object) -> str:
        """A gift card is sold at the till; its id."""
        card: Json = {
            "id": f"gftc:{self._id('')}",
            "type": "PHYSICAL",
            "gan_source": "SQUARE",
            "state": "PENDING",
            "balance_money": {"amount": 0, "currency": currency},
            "gan": number,
            "created_at": wire_instant(self.now()),
            **fields,
        }
        self.cards[card["id"]] = card
        self._notify("gift_card.created", "gift_card", card["id"], {"gift_card": card})
        card["state"] = "ACTIVE"
        self.use_card(card["id"], "ACTIVATE", amount)
        return str(card["id"])

    def use_card(self, card_id: str, type_: str, amount: int = 0, **details: object) -> Json:
        """Something is done with a card; the activity. `amount` is what the balance changes by."""
        card = self._known(self.cards, card_id)
        left = card["balance_money"]
        card["balance_money"] = {**left, "amount": left["amount"] + amount}
        if amount:
            details["amount_money"] = {**left, "amount": abs(amount)}
        card["state"] = {"BLOCK": "BLOCKED", "UNBLOCK": "ACTIVE", "DEACTIVATE": "DEACTIVATED"}.get(type_, card["state"])
        activity: Json = {
            "id": self._id("gcact_"),
            "type": type_,
            "location_id": self.main_location,
            "created_at": wire_instant(self.now()),
            "gift_card_id": card_id,
            "gift_card_gan": card["gan"],
            "gift_card_balance_money": card["balance_money"],
            f"{type_.lower()}_activity_details": details,
        }
        self.activities.append(activity)
        self._notify(
            "gift_card.activity.created", "gift_card.activity", activity["id"], {"gift_card_activity": activity}
        )
        self._notify("gift_card.updated", "gift_card", card_id, {"gift_card": card})
        return activity

    # -- the API ----------------------------------------------------------------------------------------------------

    def _ledgers(self, method: str, parts: list[str], query: Mapping[str, str], body: Json) -> Json:
        match (method, *parts):
            case ("GET", "loyalty", "programs", name):
                return {"program": self._known(self.programs, name)}
            case ("POST", "loyalty", "accounts"):
                return self._once(body, lambda: {"loyalty_account": self._open_account(body["loyalty_account"])})
            case ("POST", "loyalty", "accounts", "search"):
                return self._search_accounts(body)
            case ("GET", "loyalty", "accounts", id_):
                return {"loyalty_account": self._known(self.accounts, id_)}
            case ("POST", "loyalty", "accounts", id_, "accumulate"):
                return self._once(body, lambda: self._accumulate(id_, body))
            case ("POST", "loyalty", "accounts", id_, "adjust"):
                return self._once(body, lambda: self._adjust(id_, body))
            case ("POST", "loyalty", "events", "search"):
                return self._search_events(body)
            case ("GET", "gift-cards"):
                return self._page("gift_cards", list(self.cards.values()), _listed(query))
            case ("GET", "gift-cards", "activities"):
                return self._list_activities(query)
            case ("GET", "gift-cards", id_):
                return {"gift_card": self._known(self.cards, id_)}
            case _:
                raise invalid("NOT_FOUND", "Resource not found.", status=404)

    def _open_account(self, told: Json, customer_id: str | None = None) -> Json:
        phone: str = told.get("mapping", {}).get("phone_number") or ""
        if phone_or_none(phone) is None:
            raise invalid("INVALID_PHONE_NUMBER", "Expected a phone number.", "loyalty_account.mapping.phone_number")
        if any(one["mapping"]["phone_number"] == phone for one in self.accounts.values()):
            raise invalid("BAD_REQUEST", "The phone number has an account.", "loyalty_account.mapping.phone_number")
        profile = customer_id or next(
            (one["id"] for one in self.customers.values() if phone_or_none(one.get("phone_number")) == phone), None
        )
        if profile is None:
            profile = self._create_customer({"phone_number": phone}, "LOYALTY")["id"]
        at = wire_instant(self.now())
        account: Json = {
            "id": self._id("LOY"),
            "program_id": told["program_id"],
            "balance": 0,
            "lifetime_points": 0,
            "customer_id": profile,
            "created_at": at,
            "updated_at": at,
            "mapping": {"id": self._id("MAP"), "created_at": at, "phone_number": phone},
        }
        self.accounts[account["id"]] = account
        self._notify("loyalty.account.created", "loyalty_account", account["id"], {"loyalty_account": account})
        return account

    def _search_accounts(self, body: Json) -> Json:
        query: Json = body.get("query") or {}
        phones = {one.get("phone_number") for one in query.get("mappings", [])}
        profiles = set[str](query.get("customer_ids", []))
        found = [
            one
            for one in self.accounts.values()
            if (not phones or one["mapping"]["phone_number"] in phones)
            and (not profiles or one["customer_id"] in profiles)
        ]
        found.sort(key=lambda one: (one["created_at"], one["id"]))
        return self._page("loyalty_accounts", found, body)

    def _accumulate(self, id_: str, body: Json) -> Json:
        self._known(self.locations, body["location_id"])
        told: Json = body["accumulate_points"]
        if "order_id" in told:
            points = self._known(self.orders, told["order_id"])["total_money"]["amount"] // _POINTS_PER
            told = {"order_id": told["order_id"]}
        else:
            points, told = told["points"], {}
        if points < 1:
            return {}
        return {"events": [copy.deepcopy(self.move_points(id_, "ACCUMULATE_POINTS", points, "LOYALTY_API", **told))]}

    def _adjust(self, id_: str, body: Json) -> Json:
        told: Json = dict(body["adjust_points"])
        points: int = told.pop("points")
        if self._known(self.accounts, id_)["balance"] + points < 0 and not body.get("allow_negative_balance"):
            raise invalid("BAD_REQUEST", "The balance would be negative.", "adjust_points.points")
        return {"event": copy.deepcopy(self.move_points(id_, "ADJUST_POINTS", points, "LOYALTY_API", **told))}

    def _search_events(self, body: Json) -> Json:
        filters: Json = body.get("query", {}).get("filter", {})
        account: str | None = filters.get("loyalty_account_filter", {}).get("loyalty_account_id")
        window: Json = filters.get("date_time_filter", {}).get("created_at", {})
        found = [
            one
            for one in reversed(self.events)
            if account in (None, one["loyalty_account_id"])
            and matches(one, "created_at", window)
            and one["created_at"] != window.get("end_at")  # the end is not part of the range
        ]
        return self._page("events", found, {**body, "limit": min(30, int(body.get("limit") or 30))})

    def _list_activities(self, query: Mapping[str, str]) -> Json:
        window: Json = {"start_at": query.get("begin_time"), "end_at": query.get("end_time")}
        card = query.get("gift_card_id")
        found = [
            one for one in self.activities if card in (None, one["gift_card_id"]) and matches(one, "created_at", window)
        ]
        if query.get("sort_order") != "ASC":
            found.reverse()
        return self._page("gift_card_activities", found, _listed(query))


_EVENT = {
    "ACCUMULATE_POINTS": "accumulate_points",
    "ACCUMULATE_PROMOTION_POINTS": "accumulate_promotion_points",
    "CREATE_REWARD": "create_reward",
    "REDEEM_REWARD": "redeem_reward",
    "DELETE_REWARD": "delete_reward",
    "ADJUST_POINTS": "adjust_points",
    "EXPIRE_POINTS": "expire_points",
    "OTHER": "other_event",
}


def _listed(query: Mapping[str, str]) -> Json:
    return {"cursor": query.get("cursor"), "limit": int(query.get("limit", "30"))}
