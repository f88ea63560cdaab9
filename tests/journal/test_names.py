"""What a channel calls a person is given back to it, stands nowhere in a file, and ends with the person."""

from __future__ import annotations

from contextlib import suppress

import pytest

from omnibridge.journal import Conflict, EntityKey, KeyringSeal, Retention, Shredding, Task, open_journal
from omnibridge.journal.seal import key_of
from omnibridge.journal.sqlite_connection import connect
from omnibridge.journal.sqlite_schema import migrate

pytestmark = pytest.mark.both_backends
PHONE = "+4533123499"
KEY = EntityKey("sms", "customer", PHONE)


@pytest.fixture
def opened(tmp_path, clock):
    """Opens a journal on a file with keys of its own."""
    return lambda: open_journal(
        tmp_path / "j.db", seal=KeyringSeal.load(tmp_path / "j.keyring", create=True), clock=clock
    )


def met(make, number=1, rev=0):
    """What a row about a person comes to: a reference and a shadow."""
    return make.processed(
        number,
        references=() if rev else (make.reference(PHONE, "c1", "sms", "customer"),),
        shadows=(make.shadow(PHONE, rev, b"{}", str(number), channel="sms", party="c1")._replace(kind="customer"),),
    )


def asked(make):
    """A question to a channel about a person, as the processor puts it."""
    return make.delivery(
        "q", f"lookup:customer:{PHONE}", "sms", task=Task.LOOKUP, collapse=f"customer:{PHONE}", payload=PHONE.encode()
    )


def written(folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("j.db*"))


def names(journal) -> list[bytes]:
    return [named for (named,) in journal._ledger.db.execute("SELECT named FROM known WHERE kind = 'customer'")]


async def shredded(journal) -> None:
    number = await journal.ask_erasure(b"{}")
    assert await journal.shred(number, Shredding(("c1",), {}, {}, {}), {})


async def test_it_stands_in_no_file_and_is_given_back(opened, make, tmp_path):
    async with opened() as journal:
        await journal.process([met(make)])
        await journal.ensure([asked(make)])
        assert (await journal.known([KEY]))[KEY].id == "c1"
        assert await journal.links("customer", "c1") == [make.reference(PHONE, "c1", "sms", "customer")]
        assert (await journal.references("sms", [("customer", "c1")]))["customer", "c1"][0] == PHONE
        assert [one.external_id for one in await journal.showings(["c1"])] == [PHONE]
        [claimed] = await journal.claim("sms", 1, make.now)
        assert claimed.payload == PHONE.encode()
        assert PHONE.encode() not in written(tmp_path)
    assert PHONE.encode() not in written(tmp_path)


async def test_two_channels_may_call_people_alike(opened, make):
    other = make.reference(PHONE, "c2", "till", "customer")
    async with opened() as journal:
        await journal.process([met(make)])
        await journal.known([KEY])
        await journal.process([make.processed(2, references=(other,))])
        assert await journal.links("customer", "c2") == [other]


async def test_whoever_went_since_is_named_anew(opened, make):
    """As when an erasure ends between a look and what is made of it."""
    async with opened() as journal:
        await journal.process([met(make)])
        await journal.known([KEY])
        journal._ledger.db.execute("DELETE FROM known").fetchall()
        assert (await journal.known([KEY]))[KEY].id is None
        await journal.process([make.processed(2, references=(make.reference(PHONE, "c2", "sms", "customer"),))])
        assert [one.external_id for one in await journal.links("customer", "c2")] == [PHONE]


async def test_who_is_met_again_costs_no_key(opened, make):
    async with opened() as journal:
        await journal.process([met(make)])
        [named] = names(journal)
    async with opened() as journal:
        await journal.known([KEY])
        called = journal._columns.names
        assert called.sealed("sms", "customer", PHONE, called.filed("customer", PHONE)) is None
        with suppress(Conflict):  # the processor redoes it just so
            await journal.process([met(make, 2, rev=1)])
        await journal.process([met(make, 3, rev=1)])
        assert names(journal) == [named]


async def test_it_ends_with_the_person_in_backups_too_and_who_comes_again_has_a_new_one(opened, make, tmp_path):
    async with opened() as journal:
        await journal.process([met(make)])
        await journal.ensure([asked(make)])
        [question] = await journal.claim("sms", 1, make.now)
        await journal.settle(make.settled(question.id))
        await journal.known([KEY])
        [[payload]] = journal._ledger.db.execute("SELECT payload FROM deliveries").fetchall()
        [named] = names(journal)
        await shredded(journal)
        assert [journal._seal.alive(key_of(blob)) for blob in (payload, named)] == [False, False]
        assert await journal.deliveries() == []
        await journal.process([met(make, 2)])
        assert [one.external_id for one in await journal.links("customer", "c1")] == [PHONE]
        # An older file, as after a backup was restored: nobody can tell whose that was.
        journal._ledger.db.execute("UPDATE known SET named = ?", (named,))
        assert await journal.links("customer", "c1") == []
        assert await journal.references("sms", [("customer", "c1")]) == {}
        assert await journal.showings(["c1"]) == []


async def test_a_question_goes_in_its_time_with_its_key(opened, make):
    async with opened() as journal:
        await journal.ensure([asked(make), make.delivery("later")])
        [question] = await journal.claim("sms", 1, make.now)
        await journal.settle(make.settled(question.id))
        [[payload]] = journal._ledger.db.execute(
            "SELECT payload FROM deliveries WHERE id = ?", (question.id,)
        ).fetchall()
        assert journal._seal.alive(key_of(payload))
        assert await journal.retain(Retention(make.after(days=1), make.after(days=1))) == 1
        assert not journal._seal.alive(key_of(payload))


async def test_those_of_an_older_file_are_taken_out_of_it(opened, make, tmp_path):
    db = connect(str(tmp_path / "j.db"), create=True)
    db.execute("PRAGMA secure_delete = fast").fetchall()
    migrate(db, 0, to=9)
    for number in range(300):
        db.execute(
            "INSERT INTO known (channel, kind, external_id, id) VALUES ('sms', 'customer', ?, ?)",
            (PHONE if number == 7 else f"{PHONE}{number}", f"c{number}"),
        ).fetchall()
    db.execute(
        "INSERT INTO deliveries (id, key, channel, task, operation, lane, place, state, open, priority, due, created,"
        " on_poison, on_unknown, recurring, collapse) VALUES (7, 'k', 'sms', 'lookup', 'lookup', ?, 7, 'done', 0, 0, 0,"
        " 0, 'skip', 'hold', 0, ?)",
        (f"lookup:customer:{PHONE}", f"customer:{PHONE}"),
    ).fetchall()
    db.execute("INSERT INTO tally VALUES ('delivery', 'sms', 'done', 1)").fetchall()
    db.close()
    assert PHONE.encode() in written(tmp_path)
    for _ in range(2):
        async with opened() as journal:
            assert (await journal.known([KEY]))[KEY].id == "c7"
            assert [one.external_id for one in await journal.links("customer", "c7")] == [PHONE]
            assert await journal.check_integrity() == []
    assert PHONE.encode() not in written(tmp_path)
