"""`omnibridge explain EVENT`: which routes match and why, which nearly did, and what would be sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, table, write_json
from omnibridge.config import load
from omnibridge.errors import UnknownItem
from omnibridge.journal import StoredEvent
from omnibridge.registry import Registry
from omnibridge.routing import Explanation, Router, explain

__all__ = ["explain_command"]


@app.command("explain")
def explain_command(
    event: Annotated[str, typer.Argument(help="An event's id, or its beginning.")],
    config: ConfigPath = Path("bridge.toml"),
    as_json: AsJson = False,
) -> None:
    """Say what becomes of an event under the configuration as it is now."""

    async def read() -> StoredEvent:
        async with attached(config) as journal:
            found = await journal.event(event)
        if found is None:
            raise UnknownItem(f"no event begins with {event!r}", remedy="omnibridge events lists them")
        return found

    stored = run_async(read)
    loaded = load(config, os.environ, Registry())
    router = Router(loaded.routes)
    routes = [explain(route, stored.event) for route in loaded.routes]
    targets = [
        {
            "channel": target.channel,
            "route": target.route.name,
            "would": loaded.channels[target.channel].describe(stored.event),
        }
        for target in router.targets(stored.event)
        if target.channel in loaded.channels
    ]
    if as_json:
        write_json({"event": stored.event.attributes(), "routes": [r.as_dict() for r in routes], "deliveries": targets})
        return
    say(f"{stored.event.name} {stored.event.id} from {stored.channel}")
    rows = [
        [r.route, r.blocked or "matches" if r.matches else "nearly" if r.nearly else "no", _clauses(r)] for r in routes
    ]
    table("Routes", ["route", "", "clauses"], rows)
    table(
        "Would be delivered", ["channel", "by route", "what"], [[t["channel"], t["route"], t["would"]] for t in targets]
    )


def _clauses(explanation: Explanation) -> str:
    return "\n".join(
        f"{'yes' if clause.holds else 'NO '} {clause.text}"
        + ("" if clause.holds else f" ({clause.value or 'not set'})")
        for clause in explanation.clauses
    )
