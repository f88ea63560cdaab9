"""What happened, read off an entity's JSON before and after: the verbs of its events, most telling first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

__all__ = ["verbs"]

Json = Mapping[str, Any]
Rule = Callable[[Json, Json], list[str]]

_STATES: Mapping[str, tuple[str, Mapping[str, str], frozenset[str]]] = {
    # kind: (field, value it becomes → verb, fields that the verb tells of already)
    "fulfilment": (
        "state",
        {"ready": "ready", "completed": "completed", "delivered": "completed", "cancelled": "cancelled"},
        frozenset({"state", "state_raw", "updated_at"}),
    ),
    "cart": ("state", {"completed": "completed"}, frozenset({"state", "completed_at", "updated_at"})),
    "payment": ("state", {"captured": "captured", "failed": "failed"}, frozenset({"state", "state_raw", "updated_at"})),
    "return": (
        "state",
        {"received": "received", "closed": "received"},
        frozenset({"state", "state_raw", "updated_at"}),
    ),
    "refund": (
        "state",
        {"completed": "completed", "failed": "failed"},
        frozenset({"state", "state_raw", "updated_at"}),
    ),
}
_ORDER_TOLD = frozenset(
    {
        "status",
        "status_raw",
        "payment_status",
        "payment_status_raw",
        "fulfilment_status",
        "fulfilment_status_raw",
        "cancelled_at",
        "cancel_reason",
        "closed_at",
        "updated_at",
    }
)
_MESSAGE = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "cancelled": "failed",
    "read": "read",
}
_POINTS = {"earned": "earned", "redeemed": "spent", "returned": "returned", "expired": "expired"}
_CARDS = {"active": "activated", "blocked": "blocked", "deactivated": "deactivated"}
_ACTS = frozenset({"loaded", "redeemed", "refunded"})
_LEDGER_TOLD = frozenset({"balance", "entries", "activities", "complete", "discrepancies", "updated_at"})
_CALL = {
    "in_progress": "answered",
    "completed": "ended",
    "busy": "missed",
    "no_answer": "missed",
    "failed": "missed",
    "cancelled": "missed",
}
_FIRST = {"cart": "created", "fulfilment": "created", "payment": "created", "return": "requested", "refund": "created"}


def verbs(kind: str, before: Json | None, after: Json) -> list[str]:
    """The verbs of the events that lead from `before` (None: never seen) to `after`, which differ."""
    rule = _RULES.get(kind)
    if rule is not None:
        return rule(before or {}, after) if before is not None else rule({}, after)
    if kind in _STATES:
        return _stateful(kind, before, after)
    return ["created"] if before is None else ["updated"]


def _became(before: Json, after: Json, field: str, value: str) -> bool:
    return after.get(field) == value and before.get(field) != value


def _others_changed(before: Json, after: Json, told: frozenset[str]) -> bool:
    return any(before.get(name) != after.get(name) for name in {*before, *after} - told)


def _order(before: Json, after: Json) -> list[str]:
    found = [] if before else ["placed"]
    if _became(before, after, "payment_status", "paid"):
        found.append("paid")
    if _became(before, after, "fulfilment_status", "fulfilled"):
        found.append("fulfilled")
    if _became(before, after, "status", "cancelled"):
        found.append("cancelled")
    if _became(before, after, "payment_status", "refunded"):
        found.append("refunded")
    if before and (not found or _others_changed(before, after, _ORDER_TOLD)):
        found.append("updated")
    return found


def _stateful(kind: str, before: Json | None, after: Json) -> list[str]:
    field, states, told = _STATES[kind]
    found = [_FIRST[kind]] if before is None else []
    verb = states.get(str(after.get(field)))
    if verb is not None and (before is None or states.get(str(before.get(field))) != verb):
        found.append(verb)
    if before is not None and (not found or _others_changed(before, after, told)):
        found.append("updated")
    return found


def _consent(before: Json, after: Json) -> list[str]:
    state = str(after.get("state", "unknown"))
    if state == before.get("state", "unknown"):
        return ["updated"] if before else []
    return [state] if state in ("granted", "withdrawn", "denied", "pending") else ["updated"]


def _message(before: Json, after: Json) -> list[str]:
    if after.get("direction") == "inbound":
        return ["updated"] if before else ["received"]
    verb = _MESSAGE.get(str(after.get("state")), "updated")
    return [verb] if not before or _MESSAGE.get(str(before.get("state"))) != verb else ["updated"]


def _fresh(before: Json, after: Json, ledger: str) -> Iterator[Json]:
    """The entries that a ledger has got; none where it is seen for the first time, as its past is no news."""
    if before.get(ledger) is not None:
        known = {entry.get("id") for entry in before[ledger]}
        yield from (entry for entry in after.get(ledger) or () if entry.get("id") not in known)


def _loyalty(before: Json, after: Json) -> list[str]:
    if not before:
        return ["created"]
    moved = [entry for entry in _fresh(before, after, "entries") if Decimal(entry["points"])]
    found = list(dict.fromkeys(_POINTS.get(str(entry.get("kind")), "adjusted") for entry in moved))
    if not found and before.get("balance") != after.get("balance"):
        found.append("adjusted")
    if not found or _others_changed(before, after, _LEDGER_TOLD | {"lifetime"}):
        found.append("updated")
    return found


def _giftcard(before: Json, after: Json) -> list[str]:
    if not before:
        return ["created"]
    state = str(after.get("state"))
    found = [_CARDS[state]] if state in _CARDS and _became(before, after, "state", state) else []
    done = [str(entry.get("kind")) for entry in _fresh(before, after, "activities")]
    found += [kind for kind in dict.fromkeys(done) if kind in _ACTS]
    if not found or _others_changed(before, after, _LEDGER_TOLD | {"state", "state_raw"}):
        found.append("updated")
    return found


def _call(before: Json, after: Json) -> list[str]:
    verb = _CALL.get(str(after.get("state")))
    if not before:
        return ["started", verb] if verb else ["started"]
    return [verb] if verb and _CALL.get(str(before.get("state"))) != verb else ["updated"]


def _touch(before: Json, after: Json) -> list[str]:
    kind = str(after.get("kind"))
    return ["updated"] if before else [kind if kind in ("opened", "clicked", "bounced") else "recorded"]


def _inventory(before: Json, after: Json) -> list[str]:
    return ["changed"]


_RULES: Mapping[str, Rule] = {
    "order": _order,
    "consent": _consent,
    "message": _message,
    "call": _call,
    "touch": _touch,
    "inventory": _inventory,
    "loyalty": _loyalty,
    "giftcard": _giftcard,
}
