"""Backups of a running journal, and restoring them."""

from __future__ import annotations

from functools import partial

import anyio
import apsw
import pytest

from omnibridge.errors import SchemaError, StorageError
from omnibridge.journal import ClearSeal, open_journal, restore


async def some(journal, make, n=20):
    for number in range(n):
        await journal.accept(make.inbox(b"%d" % number, str(number)))
    await journal.ensure([make.delivery("a", "lane"), make.delivery("b", "lane")])


async def bodies(journal):
    return [row.body for row in await journal.pending(0, 1000)]


async def test_a_backup_of_a_running_journal_is_one_whole_file(opened, make, tmp_path):
    backup = tmp_path / "backup"
    async with opened() as journal:
        await some(journal, make, 300)
        stop = anyio.Event()

        async def go_on():
            while not stop.is_set():
                await journal.accept(make.inbox(b"meanwhile"))

        async with anyio.create_task_group() as group:
            group.start_soon(go_on)
            await journal.backup(str(backup))
            stop.set()
        with pytest.raises(StorageError, match="exists"):
            await journal.backup(str(backup))
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == ["backup"]
    restore(backup, tmp_path / "restored.db")
    async with opened("restored.db") as journal:
        found = await bodies(journal)
        assert found[:300] == [b"%d" % number for number in range(300)]
        assert set(found[300:]) <= {b"meanwhile"}
        assert (await journal.accept(make.inbox(dedupe="7"))).duplicate
        assert [one.key for one in await journal.claim("erp", 9, make.now)] == [make.key("a")]
        assert await journal.check_integrity() == []


async def test_a_journal_in_memory_is_backed_up_too(clock, make, tmp_path):
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        await some(journal, make)
        await journal.backup(str(tmp_path / "backup"))
        await journal.accept(make.inbox(b"after"))
    restore(tmp_path / "backup", tmp_path / "journal.db")
    async with open_journal(tmp_path / "journal.db", seal=ClearSeal(), clock=clock) as journal:
        assert len(await bodies(journal)) == 20


async def test_a_backup_that_fails_leaves_nothing_and_the_journal_runs(opened, make, tmp_path):
    async with opened() as journal:
        with pytest.raises(StorageError):
            await journal.backup(str(tmp_path / "no" / "backup"))
        assert not journal.failed
        await journal.accept(make.inbox())


async def test_restoring_overwrites_nothing(opened, make, tmp_path):
    backup = tmp_path / "backup"
    async with opened() as journal:
        await some(journal, make)
        await journal.backup(str(backup))
        with pytest.raises(StorageError, match="another process"):
            restore(backup, tmp_path / "journal.db")
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(StorageError, match="exists"):
        restore(backup, tmp_path / "journal.db")
    assert (tmp_path / "journal.db").read_bytes() == before
    # The log of a journal that was deleted would be taken for the new one's.
    (tmp_path / "other.db-wal").write_bytes(b"old")
    with pytest.raises(StorageError, match="exists"):
        restore(backup, tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()


async def test_what_is_no_sound_backup_is_refused(opened, make, tmp_path):
    async with opened() as journal:
        await some(journal, make, 200)
        await journal.backup(str(tmp_path / "backup"))
    target = tmp_path / "target.db"
    with pytest.raises(StorageError, match="no such backup"):
        restore(tmp_path / "nothing", target)
    (tmp_path / "empty").touch()
    with pytest.raises(SchemaError, match="empty"):
        restore(tmp_path / "empty", target)
    foreign = apsw.Connection(str(tmp_path / "foreign"))
    foreign.execute("CREATE TABLE theirs (a)")
    foreign.close()
    with pytest.raises(SchemaError, match="another application"):
        restore(tmp_path / "foreign", target)
    whole = (tmp_path / "backup").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "damaged").write_bytes(whole[:middle] + b"\xa5" * 8192 + whole[middle + 8192 :])
    with pytest.raises(StorageError, match="damaged"):
        restore(tmp_path / "damaged", target)
    (tmp_path / "cut").write_bytes(whole[: middle // 4096 * 4096])
    with pytest.raises(StorageError):
        restore(tmp_path / "cut", target)
    assert not target.exists()
    assert not list(tmp_path.glob("*.partial"))


async def test_integrity_is_told_in_words(opened, make):
    async with opened() as journal:
        await some(journal, make)
        assert await journal.check_integrity() == []
        for damage in (
            "UPDATE deliveries SET state = 'ready' WHERE state = 'queued'",
            "DELETE FROM inbox WHERE id = 1",
        ):
            await journal._write(partial(journal._ledger.rows, damage))
        found = await journal.check_integrity()
        assert any("lane" in line and "2 heads" in line for line in found)
        assert any("inbox shop pending" in line and "20" in line and "19" in line for line in found)
