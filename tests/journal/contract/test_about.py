"""What concerns some parties: newest first, a page at a time, and nothing of anybody else's."""

from __future__ import annotations

import pytest

from omnibridge.journal import CONTACT, EntityWrite, Processed

pytestmark = pytest.mark.both_backends
ADDRESS = CONTACT + "ann@example.com"


@pytest.fixture
async def filled(journal, make):
    """Ten events of three parties in turn, and an order of each."""
    parties = ["ann", ADDRESS, "bob"]
    events = [make.event(f"e{n}")._replace(party=parties[n % 3]) for n in range(10)]
    entities = [EntityWrite("order", f"o{n}", 0, b'{"entity":{}}', parties[n % 3]) for n in range(10)]
    accepted = await journal.accept(make.inbox())
    await journal.process([Processed(accepted.id, events=tuple(events), entities=tuple(entities))])
    return journal


async def test_the_newest_first_of_all_parties_together(filled):
    found = await filled.about(["ann", ADDRESS], kinds={"order": 4})
    assert [stored.event.id for stored in found.events] == ["e9", "e7", "e6", "e4", "e3", "e1", "e0"]
    assert [(kind, id) for kind, id, _ in found.entities] == [("order", f"o{n}") for n in (9, 7, 6, 4)]


async def test_page_by_page(filled):
    first = (await filled.about(["ann", ADDRESS], kinds={}, limit=3)).events
    second = (await filled.about(["ann", ADDRESS], kinds={}, before=first[-1].seq, limit=3)).events
    assert [stored.event.id for stored in (*first, *second)] == ["e9", "e7", "e6", "e4", "e3", "e1"]


async def test_a_party_that_is_named_twice_is_one(filled):
    assert len((await filled.about(["bob", "bob"], kinds={"order": 9})).events) == 3


async def test_of_nobody_there_is_nothing(filled):
    found = await filled.about(["carl"], kinds={"order": 4, "message": 4})
    assert (list(found.events), list(found.entities)) == ([], [])
    assert list((await filled.about([], kinds={"order": 4})).events) == []
