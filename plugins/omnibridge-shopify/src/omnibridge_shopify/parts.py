"""The small parts that bodies share, as plain values for the models: addresses, money, tags, times, references."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import to_json

from omnibridge.model import Money, Ref, decimal_text, minor_digits
from omnibridge_shopify.wire import AddressIn, AttributeIn, BagIn

__all__ = [
    "Values",
    "address",
    "as_text",
    "attributes",
    "bag",
    "gid",
    "gid_number",
    "money",
    "padded",
    "ref",
    "split_tags",
    "utc",
]

Values = dict[str, object]
"""A model's fields by name, only those that were told."""
_ORDINARY = 20  # digits before the point; nothing that costs more is for sale


def utc(value: datetime | None) -> datetime | None:
    """The same instant in UTC: webhooks write the shop's offset and GraphQL writes Z, and both must read alike."""
    return value.astimezone(UTC) if value is not None else None


def ref(kind: str, id_: int | str | None) -> Ref | None:
    """A reference by Shopify's id, None where there is none. An id of 0 is none either."""
    return _ref(kind, str(id_)) if id_ else None


@lru_cache(maxsize=4096)
def _ref(kind: str, id_: str) -> Ref:  # the same goods are sold again and again
    return Ref(kind=kind, external_id=id_)


def address(body: AddressIn | None) -> Values | None:
    """A postal address. Codes are preferred to names of countries and provinces; an empty text is no text."""
    if body is None:
        return None
    get = body.get
    name = get("name") or " ".join(part for part in (get("first_name"), get("last_name")) if part)
    found: Values = {
        "name": name or None,
        "company": get("company") or None,
        "street": get("address1") or None,
        "street2": get("address2") or None,
        "city": get("city") or None,
        "region": get("province_code") or get("province") or None,
        "postal_code": get("zip") or None,
        "country": get("country_code") or get("country") or None,
        "phone": get("phone") or None,
    }
    return found if any(found.values()) else None


def money(amount: str | Decimal, currency: str) -> Money | Values:
    """An amount for a model. What is none is left to the model to refuse, which says where it stands."""
    if isinstance(amount, str):
        try:
            return Money.of(amount if _usual(amount, currency) else _text(amount, currency), currency)
        except (ValidationError, ArithmeticError):
            pass
    return {"amount": amount, "currency": currency}


def _usual(amount: str, currency: str) -> bool:
    """Whether the text has the digits of its currency, as nearly all have."""
    digits = minor_digits(currency)
    return amount[-digits - 1 : -digits] == "." if digits else "." not in amount


def _text(amount: str, currency: str) -> str:
    return decimal_text(padded(Decimal(amount), currency))


def bag(body: BagIn | None, currency: str) -> Money | Values | None:
    """The shop's side of an amount pair, when it is in `currency`; samples exist where it is not, and mean nothing."""
    shop = body.get("shop_money") if body else None
    if shop is None or shop["currency_code"] != currency:
        return None
    return money(shop["amount"], currency)


def padded(amount: Decimal, currency: str) -> Decimal:
    """An amount with the currency's usual digits, and with more only where they say something.

    Text has them; JSON numbers and GraphQL drop zeros, and GraphQL writes yen with one (`23600.0`).
    """
    digits = minor_digits(currency)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent == -digits or amount.adjusted() >= _ORDINARY:
        return amount
    usual = amount.quantize(Decimal(1).scaleb(-digits))
    return usual if usual == amount else amount


def split_tags(tags: str | None) -> list[str]:
    """Comma-separated tags, in the vendor's order."""
    return [tag for raw in (tags or "").split(",") if (tag := raw.strip())]


def as_text(value: object) -> str:
    """A free value as text: text as it is, nothing as empty text, anything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else to_json(value).decode()


def attributes(items: Sequence[AttributeIn] | None) -> dict[str, str]:
    """Name and value pairs; of a repeated name the last."""
    return {item["name"]: as_text(item.get("value")) for item in items or ()}


def gid_number(id_: str) -> str:
    """The number of a GraphQL id: `gid://shopify/Order/1` and `1` are `1`; a query string is not part of it."""
    return id_.rpartition("/")[2].partition("?")[0]


def gid(kind: str, number: str) -> str:
    """The GraphQL id of a record: `gid("Order", "1")` is `gid://shopify/Order/1`."""
    return f"gid://shopify/{kind}/{number}"
