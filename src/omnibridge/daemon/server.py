"""Runs the daemon: binds, serves, and on SIGTERM stops in order: no new requests, deliveries under way, the journal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import signal
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import anyio
import structlog
import uvicorn
from anyio.abc import TaskStatus
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from omnibridge.bridge import Bridge
from omnibridge.config import Config
from omnibridge.daemon.app import DaemonApp
from omnibridge.errors import ConfigError, StorageError, StorageFailed

__all__ = ["run"]

_log = structlog.get_logger("omnibridge")
_HEAD = 128 * 1024
"""Bytes of a request's headers, across reads; the application has its own, smaller bound once it has them all."""
_LATE = b"the body did not come in time\n"
_LATE_ANSWER = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_LATE),
    _LATE,
)


class _PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, closing a connection whose request does not arrive in time, or has headers without end."""

    header_seconds = 10.0
    body_seconds = 15.0
    _deadline: asyncio.TimerHandle | None = None
    _seconds: float | None = None
    """How long what is still missing may take; None where nothing is."""
    _moved = False
    _in_head = True
    _head = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._seconds = self.header_seconds
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._moved:  # here, not with each step: a request that comes in one piece, as nearly all do, needs no timer
            self._moved = False
            self._arm()
        self._head = self._head + len(data) if self._in_head else 0
        if self._head > _HEAD:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._wait_for(self.header_seconds)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wait_for(self.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._wait_for(None)
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        self._arm()
        super().connection_lost(exc)

    def _wait_for(self, seconds: float | None) -> None:
        self._seconds, self._moved = seconds, True

    def _arm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._seconds is not None:
            self._deadline = self.loop.call_later(self._seconds, self._late)

    def _late(self) -> None:
        if not self._in_head and not getattr(self.cycle, "response_started", True):
            self.transport.write(_LATE_ANSWER)
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server, leaving signals to us: it would end the process before the bridge has drained."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.getaddrinfo(host, port, family)  # binding tells of a name that nobody knows as of any other trouble
        return socket.create_server((host, port), family=family, backlog=2048, reuse_port=False)
    except (socket.gaierror, TypeError, ValueError):  # the latter two: no host can have such a name
        remedy = "set server.host to an address of this machine, such as 127.0.0.1"
        raise ConfigError(f"cannot listen on {host!r}: no such address", where="server", remedy=remedy) from None
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {(error.strerror or '').partition(' (while')[0]}",
            where="server",
            remedy="stop what uses the port, or set server.port",
        ) from None


def run(config: Config, *, ready: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code. `ready` is told the address.

    Raises ConfigError and StorageError before anything is served. A failed disk ends it with code 74.
    """
    return anyio.run(_main, config, ready, backend="asyncio", backend_options={"use_uvloop": _has_uvloop()})


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None  # not on Windows


async def _main(config: Config, ready: Callable[[str], None] | None) -> int:
    server = config.require().file.server
    listener = _bind(server.host, server.port)
    address = f"http://{server.host}:{listener.getsockname()[1]}"
    try:
        async with Bridge(config) as bridge:
            app = DaemonApp(bridge)
            _PatientProtocol.header_seconds = server.header_seconds
            _PatientProtocol.body_seconds = server.body_seconds
            http = _Server(
                uvicorn.Config(
                    app,  # pyright: ignore[reportArgumentType]  # uvicorn types scopes as TypedDicts
                    http=_PatientProtocol,
                    lifespan="off",
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    date_header=False,
                    limit_concurrency=server.max_connections,
                    timeout_keep_alive=75,
                    timeout_graceful_shutdown=10,
                    backlog=2048,
                )
            )
            async with anyio.create_task_group() as tasks:
                await tasks.start(_watch_signals, http, app)
                # What was made until now stays: the collector need not look at it again and again.
                gc.collect()
                gc.freeze()
                gc.set_threshold(20_000, 20, 50)
                _log.info("listening", url=address, journal=Path(config.file.bridge.journal).name)
                if ready is not None:
                    ready(address)
                await http.serve(sockets=[listener])
                tasks.cancel_scope.cancel()
            _log.info("draining")
    except BaseExceptionGroup as group:
        failed = group.subgroup(StorageError)
        if failed is None:
            raise
        _log.error("the journal failed; stopping", error=_first(failed))
        return 74
    except StorageFailed as error:
        _log.error("the journal failed; stopping", error=error.what)
        return 74
    finally:
        listener.close()
    _log.info("stopped")
    return 0


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return str(error)


async def _watch_signals(
    http: uvicorn.Server, app: DaemonApp, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            _log.info("stopping", signal=number.name)
            app.stopping = True
            if http.should_exit:
                http.force_exit = True
            http.should_exit = True
