"""`omnibridge deliveries`, `replay`, `resend` and `settle`: what leaves, what is stuck, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, show, write_json
from omnibridge.clock import SystemClock
from omnibridge.delivery.frozen import thaw
from omnibridge.errors import UnknownItem
from omnibridge.journal import DeliveryRow, DeliveryState
from omnibridge.model import short_type

__all__ = ["deliveries_command", "replay_command", "resend_command", "settle_command"]

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `deliveries` or `inbox` shows them.")]


@app.command("deliveries")
def deliveries_command(
    id_: Annotated[int | None, typer.Argument(metavar="ID", help="One delivery: show its attempts.")] = None,
    config: ConfigPath = Path("bridge.toml"),
    channel: Annotated[str | None, typer.Option("--channel", help="Only to this channel.")] = None,
    state: Annotated[DeliveryState | None, typer.Option("--state", help="Only where they stand so.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Only of the event with this id.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show deliveries, newest first, or the attempts of one."""

    async def read() -> list[DeliveryRow]:
        async with attached(config) as journal:
            if id_ is not None:
                found = await journal.delivery(id_)
                if found is None:
                    raise UnknownItem(f"there is no delivery {id_}", remedy="omnibridge deliveries lists them")
                return [found]
            return list(await journal.deliveries(channel=channel, state=state, event=event, limit=limit))

    rows = run_async(read)
    if id_ is not None:
        write_json(_detail(rows[0]))
        return
    columns = ["id", "state", "channel", "event", "attempts", "due", "last"]
    show("Deliveries", [_brief(row) for row in rows], as_json=as_json, columns=columns)


@app.command("replay")
def replay_command(
    ids: Ids = None,
    config: ConfigPath = Path("bridge.toml"),
    invalid: Annotated[bool, typer.Option("--invalid", help="Everything that came in and was not understood.")] = False,
    dead: Annotated[bool, typer.Option("--dead", help="Every dead letter (of --channel, when given).")] = False,
    inbox: Annotated[bool, typer.Option("--inbox", help="The numbers are inbox rows, not deliveries.")] = False,
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try again with the same keys: a vendor that took it the first time will not take it twice."""
    if not ids and not invalid and not dead:
        raise typer.BadParameter("give numbers, --dead or --invalid")

    async def work() -> int:
        async with attached(config) as journal:
            if invalid or inbox:
                rows = list(ids or [])
                if invalid:
                    rows += [r.id for r in await journal.inbox(channel=channel, state="invalid", limit=10_000)]
                return await journal.replay_inbox(rows)
            chosen = list(ids or [])
            if dead:
                chosen += [r.id for r in await journal.deliveries(channel=channel, state="dead", limit=10_000)]
            return await journal.replay(chosen, SystemClock().now())

    number = run_async(work)
    if ids and not number:
        raise UnknownItem(
            f"nothing to try again among {', '.join(map(str, ids))}",
            remedy="omnibridge deliveries and omnibridge inbox list what there is",
        )
    if as_json:
        write_json({"replayed": number})
    else:
        say(f"{number} will be tried again")


@app.command("resend")
def resend_command(
    id_: Annotated[int, typer.Argument(metavar="ID", help="A delivery's number.")],
    config: ConfigPath = Path("bridge.toml"),
    as_json: AsJson = False,
) -> None:
    """Send once more under NEW keys: the vendor cannot tell it from another one, so it may be doubled there."""

    async def work() -> int | None:
        async with attached(config) as journal:
            return await journal.resend(id_, SystemClock().now())

    generation = run_async(work)
    if generation is None:
        raise UnknownItem(f"there is no settled delivery {id_}", remedy="omnibridge deliveries lists them")
    if as_json:
        write_json({"id": id_, "generation": generation})
    else:
        say(f"delivery {id_} will be sent again as generation {generation}, under new keys")


@app.command("settle")
def settle_command(
    id_: Annotated[int, typer.Argument(metavar="ID", help="A delivery whose effect is unknown.")],
    config: ConfigPath = Path("bridge.toml"),
) -> None:
    """Say that an unknown delivery did take effect: you have looked at the vendor."""

    async def work() -> bool:
        async with attached(config) as journal:
            return await journal.close_unknown(id_, SystemClock().now())

    if not run_async(work):
        raise UnknownItem(f"delivery {id_} is not unknown", remedy="omnibridge deliveries --state unknown lists them")
    say(f"delivery {id_} is done")


@app.command("drop")
def drop_command(
    id_: Annotated[int, typer.Argument(metavar="ID", help="A parked delivery.")],
    config: ConfigPath = Path("bridge.toml"),
) -> None:
    """Give a parked delivery up, so that what waits behind it leaves; it stays as a dead letter, to be replayed."""

    async def work() -> bool:
        async with attached(config) as journal:
            return await journal.give_up(id_, SystemClock().now())

    if not run_async(work):
        raise UnknownItem(f"delivery {id_} is not parked", remedy="omnibridge deliveries --state parked lists them")
    say(f"delivery {id_} is a dead letter; its lane goes on")


def _brief(row: DeliveryRow) -> dict[str, Any]:
    last = f"{row.last.outcome}: {row.last.text or row.last.code or ''}".rstrip(": ") if row.last else None
    return {
        "id": row.id,
        "state": row.state.value,
        "channel": row.channel,
        "event": short_type(row.event_type) if row.event_type else row.operation,
        "attempts": row.attempts,
        "due": row.due.isoformat(timespec="seconds"),
        "last": last,
        "route": row.route,
    }


def _detail(row: DeliveryRow) -> dict[str, Any]:
    return {
        **_brief(row),
        "key": row.key,
        "generation": row.generation,
        "lane": row.lane,
        "event_id": row.event_id,
        "created": row.created.isoformat(),
        "attempts": [
            {
                "at": a.at.isoformat(),
                "outcome": a.outcome,
                "code": a.code,
                "text": a.text,
                "seconds": round(a.seconds, 4),
            }
            for a in row.history
        ],
        "steps": [
            {
                "step": step.name,
                "generation": step.generation,
                "key": step.key,
                "request": f"{thaw(step.request).request.method} {thaw(step.request).request.path}",
                "answered": step.response is not None,
            }
            for step in row.steps
        ],
    }
