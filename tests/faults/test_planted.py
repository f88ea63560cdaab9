"""The bugs that `make faults` plants still fit the code: one that no longer does would prove nothing, unnoticed."""

from __future__ import annotations

import pytest
from planted import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_changes_the_code_as_it_is_now_and_names_tests_that_exist(repository, bug: Bug):
    text = (repository / "src" / "omnibridge" / bug.file).read_text("utf-8")
    assert bug.old in text
    compile(text.replace(bug.old, bug.new), bug.file, "exec")
    for test in bug.tests:
        assert (repository / test).exists()
