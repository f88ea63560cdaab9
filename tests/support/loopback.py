"""A vendor on a real socket that misbehaves as told: it reads whole requests and writes any bytes it likes."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["LoopbackVendor", "drip", "reply", "reset"]

Script = Callable[[socket.socket, threading.Event], None]
"""What to do with a connection after a whole request was read; the event is set when the test is over."""


def reply(content: bytes, head: bytes = b"", *, status: bytes = b"200 OK", length: int | None = None) -> Script:
    """Answer with these bytes; `length` is what Content-Length says, the truth by default."""
    size = len(content) if length is None else length

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n%s\r\n%s" % (status, size, head, content))

    return script


def reset(connection: socket.socket, over: threading.Event) -> None:
    """End the connection by a reset, as a crashed server does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(start: bytes, seconds: float = 0.02) -> Script:
    """Send `start`, then a byte now and then, without end."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(seconds):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    return script


class LoopbackVendor:
    """`with LoopbackVendor(first, second) as vendor:` runs a script a request, the last one for all that follow.

    With `tls` it speaks that, as `localhost`.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._tls = tls
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.connections = 0
        where = "http://127.0.0.1" if tls is None else "https://localhost"
        self.url = f"{where}:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for open_ in [self._socket, *self._open]:
            with suppress(OSError):
                open_.shutdown(socket.SHUT_RDWR)
            open_.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(lambda connection=connection: self._serve(connection))

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while (request := _read(connection)) is not None:
                self.requests.append(request)
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                script(connection, self._over)
            connection.close()


def _read(connection: socket.socket) -> bytes | None:
    """One whole request with a Content-Length, or None at the end of the connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        chunk = connection.recv(65536)
        got += chunk
        if not chunk or got[0] == 0x16:  # the end, or the beginning of TLS
            return None
    head, _, body = got.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
    length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
