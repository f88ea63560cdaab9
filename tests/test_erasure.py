"""Erasing a customer: nothing readable is left in any file, in any copy or at any vendor, and nobody comes back."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from canary import forms, recovered, traces, write_down
from small_shop import ShopSandbox, SmallShop, one_shop, seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.connector import Delivery, Fault, Http, Receipt, Response, SandboxRequest, deliver, json_response
from omnibridge.erasure import settle_erasure
from omnibridge.errors import Permanent, StorageError, UnknownItem
from omnibridge.journal import ErasureState, KeyringSeal, restore
from omnibridge.model import Consent, Customer, EraseCustomer, Medium, Order, SendMessage, consent_key
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport

EMAIL, PHONE, STREET, NAME = "c4n4ry@example.com", "+4533123499", "Kanarienvogelweg 7", "Kanari"
CANARIES = (EMAIL, PHONE, STREET, NAME)
WHO = "shop:77007700"
DKK = {"currency": "DKK"}
TOML = one_shop("""
[channels.mail]
connector = "shop"
settings.url = "https://mail.example"

[[routes]]
name = "all"
events = ["customer.*", "order.*"]
from = ["shop"]
to = ["mail"]
""")


async def forget(settings: SmallShop, command: EraseCustomer, delivery: Delivery, http: Http) -> Receipt:
    """Delete what the shop has of them."""
    for id_ in command.ids("customer"):
        answer = await http.delete(f"/customers/{id_}", step=f"delete {id_}")
        if not answer.ok:
            raise Permanent("the shop refused to erase", code=str(answer.status))
    return Receipt()


class ForgettingShop(ShopSandbox):
    """Deletes customers; its log holds requests, and so is no store of the vendor's."""

    def respond(self, request: SandboxRequest) -> Response:
        if request.method == "DELETE":
            self.puts = [put for put in self.puts if put[0] != request.path and not put[0].startswith("/orders")]
            return json_response({})
        return super().respond(request)


def shop(**changes: Any):
    """A small shop that can erase."""
    made = small_shop()
    return small_shop(**{"delivers": (*made.delivers, deliver(EraseCustomer, forget)), **changes})


def customer(**more: Any) -> Customer:
    return Customer.model_validate({
        "email": EMAIL, "phone": PHONE, "given_name": NAME, "created_at": "2026-01-01T10:00:00Z",
        "addresses": [{"street": STREET}], **more,
    })  # fmt: skip


def order(**more: Any) -> Order:
    return Order.model_validate({
        "number": "1001", "currency": "DKK", "buyer": {"kind": "customer", "external_id": "77007700"},
        "buyer_email": EMAIL, "placed_at": "2026-01-01T10:00:00Z", "note": f"for {NAME}",
        "shipping_address": {"street": STREET}, "totals": {"total": {"amount": "100", **DKK}},
        "lines": [{"title": "Bird seed", "quantity": "1", "unit_price": {"amount": "100", **DKK},
                   "properties": {"engraving": NAME}}], **more,
    })  # fmt: skip


def opt_in(contact: str = EMAIL) -> dict[str, Any]:
    permission = Consent.model_validate({
        "contact": contact, "medium": "email", "state": "withdrawn",
        "changed_at": "2026-01-01T10:00:00Z", "proof": {"source": "form", "ip": "203.0.113.9"},
    })  # fmt: skip
    return seen(permission, consent_key(contact, Medium.EMAIL), 1)


class Stage:
    """A bridge on files, and two vendors."""

    def __init__(self, folder: Path, bridge: Bridge, boxes: dict[str, ForgettingShop]) -> None:
        self.folder = folder
        self.bridge = bridge
        self.boxes = boxes

    async def show(self, *items: dict[str, Any], **more: Any) -> None:
        made = webhook(*items, **more)
        reply = await self.bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
        assert reply.status == 200
        await self.bridge.idle()

    async def state(self, number: int) -> tuple[str, dict[str, str]]:
        await self.bridge.idle()
        [found] = [one for one in await self.bridge.journal.erasures() if one.number == number]
        return found.state.value, dict(found.report)


def prepare(folder: Path, toml: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "bridge.toml").write_text(toml)


@asynccontextmanager
async def stage(folder: Path, toml: str = TOML, **changes: Any) -> AsyncIterator[Stage]:
    prepare(folder, toml)
    boxes = {"shop.example": ForgettingShop(), "mail.example": ForgettingShop()}
    config = load(folder / "bridge.toml", {}, Registry([shop(**changes)]))
    async with Bridge(config, transport=SandboxTransport(boxes)) as bridge:
        yield Stage(folder, bridge, boxes)


async def live(at: Stage) -> None:
    """Something of everything: profile, orders, a permission, messages, a dead letter, a row nobody understood."""
    await at.show(seen(customer(), "77007700", 1), opt_in())
    await at.show(seen(order(), "5001", 1))
    await at.show(seen(customer(note=f"{NAME} likes birds"), "77007700", 2))
    at.boxes["mail.example"].faults.append(Fault(Response(422), path_prefix="/messages"))
    said = SendMessage.model_validate({"to": PHONE, "medium": "sms", "body": f"Hello {NAME}"})
    await at.bridge.send(said, "mail", id="dead")
    await at.bridge.idle()
    await at.show(bug=True, of=EMAIL)
    await at.show(seen(Customer(email="bob@example.com", given_name="Bob"), "88", 1))


async def test_nothing_of_an_erased_customer_can_be_read_anywhere(tmp_path):
    home = tmp_path / "home"
    async with stage(home) as at:
        await live(at)
        await at.bridge.journal.backup(str(tmp_path / "before.db"))
        # The control: what is installed reads them in the journal and in its backup.
        assert recovered(home / "omnibridge.db", home, CANARIES) == set(CANARIES)
        assert recovered(tmp_path / "before.db", home, CANARIES) == set(CANARIES)
        assert [put for put in at.boxes["mail.example"].puts if EMAIL in json.dumps(put)]
        write_down(at.boxes, tmp_path / "vendors")
        kept = {trace.rpartition("/")[2] for trace in traces(tmp_path, CANARIES) if "/vendors/" in trace}
        assert kept == {"mail.example.puts"}  # the search finds what a vendor has
        number = await at.bridge.erase(WHO)
        assert await at.state(number) == ("done", {"shop": "erased", "mail": "erased"})
        await at.bridge.journal.backup(str(tmp_path / "after.db"))
        # Goods and money stay, and so does everybody else.
        [kept] = [e for e in await at.bridge.journal.events() if e.event.name == "order.placed"]
        assert kept.event.data["totals"]["total"]["amount"] == "100"
        assert kept.event.data["lines"][0]["title"] == "Bird seed"
        assert kept.party is None
        assert [
            e.event.data["given_name"] for e in await at.bridge.journal.events() if "given_name" in e.event.data
        ] == ["Bob"]
        assert await at.bridge.journal.check_integrity() == []
        write_down(at.boxes, tmp_path / "vendors")
    for database in (home / "omnibridge.db", tmp_path / "before.db", tmp_path / "after.db"):
        assert recovered(database, home, CANARIES) == set()
    assert traces(tmp_path, CANARIES) == []


async def test_the_search_finds_what_is_there(tmp_path):
    """The control of the search itself: each form that it looks for, it finds."""
    for form, wanted in forms(EMAIL).items():
        (tmp_path / "file").write_bytes(b"abc" + wanted + b"def")
        assert [trace for trace in traces(tmp_path, CANARIES) if trace.startswith(f"{form} of")]
    for packed in (zlib.compress(EMAIL.encode() * 9), gzip.compress(EMAIL.encode() * 9)):
        (tmp_path / "file").write_bytes(b"abc" + packed)
        assert traces(tmp_path, CANARIES)


async def test_a_backfill_brings_nobody_back_but_somebody_may_come_again(tmp_path):
    async with stage(tmp_path / "home") as at:
        await live(at)
        number = await at.bridge.erase(WHO)
        assert (await at.state(number))[0] == "done"
        before = len(await at.bridge.journal.events())
        # The vendor shows all of it once more, as a backfill would; another of its records has the same address.
        await at.show(seen(customer(), "77007700", 3), opt_in(), seen(customer(), "90", 1))
        assert len(await at.bridge.journal.events()) == before
        await at.show(seen(order(status="completed"), "5001", 3), seen(order(number="1002"), "5002", 1))
        orders = [e.event.data for e in await at.bridge.journal.events() if e.event.name.startswith("order.")]
        assert {one["number"] for one in orders} == {"1001", "1002"}
        assert not [one for one in orders if any(canary in json.dumps(one) for canary in CANARIES)]
        # What began after the erasure is somebody's own will.
        late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        await at.show(seen(customer(created_at=late), "91", 1), seen(order(placed_at=late, number="1003"), "5003", 1))
        newest = [e.event for e in await at.bridge.journal.events(limit=2)]
        assert {event.name for event in newest} == {"customer.created", "order.placed"}
        assert all(STREET in json.dumps(event.data, ensure_ascii=False) for event in newest)


async def test_a_restored_backup_forgets_again(tmp_path):
    home = tmp_path / "home"
    async with stage(home) as at:
        await live(at)
        await at.bridge.journal.backup(str(tmp_path / "before.db"))
        assert (await at.state(await at.bridge.erase(WHO)))[0] == "done"
    away = tmp_path / "away"
    away.mkdir()
    for path in home.glob("omnibridge.db*"):
        if not path.name.endswith((".keyring", ".keys")):
            shutil.move(path, away)
    restore(tmp_path / "before.db", home / "omnibridge.db")
    async with stage(home) as at:
        await at.bridge.idle()
        names = [e.event.name for e in await at.bridge.journal.events()]
        assert names == ["customer.created"]  # the other customer's
        [again] = await at.bridge.journal.erasures()
        assert again.state is ErasureState.DONE
        await at.show(seen(customer(), "77007700", 9))
        assert len(await at.bridge.journal.events()) == 1
        assert await at.bridge.journal.check_integrity() == []
    assert recovered(home / "omnibridge.db", home, CANARIES) == set()


async def test_what_a_channel_cannot_do_waits_for_an_operators_word(tmp_path):
    plain = small_shop().delivers
    async with stage(tmp_path / "home", delivers=plain) as at:
        await live(at)
        number = await at.bridge.erase(WHO)
        state, report = await at.state(number)
        assert state == "waiting"
        assert all("by hand" in word for word in report.values())
        assert recovered(at.folder / "omnibridge.db", at.folder, CANARIES) == set(CANARIES)
        await settle_erasure(at.bridge.journal, number)
        at.bridge.wake()
        state, report = await at.state(number)
        assert state == "done"
        with pytest.raises(UnknownItem, match="does not wait"):
            await settle_erasure(at.bridge.journal, number)
    assert recovered(tmp_path / "home" / "omnibridge.db", tmp_path / "home", CANARIES) == set()


async def test_a_channel_that_fails_is_told_of_and_may_be_tried_again(tmp_path):
    async with stage(tmp_path / "home") as at:
        await live(at)
        at.boxes["mail.example"].faults.append(Fault(Response(403), path_prefix="/customers"))
        number = await at.bridge.erase(WHO)
        state, report = await at.state(number)
        assert (state, report["shop"]) == ("waiting", "erased")
        assert report["mail"].startswith("failed: see `omnibridge deliveries ")
        [dead] = [d for d in await at.bridge.journal.deliveries(state="dead") if d.operation == "customer.erase"]
        await at.bridge.journal.replay([dead.id], at.bridge.clock.now())
        at.bridge.wake()
        assert (await at.state(number))[0] == "done"


async def test_a_crash_at_any_step_goes_on_at_the_next_start(tmp_path, monkeypatch):
    """Between what is stored and what is destroyed: the next start destroys it."""
    home = tmp_path / "home"

    def lost(self: KeyringSeal, keys: object) -> None:
        raise StorageError("the process was killed here")

    async with stage(home) as at:
        await live(at)
        await at.bridge.journal.backup(str(tmp_path / "before.db"))
        with monkeypatch.context() as patch:
            patch.setattr(KeyringSeal, "destroy", lost)
            at.bridge.processor.look_every = 0.01
            number = await at.bridge.erase(WHO)
            while (await at.bridge.journal.erasures())[0].state is not ErasureState.SHREDDING:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            at.bridge.processor.stop()
    assert recovered(tmp_path / "before.db", home, CANARIES) == set(CANARIES)
    async with stage(home) as at:
        assert (await at.state(number))[0] == "done"
    assert recovered(tmp_path / "before.db", home, CANARIES) == set()


async def test_everything_known_is_exported(tmp_path):
    async with stage(tmp_path / "home") as at:
        await live(at)
        told = json.dumps(await at.bridge.export(WHO), ensure_ascii=False)
        assert all(canary in told for canary in CANARIES)
        assert "203.0.113.9" in told
        assert "Bob" not in told
        with pytest.raises(UnknownItem):
            await at.bridge.export("nobody at all")
