"""Structured logs: one JSON object a line on stderr, with channels and row ids, never payloads or secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from omnibridge.errors import trail

__all__ = ["configure_logs"]

_ALLOWED = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "channel",
        "delivery",
        "inbox",
        "error",
        "reason",
        "where",
        "remedy",
        "url",
        "stage",
    }
    | {"count", "seconds", "version", "journal", "exception", "signal", "path"}
)


def _only_known(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list: a new field must be thought about before it is logged."""
    return {name: value for name, value in event.items() if name in _ALLOWED}


def _frames(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as the places it passed, without its message: messages may quote what a person wrote."""
    if event.pop("exc_info", None):
        error = sys.exc_info()[1]
        event["exception"] = trail(error) if error is not None else ""
    return event


class _Named(logging.Formatter):
    """A record of a library: who said something, and how bad; what it said may quote anything."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"level": record.levelname.lower(), "event": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = record.exc_info[0].__name__
        return json.dumps(told)


def configure_logs(*, human: bool = False) -> None:
    """Set up structlog and send the standard library's warnings through it. `human` writes for a terminal."""
    renderer: Any = structlog.dev.ConsoleRenderer(colors=True) if human else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _frames,
            _only_known,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Named())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
