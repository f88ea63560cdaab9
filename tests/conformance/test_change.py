"""What is wrong with the author's `change` is said of the `change`, and not of a check that has passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_connector import run
from acme_silver import write_finished

from omnibridge.testing.conformance import CHECKS, End

ONE_EVENT = tuple(check for check in CHECKS if check.id == "one-event")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("body=sent.body,", 'body=b"{}",', "the `change` of conformance.py is not understood. By webhook: "),
        (
            '    sent = sandbox.webhook("", sandbox.changes("c_1", {"first_name": "Other"}))\n',
            '    sent = sandbox.webhook("", sandbox.changes("c_1", {"first_name": "Other"}))\n'
            '    sandbox.customers["c_1"].pop("updated_at")\n',
            "the poll 'customers' fails after the `change`: ",
        ),
    ],
    ids=["webhook", "poll"],
)
def test_the_real_cause_is_named(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    folder = write_finished(tmp_path)
    file = folder / "tests/conformance.py"
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    (result,) = run(folder, ONE_EVENT)
    assert (result.end, told in result.told) == (End.MISSED, True), result.told
