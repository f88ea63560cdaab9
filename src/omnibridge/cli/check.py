"""`omnibridge check`: what is wrong with a configuration, before it is run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.bridge import Bridge
from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.match import unmatched_in
from omnibridge.cli.output import say, write_json
from omnibridge.config import Config, Problem, check, load
from omnibridge.errors import OmniBridgeError
from omnibridge.registry import Registry

__all__ = ["check_command"]


@app.command("check")
def check_command(
    config: ConfigPath = Path("bridge.toml"),
    online: Annotated[bool, typer.Option("--online", help="Also ask every vendor, without changing anything.")] = False,
    integrity: Annotated[bool, typer.Option("--integrity", help="Also read every page of the journal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong: first in shape, offline; with --online, what only a running system can tell."""
    problems: list[Problem] = []
    try:
        loaded = load(config, os.environ, Registry())
        problems += check(loaded)
        if integrity:
            problems += run_async(_integrity, config)
        if online and all(problem.warning for problem in problems):
            problems += run_async(_online, loaded, config)
    except OmniBridgeError as error:
        if as_json:  # a program reads one kind of answer, also where nothing could be read
            _write([*problems, Problem(error.where or str(config), error.what, error.remedy)])
            raise typer.Exit(2) from None
        raise
    wrong = [problem for problem in problems if not problem.warning]
    if as_json:
        _write(problems)
    else:
        for problem in problems:
            say(f"{'warning' if problem.warning else 'error'}: {problem}")
        say(
            f"{len(loaded.channels)} channels, {len(loaded.routes)} routes: "
            + ("nothing wrong" if not problems else f"{len(wrong)} errors, {len(problems) - len(wrong)} warnings")
        )
        if not online and not wrong:
            say("Offline only: credentials and addresses are tried by `omnibridge check --online`.")
    raise typer.Exit(2 if wrong else 0)


def _write(problems: list[Problem]) -> None:
    shown = [{"where": p.where, "what": p.what, "remedy": p.remedy, "warning": p.warning} for p in problems]
    write_json({"ok": all(problem.warning for problem in problems), "problems": shown})


async def _integrity(path: Path) -> list[Problem]:
    async with attached(path) as journal:
        return [Problem("journal", text, "restore a backup") for text in await journal.check_integrity()]


async def _online(config: Config, path: Path) -> list[Problem]:
    found: list[Problem] = []
    bridge = Bridge(config)
    for name, error in (await bridge.probe()).items():
        remedy = error.remedy if isinstance(error, OmniBridgeError) else None
        what = error.what if isinstance(error, OmniBridgeError) else f"{type(error).__name__}"
        found.append(Problem(f"channel {name!r}", what, remedy))
    if not found and config.journal_path.exists():
        missing = Counter((one.channel, one.kind) for one in await unmatched_in(path, await bridge.terms()))
        for (name, kind), number in sorted(missing.items()):
            what = f"{number} of kind {kind} that routes bring to it are not matched with anything there"
            remedy = f"omnibridge match --online --channel {name} --kind {kind} shows them, with proposals"
            found.append(Problem(f"channel {name!r}", what, remedy, warning=True))
    return found
