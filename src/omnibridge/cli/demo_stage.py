"""Where the demonstration plays: the connectors' sandboxes on loopback, each with a postman, and the daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from omnibridge.config import Config, parse
from omnibridge.connector import Fault, Outgoing, Response, Sandbox, write_structured
from omnibridge.errors import ConfigError, Retryable
from omnibridge.event import Event
from omnibridge.registry import Registry
from omnibridge.testing import SandboxServer, free_port, post, wait_until

__all__ = ["ADDRESSES", "SECRETS", "Letter", "Stage", "System", "quickstart"]

_PAUSES = (0.05, 0.1, 0.2, 0.4, *[0.8] * 60)
"""Seconds between a vendor's attempts to hand a webhook over; real ones wait minutes."""

SECRETS: Mapping[str, str] = {
    "OMNIBRIDGE_TOKEN": "demo-bearer-token",
    "SHOPIFY_TOKEN": "demo-shop-token",
    "SHOPIFY_SECRET": "demo-shop-secret",
    "SQUARE_TOKEN": "demo-till-token",
    "SQUARE_SIGNATURE_KEY": "demo-till-signature-key",
    "MAILCHIMP_KEY": "0123456789abcdef0123456789abcdef-us1",
    "MAILCHIMP_PATH_SECRET": "demo-newsletter-path-secret",
    "TWILIO_TOKEN": "demo-phone-token",
    "TRYTON_PASSWORD": "demo-erp-password",
    "WAREHOUSE_SECRET": "whsec_ZGVtby13YXJlaG91c2Utc2VjcmV0LWRlbW8=",
}
ADDRESSES: Mapping[str, tuple[str, str]] = {
    # channel: (environment variable of its address, what follows host and port)
    "webshop": ("SHOPIFY_URL", ""),
    "till": ("SQUARE_URL", ""),
    "newsletter": ("MAILCHIMP_URL", "/3.0"),
    "phone": ("TWILIO_URL", ""),
    "erp": ("TRYTON_URL", ""),
    "warehouse": ("WAREHOUSE_URL", ""),
}


def quickstart() -> str:
    """The text of the quickstart's bridge.toml: beside this file where installed, in `examples/` in a working tree."""
    here = Path(__file__).resolve()
    places = [here.with_name("quickstart.toml"), here.parents[3] / "examples" / "quickstart" / "bridge.toml"]
    for place in places:
        if place.is_file():
            return place.read_text("utf-8")
    raise ConfigError("the quickstart's bridge.toml is missing", remedy="install omnibridge anew")


@dataclass(slots=True)
class Letter:
    """One webhook on its way: what each attempt was answered (None: nobody answered)."""

    outgoing: Outgoing
    answers: list[int | None] = field(default_factory=list[int | None])

    @property
    def taken(self) -> bool:
        """Whether it has been handed over."""
        return bool(self.answers) and self.answers[-1] is not None and self.answers[-1] < 300


class System:
    """One vendor: its sandbox, served over HTTP, and the webhooks that it sends, each until somebody takes it."""

    def __init__(self, name: str, sandbox: Sandbox, port: int) -> None:
        self.name = name
        self.sandbox = sandbox
        self.letters: list[Letter] = []
        self.refused = 0
        self._server = SandboxServer(sandbox, port=port)
        self._ended = threading.Event()
        self._busy = False
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Self:
        self._server.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=15)
        self._server.__exit__(kind, error, trace)

    @property
    def lock(self) -> threading.Lock:
        """Hold it while the sandbox is looked at or changed."""
        return self._server.lock

    @property
    def quiet(self) -> bool:
        """Whether no webhook waits or is under way."""
        with self.lock:
            return not self._busy and not self.sandbox.outbox

    @contextmanager
    def intercepted(self) -> Generator[list[Letter]]:
        """The webhooks of what happens inside come into the list instead of being sent."""
        caught: list[Letter] = []
        with self.lock:
            sent = len(self.sandbox.outbox)
            yield caught
            held = list(self.sandbox.outbox)
            self.sandbox.outbox.clear()
            self.sandbox.outbox.extend(held[:sent])
            caught.extend(Letter(outgoing) for outgoing in held[sent:])

    def hand_over(self, letter: Letter) -> int | None:
        """Send a webhook now, once; the answer."""
        if letter not in self.letters:
            self.letters.append(letter)
        letter.answers.append(post(letter.outgoing))
        return letter.answers[-1]

    def breaks(self, response: Response, path_prefix: str = "") -> Fault:
        """Answer every request so until `mends`."""
        fault = Fault(response, times=sys.maxsize, path_prefix=path_prefix)
        with self.lock:
            self.sandbox.faults.append(fault)
        return fault

    def loses_answer(self, method: str, path_prefix: str) -> None:
        """Take the next such request, and drop the answer."""
        with self.lock:
            self.sandbox.faults.append(Fault(method=method, path_prefix=path_prefix, lost=True))

    def mends(self, fault: Fault) -> int:
        """End a fault; how many requests it met."""
        with self.lock:
            with suppress(ValueError):
                self.sandbox.faults.remove(fault)
            self.refused = sys.maxsize - fault.times
        return self.refused

    def requests(self) -> int:
        """How many requests came in."""
        with self.lock:
            return len(self.sandbox.log)

    def written(self) -> Mapping[str, int]:
        """How often each writing request came in, by method and path; the most often repeated body counts."""
        with self.lock:
            sent = Counter((f"{r.method} {r.path}", r.body) for r in self.sandbox.log if r.method != "GET")
        return {request: times for (request, _), times in sorted(sent.items(), key=lambda item: item[1])}

    def table(self, name: str) -> list[Mapping[str, object]]:
        """The records of one table."""
        with self.lock:
            return [dict(row) for row in self.sandbox.records().get(name, [])]

    def _carry(self) -> None:
        while not self._ended.is_set():
            with self.lock:
                outgoing = self.sandbox.outbox.popleft() if self.sandbox.outbox else None
                self._busy = outgoing is not None
            if outgoing is None:
                self._ended.wait(0.02)
                continue
            letter = Letter(outgoing)
            for pause in _PAUSES:
                self.hand_over(letter)
                if letter.answers[-1] is not None and letter.answers[-1] < 500:
                    break
                if self._ended.wait(pause):
                    return


class Stage(AbstractContextManager["Stage"]):
    """The quickstart's six systems and its daemon, in `folder`. Raises ConfigError when something is not installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "bridge.toml"
        self.path.write_text(quickstart(), "utf-8")
        self.port, *ports = (free_port() for _ in range(1 + len(ADDRESSES)))
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**SECRETS, "OMNIBRIDGE_PUBLIC_URL": self.url, "OMNIBRIDGE_PORT": str(self.port)}
        for (variable, tail), port in zip(ADDRESSES.values(), ports, strict=True):
            self.env[variable] = f"http://127.0.0.1:{port}{tail}"
        self.config: Config = parse(quickstart(), self.env, Registry(), name="bridge.toml", folder=folder).require()
        self.systems: dict[str, System] = {}
        for name, port in zip(ADDRESSES, ports, strict=True):
            channel = self.config.channels[name]
            make = channel.connector.sandbox
            if make is None:
                raise ConfigError(f"the connector {channel.connector.name} has no sandbox", where=name)
            self.systems[name] = System(name, make(channel.settings), port)
        self._stack = ExitStack()
        self._daemon: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def __enter__(self) -> Self:
        for system in self.systems.values():
            self._stack.enter_context(system)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._daemon is not None:
            self.kill()
        self._stack.close()

    # -- the daemon ------------------------------------------------------------------------------------------------

    @property
    def log(self) -> Path:
        """What the daemon wrote."""
        return self.folder / "daemon.log"

    def start(self) -> None:
        """Start the daemon and wait until it serves. Raises Retryable, with the end of its log, when it does not."""
        command = [sys.executable, "-m", "omnibridge.cli", "run", "--config", str(self.path)]
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 - this project's own command
                command, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.starts += 1
        if not wait_until(lambda: self._ended() or self._answers(), 20.0) or self._ended():
            last = self.log.read_text("utf-8", "replace")[-2000:]
            raise Retryable(f"the daemon did not start:\n{last}", where=str(self.log))

    def kill(self) -> None:
        """End the daemon as a power cut would: SIGKILL, no goodbye."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait(10)
            self._daemon = None

    def stop(self) -> int:
        """Ask the daemon to stop in order; its exit code."""
        if self._daemon is None:
            return 0
        self._daemon.send_signal(signal.SIGTERM)
        code = self._daemon.wait(30)
        self._daemon = None
        return code

    def _ended(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is not None

    def _answers(self) -> bool:
        return self.ask("GET", "/livez")[0] == 200

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int | None, bytes]:
        """One request to the daemon: status and body; (None, b"") when nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            try:
                connection.request(method, path, body, dict(headers or {}))
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, HTTPException):
                return None, b""

    def publish(self, event: Event) -> int | None:
        """POST an event with the bearer token; the status."""
        message = write_structured(event)
        headers = {**message.headers, "authorization": f"Bearer {self.env['OMNIBRIDGE_TOKEN']}"}
        if message.content_type is not None:
            headers["content-type"] = message.content_type
        return self.ask("POST", "/events", message.body, headers)[0]

    @property
    def quiet(self) -> bool:
        """Whether no vendor has a webhook to hand over."""
        return all(system.quiet for system in self.systems.values())
