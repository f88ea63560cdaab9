"""Bronze: the package can be found, loads without touching anything, and tells people what they need."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from omnibridge.connector import PROJECT
from omnibridge.errors import ConfigError
from omnibridge.registry import GROUP, Registry
from omnibridge.testing.conformance.check import bronze
from omnibridge.testing.conformance.subject import Blocked, Missed, Subject

__all__ = ["PACKAGE_CHECKS", "section"]

_SECONDS = 1.0
_BANNED = frozenset(
    {
        "aiohttp",
        "anyio",
        "asyncio",
        "ftplib",
        "http.client",
        "httpx",
        "imaplib",
        "multiprocessing",
        "paramiko",
        "requests",
        "selectors",
        "smtplib",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "trio",
        "urllib.request",
        "urllib3",
        "websockets",
    }
)
_DOOR = ("omnibridge.connector", "omnibridge.errors", "omnibridge.event", "omnibridge.model")

# Run apart, as a process that has imported the package before would see nothing. What the core itself brings is
# imported first, and is not held against the connector.
_WATCH = """
import json, sys, threading, time
import omnibridge.connector, omnibridge.errors, omnibridge.event, omnibridge.model
seen, on, before = [], True, threading.active_count()
def hook(event, args):
    if not on:
        return
    if event == "open":
        if any(sign in str(args[1]) for sign in "wax+") and not str(args[0]).endswith(".pyc"):
            if "__pycache__" not in str(args[0]):
                seen.append(f"opens the file {args[0]} for writing")
    elif event.split(".")[0] in ("socket", "subprocess", "shutil", "ftplib", "smtplib") or event in (
        "os.system", "os.fork", "os.exec", "os.posix_spawn", "os.remove", "os.rename", "urllib.Request",
        "http.client.connect", "sqlite3.connect",
    ):
        if event not in ("socket.gethostname",) and "__pycache__" not in str(args[:1]):
            seen.append(f"{event} {args[:1]}")
sys.addaudithook(hook)
start = time.process_time()
__import__(sys.argv[1])
spent = time.process_time() - start
on = False
if threading.active_count() > before:
    seen.append("starts a thread")
print(json.dumps([seen, spent]))
"""


@bronze(
    why='OmniBridge finds connectors by entry points only; without one, `connector = "..."` finds nothing.',
    mend='In pyproject.toml: [project.entry-points."omnibridge.connectors"], NAME = "package"; then install it again. '
    "If it does not import, run `python -c 'import package'` to see why.",
)
def entry_point(subject: Subject) -> None:
    """One installed package has an entry point of this name in `omnibridge.connectors`, and it imports."""
    if not subject.points:
        raise Missed(f"no installed package has an entry point {subject.name!r} in {GROUP!r}")
    if len(subject.points) > 1:
        raise Missed("more than one has it: " + ", ".join(point.value for point in subject.points))
    point = subject.points[0]
    try:
        point.load()
    except Exception as error:
        raise Missed(f"{point.value} does not import: {type(error).__name__}: {error}") from error


@bronze(
    why="The hook is how the core gets the record; a connector that it cannot read disables its channels.",
    mend="Write `@hookimpl def omnibridge_connectors() -> Sequence[AnyConnector]` in the entry point's module, without "
    "parameters and without I/O, returning one record with the entry point's name.",
)
def hook(subject: Subject) -> None:
    """The module implements `omnibridge_connectors` as specified, and it offers one record of this name."""
    if len(subject.points) != 1:
        raise Blocked("entry-point")
    try:
        module: object = subject.points[0].load()
    except Exception:
        raise Blocked("entry-point") from None
    function: object = getattr(module, "omnibridge_connectors", None)
    if not inspect.isfunction(function):
        raise Missed("the module has no function `omnibridge_connectors`")
    if not hasattr(function, f"{PROJECT}_impl"):
        raise Missed("`omnibridge_connectors` is not marked with @hookimpl")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Missed("`omnibridge_connectors` must be an ordinary function: nothing awaitable crosses the hook")
    try:
        Registry().connector(subject.name)
    except ConfigError as error:
        raise Missed(str(error)) from error


@bronze(
    why="Every start of the bridge and every command imports it, also on machines without network.",
    mend="Make everything inside functions; open, connect and start nothing at the top level of a module.",
)
def import_clean(subject: Subject) -> None:
    """Importing it opens no socket, file or process, starts no thread, and takes less than a second of computing."""
    package = subject.package.name
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-B", "-c", _WATCH, package],  # what Python compiles is not the connector's to answer for
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if done.returncode:
        raise Blocked("entry-point")
    seen, seconds = json.loads(done.stdout.splitlines()[-1])
    if seen:
        raise Missed("while it is imported it " + "; ".join(seen))
    if seconds > _SECONDS:
        raise Missed(f"importing it takes {seconds:.1f} s of computing")


@bronze(
    why="Requests, time and threads belong to the core. What a connector does by itself is neither retried, throttled, "
    "journalled, nor stopped by a test.",
    mend="Take the `Http` that your function is given for requests and `await http.now()` for the time, and import of "
    "omnibridge only `connector`, `model`, `event` and `errors`. A system that does not speak HTTP has its `line` in a "
    "module of its own, and only that may do more.",
)
def own_io(subject: Subject) -> None:
    """Nothing in the package imports what does I/O, waits or starts threads, or a room of the core behind the door."""
    wrong: list[str] = []
    line_of = inspect.getsourcefile(inspect.unwrap(subject.connector.line)) if subject.connector.line else None
    for file in sorted(subject.package.rglob("*.py")):
        for name, line in _imports(file):
            inside = name.startswith("omnibridge.") and not _below(name, _DOOR)
            if inside or (_below(name, _BANNED) and str(file) != line_of):
                wrong.append(f"{file.relative_to(subject.package.parent)}:{line} imports {name}")
    if wrong:
        raise Missed("; ".join(wrong))


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def _below(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@bronze(
    why="Without the marker type checkers ignore the package's types, also those of its settings.",
    mend="Put an empty file `py.typed` beside the package's `__init__.py`.",
)
def typed(subject: Subject) -> None:
    """The package says that it is typed."""
    if not (subject.package / "py.typed").is_file():
        raise Missed(f"{subject.package.name} has no py.typed")


@bronze(
    why="The operator reads the README before anything else; a setting that it does not name is found by failing.",
    mend="Write a section `## Settings` with a line for every setting.",
)
def readme_settings(subject: Subject) -> None:
    """The README has a section about settings that names each of them."""
    text = section(subject.readme, "setting")
    if text is None:
        raise Missed("the README has no heading with `Settings`")
    missing = [name for name in subject.connector.settings.model_fields if f"`{name}`" not in text]
    if missing:
        raise Missed("the section about settings does not name " + ", ".join(f"`{name}`" for name in missing))


@bronze(
    why="What is left at the vendor goes on sending and costs money or trust: webhooks, keys, stored data.",
    mend="Write a section `## Removing it`: what to delete at the vendor, and what stays.",
)
def readme_removal(subject: Subject) -> None:
    """The README says in a section of its own how to remove the connector."""
    text = section(subject.readme, "remov") or section(subject.readme, "uninstall")
    if text is None or len(text.split()) < 5:
        raise Missed("the README has no section about removing it, or an empty one")


def section(text: str, word: str) -> str | None:
    """The text under the first heading that holds `word`, up to the next heading of the same level or above."""
    heading = re.search(rf"^(#+)[^\n]*{word}[^\n]*$", text, re.MULTILINE | re.IGNORECASE)
    if heading is None:
        return None
    rest = text[heading.end() :]
    following = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


PACKAGE_CHECKS = (entry_point, hook, import_clean, own_io, typed, readme_settings, readme_removal)
