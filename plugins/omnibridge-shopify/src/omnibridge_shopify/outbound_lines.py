"""Lines that another system names, found among the lines of the shop's order: by what is sold, as ids differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from omnibridge.connector import Delivery
from omnibridge.errors import Permanent
from omnibridge.model import FulfilmentLine, Order, Ref, ReturnLine
from omnibridge_shopify.parts import gid

__all__ = ["order_gid", "wanted", "whole"]


def order_gid(order: Ref | None, delivery: Delivery) -> str:
    """The shop's order. Raises Permanent when it has none."""
    number = delivery.external(order)
    if number is None:
        raise Permanent("the order is not one of this shop's", remedy="let the order reach the shop first, then replay")
    return gid("Order", number)


def whole(quantity: Decimal, unit: str = "pieces") -> int:
    """A count. Raises Permanent for what is none."""
    if quantity != quantity.to_integral_value() or quantity < 0:
        raise Permanent(f"{quantity} {unit}: Shopify counts in whole numbers", code="INVALID_QUANTITY")
    return int(quantity)


def wanted(
    lines: Sequence[FulfilmentLine | ReturnLine], order: Ref | None, delivery: Delivery, there: Iterable[str | None]
) -> Mapping[str, int]:
    """How many of each sku. A line without one is found in the order as it is known. `there` are the order's skus.

    Raises Permanent for a line that the order does not have.
    """
    known = delivery.entity(order)
    names: dict[str, str] = {}
    if isinstance(known, Order):
        names = {line.external_id: line.sku for line in known.lines if line.external_id and line.sku}
    have = set(there)
    found: dict[str, int] = {}
    for line in lines:
        sku = line.sku or names.get(line.line_external_id or "")
        if sku is None or sku not in have:
            what = sku or "this one"
            raise Permanent(f"no line of the order is {what}", code="NO_SUCH_LINE", remedy="match goods by sku")
        found[sku] = found.get(sku, 0) + whole(line.quantity)
    return {sku: count for sku, count in found.items() if count}
