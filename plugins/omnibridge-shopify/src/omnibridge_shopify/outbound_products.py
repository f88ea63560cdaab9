"""Products to Shopify: found by reference, SKU or handle, compared with what the shop has, and set by `productSet`."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

from omnibridge.connector import Delivery, Http, Receipt, Reference, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Product, ProductStatus
from omnibridge_shopify.documents_goods import PRODUCT_BY_IDENTIFIER, PRODUCT_SET, PRODUCTS_BY_SKU
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.outbound_customers import normal_tags
from omnibridge_shopify.outbound_variants import normal_variant, variants_input
from omnibridge_shopify.parts import Values, gid, gid_number
from omnibridge_shopify.reads_goods import observe_product, whole_product
from omnibridge_shopify.settings import Shopify

__all__ = ["deliver_product", "normal_product"]

_PLAIN = {"title": "title", "description": "descriptionHtml", "brand": "vendor", "category": "productType"}
_STATUSES = (ProductStatus.ACTIVE, ProductStatus.DRAFT, ProductStatus.ARCHIVED)
_SEARCHED = 20  # SKUs in one search
_LONGEST = 255
_REMEDIES = {
    "PRODUCT_DOES_NOT_EXIST": "the product was deleted in Shopify; it is not made anew by itself",
    "PRODUCT_VARIANT_DOES_NOT_EXIST": "somebody changed the product's variants at the same moment: replay",
    "HANDLE_NOT_UNIQUE": "another product of the shop has the address; change it there and replay",
    "VARIANTS_OVER_LIMIT": "Shopify takes no more variants of one product: divide it",
    "OPTIONS_OVER_LIMIT": "Shopify takes at most three options of one product",
}


def normal_product(settings: Shopify, product: Product) -> Product:
    """What Shopify keeps of a product: title, description, brand, category, status, tags, variants and usual prices."""
    kept: Values = {
        name: (getattr(product, name) or "").strip() or None for name in _PLAIN if name in product.model_fields_set
    }
    kept["title"] = product.title.strip()[:_LONGEST].strip()
    if "status" in product.model_fields_set and product.status in _STATUSES:
        kept["status"] = product.status
    if "tags" in product.model_fields_set:
        kept["tags"] = normal_tags(product.tags)
    if "variants" in product.model_fields_set:
        kept["variants"] = tuple(normal_variant(settings, one) for one in product.variants)
    return Product.model_validate(kept)


async def deliver_product(settings: Shopify, product: Product, delivery: Delivery, http: Http) -> Receipt:
    """Make the shop's product say what the product says.

    One that is not known by reference is found by the SKU of a variant, else by its handle, which is made of the title
    and our id, so that sending it twice makes one product (`productSet` makes or changes the one with the handle that
    identifies it: Shopify's changelog of 2025-04). Only what differs is sent; variants that the product has not, and
    other apps' tags, stay. Raises Permanent for what Shopify refuses.
    """
    wanted = normal_product(settings, product)
    own = delivery.own or await _by_sku(settings, http, wanted)
    handle = _handle(wanted.title, product.id or delivery.key)
    identifier = {"id": gid("Product", own)} if own is not None else {"handle": handle}
    data = await ask(settings, http, PRODUCT_BY_IDENTIFIER, {"identifier": identifier})
    node: Json | None = data["productByIdentifier"]
    if node is None and own is not None:
        raise Permanent(
            f"the product {own} was deleted in Shopify",
            code="NOT_FOUND",
            remedy="erase the reference to have the product made again",
        )
    if node is not None:
        node = await whole_product(settings, http, node)
        identifier = {"id": node["id"]}
    values = _input(wanted, product, delivery.known, node, data["shop"]["currencyCode"])
    if node is None or values:
        if node is None:
            values["handle"] = handle
        node = await _set(settings, http, identifier, values)
    return _receipt(settings, node, wanted)


async def _by_sku(settings: Shopify, http: Http, product: Product) -> str | None:
    """The shop's product that has one of the SKUs. Raises Permanent where several have."""
    skus = list(dict.fromkeys(one.sku for one in product.variants if one.sku))[:_SEARCHED]
    if not skus:
        return None
    words = " OR ".join('sku:"' + re.sub(r'(["\\])', r"\\\1", sku) + '"' for sku in skus)
    data = await ask(settings, http, PRODUCTS_BY_SKU, {"query": words})
    nodes: list[Json] = data["productVariants"]["nodes"]
    found = sorted({gid_number(node["product"]["id"]) for node in nodes if node["sku"] in skus})
    if len(found) > 1:
        raise Permanent(
            f"the products {', '.join(found)} of the shop share the SKUs of this one",
            code="AMBIGUOUS",
            remedy="give each SKU to one product only, and replay",
        )
    return found[0] if found else None


def _handle(title: str, id_: str) -> str:
    """The address of a new product: words for people, and a mark by which nobody else's is meant."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[:80].strip("-")
    mark = blake2b(id_.encode(), digest_size=5).hexdigest()
    return f"{words}-{mark}" if words else mark


def _input(wanted: Product, product: Product, known: object, node: Json | None, currency: str) -> Values:
    """A `ProductSetInput` of what is not so in the shop."""
    values: Values = {
        theirs: value
        for ours, theirs in _PLAIN.items()
        if ours in wanted.model_fields_set
        and (value := getattr(wanted, ours) or "") != (node[theirs] if node is not None else "")
    }
    status = wanted.status.value.upper()
    if "status" in wanted.model_fields_set and (node is None or node["status"] != status):
        values["status"] = status
    if "tags" in wanted.model_fields_set:
        there: list[str] = node["tags"] if node is not None else []
        tags = _tags(wanted, known, there)
        if tags != there:
            values["tags"] = tags
    if node is None and not wanted.variants:
        raise Permanent("a product without variants has no price", code="NO_PRICE", remedy="give it one and replay")
    if "variants" in wanted.model_fields_set:
        # As they were told and not as they are kept: a title is the value of a variant that has no options.
        values |= variants_input(currency, product.variants, node["variants"]["nodes"] if node is not None else ())
    return values


def _tags(wanted: Product, known: object, there: list[str]) -> list[str]:
    """The shop's tags, without those that this channel had from us and that are wanted no more, and the wanted ones."""
    keep = {tag.casefold() for tag in wanted.tags}
    before = known.tags if isinstance(known, Product) and "tags" in known.model_fields_set else ()
    gone = {tag.casefold() for tag in before} - keep
    stay = [tag for tag in there if tag.casefold() not in gone]
    has = {tag.casefold() for tag in stay}
    return [*stay, *(tag for tag in wanted.tags if tag.casefold() not in has)]


async def _set(settings: Shopify, http: Http, identifier: dict[str, str], values: Values) -> Json:
    variables = {"identifier": identifier, "input": values}
    payload = await change(settings, http, PRODUCT_SET, variables, step="product", protection=Upsert())
    found, node = problems(payload), payload["product"]
    if found or node is None:
        code, field, message = found[0] if found else ("", "", "Shopify returned no product")
        raise Permanent(f"{field}: {message}" if field else message, code=code or None, remedy=_REMEDIES.get(code))
    await http.keep(Reference("product", gid_number(node["id"])))
    return await whole_product(settings, http, node)


def _receipt(settings: Shopify, node: Json, wanted: Product) -> Receipt:
    """The answer, restricted to what was written: its variants have the ids that stock and orders name them by."""
    seen = observe_product(settings, node)[0]
    told = {name: getattr(seen.entity, name) for name in sorted(wanted.model_fields_set)}
    answer = Snapshot(Product.model_validate(told), seen.external_id, seen.version)
    return Receipt((Reference("product", seen.external_id),), (answer,))
