"""Orders to Square: created once with the total exact to the minor unit, changed and cancelled under their version."""

from __future__ import annotations

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Response, Snapshot
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import (
    Address,
    Customer,
    Fulfilment,
    FulfilmentMethod,
    FulfilmentStatus,
    Order,
    OrderStatus,
)
from omnibridge_square.classify import stale, succeeded
from omnibridge_square.entities import ours
from omnibridge_square.orders import fulfilment_id
from omnibridge_square.orders import order as order_snapshots
from omnibridge_square.pricing import Draft, draft, settle
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, Node, parsed, wire_instant

__all__ = ["deliver_order"]

_UID = "fulfilment-1"
_OURS = ("line-", "tax-", "discount-", "shipping-", "tip-", "duties-", "fees-", "rounding-")
_LISTS = ("line_items", "taxes", "discounts", "service_charges")
_ENDED = ("COMPLETED", "CANCELED")


async def deliver_order(settings: SquareSettings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Create the order, or make the one that is there say what the canonical one says.

    Only orders that were made through the API have a version and can be changed; completed and cancelled ones cannot
    (Square, UpdateOrder). Raises Permanent for a refusal and for what Square cannot hold, Retryable when somebody else
    keeps changing the order.
    """
    if delivery.own is not None:
        return await _change(settings, order, delivery, delivery.own, http)
    if order.status is OrderStatus.CANCELLED:
        return Receipt(note="cancelled before it came to Square; not created there")
    return await _create(settings, order, delivery, http)


async def _create(settings: SquareSettings, order: Order, delivery: Delivery, http: Http) -> Receipt:
    head = _head(settings, order, delivery)
    made = await _priced(order, delivery, head["location_id"], http)
    whole: Json = {**head, **made.parts()}
    planned = _planned(order, delivery)
    moves = _fulfilments(settings, order, delivery, planned)
    if moves:
        whole["fulfillments"] = moves
    body = {"idempotency_key": http.key("create"), "order": whole}
    answer = await http.post("/v2/orders", json=body, step="create", protection=NativeKey())
    found = succeeded("the new order", answer).node("order")
    if found is None:
        raise Permanent("Square answered without an order", code="NO_ORDER")
    reference = Reference("order", found.need("id"))
    await http.keep(reference)
    references = [reference]
    if moves and planned is not None and planned.id is not None:
        references.append(Reference("fulfilment", fulfilment_id(reference.external_id, _UID), planned.id))
        await http.keep(references[1])
    # All of a new order is our doing, its times and sums too, so the whole answer is what was written.
    return Receipt(tuple(references), tuple(_seen(settings, found)), _mismatch(order, found))


def _seen(settings: SquareSettings, found: Node) -> list[Snapshot]:
    fresh = Node(dict(found.raw), "answer.order")
    return parsed("answer.order", lambda: order_snapshots(fresh, settings.region))


def _mismatch(order: Order, found: Node) -> str | None:
    total = found.money("total_money")
    if total is None or total.amount == order.totals.total.rounded().amount:
        return None
    return f"Square charges {total} where the order says {order.totals.total}"


def _head(settings: SquareSettings, order: Order, delivery: Delivery) -> Json:
    place = delivery.external(order.location) or settings.location_id
    if place is None:
        raise delivery.unmatched("location", "the order's location", remedy="set location_id")
    head: Json = {
        "location_id": place,
        # Automatic taxes and discounts of the catalogue would change a total that the customer has been told.
        "pricing_options": {"auto_apply_taxes": False, "auto_apply_discounts": False},
    }
    id_ = order.id or delivery.event.subject
    if id_ and len(id_) <= 40:
        head["reference_id"] = id_
    buyer = delivery.external(order.buyer)
    if buyer:
        head["customer_id"] = buyer
    if order.number:
        head["ticket_name"] = order.number[:30]
    if order.sales_channel:
        head["source"] = {"name": order.sales_channel[:255]}
    return head


async def _priced(order: Order, delivery: Delivery, place: str, http: Http) -> Draft:
    """The parts of the order with a total of exactly the canonical one, as Square itself calculates it."""
    variants = {id_: external for (kind, id_), external in delivery.references.items() if kind == "variant"}
    for exact in (False, True):
        made = draft(order, variants, exact=exact)
        if not made.lines and not made.charges:
            raise Permanent("Square takes no order without a line", code="NO_LINES")
        ask = {"order": {"location_id": place, "pricing_options": _MANUAL, **made.parts()}}
        body = succeeded("to calculate the order", await http.query("/v2/orders/calculate", json=ask)).node("order")
        total = body.money("total_money") if body is not None else None
        if total is None:
            raise Permanent("Square calculated no total", code="NO_TOTAL")
        if settle(made, order, total.to_minor()):
            return made
    raise Permanent("the order's total cannot be made at Square", code="TOTAL_MISMATCH")


_MANUAL = {"auto_apply_taxes": False, "auto_apply_discounts": False}


# -- fulfilment -----------------------------------------------------------------------------------------------------


def _fulfilments(settings: SquareSettings, order: Order, delivery: Delivery, planned: Fulfilment | None) -> list[Json]:
    """One fulfilment for all lines: as the order's own says, else a parcel to its shipping address, else a pick-up."""
    if order.fulfilment_status is FulfilmentStatus.FULFILLED:
        return []
    method = planned.method if planned is not None else None
    if method is None:
        method = FulfilmentMethod.SHIP if order.shipping_address is not None else FulfilmentMethod.PICKUP
    if method is FulfilmentMethod.PICKUP:
        return [_pickup(settings, order, delivery, planned)]
    if method is FulfilmentMethod.SHIP:
        return [_shipment(order, delivery, planned)]
    return []


def _planned(order: Order, delivery: Delivery) -> Fulfilment | None:
    found = [
        one
        for one in delivery.related.values()
        if isinstance(one, Fulfilment) and one.order.id == (order.id or delivery.event.subject)
    ]
    return min(found, key=lambda one: one.id or "", default=None)


def _pickup(settings: SquareSettings, order: Order, delivery: Delivery, planned: Fulfilment | None) -> Json:
    details: Json = {"recipient": _recipient(order, delivery, order.billing_address)}
    at = planned.pickup_at if planned is not None else None
    if at is not None:
        details |= {"schedule_type": "SCHEDULED", "pickup_at": wire_instant(at)}
    else:
        minutes = int(settings.pickup_preparation.total_seconds() // 60)
        details |= {"schedule_type": "ASAP", "prep_time_duration": f"PT{minutes}M"}
    if order.note:
        details["note"] = order.note[:500]
    return {"uid": _UID, "type": "PICKUP", "state": "PROPOSED", "pickup_details": details}


def _shipment(order: Order, delivery: Delivery, planned: Fulfilment | None) -> Json:
    where = planned.destination if planned is not None and planned.destination is not None else order.shipping_address
    recipient = _recipient(order, delivery, where)
    if where is not None:
        recipient["address"] = _address(where)
    details: Json = {"recipient": recipient}
    if planned is not None and planned.carrier:
        details["carrier"] = planned.carrier[:50]
    if order.note:
        details["shipping_note"] = order.note[:500]
    return {"uid": _UID, "type": "SHIPMENT", "state": "PROPOSED", "shipment_details": details}


def _recipient(order: Order, delivery: Delivery, where: Address | None) -> Json:
    """Who collects or receives. A name is required, so the best that is known stands there."""
    buyer = delivery.entity(order.buyer)
    person = buyer if isinstance(buyer, Customer) else Customer()
    email, phone = order.buyer_email or person.email, order.buyer_phone or person.phone
    name = (where.name if where is not None else None) or person.name or person.company or email or phone or "Customer"
    out: Json = {"display_name": name[:255]}
    known = delivery.external(order.buyer)
    if known:
        out["customer_id"] = known
    if email and len(email) <= 255:
        out["email_address"] = email
    if phone and len(phone) <= 17:
        out["phone_number"] = phone
    return out


def _address(where: Address) -> Json:
    told = {
        "address_line_1": where.street,
        "address_line_2": where.street2,
        "locality": where.city,
        "administrative_district_level_1": where.region,
        "postal_code": where.postal_code,
        "country": where.country,
    }
    return {name: value for name, value in told.items() if value}


# -- changes --------------------------------------------------------------------------------------------------------


async def _change(settings: SquareSettings, order: Order, delivery: Delivery, own: str, http: Http) -> Receipt:
    for turn in ("change", "change-again"):
        found = succeeded(f"to show the order {own}", await http.get(f"/v2/orders/{own}")).node("order")
        if found is None:
            raise Permanent("Square answered without an order", code="NO_ORDER")
        version, state = found.whole("version"), found.text("state")
        reference = (Reference("order", own),)
        cancelled = order.status is OrderStatus.CANCELLED
        if version is None or state in _ENDED:
            return Receipt(reference, note=_unchangeable(state, cancelled))
        body = _cancelled(found) if cancelled else await _changed(order, delivery, found, http)
        if body is None:
            mine = _is_ours(order, delivery, found)
            return Receipt(reference, tuple(_only(_seen(settings, found), _CHANGING)) if mine else ())
        body["order"] |= {"version": version, "location_id": found.text("location_id")}
        body["idempotency_key"] = http.key(turn)
        answer: Response = await http.put(f"/v2/orders/{own}", json=body, step=turn, protection=NativeKey())
        if stale(answer):
            continue
        after = succeeded("the change of an order", answer).node("order")
        if after is None:
            return Receipt(reference)
        told = _only(_seen(settings, after), _CANCELLING if cancelled else _CHANGING)
        return Receipt(reference, tuple(told), None if cancelled else _mismatch(order, after))
    raise Retryable(f"the order {own} is being changed at Square by somebody else")


def _unchangeable(state: str | None, cancelled: bool) -> str | None:
    if state == "CANCELED" and cancelled:
        return None
    return f"Square's order is {(state or 'one of the till').lower()} and cannot be changed any more"


_CANCELLING = {"status", "status_raw", "cancelled_at", "closed_at", "currency", "totals"}
_CHANGING = {"lines", "shipping", "taxes", "discounts", "taxes_included", "currency", "totals"}


def _only(seen: list[Snapshot], names: set[str]) -> list[Snapshot]:
    """Order snapshots restricted to `names`; those of other kinds stay away, as nothing was written to them."""
    out: list[Snapshot] = []
    for one in seen:
        if isinstance(one.entity, Order):
            fields = {name: getattr(one.entity, name) for name in names & one.entity.model_fields_set}
            out.append(Snapshot(Order(**fields), one.external_id, one.version, ours=one.ours))
    return out


def _cancelled(found: Node) -> Json:
    """Cancelling an order means cancelling what of it is still to be handed over."""
    open_ = [one for one in found.nodes("fulfillments") if one.text("state") not in ("COMPLETED", "CANCELED", "FAILED")]
    told: Json = {"state": "CANCELED"}
    if open_:
        told["fulfillments"] = [{"uid": one.need("uid"), "state": "CANCELED"} for one in open_]
    return {"order": told}


async def _changed(order: Order, delivery: Delivery, found: Node, http: Http) -> Json | None:
    """The sparse order and what to clear, or None where nothing differs or the order is not ours to price."""
    if not _is_ours(order, delivery, found):
        return None
    made = await _priced(order, delivery, found.need("location_id"), http)
    wanted = made.parts()
    told: Json = {}
    clear: list[str] = []
    for name in _LISTS:
        there = {one.text("uid") or "" for one in found.nodes(name)}
        parts: list[Json] = wanted.get(name, [])
        fresh = [part for part in parts if part["uid"] not in there]
        if fresh:
            told[name] = fresh
        gone = there - {str(part["uid"]) for part in parts}
        clear += [f"{name}[{uid}]" for uid in sorted(gone) if uid.startswith(_OURS)]
    if not told and not clear:
        return None
    body: Json = {"order": told}
    if clear:
        body["fields_to_clear"] = clear
    return body


def _is_ours(order: Order, delivery: Delivery, found: Node) -> bool:
    id_ = ours(found.text("reference_id"))
    return id_ is not None and id_ == (order.id or delivery.event.subject)
