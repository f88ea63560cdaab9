"""The seam that every payload column passes: `seal` before it is stored, `open` after it is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omnibridge.errors import ConfigError, StorageError
from omnibridge.journal.keystore import Keystore, sync, write_synced

__all__ = ["GENERAL", "ClearSeal", "KeyringSeal", "Seal", "Shredded", "filed", "key_of"]

GENERAL = 0
"""The key of what concerns nobody: the keyring's."""

_NONCE = 12
# A blob under a numbered key begins so, and then its number; one under the keyring begins with a random nonce.
_NUMBERED, _NUMBER, _HEAD = b"\xd5K\x01", 5, 8
_CIPHERS = 512
_GRAVE = 24
"""Bytes of a grave: a digest, and the time in microseconds."""


class Shredded(StorageError):
    """The key of a stored payload was destroyed: somebody was erased, or a raw row had its time."""


class Seal(Protocol):
    """Turns payloads into what lies on disk and back. `context` (table and column) is bound to the result.

    Keys are numbers; `GENERAL` is there for what concerns no person.
    """

    def seal(self, payload: bytes, context: str, key: int = GENERAL) -> bytes:
        """What to store. Raises Shredded when the key is destroyed."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed. Raises StorageError when it is damaged or was sealed by another key or for another place,
        and Shredded when its key was destroyed."""
        ...

    def take(self, series: str) -> int:
        """The number of a new key, which is on disk already. Keys of one series tend to be destroyed together."""
        ...

    def destroy(self, keys: Iterable[int]) -> None:
        """Make what these keys sealed unreadable for ever, in every copy; returns when the disk has it. Blocks."""
        ...

    def alive(self, key: int) -> bool:
        """Whether a key is there still."""
        ...

    def digest(self, *parts: str) -> bytes:
        """16 bytes that only this installation can compute: finds a value again without keeping it."""
        ...

    def prepare(self, *, create: bool) -> bytes | None:
        """A mark of the keys, to know them again by (None: no matter); with `create`, make what is missing. Blocks."""
        ...

    def bury(self, marks: Iterable[bytes], at: int) -> None:
        """Remember digests and a time for ever, outside the journal and its backups, and on disk. Blocks."""
        ...

    def buried(self, mark: bytes) -> int | None:
        """The time with which a digest was buried last; None when it never was."""
        ...

    @property
    def graves(self) -> int:
        """How many digests were buried."""
        ...


class ClearSeal:
    """Stores payloads as they are: for tests and in-memory journals. What is destroyed is only known as such."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._buried: dict[bytes, int] = {}

    def seal(self, payload: bytes, context: str, key: int = GENERAL) -> bytes:
        """The payload itself."""
        return payload

    def open(self, sealed: bytes, context: str) -> bytes:
        """The payload itself."""
        return sealed

    def take(self, series: str) -> int:
        """The next number."""
        return next(self._numbers)

    def destroy(self, keys: Iterable[int]) -> None:
        """Nothing was sealed."""

    def alive(self, key: int) -> bool:
        """Keys of this kind know no end."""
        return True

    def digest(self, *parts: str) -> bytes:
        """A hash without a secret."""
        return _digest(b"", parts)

    def prepare(self, *, create: bool) -> bytes | None:
        """There are no keys to tell apart."""
        return None

    def bury(self, marks: Iterable[bytes], at: int) -> None:
        """Remember digests as long as the process lives."""
        self._buried.update(dict.fromkeys(marks, at))

    def buried(self, mark: bytes) -> int | None:
        """The time with which a digest was buried."""
        return self._buried.get(mark)

    @property
    def graves(self) -> int:
        """How many digests were buried."""
        return len(self._buried)


class KeyringSeal:
    """AES-256-GCM, under numbered keys from a keystore and, for what concerns nobody, under the keyring's.

    The keyring is a file outside the journal and its backups, with one key of 32 bytes in hex per line, newest first:
    the first seals, all open. The keystore is a folder beside it. Without one, everything is sealed by the keyring.
    """

    def __init__(self, keys: list[bytes], folder: Path | None = None) -> None:
        self._ring = [AESGCM(key) for key in keys]
        self._nonces: list[bytes] = []
        self._store = Keystore(folder) if folder is not None else None
        self._ciphers: dict[int, AESGCM] = {}
        self._secret: bytes | None = None
        self._graves: dict[bytes, int] | None = None

    @classmethod
    def load(cls, path: Path, *, create: bool) -> KeyringSeal:
        """From the keyring file; with `create`, makes one that only its owner can read. Raises ConfigError.

        The keystore's folder has the keyring's name with `.keys` for `.keyring`.
        """
        if create and not path.exists():
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                raise ConfigError(
                    f"the keyring cannot be made: {error.strerror}",
                    where=str(path),
                    remedy="make its folder, and let the bridge write there",
                ) from None
            with os.fdopen(handle, "w") as file:
                file.write(os.urandom(32).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
        try:
            keys = [bytes.fromhex(line) for line in path.read_text().split()]
        except FileNotFoundError:
            raise ConfigError(
                "the keyring is missing; the journal cannot be read without it",
                where=str(path),
                remedy="restore the file, or set `keyring` under [bridge] to where it is; "
                "or `journal`, where that names a file that is no journal of this bridge",
            ) from None
        except (OSError, ValueError) as error:
            what = f"the keyring cannot be read: {type(error).__name__}"
            raise ConfigError(
                what, where=str(path), remedy="restore it from its mirror, readable for the bridge"
            ) from None
        if not keys or any(len(key) != 32 for key in keys):
            what = "the keyring must hold keys of 32 bytes in hex, one a line"
            raise ConfigError(what, where=str(path), remedy="restore it from its mirror")
        return cls(keys, path.with_name(path.name.removesuffix(".keyring") + ".keys"))

    # -- payloads --------------------------------------------------------------------------------------------------

    def seal(self, payload: bytes, context: str, key: int = GENERAL) -> bytes:
        """The key's number (none for the keyring's), nonce and ciphertext."""
        nonce = self._nonce()
        if key == GENERAL or self._store is None:
            return nonce + self._ring[0].encrypt(nonce, payload, context.encode())
        cipher = self._ciphers.get(key) or self._cipher(key)
        if cipher is None:
            raise Shredded("the key that this was to be sealed with is destroyed", where=context)
        number = key.to_bytes(_NUMBER, "big")
        return b"".join((_NUMBERED, number, nonce, cipher.encrypt(nonce, payload, context.encode())))

    def _nonce(self) -> bytes:
        # Random ones, taken from the system by the hundred: a call for each costs as much as the encryption.
        if not self._nonces:
            pool = os.urandom(_NONCE * 256)
            self._nonces = [pool[start : start + _NONCE] for start in range(0, len(pool), _NONCE)]
        return self._nonces.pop()

    def _cipher(self, key: int) -> AESGCM | None:
        found = self._store.key(key) if self._store is not None else None
        if found is None:
            return None
        if len(self._ciphers) >= _CIPHERS:
            self._ciphers.pop(next(iter(self._ciphers)), None)
        cipher = self._ciphers[key] = AESGCM(found)
        return cipher

    def open(self, sealed: bytes, context: str) -> bytes:
        """The payload, by the key whose number it bears, or else by whichever key of the ring fits."""
        bound, number = context.encode(), key_of(sealed)
        destroyed = False
        if number is not None:
            cipher = self._ciphers.get(number) or self._cipher(number)
            destroyed = cipher is None
            if cipher is not None:
                try:
                    return cipher.decrypt(sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :], bound)
                except (InvalidTag, ValueError):
                    pass
        # One in sixteen million nonces looks like the beginning of a number.
        nonce, text = sealed[:_NONCE], sealed[_NONCE:]
        for cipher in self._ring:
            try:
                return cipher.decrypt(nonce, text, bound)
            except (InvalidTag, ValueError):
                continue
        if destroyed:
            raise Shredded("this was erased: its key is destroyed", where=context)
        raise StorageError(
            "a stored payload cannot be opened",
            where=context,
            remedy="check that the keyring and the folder of keys belong to this journal",
        )

    # -- keys ------------------------------------------------------------------------------------------------------

    def take(self, series: str) -> int:
        """The number of a new key; the keyring's where there is no keystore. Raises StorageFailed."""
        return GENERAL if self._store is None else self._store.take(series)

    def destroy(self, keys: Iterable[int]) -> None:
        """Overwrite keys on disk and forget them. Raises StorageFailed. Blocks."""
        numbers = [key for key in keys if key != GENERAL]
        if self._store is not None:
            self._store.destroy(numbers)
        for number in numbers:
            self._ciphers.pop(number, None)

    def alive(self, key: int) -> bool:
        """Whether a key is in the keystore still."""
        return key == GENERAL or key in self._ciphers or self._cipher(key) is not None

    # -- what finds things again -----------------------------------------------------------------------------------

    def prepare(self, *, create: bool) -> bytes | None:
        """A mark of the keystore's secret; with `create`, makes one where there is none. Raises StorageError."""
        if self._store is None:
            return None
        folder = self._store.folder
        try:
            if create and not (folder / "secret").exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                write_synced(folder / "secret.partial", os.urandom(32))
                os.rename(folder / "secret.partial", folder / "secret")
                sync(folder)
                sync(folder.parent)
        except OSError as error:
            raise StorageError(
                f"the folder of keys cannot be made: {error.strerror}",
                where=str(folder),
                remedy="make its parent, and let the bridge write there",
            ) from None
        return self.digest("mark of the keystore")

    def digest(self, *parts: str) -> bytes:
        """A hash keyed with the keystore's secret. Raises StorageError when that is missing."""
        if self._secret is None:
            self._secret = b"" if self._store is None else self._read_secret(self._store.folder)
        return _digest(self._secret, parts)

    @staticmethod
    def _read_secret(folder: Path) -> bytes:
        try:
            return (folder / "secret").read_bytes()
        except OSError as error:
            raise StorageError(
                f"the folder of keys cannot be read: {error.strerror}",
                where=str(folder),
                remedy="put the folder back that belongs to this journal",
            ) from None

    def bury(self, marks: Iterable[bytes], at: int) -> None:
        """Append digests to the keystore's list of graves. Raises StorageError. Blocks."""
        graves = self._known_graves()
        new = [mark for mark in dict.fromkeys(marks) if graves.get(mark, -1) < at]
        if self._store is not None and new:
            stamp = at.to_bytes(_GRAVE - 16, "big")
            try:
                handle = os.open(self._store.folder / "graves", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                with os.fdopen(handle, "ab") as file:
                    # After a power cut the last one may be there by half; the next begin at a whole place again.
                    file.truncate(file.tell() // _GRAVE * _GRAVE)
                    file.write(b"".join(mark + stamp for mark in new))
                    file.flush()
                    os.fsync(file.fileno())
                sync(self._store.folder)
            except OSError as error:
                raise StorageError(
                    f"an erasure cannot be noted: {error.strerror}", where=str(self._store.folder)
                ) from None
        graves.update(dict.fromkeys(new, at))

    def buried(self, mark: bytes) -> int | None:
        """The time with which a digest stands in the list of graves."""
        return self._known_graves().get(mark)

    @property
    def graves(self) -> int:
        """How many digests are in the list of graves."""
        return len(self._known_graves())

    def _known_graves(self) -> dict[bytes, int]:
        if self._graves is None:
            content = b""
            if self._store is not None:
                try:
                    content = (self._store.folder / "graves").read_bytes()
                except FileNotFoundError:
                    pass
                except OSError as error:
                    raise StorageError(
                        f"the list of erasures cannot be read: {error.strerror}", where=str(self._store.folder)
                    ) from None
            self._graves = {
                content[start : start + 16]: int.from_bytes(content[start + 16 : start + _GRAVE], "big")
                for start in range(0, len(content) // _GRAVE * _GRAVE, _GRAVE)
            }
        return self._graves


def filed(seal: Seal, kind: str, external_id: str) -> str:
    """How the file calls a channel's id: a person's may tell who they are, and a permission's holds an address.

    Of these only a digest stands there. That of a permission may be given as it is.
    """
    if kind == "customer":
        return "#" + seal.digest("name", external_id).hex()
    if kind != "consent" or external_id.startswith("#"):
        return external_id
    return "#" + seal.digest("permission", external_id).hex()


def key_of(sealed: bytes) -> int | None:
    """The number of the key that a blob says it was sealed with; None for the keyring's."""
    return int.from_bytes(sealed[3:_HEAD], "big") if sealed.startswith(_NUMBERED) else None


def _digest(secret: bytes, parts: tuple[str, ...]) -> bytes:
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest()
