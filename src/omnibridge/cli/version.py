"""`omnibridge version`."""

from __future__ import annotations

import platform
from importlib.metadata import version

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.output import say, write_json
from omnibridge.journal import SCHEMA_VERSION, sqlite_version

__all__ = ["version_command"]


@app.command("version")
def version_command(as_json: AsJson = False) -> None:
    """Say which version runs, and on what."""
    facts = {
        "omnibridge": version("omnibridge"),
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
        "journal_schema": SCHEMA_VERSION,
    }
    if as_json:
        write_json(facts)
    else:
        say("\n".join(f"{name} {value}" for name, value in facts.items()))
