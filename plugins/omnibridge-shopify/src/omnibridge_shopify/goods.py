"""From the bodies about what is sold and where to Products, InventoryLevels and Locations."""

from __future__ import annotations

from omnibridge.connector import Snapshot
from omnibridge.model import InventoryLevel, Location, Product, ProductStatus
from omnibridge_shopify.parts import Values, address, money, ref, split_tags, utc
from omnibridge_shopify.settings import Shopify
from omnibridge_shopify.wire import AddressIn
from omnibridge_shopify.wire_goods import InventoryIn, LocationIn, ProductIn, VariantIn

__all__ = ["inventory", "inventory_id", "location", "product"]

_PLAIN = {"body_html": "description", "vendor": "brand", "product_type": "category"}
_STATUSES = {
    "active": ProductStatus.ACTIVE,
    "draft": ProductStatus.DRAFT,
    "archived": ProductStatus.ARCHIVED,
}


def product(settings: Shopify, body: ProductIn) -> list[Snapshot]:
    """A product. Its prices are in the shop's currency, which only the settings know."""
    values: Values = {ours: body.get(theirs) or None for theirs, ours in _PLAIN.items() if theirs in body}
    values["title"] = body["title"]
    if (status := body.get("status")) is not None:
        values["status"] = _STATUSES.get(status, ProductStatus.OTHER)
    if "tags" in body:
        values["tags"] = split_tags(body["tags"])
    if "variants" in body:
        names = [option["name"] for option in body.get("options") or ()]
        values["variants"] = [_variant(settings, variant, names) for variant in body["variants"] or ()]
    if "images" in body:
        values["image_urls"] = [source for image in body["images"] or () if (source := image.get("src"))]
    for name in ("created_at", "updated_at"):
        if name in body:
            values[name] = utc(body.get(name))
    kept: Values = {name: body.get(name) for name in ("handle", "status") if name in body}
    if "published_at" in body:
        published = utc(body["published_at"])
        kept["published_at"] = published.isoformat() if published else None
    if kept:
        values["vendor"] = kept
    return [Snapshot(Product.model_validate(values), str(body["id"]), utc(body.get("updated_at")))]


def _variant(settings: Shopify, body: VariantIn, names: list[str]) -> Values:
    get = body.get
    chosen = [get("option1"), get("option2"), get("option3")]
    values: Values = {
        "external_id": str(body["id"]),
        "inventory_external_id": str(get("inventory_item_id") or "") or None,
        "sku": get("sku") or None,
        "barcode": get("barcode") or None,
        "title": get("title"),
        "options": {
            names[index] if index < len(names) else f"option{index + 1}": value
            for index, value in enumerate(chosen)
            if value is not None
        },
    }
    price, before = get("price"), get("compare_at_price")
    if price is not None and settings.currency is not None:
        currency = settings.currency
        values["prices"] = [
            {
                "amount": money(price, currency),
                "compare_at": money(before, currency) if before is not None else None,
            }
        ]
    if get("grams") is not None:
        values["weight_grams"] = get("grams")
    for name in ("taxable", "requires_shipping"):
        if get(name) is not None:
            values[name] = get(name)
    return values


def inventory_id(item: int | str, location: int | str) -> str:
    """The id of a stock level: Shopify names one by its item and its location."""
    return f"{item}:{location}"


def inventory(body: InventoryIn, *, deleted: bool = False) -> list[Snapshot]:
    """The stock of an inventory item, which a variant names as `inventory_external_id`, at a location."""
    item, place = body["inventory_item_id"], body["location_id"]
    at = utc(body.get("updated_at"))
    values: Values = {"variant": ref("inventory_item", item), "location": ref("location", place)}
    if "available" in body:
        values["available"] = body["available"]
    if at is not None:
        values["counted_at"] = at
    return [Snapshot(InventoryLevel.model_validate(values), inventory_id(item, place), at, deleted)]


_PARTS = frozenset(AddressIn.__annotations__) - {"name"}


def location(body: LocationIn) -> list[Snapshot]:
    """A location."""
    values: Values = {"name": body.get("name")}
    if _PARTS & body.keys():
        place = address(body)
        values["address"] = {**place, "name": None} if place else None
    if (active := body.get("active")) is not None:
        values["active"] = active
    for name in ("created_at", "updated_at"):
        if name in body:
            values[name] = utc(body.get(name))
    return [Snapshot(Location.model_validate(values), str(body["id"]), utc(body.get("updated_at")))]
