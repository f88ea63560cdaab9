"""The process that holds the author's code: asked in JSON lines, and replaced whole when a file changes."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread

from omnibridge.errors import OmniBridgeError
from omnibridge.testing.conformance.secrets import secrets_of
from omnibridge.testing.dev.bench import Bench
from omnibridge.testing.dev.letters import Letter, state_folder
from omnibridge.testing.dev.package import load_package
from omnibridge.testing.dev.scrub import Scrubber
from omnibridge.testing.dev.trace import Answer, Ask, Fixture, problem_of
from omnibridge.testing.serve import SandboxServer

__all__ = ["work"]

_TRANSPORT = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "cookie", "host", "user-agent"}
)
"""Headers that say nothing about the delivery; a connector never sees some of them."""


def _exit(folder: Path, error: Exception, out: TextIO) -> int:
    _say(out, Answer(problem=problem_of(error, folder)))
    return 1


def work(folder: Path, connector: str | None, inbox: str, port: int | None, now: datetime) -> int:
    """Serve asks on stdin until it ends. `port` is where the sandbox listens (None: nowhere)."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the author prints is for the author's eyes, and no answer
    try:
        package = load_package(folder, connector)
        bench = Bench(package, folder, inbox, now)
    except Exception as error:
        return _exit(folder, error, out)
    with ExitStack() as stack:
        if bench.sandbox is not None and port is not None:
            bench.guard(stack.enter_context(SandboxServer(bench.sandbox, port=port)).lock)
        try:
            anyio.run(_serve, bench, out)
        except Exception as error:
            return _exit(folder, _first(error), out)
    return 0


def _first(error: Exception) -> Exception:
    """The error in a group of one, as a task group raises it."""
    inner: object = getattr(error, "exceptions", (error,))[0]
    return error if inner is error or not isinstance(inner, Exception) else _first(inner)


async def _serve(bench: Bench, out: TextIO) -> None:
    async with bench:
        _say(out, Answer(began=await bench.begin(), letters=bench.letters(bench.now)))
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            ask = Ask.model_validate_json(line)
            try:
                answer = await _answer(bench, ask)
            except Exception as error:  # the author's code once more: a sandbox, `sign`
                answer = Answer(problem=problem_of(error, bench.folder))
            _say(out, answer.model_copy(update={"letters": [*answer.letters, *bench.letters(ask.now)]}))


def _say(out: TextIO, answer: Answer) -> None:
    out.write(answer.model_dump_json() + "\n")
    out.flush()


async def _answer(bench: Bench, ask: Ask) -> Answer:
    letter = ask.letter
    if ask.do == "look":
        return Answer(trace=await bench.look(ask.now))
    if ask.do == "examples":
        return Answer(letters=bench.examples(ask.now))
    if ask.do == "example":
        body = letter.body if letter is not None else None
        found = bench.example(ask.name, body, ask.now)
        return Answer(letter=found) if found is not None else Answer(trace=bench.written(ask.name, ask.now))
    if letter is None:
        return Answer()
    if ask.do == "receive":
        return Answer(trace=await bench.receive(letter))
    if ask.do == "sign":
        return Answer(letter=bench.signed(letter))
    return Answer(fixture=_scrubbed(bench, letter))


def _scrubbed(bench: Bench, letter: Letter) -> Fixture:
    key = (state_folder(bench.folder) / "key").read_bytes()
    scrubber = Scrubber(key, secrets_of(bench.package.settings))
    body, form = scrubber.body(letter.body)
    bare = letter.model_copy(update={"headers": {}})
    try:
        signature = set(bench.signed(bare).headers)
    except OmniBridgeError:
        signature = {name for name in letter.headers if "signature" in name or "hmac" in name}
    headers = {
        name: value if name == "content-type" else scrubber.text(name.replace("-", "_"), value)
        for name, value in letter.headers.items()
        if name not in signature | _TRANSPORT and not name.startswith("x-forwarded")
    }
    return Fixture(body=body, headers=headers, query=scrubber.query(letter.target.partition("?")[2]), form=form)


if __name__ == "__main__":
    _folder, _name, _inbox, _port, _now = sys.argv[1:]
    sys.exit(work(Path(_folder), _name or None, _inbox, int(_port) if _port else None, datetime.fromisoformat(_now)))
