"""`omnibridge conflicts`: fields that two channels state differently, and choosing whose value holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, show, write_json
from omnibridge.conflicts import Dispute, open_conflicts, settle_conflict

__all__ = ["conflicts_command"]


@app.command("conflicts")
def conflicts_command(
    id_: Annotated[int | None, typer.Argument(metavar="ID", help="A conflict to settle.")] = None,
    side: Annotated[str | None, typer.Option("--side", help="The channel whose value shall hold.")] = None,
    config: ConfigPath = Path("bridge.toml"),
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show fields that two channels state differently; with a number and --side, say whose value holds.

    A running bridge takes the choice up within seconds, and the value goes to every channel that is routed to.
    """
    if (id_ is None) is not (side is None):
        raise typer.BadParameter("to settle a conflict, give its number and --side CHANNEL")

    async def read() -> Sequence[Dispute]:
        async with attached(config) as journal:
            return await open_conflicts(journal, limit=limit)

    async def choose(conflict: int, chosen: str) -> None:
        async with attached(config) as journal:
            await settle_conflict(journal, conflict, chosen)

    if id_ is not None and side is not None:
        run_async(choose, id_, side)
        if as_json:
            write_json({"id": id_, "side": side})
        else:
            say(f"conflict {id_}: what {side} says will hold")
        return
    columns = ["id", "kind", "field", "winner", "holds", "loser", "lost", "at"]
    show("Conflicts", [_shown(dispute) for dispute in run_async(read)], as_json=as_json, columns=columns)


def _shown(dispute: Dispute) -> dict[str, object]:
    row = dispute.row
    return {
        "id": row.id,
        "kind": row.kind,
        "entity": row.entity,
        "field": row.field,
        "winner": row.winner,
        "holds": dispute.holds,
        "loser": row.loser,
        "lost": dispute.lost,
        "at": row.at.isoformat(timespec="seconds"),
    }
