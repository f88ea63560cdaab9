"""Products of the store: an order line may name only what is there, so what is missing is made from the line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from omnibridge.connector import Delivery, Http, Upsert
from omnibridge.model import Money, OrderLine
from omnibridge_mailchimp.refusals import already_exists, refusal
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json

__all__ = ["Item", "ensure_products", "item_of", "safe_id", "store_path"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,49}")


@dataclass(frozen=True, slots=True)
class Item:
    """What a line is about, by the ids it has at Mailchimp."""

    product: str
    variant: str
    title: str
    sku: str | None
    price: Money


def safe_id(text: str) -> str:
    """An id that fits into a path and into Mailchimp's 50 characters: the text itself, or its hash."""
    if _PLAIN.fullmatch(text):
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def store_path(settings: MailchimpSettings, *parts: str) -> str:
    """A path below the store."""
    return "/".join((f"/ecommerce/stores/{settings.store_id}", *(quote(part, safe="") for part in parts)))


def item_of(line: OrderLine, delivery: Delivery) -> Item:
    """The product and variant of a line, by ids that every line of the same thing gives.

    A product's reference in this channel wins, then its canonical id, then the SKU, which is what channels agree on,
    then the title. The variant is the SKU, else the canonical id of the variant, else the product itself.
    """
    product = delivery.external(line.product) or (line.product.id if line.product else None)
    product = safe_id(product or line.sku or line.title or "unknown")
    variant = line.sku or (line.variant.id if line.variant else None)
    title = line.title or line.sku or product
    return Item(product, safe_id(variant) if variant else product, title, line.sku, line.unit_price)


async def ensure_products(settings: MailchimpSettings, items: Sequence[Item], http: Http) -> None:
    """Make the products and variants that are missing; those that are there keep their titles and prices.

    Every create may be repeated: Mailchimp refuses a second product with the same id, a variant is PUT.
    """
    by_product: dict[str, dict[str, Item]] = {}
    for item in items:
        by_product.setdefault(item.product, {}).setdefault(item.variant, item)
    for product, variants in by_product.items():
        found = await http.get(store_path(settings, "products", product), params={"fields": "id,variants.id"})
        if found.ok:
            await _ensure_variants(settings, product, variants, found.json(), http)
        elif found.status == 404:
            await _make(settings, product, variants, http)
        else:
            raise refusal(found, "to show a product")


async def _make(settings: MailchimpSettings, product: str, variants: dict[str, Item], http: Http) -> None:
    first = next(iter(variants.values()))
    body: Json = {"id": product, "title": first.title, "variants": [_variant(item) for item in variants.values()]}
    made = await http.post(store_path(settings, "products"), json=body, step=f"product-{product}", protection=Upsert())
    if already_exists(made):  # another delivery was quicker
        await _ensure_variants(settings, product, variants, {}, http)
    elif not made.ok:
        raise refusal(made, "to make a product")


async def _ensure_variants(
    settings: MailchimpSettings, product: str, variants: dict[str, Item], found: Json, http: Http
) -> None:
    """Mailchimp lists at most 50 variants with a product; one that is not among them may still be there."""
    listed = {row.get("id") for row in found.get("variants") or ()}
    for variant, item in variants.items():
        if variant in listed:
            continue
        put = await http.put(
            store_path(settings, "products", product, "variants", variant),
            json=_variant(item),
            step=f"variant-{product}-{variant}",
            protection=Upsert(),
        )
        if not put.ok:
            raise refusal(put, "to make a variant")


def _variant(item: Item) -> Json:
    body: Json = {"id": item.variant, "title": item.title, "price": item.price.rounded().amount}
    if item.sku:
        body["sku"] = item.sku
    return body
