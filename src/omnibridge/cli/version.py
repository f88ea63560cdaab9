"""`omnibridge version`."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.output import say, write_json
from omnibridge.journal import SCHEMA_VERSION, sqlite_version

__all__ = ["version_command", "version_option"]


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"omnibridge {version('omnibridge')}")
        raise typer.Exit


@app.callback()
def version_option(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version runs, and end.")
    ] = False,
) -> None:
    """Connect a company's channels through one canonical model."""


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
