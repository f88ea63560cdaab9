"""The real daemon and the real command line, as processes of their own, with the small shop installed for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from installed import install

SUPPORT = Path(__file__).parent


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment in which the connector `shop` is installed."""
    install(folder / "site", "shop")
    path = os.pathsep.join(filter(None, [str(folder / "site"), str(SUPPORT), os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIBRIDGE_")}
    return {**kept, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200", **more}


def command(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`omnibridge ...` in a folder, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "omnibridge.cli", *args],
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Daemon:
    """`with Daemon(folder, toml) as daemon:` runs `omnibridge run` on a free port; `logs` are its lines so far."""

    def __init__(self, folder: Path, toml: str, *, program: str | None = None, **env: str) -> None:
        (folder / "bridge.toml").write_text(toml if "[server]" in toml else f"{toml}\n[server]\nport = 0\n")
        start = ["-c", program] if program is not None else ["-m", "omnibridge.cli", "run"]
        self._process = subprocess.Popen(
            [sys.executable, *start],
            cwd=folder,
            env=environment(folder, **env),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.lines: list[str] = []
        self._over = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @property
    def logs(self) -> list[dict[str, Any]]:
        """Its lines as JSON. Raises ValueError when one is not."""
        return [json.loads(line) for line in self.lines]

    def wait_for(self, event: str, seconds: float = 30) -> dict[str, Any]:
        """The first log entry with this event."""

        def found() -> dict[str, Any] | None:
            return next((json.loads(line) for line in self.lines if f'"event": "{event}"' in line), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._over, seconds)
            entry = found()
        assert entry is not None, "\n".join(self.lines)
        return entry

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self, seconds: float = 30) -> int:
        """Its exit code."""
        code = self._process.wait(seconds)
        self._reader.join(5)
        return code

    def __enter__(self) -> Self:
        try:
            self.url = self.wait_for("listening", 60)["url"]
        except BaseException:  # a daemon that did not start in time would run on, and slow down whatever comes after
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._reader.join(5)
        if self._process.stderr is not None:
            self._process.stderr.close()
