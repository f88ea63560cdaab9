"""The command line's frame: options that commands share, and errors as a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
import typer

from omnibridge.channel import Channel
from omnibridge.clock import SystemClock
from omnibridge.config import Config, load
from omnibridge.errors import ConfigError, OmniBridgeError
from omnibridge.journal import Journal, KeyringSeal, open_journal
from omnibridge.registry import Registry

__all__ = ["AsJson", "ConfigPath", "app", "attached", "channels_of", "configuration", "main", "run_async"]

R = TypeVar("R")

app = typer.Typer(
    name="omnibridge",
    help="Connect a company's channels through one canonical model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="OMNIBRIDGE_CONFIG", help="The configuration file.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]


def configuration(path: Path) -> Config:
    """The configuration, checked. Raises ConfigError with everything that is wrong."""
    return load(path, os.environ, Registry()).require()


@asynccontextmanager
async def attached(path: Path) -> AsyncGenerator[Journal]:
    """The journal of a configuration, beside a daemon that may be running on it."""
    config = load(path, os.environ, Registry())
    if not config.journal_path.exists():
        raise ConfigError(
            "there is no journal yet", where=str(config.journal_path), remedy="start the bridge once: omnibridge run"
        )
    seal = KeyringSeal.load(config.keyring_path, create=False)
    async with open_journal(config.journal_path, seal=seal, clock=SystemClock(), attach=True) as journal:
        yield journal


def channels_of(path: Path) -> Mapping[str, Channel]:
    """The channels of a configuration, whatever else is wrong with it."""
    return load(path, os.environ, Registry()).channels


def run_async(function: Callable[..., Awaitable[R]], *args: Any) -> R:
    """Run a coroutine function to its end."""
    return anyio.run(function, *args)


def main() -> None:
    """The console script. Every error is one message on stderr and a non-zero exit code, never a traceback."""
    try:
        app()
    except OmniBridgeError as error:
        typer.echo(f"omnibridge: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        typer.echo(
            f"omnibridge: internal error: {type(error).__name__}: {error}\n"
            "This is a bug. Set OMNIBRIDGE_TRACEBACK=1 and run it again to see where.",
            err=True,
        )
        if os.environ.get("OMNIBRIDGE_TRACEBACK"):
            raise
        sys.exit(70)
