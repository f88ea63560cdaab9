"""What the sandbox's shop sells and where: products as `Product` nodes, stock as numbers, locations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_bodies import local, text
from omnibridge_shopify.sandbox_graph import connection
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, Refused, problem, since

__all__ = ["Goods"]

Wanted = Callable[[Json, dict[str, int]], int]
"""From a row of a mutation and the level before it to the count after it."""
_DEFAULT = ("Title", "Default Title")
_MOST_OPTIONS = 3
_NO_GROUP: Json = {"inventoryAdjustmentGroup": None}


class Goods:
    """Products by number, stock levels by item and location, locations by number."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.products: dict[int, Json] = {}
        self.locations: dict[int, Json] = {}
        self.levels: dict[tuple[str, str], dict[str, int]] = {}
        self.inactive: set[tuple[str, str]] = set()
        self._counted: dict[tuple[str, str], str] = {}
        self.operations: dict[str, Operation] = {
            "Product": lambda v: {"product": self._product(v["id"])},
            "ProductVariants": self._variants,
            "Products": self._products_page,
            "ProductsBySku": self._by_sku,
            "ProductByIdentifier": self._by_identifier,
            "ProductSet": lambda v: {"productSet": self._product_set(v)},
            "InventorySet": self._inventory_set,
            "InventoryAdjust": self._inventory_adjust,
            "InventoryLevel": self._inventory_level,
            "Location": lambda v: {"location": self.locations.get(int(gid_number(v["id"])))},
            "Locations": self._locations_page,
        }

    # -- products ------------------------------------------------------------------------------------------------------

    def _product(self, id_: str, first: int = 25, after: str | None = None) -> Json | None:
        node = self.products.get(int(gid_number(id_)))
        return {**node, "variants": connection(node["variants"], first, after)} if node is not None else None

    def _variants(self, variables: Json) -> Json:
        return {"product": self._product(variables["id"], 100, variables["after"])}

    def _products_page(self, variables: Json) -> Json:
        nodes = since(list(self.products.values()), variables["query"])
        shown = [{**node, "variants": connection(node["variants"], 25)} for node in nodes]
        size = min(variables["first"], self._ledger.largest_page)
        return {"products": connection(shown, size, variables["after"])}

    def _by_sku(self, variables: Json) -> Json:
        wanted = {part.removeprefix('sku:"').removesuffix('"') for part in variables["query"].split(" OR ")}
        found = [
            {"sku": variant["sku"], "product": {"id": node["id"]}}
            for node in self.products.values()
            for variant in node["variants"]
            if variant["sku"] in wanted
        ]
        return {"productVariants": {"nodes": found[:50]}}

    def _by_identifier(self, variables: Json) -> Json:
        node = self._identified(variables["identifier"])
        found = self._product(node["id"]) if node is not None else None
        return {"shop": {"currencyCode": self._ledger.currency}, "productByIdentifier": found}

    def add_product(
        self,
        title: str,
        variants: Sequence[Mapping[str, str]] = ({"sku": "", "price": "10"},),
        option: str | None = None,
        **fields: object,
    ) -> Json:
        """A product comes about in the shop; `variants` have `sku`, `price`, and a value of `option`."""
        rows: list[Json] = [
            {
                "sku": variant.get("sku"),
                "price": variant["price"],
                "optionValues": [{"optionName": option or _DEFAULT[0], "name": variant.get("value", _DEFAULT[1])}],
            }
            for variant in variants
        ]
        values: list[Json] = [{"name": row["optionValues"][0]["name"]} for row in rows]
        options: list[Json] = [{"name": option or _DEFAULT[0], "values": values}]
        given: Json = {"title": title, "variants": rows, "productOptions": options, **fields}
        payload = self._product_set({"identifier": None, "input": given})
        return self.products[int(gid_number(payload["product"]["id"]))]

    def _product_set(self, variables: Json) -> Json:
        identifier: Json = variables["identifier"] or {}
        given: Json = variables["input"]
        node = self._identified(identifier)
        error = self._wrong(node, identifier, given)
        if error is not None:
            return {"product": None, "userErrors": [error]}
        created = node is None
        if node is None:
            node = self._blank(identifier.get("handle"))
        before = repr(node)
        self._fill(node, given)
        if created or repr(node) != before:
            self._changed(node, created=created)
        return {"product": self._product(node["id"]), "userErrors": []}

    def _wrong(self, node: Json | None, identifier: Json, given: Json) -> Json | None:
        """What Shopify says against the input, as far as this sandbox knows it."""
        if "id" in identifier and node is None:
            return problem(["identifier"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")
        if not given.get("title", node is not None):
            return problem(["input", "title"], "Title can't be blank", "INVALID_PRODUCT")
        if ("variants" in given) != ("productOptions" in given):
            missing = "VARIANTS" if "productOptions" in given else "PRODUCT_OPTIONS"
            return problem(["input"], "Variants and options belong together", f"{missing}_INPUT_MISSING")
        known: set[str] = {variant["id"] for variant in node["variants"]} if node is not None else set()
        options = [option["name"] for option in given.get("productOptions") or ()]
        if len(options) > _MOST_OPTIONS:
            return problem(["input", "productOptions"], "Too many options", "OPTIONS_OVER_LIMIT")
        taken: set[tuple[str, ...]] = set()
        rows: list[Json] = given.get("variants") or []
        for index, row in enumerate(rows):
            at = ["input", "variants", str(index)]
            if "id" in row and row["id"] not in known:
                return problem(at, "Variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")
            if [value["optionName"] for value in row["optionValues"]] != options:
                return problem(at, "Every option needs a value", "OPTION_VALUES_MISSING")
            chosen = tuple(value["name"] for value in row["optionValues"])
            if chosen in taken:
                return problem(at, "The variant already exists", "INVALID_VARIANT")
            taken.add(chosen)
        return None

    def _identified(self, identifier: Json) -> Json | None:
        if "id" in identifier:
            return self.products.get(int(gid_number(identifier["id"])))
        handle = identifier.get("handle")
        return next((node for node in self.products.values() if handle and node["handle"] == handle), None)

    def _blank(self, handle: str | None) -> Json:
        number, at = self._ledger.number(), self._ledger.stamp()
        node: Json = {
            "id": gid("Product", str(number)),
            "title": "",
            "descriptionHtml": "",
            "vendor": "",
            "productType": "",
            "handle": handle or f"product-{number}",
            "status": "ACTIVE",
            "tags": [],
            "publishedAt": None,
            "createdAt": at,
            "updatedAt": at,
            "options": [{"name": _DEFAULT[0]}],
            "images": {"nodes": []},
            "variants": [],
        }
        self.products[number] = node
        return node

    def _fill(self, node: Json, given: Json) -> None:
        for name in ("title", "descriptionHtml", "vendor", "productType", "handle", "status"):
            if name in given:
                node[name] = given[name]
        if "tags" in given:
            node["tags"] = sorted(given["tags"], key=str.casefold)
        if "productOptions" in given:
            node["options"] = [{"name": option["name"]} for option in given["productOptions"]]
        if "variants" in given:
            known = {variant["id"]: variant for variant in node["variants"]}
            node["variants"] = [self._variant(known.get(row.get("id")), row) for row in given["variants"]]

    def _variant(self, before: Json | None, row: Json) -> Json:
        number = self._ledger.number()
        variant: Json = before or {
            "id": gid("ProductVariant", str(number)),
            "sku": None,
            "barcode": None,
            "price": text(Decimal(0), self._ledger.currency),
            "compareAtPrice": None,
            "taxable": True,
            "inventoryItem": {
                "id": gid("InventoryItem", str(number + 500_000)),
                "requiresShipping": True,
                "measurement": {"weight": {"unit": "GRAMS", "value": 0.0}},
            },
        }
        for name in ("sku", "barcode", "taxable"):
            if name in row:
                variant[name] = row[name]
        for name in ("price", "compareAtPrice"):
            if name in row:
                variant[name] = text(Decimal(row[name]), self._ledger.currency) if row[name] is not None else None
        item: Json = row.get("inventoryItem") or {}
        if "requiresShipping" in item:
            variant["inventoryItem"]["requiresShipping"] = item["requiresShipping"]
        if "measurement" in item:
            variant["inventoryItem"]["measurement"] = item["measurement"]
        chosen = [(value["optionName"], value["name"]) for value in row["optionValues"]]
        variant["selectedOptions"] = [{"name": name, "value": value} for name, value in chosen]
        variant["title"] = " / ".join(value for _, value in chosen)
        return variant

    def _changed(self, node: Json, *, created: bool) -> None:
        later = datetime.fromisoformat(node["updatedAt"]) + timedelta(seconds=0 if created else 1)
        now = datetime.fromisoformat(self._ledger.stamp())
        node["updatedAt"] = max(later, now).isoformat().replace("+00:00", "Z")
        verb, enum = ("create", "PRODUCTS_CREATE") if created else ("update", "PRODUCTS_UPDATE")
        self._ledger.announce(f"products/{verb}", enum, _product_body(node))

    # -- stock -------------------------------------------------------------------------------------------------------

    def _inventory_set(self, variables: Json) -> Json:
        made = self._ledger.once(variables["key"], variables["input"], self._set_stock, _NO_GROUP)
        return {"inventorySetQuantities": made}

    def _inventory_adjust(self, variables: Json) -> Json:
        made = self._ledger.once(variables["key"], variables["input"], self._adjust, _NO_GROUP)
        return {"inventoryAdjustQuantities": made}

    def _set_stock(self, given: Json) -> Json:
        return self._move(given["name"], given["quantities"], lambda row, level: row["quantity"])

    def _adjust(self, given: Json) -> Json:
        if given["name"] == "on_hand":
            return _failed(["input", "name"], "The quantity name can't be adjusted", "INVALID_QUANTITY_NAME")
        return self._move(given["name"], given["changes"], lambda row, level: level[given["name"]] + row["delta"])

    def _move(self, name: str, rows: Sequence[Json], wanted: Wanted) -> Json:
        changes: list[Json] = []
        for index, row in enumerate(rows):
            at = ["input", "rows", str(index)]
            if "changeFromQuantity" not in row:
                raise Refused("changeFromQuantity must be given, null to compare with nothing")
            place = gid_number(row["inventoryItemId"]), gid_number(row["locationId"])
            level = self.levels.get(place)
            if level is None:
                return _failed(at, "The inventory item is not stocked at the location", "INVALID_INVENTORY_ITEM")
            if row["changeFromQuantity"] not in (None, level[name]):
                return _failed(at, "The quantity has changed since", "CHANGE_FROM_QUANTITY_STALE")
            before, after = level[name], wanted(row, level)
            level[name] = after
            changes.append({"name": name, "delta": after - before, "quantityAfterChange": after})
            if after != before:
                self._counted[place] = self._ledger.stamp()
                self._ledger.announce("inventory_levels/update", "INVENTORY_LEVELS_UPDATE", self._level_body(place))
        group = {"createdAt": self._ledger.stamp(), "changes": changes}
        return {"inventoryAdjustmentGroup": group, "userErrors": []}

    def _level_body(self, place: tuple[str, str]) -> Json:
        return {
            "inventory_item_id": int(place[0]),
            "location_id": int(place[1]),
            "available": self.levels[place]["available"],
            "updated_at": local(self._ledger.now()),
            "admin_graphql_api_id": f"gid://shopify/InventoryLevel/1?inventory_item_id={place[0]}",
        }

    def _inventory_level(self, variables: Json) -> Json:
        item, place = gid_number(variables["item"]), gid_number(variables["location"])
        level = self.levels.get((item, place))
        found = self._level(item, place) if level is not None else None
        return {"inventoryItem": {"sku": f"SKU-{item}", "inventoryLevel": found}}

    def _level(self, item: str, place: str) -> Json:
        return {
            "isActive": (item, place) not in self.inactive,
            "updatedAt": self._counted.setdefault((item, place), self._ledger.stamp()),
            "quantities": [{"name": name, "quantity": count} for name, count in self.levels[item, place].items()],
        }

    def unstock(self, item: str, place: str) -> None:
        """The item is no longer kept at the location."""
        self.inactive.add((item, place))
        self._counted[item, place] = self._ledger.stamp()

    def stock(self) -> list[Json]:
        """Every location with its levels, as a bulk operation finds them."""
        places = {place for _, place in self.levels}
        return [
            {
                "id": gid("Location", place),
                "inventoryLevels": {
                    "nodes": [
                        {
                            "id": f"{gid('InventoryLevel', place)}?inventory_item_id={item}",
                            "item": {"id": gid("InventoryItem", item)},
                            "location": {"id": gid("Location", place)},
                            **self._level(item, place),
                        }
                        for item, where in self.levels
                        if where == place
                    ]
                },
            }
            for place in sorted(places)
        ]

    # -- locations ---------------------------------------------------------------------------------------------------

    def add_location(self, number: int, name: str, **address: str) -> Json:
        """A location comes about: `locations/create` goes out; the node."""
        at = self._ledger.stamp()
        parts = ("address1", "address2", "city", "province", "provinceCode", "zip", "country", "countryCode", "phone")
        node: Json = {
            "id": gid("Location", str(number)),
            "name": name,
            "isActive": True,
            "createdAt": at,
            "updatedAt": at,
            "address": {part: address.get(part) for part in parts},
        }
        self.locations[number] = node
        self._ledger.announce("locations/create", "LOCATIONS_CREATE", _location_body(node))
        return node

    def _locations_page(self, variables: Json) -> Json:
        nodes = list(self.locations.values())
        size = min(variables["first"], self._ledger.largest_page)
        return {"locations": connection(nodes, size, variables["after"])}


def _failed(field: Sequence[str], message: str, code: str) -> Json:
    return {**_NO_GROUP, "userErrors": [problem(field, message, code)]}


def _product_body(node: Json) -> Json:
    return {
        "id": int(gid_number(node["id"])),
        "title": node["title"],
        "body_html": node["descriptionHtml"],
        "vendor": node["vendor"],
        "product_type": node["productType"],
        "handle": node["handle"],
        "status": node["status"].lower(),
        "tags": ", ".join(node["tags"]),
        "published_at": node["publishedAt"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "options": node["options"],
        "images": [],
        "variants": [_variant_body(variant) for variant in node["variants"]],
    }


def _variant_body(variant: Json) -> Json:
    return {
        "id": int(gid_number(variant["id"])),
        "inventory_item_id": int(gid_number(variant["inventoryItem"]["id"])),
        "title": variant["title"],
        "sku": variant["sku"],
        "barcode": variant["barcode"],
        "price": variant["price"],
        "compare_at_price": variant["compareAtPrice"],
        "taxable": variant["taxable"],
        **{f"option{index}": option["value"] for index, option in enumerate(variant["selectedOptions"], 1)},
    }


def _location_body(node: Json) -> Json:
    plain = ("address1", "address2", "city", "province", "zip", "country", "phone")
    return {
        "id": int(gid_number(node["id"])),
        "name": node["name"],
        "active": node["isActive"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        **{part: node["address"][part] for part in plain},
        "province_code": node["address"]["provinceCode"],
        "country_code": node["address"]["countryCode"],
    }
