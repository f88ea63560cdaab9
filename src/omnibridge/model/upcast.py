"""Types that a better one replaced, and how their data becomes the better one's: pure functions from JSON to JSON.

A superseded type is readable for ever and written by nobody. Its function takes the data as it was and gives it as it
would be written today; it raises ValueError, KeyError or TypeError for data that never had the old shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["SUPERSEDED", "Upcaster"]

Upcaster = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Data of an older type → data of the type that replaced it. The argument is left as it is."""


def _message_received_v0(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sketch of `message.received` knew SMS only and named things as telephone companies do.

    `from`, `to` and `text` became `sender`, `recipient` and `body`; `medium`, `direction` and `state` were implied.
    No release ever wrote it: it is kept as the worked example of what a type goes through that is replaced.
    """
    known = {"from": "sender", "to": "recipient", "text": "body", "at": "sent_at"}
    if unknown := set(data) - set(known):
        raise ValueError(f"unknown member {min(unknown)!r}")
    renamed = {known[name]: value for name, value in data.items()}
    return {"direction": "inbound", "medium": "sms", "state": "received", **renamed, "sender": data["from"]}


SUPERSEDED: Mapping[str, Mapping[str, Upcaster]] = MappingProxyType(
    {"message.received": MappingProxyType({"io.omnibridge.message.received.v0": _message_received_v0})}
)
"""Name of the type that is written today → each older full type, with the function for its data."""
