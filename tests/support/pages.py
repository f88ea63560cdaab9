"""Runs the code blocks of a Markdown page, in order, as its reader would.

What stands behind the language of a fence says how: `file=NAME` writes the block to a file of the page's folder,
`add=NAME` appends it to one (also to a file of the repository), `insert=NAME before=TEXT` puts it before the first
line of one that starts so (`+` is a space), `check` looks at shell commands without running
them, `background` starts one and lets it run to the end of the page, `fails` runs one that must not succeed. What
stands in a block of `text told` is what the last command said, with something else where there is `...`.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import socket
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer.main
from acme_connector import STANDINS, announce

from omnibridge.cli import app
from omnibridge.cli.demo_stage import ADDRESSES, SECRETS
from omnibridge.config import check, parse
from omnibridge.registry import Registry

__all__ = ["Block", "Page", "blocks", "insert"]

_FENCE = re.compile(r"^ *```([a-z]+)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PORTS = re.compile(r"\b(8080|900[1-9])\b")
_NOT_RUN = {"json", "text", "mermaid", "ini", "nginx"}
_COMMANDS: Any = typer.main.get_command(app)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, the words behind it, its text, and the line that it starts at."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int
    raw: str = ""

    def word(self, name: str) -> str | None:
        """The value of `name=...`, or None."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), None)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(
            found[1],
            tuple(found[2].split()),
            textwrap.dedent(found[3]),
            text.count("\n", 0, found.start()) + 1,
            found[3],
        )
        for found in _FENCE.finditer(text)
    ]


def insert(file: Path, block: Block) -> None:
    """Do what `insert=NAME before=TEXT` says."""
    lines, start = file.read_text("utf-8").splitlines(keepends=True), block.word("before")
    assert start, "it needs before=TEXT"
    start = start.replace("+", " ")
    at = next(number for number, line in enumerate(lines) if line.lstrip().startswith(start))
    file.write_text("".join([*lines[:at], block.raw, *lines[at:]]), "utf-8")


@dataclass
class Page:
    """A page being read: what its blocks share. Use it as a context manager; it ends what it started."""

    path: Path
    folder: Path
    repository: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    ports: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def __enter__(self) -> Page:
        places = {
            variable: f"http://127.0.0.1:900{n}{tail}" for n, (variable, tail) in enumerate(ADDRESSES.values(), 1)
        }
        self.env = {**SECRETS, **places, "OMNIBRIDGE_PUBLIC_URL": "http://127.0.0.1:8080"}
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.terminate()
            process.communicate(timeout=30)

    def run(self) -> int:
        """Every block; how many were run or checked. An error carries the place of its block."""
        number = 0
        for block in blocks(self.path.read_text("utf-8")):
            try:
                number += self._one(block)
            except BaseException as error:
                error.add_note(f"in the block at {self.path}:{block.line}")
                raise
        return number

    def _one(self, block: Block) -> int:
        text = _PORTS.sub(lambda found: self._port(found[1]), block.text)
        if name := block.word("file"):
            (self.folder / name).write_text(text, "utf-8")
        if name := block.word("insert"):
            insert(self.folder / name, block)
        if block.language == "python":
            if name := block.word("add"):
                file = self.folder / name
                file.write_text(f"{file.read_text('utf-8')}\n\n{text}", "utf-8")
            elif not block.word("file") and not block.word("insert"):
                exec(compile(text, f"{self.path}:{block.line}", "exec", dont_inherit=True), self.namespace)
        elif block.language == "toml":
            self._toml(block, text)
        elif block.language == "shell":
            for line in _lines(text):
                self._shell(line, block.words)
        elif "told" in block.words:
            pattern = ".*".join(re.escape(part) for part in text.strip().split("..."))
            assert re.search(pattern, self.output, re.DOTALL), f"it said {self.output}"
        else:
            assert block.language in _NOT_RUN, f"nobody knows what to do with {block.language!r}"
            return 0
        return 1

    def _port(self, port: str) -> str:
        if port not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[port] = str(free.getsockname()[1])
        return self.ports[port]

    # -- configurations --------------------------------------------------------------------------------------------

    def _toml(self, block: Block, text: str) -> None:
        if "pyproject" in block.words:
            tomllib.loads(text)
            return
        if name := block.word("add"):
            known = self.folder / name
            base = known if known.is_file() else self.repository / name
            text = base.read_text("utf-8") + "\n" + text
            if known.is_file():
                known.write_text(text, "utf-8")
        connectors = [value for value in self.namespace.values() if type(value).__name__ == "Connector"]
        for file in self.folder.glob("*.py"):
            made = runpy.run_path(str(file), run_name="page_file")
            connectors += [value for value in made.values() if type(value).__name__ == "Connector"]
        config = parse(text, self.env, Registry(connectors), name=block.word("file") or "page.toml", folder=self.folder)
        wrong = [str(problem) for problem in check(config) if not problem.warning]
        assert not wrong, "\n".join(wrong)

    # -- commands --------------------------------------------------------------------------------------------------

    def _shell(self, line: str, words: tuple[str, ...]) -> None:
        command = shlex.split(line, comments=True)
        if not command:
            return
        if command[0] == "export":
            name, _, value = command[1].partition("=")
            self.env[name] = value
        elif command[0] == "make":
            text = (self.repository / "Makefile").read_text("utf-8")
            assert all(re.search(rf"^{target}:", text, re.MULTILINE) for target in command[1:2]), line
        elif command[0] == "omnibridge":
            _known(command)
            if "check" not in words:
                self._start(["-m", "omnibridge.cli", *command[1:]], words)
        elif command[0] == "python" and "check" not in words:
            self._start(command[1:], words)
        elif command[0] == "cd":
            self.folder = self.folder / command[1]
        elif command[:3] == ["pip", "install", "-e"]:
            announce(self.folder)  # what pip leaves behind, without a network
            self.env |= {
                "PYTHONPATH": f"{self.folder / 'src'}{os.pathsep}{STANDINS}",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            }
        elif command[0] == "pytest":
            self._start(["-m", "pytest", "-q", "-p", "omnibridge.testing.conformance.plugin", *command[1:]], words)

    def _start(self, arguments: list[str], words: tuple[str, ...]) -> None:
        env: Mapping[str, str] = {**os.environ, **self.env, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if "background" in words:
            self.processes.append(process)
            assert process.stdout is not None
            for line in process.stdout:
                self.output += line
                if "listening" in line:
                    return
            raise AssertionError(f"it ended: {self.output}")
        self.output, _ = process.communicate(timeout=90)
        assert (process.returncode == 0) is not ("fails" in words), (
            f"{arguments} ended with {process.returncode}: {self.output}"
        )


def _lines(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def _known(command: list[str]) -> None:
    """Fail for a command or an option that does not exist."""
    given = [word for word in command[1:] if word.startswith("-")]
    words = [word for word in command[1:] if not word.startswith("-")]
    name, found = words[0], _COMMANDS.commands.get(words[0])
    assert found is not None, f"there is no command {name!r}"
    if len(words) > 1 and words[1] in getattr(found, "commands", {}):
        name, found = " ".join(words[:2]), found.commands[words[1]]
    options = {option for parameter in found.params for option in parameter.opts} | {"--help"}
    unknown = {word.partition("=")[0] for word in given} - options
    assert not unknown, f"{name} has no {', '.join(unknown)}"
