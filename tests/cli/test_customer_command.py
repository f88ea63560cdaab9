"""`omnibridge customer`: the card of a customer in the terminal."""

from __future__ import annotations


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
