"""`omnibridge merge`, `split`, `block`, `unblock` and `undo`: what an operator decides about who is whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, ConfigPath, app, attached, run_async
from omnibridge.cli.output import say, write_json
from omnibridge.customer import Deciding

__all__ = ["block_command", "merge_command", "split_command", "unblock_command", "undo_command"]

Who = Annotated[str, typer.Argument(metavar="WHO", help="An id, `channel:id`, a mail address or a phone number.")]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="A mail address, phone number or loyalty number.")]
Work = Callable[[Deciding], Awaitable[Sequence[int]]]


def _decide(config: Path, work: Work, what: str, *, as_json: bool) -> None:
    async def run() -> Sequence[int]:
        async with attached(config) as journal:
            return await work(Deciding(journal))

    numbers = run_async(run)
    if as_json:
        write_json({"decisions": list(numbers)})
    else:
        told = ", ".join(map(str, numbers))
        say(f"{what} (decision {told}; `omnibridge undo` takes it back). The running bridge acts on it in a moment.")


@app.command("merge")
def merge_command(one: Who, other: Who, config: ConfigPath = Path("bridge.toml"), as_json: AsJson = False) -> None:
    """Say that two customers are one."""
    _decide(config, lambda desk: desk.merge(one, other), "they are one customer", as_json=as_json)


@app.command("split")
def split_command(who: Who, config: ConfigPath = Path("bridge.toml"), as_json: AsJson = False) -> None:
    """Say that a record, or whoever has an address, is somebody else than the others of its customer."""
    _decide(config, lambda desk: desk.split(who), "it is somebody else", as_json=as_json)


@app.command("block")
def block_command(value: Value, config: ConfigPath = Path("bridge.toml"), as_json: AsJson = False) -> None:
    """Let a value join nobody: a shared mailbox, a number that a till uses for everybody."""
    _decide(config, lambda desk: desk.block(value), "it joins nobody", as_json=as_json)


@app.command("unblock")
def unblock_command(value: Value, config: ConfigPath = Path("bridge.toml"), as_json: AsJson = False) -> None:
    """End a `block`. A value that too many have, or that the configuration blocks, joins nobody all the same."""
    _decide(config, lambda desk: desk.unblock(value), "it joins again", as_json=as_json)


@app.command("undo")
def undo_command(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="A decision, as `review` shows it.")],
    config: ConfigPath = Path("bridge.toml"),
    as_json: AsJson = False,
) -> None:
    """Take a decision about customers back as if it had never been made."""

    async def run() -> None:
        async with attached(config) as journal:
            await Deciding(journal).undo(number)

    run_async(run)
    if as_json:
        write_json({"undone": number})
    else:
        say(f"decision {number} is undone")
