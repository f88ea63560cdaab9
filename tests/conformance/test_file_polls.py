"""A connector whose polls only read files has no pages: the kit asks for no second one, and still cuts it off."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_connector import run
from acme_mutant import SRC, Change, apply
from acme_silver import write_finished

from omnibridge.testing.conformance import CHECKS, End

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
