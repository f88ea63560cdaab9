"""Who may say what about a permission: what counts, what is only a copy, and the ledger that keeps every word of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from omnibridge.connector import Snapshot
from omnibridge.errors import InvalidMessage
from omnibridge.event import Event
from omnibridge.journal import Origin
from omnibridge.model import Consent, ConsentState, consent_key, lookup
from omnibridge.reconcile.links import Json

__all__ = ["Judged", "ends_permission", "judge", "told_by"]

_PERMISSIVE = frozenset({"granted", "pending"})
_EVIDENCE = frozenset({"basis", "proof", "changed_at"})
_ENDED = frozenset({"withdrawn", "denied", "expired"})
_MERGED = ("attributes", "vendor")
_EMPTY: tuple[object, ...] = (None, [], {}, "")


class Judged(NamedTuple):
    """The permission as it stands now, and its ledger, oldest first."""

    consent: Json
    ledger: list[Json]


def told_by(event: Event) -> Snapshot | None:
    """The permission that an event of ours tells of, from outside; None for any other event.

    Raises InvalidMessage where its data is no consent: a withdrawal must not pass unread.
    """
    entry = lookup(event.type)
    if entry is None or entry.model is not Consent:
        return None
    seen = event.parse()
    if not isinstance(seen, Consent):
        return None
    told: Json = seen.model_dump(exclude_unset=True, exclude={"id", "customer"})
    verb = entry.name.rpartition(".")[2]
    if verb in ("withdrawn", "denied"):
        told["state"] = ConsentState(verb)  # whatever its data says beside it
    told["changed_at"] = seen.changed_at or (seen.proof.at if seen.proof is not None else None) or event.time
    if seen.customer is not None and seen.customer.id is not None:
        told["customer"] = {"kind": seen.customer.kind, "id": seen.customer.id}
    try:
        consent = Consent.model_validate(told)
    except ValidationError:
        raise InvalidMessage("its time is none", where=f"{entry.name} {event.id[:40]}") from None
    return Snapshot(consent, consent_key(seen.contact, seen.medium, seen.purpose))


def ends_permission(event: Event) -> bool:
    """Whether a consent event says that a person must not be written to any more."""
    verb = event.name.rpartition(".")[2]
    if verb != "updated":
        return verb in _ENDED
    seen = event.parse()
    return isinstance(seen, Consent) and seen.state in _ENDED


def judge(
    channel: str,
    origin: Origin,
    received: datetime,
    document: Json | None,
    said: Json,
    *,
    collects: bool,
    first: bool,
) -> Judged:
    """What a permission is after a channel has spoken, and the ledger with its word.

    Only a channel that collects consent grants, by webhook, with a time that is newer than what is known. What is
    refused becomes `unknown` for a permission that was never seen, and changes nothing about one that was. A withdrawal
    counts from anywhere, at once. `first`: the channel never spoke of it before, so what it leaves empty removes
    nothing. Whose the address is stays as the first channel that knew it said.
    """
    before: Json = document["entity"] if document else {}
    ledger: list[Json] = list(document.get("ledger", ())) if document else []
    if document and not ledger and before.get("state", "unknown") != "unknown":
        ledger.append(_line(document["origin"], None, received, before, None))  # from before there was a ledger
    fresh = {name: value for name, value in said.items() if not (name == "customer" and before.get("customer"))}
    state, was = fresh.get("state"), before.get("state", "unknown")
    why = _objection(origin, before, fresh, collects=collects) if state in _PERMISSIVE else None
    if state == "unknown" and document and first:
        del fresh["state"]  # who never knew takes nothing back
        state = None
    if state is not None and (state != "unknown" or was != "unknown") and not _echo(before, fresh):
        ledger = _entered(ledger, _line(channel, origin, received, fresh, why))
    if why is not None:
        fresh = {} if document else {**fresh, "state": "unknown"}
    elif state not in _PERMISSIVE and state in (None, was) and before.get("proof"):
        fresh = {name: value for name, value in fresh.items() if name not in _EVIDENCE}  # the first proof stays
    after = dict(before)
    if fresh.get("state", was) != was:
        after = {name: value for name, value in after.items() if name not in _EVIDENCE}  # it was for the state before
        if fresh["state"] != "unknown" and _decided(fresh) is None:
            after["changed_at"] = received.isoformat().replace("+00:00", "Z")
    for name, value in fresh.items():
        if first and document and value in _EMPTY and after.get(name) not in _EMPTY:
            continue
        if name in _MERGED and isinstance(value, dict):
            after[name] = {**after.get(name, {}), **value}
        else:
            after[name] = value
    return Judged(after, ledger)


def _objection(origin: Origin, before: Json, fresh: Json, *, collects: bool) -> str | None:
    """Why a permission does not count, in words for the ledger; None when it does."""
    at, known = _decided(fresh), _decided(before)
    if not collects:
        return "this channel does not collect consent, so it is a copy"
    if origin is not Origin.WEBHOOK:
        return f"a {origin.value} never grants"
    if at is None:
        return "nobody says when it was given"
    if before.get("state", "unknown") != "unknown" and known is not None and at <= known:
        return "what is known is newer"
    return None


def _decided(permission: Json) -> datetime | None:
    """When a person gave it or took it back, as far as anybody says; as a time, as zones and fractions do not sort."""
    proof: Json = permission.get("proof") or {}
    at: str | None = permission.get("changed_at") or proof.get("at")
    return datetime.fromisoformat(at) if at else None


def _echo(before: Json, fresh: Json) -> bool:
    """Whether a channel says back what it was told: the state that is in force, not decided later than that."""
    at, known = _decided(fresh), _decided(before)
    return fresh.get("state") == before.get("state") and at is not None and known is not None and at <= known


def _line(channel: str, origin: Origin | None, received: datetime, said: Json, why: str | None) -> Json:
    at = _decided(said)
    return {
        "state": said.get("state"),
        "channel": channel,
        "origin": origin.value if origin is not None else None,
        "at": at.isoformat() if at is not None else None,
        "recorded": received.isoformat(),
        "basis": said.get("basis"),
        "proof": said.get("proof"),
        "refused": why,
    }


def _entered(ledger: list[Json], line: Json) -> list[Json]:
    """The ledger with a line more, unless that was said already: a repetition, or a poll after the webhook.

    Of what does not count only the newest of each channel stays: copies come by every poll, for ever.
    """
    for earlier in reversed(ledger):
        if all(line[name] == earlier[name] for name in ("state", "channel", "at", "refused")):
            return ledger
        if line["at"] is None and earlier["refused"] is None and earlier["state"] != line["state"]:
            break  # told without a time, and something else was so in between: it is a new decision
    if line["refused"] is not None:
        ledger = [old for old in ledger if old["refused"] is None or old["channel"] != line["channel"]]
    return [*ledger, line]
