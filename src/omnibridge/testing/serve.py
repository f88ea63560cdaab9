"""Serves a sandbox over real HTTP on loopback, and posts the webhooks that it would send."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from omnibridge.connector import LostAnswer, Outgoing, Sandbox, SandboxRequest

__all__ = ["SandboxServer", "post", "wait_until"]


class SandboxServer:
    """`with SandboxServer(sandbox) as server:` listens at `server.url`; `port` 0 takes a free one.

    Requests are handled one at a time, as a sandbox is plain state. With `deliver`, webhooks in the sandbox's outbox
    are posted as they come, to the address that each names.
    """

    def __init__(self, sandbox: Sandbox, *, port: int = 0, deliver: bool = False) -> None:
        self.sandbox = sandbox
        self.lock = threading.Lock()
        self._stop = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(sandbox, self.lock))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        ]
        if deliver:
            self._threads.append(threading.Thread(target=self._pump, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join(timeout=5)
        self._server.server_close()

    def _pump(self) -> None:
        while not self._stop.is_set():
            with self.lock:
                outgoing = self.sandbox.outbox.popleft() if self.sandbox.outbox else None
            if outgoing is None:
                self._stop.wait(0.02)
                continue
            for wait in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
                status = post(outgoing)
                if status is not None and status < 500:
                    break
                if self._stop.wait(wait):
                    return


def post(outgoing: Outgoing, timeout: float = 10.0) -> int | None:
    """Send one webhook; the status, or None when nobody answered."""
    parts = urlsplit(outgoing.url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, outgoing.body, dict(outgoing.headers))
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(sandbox: Sandbox, lock: threading.Lock) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _serve(self) -> None:
            size = self.headers.get("content-length")
            if size is None and self.command in ("POST", "PUT", "PATCH"):
                self.send_error(411)  # or a head that was cut off: the sender died, and no vendor would take it
                return
            body = self.rfile.read(int(size or 0))
            if len(body) < int(size or 0):
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                with lock:
                    answer = sandbox.handle(SandboxRequest(self.command, self.path, headers, body))
            except LostAnswer:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


def wait_until(condition: Callable[[], bool], seconds: float = 30.0, step: float = 0.02) -> bool:
    """Poll `condition` until it holds; False when it did not in time."""
    pause = threading.Event()
    for _ in range(int(seconds / step)):
        if condition():
            return True
        pause.wait(step)
    return condition()
