"""An order as lines of a Tryton sale, so that the sale comes to what the customer was charged.

A line's price is what is left after its discounts, spread over its quantity. Where a rate is matched with a tax of
Tryton, or named in `taxes`, the line is booked without that tax and Tryton computes it; any other tax stays inside the
price or becomes a line of its own. Carriage, discounts on the whole order, tips, duties, fees and till rounding are
lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from omnibridge.connector import Delivery
from omnibridge.errors import Permanent
from omnibridge.model import Money, Order, OrderLine, ShippingLine, TaxLine
from omnibridge_tryton.rows import SellableRow
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.taxes import booked

__all__ = ["Item", "adjustment", "codes", "itemise", "quantity_of", "sale_lines", "taxed"]


@dataclass(frozen=True, slots=True)
class Item:
    """One line to be: `amount` is the whole line's, without the taxes of `rates` (as words)."""

    role: str  # "goods", "shipping" or "adjustment"
    title: str
    amount: Decimal
    quantity: Decimal = Decimal(1)
    sku: str | None = None
    note: str | None = None
    rates: tuple[str, ...] = ()


def _amount(money: Money | None, currency: str) -> Decimal:
    if money is None:
        return Decimal(0)
    if money.currency != currency:
        raise Permanent(
            f"an amount in {money.currency} stands in an order in {currency}",
            code="currency",
            remedy="a sale in Tryton has one currency; send orders in one",
        )
    return money.amount


def _net(
    settings: TrytonSettings, order: Order, charged: Money, taxes: Sequence[TaxLine], delivery: Delivery
) -> tuple[Decimal, tuple[str, ...], Decimal]:
    """What is booked for something charged, the rates of what Tryton will add, and how much that is."""
    amount = _amount(charged, order.currency)
    computed = booked(settings, taxes, delivery)
    added = sum((_amount(tax.amount, order.currency) for _, tax in computed), Decimal(0))
    if order.taxes_included:
        amount -= added
    return amount, tuple(rate for rate, _ in computed), added


def _goods(settings: TrytonSettings, order: Order, line: OrderLine, delivery: Delivery) -> tuple[Item | None, Decimal]:
    left = line.quantity - line.cancelled
    if not line.quantity or not left:
        return None, Decimal(0)
    amount, rates, added = _net(settings, order, line.discounted, line.taxes, delivery)
    share = left / line.quantity
    title = line.title or line.sku or "Goods"
    return Item("goods", title, amount * share, left, line.sku, line.note, rates), added * share


def _carriage(settings: TrytonSettings, order: Order, line: ShippingLine, delivery: Delivery) -> tuple[Item, Decimal]:
    charged = line.price - Money.total((off.amount for off in line.discounts), line.price.currency)
    amount, rates, added = _net(settings, order, charged, line.taxes, delivery)
    return Item("shipping", line.title or "Shipping", amount, rates=rates), added


def itemise(settings: TrytonSettings, order: Order, delivery: Delivery) -> list[Item]:
    """Everything that an order charges for, in the order's currency; lines that come to nothing are left out, goods
    that cost nothing are not.

    Raises Permanent for a second currency, and for a tax rate that is neither matched nor named.
    """
    currency, totals = order.currency, order.totals
    items: list[Item] = []
    taxed = Decimal(0)
    try:
        for line in order.lines:
            item, added = _goods(settings, order, line, delivery)
            taxed += added
            if item is not None:
                items.append(item)
        for part in order.shipping:
            item, added = _carriage(settings, order, part, delivery)
            taxed += added
            items.append(item)
    except ValueError as error:  # two currencies within one line
        raise Permanent(str(error), code="currency", remedy="a sale in Tryton has one currency") from None
    if not order.shipping:
        items.append(Item("shipping", "Shipping", _amount(totals.shipping, currency)))
    for off in order.discounts:
        items.append(Item("adjustment", off.title or off.code or "Discount", -_amount(off.amount, currency)))
    if not order.taxes_included:
        items.append(Item("adjustment", "Tax", _tax(order) - taxed))
    for title, extra in (
        ("Tip", totals.tip),
        ("Duties", totals.duties),
        ("Fees", totals.fees),
        ("Rounding", totals.rounding),
    ):
        items.append(Item("adjustment", title, _amount(extra, currency)))
    return [item for item in items if item.role == "goods" or item.amount]


def _tax(order: Order) -> Decimal:
    """All the tax that comes on top of an order's prices."""
    if order.totals.tax is not None:
        return _amount(order.totals.tax, order.currency)
    parts = order.taxes or tuple(tax for part in (*order.lines, *order.shipping) for tax in part.taxes)
    return sum((_amount(tax.amount, order.currency) for tax in parts), Decimal(0))


def codes(settings: TrytonSettings, items: Iterable[Item]) -> list[str]:
    """The codes of all products that may be needed for `items`."""
    wanted = {settings.fallback_product, settings.shipping_product, settings.adjustment_product}
    wanted |= {item.sku for item in items}
    return sorted(code for code in wanted if code)


def _product(settings: TrytonSettings, item: Item, products: Mapping[str, SellableRow]) -> SellableRow | None:
    by_role = {"goods": item.sku, "shipping": settings.shipping_product, "adjustment": settings.adjustment_product}
    return products.get(by_role[item.role] or "") or products.get(settings.fallback_product or "")


def _nowhere(item: Item) -> Permanent:
    remedy = f"name a `{item.role}_product`, or a `fallback_product`"
    return Permanent(f"there is no product in Tryton for {item.title!r}", code="product", remedy=remedy)


def _unmatched(item: Item, delivery: Delivery) -> Permanent:
    what = f"the SKU {item.sku!r}" if item.sku else f"{item.title!r}, which has no SKU,"
    remedy = "give a product in Tryton that code, or name a `fallback_product`"
    return delivery.unmatched("variant", what, remedy=remedy)


def quantity_of(quantity: Decimal) -> float:
    """A quantity as Tryton keeps it: a float. It has few digits, so that the shortest text of the float is exact."""
    return float(quantity)


def taxed(taxes: Sequence[int]) -> dict[str, object]:
    """The value that puts taxes, by Tryton's ids, on a line."""
    return {"taxes": [["add", list(taxes)]]} if taxes else {}


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _values(settings: TrytonSettings, item: Item, product: SellableRow, taxes: Mapping[str, int]) -> dict[str, object]:
    unit = product.sale_uom
    quantity, title = item.quantity, item.title
    if item.role == "goods" and product.code != item.sku and item.sku:
        title = f"{item.sku} {title}"
    if unit is not None and unit.digits is not None and _decimals(quantity) > unit.digits:
        title, quantity = f"{format(quantity.normalize(), 'f')} × {title}", Decimal(1)
    price = (item.amount / quantity).quantize(Decimal(1).scaleb(-settings.price_digits), ROUND_HALF_EVEN)
    values: dict[str, object] = {
        "type": "line",
        "product": product.id,
        "description": title,
        "quantity": quantity_of(quantity),
        "unit": unit.id if unit is not None else None,
        "unit_price": price,
    }
    if item.note:
        values["note"] = item.note
    return {**values, **taxed([taxes[key] for key in item.rates])}


def sale_lines(
    settings: TrytonSettings,
    items: Sequence[Item],
    products: Mapping[str, SellableRow],
    taxes: Mapping[str, int],
    delivery: Delivery,
) -> list[dict[str, object]]:
    """The lines' values. `products` are by code, `taxes` Tryton's ids by rate.

    An unknown SKU is booked on the fallback product with the SKU in its description; a quantity finer than the unit
    allows becomes one piece at the whole line's price. Raises Permanent where there is no product to book on.
    """
    lines: list[dict[str, object]] = []
    for item in items:
        product = _product(settings, item, products)
        if product is None:
            raise _unmatched(item, delivery) if item.role == "goods" else _nowhere(item)
        lines.append(_values(settings, item, product, taxes))
    return lines


def adjustment(
    settings: TrytonSettings,
    title: str,
    amount: Decimal,
    products: Mapping[str, SellableRow],
    *,
    back: bool = False,
    taxes: Sequence[int] = (),
) -> dict[str, object]:
    """A line of its own, such as the one that makes a sale come to the cent; `back`: one piece less, as in a return.

    Raises Permanent where there is no product to book it on.
    """
    item = Item("adjustment", title, amount, Decimal(-1 if back else 1))
    product = _product(settings, item, products)
    if product is None:
        raise _nowhere(item)
    return {**_values(settings, item, product, {}), **taxed(taxes)}
