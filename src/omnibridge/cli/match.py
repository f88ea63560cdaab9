"""`omnibridge match`: what channels do not know of each other, proposals for it, and matching them once."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.bridge import Bridge
from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, show, write_json
from omnibridge.config import Config, load
from omnibridge.connector import Term
from omnibridge.matching import KINDS, Accepted, Matching, Unmatched, clear
from omnibridge.registry import Registry

__all__ = ["match_command", "unmatched_in"]

_SHOWN = ["for", "kind", "what", "name", "sku", "proposed", "why"]


@app.command("match")
def match_command(
    one: Annotated[str | None, typer.Argument(metavar="CHANNEL:ID|WORD", help="What to match.")] = None,
    other: Annotated[str | None, typer.Argument(metavar="CHANNEL:ID", help="What it is in another channel.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help=f"One of {', '.join(KINDS)}.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only what this channel does not know.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Match everything with one clear proposal.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the vendors for their taxes, price lists and payment methods.")
    ] = False,
    matched: Annotated[bool, typer.Option("--matched", help="Show what was matched instead.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="End the match of a WORD with a CHANNEL:ID; a record's: omnibridge undo.")
    ] = False,
    config: ConfigPath = Path("bridge.toml"),
    as_json: AsJson = False,
) -> None:
    """Show what routes bring to a channel that does not know it, with proposals; match it by hand or by --accept.

    Locations and variants (SKUs) are records of several channels that are the same. Taxes, price lists and payment
    methods have a word here, and an id in each channel. What was matched holds for all that comes after, and for what
    is replayed.
    """
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}")
    if (one is None) is not (other is None) or (one is not None and (accept or matched)):
        raise typer.BadParameter("to match two things, give both of them, and neither --accept nor --matched")
    if forget and (one is None or kind is None):
        raise typer.BadParameter("to forget a word, give it, CHANNEL:ID and --kind")

    async def decide(mine: str, theirs: str) -> Sequence[Accepted]:
        async with _desk(config) as (desk, _):
            if forget and kind is not None:
                await desk.forget(mine, theirs.partition(":")[0], kind)
                return []
            return await desk.match(mine, theirs, kind)

    async def look() -> tuple[Sequence[Unmatched], Sequence[Accepted]]:
        async with _desk(config) as (desk, loaded):
            terms = await Bridge(loaded).terms() if online else dict[str, Sequence[Term]]()
            missing = await desk.unmatched(channel=channel, kind=kind, terms=terms)
            return missing, await desk.accept(missing) if accept else ()

    async def done() -> Sequence[Accepted]:
        async with _desk(config) as (desk, _):
            return await desk.matches()

    if one is not None and other is not None:
        _say_made(run_async(decide, one, other), as_json=as_json, forgot=forget)
    elif matched:
        rows = [made._asdict() for made in run_async(done) if kind in (None, made.kind)]
        show("Matched", rows, as_json=as_json, columns=["number", "kind", "one", "other"])
    else:
        missing, made = run_async(look)
        if accept:
            _say_made(made, as_json=as_json, left=len(missing) - len(clear(missing)))
        else:
            show("Unmatched", [_row(each, as_json) for each in missing], as_json=as_json, columns=_SHOWN)


async def unmatched_in(path: Path, terms: Mapping[str, Sequence[Term]]) -> Sequence[Unmatched]:
    """What is unmatched in the journal of a configuration."""
    async with _desk(path) as (desk, _):
        return await desk.unmatched(terms=terms)


@asynccontextmanager
async def _desk(path: Path) -> AsyncGenerator[tuple[Matching, Config]]:
    loaded = load(path, os.environ, Registry()).require()
    async with attached(path) as journal:
        yield Matching(journal, loaded.routes, loaded.channels), loaded


def _say_made(made: Sequence[Accepted], *, as_json: bool, left: int = 0, forgot: bool = False) -> None:
    if as_json:
        write_json({"matched": [each._asdict() for each in made], "left": left})
        return
    for each in made:
        number = f" (match {each.number}; `omnibridge undo` takes it back)" if each.number is not None else ""
        say(f"{each.kind}: {each.one} is {each.other}{number}")
    if forgot:
        say("it is matched no more")
    else:
        say(f"{len(made)} matched, {left} left. The running bridge acts on it in a moment; then replay what is dead.")


def _row(each: Unmatched, as_json: bool) -> dict[str, object]:
    if as_json:
        return {**each._asdict(), "offers": [offer._asdict() for offer in each.offers]}
    proposed = ", ".join(f"{offer.external_id} {offer.name}".strip() for offer in each.offers[:3])
    more = f" and {len(each.offers) - 3} more" if len(each.offers) > 3 else ""
    return {
        "for": each.channel,
        "kind": each.kind,
        "what": each.own,
        "name": each.name,
        "sku": each.sku,
        "proposed": proposed + more,
        "why": each.offers[0].why if each.offers else None,
    }
