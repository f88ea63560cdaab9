"""A page or a file of a vendor's, made long: JSON, a line for each row, a table, packed or in an archive."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping

from pydantic import JsonValue

__all__ = ["enlarged", "plain_size"]

_APART = 10_000
_PACKED = b"\x1f\x8b"
_TAIL = re.compile(r"\d{1,15}$")


def enlarged(content: bytes, count: int) -> bytes | None:
    """The same with `count` rows, like those that are there, with other ids; None where no rows are found in it."""
    if content.startswith(_PACKED):
        longer = enlarged(_unpacked(content), count)
        return None if longer is None else gzip.compress(longer, 1, mtime=0)
    return _archive(content, count) or _document(content, count) or _lines(content, count) or _table(content, count)


def plain_size(content: bytes) -> int:
    """How long it is when nothing is packed."""
    return len(_unpacked(content) if content.startswith(_PACKED) else content)


def _unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return b""


def _archive(content: bytes, count: int) -> bytes | None:
    """A tar archive whose first member with rows has many."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as old:
            members = [(one, file.read()) for one in old if (file := old.extractfile(one)) is not None]
    except tarfile.TarError:
        return None
    made, done = io.BytesIO(), False
    with tarfile.open(fileobj=made, mode="w:") as new:
        for info, inside in members:
            longer = None if done else enlarged(inside, count)
            if longer is not None:
                inside, done = longer, True
            info.size = len(inside)
            new.addfile(info, io.BytesIO(inside))
    return made.getvalue() if done else None


def _document(content: bytes, count: int) -> bytes | None:
    """A JSON document whose outermost list of objects is long."""
    try:
        value: JsonValue = json.loads(content)
    except ValueError:
        return None
    rows = _rows(value)
    if rows is None:
        return None
    rows[:] = _many(rows, count)
    return json.dumps(value).encode()


def _lines(content: bytes, count: int) -> bytes | None:
    """A JSON object in each of several lines: one alone is a document, and may be anything."""
    try:
        rows: list[JsonValue] = [json.loads(line) for line in content.splitlines() if line.strip()]
    except ValueError:
        return None
    if len(rows) < 2 or not all(isinstance(row, dict) for row in rows):
        return None
    return b"".join(json.dumps(row).encode() + b"\n" for row in _many(rows, count))


def _table(content: bytes, count: int) -> bytes | None:
    """A table of text with a line of names: comma, semicolon or tab between the cells."""
    try:
        text = content.decode()
        dialect = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t")
    except (UnicodeDecodeError, csv.Error):
        return None
    reader = csv.DictReader(io.StringIO(text), dialect=dialect)
    names, rows = list(reader.fieldnames or ()), list(reader)
    if len(names) < 2 or not rows:
        return None
    keyed = [name for name in names if name.lower().endswith("id")] or names[:1]
    made = io.StringIO()
    writer = csv.DictWriter(made, names, dialect=dialect, extrasaction="ignore")
    writer.writeheader()
    for number in range(count):
        row, turn = rows[number % len(rows)], number // len(rows)
        writer.writerow({**row, **{name: _renumbered(row[name], turn) for name in keyed}})
    return made.getvalue().encode()


def _rows(value: JsonValue) -> list[JsonValue] | None:
    """The outermost list of objects."""
    level: list[JsonValue] = [value]
    while level:
        below: list[JsonValue] = []
        for part in level:
            if isinstance(part, list) and part and isinstance(part[0], dict):
                return part
            below.extend(part.values() if isinstance(part, dict) else ())
        level = below
    return None


def _many(rows: list[JsonValue], count: int) -> list[JsonValue]:
    return [_other(rows[number % len(rows)], number // len(rows)) for number in range(count)]


def _other(row: JsonValue, turn: int) -> JsonValue:
    """The row, or one like it with other ids."""
    if not isinstance(row, dict):
        return row
    changed: dict[str, JsonValue] = dict(row)
    for name in _keys(row):
        value = row[name]
        if isinstance(value, str):
            changed[name] = _renumbered(value, turn)
        elif isinstance(value, int) and not isinstance(value, bool):
            changed[name] = value + turn * _APART
    return changed


def _keys(row: Mapping[str, JsonValue]) -> list[str]:
    return [name for name in row if name.endswith(("id", "Id", "ID", "iD"))]


def _renumbered(text: str, turn: int) -> str:
    return _TAIL.sub(lambda found: str(int(found[0]) + turn * _APART).zfill(len(found[0])), text)
