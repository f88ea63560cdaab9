"""`omnibridge customer`: the card of a customer in the terminal."""

from __future__ import annotations

from pathlib import Path

import anyio
from small_shop import seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.model import Entity, GiftCard, LoyaltyAccount
from omnibridge.registry import Registry


async def hear(folder: Path, *entities: Entity) -> None:
    async with Bridge(load(folder / "bridge.toml", {}, Registry([small_shop()]))) as bridge:
        made = webhook(*(seen(entity, str(place), 1) for place, entity in enumerate(entities)))
        reply = await bridge.ingress.webhook("shop", None, "POST", "", made.headers, made.body)
        assert reply.status == 200
        await bridge.idle()


def test_the_card_for_people(journal, run):
    ended = run("customer", "shop:1")
    assert ended.code == 0, ended.err
    assert "shop: 1" in ended.out
    assert "anna@example.com" in ended.out
    assert "customer.created" in ended.out


def test_the_card_for_programs_by_id_too(journal, run):
    card = run("customer", "shop:1", "--json").json()
    assert card["profile"]["given_name"]["value"] == "Anna"
    assert card["profile"]["given_name"]["channel"] == "shop"
    assert [one["type"] for one in card["timeline"]] == ["customer.created"]
    assert {"channel": "shop", "external_id": "1"} in card["references"]
    assert run("customer", card["id"], "--json").json() == card


def test_nobody_is_a_message(journal, run):
    ended = run("customer", "shop:99")
    assert ended.code == 1
    assert "nobody is known by that" in ended.err


def test_points_and_gift_cards_are_shown(journal, run):
    ann = {"kind": "customer", "external_id": "1"}
    money = {"amount": "150.00", "currency": "DKK"}
    anyio.run(
        hear,
        journal,
        LoyaltyAccount.model_validate({"balance": "28", "program": "gold", "customer": ann}),
        GiftCard.model_validate({"state": "active", "last_four": "4711", "balance": money, "customer": ann}),
    )
    ended = run("customer", "shop:1")
    assert "gold" in ended.out
    assert "28" in ended.out
    assert "4711" in ended.out
    assert "150.00 DKK" in ended.out
