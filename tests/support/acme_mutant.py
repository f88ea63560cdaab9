"""A sick connector: the healthy example with one thing changed, which only one check may notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONFORMANCE", "SRC", "TOKEN", "Change", "Mutant", "apply", "infect", "one", "source"]


@dataclass(frozen=True)
class Change:
    """In `file`, `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """What is wrong with it, and how it came to be: by changes, or by a file that is missing.

    `extra` is a part that it needs to have first.
    """

    sickness: str
    changes: tuple[Change, ...] = ()
    removed: str | None = None
    extra: str | None = None


def apply(folder: Path, changes: tuple[Change, ...]) -> None:
    """Make the changes. What is to be changed must be there."""
    for change in changes:
        file = folder / change.file
        text = file.read_text("utf-8")
        assert text.count(change.old) >= 1, f"{change.file} does not hold {change.old!r} any more"
        file.write_text(text.replace(change.old, change.new), "utf-8")


def infect(folder: Path, mutant: Mutant) -> None:
    """Make it sick."""
    if mutant.removed is not None:
        (folder / mutant.removed).unlink()
    apply(folder, mutant.changes)


SRC = "src/omnibridge_acme/"
CONFORMANCE = "tests/conformance.py"
TOKEN = "settings.token.get_secret_value()"


def one(sickness: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(sickness, (Change(file, old, new),))


def source(sickness: str, file: str, old: str, new: str) -> Mutant:
    return one(sickness, SRC + file, old, new)
