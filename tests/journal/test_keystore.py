"""The folder of keys: a key that was given out is on disk, a destroyed one never comes back, no number comes twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from omnibridge.errors import StorageError, StorageFailed
from omnibridge.journal.keystore import KEYS, Keystore
from omnibridge.journal.seal import GENERAL, KeyringSeal, Shredded


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a.keys"


def test_every_key_is_another_and_is_there_after_a_restart(folder):
    store = Keystore(folder)
    taken = {number: store.key(number) for number in (store.take("row") for _ in range(3 * KEYS))}
    assert len(set(taken.values())) == 3 * KEYS
    again = Keystore(folder)
    assert {number: again.key(number) for number in taken} == taken
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_a_restart_and_a_second_process_take_no_number_twice(folder):
    one, other = Keystore(folder), Keystore(folder)
    numbers = [store.take(series) for _ in range(KEYS + 10) for store in (one, other) for series in ("row", "party")]
    numbers += [Keystore(folder).take("row") for _ in range(3)]
    assert len(set(numbers)) == len(numbers)
    assert GENERAL not in numbers


def test_a_destroyed_key_is_gone_from_the_disk_and_its_neighbours_stay(folder):
    store = Keystore(folder)
    first, second, third = (store.take("row") for _ in range(3))
    kept, gone = store.key(first), store.key(second)
    assert kept
    assert gone
    store.destroy([second])
    for reader in (store, Keystore(folder)):
        assert reader.key(second) is None
        assert reader.key(first) == kept
        assert reader.key(third) is not None
    assert not any(gone in path.read_bytes() for path in folder.iterdir())
    store.destroy([second])


def test_a_file_without_a_living_key_is_removed_and_its_numbers_never_come_again(folder):
    store = Keystore(folder)
    old = [store.take("row") for _ in range(KEYS)]
    new = store.take("row")
    other = store.take("party")
    assert new > max(old)
    before = {path.name for path in folder.glob("*.keys")}
    store.destroy(old)
    gone = before - {path.name for path in folder.glob("*.keys")}
    assert len(gone) == 1
    assert store.key(old[0]) is None
    # The newest file stays, however empty: its number says where the next begins.
    newest = max(folder.glob("*.keys"))
    every = range(int(newest.stem) * KEYS, (int(newest.stem) + 1) * KEYS)
    store.destroy(every)
    assert newest.exists()
    assert Keystore(folder).take("row") not in {*old, new, other, *every}


def test_a_key_is_given_out_only_when_it_is_on_disk(folder, monkeypatch):
    """What is written and what is named is synced, in this order, before the number is known to anybody."""
    did: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(handle: int) -> None:
        did.append("sync folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "sync file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", lambda *names: (did.append("name"), link(*names)))
    Keystore(folder).take("row")
    assert did == ["sync file", "name", "sync folder"]
    did.clear()
    store = Keystore(folder)
    number = store.take("row")
    did.clear()
    store.destroy([number])
    assert did == ["sync file"]


def test_a_disk_that_takes_no_keys_stops_everything(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageFailed, match="No space") as caught:
        Keystore(folder).take("row")
    assert caught.value.remedy


def test_what_a_killed_process_was_given_is_there(folder):
    """SIGKILL at any moment: every number that was printed opens, and the next process takes others."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from omnibridge.journal.keystore import Keystore
        store = Keystore(Path(sys.argv[1]))
        while True:
            number = store.take("row")
            print(number, store.key(number).hex(), flush=True)
        """
    )
    seen: dict[int, str] = {}
    for lines in (1, 300, 700):
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for number, key in said:
            assert int(number) not in seen
            seen[int(number)] = key
    store = Keystore(folder)
    assert {number: (store.key(number) or b"").hex() for number in seen} == seen


# -- the seal on it ------------------------------------------------------------------------------------------------


def test_what_a_destroyed_key_sealed_is_unreadable_in_every_copy(tmp_path):
    seal = KeyringSeal.load(tmp_path / "a.keyring", create=True)
    key, other = seal.take("party"), seal.take("party")
    blob, kept, general = seal.seal(b"secret", "t", key), seal.seal(b"other", "t", other), seal.seal(b"none", "t")
    assert seal.open(blob, "t") == b"secret"
    seal.destroy([key])
    for reader in (seal, KeyringSeal.load(tmp_path / "a.keyring", create=False)):
        with pytest.raises(Shredded, match="erased"):
            reader.open(blob, "t")
        with pytest.raises(Shredded):
            reader.seal(b"again", "t", key)
        assert reader.open(kept, "t") == b"other"
        assert reader.open(general, "t") == b"none"


def test_a_blob_is_bound_to_its_place_and_to_its_key(tmp_path):
    seal = KeyringSeal.load(tmp_path / "a.keyring", create=True)
    one, two = seal.take("party"), seal.take("party")
    blob = seal.seal(b"secret", "t", one)
    with pytest.raises(StorageError, match="cannot be opened"):
        seal.open(blob, "u")
    with pytest.raises(StorageError, match="cannot be opened"):
        seal.open(blob.replace(one.to_bytes(5, "big"), two.to_bytes(5, "big"), 1), "t")
    with pytest.raises(StorageError, match="cannot be opened"):
        seal.open(blob[:20], "t")


def test_what_the_keyring_alone_sealed_before_opens_even_when_it_looks_numbered(tmp_path):
    seal = KeyringSeal.load(tmp_path / "a.keyring", create=True)
    old = KeyringSeal([bytes.fromhex((tmp_path / "a.keyring").read_text().strip())])
    old._nonces.append(b"\xd5K\x01\x00\x00\x00\x00\x01nonc")
    assert seal.open(old.seal(b"from before", "t"), "t") == b"from before"


def test_digests_need_the_secret_and_graves_outlive_a_torn_end(tmp_path):
    seal = KeyringSeal.load(tmp_path / "a.keyring", create=True)
    mark = seal.prepare(create=True)
    same = KeyringSeal.load(tmp_path / "a.keyring", create=False)
    assert same.prepare(create=True) == mark
    assert same.digest("email", "ann@example.com") == seal.digest("email", "ann@example.com")
    other = KeyringSeal.load(tmp_path / "b.keyring", create=True)
    assert other.prepare(create=True) != mark
    assert other.digest("email", "ann@example.com") != seal.digest("email", "ann@example.com")
    ann, bob = seal.digest("email", "ann@example.com"), seal.digest("email", "bob@example.com")
    seal.bury([ann], 7)
    with (tmp_path / "a.keys" / "graves").open("ab") as file:
        file.write(b"torn")
    again = KeyringSeal.load(tmp_path / "a.keyring", create=False)
    assert again.buried(ann) == 7
    again.bury([bob, ann], 9)
    last = KeyringSeal.load(tmp_path / "a.keyring", create=False)
    assert last.buried(ann) == 9
    assert last.buried(bob) == 9
    assert last.buried(seal.digest("email", "cat@example.com")) is None
    assert (tmp_path / "a.keys" / "graves").stat().st_size == 3 * 24


def test_a_missing_folder_of_keys_is_named(tmp_path):
    seal = KeyringSeal.load(tmp_path / "a.keyring", create=True)
    with pytest.raises(StorageError, match="folder of keys") as caught:
        seal.digest("email", "ann@example.com")
    assert caught.value.remedy
