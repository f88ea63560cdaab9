"""From Return objects to Returns: webhooks tell only that one changed, so each is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from omnibridge.connector import Http, Observation, Snapshot
from omnibridge.model import Return, ReturnState
from omnibridge_shopify.documents_after import RETURN, RETURN_LINES
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.pages import rest
from omnibridge_shopify.parts import Values, gid, gid_number, money, padded, ref, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import MOMENT

__all__ = ["observe_return", "read_return", "whole_return"]

_STATES: Mapping[str, ReturnState] = {
    "REQUESTED": ReturnState.REQUESTED,
    "OPEN": ReturnState.APPROVED,
    "CLOSED": ReturnState.CLOSED,
    "DECLINED": ReturnState.DECLINED,
    "CANCELED": ReturnState.CANCELLED,
}


async def read_return(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """A return with all its lines."""
    data = await ask(settings, http, RETURN, {"id": gid("Return", id_)})
    node: Json | None = data["return"]
    if node is None:
        return (Snapshot.gone("return", id_),)
    return (observe_return(await whole_return(settings, http, node)),)


async def whole_return(settings: Shopify, http: Http, node: Json) -> Json:
    """The return with the lines that its first page left out."""
    await rest(settings, http, RETURN_LINES, node["id"], node, "returnLineItems")
    return node


def observe_return(node: Json) -> Snapshot:
    """A return's record as a snapshot. It has no version: a `Return` has no time of its last change.

    An open return all of whose goods have been processed (`returnProcess`, or the admin's "process") has been received.
    """
    lines: list[Json] = node["returnLineItems"]["nodes"]
    state = _STATES.get(node["status"], ReturnState.OTHER)
    if state is ReturnState.APPROVED and lines and all(line["processedQuantity"] >= line["quantity"] for line in lines):
        state = ReturnState.RECEIVED
    declined: Json = node["decline"] or {}
    values: Values = {
        "order": ref("order", gid_number(node["order"]["id"])),
        "state": state,
        "state_raw": node["status"].lower(),
        "lines": [_line(line) for line in lines],
        "note": declined.get("note") or None,
        "created_at": utc(MOMENT.validate_python(node["createdAt"])),
        "vendor": {"name": node["name"], "decline_reason": _lower(declined.get("reason"))},
    }
    return Snapshot(Return.model_validate(values), gid_number(node["id"]))


def _lower(word: str | None) -> str | None:
    return word.lower() if word is not None else None


def _line(node: Json) -> Values:
    """A returned line. One that Shopify could not tie to a fulfilment (`UnverifiedReturnLineItem`) names no order line.

    The reason is the staff's note, else the customer's, else Shopify's word.
    """
    values: Values = {
        "quantity": node["quantity"],
        "reason": node["returnReasonNote"] or node["customerNote"] or _lower(node["returnReason"]),
    }
    shipped: Json | None = node.get("fulfillmentLineItem")
    if shipped is not None:
        values["line_external_id"] = gid_number(shipped["lineItem"]["id"])
        values["sku"] = shipped["lineItem"]["sku"] or None
    if (worth := node.get("withCodeDiscountedTotalPriceSet")) is not None:
        shop: Json = worth["shopMoney"]
        values["amount"] = money(padded(Decimal(str(shop["amount"])), shop["currencyCode"]), shop["currencyCode"])
    return values
