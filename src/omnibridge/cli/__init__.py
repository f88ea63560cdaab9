"""The command line: one file a command."""

from omnibridge.cli import backup, check, connectors, deliveries, demo, events, explain, run, schema, version
from omnibridge.cli.app import app, main

__all__ = [
    "app",
    "backup",
    "check",
    "connectors",
    "deliveries",
    "demo",
    "events",
    "explain",
    "main",
    "run",
    "schema",
    "version",
]
