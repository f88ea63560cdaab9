"""How the sandbox prices orders: Square's documented order of discounts, charges and taxes, rounded half to even."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from omnibridge_square.wire import Json, Node

__all__ = ["Refusal", "apply_sparse", "invalid", "price"]

Coin = Callable[[int], Json]
"""Writes minor units as money of the order's currency."""


class Refusal(Exception):
    """An answer with an error of Square's."""

    def __init__(self, status: int, category: str, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.error: Json = {"category": category, "code": code, "detail": detail}
        if field is not None:
            self.error["field"] = field


def invalid(code: str, detail: str, field: str | None = None, status: int = 400) -> Refusal:
    """A refusal of the request."""
    return Refusal(status, "INVALID_REQUEST_ERROR", code, detail, field)


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def _spread(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` over the weights, whole, in proportion, summing up exactly."""
    total = sum(weights)
    if total <= 0:
        return [0 for _ in weights]
    shares = [amount * weight // total for weight in weights]
    left = amount - sum(shares)
    order = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % total), index))
    for index in order[:left]:
        shares[index] += 1
    return shares


def price(order: Json) -> None:
    """Fills in every computed amount of an order. Raises Refusal for parts that do not fit together."""
    lines: list[Json] = order.get("line_items", [])
    charges: list[Json] = order.get("service_charges", [])
    currency = _currency(order)

    def money(amount: int) -> Json:
        return {"amount": amount, "currency": currency}

    net = [_gross(line, order) for line in lines]
    for line, gross in zip(lines, net, strict=True):
        line["gross_sales_money"] = line["variation_total_price_money"] = money(gross)
    off = _discounts(order, lines, net, money)
    taxed, on_top = _taxes(order, lines, charges, net, money)
    for index, line in enumerate(lines):
        line["total_discount_money"] = money(off[index])
        line["total_tax_money"] = money(taxed[index])
        line["total_money"] = money(net[index] + on_top[index])
    for index, charge in enumerate(charges, len(lines)):
        amount = int(charge["amount_money"]["amount"])
        charge["applied_money"] = money(amount)
        charge["total_tax_money"] = money(taxed[index])
        charge["total_money"] = money(amount + on_top[index])
    extra = sum(int(charge["amount_money"]["amount"]) for charge in charges)
    total = sum(net) + sum(on_top) + extra
    order["total_money"] = money(total)
    order["total_tax_money"] = money(sum(taxed))
    order["total_discount_money"] = money(sum(off))
    order["total_tip_money"] = money(0)
    order["total_service_charge_money"] = money(extra)
    paid = sum(int(one["amount_money"]["amount"]) for one in order.get("tenders", []))
    order["net_amount_due_money"] = money(total - paid)


def _currency(order: Json) -> str:
    for part, field in (("line_items", "base_price_money"), ("service_charges", "amount_money")):
        for one in order.get(part, []):
            if field in one:
                return str(one[field]["currency"])
    raise invalid("MISSING_REQUIRED_PARAMETER", "The order needs a line item or a service charge.", "order.line_items")


def _gross(line: Json, order: Json) -> int:
    if "base_price_money" not in line:
        raise invalid("MISSING_REQUIRED_PARAMETER", "Base price is required.", "order.line_items.base_price_money")
    base, quantity = line["base_price_money"], Decimal(str(line["quantity"]))
    if base["currency"] != _currency(order):
        raise invalid("INVALID_VALUE", "All amounts must have one currency.", "order.line_items.base_price_money")
    if int(base["amount"]) < 0:
        raise invalid("VALUE_TOO_LOW", "Must be 0 or more.", "order.line_items.base_price_money.amount")
    if quantity != quantity.to_integral_value() and "quantity_unit" not in line:
        raise invalid("INVALID_VALUE", "A fractional quantity needs a unit.", "order.line_items.quantity")
    return _round(Decimal(int(base["amount"])) * quantity)


def _discounts(order: Json, lines: list[Json], net: list[int], money: Coin) -> list[int]:
    """Takes discounts off `net`, those of lines before those of the order; returns what was taken off each line."""
    off = [0 for _ in lines]
    known = {one["uid"]: one for one in order.get("discounts", [])}
    for one in known.values():
        if int(one["amount_money"]["amount"]) < 0:
            raise invalid("VALUE_TOO_LOW", "Must be 0 or more.", "order.discounts.amount_money.amount")
        one["applied_money"] = money(0)
    for index, line in enumerate(lines):
        mine = [known.get(one["discount_uid"]) for one in line.get("applied_discounts", [])]
        if None in mine:
            raise invalid("INVALID_VALUE", "No such discount.", "order.line_items.applied_discounts.discount_uid")
        line["applied_discounts"] = []
        for one in mine:
            if one is not None and one["scope"] == "LINE_ITEM":
                _take(one, line, index, min(int(one["amount_money"]["amount"]), net[index]), net, off, money)
    for one in known.values():
        if one["scope"] == "ORDER":
            whole = min(int(one["amount_money"]["amount"]), sum(net))
            for index, share in enumerate(_spread(whole, net)):
                _take(one, lines[index], index, share, net, off, money)
    for line in lines:
        if not line["applied_discounts"]:
            del line["applied_discounts"]
    return off


def _take(one: Json, line: Json, index: int, share: int, net: list[int], off: list[int], money: Coin) -> None:
    net[index] -= share
    off[index] += share
    one["applied_money"] = money(one["applied_money"]["amount"] + share)
    uid = f"{one['uid'][:40]}-{index}"
    line["applied_discounts"].append({"uid": uid, "discount_uid": one["uid"], "applied_money": money(share)})


def _taxes(
    order: Json, lines: list[Json], charges: list[Json], net: list[int], money: Coin
) -> tuple[list[int], list[int]]:
    """Each tax on the sum of what it applies to, spread over the parts; returns all taxes, and those on top."""
    parts = [*lines, *charges]
    bases = [*net, *(int(charge["amount_money"]["amount"]) for charge in charges)]
    taxed, on_top = [0 for _ in parts], [0 for _ in parts]
    known = {one["uid"]: one for one in order.get("taxes", [])}
    for part in parts:
        for one in part.get("applied_taxes", []):
            if one["tax_uid"] not in known:
                raise invalid("INVALID_VALUE", "No such tax.", "order.line_items.applied_taxes.tax_uid")
    for uid, tax in known.items():
        mine = [
            index for index, part in enumerate(parts) if any(a["tax_uid"] == uid for a in part.get("applied_taxes", []))
        ]
        rate, base = Decimal(str(tax["percentage"])) / 100, sum(bases[index] for index in mine)
        added = tax["type"] == "ADDITIVE"
        amount = _round(base * rate) if added else _round(base - base / (1 + rate))
        tax["applied_money"] = money(amount)
        for index, share in zip(mine, _spread(amount, [bases[index] for index in mine]), strict=True):
            taxed[index] += share
            on_top[index] += share if added else 0
            for one in parts[index]["applied_taxes"]:
                if one["tax_uid"] == uid:
                    one |= {"uid": f"{uid[:40]}-{index}", "applied_money": money(share)}
    return taxed, on_top


def apply_sparse(order: Json, change: Json, clear: Sequence[str]) -> None:
    """Square's sparse update: `fields_to_clear` first, then lists by `uid`, objects by field, anything else whole."""
    for path in clear:
        name, _, rest = path.partition("[")
        uid = rest.partition("]")[0]
        if rest:
            order[name] = [one for one in order.get(name, []) if one.get("uid") != uid]
        else:
            order.pop(name, None)
    _merge(order, {name: value for name, value in change.items() if name not in ("version", "id")})


def _merge(into: Json, change: Json) -> None:
    for name, value in change.items():
        parts = _objects(value)
        if parts is not None:
            there: list[Json] = into.setdefault(name, [])
            for one in parts:
                old = next((item for item in there if item.get("uid") == one["uid"]), None)
                if old is None:
                    there.append(one)
                else:
                    _merge(old, one)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], change[name])
        else:
            into[name] = value


def _objects(value: object) -> list[Json] | None:
    """The parts of a list of parts with a `uid`, or None for anything else."""
    holder: Json = {"parts": value}
    parts = Node(holder).nodes("parts") if isinstance(value, list) else []
    return [dict(one.raw) for one in parts] if parts and all(one.has("uid") for one in parts) else None
