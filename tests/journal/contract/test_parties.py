"""Whom rows are about: what belongs to one party stands under one key, and is found by it."""

from __future__ import annotations

import pytest

from omnibridge.journal import CONTACT, Conflict, EntityWrite, KeyringSeal, Retention, ShadowWrite, Step, open_journal
from omnibridge.journal.seal import key_of

pytestmark = pytest.mark.both_backends


def about(make, party, number=1, **more):
    """What processing a row about somebody comes to."""
    name = str(number)
    return make.processed(
        number,
        references=(make.reference(name, f"o{name}"),),
        shadows=(ShadowWrite("shop", "order", name, 0, b"shadow", "1", party=party),),
        entities=(EntityWrite("order", f"o{name}", 0, b"entity", party),),
        events=(make.event(f"event-{name}", content=b"{}", datacontenttype="application/json")._replace(party=party),),
        parties=(party,) if party else (),
        **more,
    )


async def test_a_party_is_kept_with_its_events_and_entities(journal, make):
    await journal.accept(make.inbox())
    await journal.process([about(make, "c1")])
    [known] = (await journal.known([make.entity_key()])).values()
    assert known.party == "c1"
    assert [stored.party for stored in await journal.events()] == ["c1"]


async def test_an_address_does_not_stand_in_the_file(journal, make):
    await journal.accept(make.inbox())
    await journal.process([about(make, f"{CONTACT}ann@example.com")])
    [stored] = await journal.events()
    assert stored.party is not None
    assert stored.party.startswith("contact/")
    assert "example" not in stored.party
    # Named so, it is the same party.
    await journal.accept(make.inbox())
    await journal.process([about(make, stored.party, 2)])
    assert {one.party for one in await journal.events()} == {stored.party}


@pytest.fixture
async def sealed(tmp_path, clock):
    seal = KeyringSeal.load(tmp_path / "j.keyring", create=True)
    async with open_journal(tmp_path / "j.db", seal=seal, clock=clock) as journal:
        yield journal


def blobs(journal, sql: str) -> list[int | None]:
    return [None if blob is None else key_of(blob) for (blob,) in journal._ledger.db.execute(sql)]


ALL = "SELECT shadow FROM known UNION ALL SELECT content FROM entities UNION ALL SELECT content FROM events"


async def test_one_key_a_party_and_none_for_what_is_about_nobody(sealed, make):
    for number, party in enumerate(("c1", "c2", "c1", None), 1):
        await sealed.accept(make.inbox())
        await sealed.process([about(make, party, number)])
    keys = blobs(sealed, "SELECT content FROM events ORDER BY seq")
    assert keys[0] == keys[2] != keys[1]
    assert None not in keys[:3]
    assert keys[3] is None
    assert set(blobs(sealed, ALL)) == set(keys)
    rows = blobs(sealed, "SELECT body FROM inbox")
    assert len({*rows, *keys}) == 4 + 3


async def test_a_party_keeps_its_key_over_a_restart(tmp_path, clock, make):
    found = []
    for number in (1, 2):
        seal = KeyringSeal.load(tmp_path / "j.keyring", create=True)
        async with open_journal(tmp_path / "j.db", seal=seal, clock=clock) as journal:
            await journal.accept(make.inbox())
            try:
                await journal.process([about(make, "c1", number)])
            except Conflict:  # the processor redoes it just so
                await journal.process([about(make, "c1", number)])
            found = blobs(journal, "SELECT content FROM events")
    assert len(found) == 2
    assert len(set(found)) == 1


async def test_requests_answers_and_words_of_a_delivery_are_under_its_partys_key(sealed, make):
    await sealed.accept(make.inbox())
    await sealed.process([about(make, "c1", deliveries=(make.delivery("x", event=("/t/acme/shop", "event-1")),))])
    [key] = blobs(sealed, "SELECT content FROM events")
    [claimed] = await sealed.claim("erp", 1, make.now)
    await sealed.start(claimed.id, Step("create", 0, "k", b"POST Ann"))
    await sealed.finish(claimed.id, Step("create", 0, "k", b"POST Ann", b"200 Ann"))
    await sealed.settle(sealed_outcome(make, claimed.id))
    every = blobs(sealed, "SELECT request FROM steps UNION ALL SELECT response FROM steps")
    every += blobs(sealed, "SELECT text FROM deliveries")
    assert every == [key] * 3
    row = await sealed.delivery(claimed.id)
    assert row is not None
    assert row.last is not None
    assert row.last.text == "Ann is wrong"


def sealed_outcome(make, id):
    return make.settled(id, "dead", attempt=make.attempt("permanent", text="Ann is wrong"))


async def test_raw_rows_go_before_the_rest_and_their_keys_with_them(sealed, make, tmp_path):
    for number in (1, 2, 3):
        await sealed.accept(make.inbox(received=make.after(days=number)))
        await sealed.process([about(make, "c1", number)])
    old, young, _ = blobs(sealed, "SELECT body FROM inbox ORDER BY id")
    copy = tmp_path / "copy.db"
    await sealed.backup(str(copy))
    policy = Retention(make.after(days=-9), make.after(days=-9), raw_before=make.after(days=1.5))
    assert await sealed.retain(policy) == 1
    assert len(await sealed.events()) == 3
    seal = KeyringSeal.load(tmp_path / "j.keyring", create=False)
    assert seal._store is not None
    assert old is not None
    assert young is not None
    assert seal._store.key(old) is None
    assert seal._store.key(young) is not None
    assert [row[0] for row in sealed._ledger.db.execute("SELECT inbox FROM inbox_party")] == [2, 3]
