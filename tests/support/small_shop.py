"""A connector that is small enough to know by heart, its imitation of a vendor, and the webhooks that it would send.

A webhook's body is `{"seen": [...]}`, each item as `seen()` and `ask()` make it; `{"bug": true}` breaks the translator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, SecretStr

from omnibridge.connector import (
    AnyConnector,
    Connector,
    Cursor,
    Delivery,
    Http,
    Inbound,
    Lookup,
    Native,
    Observation,
    Occurrence,
    Outgoing,
    Poll,
    Receipt,
    Redelivery,
    Reference,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Snapshot,
    Upsert,
    Verdict,
    Webhook,
    deliver,
    hmac_base64,
    json_response,
    verify_any,
)
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.model import Customer, Entity, Order, Ref, SendMessage, entity_class

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the hands of a ManualClock stand at first."""


class SmallShop(Settings):
    """One small shop."""

    secret: SecretStr = Field(default=SecretStr("hush"), description="Signs webhooks")
    url: str = Field(default="https://shop.example", description="API root")


def verify(settings: SmallShop, inbound: Inbound, now: datetime) -> Verdict:
    """The body's HMAC; with a time, one that is at most five minutes away."""
    verdict = verify_any([settings.secret], inbound.body, inbound.header("x-signature"))
    at = inbound.header("x-time")
    if verdict is Verdict.OK and at is not None and abs(now.timestamp() - float(at)) > 300:
        return Verdict.EXPIRED
    return verdict


def _observation(item: dict[str, Any]) -> Observation:
    if "lookup" in item:
        return Lookup(item["lookup"], item["id"])
    if "occurrence" in item:
        at = datetime.fromisoformat(item["at"]) if "at" in item else None
        subject = Ref(kind="customer", external_id=item["subject"]) if "subject" in item else None
        return Occurrence(item["occurrence"], item["type"], item.get("data"), subject, at)
    model = entity_class(item["kind"])
    deleted = item.get("deleted", False)
    entity = model.model_construct() if deleted else model.model_validate(item["entity"])
    version = item.get("version")
    if isinstance(version, str) and "T" in version:
        version = datetime.fromisoformat(version)
    return Snapshot(entity, item["id"], version, deleted, item.get("custom", {}), ours=item.get("ours"))


def translate(settings: SmallShop, inbound: Inbound) -> Sequence[Observation]:
    """What stands in `seen`. Raises InvalidMessage for another shape, and ZeroDivisionError for a bug."""
    body = inbound.json()
    if not isinstance(body, dict) or not isinstance(body.get("seen"), list):
        raise InvalidMessage("expected seen", where="body")
    if body.get("bug"):
        raise ZeroDivisionError("a bug that quotes 4111111111111111")
    return [_observation(item) for item in body["seen"]]


def seen(entity: Entity, id_: str, version: Any = None, **more: Any) -> dict[str, Any]:
    """A snapshot as it stands in a body."""
    if isinstance(version, datetime):
        version = version.isoformat()
    return {
        "kind": entity.KIND,
        "id": id_,
        "version": version,
        "entity": entity.model_dump(mode="json", exclude_unset=True),
        **more,
    }


def ask(kind: str, id_: str) -> dict[str, Any]:
    """A thin notice as it stands in a body."""
    return {"lookup": kind, "id": id_}


def webhook(
    *items: dict[str, Any], channel: str = "shop", secret: str = "hush", id_: str | None = None, **more: Any
) -> Outgoing:
    """A signed webhook; `id_` is the delivery's, `more` stands beside `seen`."""
    body = json.dumps({"seen": items, **more}).encode()
    headers = {"content-type": "application/json", "x-signature": hmac_base64(secret, body)}
    if id_ is not None:
        headers["x-delivery"] = id_
    return Outgoing(f"https://bridge.example/in/{channel}", headers, body)


async def upsert(settings: SmallShop, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Put the customer where the shop already has it, else make one."""
    body = customer.model_dump(mode="json", exclude_unset=True, exclude={"id"})
    id_ = delivery.own or f"c-{customer.id}"
    answer = await http.put(f"/customers/{id_}", json=body, step="put", protection=Upsert())
    _taken(answer)
    written = customer.model_copy(update={"id": None})
    return Receipt((Reference(Customer.KIND, id_),), (Snapshot(written, id_),))


async def book(settings: SmallShop, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Put the order."""
    id_ = delivery.own or f"o-{order.id}"
    _taken(await http.put(f"/orders/{id_}", json={"number": order.number}, step="put", protection=Upsert()))
    return Receipt((Reference(Order.KIND, id_),))


async def text(settings: SmallShop, command: SendMessage, delivery: Delivery, http: Http) -> Receipt:
    """Send a message; nothing protects it against being sent twice."""
    _taken(await http.post("/messages", json={"to": command.to, "body": command.body}, step="send"))
    return Receipt()


def _taken(answer: Response) -> None:
    if not answer.ok:
        raise Permanent("the shop refused it", code=str(answer.status))


async def read(settings: SmallShop, lookup: Lookup, http: Http) -> Sequence[Snapshot]:
    """What the shop has of one thing."""
    answer = await http.get(f"/{lookup.kind}s/{lookup.external_id}")
    return [_observation(item) for item in answer.json()] if answer.ok else []  # type: ignore[misc]


async def poll(settings: SmallShop, cursor: Cursor | None, http: Http) -> None:
    """Everything that the shop lists, in one page."""
    answer = await http.get("/changes")
    if answer.ok:
        await http.emit([_observation(item) for item in answer.json()], {"at": 1})


def small_shop(name: str = "shop", **changes: Any) -> AnyConnector:
    """The connector, with other parts where they are named."""
    delivery_id = changes.pop("delivery_id", Native("x-delivery"))
    greet, reply = changes.pop("greet", None), changes.pop("reply", None)
    made: dict[str, Any] = {
        "title": "Small shop",
        "settings": SmallShop,
        "base_url": lambda settings: settings.url,
        "webhook": Webhook(
            delivery_id=delivery_id,
            verify=changes.pop("verify", verify),
            translate=changes.pop("translate", translate),
            redelivery=Redelivery(on_5xx=True, lasts=timedelta(days=2)),
            greet=greet,
            reply=reply,
        ),
        "read": read,
        "delivers": (deliver(Customer, upsert), deliver(Order, book), deliver(SendMessage, text)),
    }
    return Connector(name=name, **{**made, **changes})


def polled(every: timedelta = timedelta(minutes=5)) -> tuple[Poll[Any], ...]:
    """A value for `polls`."""
    return (Poll(name="changes", every=every, run=poll),)


class ShopSandbox(Sandbox):
    """Keeps what is put; answers lookups from `things`, and polls from `changes`, both as `seen()` makes them."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.puts: list[tuple[str, Any]] = []
        self.messages: list[Any] = []
        self.things: dict[str, list[dict[str, Any]]] = {}
        self.changes: list[dict[str, Any]] = []

    def respond(self, request: SandboxRequest) -> Response:
        if request.method == "PUT":
            self.puts.append((request.path, request.json()))
            return json_response({})
        if request.path == "/messages":
            self.messages.append(request.json())
            return json_response({})
        if request.path == "/changes":
            return json_response(self.changes)
        found = self.things.get(request.path)
        return json_response(found) if found is not None else Response(404)


def one_shop(*more: str, settings: str = "") -> str:
    """A configuration with the channel `shop`, and further text."""
    head = '[bridge]\npublic_url = "https://bridge.example"\n[channels.shop]\nconnector = "shop"\n'
    return head + (f"[channels.shop.settings]\n{settings}\n" if settings else "") + "\n".join(more)
