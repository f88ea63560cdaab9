"""`omnibridge explain`: what becomes of an event and why, or why a route matches so little of what happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, table, write_json
from omnibridge.config import Config, load
from omnibridge.errors import ConfigError, UnknownItem
from omnibridge.event import Event
from omnibridge.journal import StoredEvent
from omnibridge.registry import Registry
from omnibridge.routing import Explanation, Route, Router, describe, doubts, explain, history

__all__ = ["explain_command"]


@app.command("explain")
def explain_command(
    event: Annotated[str | None, typer.Argument(help="An event's id, or its beginning.")] = None,
    config: ConfigPath = Path("bridge.toml"),
    route: Annotated[str | None, typer.Option("--route", help="Say why this route matches or not.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="With --route: how many events back.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Say what becomes of an event under the configuration as it is now, or what a route made of the last events."""
    if event is None and route is None:
        raise ConfigError(
            "nothing to explain", remedy="give an event's id (`omnibridge events` lists them), or --route NAME"
        )
    loaded = load(config, os.environ, Registry())
    chosen = loaded.routes if route is None else (_named(loaded, route),)
    if event is not None:
        _event(run_async(_one, config, event), loaded, chosen, as_json)
    else:
        _route(chosen[0], run_async(_last, config, last), loaded, as_json)


def _named(config: Config, name: str) -> Route:
    for route in config.routes:
        if route.name == name:
            return route
    names = ", ".join(repr(route.name) for route in config.routes) or "none yet"
    raise UnknownItem(f"there is no route {name!r}", remedy=f"one of {names}")


async def _one(config: Path, id_: str) -> StoredEvent:
    async with attached(config) as journal:
        found = await journal.event(id_)
    if found is None:
        raise UnknownItem(f"no event begins with {id_!r}", remedy="omnibridge events lists them")
    return found


async def _last(config: Path, wanted: int) -> list[Event]:
    async with attached(config) as journal:
        return [stored.event for stored in await journal.events(limit=wanted)]


# -- one event -------------------------------------------------------------------------------------------------------


def _event(stored: StoredEvent, config: Config, routes: tuple[Route, ...], as_json: bool) -> None:
    found = [explain(route, stored.event) for route in routes]
    targets = [
        {
            "channel": target.channel,
            "route": target.route.name,
            "would": config.channels[target.channel].describe(stored.event),
        }
        for target in Router(config.routes).targets(stored.event)
        if target.channel in config.channels
    ]
    if as_json:
        write_json({"event": stored.event.attributes(), "routes": [r.as_dict() for r in found], "deliveries": targets})
        return
    say(f"{stored.event.name} {stored.event.id} from {stored.channel}")
    if not found:
        say("No routes are configured.")
        return
    # What matches first, then what nearly does: with a thousand routes nobody reads on to the rest.
    found.sort(key=lambda one: (not one.matches, not one.nearly, len(one.failed)))
    table(
        "Routes", ["route", "to", "", "clauses"], [[r.route, ", ".join(r.to), _verdict(r), _clauses(r)] for r in found]
    )
    if targets:
        rows = [[target["channel"], target["route"], target["would"]] for target in targets]
        table("Would be delivered", ["channel", "by route", "what"], rows)
    else:
        say("Would be delivered to no channel.")


def _verdict(found: Explanation) -> str:
    if found.blocked is not None:
        return f"matches, but {found.blocked}"
    return "matches" if found.matches else "nearly" if found.nearly else "no"


def _clauses(found: Explanation) -> str:
    return "\n".join(
        f"{'yes' if clause.holds else 'NO '} {clause.text}"
        + ("" if clause.holds or clause.value is None else f"  [{clause.value}]")
        for clause in found.clauses
    )


# -- one route -------------------------------------------------------------------------------------------------------


def _route(route: Route, events: list[Event], config: Config, as_json: bool) -> None:
    found = history(route, events)
    doubtful = doubts(route.filter, {*config.channels, "events"})
    if as_json:
        shown: dict[str, object] = {**found.as_dict(), "filter": describe(route.filter), "to": route.to}
        shown["doubts"] = [{"clause": d.clause, "what": d.what, "remedy": d.remedy} for d in doubtful]
        write_json(shown)
        return
    say(f"route {route.name!r}: {describe(route.filter)}")
    for doubt in doubtful:
        say(f"warning: {doubt}")
    if not found.events:
        say("The journal has no events yet.")
        return
    held = f", {found.blocked} of them not delivered (origin or hops)" if found.blocked else ""
    say(f"It matched {found.matched} of the last {found.events} events{held}.")
    if found.failures:
        rows = [[f.text, f.count, f.alone, f.example, f.event[:12]] for f in found.failures]
        table("Clauses that did not hold", ["clause", "events", "it alone", "for example", "event"], rows)
