"""What a channel passes on about a person's data: an erasure begins, once and durably; the rest reaches an operator."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from small_shop import ShopSandbox, one_shop, seen, small_shop, webhook
from structlog.testing import capture_logs

from omnibridge.bridge import Bridge
from omnibridge.clock import SystemClock
from omnibridge.config import load
from omnibridge.connector import Delivery, Http, Receipt, deliver
from omnibridge.errors import StorageError
from omnibridge.event import Event
from omnibridge.journal import ClearSeal, ErasureState, open_journal
from omnibridge.model import Customer, EraseCustomer, Order, PrivacyRequest, full_type
from omnibridge.privacy import privacy_handler
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport

EMAIL = "ann@example.com"
TOML = one_shop("""
[channels.mail]
connector = "shop"
settings.url = "https://mail.example"

[[routes]]
name = "customers"
events = ["customer.*"]
from = ["shop"]
to = ["mail"]
""")
TOTALS = {"total": {"amount": "100", "currency": "DKK"}}
TOLD: list[str] = []
"""The addresses at which somebody was erased."""


async def forget(settings: Any, command: EraseCustomer, delivery: Delivery, http: Http) -> Receipt:
    """Note that it was asked for."""
    TOLD.append(settings.url)
    return Receipt()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bridge]:
    (folder / "bridge.toml").write_text(TOML)
    shop = small_shop(delivers=(*small_shop().delivers, deliver(EraseCustomer, forget)))
    config = load(folder / "bridge.toml", {}, Registry([shop]))
    boxes = {"shop.example": ShopSandbox(), "mail.example": ShopSandbox()}
    async with Bridge(config, transport=SandboxTransport(boxes)) as bridge:
        TOLD.clear()
        yield bridge


async def show(bridge: Bridge, *items: dict[str, Any], **more: Any) -> None:
    made = webhook(*items, **more)
    assert (await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)).status == 200
    await bridge.idle()


def customer(id_: str, version: int = 1, **more: Any) -> dict[str, Any]:
    given = {"email": EMAIL, "given_name": "Ann", "created_at": "2026-01-01T10:00:00Z", **more}
    return seen(Customer.model_validate(given), id_, version)


def order(id_: str, **more: Any) -> dict[str, Any]:
    given = {
        "number": id_,
        "currency": "DKK",
        "totals": TOTALS,
        "lines": [],
        "note": "for Ann",
        "placed_at": "2026-01-01T10:00:00Z",
        **more,
    }
    return seen(Order.model_validate(given), id_, 1)


def request(type_: str = "erasure.requested", person: str | None = "7", *orders: str, **more: Any) -> dict[str, Any]:
    """What a channel tells of a request."""
    whom = {"kind": "customer", "external_id": person}
    records = [{"kind": "order", "external_id": id_} for id_ in orders]
    made = {"occurrence": f"{type_} {person}", "type": type_, "data": {"emails": [EMAIL], "records": records, **more}}
    if person is not None:
        made |= {"subject": person, "data": {**made["data"], "customer": whom}}
    return made


async def said(bridge: Bridge) -> str:
    return json.dumps([stored.event.data for stored in await bridge.journal.events()])


@pytest.mark.both_backends
async def test_a_channel_has_a_customer_erased_and_is_not_asked_back(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"), customer("8", email="bob@example.com", given_name="Bob"))
        await show(bridge, order("50", buyer={"kind": "customer", "external_id": "7"}), order("51"))
        assert "Ann" in await said(bridge)
        await show(bridge, request("erasure.requested", "7", "51"))
        [erasure] = await bridge.journal.erasures()
        assert erasure.state is ErasureState.DONE
        assert erasure.report == {"shop": "erased: it asked for this itself", "mail": "erased"}
        assert TOLD == ["https://mail.example"]
        left = await said(bridge)
        assert "Ann" not in left
        assert EMAIL not in left
        assert "Bob" in left
        assert {e.event.data["number"] for e in await bridge.journal.events(type=full_type("order.placed"))} == {
            "50",
            "51",
        }
        # Neither they nor the orders that were named come back with a backfill.
        await show(bridge, customer("7", 2), order("51", status="completed"))
        assert "Ann" not in await said(bridge)


async def test_a_repeated_request_starts_nothing_twice(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"))
        one = request()
        await show(bridge, one, one, id_="first")
        await show(bridge, one, id_="first")
        assert len(await bridge.journal.erasures()) == 1


async def test_a_crash_between_asking_and_noting_it_starts_nothing_twice(tmp_path, monkeypatch):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"))
        ask = bridge.journal.ask_erasure
        lost: list[int] = []

        async def torn(content: bytes) -> int:
            bridge.processor.stop()  # nothing goes on meanwhile, as in a process that is killed
            lost.append(await ask(content))
            raise StorageError("the process was killed here")

        monkeypatch.setattr(bridge.journal, "ask_erasure", torn)
        made = webhook(request())
        await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
        while not lost:
            await bridge.clock.sleep(0.01)
    async with running(tmp_path) as bridge:
        await bridge.idle()
        assert [one.state for one in await bridge.journal.erasures()] == [ErasureState.DONE]
        assert EMAIL not in await said(bridge)


async def test_who_was_never_shown_is_noted_and_stays_away(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, request("erasure.requested", "7", "50"))
        [erasure] = await bridge.journal.erasures()
        assert erasure.state is ErasureState.DONE
        assert TOLD == []
        await show(bridge, customer("7"), customer("9"))
        await show(bridge, order("50"))
        assert "Ann" not in await said(bridge)


async def test_an_address_that_another_customer_has_stays_theirs(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("8", given_name="Anders"))
        await show(bridge, request())
        [erasure] = await bridge.journal.erasures()
        assert erasure.state is ErasureState.DONE
        assert "Anders" in await said(bridge)
        await show(bridge, customer("8", 2, given_name="Andreas"))
        assert "Andreas" in await said(bridge)


async def test_an_address_alone_names_the_one_who_has_it_and_of_several_nobody(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"), customer("8", given_name="Anders"))
        await show(bridge, request(person=None))
        assert await bridge.journal.erasures() == []
        [dead] = await bridge.journal.deliveries(state="dead")
        assert dead.channel == "handler:omnibridge.privacy"
        await show(bridge, request("erasure.requested", "8", emails=[]))
        assert "Anders" not in await said(bridge)
        await bridge.journal.replay([dead.id], bridge.clock.now())
        bridge.wake()
        await bridge.idle()
        assert "Ann" not in await said(bridge)


async def test_an_export_is_put_before_an_operator_and_not_left_lying_around(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"))
        with capture_logs() as logs:
            await show(bridge, request("export.requested", due="2026-02-01T10:00:00Z", number="9"))
        [entry] = [log for log in logs if "omnibridge export" in log["event"]]
        assert entry == {**entry, "log_level": "warning", "channel": "shop", "due": "2026-02-01T10:00:00+00:00"}
        assert EMAIL not in str(logs)
        [asked] = await bridge.journal.events(type=full_type("export.requested"))
        assert "Ann" in json.dumps(await bridge.export(str(asked.event.subject)))
        assert await bridge.journal.erasures() == []


async def test_all_that_a_channel_told_is_for_an_operator_to_erase(tmp_path):
    async with running(tmp_path) as bridge:
        await show(bridge, customer("7"))
        await show(bridge, request(person=None, emails=[], everything=True))
        assert await bridge.journal.erasures() == []
        [dead] = await bridge.journal.deliveries(state="dead")
        assert dead.last is not None
        assert "for an operator to do" in str(dead.last.text)


async def test_a_request_that_is_taken_again_while_its_erasure_runs_starts_nothing():
    """As after a crash before the delivery was noted as done."""
    async with open_journal(None, seal=ClearSeal(), clock=SystemClock()) as journal:
        handler = privacy_handler(journal, lambda: None)
        data = PrivacyRequest(emails=(EMAIL,))
        event = Event.make(full_type("erasure.requested"), data, id="1", source="/shop")
        for _ in range(2):
            await handler.function(data, event)
        assert len(await journal.erasures()) == 1
