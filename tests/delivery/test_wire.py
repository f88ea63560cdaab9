"""Both wires on real sockets: whatever a vendor does, an answer is whole, or it is said what may have happened."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import httpx
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from loopback import LoopbackVendor, drip, reply, reset

from omnibridge.delivery.http1 import AsyncioWire
from omnibridge.delivery.parcel import MAX_ANSWER, Answer, BadAddress, Lost, NeverSent, Parcel
from omnibridge.delivery.wire import HttpxWire, Wire, make_wire
from omnibridge.testing import free_port

BODY = b'{"name":"Ann"}'


def parcel(url: str, method: str = "POST", body: bytes = BODY, seconds: float = 5.0) -> Parcel:
    host = url.split("/")[2]
    headers = [("Host", host), ("Accept-Encoding", "gzip"), ("X-Ours", "1")]
    if method != "GET":
        headers.append(("Content-Length", str(len(body))))
    return Parcel(method, url, tuple(headers), body if method != "GET" else b"", seconds)


@pytest.fixture(
    params=[
        pytest.param(("asyncio", AsyncioWire), id="asyncio"),
        pytest.param(("asyncio", lambda: HttpxWire(httpx.AsyncHTTPTransport())), id="httpx-asyncio"),
        pytest.param(("trio", lambda: make_wire(None)), id="httpx-trio"),
    ]
)
def make(request) -> Callable[[], Wire]:
    return request.param[1]


@pytest.fixture
def anyio_backend(make, request) -> str:
    return request.node.callspec.params["make"][0]


@pytest.fixture
def certified(tmp_path, monkeypatch) -> ssl.SSLContext:
    """What a vendor called `localhost` needs for TLS; the machine trusts its certificate for the time of the test."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    return context


@asynccontextmanager
async def opened(make: Callable[[], Wire]) -> AsyncGenerator[Wire]:
    wire = make()
    try:
        yield wire
    finally:
        await wire.aclose()


async def once(make: Callable[[], Wire], vendor: LoopbackVendor, **options) -> Answer:
    async with opened(make) as wire:
        return await wire.send(parcel(f"{vendor.url}/things?a=b%20c", **options))


# -- what works ----------------------------------------------------------------------------------------------------


async def test_a_request_arrives_as_it_is_and_its_answer_comes_back(make):
    with LoopbackVendor(reply(b"hello", b"X-Vendor: Yes\r\n", status=b"201 Created")) as vendor:
        answer = await once(make, vendor)
    assert (answer.status, answer.content, answer.headers["x-vendor"]) == (201, b"hello", "Yes")
    head, _, body = vendor.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /things?a=b%20c HTTP/1.1"
    assert body == BODY
    named = sorted(line.partition(b":")[0].lower() for line in lines[1:])
    assert [name for name in named if name != b"connection"] == [
        b"accept-encoding",
        b"content-length",
        b"host",
        b"x-ours",
    ]


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_packed_answer_is_unpacked(make, encoding, pack):
    with LoopbackVendor(reply(pack(b"hello" * 100), b"content-encoding: %s\r\n" % encoding.encode())) as vendor:
        assert (await once(make, vendor)).content == b"hello" * 100


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"])
async def test_a_redirect_is_not_followed(make, status):
    with LoopbackVendor(reply(b"ours")) as other:
        where = b"location: %s/stolen\r\n" % other.url.encode()
        with LoopbackVendor(reply(b"", where, status=status)) as vendor:
            answer = await once(make, vendor, method="GET")
        assert answer.status == int(status[:3])
    assert other.requests == []
    assert len(vendor.requests) == 1


async def test_no_cookie_is_kept(make):
    with LoopbackVendor(reply(b"", b"set-cookie: session=1; path=/\r\n")) as vendor:
        async with opened(make) as wire:
            for _ in range(2):
                await wire.send(parcel(f"{vendor.url}/"))
    assert not any(b"cookie" in request.lower() for request in vendor.requests)


async def test_an_answer_without_a_body_is_an_answer(make):
    with LoopbackVendor(reply(b"", b"content-encoding: gzip\r\n", status=b"204 No Content")) as vendor:
        answer = await once(make, vendor, method="GET")
    assert (answer.status, answer.content) == (204, b"")


async def test_requests_side_by_side_get_each_its_own_answer(make):
    def echo(connection: socket.socket, over: threading.Event) -> None:
        reply(str(len(vendor.requests)).encode())(connection, over)

    got: list[int] = []
    with LoopbackVendor(echo) as vendor:
        async with opened(make) as wire, anyio.create_task_group() as tasks:

            async def ask(n: int) -> None:
                got.append((await wire.send(parcel(f"{vendor.url}/{n}"))).status)

            for n in range(5):
                tasks.start_soon(ask, n)
    assert got == [200] * 5


WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWERS = {
    "chunks": CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-late: 1\r\n\r\n",
    "until the close": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello world",
    "after a hint": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + WHOLE,
    "after a 100": b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
}


@pytest.mark.parametrize("how", ANSWERS)
async def test_an_answer_in_any_form_is_read_to_its_end(make, how):
    def say(connection: socket.socket, over: threading.Event) -> None:
        for part in ANSWERS[how].partition(b"\r\n\r\n"):
            connection.sendall(part)
        if b"chunked" not in ANSWERS[how] and b"length" not in ANSWERS[how]:
            connection.shutdown(socket.SHUT_RDWR)

    with LoopbackVendor(say) as vendor:
        async with opened(make) as wire:
            for _ in range(2):
                answer = await wire.send(parcel(f"{vendor.url}/"))
                assert (answer.status, answer.content) == (200, b"hello world")
                assert "link" not in answer.headers


async def test_a_head_alone_has_no_body_to_wait_for(make):
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nx-size: 5\r\n\r\n"
    with LoopbackVendor(lambda connection, over: connection.sendall(head)) as vendor, anyio.fail_after(5):
        async with opened(make) as wire:
            for _ in range(2):
                answer = await wire.send(parcel(f"{vendor.url}/", method="HEAD", body=b""))
                assert (answer.status, answer.content, answer.headers["x-size"]) == (200, b"", "5")


async def test_a_header_that_comes_twice_keeps_both(make):
    with LoopbackVendor(reply(b"", b"x-limit: 2\r\nx-limit: 40\r\n")) as vendor:
        assert (await once(make, vendor)).headers["x-limit"] == "2, 40"


async def test_a_connection_is_kept_for_the_next_request(make):
    with LoopbackVendor(reply(b"hello")) as vendor:
        async with opened(make) as wire:
            for _ in range(5):
                await wire.send(parcel(f"{vendor.url}/"))
    assert (len(vendor.requests), vendor.connections) == (5, 1)


# httpx's own transport takes it for the next answer.
@pytest.mark.parametrize("make", [pytest.param(("asyncio", AsyncioWire), id="asyncio")], indirect=True)
async def test_what_nobody_asked_for_is_never_the_next_answer(make):
    first = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"
    forged = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"
    with LoopbackVendor(lambda connection, over: connection.sendall(first + forged), reply(b"second")) as vendor:
        async with opened(make) as wire:
            assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"first"
            with suppress(Lost):  # careful as well: it does not know, and says so
                assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"second"


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again(make):
    closed = threading.Event()

    def hang_up(connection: socket.socket, over: threading.Event) -> None:
        reply(b"first")(connection, over)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with LoopbackVendor(hang_up, reply(b"second")) as vendor:
        async with opened(make) as wire:
            assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"first"
            await anyio.to_thread.run_sync(closed.wait)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()  # the loop reads what the socket says
            assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"second"


# -- TLS -----------------------------------------------------------------------------------------------------------


async def test_tls_with_a_certificate_that_is_trusted(make, certified):
    with LoopbackVendor(reply(b"hello"), tls=certified) as vendor:
        async with opened(make) as wire:
            assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"hello"


async def test_tls_with_a_certificate_for_somebody_else_is_never_sent_anything(make, certified):
    with LoopbackVendor(reply(b"hello"), tls=certified) as vendor:
        async with opened(make) as wire:
            with pytest.raises(NeverSent):
                await wire.send(parcel(vendor.url.replace("localhost", "127.0.0.1") + "/"))
    assert vendor.requests == []


# -- it cannot have arrived ----------------------------------------------------------------------------------------


async def test_a_refused_connection_says_that_nothing_was_sent(make):
    async with opened(make) as wire:
        with pytest.raises(NeverSent):
            await wire.send(parcel(f"http://127.0.0.1:{free_port()}/"))


async def test_a_name_that_does_not_resolve_says_that_nothing_was_sent(make):
    async with opened(make) as wire:
        with pytest.raises(NeverSent):
            await wire.send(parcel("http://nowhere.invalid/"))


async def test_a_vendor_without_the_tls_that_was_asked_for_is_never_sent_anything(make):
    with LoopbackVendor(reply(b"hello")) as vendor:
        async with opened(make) as wire:
            with pytest.raises(NeverSent):
                await wire.send(parcel(vendor.url.replace("http://", "https://") + "/"))
    assert not any(BODY in request for request in vendor.requests)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "gopher://127.0.0.1/"])
async def test_an_address_of_another_kind_is_refused(make, url):
    async with opened(make) as wire:
        with pytest.raises(BadAddress):
            await wire.send(parcel(url))


@pytest.mark.parametrize(
    ("header", "path"), [(("X-Name", "Ann\r\nX-Admin: 1"), "/"), (("X-Name", "Ann"), "/a\r\nX-Admin: 1\r\n")]
)
async def test_a_line_break_never_becomes_a_header(make, header, path):
    with LoopbackVendor(reply(b"")) as vendor:
        made = parcel(f"{vendor.url}{path}")
        async with opened(make) as wire:
            with suppress(BadAddress):
                await wire.send(Parcel(made.method, made.url, (*made.headers, header), made.body, 5.0))
    assert not any(b"\r\nX-Admin" in request for request in vendor.requests)


# -- it may have arrived -------------------------------------------------------------------------------------------

UNTRUSTWORTHY = {
    "a reset": reset,
    "a close without a word": lambda connection, over: connection.close(),
    "half an answer": lambda connection, over: (
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        connection.shutdown(socket.SHUT_RDWR),
    ),
    "half a head": lambda connection, over: (
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-le"),
        connection.shutdown(socket.SHUT_RDWR),
    ),
    "half a chunk": lambda connection, over: (
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf"),
        connection.shutdown(socket.SHUT_RDWR),
    ),
    "garbage": lambda connection, over: connection.sendall(b"\x00\x01 what is this\r\n\r\n\r\n"),
    "a head without an end": lambda connection, over: connection.sendall(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2_000_000),
    "damaged gzip": reply(b"\x1f\x8b\x08garbage garbage", b"content-encoding: gzip\r\n"),
    "gzip cut short": reply(gzip.compress(BODY * 1000)[:-20], b"content-encoding: gzip\r\n"),
    "gzip with a wrong sum": reply(gzip.compress(BODY)[:-8] + b"\0" * 8, b"content-encoding: gzip\r\n"),
    "an encoding nobody asked for": reply(b"\x0b\x02\x80", b"content-encoding: br\r\n"),
}


@pytest.mark.parametrize("what", UNTRUSTWORTHY)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_without_a_whole_answer_it_may_have_arrived_and_is_not_sent_again(make, method, what):
    with LoopbackVendor(UNTRUSTWORTHY[what]) as vendor, pytest.raises(Lost) as caught:
        await once(make, vendor, method=method)
    assert len(vendor.requests) == 1
    assert "Ann" not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_connection_that_was_kept_and_then_fails_is_not_repeated_behind_our_back(make, method):
    """Clients like to repeat "idempotent" methods on a new connection; what is unprotected must not be."""
    with LoopbackVendor(reply(b"first"), reset, reply(b"third")) as vendor:
        async with opened(make) as wire:
            assert (await wire.send(parcel(f"{vendor.url}/", method=method))).content == b"first"
            with pytest.raises(Lost):
                await wire.send(parcel(f"{vendor.url}/", method=method))
    assert len(vendor.requests) == 2


# httpx leaves a generator of its own to the garbage collector when an answer is not read to its end.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip bomb"])
async def test_an_answer_has_a_largest_size(make, packed):
    content, head = b"x" * (MAX_ANSWER + 1), b""
    if packed:
        content, head = gzip.compress(content), b"content-encoding: gzip\r\n"
    with LoopbackVendor(reply(content, head)) as vendor, pytest.raises(Lost, match="larger"):
        await once(make, vendor, seconds=20)


async def test_silence_ends_in_time(make):
    with LoopbackVendor(lambda connection, over: None) as vendor, anyio.fail_after(5), pytest.raises(Lost):
        await once(make, vendor, seconds=0.2)


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nx-head: "],
    ids=["body", "head"],
)
async def test_a_slow_drip_ends_in_time(make, start):
    with LoopbackVendor(drip(start)) as vendor, anyio.fail_after(5), pytest.raises(Lost):
        await once(make, vendor, seconds=0.3)


async def test_after_trouble_the_next_request_works(make):
    with LoopbackVendor(reset, reply(b"hello")) as vendor:
        async with opened(make) as wire:
            with pytest.raises(Lost):
                await wire.send(parcel(f"{vendor.url}/"))
            assert (await wire.send(parcel(f"{vendor.url}/"))).content == b"hello"


# -- transports that are not ours ----------------------------------------------------------------------------------


@pytest.mark.both_backends
class TestMockTransports:
    @pytest.fixture
    def anyio_backend(self, request) -> str:
        return request.param

    async def test_httpx_mock_transport(self, anyio_backend):
        def answer(request: httpx.Request) -> httpx.Response:
            assert request.headers["x-ours"] == "1"
            return httpx.Response(201, headers={"X-Vendor": "Yes"}, content=request.content)

        answered = await HttpxWire(httpx.MockTransport(answer)).send(parcel("http://shop.example/things"))
        assert answered == Answer(201, {"x-vendor": "Yes", "content-length": "14"}, BODY)

    async def test_respx(self, anyio_backend):
        with respx.mock(base_url="http://shop.example") as mocked:
            mocked.post("/things").mock(side_effect=[httpx.Response(429), httpx.ReadTimeout, httpx.ConnectError])
            wire = HttpxWire(httpx.MockTransport(mocked.async_handler))
            assert (await wire.send(parcel("http://shop.example/things"))).status == 429
            with pytest.raises(Lost):
                await wire.send(parcel("http://shop.example/things"))
            with pytest.raises(NeverSent):
                await wire.send(parcel("http://shop.example/things"))
