"""`omnibridge events` and `omnibridge inbox`: what happened, and what came in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import show, write_json
from omnibridge.errors import UnknownItem
from omnibridge.journal import InboxState, StoredEvent
from omnibridge.model import full_type

__all__ = ["events_command", "inbox_command"]

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many at most.")]


@app.command("events")
def events_command(
    event: Annotated[str | None, typer.Argument(help="An event's id, or its beginning: show it whole.")] = None,
    config: ConfigPath = Path("bridge.toml"),
    type_: Annotated[str | None, typer.Option("--type", help="Only this type, such as order.placed.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only from this channel.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show events, newest first, or one of them whole."""
    if event is not None:
        found = run_async(_one, config, event)
        write_json(_whole(found))
        return
    stored = run_async(_list, config, type_, channel, limit)
    rows = [_whole(item) if as_json else _brief(item) for item in stored]
    show("Events", rows, as_json=as_json, columns=["id", "type", "channel", "subject", "recorded"])


@app.command("inbox")
def inbox_command(
    config: ConfigPath = Path("bridge.toml"),
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    state: Annotated[InboxState | None, typer.Option("--state", help="Only where they stand so.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show what came in, newest first; `--state invalid` is what no connector understood."""

    async def read() -> list[dict[str, Any]]:
        async with attached(config) as journal:
            return [
                {
                    "id": row.id,
                    "channel": row.channel,
                    "origin": row.origin.value,
                    "state": row.state.value,
                    "received": row.received.isoformat(timespec="seconds"),
                    "bytes": len(row.body),
                    "error": row.error,
                }
                for row in await journal.inbox(channel=channel, state=state, limit=limit)
            ]

    columns = ["id", "channel", "origin", "state", "received", "bytes", "error"]
    show("Inbox", run_async(read), as_json=as_json, columns=columns)


async def _one(config: Path, id_: str) -> StoredEvent:
    async with attached(config) as journal:
        found = await journal.event(id_)
    if found is None:
        raise UnknownItem(f"no event begins with {id_!r}", remedy="omnibridge events lists them")
    return found


async def _list(config: Path, type_: str | None, channel: str | None, limit: int) -> list[StoredEvent]:
    async with attached(config) as journal:
        full = full_type(type_) if type_ else None
        return list(await journal.events(type=full, channel=channel, limit=limit))


def _brief(stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    return {
        "id": event.id[:12],
        "type": event.name,
        "channel": stored.channel,
        "subject": event.subject,
        "recorded": stored.recorded.isoformat(timespec="seconds"),
    }


def _whole(stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    data = event.data
    return {
        **event.attributes(),
        "recorded": stored.recorded.isoformat(),
        "data": data.hex() if isinstance(data, bytes) else data,
    }
