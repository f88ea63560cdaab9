"""Child processes of a benchmark: started, measured from outside, ended by id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

__all__ = ["Child", "http", "text", "wait_for_port"]

_TICKS = os.sysconf("SC_CLK_TCK")


def wait_for_port(port: int, child: Child, seconds: float = 30.0) -> None:
    """Return when the child listens there. Raises RuntimeError when it ended instead, TimeoutError after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.process.poll() is not None:
            raise RuntimeError(f"{child.name} ended with {child.process.returncode}:\n{child.said()}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"{child.name} does not listen on port {port}")


def http(url: str, body: Any = None) -> Any:
    """A small request; the JSON answer, or None."""
    found = text(url, json.dumps(body).encode() if body is not None else None)
    return json.loads(found) if found else None


def text(url: str, data: bytes | None = None) -> str:
    """The answer as text; empty where there is none, or none that says 2xx."""
    try:
        with urlopen(Request(url, data=data), timeout=5) as answer:  # noqa: S310 - loopback
            return answer.read().decode()
    except (URLError, OSError):
        return ""


class Child:
    """`with Child(["-m", "bench.sink", ...]) as sink:` runs a Python of ours; it gets SIGTERM at the end.

    What it says on stderr is kept for `said`.
    """

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        self.name = " ".join(arguments[:2])
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **(env or {})},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def cpu_seconds(self) -> float:
        """User and system time so far, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def pss_mb(self) -> float:
        """Proportional set size now, in MB."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def said(self) -> str:
        """The end of what it said on stderr."""
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), 4_000, max(0, size - 4_000)).decode(errors="replace")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """End it and wait; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._stderr.close()
