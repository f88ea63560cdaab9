"""What somebody who was erased may still show: nothing, or goods and money without them, unless it came after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from omnibridge.model import WHOLLY, email_or_none, without_person
from omnibridge.reconcile.links import Json
from omnibridge.reconcile.party import IMPERSONAL
from omnibridge.reconcile.turn import Prepared

__all__ = ["Grave", "laid_to_rest"]

Grave = Callable[..., datetime | None]
"""When something was buried: (channel, kind, external id), or (`contact`, address)."""

_BEGINNINGS = ("created_at", "placed_at", "changed_at", "sent_at", "started_at", "at")
_ADDRESSES = ("email", "phone", "buyer_email", "buyer_phone", "contact", "sender", "recipient", "caller", "callee")


def laid_to_rest(prepared: Prepared, grave: Grave) -> Prepared | None:
    """What of a snapshot may be taken in: all of it, or what is left without the person, or nothing (None).

    A backfill brings nobody back. What began after the erasure is new: somebody may come again as anybody else.
    """
    kind, said = prepared.key.kind, prepared.said
    if kind in IMPERSONAL:
        return prepared
    buried = [at for at in _graves(prepared, grave) if at is not None]
    if not buried:
        return prepared
    began = _began(said)
    if began is not None and began > max(buried):
        return prepared
    bare = None if kind in WHOLLY else without_person(kind, said)
    if bare is None:
        return None
    return prepared._replace(said=bare, links=tuple(link for link in prepared.links if link.kind not in WHOLLY))


def _graves(prepared: Prepared, grave: Grave) -> Iterator[datetime | None]:
    key, said = prepared.key, prepared.said
    yield grave(key.channel, key.kind, key.external_id)
    for link in prepared.links:
        if link.kind in WHOLLY or key.kind != "customer":
            yield grave(link.channel, link.kind, link.external_id)
    for name in _ADDRESSES:
        address: str | None = said.get(name)
        if address:
            yield grave("contact", email_or_none(address) or address)


def _began(said: Json) -> datetime | None:
    proof: Json = said.get("proof") or {}
    for found in (*(said.get(name) for name in _BEGINNINGS), proof.get("at")):
        if isinstance(found, str):
            return datetime.fromisoformat(found)
    return None
