"""Looking for a person: in every file in any form, with every key in every blob, and in what a vendor has."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import apsw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omnibridge.connector import Sandbox
from omnibridge.journal.keystore import KEYS

__all__ = ["forms", "recovered", "traces", "write_down"]

_WIRE = ("log", "outbox", "faults", "now", "_now")
"""What of a sandbox is no store of the vendor's: it is of the wire, and the test's own."""

_PACKED = re.compile(rb"x\x9c|\x1f\x8b")
"""How what is compressed begins."""


def forms(canary: str) -> dict[str, bytes]:
    """What a value may look like in a file."""
    plain = canary.encode()
    found = {
        "plain": plain,
        "url": urllib.parse.quote(canary, safe="").encode(),
        "json": json.dumps(canary)[1:-1].encode(),
    }
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, plain)
        found |= {name: digest.hexdigest().encode(), f"{name} raw": digest.digest()}
    for shift in range(3):  # wherever it stands in a longer text
        found[f"base64 {shift}"] = base64.b64encode(b"x" * shift + plain)[2 if shift else 0 : -4 or None]
    found["utf-16"] = canary.encode("utf-16-le")
    return found


def _contents(root: Path) -> dict[str, bytes]:
    """Every file, and what is compressed in it."""
    found: dict[str, bytes] = {}
    for path in root.rglob("*"):
        if path.is_file() and path.name != "bridge.toml":
            content = path.read_bytes()
            found[str(path)] = content
            for start in (match.start() for match in _PACKED.finditer(content)):
                try:
                    bits = 31 if content[start] == 0x1F else 15
                    found[f"{path} at {start}"] = zlib.decompressobj(bits).decompress(content[start:])
                except zlib.error:
                    continue
    return found


def write_down(boxes: Mapping[str, Sandbox], folder: Path) -> None:
    """What each vendor has, however private, a file for each part of it, so that it is searched as every file is."""
    folder.mkdir(exist_ok=True)
    for name, box in boxes.items():
        for part, held in _parts(name, box, set()):
            (folder / part).write_text(repr(held), "utf-8")


def _parts(name: str, value: object, seen: set[int]) -> Iterator[tuple[str, object]]:
    """What an object of ours holds, and the objects in it, by their names."""
    if id(value) in seen:
        return
    if not type(value).__module__.startswith("omnibridge") and not isinstance(value, Sandbox):
        yield name, value
        return
    seen.add(id(value))
    for part, held in vars(value).items():
        if part not in _WIRE:
            yield from _parts(f"{name}.{part}", held, seen)


def traces(root: Path, canaries: Iterable[str]) -> list[str]:
    """Where a canary stands in any form."""
    return [
        f"{form} of {canary} in {name}"
        for name, content in _contents(root).items()
        for canary in canaries
        for form, wanted in forms(canary).items()
        if wanted in content
    ]


def _keys_in(folder: Path) -> dict[int, bytes]:
    """Every living key on disk by its number; the keyring's with negative ones."""
    found = {
        -1 - n: bytes.fromhex(line) for n, line in enumerate((folder / "omnibridge.db.keyring").read_text().split())
    }
    for path in (folder / "omnibridge.db.keys").glob("*.keys"):
        content = path.read_bytes()
        for place in range(KEYS):
            key = content[place * 32 : place * 32 + 32]
            if any(key):
                found[int(path.stem) * KEYS + place] = key
    return found


_CONTEXTS = [
    *("inbox.meta", "inbox.body", "known.shadow", "entities.content", "events.content", "deliveries.payload"),
    *("deliveries.later", "steps.request", "steps.response", "attempts.text", "erasures.content", "cursors.content"),
]


def recovered(database: Path, folder: Path, canaries: Iterable[str]) -> set[str]:
    """The canaries that the installed keys read in any blob of a journal: every key is tried on every blob."""
    ciphers = [AESGCM(key) for key in _keys_in(folder).values()]
    found: set[str] = set()
    db = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            for row in db.execute(f"SELECT * FROM {table}"):
                for blob in (value for value in row if isinstance(value, bytes) and len(value) > 28):
                    for plain in _opened(blob, ciphers):
                        found |= {canary for canary in canaries if canary.encode() in plain}
    finally:
        db.close()
    return found


def _opened(blob: bytes, ciphers: list[AESGCM]) -> list[bytes]:
    found: list[bytes] = []
    for start in (0, 8):
        for cipher in ciphers:
            for context in _CONTEXTS:
                try:
                    found.append(cipher.decrypt(blob[start : start + 12], blob[start + 12 :], context.encode()))
                except InvalidTag:
                    continue
    return found
