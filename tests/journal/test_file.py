"""The file: whose it is, who may open it, how its tables grow up, and that its log stays short."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys

import apsw
import pytest

from omnibridge.errors import SchemaError, StorageError, StorageFailed
from omnibridge.journal.sqlite_checkpoint import Checkpointer
from omnibridge.journal.sqlite_connection import connect
from omnibridge.journal.sqlite_schema import APPLICATION_ID, MIGRATIONS, VERSION, migrate


async def test_what_was_stored_is_there_after_a_restart(opened, make):
    async with opened() as journal:
        await journal.accept(make.inbox(b"1", "a"))
        await journal.ensure([make.delivery("x"), make.delivery("y")])
        await journal.claim("erp", 1, make.now)
        before = await journal.counts()
    async with opened() as journal:
        assert [row.body for row in await journal.pending(0, 10)] == [b"1"]
        assert (await journal.accept(make.inbox(b"1", "a"))).duplicate
        assert (await journal.accept(make.inbox(b"2", "b"))).id == 2
        # Claims end with the process.
        assert [one.key for one in await journal.claim("erp", 9, make.now)] == [make.key("x"), make.key("y")]
        after = await journal.counts()
        assert after.deliveries == before.deliveries


async def test_the_file_is_set_for_safety(opened, tmp_path):
    async with opened() as journal:
        writer, reader = journal._ledger.db, journal._reading.db
        assert writer.pragma("journal_mode") == "wal"
        assert writer.pragma("synchronous") == 2
        assert writer.pragma("auto_vacuum") == 2
        assert (writer.pragma("application_id"), writer.pragma("user_version")) == (APPLICATION_ID, VERSION)
        with pytest.raises(apsw.ReadOnlyError):
            reader.execute("DELETE FROM inbox")
        for name in ("journal.db", "journal.db-wal"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


async def test_two_cannot_open_one_journal(opened, make):
    async with opened() as journal:
        with pytest.raises(StorageError, match="another process") as caught:
            async with opened():
                pass
        assert caught.value.remedy
        await journal.accept(make.inbox())
    async with opened():
        pass


async def test_another_process_cannot_open_it_either(opened, tmp_path):
    program = (
        "import anyio, sys\n"
        "from omnibridge.clock import SystemClock\n"
        "from omnibridge.errors import StorageError\n"
        "from omnibridge.journal import ClearSeal, open_journal\n"
        "async def main():\n"
        "    try:\n"
        "        async with open_journal(sys.argv[1], seal=ClearSeal(), clock=SystemClock()): print('open')\n"
        "    except StorageError as error: print('refused' if 'another process' in str(error) else error)\n"
        "anyio.run(main)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", program, str(tmp_path / "journal.db")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        return done.stdout.strip()

    async with opened():
        assert other() == "refused"
    assert other() == "open"


async def test_a_folder_that_is_not_there_is_named(opened):
    with pytest.raises(StorageError) as caught:
        async with opened("no/such/journal.db"):
            pass
    assert "no/such/journal.db" in (caught.value.where or "")


def foreign(path, sql):
    db = apsw.Connection(str(path))
    db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "sql",
    ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"],
)
async def test_a_foreign_database_is_refused_and_left_alone(opened, tmp_path, sql):
    path = tmp_path / "journal.db"
    foreign(path, sql)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="another application") as caught:
        async with opened():
            pass
    assert caught.value.remedy
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(opened, tmp_path):
    (tmp_path / "journal.db").write_bytes(b"to do: buy milk\n" * 100)
    with pytest.raises(SchemaError, match="not an SQLite database"):
        async with opened():
            pass


async def test_a_newer_schema_is_refused_and_says_what_to_do(opened, tmp_path):
    async with opened():
        pass
    foreign(tmp_path / "journal.db", f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(SchemaError, match="newer") as caught:
        async with opened():
            pass
    assert "newer version" in (caught.value.remedy or "")


async def test_version_1_becomes_the_newest_with_what_it_held(opened, make, tmp_path):
    db = connect(str(tmp_path / "journal.db"), create=True)
    migrate(db, 0, to=1)
    assert db.pragma("user_version") == 1
    db.execute(
        "INSERT INTO deliveries (id, key, channel, task, operation, lane, place, state, open, priority, due, created,"
        " on_poison, on_unknown, recurring) VALUES (7, 'k', 'erp', 'deliver', 'order', 'l', 7, 'dead', 0, 0, 0, 0,"
        " 'skip', 'hold', 0)"
    )
    db.execute("INSERT INTO tally VALUES ('delivery', 'erp', 'dead', 1)")
    db.close()
    async with opened() as journal:
        assert journal._ledger.db.pragma("user_version") == VERSION
        assert [row.id for row in await journal.deliveries(state="dead")] == [7]
        assert await journal.check_integrity() == []


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr("omnibridge.journal.sqlite_schema.MIGRATIONS", (*MIGRATIONS[:1], "CREATE TABLE x (a); BROKEN"))
    db = connect(str(tmp_path / "journal.db"), create=True)
    with pytest.raises(apsw.SQLError):
        migrate(db, 0, to=2)
    assert db.pragma("user_version") == 1
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'x'").fetchall()
    db.close()


async def test_an_old_sqlite_is_refused(opened, monkeypatch):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StorageError, match="corrupt"):
        async with opened():
            pass


# -- the log -------------------------------------------------------------------------------------------------------


def alarm(failure: StorageFailed) -> None:
    raise failure


def log_of(path, frames):
    """A database with a log of about so many pages, nothing of it in the file yet."""
    db = connect(str(path), create=True)
    db.execute("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)").fetchall()
    for _ in range(frames // 2):
        db.execute("INSERT INTO t VALUES (zeroblob(4000))")
    return db


def size(path):
    return os.path.getsize(f"{path}-wal")


def test_a_checkpoint_lets_the_log_start_anew(tmp_path):
    path = tmp_path / "log.db"
    db = log_of(path, 100)
    checkpoints = Checkpointer(connect(str(path)), alarm, every=10)
    try:
        full = size(path)
        checkpoints.checkpoint(50)
        for _ in range(40):
            db.execute("INSERT INTO t VALUES (zeroblob(4000))")
        assert size(path) == full
    finally:
        checkpoints.close()
        db.close()


def test_a_log_that_has_grown_is_asked_for_and_a_long_one_is_finished_by_the_writer(tmp_path):
    path = tmp_path / "log.db"
    db = log_of(path, 20)
    checkpoints = Checkpointer(connect(str(path)), alarm, every=10, long=20, most=30)
    asked = []
    checkpoints.checkpoint = asked.append  # type: ignore[method-assign]
    try:
        checkpoints.watch(db)
        for _ in range(30):
            db.execute("INSERT INTO t VALUES (zeroblob(4000))")
        checkpoints.close()
        assert len(asked) >= 3
        assert all(b - a >= 10 for a, b in itertools.pairwise(asked))
        del checkpoints.checkpoint
        other = Checkpointer(connect(str(path)), alarm, every=10, long=20, most=30)
        reader = connect(str(path), write=False)
        reader.execute("BEGIN; SELECT count(*) FROM t").fetchall()
        db.execute("INSERT INTO t VALUES (1)")
        other.checkpoint(40)
        other.between_commits(db)
        assert size(path) > 0  # somebody reads
        reader.execute("COMMIT")
        other.checkpoint(40)
        other.between_commits(db)
        assert size(path) == 0
        reader.close()
        other.close()
    finally:
        db.close()


async def test_the_log_of_a_running_journal_stays_bounded(opened, make, tmp_path):
    async with opened() as journal:
        for n in range(40):
            await journal.accept(make.inbox(bytes(400_000), str(n)))
        # 16 MB went through it.
        for _ in range(200):
            if size(tmp_path / "journal.db") < 12_000_000:
                break
            await journal.accept(make.inbox(bytes(400_000)))
        assert size(tmp_path / "journal.db") < 40_000_000


# -- beside a running daemon ---------------------------------------------------------------------------------------


async def test_an_attached_one_looks_and_mends_while_another_runs(opened, make):
    async with opened() as journal:
        await journal.accept(make.inbox(b"bad"))
        await journal.process([make.processed(1, invalid="why")])
        await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane")])
        (one,) = await journal.claim("erp", 1, make.now)
        await journal.settle(make.settled(one.id, "dead"))
        async with opened(attach=True) as beside:
            assert [row.id for row in await beside.deliveries(state="dead")] == [one.id]
            assert await beside.replay([one.id], make.now) == 1
            assert await beside.replay_inbox([1]) == 1
            await beside.save_credential("shop", b"new")
            for refused in (
                beside.accept(make.inbox()),
                beside.claim("erp", 1, make.now),
                beside.ensure([make.delivery("c")]),
                beside.process([]),
            ):
                with pytest.raises(StorageError, match="attached"):
                    await refused
            # The other goes on, and both count right.
            await journal.accept(make.inbox(b"2"))
        assert [row.body for row in await journal.pending(0, 9)] == [b"bad", b"2"]
        assert await journal.credential("shop") == b"new"
        (two,) = await journal.claim("erp", 1, make.now)
        await journal.settle(make.settled(two.id))
        assert [again.id for again in await journal.claim("erp", 1, make.now)] == [one.id]
        assert await journal.check_integrity() == []


async def test_attaching_makes_nothing_and_brings_nothing_up_to_date(opened, tmp_path):
    with pytest.raises(StorageError):
        async with opened(attach=True):
            pass
    assert list(tmp_path.iterdir()) == []
    db = connect(str(tmp_path / "journal.db"), create=True)
    migrate(db, 0, to=1)
    db.close()
    with pytest.raises(SchemaError, match="older"):
        async with opened(attach=True):
            pass
