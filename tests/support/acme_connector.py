"""The healthy example, which is what `omnibridge new` writes, and its installation on the path, whole or changed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omnibridge.cli.new import PARTS, write_package
from omnibridge.testing.conformance import Check, Result, Subject, examples, run_check

__all__ = ["STANDINS", "announce", "installed", "run", "write_acme"]

STANDINS = Path(__file__).with_name("standins")
"""Put it on a process's path, and the type checker that the kit starts there answers at once."""


def announce(folder: Path, entry: str = "acme = omnibridge_acme") -> None:
    """What an installation writes beside the package."""
    info = folder / "src" / "omnibridge_acme-0.1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: omnibridge-acme\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[omnibridge.connectors]\n{entry}\n")


def write_acme(into: Path, parts: tuple[str, ...] = PARTS) -> Path:
    """A fresh one."""
    folder = write_package(into, "acme", parts)
    announce(folder)
    return folder


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """It can be imported, and is forgotten afterwards. Nothing compiled is kept: a change may come within a second."""
    compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder / "src"))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = compiled
        sys.path.remove(str(folder / "src"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "omnibridge_acme"]:
            del sys.modules[name]


def run(folder: Path, checks: tuple[Check, ...], *, write_golden: bool = False) -> list[Result]:
    """Try the checks on it."""
    with installed(folder):
        file = folder / "tests" / "conformance.py"
        subject = Subject("acme", examples(file)[0], file.parent, write_golden)
        return [run_check(check, subject) for check in checks]
