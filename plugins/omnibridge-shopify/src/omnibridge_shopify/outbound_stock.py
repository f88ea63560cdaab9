"""Stock levels to Shopify: set to a value that is compared with what was known, or adjusted by a difference."""

from __future__ import annotations

from collections.abc import Mapping

from omnibridge.connector import Delivery, Http, NativeKey, Receipt, Reference, Snapshot
from omnibridge.errors import Permanent
from omnibridge.model import InventoryLevel, Ref
from omnibridge_shopify.documents_goods import INVENTORY_ADJUST, INVENTORY_LEVEL, INVENTORY_SET
from omnibridge_shopify.goods import inventory_id
from omnibridge_shopify.graphql import Json, ask, change, problems
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.settings import Shopify

__all__ = ["normal_level", "set_level"]

_STALE = "CHANGE_FROM_QUANTITY_STALE"
_USED_UP = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"


def normal_level(settings: Shopify, level: InventoryLevel) -> InventoryLevel:
    """What is written of a stock level: `available`, or `on_hand` where that is all that is known."""
    name = _count(level)
    values: dict[str, object] = {"variant": level.variant, "location": level.location}
    if name is not None:
        values[name] = getattr(level, name)
    return InventoryLevel.model_validate(values)


def _count(level: InventoryLevel) -> str | None:
    return next((name for name in ("available", "on_hand") if getattr(level, name) is not None), None)


async def set_level(settings: Shopify, level: InventoryLevel, delivery: Delivery, http: Http) -> Receipt:
    """Set a count with `inventorySetQuantities`.

    `changeFromQuantity` is the count that this channel was last known to have. If the shop has another by now (a sale
    whose webhook is still on its way), its count is read and the set is tried once more against that. Since version
    2026-04 the mutation needs `@idempotent`, and `changeFromQuantity` must be there, null to compare with nothing.
    Raises Permanent for a count that is no whole number, an item that is not matched, and what Shopify refuses.
    """
    name = _count(level)
    if name is None:
        return Receipt(note="no count to write")
    wanted = level.available if name == "available" else level.on_hand
    if wanted is None or wanted != wanted.to_integral_value():
        raise Permanent(f"{wanted} {level.unit}: Shopify counts in whole numbers", code="INVALID_QUANTITY")
    item, location = _ids(level, delivery)
    row: dict[str, object] = {"inventoryItemId": gid("InventoryItem", item), "locationId": gid("Location", location)}
    known = delivery.known if isinstance(delivery.known, InventoryLevel) else None
    before = getattr(known, name) if known is not None else None
    if settings.stock_writes == "adjust" and name == "available" and before is not None:
        return await _adjust(settings, http, row, int(wanted - before), int(wanted))
    row |= {"quantity": int(wanted), "changeFromQuantity": int(before) if before is not None else None}
    found = await _set(settings, http, name, row, "set")
    note = None
    if found and found[0][0] in (_STALE, _USED_UP):
        now = await _now(settings, http, row, name)
        note = f"the shop had {now} where {before} was last known"
        row["changeFromQuantity"] = now
        found = await _set(settings, http, name, row, "set-again")
    if found:
        code, field, message = found[0]
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    return _receipt(row, name, int(wanted), note)


async def _adjust(settings: Shopify, http: Http, row: dict[str, object], delta: int, wanted: int) -> Receipt:
    """Change the available count by a difference with `inventoryAdjustQuantities`.

    `changeFromQuantity` is null: a sale in between is what the difference is for, and the key keeps it from counting
    twice. The receipt has the count that came of it.
    """
    if not delta:
        return _receipt(row, "available", wanted, "nothing to adjust")
    changed: dict[str, object] = {**row, "delta": delta, "changeFromQuantity": None}
    values = {"name": "available", "reason": "correction", "changes": [changed]}
    variables = {"input": values, "key": http.key("adjust")}
    payload = await change(settings, http, INVENTORY_ADJUST, variables, step="adjust", protection=NativeKey())
    if found := problems(payload):
        code, field, message = found[0]
        raise Permanent(f"{field}: {message}" if field else message, code=code or None)
    group: Json | None = payload["inventoryAdjustmentGroup"]
    changes: list[Json] = group["changes"] if group else []
    after = next((each["quantityAfterChange"] for each in changes if each["name"] == "available"), None)
    count = wanted if after is None else int(after)
    note = f"the shop has {count} now, as others changed it too" if count != wanted else None
    return _receipt(row, "available", count, note)


def _receipt(row: Mapping[str, object], name: str, count: int, note: str | None) -> Receipt:
    item, location = gid_number(str(row["inventoryItemId"])), gid_number(str(row["locationId"]))
    external = inventory_id(item, location)
    told = InventoryLevel.model_validate(
        {
            "variant": Ref(kind="inventory_item", external_id=item),
            "location": Ref(kind="location", external_id=location),
            name: count,
        }
    )
    return Receipt((Reference("inventory", external),), (Snapshot(told, external),), note)


def _ids(level: InventoryLevel, delivery: Delivery) -> tuple[str, str]:
    if delivery.own is not None:
        item, _, location = delivery.own.partition(":")
        return item, location
    item, location = delivery.external(level.variant, "inventory_item"), delivery.external(level.location)
    if item is None:
        raise delivery.unmatched("variant", f"the SKU {level.sku!r}" if level.sku else "the variant of a stock level")
    if location is None:
        raise delivery.unmatched("location", "the location of a stock level")
    return item, location


async def _set(
    settings: Shopify, http: Http, name: str, row: dict[str, object], step: str
) -> list[tuple[str, str, str]]:
    payload = await change(
        settings,
        http,
        INVENTORY_SET,
        {"input": {"name": name, "reason": "correction", "quantities": [row]}, "key": http.key(step)},
        step=step,
        protection=NativeKey(),
    )
    return problems(payload)


async def _now(settings: Shopify, http: Http, row: dict[str, object], name: str) -> int | None:
    variables = {"item": row["inventoryItemId"], "location": row["locationId"]}
    data = await ask(settings, http, INVENTORY_LEVEL, variables)
    stocked: Json | None = data["inventoryItem"]
    level: Json | None = stocked["inventoryLevel"] if stocked else None
    counts: list[Json] = level["quantities"] if level else []
    return next((int(count["quantity"]) for count in counts if count["name"] == name), None)
