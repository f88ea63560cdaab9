"""A small vendor, a connector for it, and a bridge between them, for tests of the core."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import httpx

from omnibridge.connector import (
    AnyConnector,
    Connector,
    Deliver,
    Delivery,
    Http,
    Inbound,
    Later,
    Native,
    Protection,
    Receipt,
    Redelivery,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Snapshot,
    Verdict,
    Webhook,
    deliver,
    json_response,
)
from omnibridge.journal import DeliveryRow, Journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge

__all__ = [
    "HOST",
    "Crash",
    "Gated",
    "Shop",
    "ShopSettings",
    "bridge_to",
    "crashing",
    "only",
    "posting",
    "tell",
    "toy",
    "webhook",
]

HOST = "shop.example"
TOML = """
[channels.shop]
connector = "toy"
{channel}

[[routes]]
name = "customers"
events = ["customer.*"]
to = ["shop"]
{route}

{more}
"""

Run = Callable[[Any, Customer, Delivery, Http], Coroutine[Any, Any, Receipt | Later]]


class Crash(BaseException):
    """The process ends here: nothing catches it but the test."""


class ShopSettings(Settings):
    """Settings of the toy."""

    base_url: str = f"http://{HOST}"
    account: str = "one"


class Shop(Sandbox):
    """Keeps what is posted; `answer`, where it is set, answers instead."""

    def __init__(self, answer: Callable[[SandboxRequest], Response] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.made: list[Any] = []

    def respond(self, request: SandboxRequest) -> Response:
        """Make a record of a POST, list what there is for anything else."""
        if self.answer is not None:
            return self.answer(request)
        if request.method != "POST":
            return json_response(self.made)
        self.made.append(request.json())
        return json_response({"id": f"t{len(self.made)}"}, 201)

    @property
    def asked(self) -> list[str]:
        """Method and path of every request so far."""
        return [f"{request.method} {request.path}" for request in self.log]

    @property
    def bodies(self) -> list[Any]:
        """The JSON bodies of every request so far that had one."""
        return [request.json() for request in self.log if request.body]


class Gated(SandboxTransport):
    """Holds every request until `gate` opens, and knows how many were under way at the same time."""

    def __init__(self, shop: Sandbox) -> None:
        super().__init__({HOST: shop})
        self.gate = anyio.Event()
        self.now = self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange, when the gate is open."""
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate.wait()
        self.now -= 1
        return await super().handle_async_request(request)


def posting(protection: Protection | None = None, *, step: str = "create") -> Run:
    """A delivering function that posts the customer."""

    async def run(settings: ShopSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
        body = {"id": customer.id, "name": customer.given_name}
        headers = {"idempotency-key": http.key(step)}
        answer = await http.post("/customers", json=body, headers=headers, step=step, protection=protection)
        return Receipt(note=f"answered {answer.status}")

    return run


def toy(run: Run | None = None, *slots: Deliver[Any], collapse: bool = False, **more: Any) -> AnyConnector:
    """A connector `toy` that gives customers to `run`; `more` are fields of its record."""
    delivers = (deliver(Customer, run or posting(), collapse=collapse), *slots) if run or not slots else slots
    fields = {"base_url": lambda settings: settings.base_url, "delivers": delivers, **more}
    return Connector(name="toy", title="Toy", settings=ShopSettings, **fields)


def webhook(translate: Callable[[Any, Inbound], Any] | None = None) -> Webhook[Any]:
    """A webhook with a delivery id in `x-id`; its body is a customer: `{"id": ..., "name": ..., "version": ...}`."""

    def snapshots(settings: ShopSettings, inbound: Inbound) -> list[Snapshot]:
        body: Any = inbound.json()
        return [Snapshot(Customer(given_name=body["name"]), body["id"], body.get("version"))]

    return Webhook(
        delivery_id=Native("x-id"),
        verify=lambda settings, inbound, now: Verdict.OK,
        translate=translate or snapshots,
        redelivery=Redelivery(on_5xx=True, lasts=timedelta(hours=1)),
    )


@asynccontextmanager
async def bridge_to(
    shop: Sandbox,
    connector: AnyConnector,
    *others: AnyConnector,
    channel: str = "",
    route: str = "",
    more: str = "",
    public_url: str = "",
    journal: Journal | None = None,
    clock: ManualClock | None = None,
    vendors: httpx.AsyncBaseTransport | None = None,
    before: Callable[[TestBridge], None] | None = None,
    look_every: float = 5.0,
) -> AsyncGenerator[TestBridge]:
    """A running bridge with a channel `shop`, to which events of customers are routed."""
    toml = TOML.format(channel=channel, route=route, more=more)
    if public_url:
        toml = f'[bridge]\npublic_url = "{public_url}"\n{toml}'
    bridge = TestBridge(
        toml,
        connectors=[connector, *others],
        clock=clock or ManualClock(),
        journal=journal,
        vendors=vendors or SandboxTransport({HOST: shop}),  # type: ignore[arg-type]
        look_every=look_every,
    )
    if before is not None:
        before(bridge)
    async with bridge:
        yield bridge


@asynccontextmanager
async def crashing() -> AsyncGenerator[None]:
    """The bridge within ends by a `Crash`, and must."""
    try:
        yield
    except Crash:
        return
    except BaseExceptionGroup as group:
        if group.split(Crash)[1] is not None:
            raise
        return
    raise AssertionError("nothing crashed")


async def tell(bridge: TestBridge, who: str = "c1", name: str = "Ann", *, id: str = "", verb: str = "updated") -> None:
    """Publish an event of a customer; its id is made of `who` and `name` unless given."""
    customer = Customer(id=who, given_name=name)
    await bridge.publish(bridge.event(f"customer.{verb}", customer, id=id or f"{who}-{name}", subject=who))


async def only(bridge: TestBridge, channel: str = "shop") -> DeliveryRow:
    """The one delivery of a channel, with its history."""
    (row,) = await bridge.journal.deliveries(channel=channel)
    whole = await bridge.journal.delivery(row.id)
    assert whole is not None
    return whole
