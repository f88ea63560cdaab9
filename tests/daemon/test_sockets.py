"""The real daemon on loopback: clients that are slow, silent, greedy or rude cannot hold it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from daemon_process import Daemon
from small_shop import one_shop, seen, webhook

from omnibridge.model import Customer

TOML = one_shop("""
[server]
port = 0
token = "t"
header_seconds = 0.4
body_seconds = 0.4
max_body_bytes = 2000
max_connections = 20
""")
DELIVERY = webhook(seen(Customer(given_name="Anna"), "1", 1))
HEADERS = "".join(f"{name}: {value}\r\n" for name, value in DELIVERY.headers.items())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon"), TOML) as running:
        yield running


@contextlib.contextmanager
def connection(daemon: Daemon) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as client:
        yield client


def until_closed(client: socket.socket) -> bytes:
    """Everything that comes until the other side closes; fails when it does not."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            found += chunk
    return found


def alive(daemon: Daemon) -> bool:
    return httpx.get(f"{daemon.url}/livez").status_code == 200


def head(length: int, target: str = "/in/shop") -> bytes:
    return f"POST {target} HTTP/1.1\r\nhost: x\r\n{HEADERS}content-length: {length}\r\n\r\n".encode()


def test_a_connection_that_says_nothing_is_closed(daemon):
    with connection(daemon) as client:
        assert until_closed(client) == b""
    assert alive(daemon)


@pytest.mark.parametrize("beginning", [b"P", b"POST /in/shop HTTP/1.1\r\nhost: x\r\nx-a: "])
def test_headers_that_come_in_drips_are_not_waited_for(daemon, beginning):
    began = time.monotonic()
    with connection(daemon) as client:
        client.sendall(beginning)
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 5:
                client.sendall(b"y")
                client.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if client.recv(1024) == b"":
                        break
    assert time.monotonic() - began < 3
    assert alive(daemon)


def test_a_body_that_comes_in_drips_is_answered_408_and_its_connection_closed(daemon):
    began = time.monotonic()
    answer = b""
    with connection(daemon) as client:
        client.sendall(head(1900))
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 5:
                client.sendall(b"y")
                client.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    chunk = client.recv(1024)
                    if chunk == b"":
                        break
                    answer += chunk
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 3
    assert alive(daemon)


def test_a_body_that_nobody_reads_may_not_come_in_drips_either(daemon):
    began = time.monotonic()
    with connection(daemon) as client, contextlib.suppress(OSError):
        client.sendall(head(1900, "/livez"))
        client.settimeout(0.05)
        while time.monotonic() - began < 8:
            client.sendall(b"y")
            with contextlib.suppress(TimeoutError):
                if client.recv(1024) == b"":
                    break
    assert time.monotonic() - began < 5
    assert alive(daemon)


@pytest.mark.parametrize("way", ["declared", "chunked"])
def test_a_body_too_large_is_answered_413_and_not_read_to_its_end(daemon, way):
    with connection(daemon) as client:
        if way == "declared":
            client.sendall(head(10**12))
        else:
            start = f"POST /in/shop HTTP/1.1\r\nhost: x\r\n{HEADERS}transfer-encoding: chunked\r\n\r\n"
            client.sendall(start.encode() + (b"400\r\n" + b"y" * 1024 + b"\r\n") * 3)
        assert until_closed(client).startswith(b"HTTP/1.1 413")
    assert alive(daemon)


def test_many_slow_clients_at_once_keep_nobody_out_for_long(daemon):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connection(daemon)) for _ in range(15)]
        for client in clients:
            client.sendall(b"POST /in/shop HTTP/1.1\r\nx-slow: ")
        assert alive(daemon)
        for client in clients:
            until_closed(client)
    assert alive(daemon)


def test_more_connections_than_allowed_are_told_to_come_again(daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(25):
            stack.enter_context(connection(daemon))
        answer = httpx.get(f"{daemon.url}/livez")
        assert answer.status_code == 503
    with contextlib.suppress(httpx.HTTPError):
        for _ in range(200):
            if httpx.get(f"{daemon.url}/livez").status_code == 200:
                break
    assert alive(daemon)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\r\n" * 100,
        b"POST /in/shop HTTP/9.9\r\n\r\n",
        b"POST /in/shop HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /in/shop HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"POST /in/shop HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /in/shop HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /in/shop HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["tls", "cut", "empty lines", "version", "negative", "two lengths", "smuggled", "bad chunk", "huge header"],
)
def test_nonsense_is_answered_with_an_error_or_nothing(daemon, nonsense):
    with connection(daemon) as client:
        with contextlib.suppress(OSError):
            client.sendall(nonsense)
        answer = until_closed(client)
        assert answer == b"" or answer.split()[1][:1] in (b"4", b"5")
    assert alive(daemon)


def test_headers_without_end_are_not_gathered_until_time_is_up(tmp_path):
    """With the usual ten seconds for headers, so that it is their size which ends it."""
    with Daemon(tmp_path, one_shop("[server]\nport = 0")) as patient, connection(patient) as client:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            client.sendall(b"POST /in/shop HTTP/1.1\r\n" + b"x: " + b"y" * 1000)
            while time.monotonic() - began < 8:
                client.sendall(b"\r\nx: " + b"y" * 1000)
        assert time.monotonic() - began < 5
        assert alive(patient)


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(daemon):
    before = httpx.get(f"{daemon.url}/metrics").text.count("stored")
    for _ in range(5):
        with connection(daemon) as client:
            client.sendall(head(len(DELIVERY.body)) + DELIVERY.body[:20])
    assert alive(daemon)
    assert httpx.get(f"{daemon.url}/metrics").text.count("stored") == before


def test_requests_one_after_the_other_on_one_connection(daemon):
    with connection(daemon) as client:
        for _ in range(2):
            client.sendall(head(len(DELIVERY.body)) + DELIVERY.body)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_nothing_tells_what_server_it_is(daemon):
    headers = httpx.get(f"{daemon.url}/livez").headers
    assert "server" not in headers
