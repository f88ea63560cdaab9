"""Whom something is about: the customer, or the address that is all that is known of somebody, or nobody."""

from __future__ import annotations

from collections.abc import Callable

from pydantic_core import from_json

from omnibridge.errors import CodecError
from omnibridge.event import Event
from omnibridge.journal import CONTACT, Known
from omnibridge.model import Command, email_or_none, lookup
from omnibridge.reconcile.links import Json

__all__ = ["IMPERSONAL", "party_of", "party_of_event"]

IMPERSONAL = frozenset({"product", "inventory", "location"})
"""Kinds of entity that are about nobody."""
_PEOPLE = ("buyer", "customer")


def party_of(
    kind: str, id_: str, data: Json, known: Known, find: Callable[[Json], Known], channel: str = ""
) -> str | None:
    """The party of an entity: the customer in it, else as it was known, else an address in it, else by its order.

    `find` gives what is known about the target of a reference inside. A customer counts by the id that their record
    got first: so it is theirs too when they are parted again from whom they were joined with. What `channel` had given
    to a customer and takes from them is nobody's until it tells another. An entity that tells nobody is its own party.
    """
    if kind in IMPERSONAL:
        return None
    if kind == "customer":
        return id_
    for name in _PEOPLE:
        link = data.get(name)
        if link and (found := find(link)).id:
            return found.root or found.id
    if known.party is not None and not _taken_from(data, known, channel):
        return known.party
    address = _address(data)
    if address:
        return _contact(address)
    order = data.get("order")
    return (find(order).party if order else None) or id_


def _taken_from(data: Json, known: Known, channel: str) -> bool:
    """Whether the channel that an entity belongs to says that it is no longer the customer's whom it had named."""
    without = [name for name in _PEOPLE if name in data and data[name] is None]
    if not without or known.shadow is None or known.entity is None:
        return False
    before, document = from_json(known.shadow), from_json(known.entity)
    return document["origin"] == channel and any(before.get(name) for name in without)


def party_of_event(event: Event) -> str | None:
    """The party of an event that came as it is: its lane's root where that names somebody."""
    entry = lookup(event.type)
    kind = event.name.removeprefix("command.").partition(".")[0]
    if kind in IMPERSONAL:
        return None
    root = event.extensions.get("partitionkey")
    if root:
        return str(root)
    if entry is None:
        return None
    return _somebody(event, command=issubclass(entry.model, Command)) or event.subject


def _somebody(event: Event, *, command: bool) -> str | None:
    try:
        data = event.data
    except CodecError:
        return None
    if not _is_object(data):
        return None
    for name in _PEOPLE:
        link: Json | None = data.get(name)
        if link and link.get("id"):
            return str(link["id"])
    address: str | None = _recipient(data) if command else _address(data)
    return _contact(address) if address else None


def _is_object(data: object) -> bool:
    return isinstance(data, dict)


def _recipient(command: Json) -> str | None:
    named = [command.get("to"), command.get("phone"), *(command.get("emails") or ()), *(command.get("phones") or ())]
    return next(filter(None, named), None)


def _address(data: Json) -> str | None:
    if "direction" in data:
        names = ("sender", "caller") if data["direction"] == "inbound" else ("recipient", "callee")
        return data.get(names[0]) or data.get(names[1])
    return data.get("contact") or data.get("buyer_email") or data.get("buyer_phone") or data.get("phone")


def _contact(address: str) -> str:
    return CONTACT + (email_or_none(address) or address.strip())
