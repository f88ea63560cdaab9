"""`omnibridge run`: the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import ConfigPath, app, configuration
from omnibridge.daemon import configure_logs, run

__all__ = ["run_command"]


@app.command("run")
def run_command(
    config: ConfigPath = Path("bridge.toml"),
    human: Annotated[bool, typer.Option("--human", help="Log for a terminal instead of JSON.")] = False,
) -> None:
    """Run the bridge until SIGTERM; it then finishes what is under way and stops."""
    configure_logs(human=human or sys.stderr.isatty())
    raise typer.Exit(run(configuration(config)))
