"""Points given and taken at Square by command: the account found or opened, each change under a key of its own."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, NativeKey, Receipt
from omnibridge.errors import Permanent
from omnibridge.model import AdjustPoints, Customer, phone_or_none
from omnibridge_square.classify import succeeded
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json

__all__ = ["adjust_points"]

_WHO = "name the account, a customer who has one, or a phone number"
_REASON = 200
"""Characters of a reason that are sent; Square names no limit."""


async def adjust_points(settings: SquareSettings, command: AdjustPoints, delivery: Delivery, http: Http) -> Receipt:
    """Give or take points in the seller's program.

    Points of a purchase are accumulated, so that they count as earned in the account's lifetime; all others are
    adjusted, and Square refuses an adjustment below nothing (Square, AccumulateLoyaltyPoints and AdjustLoyaltyPoints).
    What the account has then is told by its own notification. Raises Permanent for a refusal, for a person who has no
    account and no phone number to open one by, and for parts of points, which Square does not have.
    """
    points = command.points
    if points is not None and points != points.to_integral_value():
        raise Permanent(f"{points} points: Square counts in whole points", code="INVALID_POINTS")
    if points is None and command.order is None:
        raise Permanent("no points, and no order that they could be worked out from", code="INVALID_POINTS")
    if points is not None and not points:
        return Receipt(note="no points to give or take")
    account = delivery.external(command.account) or await _found(settings, command, delivery, http)
    account = account or await _opened(settings, command, delivery, http)
    path = f"/v2/loyalty/accounts/{account}"
    if command.order is not None and (points is None or points > 0):
        earned: Json = {"points": int(points)} if points is not None else {"order_id": _order(command, delivery)}
        body: Json = {
            "accumulate_points": earned,
            "idempotency_key": http.key("earn"),
            "location_id": _place(settings, command, delivery),
        }
        answer = await http.post(f"{path}/accumulate", json=body, step="earn", protection=NativeKey())
        got = succeeded("the points", answer).nodes("events")
        return Receipt(note=None if got else "the order earns no points in this program")
    change: Json = {"points": int(points or 0)}
    if command.reason:
        change["reason"] = command.reason[:_REASON]
    body = {"adjust_points": change, "idempotency_key": http.key("adjust")}
    answer = await http.post(f"{path}/adjust", json=body, step="adjust", protection=NativeKey())
    succeeded("the change of points", answer)
    return Receipt()


def _phone(settings: SquareSettings, command: AdjustPoints, delivery: Delivery) -> str | None:
    known = delivery.entity(command.customer)
    own = known.phone if isinstance(known, Customer) else None
    return phone_or_none(command.phone or own, settings.region)


async def _found(settings: SquareSettings, command: AdjustPoints, delivery: Delivery, http: Http) -> str | None:
    """The account by the profile, else by the phone number: the two questions that Square answers."""
    profile, phone = delivery.external(command.customer), _phone(settings, command, delivery)
    queries: list[Json] = []
    if profile is not None:
        queries.append({"customer_ids": [profile]})
    if phone is not None:
        queries.append({"mappings": [{"phone_number": phone}]})
    for query in queries:
        answer = await http.query("/v2/loyalty/accounts/search", json={"query": query, "limit": 1})
        for one in succeeded("to search loyalty accounts", answer).nodes("loyalty_accounts"):
            return one.need("id")
    return None


async def _opened(settings: SquareSettings, command: AdjustPoints, delivery: Delivery, http: Http) -> str:
    """A new account for the phone number; Square ties it to the profile that has this number, or makes one."""
    phone = _phone(settings, command, delivery)
    if phone is None:
        raise Permanent("the customer has no loyalty account at Square", code="NO_ACCOUNT", remedy=_WHO)
    program = succeeded("to show the loyalty program", await http.get("/v2/loyalty/programs/main")).node("program")
    if program is None:
        raise Permanent("the seller has no loyalty program", code="NO_PROGRAM", remedy="make one at Square")
    wanted = {"program_id": program.need("id"), "mapping": {"phone_number": phone}}
    body = {"loyalty_account": wanted, "idempotency_key": http.key("open")}
    answer = await http.post("/v2/loyalty/accounts", json=body, step="open", protection=NativeKey())
    made = succeeded("the new loyalty account", answer).node("loyalty_account")
    if made is None:
        raise Permanent("Square answered without a loyalty account", code="NO_ACCOUNT")
    return made.need("id")


def _order(command: AdjustPoints, delivery: Delivery) -> str:
    known = delivery.external(command.order)
    if known is None:
        raise Permanent(
            "the order is not at Square, which therefore cannot work out its points",
            code="NO_ORDER",
            remedy="tell the points, or route orders to this channel as well",
        )
    return known


def _place(settings: SquareSettings, command: AdjustPoints, delivery: Delivery) -> str:
    place = delivery.external(command.location) or settings.location_id
    if place is None:
        raise Permanent(
            "the location of the purchase is not known at Square",
            code="NO_LOCATION",
            remedy="match the locations of this channel, or set location_id",
        )
    return place
