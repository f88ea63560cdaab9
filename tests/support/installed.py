"""A package with a connector, installed into a folder: whole, or broken in one of the ways in which packages are."""

from __future__ import annotations

from pathlib import Path

MODULE = """
from collections.abc import Sequence
from omnibridge.connector import AnyConnector, hookimpl
from small_shop import small_shop

@hookimpl
def omnibridge_connectors() -> Sequence[AnyConnector]:
    return [small_shop({name!r})]
"""


def install(folder: Path, name: str, module: str | None = None, *, package: str | None = None) -> Path:
    """Write `omnibridge-<name>` with one entry point; put the folder on the path to have it installed."""
    package = package or f"omnibridge_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{package}.py").write_text(MODULE.format(name=name) if module is None else module)
    info = folder / f"{package}-1.2.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[omnibridge.connectors]\n{name} = {package}\n")
    return folder
