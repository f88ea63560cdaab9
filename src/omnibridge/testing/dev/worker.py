"""The handle of the process that holds the author's code: started, asked, ended, and never waited for without end."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from omnibridge.testing.dev.trace import Answer, Ask, Problem

__all__ = ["Worker", "WorkerArguments"]

_PATIENCE = 30.0
"""Seconds for one answer. An author's endless loop ends here."""


class WorkerArguments:
    """What every worker of a loop is started with; `port` is its sandbox's."""

    def __init__(self, folder: Path, connector: str | None, inbox: str, port: int | None) -> None:
        self.folder, self.connector, self.inbox, self.port = folder, connector, inbox, port

    def command(self, now: datetime) -> list[str]:
        """The command line of one that begins at `now`."""
        given = (str(self.folder), self.connector or "", self.inbox, str(self.port or ""), now.isoformat())
        return [sys.executable, "-m", "omnibridge.testing.dev.work", *given]


class Worker:
    """`began` is its first answer: it can work, or its `problem` says why not."""

    def __init__(self, arguments: WorkerArguments, now: datetime) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this project's own module
            arguments.command(now),
            cwd=arguments.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is the loop's: it ends the worker
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.began = self._answer()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.began.began is not None and self._process.poll() is None

    def ask(self, ask: Ask) -> Answer:
        """Ask and wait. A worker that is gone or does not answer is a problem in the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(ask.model_dump_json() + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._gone()
        return self._answer()

    def end(self) -> None:
        """End it; it holds nothing that is worth keeping."""
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written to it
                    continue

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _answer(self) -> Answer:
        try:
            line = self._lines.get(timeout=_PATIENCE)
        except queue.Empty:
            self._process.kill()
            return Answer(problem=Problem(what=f"it did not answer within {_PATIENCE:.0f} seconds: an endless loop?"))
        try:
            return Answer.model_validate_json(line) if line else self._gone()
        except ValidationError:
            return self._gone()

    def _gone(self) -> Answer:
        return Answer(problem=Problem(what="the process with your code ended; what it wrote last says why"))
