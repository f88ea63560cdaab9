"""Matching in the terminal: what is unmatched, with proposals, by hand and all at once, and what a check says of it."""

from __future__ import annotations

import anyio
import pytest
from small_shop import one_shop, seen, small_shop, webhook

from omnibridge.bridge import Bridge
from omnibridge.config import load
from omnibridge.model import Location, Product
from omnibridge.registry import Registry

TOML = one_shop("""
[channels.erp]
connector = "shop"
settings.url = "https://erp.example"

[[routes]]
name = "orders"
events = ["order.placed"]
from = ["shop"]
to = ["erp"]
""")
GOODS = {
    "shop": [{"external_id": "W1", "sku": "UMB-1"}, {"external_id": "W2", "sku": "HAT-1", "title": "Hat"}],
    "erp": [{"external_id": "17", "sku": "umb-1"}, {"external_id": "18", "sku": "HAT-2"}],
}


@pytest.fixture
def goods(tmp_path):
    """A folder with a journal in which two channels show what they have."""
    (tmp_path / "bridge.toml").write_text(TOML)

    async def fill() -> None:
        config = load(tmp_path / "bridge.toml", {}, Registry([small_shop()]))
        async with Bridge(config) as bridge:
            for channel, variants in GOODS.items():
                product = Product.model_validate({"title": "Things", "variants": variants})
                place = Location(name="Market")
                made = webhook(seen(product, "1"), seen(place, f"L-{channel}"), channel=channel)
                reply = await bridge.ingress.webhook(channel, None, "POST", "", made.headers, made.body)
                assert reply.status == 200
            await bridge.idle()

    anyio.run(fill)
    return tmp_path


def test_what_is_unmatched_is_shown_with_proposals(goods, run):
    rows = run("match", "--json").json()
    assert [(one["channel"], one["kind"], one["external_id"]) for one in rows] == [
        ("erp", "location", "L-shop"),
        ("erp", "variant", "W1"),
        ("erp", "variant", "W2"),
    ]
    assert rows[1]["offers"] == [{"external_id": "17", "name": "Things", "why": "equal SKU"}]
    told = run("match", "--kind", "variant", "--channel", "erp").out
    assert "shop:W1" in told
    assert "17 Things" in told
    assert "location" not in told
    checked = run("check", "--online")
    assert checked.code == 0
    assert "2 of kind variant that routes bring to it are not matched" in checked.out
    assert "omnibridge match --online --channel erp --kind variant" in checked.out


def test_what_is_clear_is_accepted_and_the_rest_is_matched_by_hand_and_undone(goods, run):
    made = run("match", "--accept", "--json").json()
    assert [(one["one"], one["other"]) for one in made["matched"]] == [
        ("shop:L-shop", "erp:L-erp"),
        ("shop:W1", "erp:17"),
    ]
    assert made["left"] == 1
    assert "shop:W2 is erp:18 (match 3;" in run("match", "shop:W2", "erp:18").out
    assert "match 4" not in run("match", "shop:W2", "erp:18").out  # it was already
    rows = run("match", "--matched", "--json").json()
    assert {one["number"] for one in rows} == {1, 2, 3}
    assert run("undo", "3").code == 0
    assert len(run("match", "--matched", "--json").json()) == 2
    assert run("review", "--json").json()["decisions"] == []


def test_a_word_is_matched_shown_and_forgotten(goods, run):
    assert "tax: 0.25 is erp:3" in run("match", "0.25", "erp:3", "--kind", "tax").out
    [row] = run("match", "--matched", "--kind", "tax", "--json").json()
    assert row == {"kind": "tax", "one": "0.25", "other": "erp:3", "number": None}
    assert run("match", "0.25", "erp:3", "--kind", "tax", "--forget").code == 0
    assert run("match", "--matched", "--json").json() == []
    assert run("match", "0.25", "erp:3", "--kind", "tax", "--forget").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("shop:W1",),
        ("shop:W1", "erp:99"),
        ("shop:W1", "nowhere:1"),
        ("--kind", "colour"),
        ("shop:W1", "erp:17", "--accept"),
        ("shop:W1", "erp:17", "--forget"),
    ],
)
def test_what_cannot_be_done_is_a_message(goods, run, words):
    ended = run("match", *words)
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.err
