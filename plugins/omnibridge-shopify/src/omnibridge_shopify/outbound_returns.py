"""Returns to the shop: goods that another system expects, has taken back, or does not expect any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import Return, ReturnState
from omnibridge_shopify.document import Document
from omnibridge_shopify.documents_after import (
    RETURN,
    RETURN_CANCEL,
    RETURN_CLOSE,
    RETURN_CREATE,
    RETURN_PROCESS,
    RETURNABLE,
)
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.outbound_lines import order_gid, wanted
from omnibridge_shopify.parts import gid, gid_number, ref
from omnibridge_shopify.returns import observe_return, whole_return
from omnibridge_shopify.settings import Shopify

__all__ = ["deliver_return", "find_return"]

_COMING = (ReturnState.REQUESTED, ReturnState.APPROVED, ReturnState.RECEIVED, ReturnState.CLOSED)
_BACK = (ReturnState.RECEIVED, ReturnState.CLOSED)
_CLOCKS = timedelta(minutes=1)


async def deliver_return(settings: Shopify, return_: Return, delivery: Delivery, http: Http) -> Receipt:
    """Open a return with `returnCreate`, which approves it at once, and take it to where it stands.

    Received goods are processed (`returnProcess`), without money, of which the refund tells; a closed return is closed,
    a cancelled one cancelled. The mutations have no idempotency key: what is sent twice is looked up before, and each
    step is skipped when it is done. Raises Permanent for goods that were not shipped, and for what Shopify refuses.
    """
    if delivery.own is not None:
        data = await ask(settings, http, RETURN, {"id": gid("Return", delivery.own)})
        node: Json | None = data["return"]
        if node is None:
            return Receipt(note="the shop no longer has this return")
        return await _advance(settings, return_, await whole_return(settings, http, node), http)
    if return_.state not in _COMING:
        return Receipt(note="nothing comes back")
    order = await _order(settings, return_, delivery, http)
    node = _same(return_, delivery, order)
    if node is None:
        values = {"orderId": order["id"], "returnLineItems": _lines(return_, delivery, order)}
        node = _made(await change(settings, http, RETURN_CREATE, {"returnInput": values}, step="return"))
        await http.keep(Reference("return", gid_number(node["id"])))
    return await _advance(settings, return_, node, http)


async def find_return(settings: Shopify, return_: Return, delivery: Delivery, http: Http) -> Receipt | None:
    """Whether the shop has it where it stands: by its id, else with the same goods and not from before the event."""
    if delivery.own is not None:
        node: Json | None = (await ask(settings, http, RETURN, {"id": gid("Return", delivery.own)}))["return"]
        return _receipt(return_, node) if node is not None and _stands(return_, node) else None
    if return_.state not in _COMING:
        return None
    found = _same(return_, delivery, await _order(settings, return_, delivery, http))
    return _receipt(return_, found) if found is not None and _stands(return_, found) else None


def _stands(return_: Return, node: Json) -> bool:
    """Whether the shop's return is where ours is."""
    if return_.state in (ReturnState.CANCELLED, ReturnState.DECLINED):
        return node["status"] == "CANCELED"
    if return_.state is ReturnState.CLOSED:
        return node["status"] == "CLOSED"
    processed = not any(line["unprocessedQuantity"] for line in node["returnLineItems"]["nodes"])
    return processed or return_.state is not ReturnState.RECEIVED


async def _order(settings: Shopify, return_: Return, delivery: Delivery, http: Http) -> Json:
    data = await ask(settings, http, RETURNABLE, {"id": order_gid(return_.order, delivery)})
    order: Json | None = data["order"]
    if order is None:
        raise Permanent("the shop no longer has the order", code="NOT_FOUND")
    return order


def _sent(order: Json) -> list[Json]:
    shipped: list[Json] = [node for node in order["fulfillments"] if node["status"] == "SUCCESS"]
    return [item for node in shipped for item in node["fulfillmentLineItems"]["nodes"]]


def _lines(return_: Return, delivery: Delivery, order: Json) -> list[dict[str, object]]:
    items = _sent(order)
    left = dict(wanted(return_.lines, return_.order, delivery, (item["lineItem"]["sku"] for item in items)))
    reasons = {line.sku: line.reason for line in return_.lines if line.sku and line.reason}
    rows: list[dict[str, object]] = []
    for item in items:
        sku: str = item["lineItem"]["sku"] or ""
        count = min(int(item["quantity"] or 0), left.get(sku, 0))
        if count:
            left[sku] -= count
            reason = reasons.get(sku)
            said: dict[str, object] = {"returnReason": "UNKNOWN"}
            if reason:
                said = {"returnReason": "OTHER", "returnReasonNote": reason[:255]}
            rows.append({"fulfillmentLineItemId": item["id"], "quantity": count, **said})
    if not rows or any(left.values()):
        raise Permanent("more comes back than was shipped", code="NOT_SHIPPED")
    return rows


def _same(return_: Return, delivery: Delivery, order: Json) -> Json | None:
    skus = {item["lineItem"]["sku"] for item in _sent(order)}
    goods = wanted(return_.lines, return_.order, delivery, skus)
    since = delivery.event.get_time()
    for node in order["returns"]["nodes"]:
        coming: dict[str, int] = {}
        for line in node["returnLineItems"]["nodes"]:
            shipped: Json = line.get("fulfillmentLineItem") or {"lineItem": {"sku": ""}}
            sku: str = shipped["lineItem"]["sku"] or ""
            coming[sku] = coming.get(sku, 0) + line["quantity"]
        late = since is not None and datetime.fromisoformat(node["createdAt"]) >= since - _CLOCKS
        if late and node["status"] in ("OPEN", "CLOSED") and coming == goods:
            return node
    return None


async def _advance(settings: Shopify, return_: Return, node: Json, http: Http) -> Receipt:
    id_ = node["id"]
    rows = [
        {"id": line["id"], "quantity": line["unprocessedQuantity"]}
        for line in node["returnLineItems"]["nodes"]
        if line["unprocessedQuantity"]
    ]
    if node["status"] == "OPEN":
        if return_.state in (ReturnState.CANCELLED, ReturnState.DECLINED):
            node = await _step(settings, http, RETURN_CANCEL, {"id": id_}, "cancel")
        elif return_.state in _BACK and rows:
            values = {"returnId": id_, "returnLineItems": rows, "notifyCustomer": False}
            node = await _step(settings, http, RETURN_PROCESS, {"input": values}, "process")
        if return_.state is ReturnState.CLOSED and node["status"] == "OPEN":
            node = await _step(settings, http, RETURN_CLOSE, {"id": id_}, "close")
    return _receipt(return_, node)


def _receipt(return_: Return, node: Json) -> Receipt:
    told = observe_return(node)
    number = told.external_id
    kept = Return.model_validate(
        {"order": ref("order", gid_number(node["order"]["id"])), "state": told.entity.model_dump()["state"]}
    )
    return Receipt((Reference("return", number),), (Snapshot(kept, number),))


async def _step(settings: Shopify, http: Http, document: Document, variables: dict[str, object], step: str) -> Json:
    """One change of state. Shopify refuses it when it is done already, so it is looked up before it is sent again."""
    return _made(await change(settings, http, document, variables, step=step))


def _made(payload: Json) -> Json:
    errors = problems(payload)
    if errors or payload["return"] is None:
        code, field, message = errors[0] if errors else ("", "", "Shopify returned no return")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    return payload["return"]
