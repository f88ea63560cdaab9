"""The local inbox: a small HTTP server on loopback that hands over whatever is POSTed to it, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from omnibridge.clock import Clock
from omnibridge.errors import ConfigError
from omnibridge.testing.dev.letters import Letter

__all__ = ["Inbox"]

_LARGEST = 2 * 1024 * 1024
"""Bytes of a body, as the daemon takes them."""
_SECONDS = 15.0


class Inbox:
    """`with Inbox(port, take, clock):`; `take` is given each letter and returns status and text of the answer."""

    def __init__(self, port: int, take: Callable[[Letter], tuple[int, str]], clock: Clock) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), _handler(take, clock))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on 127.0.0.1:{port}: {error.strerror}", remedy="choose another one with --port"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(take: Callable[[Letter], tuple[int, str]], clock: Clock) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SECONDS

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _serve(self) -> None:
            size = self.headers.get("content-length", "0")
            if not size.isdecimal() or "transfer-encoding" in self.headers:
                return self._reply(411, "a content-length is needed")
            if int(size) > _LARGEST:
                return self._reply(413, f"the body is larger than {_LARGEST} bytes")
            body = self.rfile.read(int(size))
            if len(body) < int(size):
                self.close_connection = True
                return None
            if not self.path.startswith("/in/"):
                return self._reply(404, "deliveries are POSTed to /in/CONNECTOR")
            headers = {name.lower(): value for name, value in self.headers.items()}
            letter = Letter(received=clock.now(), target=self.path, headers=headers, body=body, method=self.command)
            return self._reply(*take(letter))

        def _reply(self, status: int, text: str) -> None:
            content = text.encode()  # as it is: a greeting may have to be repeated to the letter
            if status >= 400:  # what is left of a request that was not read must not be taken for the next one
                self.close_connection = True
                self.send_response(status)
                self.send_header("connection", "close")
            else:
                self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = do_OPTIONS = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
