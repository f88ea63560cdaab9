"""Two values are compared place by place."""

from __future__ import annotations

from omnibridge.testing.dev import differences


def test_each_place_is_told_once() -> None:
    before = {"a": 1, "b": {"c": [1, 2]}, "gone": None, "same": "x", "empty": []}
    now = {"a": 1.5, "b": {"c": [1, 3, 4]}, "same": "x", "new": {"d": True}, "empty": {}}
    assert differences(before, now) == [
        ("a", "1", "1.5"),
        ("b.c[1]", "2", "3"),
        ("b.c[2]", None, "4"),
        ("new.d", None, "true"),
        ("empty", "[]", "{}"),
        ("gone", "null", None),
    ]
    assert differences(before, before) == []


def test_a_list_that_is_filled_is_told_by_its_members() -> None:
    assert differences({"a": []}, {"a": [{"b": 1}]}) == [("a[0].b", None, "1")]
    assert differences({"a": [1]}, {"a": []}) == [("a[0]", "1", None)]
    assert differences([], ["x"]) == [("[0]", None, '"x"')]
    assert differences({"a": [], "b": 1}, {"b": 1}) == [("a", "[]", None)]
