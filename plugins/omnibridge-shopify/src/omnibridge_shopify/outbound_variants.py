"""A product's variants to Shopify: which of the shop's is which of ours, and the whole list that is sent.

`productSet` updates the entries of a list that it is given, makes those that are new, and deletes those that the list
leaves out (Shopify documentation, `productSet`). So all of the shop's are listed again, ours or not, each by its id and
option values, with only what differs beside them. `variants` and `productOptions` go together or not at all (Shopify's
changelog of 2024-07).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from omnibridge.errors import Permanent
from omnibridge.model import Money, Price, Variant, decimal_text
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import Values, padded
from omnibridge_shopify.reads_goods import grams
from omnibridge_shopify.settings import Shopify

__all__ = ["normal_variant", "variants_input"]

_CODES = ("sku", "barcode")
_ALONE, _DEFAULT = "Title", "Default Title"
"""The option and its value of a product without choices."""


def normal_variant(settings: Shopify, variant: Variant) -> Variant:
    """What Shopify keeps of a variant: its codes, options, usual price, weight, and whether it is taxed and shipped."""
    kept: Values = {name: value for name in _CODES if (value := (getattr(variant, name) or "").strip())}
    if options := _options(variant):
        kept["options"] = options
    price = _price(variant, settings.currency)
    if price is not None:
        kept["prices"] = (price,)
    for name in ("weight_grams", "taxable", "requires_shipping"):
        if (value := getattr(variant, name)) is not None:
            kept[name] = value
    return Variant.model_validate(kept)


def _options(variant: Variant) -> dict[str, str]:
    stripped = {name.strip(): value.strip() for name, value in variant.options.items()}
    return {name: value for name, value in stripped.items() if name and value}


def _price(variant: Variant, currency: str | None) -> Price | None:
    """The usual price in the shop's currency; Shopify keeps other lists apart from the product."""
    for one in variant.prices:
        if one.price_list is None and currency in (None, one.amount.currency):
            amount, before = one.amount.rounded(), one.compare_at
            if "compare_at" not in one.model_fields_set:
                return Price(amount=amount)
            return Price(amount=amount, compare_at=before.rounded() if before is not None else None)
    return None


def variants_input(currency: str, variants: Sequence[Variant], there: Sequence[Json]) -> Values:
    """`variants` and `productOptions`, or nothing where the shop has it all.

    Raises Permanent for a new variant that has no price, as Shopify would give it away, and for one whose options do
    not fit the others'.
    """
    pairs, new, foreign = _paired(variants, there)
    names = _names(variants, there, foreign=foreign)
    changed = bool(new)
    rows: list[Values] = []
    chosen: list[dict[str, str]] = []
    for node in there:
        variant, before = pairs.get(node["id"]), _chosen(node)
        after = _values(names, variant, before)
        fields = _fields(currency, variant, node) if variant is not None else {}
        changed = changed or bool(fields) or after != before
        rows.append({"id": node["id"], **fields})
        chosen.append(after)
    for variant in new:
        fields = _fields(currency, variant, None)
        if "price" not in fields:
            raise Permanent(
                f"the variant {variant.sku or variant.title or ''!r} has no price in {currency}",
                code="NO_PRICE",
                remedy="Shopify would sell it for nothing: give it a price and replay",
            )
        rows.append(fields)
        chosen.append(_values(names, variant, {}, alone=not there and len(new) == 1))
    if not changed:
        return {}
    for row, values in zip(rows, chosen, strict=True):
        row["optionValues"] = [{"optionName": name, "name": values[name]} for name in names]
    options = [
        {"name": name, "values": [{"name": value} for value in dict.fromkeys(values[name] for values in chosen)]}
        for name in names
    ]
    return {"productOptions": options, "variants": rows}


def _paired(variants: Sequence[Variant], there: Sequence[Json]) -> tuple[dict[str, Variant], list[Variant], bool]:
    """Ours by the shop's id, ours that the shop has not, and whether the shop has others."""
    left, new, pairs = list(there), list[Variant](), dict[str, Variant]()
    alone = len(variants) == len(there) == 1
    for variant in variants:
        found = left[0] if alone else _same(variant, left)
        if found is None:
            new.append(variant)
        else:
            left.remove(found)
            pairs[found["id"]] = variant
    return pairs, new, bool(left)


def _same(variant: Variant, left: Sequence[Json]) -> Json | None:
    """The shop's variant with the SKU, else the barcode, else the options; a SKU that differs speaks against it."""
    for name in _CODES:
        code = (getattr(variant, name) or "").strip()
        if found := [node for node in left if code and node[name] == code]:
            options = _options(variant)
            return next((node for node in found if _chosen(node) == options), found[0])
        if name == "sku" and code:
            left = [node for node in left if not node["sku"]]
    options = _options(variant)
    return next((node for node in left if options and _chosen(node) == options), None)


def _names(variants: Sequence[Variant], there: Sequence[Json], *, foreign: bool) -> list[str]:
    """The names of the options: ours, unless the shop has the same ones, or variants that ours would not fit."""
    ours = next((list(options) for variant in variants if (options := _options(variant))), list[str]())
    theirs = list(_chosen(there[0])) if there else []
    if theirs and (foreign or not ours or set(ours) == set(theirs)):
        return theirs
    return ours or [_ALONE]


def _chosen(node: Json) -> dict[str, str]:
    return {option["name"]: option["value"] for option in node["selectedOptions"]}


def _values(
    names: list[str], variant: Variant | None, before: dict[str, str], *, alone: bool = False
) -> dict[str, str]:
    """A value for each option: ours, else what the shop has, else a word for the variant where there is one option."""
    ours = _options(variant) if variant is not None else {}
    for values in (ours, before):
        if set(values) == set(names):
            return {name: values[name] for name in names}
    word = (variant.title or variant.sku) if variant is not None and len(names) == 1 and not ours else None
    if alone and names == [_ALONE]:
        word = _DEFAULT
    if not word:
        sku = variant.sku if variant is not None else None
        raise Permanent(
            f"the variant {sku or ''!r} has the options {sorted(ours)} where the product has {sorted(names)}",
            code="OPTIONS",
            remedy="give all variants of the product the same options, in both systems, and replay",
        )
    return {names[0]: word.strip()}


def _fields(currency: str, variant: Variant, node: Json | None) -> Values:
    """What is to be written of a variant: what is told, and is not so in the shop."""
    fields: Values = {}
    for name in _CODES:
        code = (getattr(variant, name) or "").strip()
        if code and (node is None or node[name] != code):
            fields[name] = code
    if (price := _price(variant, currency)) is not None:
        wanted: dict[str, Money | None] = {"price": price.amount}
        if "compare_at" in price.model_fields_set:
            wanted["compareAtPrice"] = price.compare_at
        for name, amount in wanted.items():
            text = decimal_text(padded(amount.amount, currency)) if amount is not None else None
            if node is None or _number(node[name]) != _number(text):
                fields[name] = text
    if variant.taxable is not None and (node is None or node["taxable"] != variant.taxable):
        fields["taxable"] = variant.taxable
    held: Json = node["inventoryItem"] if node is not None else {}
    item: Values = {}
    if variant.requires_shipping is not None and held.get("requiresShipping") != variant.requires_shipping:
        item["requiresShipping"] = variant.requires_shipping
    weight = variant.weight_grams
    if weight is not None and (node is None or grams(held["measurement"]["weight"]) != weight):
        item["measurement"] = {"weight": {"unit": "GRAMS", "value": weight}}
    return {**fields, "inventoryItem": item} if item else fields


def _number(amount: str | None) -> Decimal | None:
    return Decimal(str(amount)) if amount is not None else None
