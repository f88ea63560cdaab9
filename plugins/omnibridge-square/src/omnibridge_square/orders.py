"""Square's orders as canonical snapshots: the order, its fulfilments, and the returns that it holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from omnibridge.connector import Snapshot
from omnibridge.model import (
    Discount,
    Fulfilment,
    FulfilmentLine,
    FulfilmentMethod,
    FulfilmentState,
    FulfilmentStatus,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    OrderTotals,
    PaymentStatus,
    Return,
    ReturnLine,
    ReturnState,
    ShippingLine,
    TaxLine,
    email_or_none,
    phone_or_none,
)
from omnibridge_square.entities import address, link, reference
from omnibridge_square.wire import Fields, Node

__all__ = ["fulfilment_id", "order"]

_STATES = {
    "OPEN": OrderStatus.OPEN,
    "COMPLETED": OrderStatus.COMPLETED,
    "CANCELED": OrderStatus.CANCELLED,
    "DRAFT": OrderStatus.DRAFT,
}
_METHODS = {
    "PICKUP": FulfilmentMethod.PICKUP,
    "SHIPMENT": FulfilmentMethod.SHIP,
    "DELIVERY": FulfilmentMethod.SHIP,
    "DIGITAL": FulfilmentMethod.DIGITAL,
}
_MOVES = {
    "PROPOSED": FulfilmentState.PROPOSED,
    "RESERVED": FulfilmentState.ACCEPTED,
    "PREPARED": FulfilmentState.READY,
    "COMPLETED": FulfilmentState.COMPLETED,
    "CANCELED": FulfilmentState.CANCELLED,
    "FAILED": FulfilmentState.FAILED,
}
_DETAILS = {"PICKUP": "pickup_details", "SHIPMENT": "shipment_details", "DELIVERY": "delivery_details"}


def fulfilment_id(order_id: str, uid: str) -> str:
    """The external id of a fulfilment: Square's uid is unique within its order only."""
    return f"{order_id}:{uid}"


def order(node: Node, region: str | None = None) -> list[Snapshot]:
    """An order of the Orders API with its fulfilments and returns, all at the order's version.

    `version` counts changes; orders from the till have none and cannot be changed (Square, Orders API reference), so
    there the time of the last change stands for it.
    """
    id_ = node.need("id")
    counter, place = node.whole("version"), node.text("location_id")
    fields: Fields = {}
    for theirs, name in (("created_at", "placed_at"), ("updated_at", "updated_at"), ("closed_at", "closed_at")):
        if node.has(theirs):
            fields[name] = node.instant(theirs)
    version: int | datetime | None = counter if counter is not None else fields.get("updated_at")
    if place:
        fields["location"] = link("location", place)
    if node.has("customer_id"):
        fields["buyer"] = link("customer", node.text("customer_id"))
    own = reference(node)
    source = node.node("source")
    if source is not None and source.has("name"):
        fields["sales_channel"] = source.text("name")
    state = node.text("state")
    if state is not None:
        fields["status"], fields["status_raw"] = _STATES.get(state, OrderStatus.OTHER), state
    if state == "CANCELED" and fields.get("closed_at"):
        fields["cancelled_at"] = fields["closed_at"]
    total = node.money("total_money")
    if total is not None:
        fields["currency"] = total.currency
        _lines(node, fields)
        _totals(node, fields, total)
    moves = [_fulfilment(one, id_, place, version, fields) for one in node.nodes("fulfillments")]
    goods = [_return(one, id_, version, fields) for one in node.nodes("returns")]
    _recipient(node, fields, region)
    if node.has("fulfillments") or state == "COMPLETED":
        fields["fulfilment_status"] = _sent(moves, state)
    metadata = node.node("metadata")
    custom = {key: metadata.text(key) for key in sorted(metadata.rest())} if metadata is not None else {}
    rest = node.rest()
    if rest:
        fields["vendor"] = rest
    return [Snapshot(Order(**fields), id_, version, custom=custom, ours=own), *moves, *goods]


def _lines(node: Node, fields: Fields) -> None:
    taxes = {one.text("uid"): one for one in node.nodes("taxes")}
    names = {one.text("uid"): one.text("name") for one in node.nodes("discounts")}
    if node.has("line_items"):
        fields["lines"] = tuple(_line(one, taxes, names) for one in node.nodes("line_items"))
    if taxes:
        kinds = {one.text("type") for one in taxes.values()}
        fields["taxes_included"] = kinds == {"INCLUSIVE"}
        for one in taxes.values():
            one.leave("type")
        fields["taxes"] = tuple(
            _tax(one, amount) for one in taxes.values() if (amount := one.money("applied_money")) is not None
        )


def _tax(node: Node, amount: Money) -> TaxLine:
    told: Fields = {"amount": amount}
    name, percentage = node.text("name"), node.decimal("percentage")
    if name is not None:
        told["title"] = name
    if percentage is not None:
        told["rate"] = percentage / 100
    return TaxLine(**told)


def _line(node: Node, taxes: dict[str | None, Node], names: dict[str | None, str | None]) -> OrderLine:
    quantity = node.decimal("quantity")
    base = node.money("base_price_money")
    currency = _currency(node)
    price = base if base is not None else Money.zero(currency)
    properties: dict[str, str] = {}
    for extra in node.nodes("modifiers"):
        cost, times = extra.money("base_price_money"), extra.decimal("quantity")
        if cost is not None:
            price += cost * (times if times is not None else Decimal(1))
        name = extra.text("name")
        if name:
            properties[name] = "1" if times is None else str(times)
    variation = node.text("variation_name")
    if variation:
        properties["variation_name"] = variation
    told: Fields = {"quantity": quantity if quantity is not None else Decimal(0), "unit_price": price}
    for theirs, name in (("uid", "external_id"), ("name", "title"), ("note", "note")):
        if node.has(theirs):
            told[name] = node.text(theirs)
    if node.has("catalog_object_id"):
        told["variant"] = link("variant", node.text("catalog_object_id"))
    if node.has("item_type"):
        told["gift_card"] = node.text("item_type") == "GIFT_CARD"
        node.leave("item_type")
    unit = _unit(node)
    if unit is not None:
        told["unit"] = unit
    if properties:
        told["properties"] = properties
    told["discounts"] = tuple(_discounts(node, names))
    told["taxes"] = tuple(_line_taxes(node, taxes))
    return OrderLine(**told)


def _currency(node: Node) -> str:
    for key in ("base_price_money", "total_money", "gross_sales_money"):
        found = node.money(key)
        node.leave(key)
        if found is not None:
            return found.currency
    return "XXX"  # ISO 4217 for a transaction without money: a line that tells of none


def _unit(node: Node) -> str | None:
    told = node.node("quantity_unit")
    measure = told.node("measurement_unit") if told is not None else None
    if measure is None:
        return None
    own = measure.node("custom_unit")
    if own is not None:
        return own.text("abbreviation") or own.text("name")
    for key in ("weight_unit", "length_unit", "area_unit", "volume_unit", "time_unit", "generic_unit"):
        if measure.has(key):
            raw = measure.text(key) or ""
            return _UNITS.get(raw, raw.lower() or None)
    return None


_UNITS = {
    "METRIC_KILOGRAM": "kg",
    "METRIC_GRAM": "g",
    "METRIC_MILLIGRAM": "mg",
    "METRIC_METER": "m",
    "METRIC_CENTIMETER": "cm",
    "METRIC_MILLIMETER": "mm",
    "METRIC_SQUARE_METER": "m2",
    "METRIC_LITER": "l",
    "METRIC_MILLILITER": "ml",
    "IMPERIAL_POUND": "lb",
    "IMPERIAL_WEIGHT_OUNCE": "oz",
    "UNIT": "each",
}


def _discounts(node: Node, names: dict[str | None, str | None]) -> Iterable[Discount]:
    for applied in node.nodes("applied_discounts"):
        amount, name = applied.money("applied_money"), names.get(applied.text("discount_uid"))
        if amount is not None:
            yield Discount(amount=amount, title=name) if name else Discount(amount=amount)


def _line_taxes(node: Node, taxes: dict[str | None, Node]) -> Iterable[TaxLine]:
    for applied in node.nodes("applied_taxes"):
        amount, tax = applied.money("applied_money"), taxes.get(applied.text("tax_uid"))
        if amount is not None:
            yield _tax(tax, amount) if tax is not None else TaxLine(amount=amount)


def _totals(node: Node, fields: Fields, total: Money) -> None:
    """Square's sums. Charges that this connector made for carriage, tips and rounding are known by their uid."""
    sums: Fields = {"total": total}
    for theirs, name in (
        ("total_discount_money", "discount"),
        ("total_tax_money", "tax"),
        ("total_tip_money", "tip"),
        ("net_amount_due_money", "outstanding"),
    ):
        amount = node.money(theirs)
        if amount is not None:
            sums[name] = amount
    shipping: list[ShippingLine] = []
    for charge in node.nodes("service_charges"):
        uid, amount = charge.text("uid") or "", charge.money("applied_money") or charge.money("amount_money")
        charge.leave("uid")
        if amount is None:
            continue
        if uid.startswith("shipping-"):
            title = charge.text("name")
            shipping.append(ShippingLine(price=amount, title=title) if title else ShippingLine(price=amount))
            continue
        charge.leave("name")
        tip = uid.startswith("tip-") or charge.text("type") == "AUTO_GRATUITY"
        charge.leave("type")
        part = (
            "tip" if tip else {"rounding": "rounding", "duties": "duties", "tax": "tax"}.get(uid.split("-")[0], "fees")
        )
        sums[part] = sums[part] + amount if part in sums else amount
    if shipping:
        fields["shipping"] = tuple(shipping)
        sums["shipping"] = Money.total((line.price for line in shipping), total.currency)
    coin = node.node("rounding_adjustment")
    rounded = coin.money("amount_money") if coin is not None else None
    if rounded is not None:
        sums["rounding"] = sums["rounding"] + rounded if "rounding" in sums else rounded
    back = node.node("return_amounts")
    returned = back.money("total_money") if back is not None else None
    if returned is not None:
        sums["refunded"] = returned
    fields["totals"] = OrderTotals(**sums)
    outstanding: Money | None = sums.get("outstanding")
    if outstanding is not None:
        fields["payment_status"] = _paid(total, outstanding, returned)


def _paid(total: Money, outstanding: Money, returned: Money | None) -> PaymentStatus:
    if outstanding.amount > 0:
        return PaymentStatus.PARTIALLY_PAID if outstanding.amount < total.amount else PaymentStatus.UNPAID
    if returned is not None and returned.amount > 0:
        return PaymentStatus.REFUNDED if returned.amount >= total.amount else PaymentStatus.PARTIALLY_REFUNDED
    return PaymentStatus.PAID


def _fulfilment(node: Node, order_id: str, place: str | None, version: int | datetime | None, told: Fields) -> Snapshot:
    uid, kind, state = node.need("uid"), node.text("type"), node.text("state")
    fields: Fields = {"order": link("order", order_id)}
    if kind is not None:
        fields["method"] = _METHODS.get(kind, FulfilmentMethod.OTHER)
        if kind in ("DELIVERY",) or kind not in _METHODS:
            fields["vendor"] = {"type": kind}
    if state is not None:
        fields["state"], fields["state_raw"] = _MOVES.get(state, FulfilmentState.OTHER), state
    if place:
        fields["location"] = link("location", place)
    lines: tuple[OrderLine, ...] = told.get("lines", ())
    if node.has("entries"):
        fields["lines"] = tuple(
            FulfilmentLine(line_external_id=one.need("line_item_uid"), quantity=one.decimal("quantity") or Decimal(0))
            for one in node.nodes("entries")
        )
    elif lines:
        fields["lines"] = tuple(
            FulfilmentLine(line_external_id=one.external_id, quantity=one.quantity) for one in lines
        )
    details = node.node(_DETAILS.get(kind or "", "details"))
    if details is not None:
        _details(details, fields)
    if told.get("updated_at"):
        fields["updated_at"] = told["updated_at"]
    return Snapshot(Fulfilment(**fields), fulfilment_id(order_id, uid), version)


def _details(node: Node, fields: Fields) -> None:
    if node.has("pickup_at"):
        fields["pickup_at"] = node.instant("pickup_at")
    if node.has("placed_at"):
        fields["created_at"] = node.instant("placed_at")
    carrier = node.text("carrier") or node.text("courier_provider_name")
    if carrier:
        fields["carrier"] = carrier
    for theirs, name in (("tracking_number", "tracking_numbers"), ("tracking_url", "tracking_urls")):
        value = node.text(theirs)
        if value:
            fields[name] = (value,)
    recipient = node.node("recipient")
    home = recipient.node("address") if recipient is not None else None
    if recipient is not None and home is not None:
        where = address(home)
        named = recipient.text("display_name")
        fields["destination"] = where.model_copy(update={"name": named}) if named and not where.name else where


def _recipient(node: Node, fields: Fields, region: str | None) -> None:
    """Who collects or gets the goods: how to reach a guest, and where the goods go."""
    for one in node.nodes("fulfillments"):
        kind = one.text("type") or ""
        details = one.node(_DETAILS.get(kind, "details"))
        recipient = details.node("recipient") if details is not None else None
        if recipient is None:
            continue
        email = email_or_none(recipient.text("email_address"))
        phone = phone_or_none(recipient.text("phone_number"), region)
        for key in ("email_address", "phone_number", "display_name"):
            recipient.leave(key)
        if email:
            fields.setdefault("buyer_email", email)
        if phone:
            fields.setdefault("buyer_phone", phone)
        guest = recipient.text("customer_id")
        if guest and "buyer" not in fields:
            fields["buyer"] = link("customer", guest)
        home = recipient.node("address")
        if home is not None and kind != "PICKUP":
            fields.setdefault("shipping_address", address(home))


def _sent(moves: list[Snapshot], state: str | None) -> FulfilmentStatus:
    entities = [move.entity for move in moves if isinstance(move.entity, Fulfilment)]
    stopped = (FulfilmentState.CANCELLED, FulfilmentState.FAILED)
    open_ = [one.state for one in entities if one.state not in stopped]
    done = [one for one in open_ if one is FulfilmentState.COMPLETED]
    if state == "COMPLETED" and not open_:
        return FulfilmentStatus.FULFILLED  # handed over at the till, without a fulfilment of its own
    if not done:
        return FulfilmentStatus.UNFULFILLED
    return FulfilmentStatus.FULFILLED if len(done) == len(open_) else FulfilmentStatus.PARTIAL


def _return(node: Node, order_id: str, version: int | datetime | None, told: Fields) -> Snapshot:
    """Goods that came back. Square makes a return when money and goods have changed hands, so it is received."""
    uid = node.need("uid")
    source = node.text("source_order_id")
    fields: Fields = {
        "order": link("order", source or order_id),
        "state": ReturnState.RECEIVED,
        "lines": tuple(_return_line(one) for one in node.nodes("return_line_items")),
    }
    if told.get("location"):
        fields["location"] = told["location"]
    if told.get("updated_at"):
        fields["updated_at"] = told["updated_at"]
    return Snapshot(Return(**fields), fulfilment_id(order_id, uid), version)


def _return_line(node: Node) -> ReturnLine:
    told: Fields = {"quantity": node.decimal("quantity") or Decimal(0)}
    source = node.text("source_line_item_uid")
    if source is not None:
        told["line_external_id"] = source
    for theirs, name in (("total_money", "amount"), ("total_tax_money", "tax")):
        amount = node.money(theirs)
        if amount is not None:
            told[name] = amount
    if node.has("note"):
        told["reason"] = node.text("note")
    return ReturnLine(**told)
