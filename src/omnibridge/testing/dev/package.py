"""The package in a folder: its connector and the examples of its author, imported from there and from nowhere else."""

from __future__ import annotations

import importlib
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from omnibridge.connector import AnyConnector, Sandbox, Settings
from omnibridge.errors import ConfigError
from omnibridge.registry import GROUP
from omnibridge.testing.conformance import AnyConformance, examples
from omnibridge.testing.dev.letters import FOLDER

__all__ = ["EXAMPLES", "Package", "entry_points_of", "load_package"]

EXAMPLES = "tests/conformance.py"


@dataclass(frozen=True)
class Package:
    """`settings` are those of the examples."""

    connector: AnyConnector
    given: AnyConformance
    settings: Settings

    def sandbox(self) -> Sandbox | None:
        """A new imitation of the vendor, as the author fills it; None where there is none."""
        make = self.given.sandbox or self.connector.sandbox
        return make(self.settings) if make is not None else None


def entry_points_of(folder: Path) -> dict[str, str]:
    """Connector names and modules, as the package's pyproject.toml announces them. Raises ConfigError."""
    file = folder / "pyproject.toml"
    try:
        value: object = tomllib.loads(file.read_text("utf-8"))
    except OSError:
        raise ConfigError(
            "here is no connector's package",
            where=str(file),
            remedy="run it in the folder that `omnibridge new` made, or name one with --folder",
        ) from None
    except ValueError as error:
        raise ConfigError(f"it is no TOML: {error}", where=str(file)) from None
    for name in ("project", "entry-points", GROUP):
        value = value.get(name) if _is_table(value) else None
    points = {name: module for name, module in value.items() if isinstance(module, str)} if _is_table(value) else {}
    if not points:
        raise ConfigError(f'it has no [project.entry-points."{GROUP}"]', where=str(file))
    return points


def load_package(folder: Path, name: str | None = None) -> Package:
    """Import the package in this process, once; of several connectors the one called `name`.

    Raises ConfigError, and whatever the author's modules raise.
    """
    # Compiled files are told apart by seconds and size: of two saves in one second the older could be taken.
    sys.dont_write_bytecode = True
    sys.pycache_prefix = str(folder / FOLDER / "no-bytecode")
    sys.path.insert(0, str(folder / "src" if (folder / "src").is_dir() else folder))
    points = entry_points_of(folder)
    if len(points) > 1 and name is None:
        raise ConfigError(f"it has the connectors {', '.join(sorted(points))}", remedy="choose one with --connector")
    name = name or next(iter(points))
    if name not in points:
        raise ConfigError(f"it has no connector {name!r}", remedy=f"one of {', '.join(sorted(points))}")
    module = importlib.import_module(points[name])
    offered: list[AnyConnector] = [one for one in module.omnibridge_connectors() if one.name == name]
    if len(offered) != 1:
        raise ConfigError(f"omnibridge_connectors() gives no connector record called {name!r}", where=points[name])
    file = folder / EXAMPLES
    if not file.is_file():
        raise ConfigError(
            "settings and examples are taken from there, and it is not there",
            where=EXAMPLES,
            remedy="`omnibridge new` writes one to begin with",
        )
    given = [one for one in examples(file) if one.connector == name]
    if len(given) != 1:
        raise ConfigError(f"it must have one Conformance with connector={name!r}", where=EXAMPLES)
    settings = offered[0].settings.model_validate(dict(given[0].settings))
    return Package(offered[0], given[0], settings)


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)
