"""CloudEvents on the wire: a strict, lean codec for the JSON event format and the HTTP protocol binding."""

from omnibridge.codec.bounds import BOUNDS, Bounds
from omnibridge.codec.http import (
    HttpMessage,
    Mode,
    mode_of,
    read_events,
    write_batch,
    write_binary,
    write_structured,
)
from omnibridge.codec.json import read_event, write_event
from omnibridge.codec.webhook import bearer_token, consent, unknown_form, without_token

__all__ = [
    "BOUNDS",
    "Bounds",
    "HttpMessage",
    "Mode",
    "bearer_token",
    "consent",
    "mode_of",
    "read_event",
    "read_events",
    "unknown_form",
    "without_token",
    "write_batch",
    "write_binary",
    "write_event",
    "write_structured",
]
