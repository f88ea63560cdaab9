"""A canonical order as an order of Square's: lines, taxes, discounts, charges, and what makes the total come out.

Square computes every sum itself, and its taxes are percentages only, rounded half to even. So a total is made exact in
three steps, with Square's own calculation (`/v2/orders/calculate`) as the judge between them: first as Square means
it, taxes as percentages; then, where that charges too much and taxes come on top, taxes as charges of their exact
amounts; last, a charge or a discount named "Rounding" (or "Adjustment", when it is more than rounding) of the rest.
Each part's `uid` holds a digest of its content: a part with the same uid is the same, a changed one replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b

from omnibridge.connector import json_bytes
from omnibridge.errors import Permanent
from omnibridge.model import Money, Order, OrderLine, Ref, TaxLine, minor_digits
from omnibridge_square.wire import Json

__all__ = ["Draft", "draft", "settle", "slack", "unit_name"]


_UNITS = {
    "kg": ("weight_unit", "METRIC_KILOGRAM"),
    "g": ("weight_unit", "METRIC_GRAM"),
    "mg": ("weight_unit", "METRIC_MILLIGRAM"),
    "lb": ("weight_unit", "IMPERIAL_POUND"),
    "oz": ("weight_unit", "IMPERIAL_WEIGHT_OUNCE"),
    "m": ("length_unit", "METRIC_METER"),
    "cm": ("length_unit", "METRIC_CENTIMETER"),
    "mm": ("length_unit", "METRIC_MILLIMETER"),
    "m2": ("area_unit", "METRIC_SQUARE_METER"),
    "l": ("volume_unit", "METRIC_LITER"),
    "ml": ("volume_unit", "METRIC_MILLILITER"),
}
_TYPES = {
    "weight_unit": "TYPE_WEIGHT",
    "length_unit": "TYPE_LENGTH",
    "area_unit": "TYPE_AREA",
    "volume_unit": "TYPE_VOLUME",
}


def unit_name(unit: str) -> tuple[str, str] | None:
    """Square's field and word for a canonical unit, or None for one it has no word for."""
    return _UNITS.get(unit)


@dataclass(slots=True)
class Draft:
    """The parts of an order that make up its price."""

    currency: str
    lines: list[Json] = field(default_factory=list[Json])
    taxes: dict[str, Json] = field(default_factory=dict[str, Json])
    discounts: list[Json] = field(default_factory=list[Json])
    charges: list[Json] = field(default_factory=list[Json])

    def parts(self) -> Json:
        """The fields of an order; empty lists are left out."""
        told = {
            "line_items": self.lines,
            "taxes": list(self.taxes.values()),
            "discounts": self.discounts,
            "service_charges": self.charges,
        }
        return {name: value for name, value in told.items() if value}

    def money(self, amount: Money) -> Json:
        """An amount in minor units. Raises Permanent for another currency than the order's."""
        if amount.currency != self.currency:
            what = f"an order in {self.currency} with an amount in {amount.currency}"
            raise Permanent(what, code="CURRENCY_MISMATCH")
        return {"amount": amount.rounded().to_minor(), "currency": self.currency}

    def tax(self, line: TaxLine, included: bool) -> Json | None:
        """Adds a percentage tax, once, and gives the reference that applies it; None for one without a rate."""
        percentage = _percentage(line.rate)
        if percentage is None:
            return None
        told: Json = {
            "name": (line.title or "Tax")[:255],
            "percentage": percentage,
            "type": "INCLUSIVE" if included else "ADDITIVE",
            "scope": "LINE_ITEM",
        }
        uid = _uid("tax", told)
        self.taxes[uid] = {"uid": uid, **told}
        return {"tax_uid": uid}

    def discount(
        self, amount: Money, title: str, *, scope: str = "ORDER", place: int = 0, word: str = "discount"
    ) -> str:
        """Adds a discount of a fixed amount and gives its uid."""
        told: Json = {"name": title[:255], "type": "FIXED_AMOUNT", "amount_money": self.money(amount), "scope": scope}
        uid = _uid(word, {**told, "place": place})
        self.discounts.append({"uid": uid, **told})
        return uid

    def charge(self, word: str, title: str, amount: Money, taxes: list[Json] | None = None, place: int = 0) -> None:
        """Adds a charge of a fixed amount: before taxes when some apply, else after everything."""
        told: Json = {
            "name": title[:512],
            "amount_money": self.money(amount),
            "calculation_phase": "SUBTOTAL_PHASE" if taxes else "TOTAL_PHASE",
            "taxable": bool(taxes),
        }
        if taxes:
            told["applied_taxes"] = taxes
        self.charges.append({"uid": _uid(word, {**told, "place": place}), **told})


def _uid(word: str, content: Json) -> str:
    return f"{word}-{blake2b(json_bytes(content), digest_size=6).hexdigest()}"


def _percentage(rate: Decimal | None) -> str | None:
    if rate is None:
        return None
    text = format((rate * 100).normalize(), "f")
    return text if len(text) <= 10 and rate >= 0 else None


def slack(order: Order) -> Decimal:
    """How much of a difference is rounding: a minor unit a line, and half of one for each piece of an uneven price."""
    unit = Decimal(1).scaleb(-minor_digits(order.currency))
    uneven = sum((abs(one.quantity) for one in order.lines if one.unit_price.rounded() != one.unit_price), Decimal(0))
    return unit * (max(1, 2 * len(order.lines) + len(order.shipping)) + uneven / 2)


def draft(order: Order, variants: dict[str, str], *, exact: bool) -> Draft:
    """The order's parts. `variants` maps canonical variant ids to catalogue object ids.

    `exact` writes taxes that come on top as charges of their amounts. Raises Permanent for what Square cannot hold.
    """
    made = Draft(order.currency)
    on_top = exact and not order.taxes_included
    for place, line in enumerate(order.lines, 1):
        _line(made, line, place, variants, order, on_top)
    for place, off in enumerate(order.discounts, 1):
        if off.amount.rounded().amount > 0:
            made.discount(off.amount, off.title or off.code or "Discount", place=place)
    for place, way in enumerate(order.shipping, 1):
        net = way.price - Money.total((one.amount for one in way.discounts), way.price.currency)
        if net.rounded().amount > 0:
            taxes = [] if on_top else _applied(made, way.taxes, order.taxes_included)
            made.charge("shipping", way.title or "Shipping", net, taxes, place)
    if on_top:
        for place, (title, amount) in enumerate(_tax_amounts(order), 1):
            made.charge("tax", title, amount, place=place)
    for word, title, amount in (
        ("tip", "Tip", order.totals.tip),
        ("duties", "Duties", order.totals.duties),
        ("fees", "Fees", order.totals.fees),
    ):
        if amount is not None and amount.rounded().amount > 0:
            made.charge(word, title, amount)
    return made


def _line(made: Draft, line: OrderLine, place: int, variants: dict[str, str], order: Order, on_top: bool) -> None:
    left = line.quantity - line.cancelled
    if left <= 0:
        return
    price = line.unit_price.rounded()
    if price.amount < 0:
        made.discount(-(line.unit_price * left).rounded(), line.title or "Credit", place=place)
        return
    told: Json = {
        "name": (line.title or line.sku or "Item")[:512],
        "item_type": "GIFT_CARD" if line.gift_card else "ITEM",
        "base_price_money": made.money(price),
        **_quantity(left, line.unit),
    }
    variant = _variant(line.variant, variants)
    if variant is not None:
        told["catalog_object_id"] = variant
    if line.note:
        told["note"] = line.note[:2000]
    if not on_top:
        applied = _applied(made, line.taxes or _whole_order(order), order.taxes_included)
        if applied:
            told["applied_taxes"] = applied
    off = Money.total((one.amount for one in line.discounts), line.unit_price.currency).rounded()
    if off.amount > 0:
        titles = ", ".join(dict.fromkeys(one.title or one.code or "Discount" for one in line.discounts))
        uid = made.discount(off, titles, scope="LINE_ITEM", place=place)
        told["applied_discounts"] = [{"discount_uid": uid}]
    made.lines.append({"uid": _uid("line", {**told, "place": place}), **told})


def _whole_order(order: Order) -> tuple[TaxLine, ...]:
    """The order's taxes for its lines, where no line names any of its own."""
    return () if any(one.taxes for one in (*order.lines, *order.shipping)) else order.taxes


def _variant(ref: Ref | None, variants: dict[str, str]) -> str | None:
    return variants.get(ref.id) if ref is not None and ref.id is not None else None


def _applied(made: Draft, taxes: Iterable[TaxLine], included: bool) -> list[Json]:
    found = [made.tax(one, included) for one in taxes]
    return [one for index, one in enumerate(found) if one is not None and one not in found[:index]]


def _quantity(quantity: Decimal, unit: str) -> Json:
    """A quantity of at most twelve characters; one that is measured, or no whole number, names its unit."""
    text = format(quantity.normalize(), "f")
    digits = max(0, -int(quantity.normalize().as_tuple().exponent))
    if len(text) > 12 or digits > 5:
        raise Permanent(f"Square takes quantities of 12 characters with 5 digits after the point, not {text}")
    if unit == "each" and not digits:
        return {"quantity": text}
    known = _UNITS.get(unit)
    measure: Json = (
        {known[0]: known[1], "type": _TYPES[known[0]]}
        if known is not None
        else {"custom_unit": {"name": unit[:100], "abbreviation": unit[:12]}, "type": "TYPE_CUSTOM"}
    )
    return {"quantity": text, "quantity_unit": {"measurement_unit": measure, "precision": digits}}


def _tax_amounts(order: Order) -> list[tuple[str, Money]]:
    """Each tax with its whole amount, in whole minor units; what the parts do not explain of the sum comes last."""
    taxes = order.taxes or tuple(tax for part in (*order.lines, *order.shipping) for tax in part.taxes)
    sums: dict[str, Money] = {}
    for tax in taxes:
        title = tax.title or "Tax"
        sums[title] = sums[title] + tax.amount if title in sums else tax.amount
    rounded = [(title, amount.rounded()) for title, amount in sums.items() if amount.rounded().amount > 0]
    if not rounded and order.totals.tax is not None and order.totals.tax.rounded().amount > 0:
        rounded = [("Tax", order.totals.tax.rounded())]
    return rounded


def settle(made: Draft, order: Order, calculated: int) -> bool:
    """Adds what is missing to the total, in minor units as Square calculated it, and says whether that could be done.

    Too little becomes a charge after everything. Too much becomes a discount, unless taxes come on top: a discount
    would lower them too, so then nothing is added and the order is to be drafted exactly.
    """
    wanted = order.totals.total.rounded().to_minor()
    missing = Money.from_minor(abs(wanted - calculated), order.currency)
    if not missing:
        return True
    title = "Rounding" if missing.amount <= slack(order) else "Adjustment"
    if wanted > calculated:
        made.charge("rounding", title, missing)
        return True
    if any(tax["type"] == "ADDITIVE" for tax in made.taxes.values()):
        return False
    if missing.to_minor() > _discountable(made):
        raise Permanent(
            f"the order's parts come to more than its total by {missing}, and no line bears such a discount",
            code="TOTAL_MISMATCH",
        )
    made.discount(missing, title, word="rounding")
    return True


def _discountable(made: Draft) -> int:
    """What the lines still bear in discounts, in minor units."""
    gross = Decimal(0)
    for line in made.lines:
        gross += Decimal(str(line["quantity"])) * int(line["base_price_money"]["amount"])
    off = sum(int(one["amount_money"]["amount"]) for one in made.discounts)
    return int(gross.to_integral_value(ROUND_HALF_UP)) - off
