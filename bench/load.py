"""Sends signed Shopify order webhooks over keep-alive connections, as fast as they are answered or at a fixed rate.

`python -m bench.load URL COUNT CONNECTIONS RATE OUT [FIRST]`: RATE 0 is as fast as possible. OUT (JSON) has, by order
number, when each was first sent, how long acknowledgements took, which orders got none, and by how much at most it
fell behind its rate.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import uvloop

from bench.orders import order_webhook

REPEATS = 50
"""Every fiftieth delivery is sent twice: 2 % repeats."""


class Client(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[int] | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0 or self.answered is None:
            return
        text = self.buffer[:head].lower()
        at = text.find(b"content-length:")
        length = int(text[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < head + 4 + length:
            return
        self.buffer = self.buffer[head + 4 + length :]
        answered, self.answered = self.answered, None
        if not answered.done():
            answered.set_result(int(text[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(0)

    async def send(self, request: bytes) -> int:
        """The status, 0 when the connection broke."""
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return await self.answered


async def main(url: str, count: int, connections: int, rate: float, out: str, first: int) -> None:
    """Send everything, then write what was measured."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    requests: list[tuple[int, bytes]] = []
    for number in range(first, first + count):
        body, headers = order_webhook(number)
        lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        requests.append((number, request))
        if number % REPEATS == 0:
            requests.append((number, request))
    sent: dict[int, float] = {}
    acks: list[float] = []
    failed: list[int] = []
    queue = iter(requests)
    loop = asyncio.get_running_loop()
    begun = time.monotonic()
    place = 0
    behind = 0.0

    async def work() -> None:
        nonlocal place, behind
        _, client = await loop.create_connection(Client, host, port)
        for number, request in queue:
            if rate:
                place += 1
                due = begun + place / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                behind = max(behind, time.monotonic() - due)
            at = time.monotonic()
            sent.setdefault(number, at)
            status = await client.send(request)
            acks.append(time.monotonic() - at)
            if not 200 <= status < 300:
                failed.append(number)
                if status == 0:
                    return

    await asyncio.gather(*[work() for _ in range(connections)])
    with open(out, "w") as file:  # noqa: ASYNC230 - the run is over
        json.dump({"sent": sent, "acks": acks, "failed": failed, "begun": begun, "behind_s": behind}, file)


if __name__ == "__main__":
    a = sys.argv
    uvloop.run(main(a[1], int(a[2]), int(a[3]), float(a[4]), a[5], int(a[6]) if len(a) > 6 else 1))
