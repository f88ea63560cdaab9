"""The command line: one file a command."""

from omnibridge.cli import (
    backup,
    check,
    check_connector,
    conflicts,
    connectors,
    consent,
    customer,
    deliveries,
    demo,
    dev,
    erase,
    events,
    explain,
    new,
    run,
    schema,
    version,
)
from omnibridge.cli.app import app, main

__all__ = [
    "app",
    "backup",
    "check",
    "check_connector",
    "conflicts",
    "connectors",
    "consent",
    "customer",
    "deliveries",
    "demo",
    "dev",
    "erase",
    "events",
    "explain",
    "main",
    "new",
    "run",
    "schema",
    "version",
]
