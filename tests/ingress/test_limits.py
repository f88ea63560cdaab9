"""Every part of a request has a bound, and what goes beyond it gets a clear answer and leaves nothing behind."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import anyio
import pytest
from asgi_client import Answer, ask
from small_shop import one_shop, seen, small_shop, webhook

from omnibridge.ingress import IngressApp, Limits
from omnibridge.model import Customer
from omnibridge.testing import TestBridge

pytestmark = pytest.mark.both_backends
DELIVERY = webhook(seen(Customer(email="anna@example.com"), "1", 1))
SIGNED = list(DELIVERY.headers.items())
PACKED = gzip.compress(DELIVERY.body, mtime=0)
LIMITS = Limits(body=1000, unpacked=3000, headers=600, seconds=0.05)


async def post(
    body: bytes | list[bytes], *headers: tuple[str, str], limits: Limits = LIMITS, stored: bool = False, **how: Any
) -> Answer | None:
    """The answer to one webhook; checks that it was stored, or was not."""
    async with TestBridge(one_shop(), connectors=[small_shop()]) as running:
        app = IngressApp(lambda: running.ingress, limits)
        answer = await ask(app, "POST", "/in/shop", body, [*SIGNED, *headers], **how)
        assert len(await running.journal.inbox()) == int(stored)
        return answer


async def status(body: bytes | list[bytes], *headers: tuple[str, str], **how: Any) -> int | None:
    answer = await post(body, *headers, **how)
    return answer.status if answer is not None else None


async def test_a_body_in_pieces_is_put_together():
    body = DELIVERY.body
    assert await status([body[:7], b"", body[7:], b""], stored=True) == 200


async def test_a_body_too_large_by_its_own_word_is_not_read():
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b""}

    async with TestBridge(one_shop(), connectors=[small_shop()]) as running:
        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/in/shop",
            "query_string": b"",
            "headers": [(b"content-length", b"1001")],
        }
        await IngressApp(lambda: running.ingress, LIMITS)(scope, receive, send)
        assert (answers[0]["status"], reads) == (413, 0)


@pytest.mark.parametrize("pieces", [[b"x" * 1001], [b"x" * 500] * 3, [b"x"] * 1001], ids=["whole", "chunks", "bytes"])
async def test_a_body_too_large_is_refused_whatever_it_said(pieces):
    assert await status(pieces) == 413
    assert await status(pieces, ("content-length", "10")) == 413


async def test_a_first_piece_that_is_too_large_is_enough():
    with anyio.fail_after(5):
        answer = await post([b"x" * 1001], stalls=True)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("size", [999, 1000])
async def test_a_body_within_the_limit_is_read(size):
    assert await status([b"x" * size]) == 401  # read, and then not the vendor's


@pytest.mark.parametrize("length", ["9" * 400, "²", "-1", "1e9", "", "+5", "ten"])
async def test_a_strange_length_breaks_nothing(length):
    """The server in front refuses these; an application that mounts us may not."""
    assert await status(DELIVERY.body, ("content-length", length), stored=not length.startswith("9")) in (200, 413)


async def test_headers_too_large_are_refused():
    assert await status(DELIVERY.body, ("x-long", "y" * 600)) == 431
    assert await status(DELIVERY.body, *((f"x-{n}", "y") for n in range(200))) == 431


@pytest.mark.parametrize("name", ["x-signature", "X-SIGNATURE", "content-type", "content-length", "x-delivery", "host"])
async def test_a_header_that_comes_twice_is_refused(name):
    pair = [("x-delivery", "1"), ("host", "a"), ("content-length", "1")]
    assert await status(DELIVERY.body, *pair, (name, "2")) == 400


async def test_headers_that_are_lists_may_come_twice():
    assert await status(DELIVERY.body, ("via", "a"), ("via", "b"), ("Accept", "x"), ("accept", "y"), stored=True) == 200


# -- compression -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", PACKED),
        ("GZIP ", PACKED),
        ("deflate", zlib.compress(DELIVERY.body)),
        ("identity", DELIVERY.body),
        ("", DELIVERY.body),
    ],
    ids=["gzip", "in capitals", "deflate", "identity", "nothing"],
)
async def test_a_compressed_body_is_unpacked_before_its_signature_is_checked(encoding, body):
    assert await status(body, ("content-encoding", encoding), stored=True) == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_is_refused_without_being_unpacked(encoding):
    huge = b"\0" * 500_000
    bomb = gzip.compress(huge, mtime=0) if encoding == "gzip" else zlib.compress(huge)
    assert len(bomb) < 1000
    assert await status(bomb, ("content-encoding", encoding)) == 413


async def test_exactly_as_much_as_may_be_unpacked_is_unpacked():
    limits = Limits(body=1000, unpacked=len(DELIVERY.body))
    packed = PACKED
    assert await status(packed, ("content-encoding", "gzip"), limits=limits, stored=True) == 200
    less = Limits(body=1000, unpacked=len(DELIVERY.body) - 1)
    assert await status(packed, ("content-encoding", "gzip"), limits=less) == 413


@pytest.mark.parametrize("cut", [1, 9, -12, len(PACKED)], ids=["a byte", "its end", "almost all", "all"])
async def test_a_cut_body_is_refused(cut):
    assert await status(PACKED[:-cut], ("content-encoding", "gzip")) == 400


async def test_a_damaged_body_is_refused():
    damaged = bytearray(PACKED)
    damaged[-6] ^= 1  # its checksum
    assert await status(bytes(damaged), ("content-encoding", "gzip")) == 400
    assert await status(b"not gzip", ("content-encoding", "gzip")) == 400
    assert await status(PACKED, ("content-encoding", "deflate")) == 400


async def test_what_follows_the_compressed_body_is_no_part_of_it():
    assert await status(PACKED + b"smuggled", ("content-encoding", "gzip")) == 400


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate, gzip", "x", "compress"])
async def test_other_encodings_are_refused(encoding):
    assert await status(DELIVERY.body, ("content-encoding", encoding)) == 415


# -- clients that do not finish --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[], [b"x" * 10], [b"x" * 10, b"y"]], ids=["before", "after one", "after two"])
async def test_a_client_that_hangs_up_gets_no_answer_and_leaves_nothing(pieces):
    assert await post(pieces, hangs_up=True) is None


@pytest.mark.parametrize("pieces", [[], [b"x" * 10]], ids=["no body", "half a body"])
async def test_a_body_that_does_not_come_is_not_waited_for(pieces):
    with anyio.fail_after(5):
        answer = await post(pieces, stalls=True)
    assert answer is not None
    assert answer.status == 408


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_not_http_is_left_alone(kind):
    async with TestBridge(one_shop(), connectors=[small_shop()]) as running:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing to receive")

        await running.asgi()({"type": kind}, receive, send)
        assert sent == []


async def test_the_limits_are_those_of_the_configuration():
    toml = one_shop("[server]\nmax_body_bytes = 1024\nmax_unpacked_bytes = 2048\nbody_seconds = 0.05")
    async with TestBridge(toml, connectors=[small_shop()]) as running:
        app = running.asgi()
        packed = [("content-encoding", "gzip")]
        large = await ask(app, "POST", "/in/shop", b"x" * 1025)
        bomb = await ask(app, "POST", "/in/shop", gzip.compress(b"x" * 2049, mtime=0), packed)
        slow = await ask(app, "POST", "/in/shop", [b"x"], stalls=True)
        assert [answer and answer.status for answer in (large, bomb, slow)] == [413, 413, 408]
