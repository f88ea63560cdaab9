"""Which files of a package changed: looked at, not listened to, as every system has times and sizes of files."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Watch"]

_KINDS = (".py", ".toml", ".json")
_SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules"})


class Watch:
    """Sources, examples and pyproject.toml below `folder`; hidden folders are left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()

    def changed(self) -> list[str]:
        """What is new, gone or other since this was asked last, as paths within the folder."""
        now = self._look()
        found = sorted(path for path in now.keys() | self._seen.keys() if now.get(path) != self._seen.get(path))
        self._seen = now
        return found

    def _look(self) -> dict[str, tuple[int, int, int]]:
        found: dict[str, tuple[int, int, int]] = {}
        for here, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
            for name in files:
                if name.endswith(_KINDS) and not name.startswith("."):
                    path = Path(here, name)
                    try:
                        stat = path.stat()
                    except OSError:  # it went just now, or will be there whole at the next look
                        continue
                    found[str(path.relative_to(self._folder))] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found
