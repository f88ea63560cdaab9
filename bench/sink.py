"""A receiver of deliveries for the benchmarks: answers 204 at once, and remembers which orders came, when, how often.

`python -m bench.sink PORT OUT` serves until SIGTERM and then writes OUT (JSON). It can be told over HTTP: `POST /down
{"seconds": 5}` answers 503 for a while, `POST /throttle {"seconds": 5, "retry_after": 1}` answers 429 with Retry-After,
`GET /count`. Orders are told apart by their number, so an order that comes as two events counts as doubled.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from typing import Any

import httptools
import uvloop

_NUMBER = re.compile(rb'"number":"#?(\d+)"')
_OK = b"HTTP/1.1 204 No Content\r\n\r\n"
_DOWN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


class Book:
    """What came in."""

    def __init__(self) -> None:
        self.times: dict[int, int] = {}
        self.at: dict[int, float] = {}
        self.strange = 0
        self.refused: list[float] = []
        self.refusal = b""
        self.refuse_until = 0.0

    def take(self, body: bytes) -> bytes:
        """Note one request; the answer."""
        now = time.monotonic()
        if now < self.refuse_until:
            self.refused.append(now)
            return self.refusal
        found = _NUMBER.search(body)
        if found is None:
            self.strange += 1
            return _OK
        number = int(found[1])
        self.times[number] = self.times.get(number, 0) + 1
        self.at.setdefault(number, now)
        return _OK

    def refuse(self, url: bytes, told: dict[str, Any]) -> bytes:
        """From now on, for a while, answer otherwise."""
        self.refuse_until = time.monotonic() + float(told["seconds"])
        after = b"retry-after: %d\r\ncontent-length: 0\r\n\r\n" % int(told.get("retry_after", 1))
        self.refusal = _DOWN if url == b"/down" else b"HTTP/1.1 429 Too Many Requests\r\n" + after
        return _OK

    def counts(self) -> dict[str, int]:
        """How much came."""
        return {
            "unique": len(self.at),
            "doubled": sum(times - 1 for times in self.times.values()),
            "strange": self.strange,
            "refused": len(self.refused),
        }


class Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        body, url = b"".join(self.parts), self.url
        self.parts, self.url = [], b""
        if url == b"/count":
            text = json.dumps(self.book.counts()).encode()
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
        elif url in (b"/down", b"/throttle"):
            answer = self.book.refuse(url, json.loads(body))
        else:
            answer = self.book.take(body)
        self.transport.write(answer)  # type: ignore[attr-defined]


async def main(port: int, out: str) -> None:
    """Serve until SIGTERM."""
    book, loop, stop = Book(), asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Protocol(book), "127.0.0.1", port, backlog=1024)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()
    with open(out, "w") as file:  # noqa: ASYNC230 - the run is over
        json.dump({**book.counts(), "at": book.at, "refused_at": book.refused}, file)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
