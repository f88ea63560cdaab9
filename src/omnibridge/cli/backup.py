"""`omnibridge backup` and `omnibridge restore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import ConfigPath, app, attached, run_async
from omnibridge.cli.output import say
from omnibridge.config import load
from omnibridge.journal import restore
from omnibridge.registry import Registry

__all__ = ["backup_command", "restore_command"]


@app.command("backup")
def backup_command(
    target: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    config: ConfigPath = Path("bridge.toml"),
) -> None:
    """Write a consistent copy of the journal, also while the bridge runs."""

    async def work() -> None:
        async with attached(config) as journal:
            await journal.backup(str(target))

    run_async(work)
    loaded = load(config, os.environ, Registry())
    say(f"written to {target}; only the keyring {loaded.keyring_path} and the keys beside it open it: mirror both")


@app.command("restore")
def restore_command(
    backup: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    config: ConfigPath = Path("bridge.toml"),
) -> None:
    """Put a backup in the journal's place; the bridge must be stopped and the journal must not exist."""
    loaded = load(config, os.environ, Registry())
    restore(backup, loaded.journal_path)
    say(f"restored to {loaded.journal_path}; what vendors changed since the backup comes with the next polls")
