"""The small parts of GraphQL's records in the shapes that webhook bodies give them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.model import decimal_text
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import Values, gid_number, padded

__all__ = [
    "address_body",
    "amount",
    "bag_body",
    "digits",
    "lower",
    "number",
    "pairs",
    "person_body",
    "taxes_body",
]


def lower(value: str | None) -> str | None:
    """GraphQL writes in capitals what bodies write small."""
    return value.lower() if value is not None else None


def number(node: Json | None) -> int | None:
    """The id of a record within another, None where there is none."""
    return int(gid_number(node["id"])) if node is not None else None


def amount(pair: Json | None) -> str | None:
    """The shop's amount, None where the pair is null."""
    return digits(pair["shopMoney"]) if pair is not None else None


def digits(money: Json) -> str:
    """An amount with the digits of its currency, as GraphQL drops zeros."""
    return decimal_text(padded(Decimal(str(money["amount"])), money["currencyCode"]))


def bag_body(pair: Json | None) -> Values | None:
    """An amount in both currencies."""
    if pair is None:
        return None
    names = {"shopMoney": "shop_money", "presentmentMoney": "presentment_money"}
    return {
        ours: {"amount": digits(pair[theirs]), "currency_code": pair[theirs]["currencyCode"]}
        for theirs, ours in names.items()
        if pair.get(theirs) is not None
    }


def address_body(node: Json | None) -> Values | None:
    """A postal address."""
    if node is None:
        return None
    plain = ("name", "company", "address1", "address2", "city", "province", "zip", "country", "phone")
    return {
        **{name: node[name] for name in plain},
        "province_code": node["provinceCode"],
        "country_code": node["countryCodeV2"],
    }


def person_body(node: Json) -> Values:
    """A customer as far as orders tell of one."""
    email: Json | None = node["defaultEmailAddress"]
    phone: Json | None = node["defaultPhoneNumber"]
    return {
        "id": number(node),
        "email": email["emailAddress"] if email else None,
        "phone": phone["phoneNumber"] if phone else None,
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "note": node["note"],
        "verified_email": node["verifiedEmail"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }


def pairs(nodes: Sequence[Json]) -> list[Values]:
    """Names and values that a merchant's theme or app added."""
    return [{"name": item["key"], "value": item["value"]} for item in nodes]


def taxes_body(nodes: Sequence[Json]) -> list[Values]:
    """Taxes."""
    return [{"title": tax["title"], "rate": tax["rate"], "price": amount(tax["priceSet"])} for tax in nodes]
