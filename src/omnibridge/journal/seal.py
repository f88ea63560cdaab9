"""The seam that every payload column passes: `seal` before it is stored, `open` after it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omnibridge.errors import ConfigError, StorageError

__all__ = ["ClearSeal", "KeyringSeal", "Seal"]

_NONCE = 12


class Seal(Protocol):
    """Turns payloads into what lies on disk and back. `context` (table and column) is bound to the result."""

    def seal(self, payload: bytes, context: str) -> bytes:
        """What to store."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed. Raises StorageError when it is damaged or was sealed by another key or for another place."""
        ...


class ClearSeal:
    """Stores payloads as they are: for tests and in-memory journals."""

    def seal(self, payload: bytes, context: str) -> bytes:
        """The payload itself."""
        return payload

    def open(self, sealed: bytes, context: str) -> bytes:
        """The payload itself."""
        return sealed


class KeyringSeal:
    """AES-256-GCM under a key from a file that lies outside the journal and its backups.

    The file holds one key of 32 bytes in hex per line, newest first: the first seals, all open.
    """

    def __init__(self, keys: list[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]
        self._nonces: list[bytes] = []

    @classmethod
    def load(cls, path: Path, *, create: bool) -> KeyringSeal:
        """From the keyring file; with `create`, makes one that only its owner can read. Raises ConfigError."""
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
                remedy="restore the file, or set `keyring` under [bridge] to where it is",
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"the keyring cannot be read: {type(error).__name__}", where=str(path)) from None
        if not keys or any(len(key) != 32 for key in keys):
            raise ConfigError("the keyring must hold keys of 32 bytes in hex, one a line", where=str(path))
        return cls(keys)

    def seal(self, payload: bytes, context: str) -> bytes:
        """Nonce and ciphertext."""
        nonce = self._nonce()
        return nonce + self._ciphers[0].encrypt(nonce, payload, context.encode())

    def _nonce(self) -> bytes:
        # Random ones, taken from the system by the hundred: a call for each costs as much as the encryption.
        if not self._nonces:
            pool = os.urandom(_NONCE * 256)
            self._nonces = [pool[start : start + _NONCE] for start in range(0, len(pool), _NONCE)]
        return self._nonces.pop()

    def open(self, sealed: bytes, context: str) -> bytes:
        """The payload, by whichever key of the ring fits."""
        nonce, text, bound = sealed[:_NONCE], sealed[_NONCE:], context.encode()
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, text, bound)
            except (InvalidTag, ValueError):
                continue
        raise StorageError(
            "a stored payload cannot be opened", where=context, remedy="check that the keyring belongs to this journal"
        )
