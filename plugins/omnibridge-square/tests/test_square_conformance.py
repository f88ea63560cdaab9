"""Square holds what the conformance kit asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibridge.testing.conformance import Check, Subject, Tier, checks_of, examples, run_check

HERE = Path(__file__).parent
(GIVEN,) = examples(HERE / "conformance.py")


@pytest.fixture(scope="module")
def subject(pytestconfig: pytest.Config) -> Subject:
    return Subject("square", GIVEN, HERE, bool(pytestconfig.getoption("--write-golden")))


@pytest.mark.parametrize("check", checks_of(Tier.GOLD), ids=lambda check: check.id)
def test_it_holds(check: Check, subject: Subject):
    result = run_check(check, subject)
    assert result.good, f"{result.told}\n{check.mend}"
