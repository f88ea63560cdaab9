"""A poll that only reads files has no pages: the kit asks for no second one, cuts it off, and gives it a long file."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from acme_connector import run
from acme_mutant import SRC, Change, apply
from acme_silver import write_finished

from omnibridge.testing.conformance import CHECKS, End
from omnibridge.testing.conformance.pages import enlarged, plain_size

_LOOP = '        page = read_model(Page, (await http.get("/customers", params={"after": after})).json())\n'
_FILE = (
    '        file = await http.download("/customers?after=" + after)\n'
    "        page = read_model(Page, await file.json())\n"
)


@pytest.mark.parametrize(("reads", "end"), [(_FILE, End.NOT_APPLICABLE), (_LOOP, End.PASSED)])
def test_only_pages_are_asked_for_a_second_one(tmp_path: Path, reads: str, end: End) -> None:
    folder = write_finished(tmp_path)
    apply(folder, (Change(SRC + "polls.py", _LOOP, reads),))
    wanted = ("polls-empty-page", "polls-resume", "polls-end")
    results = {r.check.id: r for r in run(folder, tuple(check for check in CHECKS if check.id in wanted))}
    assert {name: (r.end, r.told) for name, r in results.items() if not r.good} == {}
    assert results["polls-empty-page"].end is end
    assert results["polls-resume"].end is End.PASSED


_NEXT = "        after = page.next\n"
_KEEPS = _NEXT + "        kept = [page.model_copy(deep=True) for _ in range(12)]\n        kept.clear()\n"


@pytest.mark.parametrize(("more", "end"), [(_NEXT, End.PASSED), (_KEEPS, End.MISSED)], ids=["in proportion", "not"])
def test_a_long_file_is_borne_like_a_long_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, end: End
) -> None:
    monkeypatch.setattr("omnibridge.testing.conformance.exactness_checks._ROWS", 300)
    folder = write_finished(tmp_path)
    apply(folder, (Change(SRC + "polls.py", _LOOP, _FILE), Change(SRC + "polls.py", _NEXT, more)))
    (result,) = run(folder, tuple(check for check in CHECKS if check.id == "memory-bounded"))
    assert result.end is end, result.told


ROWS = [{"id": f"c_{number}", "name": "Ann"} for number in (1, 2)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TABLE = b"id;name\nc_1;Ann\nc_2;Ann\n"


def archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "most"),
    [
        (json.dumps({"rows": ROWS}).encode(), 1),
        (LINES, 50),
        (TABLE, 51),
        (gzip.compress(LINES), 50),
        (gzip.compress(archive(empty=b"", rows=LINES)), 50),
    ],
    ids=["document", "lines", "table", "packed lines", "packed archive"],
)
def test_a_file_is_made_long_in_its_own_form(content: bytes, most: int) -> None:
    longer = enlarged(content, 50)
    assert longer is not None
    plain = gzip.decompress(longer) if longer.startswith(b"\x1f\x8b") else longer
    assert plain_size(longer) == len(plain)
    if plain[:5] == b"empty":
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            assert tar.getnames() == ["empty", "rows"]
            member = tar.extractfile("rows")
            plain = member.read() if member else b""
    assert len(plain.splitlines()) == most
    assert len(set(re.findall(rb"c_\d+", plain))) == 50, "each row has an id of its own"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"rows": []}', b"\xff\xfe", b"some text", b"\x1f\x8bbroken"])
def test_what_has_no_rows_stays_as_it_is(content: bytes) -> None:
    assert enlarged(content, 50) is None
