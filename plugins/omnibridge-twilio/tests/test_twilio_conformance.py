"""Twilio holds what the conformance kit asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibridge.testing.conformance import Check, Subject, Tier, checks_of, examples, run_check

HERE = Path(__file__).parent
(GIVEN,) = examples(HERE / "conformance.py")
SUBJECT = Subject("twilio", GIVEN, HERE)


@pytest.mark.parametrize("check", checks_of(Tier.GOLD), ids=lambda check: check.id)
def test_it_holds(check: Check):
    result = run_check(check, SUBJECT)
    assert result.good, f"{result.told}\n{check.mend}"
