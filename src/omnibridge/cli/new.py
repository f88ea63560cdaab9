"""`omnibridge new`: a connector's package that passes the bronze checks before its author edits a line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

import typer

from omnibridge.cli.app import app
from omnibridge.cli.output import say
from omnibridge.errors import ConfigError

__all__ = ["PARTS", "new_command", "write_package"]

PARTS = ("webhook", "poll", "deliver")
_SCAFFOLD = Path(__file__).with_name("scaffold")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# A file that only one part needs, by the beginning of its path.
_ONLY = {
    "src/omnibridge_acme/inbound.py": "webhook",
    "src/omnibridge_acme/polls.py": "poll",
    "src/omnibridge_acme/outbound.py": "deliver",
    "tests/payloads/": "webhook",
    "tests/golden/inbound/": "webhook",
    "tests/golden/polls/": "poll",
    "tests/golden/outbound/": "deliver",
}


@app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(help="The system's name: lower-case letters, digits and `_`.")],
    webhook: Annotated[bool, typer.Option("--webhook", help="The system tells of changes by webhooks.")] = False,
    poll: Annotated[bool, typer.Option("--poll", help="The system is asked for changes.")] = False,
    deliver: Annotated[bool, typer.Option("--deliver", help="The system is written to.")] = False,
    into: Annotated[Path, typer.Option("--into", help="The folder in which the package's folder is made.")] = Path(),
) -> None:
    """Write a connector's package: it works, and passes the bronze checks, before you edit a line.

    Without --webhook, --poll and --deliver it has all three.
    """
    chosen = [part for part, wanted in zip(PARTS, (webhook, poll, deliver), strict=True) if wanted]
    folder = write_package(into, name, chosen or PARTS)
    say(
        f"{folder} is ready. What comes next:\n\n"
        f"  cd {folder}\n"
        '  pip install -e ".[test]"\n'
        "  pytest\n"
        f"  omnibridge check-connector {name}\n\n"
        "Then make it the system that you mean: settings.py and wire.py first, the examples in tests/ beside them,\n"
        "and `pytest --write-golden` when what they give is right."
    )


def write_package(into: Path, name: str, parts: Collection[str]) -> Path:
    """Write the package `omnibridge-NAME` below `into`, with some of PARTS; its folder.

    Raises ConfigError when the name is none for a connector, or the folder exists.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a connector",
            remedy="lower-case letters, digits and `_`, with a letter in front: acme, acme_tills",
        )
    folder = into / f"omnibridge-{name.replace('_', '-')}"
    if folder.exists():
        raise ConfigError("it is there already", where=str(folder), remedy="remove it, or choose another name")
    for source in sorted(_SCAFFOLD.rglob("*.tmpl")):
        path = source.relative_to(_SCAFFOLD).as_posix().removesuffix(".tmpl")
        if all(part in parts for start, part in _ONLY.items() if path.startswith(start)):
            target = folder / path.replace("acme", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_named(_chosen(source.read_text("utf-8"), parts), name), "utf-8")
    return folder


def _chosen(text: str, parts: Collection[str]) -> str:
    """The text with what stands between `%% PART|PART` (`%% else`) and `%% end`, where one of the parts is chosen."""
    return "".join(_lines(text.splitlines(keepends=True), parts))


def _lines(lines: list[str], parts: Collection[str]) -> Iterator[str]:
    open_: list[bool] = []
    for line in lines:
        if not line.startswith("%% "):
            if all(open_):
                yield line
            continue
        word = line[3:].strip()
        if word == "end":
            open_.pop()
        elif word == "else":
            open_[-1] = not open_[-1]
        else:
            open_.append(any(part in parts for part in word.split("|")))


def _named(text: str, name: str) -> str:
    """The text with `acme` in its three forms replaced: in words with dashes, as a class, as a name."""
    dashed, class_ = name.replace("_", "-"), "".join(part.capitalize() for part in name.split("_"))
    forms = {"-acme": f"-{dashed}", "acme.example": f"{dashed}.example", "Acme": class_, "acme": name}
    return re.sub(r"-acme|acme\.example|Acme|acme", lambda found: forms[found[0]], text)
