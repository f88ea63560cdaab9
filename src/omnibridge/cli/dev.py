"""`omnibridge dev`: the loop of a connector's author, and what arrived in it once more."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import AsJson, app
from omnibridge.cli.dev_screen import JsonScreen, TextScreen
from omnibridge.cli.output import say, write_json
from omnibridge.clock import SystemClock
from omnibridge.errors import ConfigError
from omnibridge.testing import free_port
from omnibridge.testing.dev import (
    How,
    Inbox,
    Letter,
    Loop,
    Watch,
    WorkerArguments,
    entry_points_of,
    record,
    replay,
)

__all__ = ["dev_command", "record_command", "replay_command"]

_LOOK = 0.25
"""Seconds between two looks at the files."""

dev = typer.Typer(invoke_without_command=True)
app.add_typer(dev, name="dev")

Folder = Annotated[Path, typer.Option("--folder", help="The folder of the connector's package.")]
Which = Annotated[str | None, typer.Option("--connector", help="Which one, where the package has several.")]
Full = Annotated[bool, typer.Option("--full", help="Show every field, however many.")]


@dev.callback()
def dev_command(
    context: typer.Context,
    folder: Folder = Path(),
    connector: Which = None,
    port: Annotated[int, typer.Option("--port", help="Where the local inbox listens, on this machine only.")] = 8765,
    sandbox_port: Annotated[
        int | None, typer.Option("--sandbox-port", help="Where the sandbox listens; default: a free port.")
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Begin with the examples of tests/conformance.py.")
    ] = True,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Run the connector in this folder with its sandbox, and show what each delivery becomes, until Ctrl-C.

    Whenever a file of the package changes, a fresh process takes the new code, makes every delivery again, and
    what differs is shown. Settings, examples and `sign` are those of tests/conformance.py.
    """
    if context.invoked_subcommand is not None:
        return
    entry_points_of(folder)
    clock, screen = SystemClock(), JsonScreen() if as_json else TextScreen(full=full)
    sandbox = sandbox_port or free_port()
    arguments = WorkerArguments(folder.resolve(), connector, f"http://127.0.0.1:{port}", sandbox)
    loop = Loop(arguments, clock, screen, examples=examples)
    watch = Watch(folder.resolve())

    def take(letter: Letter) -> tuple[int, str]:
        trace = loop.receive(letter).trace
        return trace.status or 500, trace.answer

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Inbox(port, take, clock):
        try:
            loop.load()
            screen.listening(arguments.inbox, f"http://127.0.0.1:{sandbox}")
            _turn(loop, watch)
        finally:
            loop.close()


def _turn(loop: Loop, watch: Watch) -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK):
        changed = watch.changed()
        if changed:
            loop.load(changed)
        else:
            loop.look()


@dev.command("replay")
def replay_command(
    which: Annotated[str, typer.Argument(help="`last`, a number, a file with a body, or the name of an example.")],
    duplicate: Annotated[bool, typer.Option("--duplicate", help="Twice: the second must be deduplicated.")] = False,
    tamper: Annotated[bool, typer.Option("--tamper", help="With one byte changed: it must be refused.")] = False,
    resign: Annotated[bool, typer.Option("--resign", help="Signed anew, by `sign` of tests/conformance.py.")] = False,
    folder: Folder = Path(),
    connector: Which = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Make a delivery again with the code as it is now; exit code 1 when what must come of it does not.

    It runs in a process of its own, at the delivery's own time, after what came in before it. A running loop is not
    disturbed, and none is needed.
    """
    if duplicate and tamper:
        raise ConfigError("--duplicate and --tamper together say nothing", remedy="choose one of them")
    entry_points_of(folder)
    how = How.TWICE if duplicate else How.CHANGED if tamper else How.AS_IT_WAS
    arguments = WorkerArguments(folder.resolve(), connector, "http://127.0.0.1:8765", None)
    judged = replay(which, arguments, SystemClock(), how=how, resign=resign)
    (JsonScreen() if as_json else TextScreen(full=full)).judged(judged)
    raise typer.Exit(0 if judged.good else 1)


@dev.command("record")
def record_command(
    which: Annotated[str, typer.Argument(help="`last`, or the number of a delivery.")] = "last",
    name: Annotated[str | None, typer.Option("--name", help="The example's name; default: delivery-NUMBER.")] = None,
    folder: Folder = Path(),
    connector: Which = None,
    as_json: AsJson = False,
) -> None:
    """Save a delivery of the local inbox as an example for the tests, with everything personal or secret replaced.

    The same value is replaced by the same one everywhere. Fields keep their names, values their types and shapes.
    """
    entry_points_of(folder)
    arguments = WorkerArguments(folder.resolve(), connector, "http://127.0.0.1:8765", None)
    letter, fixture = record(which, arguments)
    called = name or f"delivery-{letter.id}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", called):
        raise ConfigError(f"{called!r} is no name for an example", remedy="lower-case letters, digits, `-`, `_`, `.`")
    file = folder / "tests" / "payloads" / f"{called}.{'form' if fixture.form else 'json'}"
    if file.exists():
        raise ConfigError("it is there already", where=str(file), remedy="choose another name with --name")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(fixture.body, "utf-8")
    if as_json:
        write_json({"file": str(file), "name": called, "headers": fixture.headers, "query": fixture.query})
        return
    query = f"    query={fixture.query!r},\n" if fixture.query else ""
    say(f"wrote {file}; read it before you keep it. Then add to `arrivals` in tests/conformance.py:\n")
    say(
        f'Arrival(\n    name="{called}",\n    body=(PAYLOADS / "{file.name}").read_bytes(),\n'
        f"    headers={fixture.headers!r},\n{query}),"
    )
