"""`omnibridge erase` and `omnibridge export`: forget a customer in every channel and here; tell all that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, show, write_json
from omnibridge.erasure import ask_erasure, export, settle_erasure

__all__ = ["erase_command", "export_command"]

Who = Annotated[str, typer.Argument(metavar="ID|EMAIL|PHONE", help="The customer.")]


@app.command("erase")
def erase_command(
    who: Annotated[str | None, typer.Argument(metavar="ID|EMAIL|PHONE", help="The customer to forget.")] = None,
    config: ConfigPath = Path("bridge.toml"),
    status: Annotated[bool, typer.Option("--status", help="Show how far erasures are.")] = False,
    settle: Annotated[
        int | None, typer.Option("--settle", help="What this erasure waits for was done by hand, or is given up.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a customer: every channel is asked to, and when all have answered the journal forgets, and its backups."""
    if (who is not None) + status + (settle is not None) != 1:
        raise typer.BadParameter("name a customer, or give --status or --settle NUMBER")
    if status:
        show("Erasures", run_async(_status, config), as_json=as_json, columns=["number", "state", "asked", "channels"])
        return
    if settle is not None:
        run_async(_settle, config, settle)
        if as_json:
            write_json({"erasure": settle, "settled": True})
        else:
            say(f"erasure {settle} goes on")
        return
    if not yes:
        typer.confirm("Nothing brings them back. Go on?", abort=True)
    number = run_async(_ask, config, str(who))
    if as_json:
        write_json({"erasure": number})
    else:
        say(f"erasure {number} is noted; the running bridge carries it out: omnibridge erase --status")


@app.command("export")
def export_command(who: Who, config: ConfigPath = Path("bridge.toml")) -> None:
    """Write everything that is known about a customer as JSON."""
    write_json(run_async(_export, config, who))


async def _ask(config: Path, who: str) -> int:
    async with attached(config) as journal:
        return await ask_erasure(journal, who)


async def _settle(config: Path, number: int) -> None:
    async with attached(config) as journal:
        await settle_erasure(journal, number)


async def _export(config: Path, who: str) -> dict[str, object]:
    async with attached(config) as journal:
        return await export(journal, who)


async def _status(config: Path) -> list[dict[str, object]]:
    async with attached(config) as journal:
        return [
            {
                "number": erasure.number,
                "state": erasure.state.value,
                "asked": erasure.at.isoformat(timespec="seconds"),
                "channels": "; ".join(f"{name}: {word}" for name, word in sorted(erasure.report.items())),
            }
            for erasure in await journal.erasures()
        ]
