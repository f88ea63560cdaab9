"""Products to Square's catalogue: an item found by reference or SKU and laid over, else a new one with variations."""

from __future__ import annotations

import copy
import html
from typing import Any

from pydantic import JsonValue

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent, Retryable
from omnibridge.model import Price, Product, ProductStatus, Variant
from omnibridge_square.classify import missing, stale, succeeded
from omnibridge_square.entities import item
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Fields, Json, Node, parsed, plain, wire_money

__all__ = ["deliver_product", "normal_product"]

_NEW = "#item"
_READ_ONLY = frozenset({"updated_at", "description_plaintext", "ordinal", "sold_out", "sold_out_valid_until"})
"""Fields of items, variations and their places that Square refuses in a write (the specification's `readOnly`)."""
_PLAIN = {"sku": "sku", "barcode": "upc", "title": "name"}


def normal_product(settings: SquareSettings, product: Product) -> Product:
    """What Square keeps: title, description, whether it is archived; of a variant SKU, barcode, title and price."""
    fields: Fields = {"title": product.title}
    for name in ("description", "status", "id"):
        if name in product.model_fields_set:
            fields[name] = getattr(product, name)
    if product.description is not None:
        fields["description"] = " ".join(product.description.split()) or None
    if product.status not in (ProductStatus.ACTIVE, ProductStatus.ARCHIVED):
        fields.pop("status", None)
    if "variants" in product.model_fields_set:
        fields["variants"] = tuple(_normal_variant(one) for one in product.variants)
    return Product(**fields)


def _normal_variant(variant: Variant) -> Variant:
    fields: Fields = {name: value for name in _PLAIN if (value := getattr(variant, name))}
    price = _price(variant)
    if price is not None:
        fields["prices"] = (Price(amount=price.amount.rounded()),)
    return Variant(**fields)


def _price(variant: Variant) -> Price | None:
    """The usual price; other price lists have no place at Square."""
    return next((one for one in variant.prices if one.price_list is None), None)


async def deliver_product(settings: SquareSettings, product: Product, delivery: Delivery, http: Http) -> Receipt:
    """Make the item say what the product says.

    Square replaces an object by what is sent, so what it has is read, laid over and sent whole, under its `version`
    (Square, BatchUpsertCatalogObjects). Variations go by SKU; those that the product has not stay. Raises Permanent
    for a refusal, Retryable when somebody else keeps changing the item.
    """
    if product.status is ProductStatus.DRAFT:
        return Receipt(note="drafts are not written: Square has none")
    own = delivery.own or await _found(product, http)
    for turn in ("write", "write-again"):
        there = await _there(own, http) if own is not None else None
        wanted = _laid_over(product, there)
        if own is not None:
            await http.keep(Reference("product", own))
            if wanted == there:
                return Receipt((Reference("product", own),))
        body: Json = {"idempotency_key": http.key(turn), "batches": [{"objects": [_writable(wanted)]}]}
        answer = await http.post("/v2/catalog/batch-upsert", json=body, step=turn, protection=NativeKey())
        if stale(answer):
            continue
        made = succeeded("the item", answer).nodes("objects")
        node = next((one for one in made if one.text("type") == "ITEM"), None)
        if node is None:
            raise Permanent("Square answered without an item", code="NO_ITEM")
        reference = Reference("product", node.need("id"))
        await http.keep(reference)
        return Receipt((reference,), (_told(settings, product, node),))
    raise Retryable("the item is being changed at Square by somebody else")


async def _found(product: Product, http: Http) -> str | None:
    """The item of the first variation with one of the SKUs; the search matches parts as well (CatalogQueryExact)."""
    for sku in (one.sku for one in product.variants if one.sku):
        query = {"exact_query": {"attribute_name": "sku", "attribute_value": sku}}
        ask = {"object_types": ["ITEM_VARIATION"], "query": query, "limit": 100}
        body = succeeded("to search the catalogue", await http.query("/v2/catalog/search", json=ask))
        for one in body.nodes("objects"):
            data = one.node("item_variation_data")
            if data is not None and data.text("sku") == sku:
                return data.need("item_id")
    return None


async def _there(own: str, http: Http) -> Json:
    answer = await http.get(f"/v2/catalog/object/{own}")
    found = None if missing(answer) else succeeded(f"to show the item {own}", answer).node("object")
    if found is None or found.truth("is_deleted"):
        raise Permanent(
            f"the item {own} was deleted at Square",
            code="NOT_FOUND",
            remedy="erase the reference to have the item made again",
        )
    whole: Any = plain(dict(found.raw))
    return whole


def _laid_over(product: Product, there: Json | None) -> Json:
    """The whole object to send: what Square has, with what the product says on it."""
    told = product.model_fields_set
    made: Json = copy.deepcopy(there) if there is not None else {"type": "ITEM", "id": _NEW, "item_data": {}}
    data: Json = made.setdefault("item_data", {})
    if there is None or data.get("name") != product.title:
        data["name"] = product.title[:512]
    text = " ".join((product.description or "").split())
    if "description" in told and text != (data.get("description_plaintext") or data.get("description") or ""):
        for name in ("description", "description_plaintext"):
            data.pop(name, None)
        data["description_html"] = html.escape(text, quote=False)
    archived = product.status is ProductStatus.ARCHIVED
    if "status" in told and archived != bool(data.get("is_archived")):
        data["is_archived"] = archived
    if "variants" in told:
        known: list[Json] = data.setdefault("variations", [])
        alone = len(known) == 1 and len(product.variants) == 1
        for place, variant in enumerate(product.variants):
            found = known[0] if alone else _same(variant, known)
            new: Json = {"type": "ITEM_VARIATION", "id": f"#variation-{place}", "item_variation_data": {}}
            mine = new if found is None else found
            if found is None:
                known.append(new)
            _lay(variant, mine["item_variation_data"], str(made["id"]))
    return made


def _writable(value: JsonValue) -> JsonValue:
    """Without what Square alone writes, at any depth."""
    if isinstance(value, dict):
        return {name: _writable(one) for name, one in value.items() if name not in _READ_ONLY}
    return [_writable(one) for one in value] if isinstance(value, list) else value


def _same(variant: Variant, known: list[Json]) -> Json | None:
    if not variant.sku:
        return None
    return next((one for one in known if one.get("item_variation_data", {}).get("sku") == variant.sku), None)


def _lay(variant: Variant, data: Json, item_id: str) -> None:
    if not data:
        data |= {"item_id": item_id, "pricing_type": "VARIABLE_PRICING"}
    for name, theirs in _PLAIN.items():
        value = getattr(variant, name)
        if value and data.get(theirs) != value:
            data[theirs] = value
    price = _price(variant)
    if price is not None:
        amount: Json = wire_money(price.amount.rounded())
        if data.get("price_money") != amount:
            data |= {"pricing_type": "FIXED_PRICING", "price_money": amount}


def _told(settings: SquareSettings, product: Product, node: Node) -> Snapshot:
    """Square's answer, restricted to what was written."""
    fresh = Node(dict(node.raw), "answer.objects[]")
    seen = parsed("answer.objects", lambda: item(fresh))
    names = {"title", "description", "status", "variants"} & product.model_fields_set & seen.entity.model_fields_set
    fields: Fields = {name: getattr(seen.entity, name) for name in names}
    fields.setdefault("title", product.title)
    return Snapshot(Product(**fields), seen.external_id, seen.version)
