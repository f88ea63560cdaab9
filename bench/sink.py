"""A receiver of deliveries for the benchmarks: answers 204 at once, and remembers which events came, when, how often.

`python -m bench.sink PORT OUT` serves until SIGTERM and then writes OUT (JSON). It can be told over HTTP: `POST /down
{"seconds": 5}` answers 503 for a while, `POST /throttle {"seconds": 5}` answers 429 with Retry-After, `GET /count`.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time

import httptools
import uvloop

_NUMBER = re.compile(rb'"number":"#?(\d+)"')


class Book:
    """What came in."""

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}
        self.at: dict[int, float] = {}
        self.requests = 0
        self.refused = 0
        self.down_until = 0.0
        self.throttled_until = 0.0

    def take(self, key: bytes, body: bytes) -> bytes:
        """Note one request; the answer."""
        self.requests += 1
        now = time.monotonic()
        if now < self.down_until:
            self.refused += 1
            return b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
        if now < self.throttled_until:
            self.refused += 1
            return b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
        self.seen[key] = self.seen.get(key, 0) + 1
        number = _NUMBER.search(body)
        if number and int(number[1]) not in self.at:
            self.at[int(number[1])] = now
        return b"HTTP/1.1 204 No Content\r\n\r\n"


class Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.parser = httptools.HttpRequestParser(self)
        self.key = self.url = b""
        self.parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"ce-id":
            self.key = value

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.parts)
        url, key = self.url, self.key
        self.parts, self.url, self.key = [], b"", b""
        if url == b"/count":
            text = json.dumps({"unique": len(self.book.seen), "requests": self.book.requests}).encode()
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
        elif url in (b"/down", b"/throttle"):
            until = time.monotonic() + float(json.loads(body)["seconds"])
            setattr(self.book, "down_until" if url == b"/down" else "throttled_until", until)
            answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        else:
            answer = self.book.take(key, body)
        self.transport.write(answer)  # type: ignore[attr-defined]


async def main(port: int, out: str) -> None:
    """Serve until SIGTERM."""
    book, loop, stop = Book(), asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Protocol(book), "127.0.0.1", port, backlog=1024)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()
    with open(out, "w") as file:  # noqa: ASYNC230 - the run is over
        json.dump(
            {
                "unique": len(book.seen),
                "requests": book.requests,
                "refused": book.refused,
                "doubled": sum(n - 1 for n in book.seen.values()),
                "at": book.at,
            },
            file,
        )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
