"""What the job costs with nothing but parts: uvicorn, starlette, aiohttp and grouped SQLite commits.

`python -m bench.reference PORT DB SINK SINK`: verifies, stores with a full sync before the 2xx, deduplicates, validates
the order and what it becomes, a canonical one of about 600 bytes, and posts that to both sinks, repeating on 5xx. It is
our measure, not a product: no lanes, no references, no shadow, no attempt records, no keys.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import queue
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

import aiohttp
import apsw
import uvicorn
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import TypedDict

from bench.orders import SECRET


class Store:
    """One writer thread with group commit."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self.queue: queue.SimpleQueue[tuple[str, tuple[Any, ...], Callable[[bool], None]]] = queue.SimpleQueue()
        self.loop = loop
        self.db = apsw.Connection(path)
        self.db.execute("PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA wal_autocheckpoint=1000")
        self.db.execute(
            "CREATE TABLE inbox(id INTEGER PRIMARY KEY, key TEXT UNIQUE, body BLOB, done INTEGER DEFAULT 0);"
        )
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            batch = [self.queue.get()]
            while len(batch) < 64:
                try:
                    batch.append(self.queue.get_nowait())
                except queue.Empty:
                    break
            self.db.execute("BEGIN IMMEDIATE")
            results: list[tuple[Callable[[bool], None], bool]] = []
            for sql, values, done in batch:
                self.db.execute(sql, values)
                results.append((done, self.db.changes() > 0))
            self.db.execute("COMMIT")
            self.loop.call_soon_threadsafe(_release, results)

    async def write(self, sql: str, *values: Any) -> bool:
        """Whether a row changed; after the sync."""
        waiter: asyncio.Future[bool] = self.loop.create_future()
        self.queue.put((sql, values, waiter.set_result))
        return await waiter


def _release(results: list[tuple[Callable[[bool], None], bool]]) -> None:
    for done, changed in results:
        done(changed)


class _Line(TypedDict):
    title: str
    sku: str | None
    quantity: Annotated[int, Field(ge=0)]
    price: str


class _Order(TypedDict):
    id: int
    name: str
    currency: str
    financial_status: str | None
    total_price: str
    subtotal_price: str | None
    total_tax: str | None
    email: str | None
    created_at: AwareDatetime
    line_items: list[_Line]


_READ = TypeAdapter(_Order)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Money(_Model):
    """An exact amount."""

    amount: Annotated[Decimal, Field(max_digits=40)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class OrderLine(_Model):
    """One line."""

    title: str
    sku: str | None = None
    quantity: Decimal
    unit_price: Money


class Order(_Model):
    """The canonical order."""

    id: str
    number: str
    payment_status: Literal["pending", "authorized", "paid", "partially_paid", "refunded", "voided"] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    total: Money
    subtotal: Money | None = None
    tax: Money | None = None
    email: str | None = None
    lines: tuple[OrderLine, ...]
    placed_at: AwareDatetime


def translate(body: bytes) -> bytes:
    """The order as a canonical JSON of about 600 bytes; validated as it is read, and once more as what it becomes."""
    read = _READ.validate_json(body)
    currency = read["currency"]

    def money(amount: str | None) -> dict[str, str] | None:
        return None if amount is None else {"amount": amount, "currency": currency}

    order = Order.model_validate(
        {
            "id": str(read["id"]),
            "number": read["name"],
            "payment_status": read["financial_status"],
            "currency": currency,
            "total": money(read["total_price"]),
            "subtotal": money(read["subtotal_price"]),
            "tax": money(read["total_tax"]),
            "email": read["email"],
            "lines": [
                {
                    "title": line["title"],
                    "sku": line["sku"],
                    "quantity": line["quantity"],
                    "unit_price": money(line["price"]),
                }
                for line in read["line_items"]
            ],
            "placed_at": read["created_at"],
        }
    )
    return order.__pydantic_serializer__.to_json(order, exclude_none=True)


async def main(port: int, path: str, sinks: list[str]) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    store = Store(path, loop)
    work: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=128))

    async def accept(request: Request) -> Response:
        body = await request.body()
        wanted = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
        if not hmac.compare_digest(wanted, request.headers.get("x-shopify-hmac-sha256", "")):
            return Response(status_code=401)
        key = request.headers["x-shopify-event-id"]
        if await store.write("INSERT OR IGNORE INTO inbox(key, body) VALUES(?, ?)", key, body):
            work.put_nowait((key, body))
        return Response(status_code=200)

    async def post(url: str, key: str, data: bytes) -> None:
        headers = {"ce-id": key, "content-type": "application/json"}
        while True:
            async with session.post(url, data=data, headers=headers) as answer:
                if answer.status < 500:
                    return
            await asyncio.sleep(0.1)

    async def deliver() -> None:
        while True:
            key, body = await work.get()
            data = translate(body)
            await asyncio.gather(*[post(url, key, data) for url in sinks])
            await store.write("UPDATE inbox SET done = 1 WHERE key = ?", key)

    workers = [asyncio.create_task(deliver()) for _ in range(32)]
    app = Starlette(routes=[Route("/in/shop", accept, methods=["POST"])])
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, lifespan="off")
    print(json.dumps({"ready": True}), flush=True)
    await uvicorn.Server(config).serve()
    del workers


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
