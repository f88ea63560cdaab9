"""Explanations: which clause decided, with which value."""

from __future__ import annotations

import pytest

from omnibridge import cesql

FILTER = "type = 'order.placed' AND (priority > 3 OR region IN ('dk', 'se')) AND LOWER(channel) = 'web'"


def test_every_part_has_its_text_value_and_error():
    event = {"type": "order.placed", "priority": 2, "region": "no", "channel": "WEB"}
    clause = cesql.compile(FILTER).explain(event)
    assert str(clause) == "\n".join(
        [
            f"{FILTER} → False",
            "  type = 'order.placed' → True",
            "    type → 'order.placed'",
            "  priority > 3 OR region IN ('dk', 'se') → False",
            "    priority > 3 → False",
            "      priority → 2",
            "    region IN ('dk', 'se') → False",
            "      region → 'no'",
            "  LOWER(channel) = 'web' → not evaluated",
            "    LOWER(channel) → not evaluated",
            "      channel → not evaluated",
        ]
    )
    for part in clause.walk():
        assert FILTER[part.span.start : part.span.end] == part.text


@pytest.mark.parametrize(
    ("event", "culprits"),
    [
        ({"type": "order.placed", "priority": 5, "channel": "web"}, []),
        ({"type": "order.paid"}, ["type = 'order.placed'"]),
        ({"type": "order.placed", "priority": 1, "region": "no"}, ["priority > 3", "region IN ('dk', 'se')"]),
        ({"type": "order.placed", "priority": 1}, ["priority > 3", "region IN ('dk', 'se')"]),
        ({"type": "order.placed", "priority": 5}, ["LOWER(channel) = 'web'"]),
        ({}, ["type = 'order.placed'"]),
    ],
)
def test_culprits_are_the_smallest_conditions_to_blame(event, culprits):
    expression = cesql.compile(FILTER)
    clause = expression.explain(event)
    assert [culprit.text for culprit in clause.culprits()] == culprits
    assert expression.matches(event) is (not culprits)


def test_an_error_is_shown_where_it_arose_and_above():
    clause = cesql.compile("TRUE AND 10 / count > 1 AND x").explain({"count": 0})
    shown = {part.text: part.error for part in clause.walk()}
    assert shown == {
        "TRUE AND 10 / count > 1 AND x": "math",
        "10 / count > 1": "math",
        "10 / count": "math",
        "count": None,
        "x": None,
    }
    [culprit] = clause.culprits()
    assert (culprit.text, culprit.detail) == ("10 / count > 1", "10 is divided by zero")
    assert not next(part for part in clause.walk() if part.text == "x").evaluated


def test_data_is_explained_too():
    clause = cesql.compile("DATA_GT('/total', '100')").explain({}, {"total": "99.99"})
    assert (clause.value, clause.error) == (False, None)
    clause = cesql.compile("DATA('/total')").explain({}, {})
    assert clause.error == "missingAttribute"
    assert "/total" in (clause.detail or "")


@pytest.mark.parametrize("text", ["TRUE", "FALSE", "5", "'text'", "LEFT('abc', -1)"])
def test_the_root_is_always_there(text):
    expression = cesql.compile(text)
    clause, result = expression.explain({}), expression.evaluate({})
    assert (clause.value, clause.error, clause.detail) == (result.value, result.error, result.detail)
