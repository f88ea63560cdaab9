"""The files that the architecture tests read: what git knows, with what is new and not ignored."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Source:
    """A Python file: its place in the repository, its text, its syntax tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path, feature_version=(3, 11))

    @cached_property
    def imports(self) -> dict[str, int]:
        """Each module that it imports, however deep in the file, and the line. `from a import b` counts as a.b."""
        found: dict[str, int] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                found.setdefault(name, node.lineno)
        return found


@pytest.fixture(scope="session")
def files(repository: Path) -> list[str]:
    """Every file of the project, as a path relative to its root."""
    if not (repository / ".git").exists():
        pytest.fail("the architecture tests read the list of files from git; run them in a clone")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({name for name in listing.split("\0") if name and (repository / name).is_file()})


@pytest.fixture(scope="session")
def python(repository: Path, files: list[str]) -> list[Source]:
    """Every Python file of the project."""
    return [Source(name, (repository / name).read_text("utf-8")) for name in files if name.endswith(".py")]


@pytest.fixture(scope="session")
def shipped(python: list[Source]) -> list[Source]:
    """The Python files of the distributions: the core's and the plugins'."""
    return [
        source
        for source in python
        if source.path.startswith("src/") or (source.path.startswith("plugins/") and "/src/" in source.path)
    ]
