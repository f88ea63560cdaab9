"""`omnibridge erase` and `omnibridge export` on a journal that is at rest, and what each refuses."""

from __future__ import annotations

import anyio
import pytest
from small_shop import ShopSandbox, seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.model import Customer
from omnibridge.registry import Registry
from omnibridge.testing import SandboxTransport


def carry_on(folder, *items) -> None:
    """Run the bridge until nothing is left to do; first a webhook with these."""

    async def work() -> None:
        config = load(folder / "bridge.toml", {}, Registry([small_shop()]))
        boxes = {"mail.example": ShopSandbox(), "shop.example": ShopSandbox()}
        async with Bridge(config, transport=SandboxTransport(boxes)) as bridge:
            if items:
                made = webhook(*items)
                await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
            await bridge.idle()

    anyio.run(work)


def test_an_export_tells_everything_and_only_of_them(journal, run):
    carry_on(journal, seen(Customer(given_name="Bob", email="bob@example.com"), "2", 1))
    told = run("export", "anna@example.com").json()
    assert [one["given_name"] for one in told["entities"]["customer"]] == ["Anna"]
    assert {(one["channel"], one["external_id"]) for one in told["channels"]} >= {("shop", "1")}
    assert [one["type"] for one in told["events"]] == ["io.omnibridge.customer.created.v1"]
    assert "bob@example.com" not in str(told)
    assert run("export", "shop:1").json() == told


def test_an_erasure_from_asking_to_done(journal, run):
    assert run("erase", "--status", "--json").json() == []
    assert run("erase", "shop:1", "--yes", "--json").json() == {"erasure": 1}
    [asked] = run("erase", "--status", "--json").json()
    assert (asked["number"], asked["state"], asked["channels"]) == (1, "asked", "")
    early = run("erase", "--settle", "1")
    assert early.code == 1
    assert "does not wait" in early.err
    assert run("customer", "shop:1").code == 0  # asked, not done
    carry_on(journal)
    [waiting] = run("erase", "--status", "--json").json()
    assert waiting["state"] == "waiting"
    assert "shop: cannot: shop erases nobody by its API" in waiting["channels"]
    assert run("erase", "--settle", "1", "--json").json() == {"erasure": 1, "settled": True}
    carry_on(journal)
    [done] = run("erase", "--status", "--json").json()
    assert done["state"] == "done"
    assert "by hand, or given up" in done["channels"]
    gone = run("customer", "anna@example.com")
    assert gone.code == 1
    assert "anna" not in gone.err
    left = run("export", "anna@example.com").json()  # an address may have permissions without a customer
    assert not any((left["entities"], left["channels"], left["events"], left["deliveries"]))
    again = run("erase", "--settle", "1")
    assert again.code == 1
    assert "--status" in again.err


@pytest.mark.parametrize("verb", [("export",), ("erase", "--yes")])
def test_nobody_known_is_a_message(journal, run, verb):
    ended = run(*verb, "shop:99")
    assert ended.code == 1
    assert "nobody is known by that" in ended.err
    assert run("erase", "--status", "--json").json() == []


@pytest.mark.parametrize("verb", [("export",), ("erase", "--yes")])
def test_an_address_of_several_names_them_to_choose(journal, run, verb):
    carry_on(journal, seen(Customer(given_name="Anne", email="anna@example.com"), "2", 1))
    ended = run(*verb, "anna@example.com")
    assert ended.code == 1
    assert "2 customers have this address" in ended.err
    ids = [run("customer", f"shop:{n}", "--json").json()["id"] for n in (1, 2)]
    assert all(id_ in ended.err for id_ in ids)
    assert run(*verb, ids[1]).code == 0


@pytest.mark.parametrize("args", [(), ("shop:1", "--status"), ("--status", "--settle", "1")])
def test_one_thing_at_a_time(journal, run, args):
    ended = run("erase", *args)
    assert ended.code == 2
    assert "--settle" in ended.err


def test_without_a_yes_nobody_is_erased(journal, run):
    assert run("erase", "shop:1").code != 0
    assert run("erase", "--status", "--json").json() == []
