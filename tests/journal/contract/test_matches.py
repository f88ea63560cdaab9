"""What is matched once per channel: records that are the same, words with an id in each channel, what is shown."""

from __future__ import annotations

import pytest

from omnibridge.journal import Dirty, EntityKey, FactsWrite, Known, Link, Word
from omnibridge.model import canonical_id

pytestmark = pytest.mark.both_backends

ONE, OTHER = EntityKey("shop", "variant", "W1"), EntityKey("erp", "variant", "17")
ROOTS = sorted((canonical_id(*ONE), canonical_id(*OTHER)))


async def test_a_match_makes_the_references_and_has_them_resolved(journal):
    [number] = await journal.match([(ONE, OTHER)])
    assert await journal.known([ONE, OTHER]) == {ONE: Known(canonical_id(*ONE)), OTHER: Known(canonical_id(*OTHER))}
    assert set(await journal.unresolved(10)) == {Dirty(root) for root in ROOTS}
    [made] = await journal.matches()
    assert (made.number, made.kind, made.a, made.b) == (number, "variant", *ROOTS)
    assert await journal.decisions() == []  # of customers there are none
    assert await journal.match([(OTHER, ONE)]) == [None]
    assert await journal.undo(number)
    assert await journal.matches() == []
    [again] = await journal.match([(ONE, OTHER)])
    assert again is not None


async def test_two_ids_of_one_record_are_one_by_the_word_of_its_system(journal):
    stock = EntityKey("shop", "inventory_item", "I1")
    assert await journal.match([(ONE, OTHER)], [(ONE, stock)]) != [None]
    near = await journal.neighbours([canonical_id(*stock)], [], {}, 1)
    assert near.links == (Link(*sorted((canonical_id(*ONE), canonical_id(*stock)))),)
    assert len(await journal.matches()) == 1


async def test_a_word_has_one_id_in_each_channel_and_two_words_may_share_one(journal):
    assert await journal.set_word("erp", "tax", "0.25", "3")
    assert await journal.set_word("erp", "tax", "0.250", "3")
    assert await journal.set_word("till", "tax", "0.25", "T")
    assert await journal.set_word("erp", "tax", "0.25", "4")
    wanted = [("tax", "0.25"), ("tax", "0.250"), ("tax", "0.1"), ("payment_method", "0.25")]
    assert await journal.references("erp", wanted) == {("tax", "0.25"): ("4", None), ("tax", "0.250"): ("3", None)}
    assert await journal.set_word("erp", "tax", "0.250", None)
    assert not await journal.set_word("erp", "tax", "0.250", None)
    assert await journal.words() == [Word("erp", "tax", "0.25", "4"), Word("till", "tax", "0.25", "T")]


async def test_what_a_channel_shows_of_a_kind_comes_in_pages(journal):
    await journal.learn([FactsWrite("shop", "location", f"L{n}", f"r{n}") for n in range(5)])
    await journal.learn([FactsWrite("till", "location", "L9", "r9"), FactsWrite("shop", "product", "L9", "r8")])
    first = await journal.shown("shop", "location", limit=3)
    assert [(one.channel, one.kind, one.external_id, one.root) for one in first] == [
        ("shop", "location", f"L{n}", f"r{n}") for n in range(3)
    ]
    assert [one.external_id for one in await journal.shown("shop", "location", after="L2")] == ["L3", "L4"]
