"""From GraphQL's records of goods and places to the shapes of webhook bodies: products, stock, locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from omnibridge.connector import Http, Observation, Snapshot
from omnibridge.model import decimal_text
from omnibridge_shopify import wire_goods
from omnibridge_shopify.documents_goods import INVENTORY_LEVEL, LOCATION, PRODUCT, PRODUCT_VARIANTS
from omnibridge_shopify.goods import inventory, location, product
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.pages import rest
from omnibridge_shopify.parts import Values, gid, gid_number, padded
from omnibridge_shopify.settings import Shopify

__all__ = [
    "grams",
    "observe_location",
    "observe_product",
    "read_inventory",
    "read_location",
    "read_product",
    "whole_product",
]

_GRAMS: Mapping[str, Decimal] = {
    "GRAMS": Decimal(1),
    "KILOGRAMS": Decimal(1000),
    "OUNCES": Decimal("28.349523125"),
    "POUNDS": Decimal("453.59237"),
}


async def read_product(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """A product with all its variants."""
    data = await ask(settings, http, PRODUCT, {"id": gid("Product", id_)})
    node: Json | None = data["product"]
    if node is None:
        return (Snapshot.gone("product", id_),)
    return observe_product(settings, await whole_product(settings, http, node))


async def whole_product(settings: Shopify, http: Http, node: Json) -> Json:
    """The product with the variants that its first page left out."""
    await rest(settings, http, PRODUCT_VARIANTS, node["id"], node, "variants")
    return node


def observe_product(settings: Shopify, node: Json) -> list[Snapshot]:
    """A product's record, its variants complete, as a snapshot."""
    return product(settings, wire_goods.PRODUCT.validate_python(_product(settings, node)))


def _product(settings: Shopify, node: Json) -> Values:
    return {
        "id": int(gid_number(node["id"])),
        "title": node["title"],
        "body_html": node["descriptionHtml"],
        "vendor": node["vendor"],
        "product_type": node["productType"],
        "handle": node["handle"],
        "status": node["status"].lower(),
        "tags": ", ".join(node["tags"]),
        "options": [{"name": option["name"]} for option in node["options"]],
        "variants": [_variant(settings, item) for item in node["variants"]["nodes"]],
        "images": [{"src": image["url"]} for image in node["images"]["nodes"]],
        "published_at": node["publishedAt"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }


def _variant(settings: Shopify, node: Json) -> Values:
    item: Json = node["inventoryItem"]
    weight = grams(item["measurement"]["weight"])
    values: Values = {
        "id": int(gid_number(node["id"])),
        "inventory_item_id": int(gid_number(item["id"])),
        "title": node["title"],
        "sku": node["sku"],
        "barcode": node["barcode"],
        "price": _price(settings, node["price"]),
        "compare_at_price": _price(settings, node["compareAtPrice"]),
        "taxable": node["taxable"],
        "requires_shipping": item["requiresShipping"],
    }
    if weight is not None:
        values["grams"] = decimal_text(weight)
    for index, option in enumerate(node["selectedOptions"][:3], 1):
        values[f"option{index}"] = option["value"]
    return values


def grams(weight: Json | None) -> Decimal | None:
    """A weight in grams, None where there is none, or in a unit that is not known."""
    if weight is None or weight["unit"] not in _GRAMS:
        return None
    return (Decimal(str(weight["value"])) * _GRAMS[weight["unit"]]).normalize()


def _price(settings: Shopify, amount: str | None) -> str | None:
    if amount is None or settings.currency is None:
        return amount
    return decimal_text(padded(Decimal(str(amount)), settings.currency))


async def read_inventory(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """The stock of an item at a location, by `item:location`."""
    item, _, place = id_.partition(":")
    variables = {"item": gid("InventoryItem", item), "location": gid("Location", place)}
    data = await ask(settings, http, INVENTORY_LEVEL, variables)
    stocked: Json | None = data["inventoryItem"]
    level: Json | None = stocked["inventoryLevel"] if stocked else None
    if level is None or not level["isActive"]:
        return (Snapshot.gone("inventory", id_),)
    return observe_level(item, place, level)


def observe_level(item: str, place: str, node: Json) -> list[Snapshot]:
    """A stock level's record as a snapshot: of its counts the one that webhooks tell, so that both say the same."""
    counts = {count["name"]: count["quantity"] for count in node["quantities"]}
    body: Values = {
        "inventory_item_id": int(item),
        "location_id": int(place),
        "available": counts.get("available"),
        "updated_at": node["updatedAt"],
    }
    return inventory(wire_goods.INVENTORY.validate_python(body))


async def read_location(settings: Shopify, id_: str, http: Http) -> Sequence[Observation]:
    """A location."""
    data = await ask(settings, http, LOCATION, {"id": gid("Location", id_)})
    node: Json | None = data["location"]
    return observe_location(node) if node is not None else (Snapshot.gone("location", id_),)


def observe_location(node: Json) -> list[Snapshot]:
    """A location's record as a snapshot."""
    place: Json = node["address"]
    plain = ("address1", "address2", "city", "province", "zip", "country", "phone")
    body: Values = {
        "id": int(gid_number(node["id"])),
        "name": node["name"],
        "active": node["isActive"],
        **{name: place[name] for name in plain},
        "province_code": place["provinceCode"],
        "country_code": place["countryCode"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
    }
    return location(wire_goods.LOCATION.validate_python(body))
