"""A connector for an imagined parcel service: orders go out, its webhooks say where a parcel is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field, SecretStr

from omnibridge.connector import (
    Auth,
    Connector,
    Delivery,
    Http,
    Inbound,
    Native,
    NativeKey,
    Outgoing,
    Receipt,
    Redelivery,
    Reference,
    Response,
    Sandbox,
    SandboxRequest,
    Settings,
    Snapshot,
    Verdict,
    Webhook,
    deliver,
    hmac_base64,
    json_bytes,
    json_response,
    verify_any,
)
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.model import Fulfilment, Order, Ref

STATES = {"announced": "accepted", "on_its_way": "completed", "handed_over": "delivered"}


class Parcels(Settings):
    """One account at the parcel service."""

    base_url: str = Field(description="API root")
    token: SecretStr = Field(description="API token")
    webhook_secret: SecretStr = Field(description="Signs its webhooks")


# -- in --------------------------------------------------------------------------------------------------------------


def verify(settings: Parcels, inbound: Inbound, now: datetime) -> Verdict:
    """The body's HMAC stands in a header."""
    return verify_any([settings.webhook_secret], inbound.body, inbound.header("x-parcels-signature"))


def translate(settings: Parcels, inbound: Inbound) -> Sequence[Snapshot]:
    """Where a parcel is. Raises InvalidMessage for anything else."""
    match inbound.json():
        case {"id": str(id_), "state": str(state), "reference": str(order), "sequence": int(sequence)}:
            seen = Fulfilment.model_validate(
                {
                    "order": Ref(kind="order", external_id=order),
                    "method": "ship",
                    "state": STATES.get(state, "other"),
                    "state_raw": state,
                }
            )
            return [Snapshot(seen, id_, version=sequence)]
        case _:
            raise InvalidMessage("not the state of a parcel", where="body")


# -- out -------------------------------------------------------------------------------------------------------------


async def announce(settings: Parcels, order: Order, delivery: Delivery, http: Http) -> Receipt:
    """Tell of an order once. The service drops a second request with the same key."""
    if delivery.own is not None:
        return Receipt(note="announced before")
    body = {"reference": order.id, "number": order.number}
    headers = {"idempotency-key": http.key()}
    answer = await http.post("/parcels", json=body, headers=headers, protection=NativeKey(timedelta(days=1)))
    if not answer.ok:
        raise Permanent(f"the parcel service refuses the order: {answer.text}", code=str(answer.status))
    return Receipt((Reference("order", answer.json()["reference"]),))


class ParcelsSandbox(Sandbox):
    """The parcel service in memory."""

    def __init__(self, settings: Parcels) -> None:
        super().__init__()
        self.settings = settings
        self.parcels: dict[str, dict[str, object]] = {}

    def respond(self, request: SandboxRequest) -> Response:
        """POST /parcels, once per key."""
        if request.headers.get("authorization") != f"Bearer {self.settings.token.get_secret_value()}":
            return json_response({"error": "who are you?"}, 401)
        made = self.parcels.setdefault(request.headers["idempotency-key"], {**request.json(), "sequence": 0})
        made.setdefault("id", f"P{len(self.parcels)}")
        return json_response(made, 201)

    def moves(self, key: str, state: str, url: str) -> None:
        """A parcel reaches a state; a signed webhook says so."""
        made = self.parcels[key]
        made |= {"state": state, "sequence": int(str(made["sequence"])) + 1}
        body = json_bytes(made)
        signature = hmac_base64(self.settings.webhook_secret.get_secret_value(), body)
        headers = {"x-parcels-signature": signature, "x-parcels-delivery": f"{made['id']}-{made['sequence']}"}
        self.outbox.append(Outgoing(url, headers, body))

    def records(self) -> dict[str, list[dict[str, object]]]:
        """The parcels."""
        return {"parcels": list(self.parcels.values())}


PARCELS = Connector(
    name="parcels",
    title="Parcel service",
    settings=Parcels,
    api_version="1",
    base_url=lambda settings: settings.base_url,
    auth=Auth(
        headers=lambda settings, credential, request, now: {
            "authorization": f"Bearer {settings.token.get_secret_value()}"
        }
    ),
    webhook=Webhook(
        delivery_id=Native("x-parcels-delivery"),
        verify=verify,
        translate=translate,
        redelivery=Redelivery(on_5xx=True, lasts=timedelta(days=2)),
    ),
    delivers=(deliver(Order, announce, verbs=["placed", "paid"]),),
    emits=("fulfilment",),
    sandbox=ParcelsSandbox,
)
