"""Stock to Square: set by a physical count, or adjusted by a difference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from omnibridge.connector import Delivery, Http, NativeKey, Observation, Receipt, Reference, Snapshot
from omnibridge.model import InventoryLevel
from omnibridge_square.classify import succeeded
from omnibridge_square.entities import count, count_id
from omnibridge_square.settings import SquareSettings
from omnibridge_square.wire import Json, parsed, wire_instant

__all__ = ["deliver_level", "normal_level"]


def normal_level(settings: SquareSettings, level: InventoryLevel) -> InventoryLevel:
    """What Square keeps of a level: the sellable quantity, five digits after the point, never below nothing."""
    fields: Json = {"variant": level.variant, "location": level.location}
    quantity = _sellable(level)
    if quantity is not None:
        fields["available"] = quantity
    if level.id is not None:
        fields["id"] = level.id
    return InventoryLevel(**fields)


def _sellable(level: InventoryLevel) -> Decimal | None:
    told = level.available if level.available is not None else level.on_hand
    return None if told is None else max(Decimal(0), told.quantize(Decimal("0.00001")).normalize()) + 0


async def deliver_level(settings: SquareSettings, level: InventoryLevel, delivery: Delivery, http: Http) -> Receipt:
    """Set the sellable stock (`IN_STOCK`) by a physical count, or adjust it by the difference to what was last known.

    Both bear the time at which the count was taken, when that is within the 24 hours that Square allows: of a count,
    what the till sold since is then still subtracted. Stock whose count here was never known is counted. Raises
    Permanent for a variant or location that is not matched.
    """
    quantity = _sellable(level)
    if quantity is None:
        return Receipt(note="no sellable quantity was told")
    known_variant, _, known_place = (delivery.own or "").partition(":")
    variant = delivery.external(level.variant) or known_variant
    place = delivery.external(level.location) or known_place
    if not variant or not place:
        missing = "variant" if not variant else "location"
        raise delivery.unmatched(missing, f"the {missing} of a stock level")
    now = await http.now()
    at = level.counted_at if level.counted_at is not None and now - _OLDEST < level.counted_at <= now else now
    own = count_id(variant, place)
    told: Json = {"catalog_object_id": variant, "location_id": place, "occurred_at": wire_instant(at)}
    before = _sellable(delivery.known) if isinstance(delivery.known, InventoryLevel) else None
    if settings.stock_writes == "adjust" and before is not None:
        if quantity == before:
            return Receipt((Reference("inventory", own),), note="nothing to adjust")
        told |= _moved(settings, quantity - before)
        levels = await _change(http, "adjust", {"type": "ADJUSTMENT", "adjustment": told}, own)
        return Receipt((Reference("inventory", own),), levels, _others(levels, quantity))
    told |= {"state": "IN_STOCK", "quantity": format(quantity, "f")}
    levels = await _change(http, "count", {"type": "PHYSICAL_COUNT", "physical_count": told}, own)
    return Receipt((Reference("inventory", own),), levels)


def _moved(settings: SquareSettings, difference: Decimal) -> Json:
    """Where the difference comes from or goes to: `NONE` brings new stock in, `SOLD` and `WASTE` take it out.

    Most other states are read-only. Source: specification, `InventoryState`.
    """
    falls = {"sold": "SOLD", "waste": "WASTE"}[settings.stock_falls_as]
    states = ("NONE", "IN_STOCK") if difference > 0 else ("IN_STOCK", falls)
    return {"from_state": states[0], "to_state": states[1], "quantity": format(abs(difference), "f")}


def _others(levels: Sequence[Snapshot], wanted: Decimal) -> str | None:
    """That others changed the stock meanwhile, where they did."""
    now = next((one.entity.available for one in levels if isinstance(one.entity, InventoryLevel)), None)
    return f"Square has {now} now, as others changed it too" if now not in (None, wanted) else None


async def _change(http: Http, step: str, change: Json, own: str) -> tuple[Snapshot, ...]:
    """Send a change of stock; the level that came of it, as Square tells it."""
    body: Json = {"idempotency_key": http.key(step), "changes": [change], "ignore_unchanged_counts": True}
    path = "/v2/inventory/changes/batch-create"
    answer = await http.post(path, json=body, step=step, protection=NativeKey())
    after = succeeded("the change of stock", answer)
    seen = parsed("answer.counts", lambda: [count(one, "receipt") for one in after.nodes("counts")])
    return tuple(_written(one) for one in _levels(seen, own))


_OLDEST = timedelta(hours=23)


def _levels(seen: Sequence[Observation], own: str) -> list[Snapshot]:
    return [one for one in seen if isinstance(one, Snapshot) and one.external_id == own]


def _written(one: Snapshot) -> Snapshot:
    names = {"variant", "location", "available"} & one.entity.model_fields_set
    fields: Json = {name: getattr(one.entity, name) for name in names}
    return Snapshot(InventoryLevel(**fields), one.external_id, one.version)
