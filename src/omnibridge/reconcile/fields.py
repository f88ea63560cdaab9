"""An entity as single fields, each with a value of its own: what is claimed, owned and settled one by one."""

from __future__ import annotations

from omnibridge.reconcile.links import Json

__all__ = ["PRIVATE", "flat", "private", "whole"]


_KEYED = ("attributes", "vendor")  # dictionaries whose keys belong to different channels
_PRICE = "price."
PRIVATE = frozenset({"created_at", "updated_at", "discrepancies", "merged_into"})
"""Fields that a system stamps by itself: nobody writes them elsewhere, so nobody can disagree about them."""


def private(field: str) -> bool:
    """Whether a field is a system's own business."""
    return field in PRIVATE or field == "vendor" or field.startswith("vendor.")


def flat(kind: str, entity: Json) -> Json:
    """The fields of an entity: its own, a field for each key of `attributes` and `vendor`, and each variant's price.

    `attributes.size` is the company's field `size`; `price.SKU` holds the prices of a product's variant.
    """
    made: Json = {}
    for name, value in entity.items():
        if name in _KEYED and value:
            for key, item in value.items():
                made[f"{name}.{key}"] = item
        elif kind == "product" and name == "variants" and value:
            made[name] = [_without_prices(variant) for variant in value]
            for place, variant in enumerate(value):
                if "prices" in variant:
                    made[_PRICE + _variant_key(variant, place)] = variant["prices"]
        else:
            made[name] = value
    return made


def whole(kind: str, fields: Json) -> Json:
    """The entity that has these fields; the price of a variant that is not among `variants` has no place in it."""
    made: Json = {}
    priced = False
    for name, value in fields.items():
        outer, dot, key = name.partition(".")
        if dot and outer in _KEYED:
            made.setdefault(outer, {})[key] = value
        elif name in _KEYED:
            made.setdefault(name, {})
        elif kind == "product" and name.startswith(_PRICE):
            priced = True
        else:
            made[name] = value
    if priced and made.get("variants"):
        made["variants"] = [
            _priced(variant, fields, _PRICE + _variant_key(variant, place))
            for place, variant in enumerate(made["variants"])
        ]
    return made


def _variant_key(variant: Json, place: int) -> str:
    return str(variant.get("sku") or variant.get("external_id") or place)


def _without_prices(variant: Json) -> Json:
    return {name: value for name, value in variant.items() if name != "prices"}


def _priced(variant: Json, fields: Json, name: str) -> Json:
    return {**variant, "prices": fields[name]} if name in fields else variant
